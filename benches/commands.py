"""Whole commands over a large tree, each beside what it is compared with.

python benches/commands.py TREE [--runs N] [--json OUT]

TREE is copied, made a git repository and indexed; then each round runs everything once, so that a
busy machine slows all of it down: `git status` and an index without changes, `import lancedb` and
an index with one changed file, searches, Python alone and with `hybridx.Index`, `b3sum` over the
files that are indexed and the walk that digests them. Each is a fresh process, timed from its
start to its end; the walk is timed inside, after the imports. Updates of one changed file in a
process that stays are timed at the end. The first round does not count. Prints one JSON document
with the medians in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import measured

PYTHON = [sys.executable, "-P"]
HYBRIDX = [*PYTHON, "-m", "hybridx"]

WALK = """
import sys, time
from hybridx import _core
start = time.perf_counter()
_core.MerkleTree.from_path(sys.argv[1])
print(time.perf_counter() - start)
"""

INSIDE = """
import json, sys, time
from hybridx import Index
root, *files = sys.argv[1:]
took = []
with Index.open(root) as index:
    index.update()
    for number, file in enumerate(files):
        with open(file, "a") as opened:
            opened.write(f"\\n/* inside {number} */\\nint inside_{number}(void);\\n")
        start = time.perf_counter()
        report = index.update()
        took.append(time.perf_counter() - start)
        assert report.files.modified == 1, report
print(json.dumps(took))
"""
"""Opens an index and updates it after each of so many changes."""


def repository(tree: Path, root: Path, places: dict[str, str]) -> None:
    """Copies `tree` to `root`, commits all of it and indexes it."""
    left_out = shutil.ignore_patterns(".git", ".hybridx")
    shutil.copytree(tree, root, symlinks=True, ignore=left_out)
    author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "tree"]):
        subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True)
    measured.run([*HYBRIDX, "index", str(root), "--quiet"], places)


def commands(root: Path, files: Path) -> dict[str, list[str]]:
    """What is run in every round, in this order."""
    here = str(root)
    index, search = [*HYBRIDX, "index", here, "--quiet"], [*HYBRIDX, "search"]
    asked = ["allocate a page for the page cache", here, "--json"]
    hash_all = f"xargs -0 -a {files} -n 4000 -P {len(os.sched_getaffinity(0))} b3sum"
    return {
        "git status": ["git", "-C", here, "status", "--porcelain"],
        "no-op": index,
        "import lancedb": [*PYTHON, "-c", "import lancedb"],
        "one changed": index,
        "search": [*search, *asked],
        "search, lexical": [*search, *asked, "--mode", "lexical"],
        "python": [*PYTHON, "-c", "pass"],
        "import hybridx": [*PYTHON, "-c", "import hybridx; hybridx.Index"],
        "b3sum": hash_all.split(),
        "walk": [*PYTHON, "-c", WALK, here],
    }


def measure(tree: Path, runs: int) -> dict[str, Any]:
    """Medians of everything."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve() / "repository"
        places = {"HYBRIDX_CACHE_DIR": f"{name}/cache"}
        repository(tree, root, places)
        sources = sorted(path for path in root.rglob("*.c") if path.is_file())
        chance = random.Random(1)
        indexed = indexed_paths(root)
        files = Path(name) / "files"
        files.write_bytes(b"\0".join(os.fsencode(root / path) for path in indexed))
        measured.when_idle()
        seconds: dict[str, list[float]] = {}
        others: list[float] = []
        for number in range(runs + 1):
            for what, command in commands(root, files).items():
                if what == "one changed":
                    change(chance.choice(sources), number)
                done = measured.run(command, places)
                if number:
                    took = float(done.output) if what == "walk" else done.seconds
                    seconds.setdefault(what, []).append(took)
                    others.append(done.others)
        changed = [str(path) for path in chance.sample(sources, 4 * runs)]
        staying = [*PYTHON, "-c", INSIDE, str(root), *changed]
        inside = json.loads(measured.run(staying, places).output)
    return {
        "files": len(indexed),
        "runs": runs,
        # What others used is about all of it: a short run is over before a clock tick.
        "others": statistics.mean(others),
        "seconds": {what: statistics.median(each) for what, each in seconds.items()},
        "inside_seconds": statistics.median(inside),
        "each": {**seconds, "inside": inside},
    }


def indexed_paths(root: Path) -> list[str]:
    """The paths of the files that a scan takes for text."""
    program = "import json, sys; from hybridx import _core;"
    program += "print(json.dumps(list(_core.MerkleTree.from_path(sys.argv[1]).paths())))"
    found: list[str] = json.loads(measured.run([*PYTHON, "-c", program, str(root)]).output)
    return found


def change(path: Path, number: int) -> None:
    """Adds a definition to a C file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n/* edit {number} */\nint edit_{number}(void);\n")


def main() -> None:
    """Measures and prints one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="OUT")
    asked = parser.parse_args()
    text = json.dumps(measure(asked.tree, asked.runs), indent=2)
    if asked.json:
        asked.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
