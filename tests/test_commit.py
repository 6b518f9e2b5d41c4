"""Two stores and a snapshot move as one generation, also when a run is torn in the middle."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from hybridx.commit import Generation
from support import (
    MODES,
    PROJECT,
    Tree,
    check_same,
    check_whole,
    chunks,
    generation,
    open_index,
    script,
    updated,
    vectors,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import Index

CRASH = """
import os, sys
from pathlib import Path
import hybridx, hybridx.commit, hybridx.store, hybridx.layout
from hybridx.config import Settings

root, point, nth, sequential, model = sys.argv[1:]
left = int(nth)

def die(*_):
    global left
    left -= 1
    if left == 0:
        os._exit(9)

def before(owner, name):
    inner = getattr(owner, name)
    def wrapped(*args, **kwargs):
        die()
        return inner(*args, **kwargs)
    setattr(owner, name, wrapped)

if point == "vectors deleted":
    before(hybridx.store.VectorStore, "add")
elif point == "vectors written":
    before(hybridx.layout.Epoch, "snapshot")
elif point == "snapshot written":
    before(hybridx.commit.Manifest, "dump")
elif point == "committed":
    before(hybridx.commit.Writer, "close")
settings = Settings(commit_files=1, model=model)
hybridx.Index.open(root, settings=settings).update(sequential=bool(sequential))
"""

POINTS = ["vectors deleted", "vectors written", "snapshot written"]
"""Where a run ends before its commit."""


def tear(
    tree: Tree, point: str, nth: int = 1, *, sequential: bool = True, model: str = "bundled"
) -> None:
    """Runs an update in a process that dies when it comes to `point` for the `nth` time."""
    flag = "yes" if sequential else ""
    result = script(CRASH, str(tree.root), point, str(nth), flag, model)
    assert result.returncode == 9, f"it did not die: {result.returncode} {result.stderr}"


def clean_build(tree: Tree) -> Index:
    """The index of an equal tree elsewhere."""
    for number in range(100):
        place = tree.root.with_name(f"{tree.root.name}-clean-{number}")
        if not place.exists():
            index = open_index(Tree(place, tree.files()))
            updated(index)
            return index
    raise AssertionError("no place for a clean build")


@pytest.mark.parametrize("point", POINTS)
def test_a_torn_run_leaves_the_generation_before_it(project: Tree, point: str) -> None:
    index = open_index(project)
    updated(index)
    before, old_vectors = chunks(index), vectors(index)
    original = project.path("src/retry.py").read_text()
    project.write("src/retry.py", "def ghost():\n    return 'a ghost chunk'\n")
    project.delete("web/app.js")
    project.move("docs/guide.md", "docs/manual.md")
    tear(project, point)

    seen = check_whole(index)
    assert seen.manifest.generation == 1
    assert chunks(index) == before
    assert vectors(index).keys() == old_vectors.keys()
    for mode in MODES:
        assert not any("ghost" in hit.text for hit in index.search("a ghost chunk", mode=mode))
    assert index.diff().modified == ["src/retry.py"]

    # The hard case: what was torn is taken back, so that no diff would ever name it.
    project.write("src/retry.py", original)
    report = updated(index)
    assert report.files.modified == 0
    check_same(index, clean_build(project))
    for mode in MODES:
        assert not any("ghost" in hit.text for hit in index.search("a ghost chunk", mode=mode))


def test_a_run_torn_inside_the_lexical_commit_is_written_anew(project: Tree) -> None:
    """All files of the lexical store are there, but for the last one, which makes them count."""
    index = open_index(project)
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


def test_everything_torn_is_taken_back_and_nothing_is_to_do(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    before = chunks(index)
    original = project.path("src/retry.py").read_text()
    project.write("src/retry.py", "def ghost():\n    return 'a ghost chunk'\n")
    tear(project, "vectors written")
    project.write("src/retry.py", original)
    assert updated(index).generation == 1
    assert chunks(index) == before
    # The next writer has to get rid of the torn rows.
    project.write("src/new.py", "def fresh():\n    return 1\n")
    assert updated(index).generation == 2
    check_same(index, clean_build(project))


@pytest.mark.parametrize("point", POINTS)
def test_a_torn_first_build_starts_again(project: Tree, point: str) -> None:
    tear(project, point)
    index = open_index(project)
    assert Generation.current(index._layout) is None
    assert updated(index).generation == 1
    check_same(index, clean_build(project))


def test_a_run_that_dies_after_its_commit_has_committed(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    project.write("src/retry.py", "def changed():\n    return 1\n")
    tear(project, "committed")
    assert check_whole(index).manifest.generation == 2
    assert not index.diff()
    assert updated(index).generation == 2
    check_same(index, clean_build(project))


def test_a_killed_long_run_keeps_its_commits_and_resumes(tmp_path: Path) -> None:
    line = "value_of_item = compute(first_argument, second_argument)  # some words to fill it\n"
    files = {f"d{n % 7}/f{n}.py": f"def name_{n}():\n    pass\n{line * 200}" for n in range(200)}
    tree = Tree(tmp_path / "tree", files)
    tear(tree, "snapshot written", nth=3, sequential=False)
    index = open_index(tree)
    seen = check_whole(index)
    done = len(seen.snapshot.paths())
    assert seen.manifest.generation == 2
    assert 0 < done < len(files)
    assert index.search("name_1 value of item").hits
    report = updated(index)
    assert report.files.added == len(files) - done, "what was committed is done again"
    check_same(index, clean_build(tree))


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


@pytest.mark.slow
def test_killed_at_any_moment_it_is_whole_and_goes_on(tmp_path: Path) -> None:
    line = "value_of_item = compute(first_argument, second_argument)  # some words to fill it\n"
    files = {f"d{n % 7}/f{n}.py": f"def name_{n}():\n    pass\n{line * 100}" for n in range(600)}
    tree = Tree(tmp_path / "tree", files)
    index = open_index(tree)
    chance = random.Random(7)
    command = [sys.executable, "-m", "hybridx", "index", "--quiet", str(tree.root)]
    environment = {**os.environ, "HYBRIDX_COMMIT_FILES": "10"}
    start = time.monotonic()
    subprocess.run(command, env=environment, check=True)
    takes = time.monotonic() - start
    seen, torn = set(), 0
    for number in range(30):
        for path in chance.sample(sorted(files), 400):
            tree.write(path, f"def round_{number}():\n    pass\n{line * 100}")
        process = subprocess.Popen(command, env=environment)
        time.sleep(takes * chance.uniform(0.5, 1.1))
        process.kill()
        code = process.wait()
        assert code in (0, -signal.SIGKILL), f"round {number} failed by itself: {code}"
        torn += code != 0
        seen.add(check_whole(index).manifest.generation)
    assert torn > 5, "it was always faster than the kill"
    assert len(seen) > 3, f"the kills came too early to tear anything: {seen}"
    updated(index)
    check_same(index, clean_build(tree))
