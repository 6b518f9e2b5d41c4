"""Updates: what changed, and only that, is indexed, and afterwards it is what is found."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from hybridx.scan import scan_tree
from support import ALL, MODES, PROJECT, Tree, check_whole, chunks, open_index, updated, vectors

if TYPE_CHECKING:
    from hybridx import Index, IndexReport
    from hybridx.types import Mode

INDEXED = sorted(set(PROJECT) - {"logo.bin"})


def touched(report: IndexReport) -> dict[str, int]:
    """How many files a run touched, by what it did with them."""
    names = ("added", "modified", "removed", "moved", "failed")
    counts = {name: getattr(report.files, name) for name in names}
    return {name: count for name, count in counts.items() if count}


def texts(index: Index, query: str, mode: Mode) -> list[str]:
    """The texts of everything that a search finds."""
    return [hit.text for hit in index.search(query, ALL, mode=mode)]


def settle() -> None:
    """Waits until what was written is older than the file system's clock can tell."""
    time.sleep(0.05)


def test_the_first_run_builds_the_index(project: Tree) -> None:
    index = open_index(project)
    report = updated(index)
    assert touched(report) == {"added": len(INDEXED)}
    assert (report.generation, report.files.seen) == (1, len(PROJECT))
    assert report.chunks.embedded == report.chunks.added == report.chunks.total > 0
    assert report.bytes_read == sum(len(PROJECT[name]) for name in INDEXED)
    assert sorted(check_whole(index).snapshot.paths()) == INDEXED
    assert index.skipped() == [("logo.bin", "binary", "a NUL byte near its start")]
    assert report.files.skipped == 1


def test_nothing_to_do_is_no_generation_and_embeds_nothing(project: Tree) -> None:
    index = open_index(project)
    first = updated(index)
    again = updated(index)
    assert touched(again) == {}
    assert (again.generation, again.merkle_root) == (first.generation, first.merkle_root)
    assert again.chunks.embedded == again.chunks.added == again.chunks.removed == 0
    assert again.chunks.total == first.chunks.total
    assert again.device == "none", "a run without work loaded the model"
    assert again.files.unchanged == len(INDEXED)


@pytest.mark.parametrize("sequential", [False, True])
def test_an_update_touches_exactly_what_changed(project: Tree, sequential: bool) -> None:
    index = open_index(project)
    updated(index, sequential=sequential)
    before, old_vectors = chunks(index), vectors(index)
    project.write("src/retry.py", "def orbit():\n    return 'parabolic trajectory of a comet'\n")
    project.write("web/new.ts", "export function volcano(): string { return 'lava eruption'; }\n")
    project.delete("docs/guide.md")
    project.move("src/http/client.py", "src/net/http_client.py")

    found = index.diff()
    assert found.added == ["web/new.ts"]
    assert found.modified == ["src/retry.py"]
    assert found.removed == ["docs/guide.md"]
    assert found.moved == [("src/http/client.py", "src/net/http_client.py")]
    assert found.old_root != found.new_root
    assert index.update(paths=[]).generation == 1, "a diff or an empty update wrote something"

    report = updated(index, sequential=sequential)
    assert touched(report) == {"added": 1, "modified": 1, "removed": 1, "moved": 1}
    assert report.generation == 2
    assert report.merkle_root == found.new_root
    after, new_vectors = chunks(index), vectors(index)
    new = {each: chunk for each, chunk in after.items() if each not in before}
    moved = {each: chunk for each, chunk in new.items() if chunk[0] == "src/net/http_client.py"}
    assert moved
    assert {chunk[0] for chunk in new.values()} == {
        "src/retry.py",
        "web/new.ts",
        "src/net/http_client.py",
    }
    assert report.chunks.added == len(new)
    assert report.chunks.removed == len(before.keys() - after.keys())
    assert report.chunks.reused_vectors == len(moved), "a moved file was embedded again"
    assert report.chunks.embedded == len(new) - len(moved)
    # The same place and text under the old name has the very same vector.
    places = {chunk[1:]: each for each, chunk in before.items() if chunk[0] == "src/http/client.py"}
    for each, chunk in moved.items():
        old = old_vectors[places[chunk[1:]]]
        assert old.tobytes() == new_vectors[each].tobytes(), f"another vector for {chunk}"
    for each in before.keys() & after.keys():
        assert old_vectors[each].tobytes() == new_vectors[each].tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_the_new_text_is_found_and_the_old_is_not(project: Tree, mode: Mode) -> None:
    index = open_index(project)
    updated(index)
    query = "parabolic trajectory comet retry failure waiting longer install"
    assert any("waiting longer" in text for text in texts(index, query, mode))
    project.write("src/retry.py", "def orbit():\n    return 'parabolic trajectory of a comet'\n")
    project.delete("docs/guide.md")
    project.move("src/http/client.py", "src/net/http_client.py")
    updated(index)
    found = texts(index, query, mode)
    assert any("parabolic trajectory" in text for text in found)
    assert not any("waiting longer" in text for text in found), "the old text of a file is found"
    assert not any("install" in text for text in found), "a deleted file is found"
    paths = {hit.path for hit in index.search("http client connections pool", ALL, mode=mode)}
    assert "src/net/http_client.py" in paths
    assert "src/http/client.py" not in paths, "a file is found under its old name"


def test_a_touched_file_is_no_new_generation_and_is_read_once(project: Tree) -> None:
    settle()
    index = open_index(project)
    updated(index)
    os.utime(project.path("src/retry.py"), (1, 1))
    settle()
    assert not index.diff(), "a file counts as changed because of its times"
    assert scan_tree(index._layout, index.settings).bytes_hashed == len(PROJECT["src/retry.py"])
    report = updated(index)
    assert (touched(report), report.generation) == ({}, 1)
    assert scan_tree(index._layout, index.settings).bytes_hashed == 0, (
        "a touched file is read again by every run"
    )


def test_an_edit_that_keeps_size_and_time_is_seen(tree: Tree) -> None:
    tree.write("a.py", "x = 1\n")
    index = open_index(tree)
    updated(index)
    times = tree.path("a.py").stat()
    tree.path("a.py").write_text("x = 2\n")
    os.utime(tree.path("a.py"), ns=(times.st_atime_ns, times.st_mtime_ns))
    assert touched(updated(index)) == {"modified": 1}
    assert [chunk[-1].strip() for chunk in chunks(index).values()] == ["x = 2"]


def test_a_text_becomes_binary_and_text_again(tree: Tree) -> None:
    tree.write("a.py", "def alpha(): pass\n")
    tree.write("b.py", "def beta(): pass\n")
    index = open_index(tree)
    updated(index)
    tree.write("a.py", b"def alpha(): pass\n\0")
    report = updated(index)
    assert touched(report) == {"removed": 1}
    assert (report.files.skipped, report.files.unchanged) == (1, 1)
    assert [row[:2] for row in index.skipped()] == [("a.py", "binary")]
    assert {chunk[0] for chunk in chunks(index).values()} == {"b.py"}
    tree.write("a.py", "def alpha(): pass\n")
    assert touched(updated(index)) == {"added": 1}
    assert index.skipped() == []
    assert {chunk[0] for chunk in chunks(index).values()} == {"a.py", "b.py"}


def test_what_is_only_skipped_anew_is_recorded(tree: Tree) -> None:
    tree.write("a.py", "a = 1\n")
    index = open_index(tree)
    updated(index)
    tree.write("b.bin", b"\0")
    report = updated(index)
    assert (touched(report), report.files.skipped) == ({}, 1)
    assert [row[0] for row in index.skipped()] == ["b.bin"]
    assert updated(index).generation == report.generation


def test_an_emptied_file_stays_known_without_chunks(tree: Tree) -> None:
    tree.write("a.py", "def alpha(): pass\n")
    index = open_index(tree)
    updated(index)
    tree.write("a.py", "")
    assert touched(updated(index)) == {"modified": 1}
    assert chunks(index) == {}
    assert check_whole(index).snapshot.paths() == ["a.py"]
    for mode in MODES:
        assert not index.search("alpha", mode=mode).hits


def test_a_file_becomes_a_folder_and_a_file_again(tree: Tree) -> None:
    tree.write("a", "text of the file\n")
    tree.write("z.py", "z = 1\n")
    index = open_index(tree)
    updated(index)
    tree.delete("a")
    tree.write("a/inner.py", "inner = 1\n")
    assert touched(updated(index)) == {"added": 1, "removed": 1}
    assert {chunk[0] for chunk in chunks(index).values()} == {"a/inner.py", "z.py"}
    tree.write("a", "a file again\n")
    assert touched(updated(index)) == {"added": 1, "removed": 1}
    assert {chunk[0] for chunk in chunks(index).values()} == {"a", "z.py"}


def test_everything_goes(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    for name in ("src", "web", "engine", "docs", "config.toml", "empty.py", "logo.bin"):
        project.delete(name)
    report = updated(index)
    assert touched(report) == {"removed": len(INDEXED)}
    assert (report.files.seen, report.chunks.total) == (0, 0)
    assert not index.search("retry").hits


def test_names_that_change_places_keep_their_vectors_apart(tree: Tree) -> None:
    tree.write("a.py", "def alpha():\n    return 'apple'\n")
    tree.write("b.py", "def beta():\n    return 'banana'\n")
    index = open_index(tree)
    updated(index)
    tree.move("a.py", "c.py")
    tree.move("b.py", "a.py")
    tree.move("c.py", "b.py")
    updated(index)
    fresh = Tree(tree.root.with_name("fresh"), tree.files())
    other = open_index(fresh)
    updated(other)
    assert chunks(index) == chunks(other)
    ours, theirs = vectors(index), vectors(other)
    assert all(abs(ours[each] - theirs[each]).max() <= 1e-6 for each in ours)


def test_only_the_paths_that_were_asked_for(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    project.write("src/retry.py", "def one(): pass\n")
    project.write("web/app.js", "function two() {}\n")
    project.write("web/deep/more.js", "function three() {}\n")
    project.delete("docs/guide.md")
    report = updated(index, paths=["src/retry.py", "no/such/file.py"])
    assert touched(report) == {"modified": 1}
    left = index.diff()
    assert (left.added, left.modified) == (["web/deep/more.js"], ["web/app.js"])
    assert left.removed == ["docs/guide.md"]
    assert touched(updated(index, paths=["web/"])) == {"added": 1, "modified": 1}
    assert touched(updated(index, paths=["docs/guide.md"])) == {"removed": 1}
    assert not index.diff()


def test_no_paths_at_all_is_nothing_to_do(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    project.write("src/retry.py", "def one(): pass\n")
    report = updated(index, paths=[])
    assert (touched(report), report.generation) == ({}, 1)


@pytest.mark.parametrize("asked", ["old.py", "new.py"])
def test_half_a_move_is_an_addition_or_a_removal(tree: Tree, asked: str) -> None:
    tree.write("old.py", "def wanderer():\n    return 1\n")
    index = open_index(tree)
    updated(index)
    tree.move("old.py", "new.py")
    assert touched(updated(index, paths=[asked])) == (
        {"removed": 1} if asked == "old.py" else {"added": 1}
    )
    updated(index)
    assert {chunk[0] for chunk in chunks(index).values()} == {"new.py"}


def test_many_generations_are_compacted_and_stay_whole(tree: Tree) -> None:
    tree.write("kept.py", "def kept(): pass\n")
    index = open_index(tree)
    for number in range(24):
        tree.write("a.py", f"def name_{number}(): pass\n")
        updated(index)
    assert {chunk[3] for chunk in chunks(index).values()} == {"kept", "name_23"}
