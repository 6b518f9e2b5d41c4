"""A command as a fresh process: wall time, CPU time and the peak memory of all its processes."""

from __future__ import annotations

import compileall
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import hybridx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PAUSE = 0.25
"""Seconds between two looks at the memory of a process and its children: each costs some CPU."""


QUIET = 0.05
"""The share of all cores that others may use during a run that counts."""

TRIES = 3
"""Runs at most until there is one that counts."""

PATIENCE = 120.0
"""Seconds to wait at most, before each, until others are idle."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Run:
    """What one command did and what it cost."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    """Peak resident memory of the largest process, as the kernel counts it."""
    tree_peak_mib: float
    """The same of one alone; of several together, pages they share counted once, looked at now and
    then."""
    others: float
    """The share of the machine's cores that other processes used meanwhile."""


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, tree: bool = False
) -> Run:
    """Runs `command` with `environment` added; raises `RuntimeError` if it fails.

    `tree` asks for `tree_peak_mib`.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        busy = ticks()[1]
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        peaks = [0.0]
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(child.pid, done, peaks))
        if tree:
            watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        busy = ticks()[1] - busy
        child.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        if tree:
            watcher.join()
        out.seek(0)
        err.seek(0)
        if child.returncode:
            said = err.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)}: exit {child.returncode}\n{said}")
        cpu_seconds = usage.ru_utime + usage.ru_stime
        available = seconds * (os.cpu_count() or 1)
        return Run(
            output=out.read().decode(),
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_mib=usage.ru_maxrss / 1024,
            tree_peak_mib=max(peaks[0], usage.ru_maxrss / 1024),
            others=max(0.0, busy - cpu_seconds) / available,
        )


def _watch(pid: int, done: threading.Event, peaks: list[float]) -> None:
    while not done.wait(PAUSE):
        processes = [*_tree(pid)]
        # Of one alone the system knows the peak, and asking for what it has now stops it meanwhile.
        if len(processes) > 1:
            peaks[0] = max(peaks[0], sum(map(_proportional_mib, processes)))


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


def quietly(start: Callable[[], _T], others: Callable[[_T], float], tries: int | None = None) -> _T:
    """The first of up to `tries` runs during which others used less than `QUIET`, or the least.

    `others` tells how much of the machine they used during a run. `tries` are `TRIES` if None.
    """
    done: list[_T] = []
    for _ in range(TRIES if tries is None else tries):
        when_idle()
        done.append(start())
        if others(done[-1]) < QUIET:
            break
    return min(done, key=others)


def keep_bytecode() -> None:
    """Has every Python that is started from here find hybridx compiled, as `pip` installs it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    compileall.compile_dir(Path(hybridx.__file__).parent, quiet=1)


def when_idle(limit: float = 0.1) -> None:
    """Waits until others use less than `limit` of the cores, or `PATIENCE` is over."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        total, busy = ticks()
        time.sleep(2.0)
        total_after, busy_after = ticks()
        if busy_after - busy < limit * (total_after - total):
            return


def ticks() -> tuple[float, float]:
    """Seconds of all cores since the machine started: all of them, and those not idle."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    seconds = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    return sum(seconds), sum(seconds) - seconds[3] - seconds[4]
