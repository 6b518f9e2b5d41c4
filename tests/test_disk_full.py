"""A disk that takes no more: one clear line, the last generation stays, and space mends all.

System calls fail underneath the very program that users run, from some change on or only once, as
`faults.py` says. Exit code 2 is the command line's for errors that end a run.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from faults import STEPS, Plan, fail, middle, steps
from hybridx.commit import Generation
from hybridx.errors import StoreError
from hybridx.store import VectorStore
from hybridx.verify import verify
from support import (
    ALL,
    PROJECT,
    Tree,
    check_refused,
    check_same,
    check_whole,
    chunks,
    open_index,
    run_cli,
    run_unprivileged,
    updated,
)
from test_crash import Scene, change, leftovers, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faults import Faults, Run

ERRORS = ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EIO")

FULL = frozenset({"ENOSPC", "EDQUOT", "EROFS"})
"""Of these the message says that the index stays as it was."""


def check_told(run: Run, name: str, folder: Path, label: str) -> None:
    """One line that says what is wrong and where."""
    said = run.stderr.strip()
    assert run.code == 2, f"{label}: exit code {run.code}: {said}"
    assert run.stdout == "", label
    assert "Traceback" not in said, f"{label}: {said}"
    assert "internal error" not in said, f"{label}: {said}"
    assert "panicked" not in said, f"{label}: {said}"
    assert len(said.splitlines()) == 1, f"{label}: {said}"
    assert str(folder) in said, f"{label}: it does not say where: {said}"
    if "cannot be read back" in said:
        return  # LanceDB did not hear of it, and nobody knows what it was
    assert os.strerror(getattr(errno, name)) in said, f"{label}: {said}"
    if name in FULL:
        assert "stays at its last generation" in said, f"{label}: {said}"


def check_failed(scene: Scene, name: str, at: int, *, once: bool = False) -> str:
    """Lets a run fail, looks, and runs again with a sound disk; what was said."""
    tree = scene.copy()
    folder = tree.root / ".hybridx"
    plan = fail(at, getattr(errno, name), once=once)
    run = scene.run(tree, plan)
    if run.killed:  # nobody asked for it: see `Run.killed`
        shutil.rmtree(tree.root)
        return check_failed(scene, name, at, once=once)
    label = f"{name} at {at} {once=}, after {run.counted[at - 1 : at]}"
    index = open_index(tree)
    seen = Generation.current(index._layout)
    if run.code != 0:
        check_told(run, name, folder, label)
    else:
        assert seen is not None, f"{label}: it says it is done"
        assert chunks(seen) == scene.new, f"{label}: it says it is done"
    if seen is None:
        assert not scene.indexed, f"{label}: the index is gone"
    else:
        held = chunks(check_whole(seen))
        assert held in ((scene.old, scene.new) if scene.indexed else (scene.new,)), label
        found = verify(index._layout)
        assert found is not None
        assert found.ok, f"{label}: {found.problems}"
        hits = index.search("a ghost chunk", ALL, mode="semantic").hits
        assert {hit.text for hit in hits} == {row[6] for row in held.values()}, label
    after = scene.run(tree, Plan())
    assert after.code == 0, f"{label}: {after.stderr}"
    assert chunks(check_whole(index)) == scene.new, f"{label}: the next run does not mend it"
    assert check_whole(index).manifest.merkle_root == scene.roots[True], label
    assert index.verify().ok, f"{label}: {index.verify().problems}"
    assert not leftovers(folder), f"{label}: {leftovers(folder)}"
    shutil.rmtree(tree.root)
    return run.stderr


def build(place: Path, faults: Faults, what: str) -> Scene:
    if what == "update":
        return Scene(place, faults, (), change)
    if what == "full build":
        return Scene(place, faults, ("--full",), change)
    return Scene(place, faults, (), nothing, indexed=False)


def check_each_step(scene: Scene, first_error: int) -> None:
    """Fails a run in the middle of each of its steps, with one error after the other."""
    there = [step for step in STEPS if step in steps(scene.whole.changes)]
    said = [
        check_failed(scene, ERRORS[number % len(ERRORS)], middle(scene.whole, step))
        for number, step in enumerate(there, first_error)
    ]
    assert sum(map(bool, said)) >= len(there) // 2, "most runs noticed nothing"


def test_a_disk_that_fails_in_each_step_of_an_update_leaves_the_last_generation(
    tmp_path: Path, faults: Faults
) -> None:
    check_each_step(build(tmp_path, faults, "update"), first_error=0)


def test_a_disk_that_fails_in_each_step_of_a_first_build_leaves_nothing_broken(
    tmp_path: Path, faults: Faults
) -> None:
    check_each_step(build(tmp_path, faults, "first build"), first_error=2)


@pytest.mark.parametrize("folder", ["data", "_deletions"])
@pytest.mark.parametrize("lost", [1, 100])
def test_an_error_that_lancedb_does_not_hear_of_is_noticed_before_the_commit(
    project: Tree, monkeypatch: pytest.MonkeyPatch, folder: str, lost: int
) -> None:
    """The last bytes of a file do not reach the disk: LanceDB reports nothing and goes on."""
    index = open_index(project)
    updated(index)
    held = chunks(index)
    change(project)
    method = "add" if folder == "data" else "delete"
    original = getattr(VectorStore, method)

    def torn(store: VectorStore, rows: object) -> None:
        original(store, rows)
        newest = max(
            (store._table_folder / folder).iterdir(), key=lambda path: path.stat().st_ctime
        )
        os.truncate(newest, max(newest.stat().st_size - lost, 0))

    with monkeypatch.context() as patch:
        patch.setattr(VectorStore, method, torn)
        with pytest.raises(StoreError, match="cannot be read back"):
            index.update()
    assert chunks(check_whole(index)) == held
    assert index.verify().ok
    assert updated(index).files.added
    clean = open_index(Tree(project.root.with_name("clean"), project.files()))
    updated(clean)
    check_same(index, clean)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("what", ["update", "first build", "full build"])
def test_a_disk_that_fails_at_every_single_change(
    tmp_path: Path, faults: Faults, name: str, what: str
) -> None:
    scene = build(tmp_path, faults, what)
    said = []
    for at in range(1, len(scene.whole.counted) + 1):
        said.append(check_failed(scene, name, at))
        if what == "update":
            check_failed(scene, name, at, once=True)
    noticed = sum(map(bool, said))
    print(f"\n{what}, {name}: {len(said)} changes, {noticed} runs ended by the error")
    assert noticed >= len(said) // 2


@pytest.mark.parametrize("name", ERRORS)
def test_a_disk_that_fails_before_the_lock_is_taken(
    tmp_path: Path, faults: Faults, name: str
) -> None:
    tree = Tree(tmp_path / "tree", PROJECT)
    folder = tree.root / ".hybridx"
    number = getattr(errno, name)
    run = faults.run(folder, "index", "--quiet", tree.root, plan=fail(1, number, everywhere=True))
    check_told(run, name, folder, name)
    assert updated(open_index(tree)).files.added
    assert open_index(tree).verify().ok


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_a_disk_that_is_really_full(tmp_path: Path, small_disk: Path) -> None:
    tree = Tree(tmp_path / "tree", PROJECT)
    folder = small_disk / "index"
    env = {"HYBRIDX_INDEX_DIR": str(small_disk)}
    assert run_cli("index", "--index-dir", folder, tree.root).returncode == 0, env
    old = chunks(open_index(tree, index_dir=folder))
    for number in range(400):
        tree.write(f"many/f{number}.py", f"def name_{number}():\n    return {'x' * 3000}\n" * 9)
    full = run_cli("index", "--quiet", "--index-dir", folder, tree.root)
    check_refused(full, os.strerror(errno.ENOSPC), str(folder))
    index = open_index(tree, index_dir=folder)
    assert chunks(check_whole(index)) == old
    assert index.search("retry").hits
    assert index.verify().ok
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert run_cli("index", "--quiet", "--index-dir", folder, tree.root).returncode == 0
    clean = open_index(Tree(tmp_path / "clean", tree.files()))
    updated(clean)
    check_same(index, clean)
    assert index.verify().ok


def protect(folder: Path) -> None:
    for each in [folder, *folder.rglob("*")]:
        each.chmod(each.stat().st_mode & ~0o222)


def test_an_index_that_may_not_be_written_answers_and_says_so(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    tree = Tree(tmp_path / "tree", PROJECT)
    index = open_index(tree)
    updated(index)
    held = chunks(index)
    change(tree)
    folder = tree.root / ".hybridx"
    protect(folder)
    refused = run_unprivileged(closed, "index", "--quiet", tree.root)
    check_refused(refused, os.strerror(errno.EACCES), str(folder))
    for mode in ("lexical", "semantic", "hybrid"):
        found = run_unprivileged(closed, "search", "--mode", mode, "call again", tree.root)
        assert found.returncode == 0, found.stderr.decode()
        assert b"retry" in found.stdout
    assert chunks(check_whole(index)) == held
    for each in [folder, *folder.rglob("*")]:
        each.chmod(each.stat().st_mode | 0o200)
    updated(index)
    clean = open_index(Tree(tmp_path / "clean", tree.files()))
    updated(clean)
    check_same(index, clean)


def test_a_root_in_which_nothing_may_be_made_is_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    tree = Tree(tmp_path / "tree", PROJECT)
    protect(tree.root)
    refused = run_unprivileged(closed, "index", "--quiet", tree.root)
    check_refused(refused, os.strerror(errno.EACCES), str(tree.root / ".hybridx"))
    assert not (tree.root / ".hybridx").exists()
    elsewhere = tmp_path / "elsewhere"
    done = run_unprivileged(closed, "index", "--quiet", "--index-dir", elsewhere, tree.root)
    assert done.returncode == 0, done.stderr.decode()
    assert open_index(tree, index_dir=elsewhere).search("retry").hits
