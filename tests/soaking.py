"""Random edits, renames and deletes under a watch, and what must be true of it afterwards.

`python tests/soaking.py OPERATIONS SECONDS` runs it by itself and prints how memory went.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support import Tree, open_index

if TYPE_CHECKING:
    from hybridx import Index
    from hybridx.watch import Watcher

FOLDERS = 12
FILES = 400
"""About so many files there are, whatever is created and deleted."""

SAMPLES = 60
"""Looks at the process on the way."""


@dataclass
class Sample:
    """What the process holds at one moment."""

    seconds: float
    anonymous_mb: float
    """Memory of its own, as the system counts it (RssAnon)."""
    descriptors: int
    threads: int

    @classmethod
    def take(cls, start: float) -> Sample:
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return cls(
            round(time.monotonic() - start, 1),
            int(fields["RssAnon"].split()[0]) / 1024,
            sum(1 for _ in Path("/proc/self/fd").iterdir()),
            int(fields["Threads"]),
        )


@dataclass
class Soak:
    """Random work on a tree, always the same for the same seed."""

    tree: Tree
    seed: int = 0
    operations: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _made: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        while len(self._names) < FILES:
            self._create()

    def step(self) -> None:
        """One operation."""
        few = len(self._names) < FILES // 2
        many = len(self._names) > FILES * 3 // 2
        kind = self.chance.choices(
            ("edit", "save", "create", "delete", "rename", "rename_folder", "recreate"),
            (50, 15, 4 if many else 12, 0 if few else 8, 10, 1, 4),
        )[0]
        getattr(self, f"_{kind}")()
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.operations += 1

    def _text(self, path: str) -> str:
        self._made += 1
        lines = self.chance.randrange(3, 60)
        body = "".join(
            f"    total_{at} = compute_{self.chance.randrange(5000)}(total, {self._made})\n"
            for at in range(lines)
        )
        return f"def made_{self._made}(total):\n    # {path}\n{body}    return total\n\n\n"

    def _name(self) -> str:
        self._made += 1
        depth = self.chance.randrange(3)
        folders = [f"d{self.chance.randrange(FOLDERS)}" for _ in range(depth)]
        return "/".join([*folders, f"f{self._made}.py"])

    def _some(self) -> str:
        return self.chance.choice(self._names)

    def _create(self) -> None:
        name = self._name()
        self.tree.write(name, self._text(name))
        self._names.append(name)

    def _edit(self) -> None:
        name = self._some()
        if self.chance.random() < 0.5:
            with self.tree.path(name).open("a") as file:
                file.write(self._text(name))
        else:
            self.tree.write(name, self._text(name))

    def _save(self) -> None:
        """As editors do: a file beside it takes its place."""
        name = self._some()
        beside = f"{name}.tmp{self._made}"
        self.tree.write(beside, self._text(name))
        self.tree.path(beside).replace(self.tree.path(name))

    def _delete(self) -> None:
        name = self._some()
        self.tree.delete(name)
        self._names.remove(name)

    def _rename(self) -> None:
        name, new = self._some(), self._name()
        self.tree.move(name, new)
        self._names[self._names.index(name)] = new

    def _rename_folder(self) -> None:
        folders = sorted({name.rpartition("/")[0] for name in self._names} - {""})
        if not folders:
            return
        self._made += 1
        old, new = self.chance.choice(folders), f"moved{self._made}"
        self.tree.move(old, new)
        self._names = [
            f"{new}/{name.removeprefix(f'{old}/')}" if name.startswith(f"{old}/") else name
            for name in self._names
        ]

    def _recreate(self) -> None:
        """Deleted and there again at once, as a checkout may do it."""
        name = self._some()
        self.tree.delete(name)
        self.tree.write(name, self._text(name))


@dataclass
class Outcome:
    """What a soak came to."""

    operations: int
    kinds: dict[str, int]
    seconds: float
    batches: int
    samples: list[Sample]
    errors: list[str]

    @property
    def growth_mb(self) -> float:
        """Memory in the last quarter beyond that in the second one, by their medians.

        The first quarter is the warm-up: models, stores and their caches are loaded.
        """
        quarter = max(1, len(self.samples) // 4)
        middle = [each.anonymous_mb for each in self.samples[quarter : 2 * quarter]]
        last = [each.anonymous_mb for each in self.samples[-quarter:]]
        return statistics.median(last) - statistics.median(middle)

    @property
    def more_descriptors(self) -> int:
        """Open files in the last quarter beyond those in the second one."""
        quarter = max(1, len(self.samples) // 4)
        middle = [each.descriptors for each in self.samples[quarter : 2 * quarter]]
        return max(each.descriptors for each in self.samples[-quarter:]) - max(middle)


def settle(index: Index, watcher: Watcher, seconds: float = 60.0) -> None:
    """Waits until a watch has ingested everything by itself, without being asked to look."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if watcher.state().pending == 0 and not index.diff():
            return
        time.sleep(0.1)
    raise AssertionError(f"not ingested after {seconds} s: {index.diff()}, {watcher.state()}")


def soak(tree: Tree, operations: int, seconds: float, seed: int = 0) -> Outcome:
    """Works on `tree` for so long, under a watch, and asserts that the index is true at the end."""
    work = Soak(tree, seed)
    index = open_index(tree)
    errors: list[str] = []
    batches = 0
    samples = []
    start = time.monotonic()

    def on_report(_: object) -> None:
        nonlocal batches
        batches += 1

    def on_error(error: Exception) -> None:
        errors.append(repr(error))

    with index.watcher(on_report=on_report, on_error=on_error) as watcher:
        assert watcher.refresh(60)
        begin = time.monotonic()
        for number in range(operations):
            # In bursts, as work comes: quiet moments between many changes at once.
            due = begin + seconds * (number - number % 25) / operations
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
            work.step()
            if number % max(1, operations // SAMPLES) == 0:
                samples.append(Sample.take(start))
                index.search(f"made_{work._made}", mode="hybrid" if number % 2 else "lexical")
        took = time.monotonic() - begin
        settle(index, watcher)
        samples.append(Sample.take(start))
    found = index.verify()
    assert found.ok, found.problems
    assert not index.diff(), index.diff()
    return Outcome(work.operations, work.kinds, took, batches, samples, errors)


def main() -> None:
    operations, seconds = int(sys.argv[1]), float(sys.argv[2])
    place = Path(
        tempfile.mkdtemp(prefix="hybridx-soak-", dir=sys.argv[3] if sys.argv[3:] else None)
    )
    os.environ["HYBRIDX_CACHE_DIR"] = str(place / "cache")
    try:
        outcome = soak(Tree(place / "tree"), operations, seconds)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    for each in outcome.samples:
        print(
            f"{each.seconds:7.1f} s  {each.anonymous_mb:7.1f} MB  "
            f"{each.descriptors:4} descriptors  {each.threads:3} threads"
        )
    print(f"{outcome.operations:,} operations in {outcome.seconds:.0f} s: {outcome.kinds}")
    print(f"{outcome.batches:,} batches, errors: {outcome.errors}")
    print(f"memory grew by {outcome.growth_mb:.1f} MB, descriptors by {outcome.more_descriptors}")


if __name__ == "__main__":
    main()
