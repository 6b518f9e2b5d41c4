"""Killed at any moment, an index is whole, and the next run makes it what a clean build gives.

A run is killed by SIGKILL at one of the changes it makes to its files under the writer's lock, or
from outside at some moment; `faults.py` says how. The tree changes between all runs.
"""

from __future__ import annotations

import gc
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
    STEPS,
    Faults,
    Plan,
    Run,
    histogram,
    kill,
    middle,
    steps,
)
from hybridx.commit import Generation
from hybridx.verify import verify
from support import (
    ALL,
    MODES,
    PROJECT,
    Tree,
    check_same,
    check_whole,
    chunks,
    ids,
    open_index,
    run_cli,
    updated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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


ORDERLY = (
    {"hybridx.commit.FOLD_EVERY": 2},
    {"hybridx.commit.FOLD_EVERY": 2, "hybridx.commit.SETTLED_ROWS": 8},
    {"hybridx.commit._SLACK": 0},
)
"""By these the vector store of a small tree is folded, or written anew, every few runs."""


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
        tight = self.chance.random() < 0.4
        return self.faults.run(
            self.folder,
            *("index", "--quiet", *flags, str(self.tree.root)),
            plan=plan,
            env=env,
            kill_after=more.get("after"),
            constants=self.chance.choice(ORDERLY) if tight else None,
        )

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
        self.check_verified(label)
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

    def check_verified(self, label: str) -> None:
        """The cross-check of everything finds nothing."""
        found = verify(self.index._layout)
        assert found is not None, f"{label}: there is nothing to verify"
        assert found.ok, f"{label}: {found.problems}"
        assert found.checked["chunks"] == found.checked["vectors"]

    def check_search(self, held: Mapping[int, Chunk], label: str) -> None:
        """A search finds exactly the chunks of the generation; pieces of one thing are one hit."""
        want = {line for row in held.values() for line in _lines(row[0], row[4], row[6])}
        modes = MODES if self.chance.random() < 0.3 else MODES[:1]
        for mode in modes:
            hits = self.index.search(COMMON, ALL, mode=mode).hits
            lines = [line for hit in hits for line in _lines(hit.path, hit.start_line, hit.text)]
            found = set(lines)
            assert len(lines) == len(found), f"{label}: a {mode} hit twice"
            assert found == want, f"{label}: {mode}: {found ^ want}"

    def finish(self, label: str, *flags: str) -> Run:
        """The next run: the index must then be the one of a clean build, and nothing else left."""
        gc.collect()  # indexes that nobody closed still hold what they read
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
        self.check_verified(label)
        # Where there was nothing to write the stores were not opened.
        wrote = any("/bm25/meta.json" in change.other for change in run.changes)
        left = [name for name in leftovers(self.folder) if wrote or "/" not in name]
        assert not left, f"{label}: {left}"
        if any("/vectors/" in change.path for change in run.counted):
            tables = [path.name for path in seen.epoch.vectors.iterdir()]
            assert tables == [f"chunks-{seen.manifest.vectors_table}.lance"], f"{label}: {tables}"
        self.committed = files
        if len(run.counted) > 60:  # or there was nothing to write
            self.longest = min(len(run.counted), 300)
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
            run = self.run(*flags, after=self.chance.uniform(0, 0.15))
            how = "killed from outside"
        else:
            # The commit starts with the first thing that is made durable.
            after = self.chance.choice(["", "sync", "sync"])
            at = self.chance.randint(1, self.longest // 2 if after else self.longest)
            action = self.chance.choice([KILL_BEFORE, KILL_INSIDE, KILL_AFTER])
            run = self.run(*flags, plan=kill(at, action, after=after))
            how = f"killed at {at} {after} ({action})"
        label = f"round {number}, {how}, {' '.join(flags)}"
        if run.killed:
            last = run.counted[-1:]
            label += f" after {last}"
            self.hit += steps(run.changes)[-1:] or ["lock and scan"]
        else:
            assert run.code == 0, f"{label}: it failed by itself: {run.stderr}"
        self.check_after_kill(before, label)
        del before  # or it would hold what it consists of
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
    result = run_cli("verify", harness.tree.root)
    assert result.returncode == 0, result.stderr.decode()
    inside = sum(step.startswith("commit") for step in harness.hit)
    # Files are made durable as they are written, so that the commit itself makes few changes.
    assert inside * 6 >= kills, f"only {inside} of {kills} kills were inside the commit"


def test_killed_at_random_moments_nothing_is_lost_doubled_or_left(
    tmp_path: Path, faults: Faults
) -> None:
    hammer(Harness(tmp_path, faults, random.Random(11)), kills=16)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_three_hundred_times(tmp_path: Path, faults: Faults) -> None:
    hammer(Harness(tmp_path, faults, random.Random(SEED)), KILLS)


def _lines(path: str, start: int, text: str) -> list[tuple[str, int, str]]:
    """The lines of a chunk or a hit that are not blank, each with its place."""
    numbered = enumerate(text.split("\n"), start)
    return [(path, number, line) for number, line in numbered if line.strip()]


GHOST = "def ghost():\n    return 'a ghost chunk'\n"


def change(tree: Tree) -> None:
    """An update of every kind; taken back by `take_back`."""
    tree.write("src/retry.py", GHOST)
    tree.delete("web/app.js")
    tree.move("docs/guide.md", "docs/manual.md")
    tree.write("src/new.py", GHOST.replace("ghost()", "second_ghost()"))


def take_back(tree: Tree) -> None:
    for path in tree.files().keys() - PROJECT.keys():
        tree.delete(path)
    for path, content in PROJECT.items():
        tree.write(path, content)


def nothing(_: Tree) -> None:
    pass


@dataclass
class Scene:
    """An indexed project, of which there are as many copies as runs are to be killed."""

    place: Path
    faults: Faults
    flags: tuple[str, ...]
    prepare: Callable[[Tree], None]
    """What happens to the tree before the run."""
    indexed: bool = True
    constants: Mapping[str, int] | None = None
    copies: int = 0
    old: dict[int, Chunk] = field(default_factory=dict)
    new: dict[int, Chunk] = field(default_factory=dict)
    roots: dict[bool, str] = field(default_factory=dict)
    """The Merkle root before the run, and (`True`) after it."""

    def __post_init__(self) -> None:
        self.tree = Tree(self.place / "original", PROJECT)
        updated(open_index(self.tree))
        self.old = chunks(open_index(self.tree))
        self.roots[False] = check_whole(open_index(self.tree)).manifest.merkle_root
        if not self.indexed:
            shutil.rmtree(self.tree.root / ".hybridx")
        whole = self.copy()
        self.whole = self.run(whole, Plan())
        assert self.whole.code == 0, self.whole.stderr
        self.new = chunks(open_index(whole))
        self.roots[True] = check_whole(open_index(whole)).manifest.merkle_root
        clean = open_index(Tree(self.place / "clean", whole.files()))
        updated(clean)
        check_same(open_index(whole), clean)

    def copy(self) -> Tree:
        """The project as it is before the run."""
        self.copies += 1
        place = self.place / f"copy-{self.copies}"
        shutil.copytree(self.tree.root, place)
        tree = Tree(place)
        self.prepare(tree)
        return tree

    def run(self, tree: Tree, plan: Plan) -> Run:
        args = ("index", "--quiet", *self.flags, str(tree.root))
        folder = tree.root / ".hybridx"
        return self.faults.run(folder, *args, plan=plan, constants=self.constants)

    def killed(self, plan: Plan, *, reverted: bool) -> str:
        """Kills a run, looks, and runs again; the step in which it died."""
        tree = self.copy()
        run = self.run(tree, plan)
        label = f"killed at {plan} after {run.counted[-1:]}, {reverted=}"
        index = open_index(tree)
        seen = Generation.current(index._layout)
        if seen is None:
            assert not self.indexed, f"{label}: the index is gone"
        else:
            check_whole(seen)
            assert chunks(seen) in (self.old, self.new) if self.indexed else (self.new,), label
            hits = index.search("a ghost chunk", ALL, mode="lexical").hits
            assert {hit.text for hit in hits} <= {row[6] for row in chunks(seen).values()}
        if reverted:
            take_back(tree)
        if seen is not None:
            found = verify(index._layout)
            assert found is not None
            assert found.ok, f"{label}: {found.problems}"
        after = self.run(tree, Plan())
        assert after.code == 0, f"{label}: {after.stderr}"
        seen = check_whole(index)
        # The hard case: what was torn was taken back, so that no diff names it.
        want = self.old if reverted else self.new
        assert chunks(seen) == want, f"{label}: {chunks(seen).keys() ^ want.keys()}"
        assert ids(seen) == (sorted(want), sorted(want)), label
        assert seen.manifest.merkle_root == self.roots[not reverted], label
        assert index.verify().ok, f"{label}: {index.verify().problems}"
        shutil.rmtree(tree.root)
        return steps(run.changes)[-1] if run.killed else ""


def test_killed_in_each_step_and_taken_back_it_is_as_before(tmp_path: Path, faults: Faults) -> None:
    scene = Scene(tmp_path, faults, (), change)
    there = [step for step in STEPS if step in steps(scene.whole.changes)]
    assert len(there) >= 9, f"an update takes only the steps {there}"
    for step in there:
        scene.killed(kill(middle(scene.whole, step)), reverted=True)


@pytest.mark.parametrize(
    ("step", "constants"),
    [
        ("commit: vectors folded", {"hybridx.commit.FOLD_EVERY": 1}),
        ("commit: vectors rewritten", {"hybridx.commit._SLACK": 0}),
    ],
)
def test_killed_while_the_vectors_are_put_in_order_it_is_as_before(
    tmp_path: Path, faults: Faults, step: str, constants: Mapping[str, int]
) -> None:
    scene = Scene(tmp_path, faults, (), change, constants=constants)
    names = steps(scene.whole.changes)
    numbers = [number for number, name in enumerate(names, 1) if name == step]
    assert len(numbers) > 5, f"nothing is put in order: {sorted(set(names))}"
    hit = [
        scene.killed(kill(at, KILL_INSIDE), reverted=True)
        for at in (numbers[0], numbers[len(numbers) // 2], numbers[-1], len(names) - 2)
    ]
    hit.append(scene.killed(kill(numbers[-1], KILL_AFTER), reverted=False))
    # How threads take turns moves what comes in between.
    assert hit.count(step) >= 2, hit


def test_a_first_build_killed_in_each_step_starts_again(tmp_path: Path, faults: Faults) -> None:
    scene = Scene(tmp_path, faults, (), nothing, indexed=False)
    for step in [step for step in STEPS if step in steps(scene.whole.changes)]:
        scene.killed(kill(middle(scene.whole, step), KILL_AFTER), reverted=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["update", "first build", "full build"])
def test_killed_at_every_single_change(tmp_path: Path, faults: Faults, what: str) -> None:
    flags = ("--full",) if what == "full build" else ()
    prepare = nothing if what == "first build" else change
    scene = Scene(tmp_path, faults, flags, prepare, indexed=what != "first build")
    hit = []
    for at in range(1, len(scene.whole.counted) + 1):
        hit.append(scene.killed(kill(at), reverted=False))
        if what == "update":
            hit.append(scene.killed(kill(at, KILL_INSIDE), reverted=True))
    print("\n" + histogram(filter(None, hit)))
    # How threads take turns varies a little what a run does.
    assert sum(map(bool, hit)) >= 0.9 * len(hit), "most runs were over before they were killed"


def test_a_killed_long_run_keeps_its_commits_and_resumes(tmp_path: Path, faults: Faults) -> None:
    line = "value_of_item = compute(first_argument, second_argument)  # some words to fill it\n"
    files = {f"d{n % 7}/f{n}.py": f"def name_{n}():\n    pass\n{line * 150}" for n in range(200)}
    tree, twin = Tree(tmp_path / "tree", files), Tree(tmp_path / "twin", files)
    env = {"HYBRIDX_COMMIT_FILES": "1"}
    whole = faults.run(twin.root / ".hybridx", "index", twin.root, env=env)
    commits = [change.count for change in whole.counted if change.other.endswith("/meta.json")]
    # The first is that of the empty store; merges rewrite it too.
    assert len(commits) > 5, f"it commits only {len(commits) - 1} times"
    late = kill(commits[3] - 3)
    killed = faults.run(tree.root / ".hybridx", "index", tree.root, env=env, plan=late)
    assert killed.killed, killed.stderr
    index = open_index(tree)
    done = len(check_whole(index).snapshot.paths())
    assert 0 < done < len(files)
    assert index.search("name_1 value of item").hits
    report = updated(index)
    assert report.files.added == len(files) - done, "what was committed is done again"
    check_same(index, open_index(twin))


def test_what_killed_runs_leave_in_the_folder_goes(project: Tree) -> None:
    """Files that were about to be put in place, of processes that are no more."""
    index = open_index(project)
    updated(index)
    folder = index._layout.folder
    names = ["stat-cache.tmp7", "CURRENT.7", ".clock7", "root.7-8", ".gitignore.7-8"]
    for name in names:
        (folder / name).write_bytes(b"torn")
    (folder / "removed.7" / "deep").mkdir(parents=True)
    long_ago = (folder / "lock").stat().st_mtime - 3600
    os.utime(folder / "root.7-8", (long_ago, long_ago))
    (folder / "CURRENT.user").write_bytes(b"a file of nobody we know")
    updated(index)
    left = [name for name in [*names, "removed.7", "CURRENT.user"] if (folder / name).exists()]
    # Another process may be about to rename the young one: it has not got the lock yet.
    assert left == [".gitignore.7-8", "CURRENT.user"]
    assert index.search("retry").hits


def test_a_torn_removal_leaves_no_index_rather_than_half_of_one(
    tmp_path: Path, faults: Faults
) -> None:
    original = Tree(tmp_path / "original", PROJECT)
    updated(open_index(original))
    want = chunks(open_index(original))

    def cleaned(name: str, plan: Plan) -> tuple[Tree, Run]:
        shutil.copytree(original.root, tmp_path / name)
        tree = Tree(tmp_path / name)
        return tree, faults.run(tree.root / ".hybridx", "clean", tree.root, plan=plan)

    tree, whole = cleaned("whole", Plan())
    assert whole.code == 0, whole.stderr
    assert not (tree.root / ".hybridx").exists()
    last = len(whole.counted)
    for at in sorted({*range(1, 8), *range(8, last, 9), last}):
        tree, run = cleaned(f"copy-{at}", kill(at, KILL_AFTER))
        assert run.killed
        seen = Generation.current(open_index(tree)._layout)
        assert seen is None or chunks(seen) == want, f"half an index after {run.counted[-1]}"
        index = open_index(tree)
        updated(index)
        assert chunks(index) == want
        assert not leftovers(tree.root / ".hybridx"), f"after {run.counted[-1]}"
