"""Whatever happens to a tree: an index that was kept up to date equals one that was made anew."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hybridx import MerkleTree
from support import (
    Tree,
    check_same,
    check_whole,
    chunks,
    generation,
    lines_of,
    open_index,
    updated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).resolve().parent.parent / "rust" / "core" / "tests" / "chunks" / "samples"

PATHS = ("a.py", "b.py", "d", "d/a.py", "d/b.md", "d/e/c.rs", "d.py", "e/a.py", "x y/ü.txt")

LINES = (
    "def handle_request(request):",
    "    return request.body",
    "class Parser(Base):",
    "    def parse(self, text): pass",
    "# a comment about nothing",
    "x = {'key': [1, 2, 3]}",
    "",
    "   ",
    "if ready:",
    '"""',
    'fn main() { println!("hi"); }',
    "## Heading",
    "œuvre = 'déjà vu' # 日本語",
    "\tindented with a tab",
    "'" + "long " * 300 + "'",
)

sources = st.lists(st.sampled_from(LINES), max_size=40).map("\n".join)

contents = st.one_of(
    sources.map(str.encode),
    sources.map(lambda text: text.replace("\n", "\r\n").encode()),
    # Few values, so that equal files are common: they are what moves are made of.
    st.sampled_from([b"", b"twin\n", b"def twin():\n    pass\n", b"\0binary", b"caf\xe9\n"]),
)

paths = st.sampled_from(PATHS)

steps = st.one_of(
    st.tuples(st.just("write"), paths, contents),
    st.tuples(st.just("append"), paths, sources.map(str.encode)),
    st.tuples(st.just("delete"), paths, st.none()),
    st.tuples(st.just("move"), paths, paths),
    st.tuples(st.just("copy"), paths, paths),
)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one example."""
    with tempfile.TemporaryDirectory(prefix="hybridx-test-") as name:
        yield Path(name)


def take(tree: Tree, step: tuple[str, str, object]) -> None:
    """Does one step, if it is possible."""
    kind, path, argument = step
    here = tree.path(path)
    if kind == "write" and isinstance(argument, bytes):
        tree.write(path, argument)
    elif kind == "append" and isinstance(argument, bytes) and here.is_file():
        here.write_bytes(here.read_bytes() + argument)
    elif kind == "delete":
        tree.delete(path)
    elif isinstance(argument, str) and here.is_file() and argument != path:
        content = here.read_bytes()
        if kind == "move":
            tree.delete(path)
        tree.write(argument, content)


Rounds = list[list[tuple[str, str, object]]]

rounds_of_steps = st.lists(st.lists(steps, min_size=1, max_size=6), min_size=2, max_size=4)


def check_rounds(rounds: Rounds, sequential: bool) -> None:
    with folder() as place:
        tree = Tree(place / "tree")
        index = open_index(tree)
        for number, some in enumerate(rounds):
            for step in some:
                take(tree, step)
            report = updated(index, sequential=sequential)
            event(f"moved: {min(report.files.moved, 2)}")
            clean = open_index(Tree(place / f"clean-{number}", tree.files()))
            updated(clean, sequential=not sequential)
            check_same(index, clean)
            assert generation(index).manifest.merkle_root == generation(clean).manifest.merkle_root


@settings(max_examples=12)
@given(rounds_of_steps, st.booleans())
def test_updates_end_where_a_clean_build_ends(rounds: Rounds, sequential: bool) -> None:
    check_rounds(rounds, sequential)


@pytest.mark.slow
@settings(max_examples=300)
@given(rounds_of_steps, st.booleans())
def test_many_updates_end_where_clean_builds_end(rounds: Rounds, sequential: bool) -> None:
    check_rounds(rounds, sequential)


@settings(max_examples=10)
@given(st.dictionaries(st.sampled_from(["a.py", "b.rs", "c.js", "d.md", "e"]), contents))
def test_every_line_that_is_not_blank_lies_in_a_chunk(files: dict[str, bytes]) -> None:
    with folder() as place:
        tree = Tree(place / "tree", files)
        index = open_index(tree)
        updated(index)
        check_coverage(index._layout.root, chunks(index).values())


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of the chunker are not here")
def test_every_line_of_every_language_lies_in_a_chunk(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "samples")
    index = open_index(tmp_path / "samples")
    updated(index)
    languages = check_whole(index).snapshot.totals().languages
    assert len(languages) >= 15, "the samples are of fewer languages than they were"
    check_coverage(tmp_path / "samples", chunks(index).values())


def check_coverage(root: Path, stored: object) -> None:
    """Asserts that chunks hold every line, at the place they say."""
    found: dict[str, dict[int, list[str]]] = {}
    for path, _, _, _, start, end, text in stored:  # type: ignore[attr-defined]
        lines = lines_of(text)
        assert 1 <= start <= end, f"{path}: {start}-{end}"
        assert len(lines) == end - start + 1, f"{path}:{start}-{end} has {len(lines)} lines"
        for number, line in enumerate(lines, start):
            found.setdefault(path, {}).setdefault(number, []).append(line)
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if not file.is_file() or path.startswith(".hybridx/") or b"\0" in file.read_bytes():
            continue
        data = file.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
        for number, line in enumerate(lines_of(text), start=1):
            if not line.strip():
                continue
            parts = found.get(path, {}).get(number, [])
            assert parts, f"{path}:{number} is in no chunk: {line!r}"
            assert all(part.strip() in line for part in parts), (path, number, line, parts)
            together = sum(len(part.strip()) for part in parts)
            missing = len(line.strip()) - together
            assert missing <= len(parts) * 8, f"{path}:{number} is cut short: {parts}"


def test_sequential_and_side_by_side_hold_the_same(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "one")
    shutil.copytree(SAMPLES, tmp_path / "two")
    one = open_index(tmp_path / "one", jobs=4)
    two = open_index(tmp_path / "two")
    first, second = updated(one), updated(two, sequential=True)
    check_same(one, two)
    assert first.merkle_root == second.merkle_root
    assert first.files == second.files
    # An equal text of the same run may come from the cache, or not be there yet.
    counts = [dataclasses.replace(each.chunks, cached=0) for each in (first, second)]
    assert counts[0] == counts[1]


trees = st.dictionaries(paths, st.sampled_from([b"", b"1", b"2", b"3", b"4", b"5"]), max_size=8)


@given(trees)
@settings(max_examples=25)
def test_the_merkle_root_depends_on_the_files_alone(files: dict[str, bytes]) -> None:
    with folder() as place:
        one = Tree(place / "one", files)
        held = one.files()
        two = Tree(place / "two", dict(reversed(held.items())))
        roots = {MerkleTree.from_path(one.root, jobs=jobs).root for jobs in range(1, 5)}
        assert roots == {MerkleTree.from_path(two.root).root}
        for path in held:
            changed = Tree(place / "changed", held)
            changed.write(path, held[path] + b"!")
            assert MerkleTree.from_path(changed.root).root not in roots, f"{path} does not count"
            shutil.rmtree(changed.root)


@given(trees, trees)
@settings(max_examples=40)
def test_a_diff_applied_to_the_old_tree_gives_the_new(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    with folder() as place:
        old = MerkleTree.from_path(Tree(place / "old", before).root)
        new = MerkleTree.from_path(Tree(place / "new", after).root)
    was = {path: old.digest(path) for path in old.paths()}
    now = {path: new.digest(path) for path in new.paths()}
    changes = new.diff(old)
    assert bool(changes) == (was != now) == (old.root != new.root) == (old != new)
    sources = [source for source, _ in changes.moved]
    targets = [target for _, target in changes.moved]
    named = [*changes.added, *changes.modified, *changes.removed, *sources, *targets]
    assert len(named) == len(set(named)), f"a path is named twice: {named}"
    for source, target in changes.moved:
        assert was[source] == now[target], f"{source} -> {target} is no move"
    result = {path: digest for path, digest in was.items() if path not in sources}
    for path in changes.removed:
        result.pop(path)
    for path in (*changes.added, *targets):
        assert path not in was, f"{path} is not new"
        result[path] = now[path]
    for path in changes.modified:
        assert was[path] != now[path], f"{path} is not modified"
        result[path] = now[path]
    assert result == now
    left = {was[path] for path in changes.removed} & {now[path] for path in changes.added}
    empty = {now[path] for path in now if after.get(path) == b""}
    assert left <= empty, "a file was removed and added where it was moved"


def test_the_order_of_the_trees_matters(tmp_path: Path) -> None:
    one = MerkleTree.from_path(Tree(tmp_path / "one", {"a": "1", "b": "2"}).root)
    two = MerkleTree.from_path(Tree(tmp_path / "two", {"a": "1", "c": "3"}).root)
    pairs = itertools.permutations((one, two), 2)
    assert [(d.added, d.removed) for d in (x.diff(y) for x, y in pairs)] == [
        (["b"], ["c"]),
        (["c"], ["b"]),
    ]
