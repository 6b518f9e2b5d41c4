"""CPU seconds by thread of one cold index, looked at from outside.

python benches/threads.py FOLDER [--sequential] [--runs N] [--every SECONDS]

Of several runs the medians are printed. `plots.py` draws what is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

PROGRAM = """
import threading
from pathlib import Path

inner = threading.Thread.run

def run(self):
    comm = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
    comm.write_text(self.name.removeprefix("hybridx-")[:15])
    inner(self)

threading.Thread.run = run

from hybridx.cli import main

main()
"""
"""hybridx, whose Python threads bear their names also outside Python."""


STAGES = {
    "scan": ("hybridx-scan",),
    "ingest": ("hybridx-ingest", "read"),
    "bm25": ("thrd-tantivy", "merge_thread", "docstore", "segment_updater"),
    "embed": ("encode", "embed", "cache"),
    "store": ("write", "lance", "LanceDB", "tokio", "object_store"),
}
"""Which threads do the work of which stage, by the beginnings of their names."""

REST = "start, end, other"


def stage(name: str) -> str:
    """The stage that a thread works for."""
    found = (stage for stage, prefixes in STAGES.items() if name.startswith(prefixes))
    return next(found, REST)


def names(pid: int, known: dict[int, tuple[str, float]]) -> None:
    """Notes name and CPU seconds of every thread that lives."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            comm = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
        known[int(task.name)] = (comm, spent)


def group(name: str) -> str:
    """Threads that do the same have the same name but for their number."""
    return re.sub(r"[-_]?\d+$", "", name)


def measure(folder: Path, *options: str, every: float = 0.02) -> dict[str, Any]:
    """Indexes `folder` anew and returns the report with CPU seconds by thread."""
    with tempfile.TemporaryDirectory() as index:
        command = [sys.executable, "-c", PROGRAM, "index", str(folder), "--json", "-q", *options]
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "HYBRIDX_INDEX_DIR": index,
                "HYBRIDX_CACHE_DIR": f"{index}/cache",
            },
        )
        known: dict[int, tuple[str, float]] = {}
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            names(child.pid, known)
            time.sleep(every)
        seconds = time.perf_counter() - start
        assert child.stdout is not None
        report = json.loads(child.stdout.read())
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
    by_thread: dict[str, float] = defaultdict(float)
    for name, spent in known.values():
        by_thread[group(name)] += spent
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "cpu_seconds_seen": sum(by_thread.values()),
        "by_thread": dict(sorted(by_thread.items(), key=lambda item: -item[1])),
        "stages": report["seconds"],
    }


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Each value's median over runs; threads that a run did not have took nothing in it."""
    result: dict[str, Any] = {}
    for key, value in runs[0].items():
        if not isinstance(value, dict):
            result[key] = statistics.median(run[key] for run in runs)
            continue
        inner = dict.fromkeys(name for run in runs for name in run[key])
        result[key] = {name: statistics.median(run[key].get(name, 0) for run in runs)
                       for name in inner}  # fmt: skip
    by_stage: dict[str, float] = defaultdict(float)
    for name, spent in result["by_thread"].items():
        by_stage[stage(name)] += spent
    return {"runs": len(runs), **result, "by_stage": by_stage}


def main() -> None:
    """Measures and prints one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sequential", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--every", type=float, default=0.02, metavar="SECONDS")
    asked = parser.parse_args()
    options = ["--sequential"] if asked.sequential else []
    runs = [measure(asked.folder, *options, every=asked.every) for _ in range(asked.runs)]
    print(json.dumps(medians(runs), indent=2))


if __name__ == "__main__":
    main()
