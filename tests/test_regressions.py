"""One test for each way in which it was once wrong."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest

import hybridx
from hybridx.config import Settings
from hybridx.errors import Cancelled, UsageError
from support import (
    Tree,
    check_whole,
    chunks,
    json_of,
    open_index,
    run_cli,
    run_unprivileged,
    updated,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_folders_whose_names_share_part_of_a_character(tmp_path: Path) -> None:
    names = ["é", "è", "я", "ж", "中", "串"]
    tree = Tree(tmp_path / "t", {f"{name}/sub/f.txt": f"text {name}" for name in names})
    assert len(hybridx.MerkleTree.from_path(tree.root)) == len(names)
    index = open_index(tree)
    updated(index)
    tree.write("è/sub/f.txt", "other")
    assert index.diff().modified == ["è/sub/f.txt"]


@pytest.mark.parametrize(
    "name", ["späte", "a#b", "a%20b", "a?b", "a*b[c]", "100%", "a\nb", "a b", os.fsdecode(b"\xff")]
)
def test_a_root_of_any_name_keeps_its_index_inside(tmp_path: Path, name: str) -> None:
    tree = Tree(tmp_path / name / "root", {"f.py": "def moved_files():\n    return 1\n"})
    index = open_index(tree)
    updated(index)
    tree.write("f.py", "def other_files():\n    return 2\n")
    updated(index)
    check_whole(index)
    assert [hit.symbol for hit in index.search("other files", mode="semantic")] == ["other_files"]
    assert [each.name for each in tmp_path.iterdir()] == [name], "something was written beside it"


def test_an_update_of_some_files_hides_no_other(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {"f.txt": "alpha words", "g.txt": "beta words"})
    index = open_index(tree)
    updated(index)
    (tree.root / "f.txt").write_bytes(b"alpha\0words")
    index.update(paths=["g.txt"])
    check_whole(index)
    updated(index)
    check_whole(index)
    assert not index.search("alpha", mode="lexical").hits, "a ghost of f.txt is left"
    assert index.status().skipped == {"binary": 1}


def test_onnx_runtime_reports_to_nobody(tmp_path: Path) -> None:
    Tree(tmp_path / "t", {"f.txt": "some words"})
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    result = run_cli("index", tmp_path / "t", env=env)
    assert result.returncode == 0, result.stderr
    left = [str(path.relative_to(home)) for path in home.rglob("*") if "hybridx" not in str(path)]
    assert not left, f"written into the user's folders: {left}"


def test_a_cancelled_task_ends_its_thread_before_the_lock_is_free(tmp_path: Path) -> None:
    # Functions too large to share chunks: the update must still be at work when it is cancelled.
    function = "def f():\n" + "    a = b + c\n" * 15
    files = {f"f{n}.py": f"# {n}\n{function * 50}" for n in range(400)}
    tree = Tree(tmp_path / "t", files)

    async def main() -> None:
        before = set(threading.enumerate())
        index = await hybridx.AsyncIndex.open(tree.root)
        task = asyncio.create_task(index.update(sequential=True))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        fresh = set(threading.enumerate()) - before
        working = [each.name for each in fresh if each.name.startswith("hybridx")]
        assert not working, f"still at work: {working}"

    asyncio.run(main())
    index = open_index(tree)
    updated(index)
    check_whole(index)


def test_a_cancelled_update_can_be_tried_again_while_its_error_is_kept(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {f"f{n}.py": f"x = {n}\n" for n in range(50)})
    index = open_index(tree)
    token = hybridx.CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as kept:
        index.update(cancel=token)
    updated(index)
    check_whole(index)
    assert kept.value is not None


def test_a_waiting_writer_survives_a_clean(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {"f.txt": "some words"})
    folder = tree.root / ".hybridx"
    for _ in range(5):
        updated(open_index(tree))
        errors: list[BaseException] = []

        def run(work: Callable[[], object], errors: list[BaseException] = errors) -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        works = [open_index(tree).clean, open_index(tree).update, open_index(tree).update]
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors
        updated(open_index(tree))
        assert (folder / ".gitignore").read_text() == "*\n"


def test_two_first_runs_into_one_outer_folder(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {"f.txt": "some words"})
    for round_ in range(8):
        settings = Settings(index_dir=tmp_path / f"index{round_}")
        errors: list[BaseException] = []

        def run(settings: Settings = settings, errors: list[BaseException] = errors) -> None:
            try:
                hybridx.Index.open(tree.root, settings=settings).update()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors


def test_an_outer_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {"f.txt": "some words"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("do not touch")
    settings = Settings(index_dir=tmp_path / "full")
    with pytest.raises(UsageError, match="not empty"):
        hybridx.Index.open(tree.root, settings=settings).update()


def test_a_read_only_index_can_be_read(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {"f.py": "def read_only():\n    return 1\n"})
    index = open_index(tree)
    updated(index)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    everything = [tree.root / ".hybridx", *(tree.root / ".hybridx").rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for mode in ("lexical", "semantic", "hybrid"):
            arguments = ["search", "read_only", str(tree.root), "--mode", mode, "--json"]
            found = json_of(run_unprivileged(closed, *arguments))
            assert found["hits"][0]["symbol"] == "read_only"
        assert json_of(run_unprivileged(closed, "status", tree.root, "--json"))["fresh"]
    finally:
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)
        closed.chmod(0o700)


def test_a_query_that_is_no_utf8_is_a_query(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {"f.txt": "some words"})
    updated(open_index(tree))
    result = run_cli("search", b"words \xff", tree.root)
    assert (result.returncode, b"f.txt" in result.stdout) == (0, True), result.stderr
    result = run_cli("search", "words", tree.root, "--path", b"\xe9*")
    assert (result.returncode, result.stdout) == (1, b""), result.stderr


def test_paths_to_update_may_be_spelled_loosely(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "t", {"a/f.txt": "some words", "b.txt": "others"})
    index = open_index(tree)
    report = index.update(paths=["./a//f.txt"])
    assert report.files.added == 1
    assert len(chunks(index)) == 1


def test_the_definition_of_a_name_comes_first_in_hybrid_too(tmp_path: Path) -> None:
    uses = {
        f"use{n}.py": f"def use_{n}(pool):\n    return pool_size(pool) + {n}\n" for n in range(9)
    }
    define = "def pool_size(pool):\n    return len(pool.idle) + len(pool.busy)\n"
    index = open_index(Tree(tmp_path / "t", {**uses, "pool.py": define}))
    updated(index)
    assert index.search("pool_size")[0].path == "pool.py"
