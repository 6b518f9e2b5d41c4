"""Writers and readers hammer one index, each in a process of its own.

Every round of edits gives all files one new token, and adds and removes some. So the chunks of a
round are known from its number, and an answer that is not of one whole generation shows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hybridx import Index, Settings
from hybridx.commit import Generation
from hybridx.store import VectorStore
from support import ALL, MODES, Tree, check_same, check_whole, chunks, open_index, run_cli, updated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECONDS = float(os.environ.get("HYBRIDX_HAMMER_SECONDS", "300"))
"""How long the slow test takes."""

COMMON = "everywhere"
"""A word of every chunk."""

FILES = 12

ROUNDS = 8
"""Rounds at least, in which there is one of everything."""

READERS = ("long", "fresh", "whole", "cli")
WRITERS = ("editor", "updater")

Row = tuple[str, int, int, str]
"""A chunk: path, first line, last line, text."""


def token(number: int) -> str:
    return f"round{number:06d}"


def name(file: int) -> str:
    return f"d{file % 3}/f{file}.{'md' if file % 4 == 3 else 'py'}"


def is_there(file: int, number: int) -> bool:
    """Whether a file exists in a round."""
    return (file + number) % 5 != 0


def text(file: int, number: int) -> str:
    """A file of a few chunks in a round. Only the token changes, so that all else stays."""
    if name(file).endswith(".md"):
        return "".join(
            f"# {COMMON} {token(number)} part {part}\n\nWords of {file}.\n\n" for part in range(3)
        )
    line = f"    call_{file}({COMMON}, {token(number)})  # a line like all the others here\n"
    return "".join(
        f"def {COMMON}_{file}_{part}():\n{line * 15}\n\n" for part in range(3 + file % 3)
    )


def edit(tree: Tree, number: int) -> None:
    """Brings the tree to a round."""
    for file in range(FILES):
        if is_there(file, number):
            tree.write(name(file), text(file, number))
        else:
            tree.delete(name(file))


class Known:
    """What the chunks of every round are."""

    def __init__(self, path: Path) -> None:
        """Reads what `write` wrote."""
        self.rows = [(file, tuple(row)) for file, row in json.loads(path.read_text())]

    @staticmethod
    def write(path: Path, place: Path) -> None:
        """Finds out where the chunks of all files lie, from a build of its own."""
        tree = Tree(place)
        for file in range(FILES):
            tree.write(name(file), text(file, 0))
        index = open_index(tree)
        updated(index)
        numbers = {name(file): file for file in range(FILES)}
        rows = [
            (numbers[row[0]], (row[0], row[4], row[5], row[6])) for row in chunks(index).values()
        ]
        assert len(rows) > 2 * FILES
        path.write_text(json.dumps(rows))

    def of(self, number: int) -> set[Row]:
        """The chunks of a round."""
        return {
            (row[0], row[1], row[2], row[3].replace(token(0), token(number)))
            for file, row in self.rows
            if is_there(file, number)
        }

    def round_of(self, rows: Iterable[Row], *, whole: bool = True) -> int:
        """The round that an answer is of; an answer that is not of one is an error."""
        found = set(rows)
        numbers = {int(each) for row in found for each in re.findall(r"round(\d{6})", row[3])}
        assert len(numbers) == 1, f"an answer of {len(found)} hits from the rounds {numbers}"
        number = numbers.pop()
        want = self.of(number)
        strangers = found - want
        assert not strangers, f"round {number}: these are not in it: {strangers}"
        if whole:
            missing = want - found
            assert not missing, f"round {number}: {len(missing)} of {len(want)} are not found"
        return number


class Reader:
    """Asks again and again, and checks every answer."""

    def __init__(self, kind: str, root: Path, known: Known) -> None:
        self.kind = kind
        self.root = root
        self.known = known
        self.index: Index = open_index(root)
        self.chance = random.Random(kind)
        self.seen: list[int] = []

    def ask(self) -> None:
        """One answer."""
        mode = self.chance.choice(MODES)
        limit = self.chance.choice([5, ALL, ALL])
        if self.kind == "whole":
            generation = check_whole(self.index)
            held = chunks(generation).values()
            rows = [(row[0], row[4], row[5], row[6]) for row in held]
            limit = ALL
        elif self.kind == "cli":
            words = (COMMON, "-k", str(limit), "--mode", mode, "--json")
            done = run_cli("search", *words, self.root)
            assert done.returncode == 0, (done.returncode, done.stderr.decode())
            assert not done.stderr, done.stderr.decode()
            parts = ("path", "start_line", "end_line", "text")
            hits = json.loads(done.stdout)["hits"]
            rows = [tuple(hit[part] for part in parts) for hit in hits]
        else:
            if self.kind == "fresh":
                self.index.close()
                self.index = open_index(self.root)
            found = self.index.search(COMMON, limit, mode=mode).hits
            rows = [(hit.path, hit.start_line, hit.end_line, hit.text) for hit in found]
        assert len(rows) == len(set(rows)), f"{mode}: a hit twice"
        if limit < ALL:
            assert len(rows) == limit, f"{mode}: {len(rows)} of {limit} hits"
        number = self.known.round_of(rows, whole=limit == ALL)
        assert number >= max(self.seen, default=0), (
            f"{mode}: round {number} after {max(self.seen)}: back in time"
        )
        self.seen.append(number)


@contextlib.contextmanager
def held(path: Path, how: int) -> Iterator[None]:
    """The tree's lock: exclusively while it is edited, shared while an update looks at it."""
    with path.open("w") as file:
        fcntl.flock(file, how)
        yield


def write(kind: str, root: Path, until: float) -> dict[str, int]:
    """Updates; the editor also takes the tree from round to round, and says when to stop."""
    did: Counter[str] = Counter()
    fold, rewritten = VectorStore.fold, VectorStore.rewritten

    def counted_fold(store: VectorStore, first: int) -> int:
        did["fold"] += 1
        return fold(store, first)

    def counted_rewritten(store: VectorStore) -> VectorStore:
        did["rewritten"] += 1
        return rewritten(store)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VectorStore, "fold", counted_fold)
        patch.setattr(VectorStore, "rewritten", counted_rewritten)
        # What takes a large store thousands of updates.
        patch.setattr("hybridx.commit.FOLD_EVERY", 2)
        patch.setattr("hybridx.commit._SLACK", 100_000)
        rounds = _write(kind, root, until, did)
    return {**did, "rounds": rounds}


def _write(kind: str, root: Path, until: float, did: Counter[str]) -> int:
    lock, stop = root.parent / "tree-lock", root.parent / "stop"
    tree = Tree(root)
    number = 0
    while not stop.exists():
        ordered = did["fold"] and did["rewritten"]
        if kind == "editor" and time.time() > until and number >= ROUNDS and ordered:
            stop.touch()
        if kind == "editor":
            with held(lock, fcntl.LOCK_EX):
                number += 1
                edit(tree, number)
        with held(lock, fcntl.LOCK_SH):
            if kind == "editor" and number % 8 == 2:
                done = run_cli("index", "--quiet", root)
                assert done.returncode == 0, done.stderr.decode()
                did["cli"] += 1
            else:
                settings = Settings(commit_files=10_000, lock_timeout=60)
                full = kind == "editor" and number % 8 == 5
                did["full"] += full
                report = Index.open(root, settings=settings).update(full=full)
                assert not report.errors, report.errors
        did["updates"] += 1
        if kind == "updater":
            time.sleep(0.05)
    return number


def main(kind: str, root: Path, seconds: str) -> None:
    """A process of the hammer; prints what it did."""
    if kind in WRITERS:
        print(json.dumps(write(kind, root, time.time() + float(seconds))))
        return
    reader = Reader(kind, root, Known(root.parent / "known"))
    while not (root.parent / "stop").exists():
        reader.ask()
    print(json.dumps({"answers": len(reader.seen), "rounds": len(set(reader.seen))}))


def hammer(place: Path, seconds: float) -> dict[str, dict[str, int]]:
    """Lets all at one index for so long; what each did."""
    Known.write(place / "known", place / "layout")
    tree = Tree(place / "tree")
    edit(tree, 0)
    updated(open_index(tree))
    command = [sys.executable, "-W", "ignore", __file__]
    running = {
        kind: subprocess.Popen(
            [*command, kind, str(tree.root), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind in (*WRITERS, *READERS)
    }
    did = {}
    for kind, process in running.items():
        out, err = process.communicate(timeout=seconds + 120)
        assert process.returncode == 0, f"the {kind} failed: {err}"
        assert not err, f"the {kind} said {err}"
        did[kind] = json.loads(out)
    print(f"\n{seconds:g} s:", *(f"{kind} {what}" for kind, what in did.items()), sep="\n  ")
    index = open_index(tree)
    # A commit that no reader is in the way of.
    tree.write("last.py", "last = 1\n")
    updated(index)
    assert index.verify().ok
    clean = open_index(Tree(place / "clean", tree.files()))
    updated(clean)
    check_same(index, clean)
    seen = Generation.current(index._layout)
    assert seen is not None
    assert len(list(seen.epoch.snapshots.iterdir())) == 1, "snapshots that nobody reads are left"
    return did


def check_enough(did: dict[str, dict[str, int]], seconds: float) -> None:
    """Whether it was a hammering at all."""
    assert did["editor"]["rounds"] >= max(ROUNDS, seconds / 4), "too few rounds of edits"
    written = Counter(did["editor"]) + Counter(did["updater"])
    for what in ("fold", "rewritten", "full", "cli"):
        assert written[what], f"no {what} among {written}"
    assert did["updater"]["updates"] >= seconds / 4
    for kind, rate in (("long", 3), ("fresh", 2), ("whole", 1), ("cli", 0.1)):
        assert did[kind]["answers"] >= rate * seconds, f"too few answers of {kind}"
        rounds = 3 if kind != "cli" else 1
        assert did[kind]["rounds"] >= rounds, f"{kind} saw too few rounds"


def test_writers_and_readers_hammer_one_index(tmp_path: Path) -> None:
    check_enough(hammer(tmp_path, 10), 10)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_writers_and_readers_hammer_one_index_for_minutes(tmp_path: Path) -> None:
    check_enough(hammer(tmp_path, SECONDS), SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
