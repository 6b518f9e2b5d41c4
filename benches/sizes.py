"""Cost of a cold index against the size of the tree.

python benches/sizes.py CACHE [--runs N] [--whole-runs N]

CACHE is what `corpora.py` filled, with and without `--kernel-whole`: the trees are whole folders
of Linux's sources, from about 10 MB to all of it. Each run is a fresh process with an empty vector
cache; the sizes take turns. Prints one JSON document with medians of wall and CPU seconds and of
peak memory; `plots.py` draws it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import corpora
import measured

SMALL: dict[str, tuple[str, ...]] = {
    "10 MB": ("kernel",),
    "30 MB": ("kernel", "mm", "lib", "security", "crypto", "block", "ipc", "init", "certs"),
    "300 MB": ("arch", "sound", "tools", "fs", "net"),
}
"""Folders of the whole tree that make up the sizes between."""


def cold(tree: Path) -> dict[str, Any]:
    """One cold index in a fresh process."""

    def start() -> measured.Run:
        with tempfile.TemporaryDirectory() as index:
            places = {"HYBRIDX_INDEX_DIR": index, "HYBRIDX_CACHE_DIR": f"{index}/cache"}
            command = [sys.executable, "-m", "hybridx", "index", str(tree), "--json", "--quiet"]
            return measured.run(command, places)

    run = measured.quietly(start, lambda run: run.others)
    report = json.loads(run.output)
    return {
        "seconds": run.seconds,
        "cpu_seconds": run.cpu_seconds,
        "peak_mb": run.peak_mib * 1.048576,
        "others": run.others,
        "chunks": report["chunks"]["total"],
    }


def trees(cache: Path, work: Path) -> dict[str, Path]:
    """The trees by name, smallest first; those that are parts are copied to `work`."""
    whole = cache / "kernel-whole"
    made = {}
    for name, parts in SMALL.items():
        folder = work / name.replace(" ", "-")
        for part in parts:
            shutil.copytree(whole / part, folder / part, symlinks=True)
        made[name] = folder
    made["90 MB"] = cache / "kernel"
    made["1.3 GB"] = whole
    return dict(sorted(made.items(), key=lambda item: corpora.size(item[1])["bytes"]))


def measure(cache: Path, runs: int, whole_runs: int) -> list[dict[str, Any]]:
    """Medians for each size."""
    with tempfile.TemporaryDirectory() as name:
        sources = trees(cache, Path(name))
        done: dict[str, list[dict[str, Any]]] = {size: [] for size in sources}
        for number in range(max(runs, whole_runs)):
            for size, tree in sources.items():
                if number < (whole_runs if tree.name == "kernel-whole" else runs):
                    done[size].append(cold(tree))
                    print(f"{size}: {done[size][-1]}", file=sys.stderr)
        sizes = {size: corpora.size(tree) for size, tree in sources.items()}
    return [
        {
            "name": size,
            "files": sizes[size]["files"],
            "megabytes": sizes[size]["bytes"] / 1e6,
            "runs": len(each),
            **{key: statistics.median(run[key] for run in each) for key in each[0]},
            "each": each,
        }
        for size, each in done.items()
    ]


def main() -> None:
    """Measures and prints one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--whole-runs", type=int, metavar="N", help="of the whole tree")
    asked = parser.parse_args()
    result = measure(asked.cache, asked.runs, asked.whole_runs or asked.runs)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
