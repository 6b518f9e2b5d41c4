"""An update while it runs: watched, cancelled, failed from outside; what was committed is whole."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from hybridx import AsyncIndex, CancelToken, Settings
from hybridx.commit import Generation
from hybridx.errors import Cancelled
from hybridx.scan import scan_tree
from support import Tree, check_whole, open_index, updated

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import Progress
    from hybridx._core import Scan


@pytest.fixture(scope="module")
def large_files() -> dict[str, str | bytes]:
    """Enough files for a run to be caught in the middle."""
    line = "value_of_item = compute(first_argument, second_argument)  # some words to fill it\n"
    return {f"d{n % 9}/f{n}.py": f"def name_{n}():\n    pass\n{line * 150}" for n in range(400)}


@pytest.fixture
def large(tmp_path: Path, large_files: dict[str, str | bytes]) -> Tree:
    return Tree(tmp_path / "large", large_files)


def test_an_async_update_leaves_the_loop_free(large: Tree) -> None:
    async def main() -> int:
        index = await AsyncIndex.open(large.root, settings=Settings())
        running = asyncio.create_task(index.update())
        ticks = 0
        while not running.done():
            await asyncio.sleep(0.002)
            ticks += 1
        assert (await running).files.added == 400
        return ticks

    assert asyncio.run(main()) > 10, "the update held the loop"


def test_cancelling_the_task_cancels_the_update(large: Tree) -> None:
    async def main() -> None:
        index = await AsyncIndex.open(large.root, settings=Settings(commit_files=20))
        loop = asyncio.get_running_loop()

        def stop(now: Progress) -> None:
            if now.stage == "index":
                loop.call_soon_threadsafe(running.cancel)

        running = asyncio.create_task(index.update(progress=stop))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 30)

    asyncio.run(main())
    index = open_index(large)
    if Generation.current(index._layout) is not None:
        check_whole(index)
    assert updated(index).files.seen == 400


def test_a_token_ends_an_update_and_what_was_committed_is_whole(large: Tree) -> None:
    index = open_index(large, commit_files=1)
    token = CancelToken()

    def stop(now: Progress) -> None:
        if now.files_done and Generation.current(index._layout):
            token.cancel()

    with pytest.raises(Cancelled):
        index.update(progress=stop, cancel=token)
    seen = check_whole(index)
    done = len(seen.snapshot.paths())
    assert 0 < done < 400
    assert index.search("value of item").hits
    with pytest.raises(Cancelled):
        index.update(cancel=token)
    report = updated(index)
    assert report.files.added == 400 - done
    assert report.files.unchanged == done


def test_progress_only_ever_grows(large: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridx.tally._PROGRESS_SECONDS", 0.0)
    told: list[Progress] = []
    report = updated(open_index(large), progress=told.append)
    order = ["scan", "index", "commit", "done"]
    assert {now.stage for now in told} == set(order)
    counts = (
        "files_done",
        "files_read",
        "bytes_done",
        "chunks_done",
        "chunks_read",
        "chunks_embedded",
        "chunks_reused",
        "seconds",
    )
    rows = [(order.index(now.stage), *(getattr(now, each) for each in counts)) for now in told]
    for before, after in pairwise(rows):
        assert all(b <= a for b, a in zip(before, after, strict=True)), f"{before} -> {after}"
    size = sum(map(len, large.files().values()))
    for now in told:
        assert now.chunks_done <= now.chunks_embedded + now.chunks_reused <= now.chunks_read
        assert now.files_done <= now.files_read
        if now.stage != "scan":
            assert now.files_total == 400
            assert now.bytes_total in {None, size}
    last = told[-1]
    assert last.files_done == last.files_read == last.files_total == 400
    assert last.chunks_done == last.chunks_read == report.chunks.added
    assert last.chunks_embedded == report.chunks.embedded
    assert last.chunks_reused == report.chunks.reused_vectors
    assert last.bytes_done == last.bytes_total == report.bytes_read
    assert last.eta_seconds == 0.0
    assert last.files_per_second == pytest.approx(400 / last.seconds)


def test_a_run_without_changes_is_told_to_be_done(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    told: list[Progress] = []
    index.update(progress=told.append)
    assert [now.stage for now in told] == ["scan", "done"]
    assert (told[-1].files_total, told[-1].eta_seconds) == (0, 0.0)


def test_what_turns_out_to_be_no_text_is_done_too(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Progress] = []
    project.write("late.py", "x = 1\n")

    def scan(*args: Any, **options: Any) -> Scan:
        found = scan_tree(*args, **options)
        project.write("late.py", b"\0" * 5_000)
        return found

    monkeypatch.setattr("hybridx.indexer.scan_tree", scan)
    report = open_index(project).update(progress=told.append)
    last = told[-1]
    assert last.stage == "done"
    assert last.files_done == last.files_total == report.files.added + 1
    assert last.bytes_done == last.bytes_total == report.bytes_read


def test_an_error_of_the_callback_ends_the_run(large: Tree) -> None:
    index = open_index(large)

    def fail(now: Progress) -> None:
        if now.stage == "index":
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as held:
        index.update(progress=fail)
    # As in a program that logs the error later: its traceback still holds what the run opened.
    assert held.tb is not None
    assert updated(index).files.added == 400
