"""A whole index from the command line: cold, unchanged and with one file touched.

python benches/end_to_end.py FOLDER [--runs N] [--sequential] [--cache]

Works on a copy of FOLDER and keeps every index outside it. Each run is a fresh process. With
`--sequential` cold runs of both modes alternate and their chunk ids are compared. Cold runs begin
with an empty vector cache; with `--cache` runs without it and with a warm one take turns with
them. Prints one JSON document; times are medians.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measured

HEAVY = ("lancedb", "onnxruntime", "pyarrow", "numpy")

PROBE = f"""
import atexit, os, sys
loaded = lambda: print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)
atexit.register(loaded)
from hybridx.cli import main
main()
"""
"""hybridx, which says at its end which heavy modules it imported."""


class Bench:
    """Runs over one copy of a tree."""

    def __init__(self, tree: Path, work: Path) -> None:
        self.tree, self.work = tree, work
        self.cache = work / "cache"

    def index(self, parent: str, *options: str, cache_mb: int = 1024) -> dict[str, Any]:
        """One `hybridx index` with the index below `parent`: its report and what it cost."""
        environment = {
            "HYBRIDX_INDEX_DIR": str(self.work / parent),
            "HYBRIDX_CACHE_DIR": str(self.cache),
            "HYBRIDX_CACHE_MB": str(cache_mb),
        }
        command = [sys.executable, "-m", "hybridx", "index", str(self.tree), "--json", "--quiet"]
        run = measured.run([*command, *options], environment)
        report = json.loads(run.output)
        return {
            "seconds": run.seconds,
            "cpu_seconds": run.cpu_seconds,
            "peak_mib": run.peak_mib,
            "others": run.others,
            "report": report,
        }

    def cold(self, parent: str, *options: str, cache: str = "empty") -> dict[str, Any]:
        """An index where there was none, with a vector cache that is `empty`, `off` or `warm`."""

        def start() -> dict[str, Any]:
            shutil.rmtree(self.work / parent, ignore_errors=True)
            if cache == "empty":
                shutil.rmtree(self.cache, ignore_errors=True)
            return self.index(parent, *options, cache_mb=0 if cache == "off" else 1024)

        return measured.quietly(start, lambda run: run["others"])

    def touch(self, number: int) -> str:
        """Appends a line to one file, another in every run, and returns its path."""
        paths = sorted(path for path in self.tree.rglob("*.[ch]") if path.is_file())
        paths = paths or sorted(path for path in self.tree.rglob("*.py") if path.is_file())
        path = paths[(2 * number + 1) * len(paths) // 64 % len(paths)]
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n/* touched {number} */\n" if path.suffix != ".py" else f"\n# {number}\n")
        return path.relative_to(self.tree).as_posix()

    def modules(self, parent: str) -> list[str]:
        """The heavy modules that an index run without changes imports."""
        command = [sys.executable, "-c", PROBE, "index", str(self.tree), "--quiet"]
        environment = {**os.environ, "HYBRIDX_INDEX_DIR": str(self.work / parent)}
        done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
        return done.stderr.split()

    def git_status(self, runs: int) -> dict[str, Any]:
        """Seconds of `git status` over the same tree, all of it committed."""
        git = ["git", "-C", str(self.tree)]
        author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "tree"]):
            subprocess.run([*git, *command], check=True, capture_output=True)
        seconds = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        # The first one refreshes what git knows of the files.
        return {"seconds": statistics.median(seconds[1:]), "each": seconds}

    def chunk_ids(self, parent: str) -> tuple[list[int], list[int]]:
        """The ids in the lexical store and those in the vector store."""
        # In a process of its own: a child's peak memory is never less than its parent's size.
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            return pool.apply(stored_ids, (self.tree, self.work / parent))


def stored_ids(tree: Path, parent: Path) -> tuple[list[int], list[int]]:
    """The chunk ids in both stores of the index of `tree` below `parent`, in order."""
    from hybridx.commit import Generation
    from hybridx.layout import Layout

    generation = Generation.current(Layout.of(tree, index_dir=None, index_parent=parent))
    assert generation is not None
    vectors = generation.vectors()
    return sorted(generation.searcher.ids()), [] if vectors is None else sorted(vectors.ids())


def summary(runs: list[dict[str, Any]], size: int) -> dict[str, Any]:
    """Medians of runs, rates by the tree's bytes, and the runs themselves."""

    def median(*keys: str) -> float:
        values = []
        for run in runs:
            value: Any = run
            for key in keys:
                value = value[key]
            values.append(float(value))
        return statistics.median(values)

    report = runs[-1]["report"]
    seconds = median("seconds")
    done = report["files"]["added"] + report["files"]["modified"]
    return {
        "seconds": seconds,
        "cpu_seconds": median("cpu_seconds"),
        "peak_mib": median("peak_mib"),
        "stages": {name: median("report", "seconds", name) for name in report["seconds"]},
        "files": report["files"],
        "chunks": report["chunks"],
        "mb_per_second": size / 1e6 / seconds,
        "files_per_second": done / seconds,
        "chunks_per_second": report["chunks"]["added"] / seconds,
        "each": [{key: run[key] for key in ("seconds", "peak_mib", "others")} for run in runs],
    }


def tree_bytes(tree: Path) -> int:
    """Bytes of all regular files, but for those of an index."""
    files = (p for p in tree.rglob("*") if p.is_file() and not p.is_symlink())
    return sum(p.stat().st_size for p in files if ".hybridx" not in p.parts)


def measure(bench: Bench, runs: int, *, sequential: bool, cache: bool) -> dict[str, Any]:
    """All measurements."""
    size = tree_bytes(bench.tree)
    cold, one_by_one = [], []
    others: dict[str, list[dict[str, Any]]] = {"off": [], "warm": []} if cache else {}
    for _ in range(runs):
        cold.append(bench.cold("default"))
        for state, done in others.items():
            done.append(bench.cold("default", cache=state))
        if sequential:
            one_by_one.append(bench.cold("sequential", "--sequential"))
    result: dict[str, Any] = {"bytes": size, "cold": summary(cold, size)}
    for state, done in others.items():
        result[f"cold_cache_{state}"] = summary(done, size)
    if sequential:
        result["sequential"] = summary(one_by_one, size)
        ratio = result["sequential"]["seconds"] / result["cold"]["seconds"]
        result["default_times_faster_than_sequential"] = ratio
        default_ids, default_vectors = bench.chunk_ids("default")
        ids, vectors = bench.chunk_ids("sequential")
        result["identical_chunk_ids"] = default_ids == ids
        result["same_ids_in_both_stores"] = default_ids == default_vectors and ids == vectors
    measured.when_idle()
    result["unchanged"] = summary([bench.index("default") for _ in range(max(runs, 5))], size)
    result["unchanged_imports"] = bench.modules("default")
    result["git_status"] = bench.git_status(max(runs, 5))
    after = [bench.index("default") for _ in range(max(runs, 5))]
    result["unchanged_in_repository"] = summary(after, size)
    measured.when_idle()
    touched = []
    for number in range(max(runs, 5)):
        path = bench.touch(number)
        run = bench.index("default")
        assert run["report"]["files"]["modified"] == 1, (path, run["report"])
        touched.append(run)
    result["one_file_touched"] = summary(touched, size)
    return result


def main() -> None:
    """Measures and prints one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sequential", action="store_true", help="measure that mode too")
    parser.add_argument("--cache", action="store_true", help="also without and with a warm cache")
    asked = parser.parse_args()
    measured.keep_bytecode()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name).resolve()
        tree = work / asked.folder.resolve().name
        left_out = shutil.ignore_patterns(".git", ".hybridx")
        shutil.copytree(asked.folder, tree, symlinks=True, ignore=left_out)
        bench = Bench(tree, work)
        result = measure(bench, asked.runs, sequential=asked.sequential, cache=asked.cache)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
