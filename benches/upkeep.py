"""Many small updates of one index: how long each takes, and what they leave behind.

python benches/upkeep.py TREE [--updates 1000] [--seed 1]

Copies TREE, indexes the copy, then edits, adds, deletes, moves or takes back a few files and
updates, again and again, in one process. Prints one JSON document: quantiles of the updates'
wall time in milliseconds, the slowest ones, how the stores grew on the way, and the size of the
index at the end against that of a fresh build of the same tree.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from hybridx import Index, Settings
from hybridx.commit import Generation


def main() -> None:
    """Runs the bench."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "tree"
        shutil.copytree(options.tree, root, ignore=shutil.ignore_patterns(".hybridx"))
        print(json.dumps(soak(root, options.updates, random.Random(options.seed)), indent=2))


def soak(root: Path, updates: int, chance: random.Random) -> dict[str, Any]:
    """Updates the index of `root` after each of `updates` small changes."""
    settings = Settings.load(root, {"cache_dir": root.with_name("cache")})
    index = Index.open(root, settings=settings)
    index.update()
    editor = Editor(root, chance)
    took: list[float] = []
    grown: list[dict[str, int]] = []
    for number in range(1, updates + 1):
        editor.change()
        start = time.perf_counter()
        index.update()
        took.append((time.perf_counter() - start) * 1000)
        if number % max(1, updates // 10) == 0:
            grown.append({"after": number, **pieces(index)})
    kept = index.status(check=False).size_bytes
    index.update(full=True)
    # What a full build replaced goes with the next change.
    editor.change()
    index.update()
    fresh = index.status(check=False).size_bytes
    slowest = sorted(range(updates), key=lambda at: -took[at])[:10]
    ranks = statistics.quantiles(took, n=100)
    return {
        "updates": updates,
        "milliseconds": {
            "p50": round(ranks[49], 1),
            "p90": round(ranks[89], 1),
            "p99": round(ranks[98], 1),
            "max": round(max(took), 1),
        },
        "slowest": {at + 1: round(took[at], 1) for at in slowest},
        "grown": grown,
        "size_bytes": dict(kept),
        "fresh_size_bytes": dict(fresh),
        "size_ratio": round(kept["total"] / fresh["total"], 3),
    }


def pieces(index: Index) -> dict[str, int]:
    """What the stores of an index are made of."""
    generation = Generation.current(index._layout)
    assert generation is not None
    store = generation.vectors()
    table = generation.epoch.vectors / f"chunks-{generation.manifest.vectors_table}.lance"
    files = {part.name: sum(1 for _ in part.iterdir()) for part in table.iterdir()}
    return {
        "segments": len({path.stem for path in generation.epoch.bm25.glob("*.store")}),
        "vector_table": generation.manifest.vectors_table,
        "vector_versions": files.get("_versions", 0),
        "vector_files": files.get("data", 0),
        "deletion_files": files.get("_deletions", 0),
        "transaction_files": files.get("_transactions", 0),
        "snapshots": sum(1 for _ in generation.epoch.snapshots.iterdir()),
        "rows": len(store) if store else 0,
        "bytes": index.status(check=False).size_bytes["total"],
    }


class Editor:
    """Makes small changes to a tree, as somebody at work does."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        """Works on the text files below `root`."""
        self._root = root
        self._chance = chance
        found = (path for path in root.rglob("*") if path.is_file() and path.stat().st_size < 99999)
        self._files = sorted(path for path in found if ".hybridx" not in path.parts)
        self._number = 0

    def change(self) -> None:
        """Edits one to three files, and now and then adds, moves or deletes one."""
        self._number += 1
        for path in self._chance.sample(self._files, self._chance.randint(1, 3)):
            lines = path.read_bytes().splitlines(keepends=True)
            at = self._chance.randint(0, len(lines))
            lines.insert(at, b"/* round %d changes this line */\n" % self._number)
            path.write_bytes(b"".join(lines))
        kind = self._chance.random()
        at = self._chance.randrange(len(self._files))
        path = self._files[at]
        if kind < 0.1:
            added = path.with_name(f"added_{self._number}{path.suffix}")
            added.write_bytes(path.read_bytes()[:5000])
            self._files.append(added)
        elif kind < 0.2:
            moved = path.with_name(f"moved_{self._number}{path.suffix}")
            path.rename(moved)
            self._files[at] = moved
        elif kind < 0.3:
            path.unlink()
            del self._files[at]


if __name__ == "__main__":
    main()
