"""Killed at any moment, an index is whole, and the next run makes it what a clean build gives.

A run is killed by SIGKILL at one of the changes it makes to its files under the writer's lock, or
from outside at some moment; `faults.py` says how. The tree changes between all runs.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from faults import (
    KILL_AFTER,
    KILL_BEFORE,
    KILL_INSIDE,
    Faults,
    Plan,
    Run,
    histogram,
    kill,
    steps,
)
from hybridx.commit import Generation
from support import ALL, MODES, Tree, check_same, check_whole, chunks, open_index, updated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hybridx import Index
    from support import Chunk

COMMON = "everywhere"
"""A word of every chunk: a search for it gives all of them."""

KILLS = int(os.environ.get("HYBRIDX_KILLS", "300"))
"""Kills of the slow test."""

SEED = int(os.environ.get("HYBRIDX_SEED", "3"))

NAMES = [
    f"{folder}{name}" for folder in ("", "a/", "a/b/", "c/") for name in ("x.py", "y.md", "z.rs")
]


def text(path: str, number: int) -> str:
    """A file of a few chunks; `number` tells apart what it held at different times."""
    if path.endswith(".md"):
        return (
            f"# {COMMON} {number}\n\nWords about {COMMON} {number}.\n\n## {COMMON} more\n\nEnd.\n"
        )
    if path.endswith(".rs"):
        return "".join(
            f"fn {COMMON}_{number}_{n}() {{ {COMMON}(); }}\n\n" for n in range(number % 4)
        )
    body = f"    return {COMMON}(word_{number})\n" * (1 + number % 60)
    return f"def {COMMON}_{number}():\n{body}\n\nclass {COMMON.title()}:\n    {COMMON} = {number}\n"


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with Faults(tmp_path_factory.mktemp("faults")) as running:
        yield running


@dataclass
class Harness:
    """A tree, its index, and what is known about both."""

    place: Path
    faults: Faults
    chance: random.Random
    tree: Tree = field(init=False)
    committed: dict[str, bytes] = field(default_factory=dict)
    """The files as the last whole run left them in the index."""
    builds: int = 0
    edits: int = 0
    hit: list[str] = field(default_factory=list)
    """The step of every kill."""
    longest: int = 150
    """Changes a run makes, about."""

    def __post_init__(self) -> None:
        self.tree = Tree(self.place / "tree")
        for name in NAMES[::2]:
            self._write(name)

    @property
    def index(self) -> Index:
        """The index, opened anew: what another process would see."""
        return open_index(self.tree)

    @property
    def folder(self) -> Path:
        return self.tree.root / ".hybridx"

    def run(self, *flags: str, plan: Plan | None = None, **more: float) -> Run:
        """Runs `hybridx index`; every third time with many commits, or one step at a time."""
        env = {"HYBRIDX_COMMIT_FILES": str(self.chance.choice([1, 2, 10_000]))}
        if self.chance.random() < 0.2:
            flags = (*flags, "--sequential")
        args = ("index", "--quiet", *flags, self.tree.root)
        return self.faults.run(self.folder, *args, plan=plan, env=env, kill_after=more.get("after"))

    def _write(self, name: str) -> None:
        self.edits += 1
        self.tree.write(name, text(name, self.edits))

    def change(self) -> None:
        """Edits, adds, deletes, moves, some of each."""
        for _ in range(self.chance.randint(1, 4)):
            there = sorted(self.tree.files())
            what = self.chance.choice(["edit", "edit", "add", "delete", "move"])
            if what == "add" or len(there) < 4:
                self._write(self.chance.choice(NAMES))
            elif what == "edit":
                self._write(self.chance.choice(there))
            elif what == "delete":
                self.tree.delete(self.chance.choice(there))
            else:
                new = self.chance.choice(NAMES)
                old = self.chance.choice(there)
                if new.rpartition(".")[2] == old.rpartition(".")[2] and new != old:
                    self.tree.move(old, new)

    def revert(self) -> None:
        """Takes back everything since the last whole run, or one file of it."""
        there = self.tree.files()
        names = sorted(there.keys() | self.committed.keys())
        names = [name for name in names if there.get(name) != self.committed.get(name)]
        if names and self.chance.random() < 0.5:
            names = [self.chance.choice(names)]
        for name in names:
            if name in self.committed:
                self.tree.write(name, self.committed[name])
            else:
                self.tree.delete(name)

    def clean_build(self, files: Mapping[str, bytes]) -> Generation:
        """What an index of these files holds that was built in one go, elsewhere."""
        self.builds += 1
        place = self.place / f"clean-{self.builds}"
        updated(open_index(Tree(place, files)))
        found = Generation.current(open_index(place)._layout)
        assert found is not None
        return found

    def check_after_kill(self, before: Generation | None, label: str) -> None:
        """What is to be read is a whole generation, made of files as they were or as they are."""
        seen = Generation.current(self.index._layout)
        if seen is None:
            assert before is None, f"{label}: the index is gone"
            return
        check_whole(seen)
        held = chunks(seen)
        if before is not None and seen.manifest == before.manifest:
            assert held == chunks(before), (
                f"{label}: generation {before.manifest.generation} changed"
            )
        else:
            old = _by_path({} if before is None else chunks(before))
            new = _by_path(chunks(self.clean_build(self.tree.files())))
            for path, rows in _by_path(held).items():
                assert rows in (old.get(path), new.get(path)), f"{label}: {path} is neither"
        self.check_search(held, label)

    def check_search(self, held: Mapping[int, Chunk], label: str) -> None:
        """A search finds exactly the chunks of the generation."""
        want = {(row[0], row[4], row[5], row[6]) for row in held.values()}
        modes = MODES if self.chance.random() < 0.3 else ["lexical"]
        for mode in modes:
            hits = self.index.search(COMMON, ALL, mode=mode).hits
            found = {(hit.path, hit.start_line, hit.end_line, hit.text) for hit in hits}
            assert len(hits) == len(found), f"{label}: a {mode} hit twice"
            assert found == want, f"{label}: {mode}: {found ^ want}"

    def finish(self, label: str, *flags: str) -> Run:
        """The next run: the index must then be the one of a clean build, and nothing else left."""
        run = self.run(*flags)
        if run.killed:  # nobody asked for it: see `Run.killed`
            run = self.run(*flags)
        assert run.code == 0, f"{label}: {run.stderr}"
        files = self.tree.files()
        seen, clean = check_whole(self.index), self.clean_build(files)
        assert seen.manifest.merkle_root == clean.manifest.merkle_root, label
        # The ids of both stores are equal by `check_whole`; of equal ids everything is equal.
        held = chunks(seen)
        assert held == chunks(clean), f"{label}: {held.keys() ^ clean_ids(clean)}"
        self.check_search(held, label)
        # Where there was nothing to write the stores were not opened.
        wrote = any("/bm25/meta.json" in change.other for change in run.changes)
        left = [name for name in leftovers(self.folder) if wrote or "/" not in name]
        assert not left, f"{label}: {left}"
        self.committed = files
        self.longest = max(60, len(run.counted))
        shutil.rmtree(self.place / f"clean-{self.builds}")
        return run

    def round(self, number: int) -> bool:
        """Changes the tree, has a run killed, looks, and runs again. Whether one was killed."""
        self.change()
        if self.committed and self.chance.random() < 0.2:
            self.revert()
        before = Generation.current(self.index._layout)
        flags = ("--full",) if self.chance.random() < 0.1 else ()
        if self.chance.random() < 0.15:
            run = self.run(*flags, after=self.chance.uniform(0, 0.12))
            how = "killed from outside"
        else:
            at = self.chance.randint(1, self.longest)
            action = self.chance.choice([KILL_BEFORE, KILL_INSIDE, KILL_AFTER])
            run = self.run(*flags, plan=kill(at, action))
            how = f"killed at {at} ({action})"
        label = f"round {number}, {how}, {' '.join(flags)}"
        if run.killed:
            last = run.counted[-1:]
            label += f" after {last}"
            self.hit += steps(run.changes)[-1:] or ["lock and scan"]
        else:
            assert run.code == 0, f"{label}: it failed by itself: {run.stderr}"
        self.check_after_kill(before, label)
        what = self.chance.random()
        if self.committed and what < 0.4:
            self.revert()
        elif what < 0.6:
            self.change()
        self.finish(label)
        return run.killed


def _by_path(rows: Mapping[int, Chunk]) -> dict[str, dict[int, Chunk]]:
    found: dict[str, dict[int, Chunk]] = {}
    for each, row in rows.items():
        found.setdefault(row[0], {})[each] = row
    return found


def clean_ids(clean: Generation) -> set[int]:
    return set(clean.searcher.ids())


def leftovers(folder: Path) -> list[str]:
    """Files that a killed process was about to put in place."""
    found = []
    for path in folder.rglob("*"):
        name = path.name
        torn = ".tmp" in name or "#" in name or name.startswith(("CURRENT.", ".clock", "removed."))
        if torn:
            found.append(str(path.relative_to(folder)))
    return found


def hammer(harness: Harness, kills: int) -> None:
    """Kills runs until that many have died, and prints where they died."""
    harness.finish("the first build")
    rounds = 0
    while len(harness.hit) < kills:
        rounds += 1
        harness.round(rounds)
        assert rounds < 3 * kills + 20, f"only {len(harness.hit)} of {rounds} runs could be killed"
    print("\n" + histogram(harness.hit))
    inside = sum(step.startswith("commit") for step in harness.hit)
    assert inside * 3 >= kills, f"only {inside} of {kills} kills were inside the commit"


def test_killed_at_random_moments_nothing_is_lost_doubled_or_left(
    tmp_path: Path, faults: Faults
) -> None:
    hammer(Harness(tmp_path, faults, random.Random(11)), kills=25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_three_hundred_times(tmp_path: Path, faults: Faults) -> None:
    hammer(Harness(tmp_path, faults, random.Random(SEED)), KILLS)
