"""What an update costs where little or nothing changed, beside what it is to be compared with.

    python benches/scan.py TREE [--runs 9]

TREE is copied, made a git repository and indexed, which takes minutes where it is large; then each
round runs every command once, in turn, so that a busy machine slows all of them down. Rows:

    walk and hash           a scan without a stat cache          b3sum over the same files
    no-op                   `hybridx index`, nothing changed     `git status`
    one changed file        `hybridx index`                      `import lancedb`
    one changed file        an update of a process that stays: of everything, and of that path alone
    search                  `hybridx search`, hybrid and lexical `import lancedb`
    import                  `hybridx.Index`                      Python alone

Seconds are of whole processes, medians; CPU seconds are those of the process with all its threads,
which a busy machine changes less. The page cache is warm.
"""

from __future__ import annotations

import argparse
import json
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
from typing import TYPE_CHECKING, Any

import measured
from hybridx import _core
from hybridx.api import Index
from hybridx.indexer import Request
from hybridx.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = [sys.executable, "-P"]
HYBRIDX = [*PYTHON, "-m", "hybridx"]

Cost = tuple[float, float]
"""Wall and CPU seconds."""

TARGETS: tuple[tuple[str, str, float, float], ...] = (
    ("walk and hash", "b3sum", 1.25, 0.0),
    ("index, no change", "git status", 1.0, 0.15),
    ("index, one changed file", "import lancedb", 1.0, 0.3),
    ("search, hybrid", "import lancedb", 1.0, 0.2),
    ("search, lexical", "Python alone", 0.0, 0.15),
    ("import hybridx.Index", "Python alone", 1.0, 0.05),
    ("resident update, one path", "Python alone", 0.0, 0.06),
    ("resident update, whole scan", "Python alone", 0.0, 0.06),
)
"""A row, what it is compared with, and the target: so many times that, plus so many seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--query", default="allocate a page")
    parser.add_argument("--root", type=Path, help="a copy in git that is indexed already: kept")
    arguments = parser.parse_args()
    measured.keep_bytecode()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        if arguments.root is None:
            root = Path(folder) / "tree"
            os.environ["HYBRIDX_CACHE_DIR"] = str(Path(folder) / "cache")
            make(arguments.tree, root)
        else:
            root = arguments.root.resolve()
        document = measure(root, arguments.runs, arguments.query)
    print(json.dumps(document, indent=2))


def make(tree: Path, root: Path) -> None:
    """A copy of `tree` at `root`, committed to git and indexed."""
    ignored = shutil.ignore_patterns(".git", ".hybridx")
    shutil.copytree(tree, root, symlinks=True, ignore=ignored)
    git(root, "init", "-q")
    # No upkeep in the middle of a measurement.
    git(root, "config", "gc.auto", "0")
    git(root, "add", "-A")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "all")
    subprocess.run([*HYBRIDX, "index", "--quiet", str(root)], check=True)


def measure(root: Path, runs: int, query: str) -> dict[str, Any]:
    index = Index.open(root)
    names = index._generation().snapshot.paths()
    sources = [name for name in names if name.endswith((".c", ".h", ".py", ".rs", ".js", ".go"))]
    chance = random.Random(1)
    edits = (chance.choice(sources) for _ in iter(int, 1))
    with tempfile.NamedTemporaryFile() as listed:
        # As the index spells them: no bytes but those of text stand for themselves.
        listed.write(b"\0".join(map(_core.decode_path, names)))
        listed.flush()
        work = commands(root, index._layout.folder, listed.name, query)
        resident = Resident(index)
        taken: dict[str, list[Cost]] = {}
        for number in range(runs):
            for name, command in work.items():
                if "changed" in name:
                    edit(root / next(edits), number)
                taken.setdefault(name, []).append(timed(command, root))
            for name, is_alone in RESIDENT.items():
                cost = resident.update(next(edits), number, alone=is_alone)
                taken.setdefault(name, []).append(cost)
            # What they wrote is not to be the next command's work.
            subprocess.run([*HYBRIDX, "index", "--quiet", str(root)], check=True)
    index.close()
    return report(root, runs, len(names), taken)


def commands(root: Path, folder: Path, listed: str, query: str) -> dict[str, list[str]]:
    scan = (
        "import sys; from hybridx import _core; "
        "print(_core.scan(sys.argv[1], exclude=[sys.argv[2]]).bytes_hashed)"
    )
    hashing = f"xargs -0 -n 2000 b3sum --no-names < {listed}"
    return {
        "walk and hash": [*PYTHON, "-c", scan, str(root), str(folder)],
        "b3sum": ["sh", "-c", hashing],
        "index, no change": [*HYBRIDX, "index", "--quiet"],
        "git status": ["git", "status"],
        "index, one changed file": [*HYBRIDX, "index", "--quiet"],
        "import lancedb": [*PYTHON, "-c", "import lancedb"],
        "search, hybrid": [*HYBRIDX, "search", query, "--json"],
        "search, lexical": [*HYBRIDX, "search", query, "--json", "--mode", "lexical"],
        "import hybridx.Index": [*PYTHON, "-c", "import hybridx; hybridx.Index"],
        "Python alone": [*PYTHON, "-c", "pass"],
    }


RESIDENT = {"resident update, whole scan": False, "resident update, one path": True}


class Resident:
    """A process that stays, as a watch does."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.kept = Kept(resident=True)
        self._run(Request(serving=True))
        self.kept.warm_up(index.wanted_model(), index.settings)

    def update(self, name: str, number: int, *, alone: bool) -> Cost:
        """An update after the file `name` was changed, and the change is all there is."""
        self._run(Request(serving=True))
        edit(self.index.root / name, number)
        request = Request(serving=True, paths=frozenset([name]) if alone else None)
        start, used = time.perf_counter(), time.process_time()
        changed = self._run(request)
        cost = time.perf_counter() - start, time.process_time() - used
        assert changed == 1, f"{changed} files changed, not one"
        return cost

    def _run(self, request: Request) -> int:
        token = _core.CancelToken()
        return self.index._update(request, None, token, self.kept).files.modified


def edit(file: Path, number: int) -> None:
    with file.open("a") as stream:
        stream.write(f"\n// edit {number}\nint edit_{time.monotonic_ns()}(void);\n")


def timed(command: Sequence[str], root: Path) -> Cost:
    """Wall and CPU seconds of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(root: Path, runs: int, files: int, taken: dict[str, list[Cost]]) -> dict[str, Any]:
    rows = {
        name: {
            "seconds": round(statistics.median(wall for wall, _ in costs), 4),
            "least_seconds": round(min(wall for wall, _ in costs), 4),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in costs), 4),
        }
        for name, costs in taken.items()
    }
    targets = []
    for name, beside, times, more in TARGETS:
        wall, other = rows[name]["seconds"], rows[beside]["seconds"]
        allowed = times * other + more
        targets.append(
            {
                "row": name,
                "seconds": wall,
                "beside": beside,
                "beside_seconds": other,
                "ratio": round(wall / other, 2),
                "target": f"{times:g} x {beside} + {more:g} s" if times else f"{more:g} s",
                "allowed_seconds": round(allowed, 4),
                "of_allowed": round(wall / allowed, 2),
            }
        )
    return {"files": files, "runs": runs, "rows": rows, "targets": targets}


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


if __name__ == "__main__":
    main()
