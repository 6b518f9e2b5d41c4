"""Two stores and a snapshot move as one generation, also when a run is torn in the middle."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from support import (
    MODES,
    PROJECT,
    Tree,
    check_whole,
    chunks,
    generation,
    open_index,
    updated,
    vectors,
)

if TYPE_CHECKING:
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
    index = open_index(project)
    updated(index)
    before, folder = chunks(index), generation(index).epoch.folder
    for mode in MODES:
        assert index.search("retry", mode=mode).hits
    for _ in range(rounds):
        report = updated(index, full=True)
        assert report.files.added == len(PROJECT) - 1
        assert report.chunks.embedded == report.chunks.total
        assert updated(index).files.unchanged == len(PROJECT) - 1
    assert chunks(index) == before
    assert not folder.exists() or rounds % 2 == 0, "the old stores stay for ever"
    for mode in MODES:
        assert index.search("retry", mode=mode).hits, f"{mode} sees what is gone"


def test_an_open_index_survives_a_full_build(project: Tree) -> None:
    """Its manifest may equal the one before: only the folder tells them apart."""
    index = open_index(project)
    updated(index)
    assert index.search("retry", mode="lexical").hits
    other = open_index(project)
    updated(other, full=True)
    updated(other)
    assert index.search("retry", mode="semantic").hits
