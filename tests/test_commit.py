"""Two stores and a snapshot move as one generation, also when a run is torn in the middle."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from hybridx import commit
from hybridx.commit import Writer
from hybridx.errors import StoreError
from hybridx.store import VectorStore
from support import (
    MODES,
    PROJECT,
    Tree,
    check_same,
    check_whole,
    chunks,
    generation,
    open_index,
    updated,
    vectors,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import Index


def clean_build(tree: Tree) -> Index:
    """The index of an equal tree elsewhere."""
    for number in range(100):
        place = tree.root.with_name(f"{tree.root.name}-clean-{number}")
        if not place.exists():
            index = open_index(Tree(place, tree.files()))
            updated(index)
            return index
    raise AssertionError("no place for a clean build")


def test_a_run_torn_inside_the_lexical_commit_is_written_anew(project: Tree) -> None:
    """All files of the lexical store are there, but for the last one, which makes them count."""
    # One thread makes one segment, and so few are not merged: the old files stay.
    index = open_index(project, jobs=1)
    updated(index)
    before = chunks(index)
    # Keeps its snapshot, which only a commit lets go.
    held = generation(index)
    meta = held.epoch.bm25 / "meta.json"
    old = meta.read_bytes()
    project.write("src/retry.py", "def changed():\n    return 1\n")
    project.delete("web/app.js")
    updated(index)
    meta.write_bytes(old)
    assert check_whole(index).manifest.generation == 1
    assert chunks(index) == before
    # The same work again gives its files the same names.
    assert updated(index).generation == 2
    check_same(index, clean_build(project))


def test_a_reader_keeps_its_generation(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    engine = index._search_engine()
    held = generation(index)
    before, old_vectors = chunks(held), vectors(held)
    project.write("src/retry.py", "def orbit():\n    return 'parabolic trajectory'\n")
    project.delete("docs/guide.md")
    for number in range(3):
        project.write("src/more.py", f"def more_{number}(): pass\n")
        updated(open_index(project))
    assert chunks(held) == before
    assert {each: vector.tobytes() for each, vector in vectors(held).items()} == {
        each: vector.tobytes() for each, vector in old_vectors.items()
    }
    check_whole(held)
    for mode in MODES:
        old = {hit.text for hit in engine.search("waiting longer trajectory", 100, mode=mode)}
        new = {hit.text for hit in index.search("waiting longer trajectory", 100, mode=mode)}
        assert any("waiting longer" in text for text in old), f"{mode}: it sees a later one"
        assert not any("trajectory" in text for text in old)
        assert any("trajectory" in text for text in new), f"{mode}: it does not see the newest"
        assert not any("waiting longer" in text for text in new)


def test_whoever_reads_while_another_writes_sees_whole_generations(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    stop = threading.Event()
    errors: list[BaseException] = []

    def write() -> None:
        writer = open_index(project)
        try:
            for number in range(12):
                project.write("src/a.py", f"def round_{number}(): pass\n")
                project.write("src/b.py", f"def round_{number}_again(): pass\n")
                writer.update()
        except BaseException as error:
            errors.append(error)
        finally:
            stop.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not stop.is_set():
        found = check_whole(index)
        seen.add(found.manifest.generation)
        rounds = {chunk[3].split("_")[1] for chunk in chunks(found).values() if "round" in chunk[3]}
        assert len(rounds) <= 1, f"generation {found.manifest.generation} mixes {rounds}"
    thread.join()
    assert not errors, errors
    assert len(seen) > 1, "the writer was too fast for this test to say anything"
    assert check_whole(index).manifest.generation == 13


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_full_build_equals_what_was_there(project: Tree, rounds: int) -> None:
    # Without the vector cache: everything is really made again.
    index = open_index(project, cache_mb=0)
    updated(index)
    before = chunks(index)
    for mode in MODES:
        assert index.search("retry", mode=mode).hits
    for _ in range(rounds):
        report = updated(index, full=True)
        assert report.files.added == len(PROJECT) - 1
        assert report.chunks.embedded == report.chunks.total
        assert updated(index).files.unchanged == len(PROJECT) - 1
    assert chunks(index) == before
    for mode in MODES:
        assert index.search("retry", mode=mode).hits, f"{mode} sees what is gone"
    updated(index)
    epoch = generation(index).epoch.folder
    assert list(epoch.parent.iterdir()) == [epoch], "the old stores stay for ever"


def test_what_a_reader_has_open_outlives_full_builds(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    reader = generation(index)
    before = chunks(reader)
    for _ in range(3):
        updated(index, full=True)
        updated(index)
        # Of what the reader has it has opened no vectors yet.
        assert generation(index).epoch != reader.epoch
    check_whole(reader)
    assert chunks(reader) == before
    assert len(list(reader.epoch.folder.parent.iterdir())) == 2, "what nobody reads is left"
    old = reader.epoch.folder
    del reader
    updated(index)
    assert not old.exists(), "what nobody reads any more is left"


def test_a_removal_of_old_stores_that_was_cut_short_is_no_damage(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_index(project)
    updated(index)
    old = generation(index).epoch
    updated(index, full=True)

    def torn(folder: Path, *_: object, **__: object) -> None:
        if folder == old.folder:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", torn)
        with pytest.raises(KeyboardInterrupt):
            old.discard()
    assert old.folder.exists()
    # As if this were the epoch of another model, to which somebody now goes back.
    (index._layout.folder / "CURRENT").write_text("0000000000000000\n")
    (index._layout.folder / "epochs/0000000000000000").mkdir()
    updated(index)
    check_whole(index)
    assert index.verify().ok


def test_an_open_index_survives_a_full_build(project: Tree) -> None:
    """Its manifest may equal the one before: only the folder tells them apart."""
    index = open_index(project)
    updated(index)
    assert index.search("retry", mode="lexical").hits
    other = open_index(project)
    updated(other, full=True)
    updated(other)
    assert index.search("retry", mode="semantic").hits


@pytest.fixture
def flushing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has the lexical store write its segments aside also for few rows; what it did in which order.

    Otherwise that needs thousands of chunks.
    """
    done: list[str] = []
    flush, prepared = Writer._flush_lexical, Writer._prepared

    def flush_noted(self: Writer) -> None:
        flush(self)
        done.append("flushed")

    def prepared_noted(self: Writer, *arguments: Any, **more: Any) -> Any:
        manifest = prepared(self, *arguments, **more)
        done.append("prepared")
        return manifest

    monkeypatch.setattr(commit, "SETTLED_ROWS", 1)
    monkeypatch.setattr(Writer, "_flush_lexical", flush_noted)
    monkeypatch.setattr(Writer, "_prepared", prepared_noted)
    return done


def test_segments_that_are_written_meanwhile_make_the_same_index(
    project: Tree, flushing: list[str]
) -> None:
    index = open_index(project, jobs=2)
    updated(index)
    for number in range(3):
        project.write("src/retry.py", f"def changed_{number}():\n    return 1\n")
        updated(index)
    assert sorted(flushing) == ["flushed"] * 4 + ["prepared"] * 4
    flushing.clear()
    plain = Tree(project.root.with_name("plain"), project.files())
    one = open_index(plain, jobs=1)
    updated(one, sequential=True)
    assert flushing == ["prepared"], "one step at a time"
    check_same(index, one)


@pytest.mark.parametrize("broken", ["_prepared", "_flush_lexical"])
def test_a_commit_that_fails_on_either_side_leaves_the_generation(
    project: Tree, flushing: list[str], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    index = open_index(project, jobs=2)
    updated(index)
    before = chunks(index)
    project.write("src/retry.py", "def changed():\n    return 1\n")
    works = getattr(Writer, broken)

    def fails(self: Writer, *arguments: Any, **more: Any) -> None:
        works(self, *arguments, **more)
        raise StoreError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, broken, fails)
        with pytest.raises(StoreError, match="no room"):
            index.update()
    assert sorted(flushing[2:]) == ["flushed", "prepared"], "one did not wait for the other"
    assert check_whole(index).manifest.generation == 1
    assert chunks(index) == before
    assert updated(index).generation == 2
    check_same(index, clean_build(project))


def add_rows(store: VectorStore, first: int, path: str) -> None:
    """Adds a hundred rows of a file."""
    batch = pa.record_batch(
        {
            "id": pa.array(range(first, first + 100), pa.uint64()),
            "path": [path] * 100,
            "language": ["c"] * 100,
            "kind": ["function"] * 100,
            "text_digest": pa.array([b"0" * 16] * 100, pa.binary(16)),
        }
    )
    store.add([store.rows(batch, np.ones((100, 8), np.float32))])


@pytest.mark.parametrize("adds", [1, None], ids=["what is new", "everything"])
def test_a_file_that_was_cut_short_is_noticed_when_it_is_read_back(
    tmp_path: Path, adds: int | None
) -> None:
    store = VectorStore(tmp_path, 8)
    store.restore(0)
    for number in range(4):
        add_rows(store, number * 100, f"{number % 2}.c")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    store.delete(["0.c"])
    # Not all of the fragment that it is in: of that, nothing would be left to read.
    store._table.delete("id = 150")
    add_rows(store, 400, "0.c")
    store.read_back(store.version, 299, adds=adds)
    young = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    written = [path for path in young if path.parent.name in ("data", "_deletions")]
    assert {path.parent.name for path in written} == {"data", "_deletions"}
    for path in written:
        content = path.read_bytes()
        for length in (0, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:length])
            with pytest.raises(StoreError, match="cannot be read back"):
                store.read_back(store.version, 299, adds=adds)
        path.unlink()
        with pytest.raises(StoreError):
            store.read_back(store.version, 299, adds=adds)
        path.write_bytes(content)
    store.read_back(store.version, 299, adds=adds)


def test_a_small_update_may_leave_nothing(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", {"a.py": "def a(): pass\n", "b.py": "def b(): pass\n"})
    index = open_index(tree)
    updated(index)
    tree.delete("a.py")
    tree.delete("b.py")
    assert updated(index).files.removed == 2
    assert check_whole(index).manifest.chunks == 0
    assert index.verify().ok
    tree.write("c.py", "def c(): pass\n")
    updated(index)
    assert check_whole(index).manifest.chunks == 1
