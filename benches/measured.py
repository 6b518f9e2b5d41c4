"""A command as a fresh process: wall time, CPU time and the peak memory of all its processes."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAUSE = 0.1
"""Seconds between two looks at the memory of a process and its children."""


@dataclass(frozen=True)
class Run:
    """What one command did and what it cost."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    """Peak resident memory of the largest process, as the kernel counts it."""
    tree_peak_mib: float
    """Peak of the processes together, pages they share counted once; looked at now and then."""
    load_before: float
    """Load average of the last minute when it began: above 0.5 something else was running."""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Runs `command` with `environment` added; raises `RuntimeError` if it fails."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        peaks = [0.0]
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(child.pid, done, peaks))
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watcher.join()
        out.seek(0)
        err.seek(0)
        if child.returncode:
            said = err.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)}: exit {child.returncode}\n{said}")
        return Run(
            output=out.read().decode(),
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_mib=usage.ru_maxrss / 1024,
            tree_peak_mib=max(peaks[0], 0.0),
            load_before=load,
        )


def _watch(pid: int, done: threading.Event, peaks: list[float]) -> None:
    while not done.wait(PAUSE):
        peaks[0] = max(peaks[0], sum(_proportional_mib(each) for each in _tree(pid)))


def _tree(pid: int) -> Iterator[int]:
    """The process and all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _tree(int(child))


def _proportional_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def when_idle(limit: float = 0.7, patience: float = 120.0) -> float:
    """Waits until the machine is idle, or `patience` is over; returns the share that is busy."""
    until = time.monotonic() + patience
    while (busy := _busy(2.0)) > limit / (os.cpu_count() or 1) and time.monotonic() < until:
        pass
    return busy


def _busy(seconds: float) -> float:
    """The share of all cores that was busy over the next `seconds`."""

    def ticks() -> tuple[int, int]:
        numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(numbers[:8]), numbers[3] + numbers[4]

    total, idle = ticks()
    time.sleep(seconds)
    total_after, idle_after = ticks()
    return 1 - (idle_after - idle) / max(1, total_after - total)
