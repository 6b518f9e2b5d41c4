"""The Python API as other programs use it: in event loops, threads and forks."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hybridx
from hybridx import AsyncIndex, CancelToken, Index, MerkleTree, Settings
from hybridx.errors import Cancelled, NotIndexedError, UsageError
from support import (
    ALL,
    MODES,
    PROJECT,
    Tree,
    check_whole,
    chunks,
    generation,
    open_index,
    script,
    updated,
)

if TYPE_CHECKING:
    from pathlib import Path


INDEXED = len(PROJECT) - 1


def test_the_example_of_the_documentation(project: Tree) -> None:
    with hybridx.Index.open(project.root) as index:
        report = index.update(progress=lambda _: None)
        assert report.files.added == INDEXED
        changes = index.diff()
        assert (changes.added, changes.modified, changes.removed, changes.moved) == ([], [], [], [])
        hits = index.search(
            "where are retries configured",
            k=10,
            mode="hybrid",
            languages=["python"],
            paths=["src/**"],
            kinds=["function"],
        )
        assert hits[0].path == "src/retry.py"
        assert "retry_with_backoff" in hits[0].symbol
        assert hits[0].start_line <= 4 < hits[0].end_line == 10
        assert index.status().fresh
    assert index.search("retry").hits, "a closed index opens again"


def test_the_sync_api_inside_a_running_loop(project: Tree) -> None:
    async def main() -> None:
        with open_index(project) as index:
            assert index.update().files.added == INDEXED
            assert index.search("retry").hits
            assert not index.diff()
            assert index.status().fresh
            with pytest.raises(UsageError):
                index.search("retry", k=0)
            project.write("src/new.py", "x = 1\n")
            token = CancelToken()
            token.cancel()
            with pytest.raises(Cancelled):
                index.update(cancel=token)

    asyncio.run(main())


def test_the_async_api(project: Tree) -> None:
    async def main() -> None:
        async with await AsyncIndex.open(project.root, settings=Settings()) as index:
            with pytest.raises(NotIndexedError):
                await index.search("retry")
            assert (await index.update()).files.added == INDEXED
            several = await asyncio.gather(*(index.search("retry", mode=mode) for mode in MODES))
            assert all(result.hits for result in several)
            assert not await index.diff()
            assert (await index.status()).files == INDEXED
            assert [row[0] for row in await index.skipped()] == ["logo.bin"]
            assert await index.clean() > 0
            with pytest.raises(NotIndexedError):
                await index.status()

    asyncio.run(main())


def test_threads_share_an_index(project: Tree) -> None:
    index = open_index(project)
    updated(index)

    def ask(number: int) -> list[str]:
        if number % 10 == 3:
            project.write(f"src/t{number}.py", f"def thread_{number}(): pass\n")
            index.update()
        return [hit.path for hit in index.search("retry with backoff", 3, mode=MODES[number % 3])]

    with ThreadPoolExecutor(6) as pool:
        for paths in pool.map(ask, range(40)):
            assert paths[0] == "src/retry.py"
    assert len(check_whole(index).snapshot.paths()) == INDEXED + 4


FORK = """
import os, signal, sys, threading
import hybridx
from hybridx.config import Settings
from hybridx.errors import UsageError

index = hybridx.Index.open(sys.argv[1], settings=Settings())
assert index.search("retry").hits
held = threading.Event()
if sys.argv[2] == "locked":
    def hold():
        with index._lock:
            held.set()
            threading.Event().wait(30)
    threading.Thread(target=hold, daemon=True).start()
    held.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    refused = 0
    for work in (lambda: index.search("retry"), index.update, index.diff, index.status,
                 index.skipped, index.clean):
        try:
            work()
        except UsageError as error:
            refused += "fork" in str(error)
    again = hybridx.Index.open(sys.argv[1], settings=Settings())
    found = bool(again.search("retry", mode="lexical").hits) and not again.diff()
    os._exit(10 * refused + found)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("lock", ["free", "locked"])
def test_after_a_fork_an_open_index_refuses_and_never_hangs(shared: Index, lock: str) -> None:
    result = script(FORK, str(shared.root), lock, timeout=60)
    assert result.stdout.strip() == "61", f"{result.stdout} {result.stderr}"
    check_whole(shared)


def test_values_are_frozen_and_speak_json(shared: Index) -> None:
    result = shared.search("retry")
    values: list[Any] = [result, result[0], shared.status(), shared.diff(), shared.update()]
    for value in values:
        field = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, None)
        assert json.loads(json.dumps(value.to_json()))
        assert type(value).__name__ in repr(value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        shared.settings.jobs = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        MerkleTree.from_path(shared.root).root = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        generation(shared).searcher.payload = None  # type: ignore[misc]


def test_every_public_name_is_there() -> None:
    assert dir(hybridx) == sorted(hybridx.__all__)
    for name in hybridx.__all__:
        assert getattr(hybridx, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        hybridx.no_such_name  # noqa: B018


def test_hits_are_ranked_and_whole(shared: Index) -> None:
    stored = set(chunks(shared).values())
    for mode in MODES:
        result = shared.search("connection pool retry", ALL, mode=mode)
        assert [hit.rank for hit in result] == list(range(1, len(result) + 1))
        scores = [hit.score for hit in result]
        assert scores == sorted(scores, reverse=True)
        arms = {"lexical": {"bm25"}, "semantic": {"vector"}, "hybrid": {"bm25", "vector"}}[mode]
        for hit in result:
            assert hit.score == hit.scores["fused"]
            assert hit.scores.keys() - {"fused"} <= arms
            assert hit.score == pytest.approx(sum(hit.effects.values()))
            place = (hit.path, hit.language, hit.kind, hit.symbol, hit.start_line, hit.end_line)
            assert (*place, hit.text) in stored
        few = shared.search("connection pool retry", 2, mode=mode)
        assert [hit.text for hit in few] == [hit.text for hit in result][:2]


@pytest.mark.parametrize(
    "query", ["", "   ", "?!", "\x00", "\n", "a" * 200_000, "'\"\\", "ŝ 日本", "\ud800"]
)
def test_any_query_is_answered(shared: Index, query: str) -> None:
    for mode in MODES:
        result = shared.search(query, mode=mode)
        assert result.generation == generation(shared).manifest.generation


def test_arguments_that_make_no_sense(shared: Index, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mode"):
        shared.search("retry", mode="psychic")  # type: ignore[arg-type]
    for k in (0, -1, 10_001, 2**62):
        with pytest.raises(UsageError, match=f"k is {k}:"):
            shared.search("retry", k)
    for name in ("languages", "paths", "kinds"):
        with pytest.raises(UsageError, match=f"{name} is 'python'"):
            shared.search("retry", **{name: "python"})  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        Index.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        Index.open(tmp_path / "file")
    with pytest.raises(NotIndexedError, match="hybridx index"):
        open_index(tmp_path).search("x")
    assert not (tmp_path / ".hybridx").exists(), "a search made a folder"


def test_how_stale_an_index_is(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    assert index.search("retry").stale_files is None
    assert index.search("retry", check=True).stale_files == 0
    project.write("src/new.py", "x = 1\n")
    project.move("web/app.js", "web/main.js")
    assert index.search("retry", check=True).stale_files == 2
    assert (index.status().fresh, index.status().pending) == (False, 2)
    assert index.status(check=False).fresh is None
