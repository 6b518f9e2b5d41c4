"""What a commit costs: `hybridx hook run` in a git repository, with one changed file and with none.

    python benches/hook.py TREE [--runs 9]

TREE is copied, made a git repository and indexed. Then each round changes one file at random and
times the whole process from its start to its end; in turn with it a run without changes, a search,
Python alone and `import lancedb`, so that a busy machine slows all of them down. The CPU time is
that of the process with all its threads.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measured

HYBRIDX = [sys.executable, "-P", "-m", "hybridx"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    measured.keep_bytecode()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        root = Path(folder) / "repository"
        shutil.copytree(
            arguments.tree,
            root,
            symlinks=True,
            ignore=shutil.ignore_patterns(".git", ".hybridx"),
        )
        os.environ["HYBRIDX_CACHE_DIR"] = str(Path(folder) / "cache")
        measure(root, arguments.runs)


def measure(root: Path, runs: int) -> None:
    git("init", "-q", root=root)
    git("add", "-A", root=root)
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "all", root=root)
    subprocess.run([*HYBRIDX, "index", "--quiet"], cwd=root, check=True)
    named = git("ls-files", root=root).splitlines()
    text = [name for name in named if name.endswith((".c", ".h", ".py", ".rs", ".js", ".go"))]
    print(f"{len(named):,} files, {runs} runs")
    commands = {
        "hook run, one changed file": [*HYBRIDX, "hook", "run", "--quiet"],
        "hook run, no change": [*HYBRIDX, "hook", "run", "--quiet"],
        "index, one changed file": [*HYBRIDX, "index", "--quiet"],
        "search": [*HYBRIDX, "search", "allocate a page", "--json"],
        "import lancedb": [sys.executable, "-c", "import lancedb"],
        "the same, as hybridx does": [
            sys.executable,
            "-c",
            "from hybridx.lance import load_lancedb; load_lancedb()",
        ],
        "Python alone": [sys.executable, "-c", "pass"],
    }
    chance = random.Random(1)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(runs):
        for name, command in commands.items():
            if "changed" in name:
                with (root / chance.choice(text)).open("a") as file:
                    file.write(f"\n// edit {number}\nint edit_{number}(void);\n")
            taken[name].append(timed(command, root))
    plain = statistics.median(wall for wall, _ in taken["import lancedb"])
    print(f"{'':28}  wall s: median    max   CPU s   of import lancedb")
    for name, figures in taken.items():
        walls = [wall for wall, _ in figures]
        median = statistics.median(walls)
        cpu = statistics.median(used for _, used in figures)
        print(f"{name:28}  {median:14.3f} {max(walls):6.3f} {cpu:7.3f} {median / plain:19.2f}")


def timed(command: list[str], root: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def git(*arguments: str, root: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
