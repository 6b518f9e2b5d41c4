"""How long after it was saved a change can be found, while `hybridx watch` runs.

    python benches/watch.py TREE [--saves 60] [--pause 0.7]

TREE     a folder with a `.hybridx`, or none yet; files in it are changed, and put back at the end.

Each save adds a function with a new name to some file of the tree. This process, which has the
index open, searches for that name whenever there is a new generation. Printed are milliseconds
from the save to the beginning of the first search that finds it, and to its end; then what the
watching process says of its update, stage by stage, and what CPU time a save costs it. Saves during
which other processes used much of the machine are counted, and the figures of the quiet ones are
given apart.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from hybridx import Index
from measured import ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

QUIET = 0.15
"""The share of all cores that others may use during a save that counts as quiet: the system counts
in hundredths of a second."""
PAUSE = 0.003
"""Between two looks whether there is a new generation."""
LONGEST = 20.0
LARGEST = 100_000
"""Bytes of a file that is edited: people edit such."""


@dataclass
class Save:
    """What one save took, in milliseconds."""

    searchable: float
    """Until the first search began that found it."""
    found: float
    """Until that search ended."""
    cpu: float
    """CPU time of the watching process."""
    others: float
    """The share of the machine's cores that other processes used meanwhile."""
    seconds: dict[str, float]
    """Of the update, by stage."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def save(index: Index, watch: subprocess.Popen[str], path: Path, word: str) -> Save:
    """Adds a function to a file and waits until it can be found."""
    assert watch.stdout is not None
    cpu = cpu_seconds(watch.pid)
    busy, own = ticks()[1], time.process_time()
    start = time.perf_counter()
    with path.open("a") as file:
        file.write(f"\nint {word}(void)\n{{\n\treturn {len(word)};\n}}\n")
    before = index.generation
    while True:
        # Searches without end would take one of the cores that the watch needs.
        while index.generation == before and time.perf_counter() - start < LONGEST:
            time.sleep(PAUSE)
        before = index.generation
        began = time.perf_counter()
        hits = index.search(word, 3, mode="lexical").hits
        ended = time.perf_counter()
        if any(word in hit.text for hit in hits):
            break
        if ended - start > LONGEST:
            changed = index.diff()
            raise SystemExit(f"{path}: not found after {LONGEST:g} s; not ingested: {changed}")
    report: dict[str, Any] = json.loads(watch.stdout.readline())
    spent = cpu_seconds(watch.pid) - cpu
    total, used = ended - start, ticks()[1] - busy
    mine = spent + time.process_time() - own
    others = max(0.0, used - mine) / (total * (os.cpu_count() or 1))
    return Save(
        (began - start) * 1000, (ended - start) * 1000, spent * 1000, others, report["seconds"]
    )


def show(name: str, values: Sequence[float]) -> None:
    """A line of median, 95th percentile and extremes."""
    last = quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
    print(
        f"{name:24} median {median(values):7.1f}  p95 {last:7.1f}  "
        f"min {min(values):7.1f}  max {max(values):7.1f}"
    )


def measure(tree: Path, saves: int, pause: float) -> list[Save]:
    """Watches `tree` in another process and saves files in it."""
    sizes = {each: each.stat().st_size for each in sorted(tree.rglob("*.[ch]"))}
    files = [each for each, size in sizes.items() if 200 < size < LARGEST]
    chance = random.Random(1)
    chosen = [chance.choice(files) for _ in range(saves)]
    before = {path: path.read_bytes() for path in chosen}
    command = [sys.executable, "-m", "hybridx", "watch", str(tree), "--quiet", "--json"]
    done = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        try:
            assert watch.stdout is not None
            first = json.loads(watch.stdout.readline())
            print(f"{first['files']['seen']:,} files, {first['chunks']['total']:,} chunks")
            time.sleep(3)  # what the first batch needs is loaded
            with Index.open(tree) as index:
                index.search("nothing", mode="lexical")
                names = random.Random()
                for path in chosen:
                    # No part of it stands anywhere else, so that it is the best hit.
                    word = "".join(names.choices("abcdefghijklmnopqrstuvwxyz", k=14))
                    done.append(save(index, watch, path, word))
                    time.sleep(pause)
        finally:
            watch.send_signal(signal.SIGTERM)
            for path, content in before.items():
                path.write_bytes(content)
    return done


def main() -> None:
    """Reads the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--saves", type=int, default=60)
    parser.add_argument("--pause", type=float, default=0.7)
    options = parser.parse_args()
    done = measure(options.tree, options.saves, options.pause)
    quiet = [each for each in done if each.others < QUIET]
    for name, some in (("", done), (" (quiet)", quiet)):
        if not some:
            print(f"none of {len(done)} saves was alone on the machine")
            continue
        print(f"{len(some)} saves{name}, milliseconds")
        show("until searchable", [each.searchable for each in some])
        show("until found", [each.found for each in some])
        show("CPU of the watch", [each.cpu for each in some])
        for stage in some[0].seconds:
            show(f"  {stage}", [each.seconds[stage] * 1000 for each in some])


if __name__ == "__main__":
    main()
