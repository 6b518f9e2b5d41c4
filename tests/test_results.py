"""The files of an update, taken one by one: all of them, bounded, cancelled, found when told."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hybridx import AsyncIndex, CancelToken, FileResult, Index, Settings
from hybridx.errors import Cancelled, ModelError, UsageError
from hybridx.results import WAITING, FileResults
from support import PROJECT, Tree, check_same, check_whole, open_index, updated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hybridx.types import OnFiles, Progress, ProgressCallback

INDEXED = len(PROJECT) - 1
MANY = 1200


@pytest.fixture(scope="module")
def many_files() -> dict[str, str | bytes]:
    """Several batches of files: the core puts at most 256 into one."""
    return {f"d{n % 9}/f{n}.py": f"def name_{n}():\n    return {n}\n" for n in range(MANY)}


@pytest.fixture
def many(tmp_path: Path, many_files: dict[str, str | bytes]) -> Tree:
    return Tree(tmp_path / "many", many_files)


def by_path(results: Sequence[FileResult]) -> dict[str, FileResult]:
    found = {each.path: each for each in results}
    assert len(found) == len(results), "a file came twice"
    return found


@pytest.mark.parametrize("sequential", [False, True])
def test_every_file_comes_once_with_what_became_of_it(project: Tree, sequential: bool) -> None:
    index = open_index(project)
    results = index.updates(sequential=sequential)
    assert [results.report] == [None]
    first = by_path(list(results))
    assert results.report is not None
    assert first.keys() == set(index._generation().snapshot.paths())
    assert {each.change for each in first.values()} == {"added"}
    chunks = dict(index._generation().snapshot.chunk_counts())
    assert {path: each.chunks for path, each in first.items()} == chunks

    project.write("src/retry.py", "def again():\n    pass\n")
    project.move("web/app.js", "web/main.js")
    project.delete("docs/guide.md")
    project.write("new.py", "x = 1\n")
    results = index.updates(sequential=sequential)
    second = by_path(list(results))
    assert {path: each.change for path, each in second.items()} == {
        "src/retry.py": "modified",
        "web/main.js": "moved",
        "docs/guide.md": "removed",
        "new.py": "added",
    }
    assert second["web/main.js"].moved_from == "web/app.js"
    assert second["docs/guide.md"].chunks == 0 < second["new.py"].chunks
    assert results.report is not None
    assert {each.generation for each in second.values()} == {results.report.generation}
    assert list(index.updates()) == []
    other = open_index(Tree(project.root.parent / "other", project.files()))
    updated(other)
    check_same(index, other)


def test_what_fails_or_is_no_text_comes_too(project: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridx.scan import scan_tree

    project.write("late.py", "x = 1\n")
    project.write("gone.py", "y = 1\n")

    def scan(*args: Any, **options: Any) -> Any:
        found = scan_tree(*args, **options)
        project.write("late.py", b"\0" * 5_000)
        project.delete("gone.py")
        return found

    monkeypatch.setattr("hybridx.indexer.scan_tree", scan)
    results = open_index(project).updates()
    found = by_path(list(results))
    assert found["late.py"].change == "skipped"
    assert found["late.py"].chunks == 0
    report = results.report
    assert report is not None
    assert [each.path for each in report.errors] == [
        path for path, each in found.items() if each.change == "failed"
    ]
    for each in report.errors:
        assert (found[each.path].stage, found[each.path].error) == (each.stage, each.message)
    added = [each for each in found.values() if each.change == "added"]
    assert len(added) == report.files.added


def test_a_file_is_found_once_its_generation_serves(many: Tree) -> None:
    index = open_index(many, commit_files=100)
    results = index.updates()
    waiting: list[FileResult] = []
    seen = 0
    for done in results:
        waiting.append(done)
        if len(waiting) % 100:
            continue
        try:
            serving = index.status(check=False).generation
        except Exception:
            continue
        stored = set(index._generation().snapshot.paths())
        there = [each for each in waiting if each.generation <= serving]
        assert stored.issuperset(each.path for each in there)
        if there:
            seen += 1
            name = there[-1].path.rsplit("/", 1)[1].removesuffix(".py").replace("f", "name_")
            hits = index.search(name, 1)
            assert hits.generation >= there[-1].generation
            assert hits[0].path == there[-1].path
    assert seen, "nothing was committed on the way"
    assert len(waiting) == MANY


def test_breaking_off_cancels_and_keeps_what_is_committed(many: Tree) -> None:
    index = open_index(many, commit_files=1)
    for done in index.updates():
        if done.generation > 1:
            break
    # At once: nobody holds the lock any more.
    with index._locked(None):
        done_paths = check_whole(index).snapshot.paths()
    assert 0 < len(done_paths) < MANY
    report = updated(index)
    assert report.files.unchanged == len(done_paths)
    assert report.files.added == MANY - len(done_paths)


def test_nothing_starts_before_it_is_asked_for(project: Tree) -> None:
    index = open_index(project)
    index.updates()
    with index.updates():
        pass
    assert not (project.root / ".hybridx").exists()
    results = index.updates()
    results.close()
    assert list(results) == []
    assert not (project.root / ".hybridx").exists()


def test_a_slow_reader_makes_the_update_wait(many: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[int] = []
    start = FileResults.__init__

    def counting(self: FileResults, run: Any, *others: Any) -> None:
        def counted(on_files: OnFiles, tell: ProgressCallback | None) -> Any:
            def put(files: Sequence[FileResult]) -> None:
                stored.append(len(files))
                on_files(files)

            return run(put, tell)

        start(self, counted, *others)

    monkeypatch.setattr(FileResults, "__init__", counting)
    monkeypatch.setattr("hybridx.results.WAITING", 1)
    assert WAITING >= 1
    with open_index(many).updates() as results:
        next(results)
        time.sleep(2)
        # One is being taken, one waits, one is about to be put.
        assert len(stored) <= 3, "it ran ahead of who takes the files"
        assert results.report is None
        assert 1 + len(list(results)) == MANY


def test_errors_come_from_the_iterator_and_end_it(project: Tree, tmp_path: Path) -> None:
    results = open_index(project, model=str(tmp_path / "none")).updates()
    with pytest.raises(ModelError):
        next(results)
    assert list(results) == []
    assert results.report is None
    with pytest.raises(UsageError):
        open_index(project).updates(paths="src")


def test_a_token_ends_it_with_cancelled(many: Tree) -> None:
    token = CancelToken()
    index = open_index(many, commit_files=1)
    with pytest.raises(Cancelled):  # noqa: PT012
        for done in index.updates(cancel=token):
            if done.generation > 1:
                token.cancel()
    with index._locked(None):
        check_whole(index)


def test_the_progress_callback_may_close_it(many: Tree) -> None:
    index = open_index(many)
    running: list[FileResults] = []

    def progress(now: Progress) -> None:
        if now.files_done:
            running[0].close()

    running.append(index.updates(progress=progress))
    # In a thread: it once waited for itself.
    taking = threading.Thread(target=lambda: list(running[0]), daemon=True)
    taking.start()
    taking.join(30)
    assert not taking.is_alive()
    assert running[0].report is None
    running[0].close()
    index.update()
    check_whole(index)


def test_dropping_it_ends_its_threads(many: Tree) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    results = open_index(many).updates()
    next(results)
    del results
    gc.collect()
    left = [t.name for t in threading.enumerate() if t.ident not in before]
    assert not [name for name in left if name.startswith("hybridx")], left


def test_async_for(many: Tree) -> None:
    async def main() -> None:
        index = await AsyncIndex.open(many.root, settings=Settings())
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with index.updates() as results:
            paths = [done.path async for done in results]
        ticking.cancel()
        assert len(set(paths)) == len(paths) == MANY
        assert results.report is not None
        assert results.report.files.added == MANY
        assert ticks > 5, "the loop was held"

    asyncio.run(main())


@pytest.mark.parametrize("how", ["break", "timeout"])
def test_async_leaving_cancels_and_keeps_what_is_committed(many: Tree, how: str) -> None:
    async def main() -> None:
        index = await AsyncIndex.open(many.root, settings=Settings(commit_files=1))
        if how == "break":
            async with index.updates() as results:
                async for done in results:
                    if done.generation > 1:
                        break
        else:
            loop = asyncio.get_running_loop()
            with pytest.raises(TimeoutError):  # noqa: PT012
                async with asyncio.timeout(None) as limit:
                    async for done in index.updates():
                        if done.generation > 1:
                            limit.reschedule(loop.time())

    asyncio.run(main())
    index = open_index(many)
    lock = index._layout.take_lock(0.0, CancelToken())
    lock.release()
    kept = len(check_whole(index).snapshot.paths())
    assert 0 < kept < MANY
    assert updated(index).files.added == MANY - kept


LEFT_OPEN = """
import sys
import hybridx
index = hybridx.Index.open(sys.argv[1], settings=hybridx.Settings(commit_files=1))
results = index.updates()
print(next(results).path, flush=True)
"""

INTERRUPTED = """
import sys
import hybridx
index = hybridx.Index.open(sys.argv[1], settings=hybridx.Settings(commit_files=1))
try:
    for done in index.updates():
        print(done.path, flush=True)
except KeyboardInterrupt:
    with index._locked(None):
        print("interrupted", flush=True)
"""


def test_a_program_that_leaves_it_open_ends(many: Tree) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN, str(many.root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    index = Index.open(many.root, settings=Settings())
    assert updated(index).files.seen == MANY


def test_ctrl_c_while_it_is_iterated(many: Tree) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(many.root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    assert rest[-1] == "interrupted"
    assert updated(open_index(many)).files.seen == MANY
