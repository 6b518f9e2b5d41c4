"""Updates that leave work out end where one that does all of it ends."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from hybridx import _core
from hybridx import commit as commits
from hybridx import kept as keeping
from hybridx.indexer import Request
from hybridx.kept import Kept
from hybridx.scan import scan_tree
from support import Tree, check_same, check_whole, open_index, updated

if TYPE_CHECKING:
    from hybridx import Index
    from hybridx.types import IndexReport

FOLDERS = ("", "src/", "src/deep/", "docs/", "new/")


def resident_update(index: Index, kept: Kept, paths: list[str] | None = None) -> IndexReport:
    only = None if paths is None else frozenset(paths)
    return index._update(Request(serving=True, paths=only), None, _core.CancelToken(), kept)


def change(tree: Tree, chance: random.Random) -> str:
    """Changes one file of a tree at random, and tells which."""
    path = f"{chance.choice(FOLDERS)}file_{chance.randrange(4)}.py"
    if chance.random() < 0.25 and tree.path(path).exists():
        tree.delete(path)
    else:
        number = chance.randrange(5)
        tree.write(path, f"def answer_{number}():\n    return {number}\n" * (number or 1))
    return path


@pytest.mark.parametrize("seed", range(3))
def test_paths_alone_one_after_the_other_make_the_index_of_a_full_run(
    project: Tree, seed: int
) -> None:
    chance = random.Random(seed)
    index, kept = open_index(project), Kept(resident=True)
    resident_update(index, kept)
    for number in range(8):
        changed = [change(project, chance) for _ in range(2)]
        if number == 4:
            # Another process commits in between: what is kept is not the last commit any more.
            updated(open_index(project), paths=changed[:1])
        resident_update(index, kept, changed)
        assert resident_update(index, kept).files.changed == 0, "a path was not seen"
        check_whole(index)
    fresh = open_index(project, index_parent=project.root.parent / f"elsewhere-{seed}")
    updated(fresh)
    check_same(index, fresh)


def test_a_path_below_a_folder_that_is_ignored_by_now_goes(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    project.write(".gitignore", "src/\n")
    assert updated(index, paths=["src/retry.py"]).files.removed == 1
    check_whole(index)
    fresh = open_index(project, index_parent=project.root.parent / "elsewhere")
    updated(fresh)
    assert updated(index).files.removed >= 1, "the others were forgotten"
    check_same(index, fresh)


def test_a_stat_cache_that_was_not_written_costs_a_few_reads_and_nothing_else(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MANY_FILES", 0)
    monkeypatch.setattr(keeping, "FEW_FRESH", 1)
    index = open_index(project)
    updated(index)
    cache = index._layout.stat_cache
    before = cache.read_bytes()
    project.write("src/retry.py", "def changed():\n    return 1\n")
    assert updated(index).files.modified == 1
    assert cache.read_bytes() == before, "it was written for one file"
    scan = scan_tree(index._layout, index.settings)
    assert scan.bytes_hashed >= len("def changed():\n    return 1\n")
    assert updated(index).files.changed == 0
    check_whole(index)
    for number in range(3):
        project.write(f"src/new_{number}.py", f"x = {number}\n")
    updated(index)
    assert cache.read_bytes() != before, "it was not written for many"


def test_rows_found_by_an_index_of_their_paths_go_with_their_file(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "INDEXED_ROWS", 1)
    monkeypatch.setattr(commits, "_SLACK", 0)
    index = open_index(project)
    updated(index)
    generation = check_whole(index)
    assert list(generation.epoch.vectors.glob("*/_indices/*")), "there is no index of paths"
    monkeypatch.setattr(commits, "INDEXED_ROWS", 1 << 40)
    chance = random.Random(5)
    for _ in range(12):
        # Rows that the index knows, rows that it does not, and tables that are written anew.
        change(project, chance)
        project.write("src/retry.py", f"def retry():\n    return {chance.random()}\n")
        updated(index)
        assert check_whole(index) is not None
        assert index.verify().ok
    fresh = open_index(project, index_parent=project.root.parent / "elsewhere")
    updated(fresh)
    check_same(index, fresh)
