"""The index of the vectors: neither what is found nor what is kept depends on it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

import hybridx
from hybridx import commit, nearest
from hybridx.errors import Cancelled, StoreError
from hybridx.store import VectorStore
from support import (
    Tree,
    check_same,
    check_whole,
    generation,
    open_index,
    run_cli,
    run_unprivileged,
    script,
    updated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridx.compact import CompactRows

FEW = 64
"""Rows from which on there is an index, in these tests."""

_WORDS = """
buffer cache socket packet inode thread signal mutex journal device driver kernel parser
token render widget colour theme invoice payment ledger account orbit rocket planet galaxy
"""
WORDS = _WORDS.split()


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "LEAST_ROWS", FEW)
    monkeypatch.setattr(nearest, "PARTITION_ROWS", 32)
    monkeypatch.setattr(nearest, "_PARTITION_ROWS_BYTES", 32)


def code(number: int, more: str = "") -> str:
    """A file of one chunk, unlike the others'."""
    chosen = random.Random(number).sample(WORDS, 6)
    name = "_".join(chosen[:2])
    body = f"{chosen[3]}.{chosen[4]}({chosen[5]}){more}"
    return f"def {name}_{number}({chosen[2]}):\n    return {body}\n"


@pytest.fixture
def large(tmp_path: Path) -> Tree:
    """More chunks than need an index."""
    files = {f"src/part{number % 7}/f{number}.py": code(number) for number in range(FEW * 3)}
    return Tree(tmp_path / "large", files)


def coverage(index: hybridx.Index) -> dict[str, int] | None:
    """What `status` tells of the index; it is what LanceDB says."""
    told = index.status(check=False).vector_index
    store = generation(index).vectors()
    found = None if store is None else store.coverage
    assert (told is None) == (found is None)
    if told is not None and found is not None:
        # Rows that went since count on neither side of LanceDB's.
        assert found.covered <= told["covered"]
        assert found.uncovered <= told["uncovered"]
        assert (found.uncovered > 0) <= (told["uncovered"] > 0)
    return None if told is None else dict(told)


def indexes(index: hybridx.Index) -> list[str]:
    """The indexes of vectors that there are files of."""
    folder = generation(index).epoch.vectors
    return sorted(each.name for each in folder.glob("*/_indices/*"))


def found(index: hybridx.Index, query: str, **filters: Any) -> list[str]:
    return [hit.path for hit in index.search(query, 5, mode="semantic", **filters)]


# What it finds


def clustered(rows: int, dimension: int) -> NDArray[np.float32]:
    """Unit vectors, some alike and some not, as texts are."""
    generator = np.random.default_rng(7)
    centres = generator.normal(size=(60, dimension))
    matrix = centres[generator.integers(60, size=rows)] + generator.normal(size=(rows, dimension))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix.astype(np.float32)


def made(folder: Path, matrix: NDArray[np.float32]) -> VectorStore:
    folder.mkdir()
    store = VectorStore(folder, matrix.shape[1])
    store.restore(0)
    batch = pa.record_batch(
        {
            "id": pa.array(range(len(matrix)), pa.uint64()),
            "path": [f"{number % 50}.py" for number in range(len(matrix))],
            "language": ["python"] * len(matrix),
            "kind": ["function"] * len(matrix),
            "text_digest": pa.array([b"0" * 16] * len(matrix), pa.binary(16)),
        }
    )
    store.add([store.rows(batch, matrix)])
    return store


@pytest.mark.parametrize("dimension", [64, 132, 256])
def test_it_finds_nearly_all_that_an_exact_search_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dimension: int
) -> None:
    monkeypatch.setattr(nearest, "PARTITION_ROWS", 256)
    monkeypatch.setattr(nearest, "_PARTITION_ROWS_BYTES", 256)
    matrix = clustered(12_000, dimension)
    queries = clustered(12_050, dimension)[12_000:]
    # A text without a known term: it is near nothing.
    matrix[5] = 0.0
    store = made(tmp_path / "vectors", matrix)
    exact = [store.search(query, 50, None) for query in queries]
    store.build_index()
    # Of few numbers a bit each says too little, and LanceDB wants whole bytes of bits.
    assert store.coverage == nearest.Coverage(12_000, 0, by_bits=dimension == 256)
    shares = []
    for query, best in zip(queries, exact, strict=True):
        rows = store.search(query, 50, None)
        assert len(rows) == 50
        assert 5 not in dict(rows)
        by_hand = matrix @ query
        assert max(abs(similarity - by_hand[row]) for row, similarity in rows) < 0.03
        shares.append(len({row for row, _ in rows[:10]} & {row for row, _ in best[:10]}) / 10)
        assert store.search(query, 50, None, exact=True) == best
    assert np.mean(shares) >= 0.95


def test_of_many_it_finds_nearly_all_as_well(tmp_path: Path) -> None:
    """Of as many as are asked for, many would not be among those that a bit a number names."""
    matrix = clustered(12_000, 256)
    store = made(tmp_path / "vectors", matrix)
    store.build_index()
    shares = []
    for query in clustered(12_020, 256)[12_000:]:
        rows = store.search(query, 500, None)
        best = store.search(query, 500, None, exact=True)
        assert len(rows) == 500
        shares.append(len({row for row, _ in rows} & {row for row, _ in best}) / 500)
    assert np.mean(shares) >= 0.85


def test_rows_are_read_into_memory_once_however_many_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made(tmp_path / "vectors", clustered(2000, 256))
    store.build_index()
    start, begun = nearest.start_reading, []

    def slow(*args: Any) -> Any:
        begun.append(threading.Event().wait(0.05))
        return start(*args)

    monkeypatch.setattr(nearest, "start_reading", slow)
    query = clustered(2001, 256)[2000]
    with ThreadPoolExecutor(6) as executor:
        found = list(executor.map(lambda _: store.search(query, 20, None), range(30)))
    assert len(begun) == 1
    assert {row[0][0] for row in found} == {found[0][0][0]}


def test_a_filter_gives_what_an_exact_search_gives(tmp_path: Path) -> None:
    """A narrow filter lets through few rows, in any of the partitions."""
    matrix = clustered(3000, 64)
    store = made(tmp_path / "vectors", matrix)
    store.build_index()
    for query in clustered(3020, 64)[3000:]:
        for where in ("path IN ('3.py')", "path IN ('3.py', '4.py', '5.py')"):
            exact = store.search(query, 200, where, exact=True)
            rows = store.search(query, 200, where)
            assert [row for row, _ in rows] == [row for row, _ in exact]
            for (_, one), (_, other) in zip(rows, exact, strict=True):
                assert one == pytest.approx(other, abs=1e-5)
        assert store.search(query, 10, "path = 'none'") == []


def test_hits_with_it_are_hits_without(large: Tree) -> None:
    index = open_index(large)
    plain = open_index(Tree(large.root.with_name("plain"), large.files()), vector_index="off")
    assert updated(plain).generation == 1
    assert updated(index).generation == 2
    assert coverage(index) == {"covered": FEW * 3, "uncovered": 0}
    assert coverage(plain) is None
    check_same(index, plain)
    for number in range(0, FEW * 3, 20):
        query = " ".join(random.Random(number).sample(WORDS, 6))
        assert found(index, query)[0] == found(plain, query)[0]
        inside = found(index, query, paths=["src/part3/**"])
        assert inside == found(plain, query, paths=["src/part3/**"])


def reading(store: VectorStore) -> Future[CompactRows] | None:
    return store._reading


@pytest.mark.parametrize("dimension", [64, 256])
def test_rows_that_are_kept_in_memory_are_found_as_those_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dimension: int
) -> None:
    matrix = clustered(4000, dimension)
    store = made(tmp_path / "vectors", matrix)
    # Rows of several fragments, some of which are gone.
    store.delete([f"{number}.py" for number in range(0, 50, 7)])
    more = made(tmp_path / "more", matrix[:500])
    rows = more._table.search().limit(None).to_arrow()
    ids = pa.chunked_array([pa.array(range(9000, 9500), pa.uint64())])
    store._table.add(rows.set_column(0, "id", ids))
    store.build_index()
    queries = clustered(4020, dimension)[4000:]
    monkeypatch.setattr("hybridx.store._ROWS_A_SEARCH", 1)
    read = [store.search(query, 200, None) for query in queries]
    assert reading(store) is None
    monkeypatch.setattr("hybridx.store._ROWS_A_SEARCH", 1 << 40)
    store.search(queries[0], 200, None)
    begun = reading(store)
    assert begun is not None, "it was not tried"
    begun.result()
    search, guessed = nearest.search, []

    def noted(*args: Any, **more: Any) -> Any:
        guessed.append(more["guessed"])
        return search(*args, **more)

    monkeypatch.setattr(nearest, "search", noted)
    for query, right in zip(queries, read, strict=True):
        kept = store.search(query, 200, None)
        assert guessed.pop(), "they were not used"
        by_hand = dict(right)
        shared = [row for row, _ in kept if row in by_hand]
        # The index of bits is asked for as many, and names the same.
        assert len(shared) >= 195
        assert max(abs(dict(kept)[row] - by_hand[row]) for row in shared) < 0.005
        best = [row for row, _ in kept[:10]]
        assert len(set(best) & {row for row, _ in right[:12]}) >= 9


def test_without_them_in_memory_a_search_goes_on_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = clustered(2000, 256)
    store = made(tmp_path / "vectors", matrix)
    store.build_index()
    query = clustered(2001, 256)[2000]
    monkeypatch.setattr("hybridx.store._ROWS_A_SEARCH", 1)
    right = [row for row, _ in store.search(query, 50, None)]

    async def failing(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("hybridx.store._ROWS_A_SEARCH", 1 << 40)
    monkeypatch.setattr("hybridx.compact.read", failing)
    for _ in range(4):
        assert [row for row, _ in store.search(query, 50, None)] == right
    begun = reading(store)
    assert begun is not None
    assert begun.exception() is not None
    monkeypatch.setattr("hybridx.store._MOST_COMPACT", 2000 * 256 - 1)
    fresh = VectorStore(store.folder, 256)
    fresh.open()
    for _ in range(4):
        assert [row for row, _ in fresh.search(query, 50, None)] == right
    assert reading(fresh) is None, "they are more than may be kept"


def test_an_index_of_an_earlier_version_is_searched_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "_LEAST_PROBED", 1)
    monkeypatch.setattr(nearest, "PARTITION_ROWS", 1024)
    matrix = clustered(4000, 256)
    store = made(tmp_path / "vectors", matrix)
    with monkeypatch.context() as patch:
        patch.setattr(nearest, "_LEAST_DIMENSION_BITS", 512)
        store.build_index()
    before = store.coverage
    assert before == nearest.Coverage(4000, 0, by_bits=False)
    assert before.probes == 75, "of 125 partitions"
    store.build_index()
    after = store.coverage
    assert after == nearest.Coverage(4000, 0)
    assert after.probes == 2, "of 3"


def test_few_chunks_have_none(tmp_path: Path) -> None:
    index = open_index(Tree(tmp_path / "few", {f"{n}.py": code(n) for n in range(FEW - 1)}))
    assert updated(index).generation == 1
    assert updated(index).seconds.vector_index == 0
    assert coverage(index) is None
    assert found(index, " ".join(random.Random(3).sample(WORDS, 6)))[0] == "3.py"


# When files change


def test_what_changes_after_it_is_found_as_it_is_now(large: Tree) -> None:
    index = open_index(large)
    updated(index)
    first = indexes(index)
    large.write("src/new.py", "def brew_espresso(beans):\n    return grinder.crush(beans)\n")
    large.write("src/part0/f0.py", "def volcano_eruption():\n    return magma.flow(lava)\n")
    large.delete("src/part1/f1.py")
    large.move("src/part2/f2.py", "elsewhere.py")
    report = updated(index)
    assert report.seconds.vector_index == 0, "a small update paid for an index"
    assert indexes(index) == first
    assert coverage(index) == {"covered": FEW * 3, "uncovered": 3}
    assert found(index, "brew espresso beans grinder")[0] == "src/new.py"
    assert found(index, "volcano eruption magma lava")[0] == "src/part0/f0.py"
    gone, moved = (" ".join(random.Random(number).sample(WORDS, 6)) for number in (1, 2))
    assert "src/part1/f1.py" not in found(index, gone)
    assert found(index, moved)[0] == "elsewhere.py"
    assert not {"src/part0/f0.py", "src/part2/f2.py"} & set(
        found(index, code(0)) + found(index, moved)
    )
    store = generation(index).vectors()
    assert store is not None
    for vector in np.array(list(matrix_of(store)), np.float32):
        beside = store.search(vector, 30, None)
        assert "_rest" in store.__dict__
        assert store._rest is not None
        exact = store.search(vector, 30, None, exact=True)
        assert beside[0][0] == exact[0][0]
        assert len({row for row, _ in beside} & {row for row, _ in exact}) >= 27
        # LanceDB's own way, with too many rows to keep beside it, finds the same.
        store.__dict__["_rest"] = None
        by_lance = store.search(vector, 30, None)
        assert len({row for row, _ in beside} & {row for row, _ in by_lance}) >= 27
        del store.__dict__["_rest"]
    # The rest is found as before, now beside rows that the index does not cover.
    query = " ".join(random.Random(40).sample(WORDS, 6))
    assert found(index, query)[0] == "src/part5/f40.py"


def test_small_updates_come_together_and_one_of_them_pays(
    large: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "LEAST_ROWS", 4)
    index = open_index(large)
    updated(index)
    first, paid = indexes(index), []
    bound = FEW * 3 // nearest._STALE
    for number in range(bound * nearest._PATIENCE + 3):
        large.write(f"more/{number}.py", code(10_000 + number))
        if index.update().seconds.vector_index:
            paid.append(number)
    assert paid == [bound * nearest._PATIENCE], "it is paid for once, when they are many"
    check_whole(index)
    second = indexes(index)
    assert len(second) == 1, "the index before it is still there"
    assert second != first
    assert index.verify().ok
    assert coverage(index) == {"covered": FEW * 3 + paid[0] + 1, "uncovered": 2}


def test_a_large_update_pays_for_itself(large: Tree) -> None:
    index = open_index(large)
    updated(index)
    for number in range(FEW + 1):
        large.write(f"more/{number}.py", code(10_000 + number))
    assert updated(index).seconds.vector_index > 0
    assert coverage(index) == {"covered": FEW * 4 + 1, "uncovered": 0}


def test_a_table_that_is_written_anew_gets_another(large: Tree) -> None:
    index = open_index(large)
    updated(index)
    table = generation(index).manifest.vectors_table
    for turn in range(1, 8):
        for number in range(FEW * 3):
            large.write(f"src/part{number % 7}/f{number}.py", code(number, f" + {turn}"))
        updated(index)
        assert coverage(index) == {"covered": FEW * 3, "uncovered": 0}
        assert len(indexes(index)) == 1
    assert generation(index).manifest.vectors_table > table
    assert index.verify().ok


def test_when_it_is_due() -> None:
    rows = 1 << 20
    assert not nearest.is_due(FEW - 1, 0, 0, FEW - 1)
    assert nearest.is_due(FEW, 0, 0, 1)
    assert not nearest.is_due(rows, rows, 0, 0)
    bound = rows // nearest._STALE
    assert not nearest.is_due(rows, rows, bound, bound)
    assert nearest.is_due(rows, rows, bound + 1, bound + 1)
    assert not nearest.is_due(rows, rows, bound + 1, 1), "a small update paid"
    assert nearest.is_due(rows, rows, bound * nearest._PATIENCE + 1, 1)


# When something goes wrong


KILLED = """
import os, signal, sys
import hybridx
from hybridx import commit, nearest
from hybridx.commit import Writer
from hybridx.config import Settings
from hybridx.store import VectorStore

nearest.LEAST_ROWS, nearest.PARTITION_ROWS = 64, 32
root, where, commit.SETTLED_ROWS = *sys.argv[1:3], int(sys.argv[3])

def dying(function, after):
    def run(*args, **more):
        done = function(*args, **more) if after else None
        os.kill(os.getpid(), signal.SIGKILL)
    return run

class Dying:
    commit = dying(None, False)

def later(self, *args, **more):
    # From here on a commit is that of the vectors' index.
    if where == "saved":
        self._bm25 = Dying()
    elif where == "committed":
        VectorStore.drop_others = dying(None, False)
    return real(self, *args, **more)

if where in ("before", "built"):
    nearest.build = dying(nearest.build, where == "built")
elif where == "checked":
    nearest.check = dying(nearest.check, True)
real, Writer.build_index = Writer.build_index, later
hybridx.Index.open(root, settings=Settings()).update()
"""


@pytest.mark.parametrize("where", ["before", "built", "checked", "saved", "committed"])
def test_killed_while_it_is_built_everything_is_there(large: Tree, where: str) -> None:
    ended = script(KILLED, str(large.root), where, str(commit.SETTLED_ROWS))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    index = open_index(large)
    seen = check_whole(index)
    assert seen.manifest.generation == (2 if where == "committed" else 1)
    assert seen.manifest.chunks == FEW * 3, "the files were committed before"
    query = " ".join(random.Random(40).sample(WORDS, 6))
    assert found(index, query)[0] == "src/part5/f40.py"
    assert index.verify().ok
    # Lets go of the generation, which might need what is there.
    index.close()
    del seen
    large.write("src/new.py", code(500))
    updated(index)
    assert coverage(index) is not None
    assert len(indexes(index)) == 1, "what was torn is still there"
    assert index.verify().ok


@pytest.mark.parametrize("where", ["before", "built", "checked", "saved", "committed"])
def test_killed_while_it_is_built_beside_the_commit_nothing_is_torn(
    large: Tree, where: str
) -> None:
    ended = script(KILLED, str(large.root), where, "1")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    index = open_index(large)
    if where in ("saved", "committed"):
        # It has ended by then, and so has the commit of the files.
        seen = check_whole(index)
        assert seen.manifest.generation == (2 if where == "committed" else 1)
        assert index.verify().ok
        del seen
    index.close()
    large.write("src/new.py", code(500))
    updated(index)
    check_whole(index)
    assert coverage(index) is not None
    index.close()
    large.write("src/new.py", code(501))
    updated(index)
    assert len(indexes(index)) == 1, "what was torn is still there"
    assert index.verify().ok


def test_built_beside_the_commit_it_is_the_next_generation(
    large: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "SETTLED_ROWS", 1)
    committed = threading.Event()
    build, publish = nearest.build, commit.Writer._published

    def waiting(table: Any, dimension: int, cancel: Any) -> None:
        assert committed.wait(30), "the files wait for the index"
        build(table, dimension, cancel)

    def publishing(writer: commit.Writer, *args: Any, **more: Any) -> Any:
        done = publish(writer, *args, **more)
        committed.set()
        return done

    monkeypatch.setattr(nearest, "build", waiting)
    monkeypatch.setattr(commit.Writer, "_published", publishing)
    index = open_index(large)
    assert updated(index).generation == 2
    assert check_whole(index).manifest.beyond > 0
    assert coverage(index) == {"covered": FEW * 3, "uncovered": 0}
    assert index.verify().ok


def test_on_a_disk_with_little_room_it_waits_for_the_commit(
    large: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "SETTLED_ROWS", 1)
    seen: list[int] = []
    build = nearest.build

    def noting(*args: Any) -> None:
        seen.append(len(list(large.root.rglob("*.snapshot"))))
        build(*args)

    monkeypatch.setattr(nearest, "build", noting)
    needed = FEW * 3 * 256 * 4
    usage = shutil.disk_usage(large.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed))
    index = open_index(large)
    assert updated(index).generation == 2
    assert seen == [1], "the files were not committed before"
    assert coverage(index) == {"covered": FEW * 3, "uncovered": 0}


@pytest.mark.parametrize("step", ["_published", "_flush_lexical"])
def test_a_commit_that_fails_ends_the_building_of_the_index(
    large: Tree, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(commit, "SETTLED_ROWS", 1)
    build, ended = nearest.build, threading.Event()

    def slow(table: Any, dimension: int, cancel: Any) -> None:
        while not cancel.cancelled:
            threading.Event().wait(0.01)
        ended.set()
        build(table, dimension, cancel)

    def failing(*_args: Any, **_more: Any) -> None:
        raise OSError(28, "No space left on device")

    index = open_index(large)
    with monkeypatch.context() as patch:
        patch.setattr(nearest, "build", slow)
        patch.setattr(commit.Writer, step, failing)
        with pytest.raises(OSError, match="No space left"):
            index.update()
        assert ended.is_set(), "it goes on"
    assert updated(index).generation == 2
    assert coverage(index) == {"covered": FEW * 3, "uncovered": 0}
    assert len(indexes(index)) == 1
    assert index.verify().ok


@pytest.mark.parametrize("beside", [False, True])
def test_an_index_that_cannot_be_built_is_a_line(
    large: Tree,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    beside: bool,
) -> None:
    if beside:
        monkeypatch.setattr(commit, "SETTLED_ROWS", 1)
    whole = nearest.build

    def failing(table: Any, dimension: int, cancel: Any) -> None:
        whole(table, dimension, cancel)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(nearest, "build", failing)
        index = open_index(large)
        assert updated(index).generation == 1
    assert "No space left on device" in capsys.readouterr().err
    assert indexes(index) == []
    assert coverage(index) is None
    assert index.verify().ok
    large.write("src/new.py", code(500))
    assert updated(index).generation == 3
    assert coverage(index) == {"covered": FEW * 3 + 1, "uncovered": 0}


def test_one_that_answers_wrongly_is_not_committed(
    large: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = nearest.search

    async def wrong(*args: Any, guessed: bool = False, **more: Any) -> Any:
        assert isinstance(guessed, bool)
        return await right(*args, **more)

    monkeypatch.setattr(nearest, "search", wrong)
    index = open_index(large)
    assert updated(index).generation == 1
    assert "does not answer as the vectors do" in capsys.readouterr().err
    assert coverage(index) is None


def test_work_that_ends_just_when_the_wait_does_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_POLL", 0.001)
    token = hybridx.CancelToken()

    async def work() -> int:
        await asyncio.sleep(0.001)
        return 7

    assert {nearest.wait(nearest.start(work()), token) for _ in range(500)} == {7}


@pytest.mark.parametrize("beside", [False, True])
def test_cancelled_while_it_is_built_all_stays_committed(
    large: Tree, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    if beside:
        monkeypatch.setattr(commit, "SETTLED_ROWS", 1)
    token = hybridx.CancelToken()
    whole = nearest.build

    def cancelled(table: Any, dimension: int, cancel: Any) -> None:
        token.cancel()
        monkeypatch.setattr(nearest, "_POLL", 0.0)
        whole(table, dimension, cancel)

    monkeypatch.setattr(nearest, "build", cancelled)
    index = open_index(large)
    with pytest.raises(Cancelled):
        index.update(cancel=token)
    assert check_whole(index).manifest.chunks == FEW * 3
    monkeypatch.setattr(nearest, "build", whole)
    large.write("src/new.py", code(500))
    updated(index)
    assert coverage(index) == {"covered": FEW * 3 + 1, "uncovered": 0}
    assert len(indexes(index)) == 1
    assert index.verify().ok


def removed(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["index.idx", "auxiliary.idx"])
@pytest.mark.parametrize("damage", [removed, cut, flipped])
def test_damage_is_an_error_or_costs_time_alone(
    large: Tree, name: str, damage: Callable[[Path], None]
) -> None:
    index = open_index(large)
    updated(index)
    query = " ".join(random.Random(40).sample(WORDS, 6))
    right = found(index, query)
    folder = generation(index).epoch.vectors
    damage(next(folder.glob(f"*/_indices/*/{name}")))
    index.close()
    said = ""
    try:
        answer = found(index, query)
    except hybridx.HybridxError as error:
        answer, said = right, str(error)
    assert answer == right
    assert not said or "damaged" in said
    assert not index.verify().ok
    assert index.verify(repair=True).repaired
    assert index.verify().ok
    assert coverage(index) == {"covered": FEW * 3, "uncovered": 0}
    assert found(index, query)[0] == right[0]


# Who reads


def test_a_reader_keeps_the_index_of_its_generation(large: Tree) -> None:
    index = open_index(large)
    updated(index)
    held = generation(index)
    store = held.vectors()
    assert store is not None
    query = np.array(next(iter(matrix_of(store))), np.float32)
    before = store.search(query, 50, None)
    for number in range(FEW + 1):
        large.write(f"more/{number}.py", code(10_000 + number))
    assert updated(open_index(large)).seconds.vector_index > 0
    fresh = held.vectors()
    assert fresh is not None
    assert fresh.coverage == nearest.Coverage(FEW * 3, 0), "its index was removed under it"
    assert fresh.search(query, 50, None) == before
    assert len(indexes(index)) == 2
    held.lease.release() if held.lease else None
    large.write("src/new.py", code(500))
    updated(open_index(large))
    assert len(indexes(index)) == 1


def matrix_of(store: VectorStore) -> Iterator[list[float]]:
    for row in store._table.search().select(["vector"]).limit(5).to_list():
        yield row["vector"]


def test_it_serves_where_nothing_may_be_written(large: Tree, tmp_path: Path) -> None:
    index = open_index(large)
    updated(index)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    folder = large.root / ".hybridx"
    for each in [folder, *folder.rglob("*")]:
        each.chmod(each.stat().st_mode & ~0o222)
    try:
        query = " ".join(random.Random(40).sample(WORDS, 6))
        done = run_unprivileged(closed, "search", "--mode", "semantic", query, large.root)
        told = run_unprivileged(closed, "status", "--no-check", large.root)
    finally:
        for each in [folder, *folder.rglob("*")]:
            each.chmod(each.stat().st_mode | 0o200)
    assert done.returncode == 0, done.stderr.decode()
    assert b"src/part5/f40.py" in done.stdout
    assert b"vector index" in told.stdout


WRITER = """
import sys
import hybridx
from hybridx import nearest
from hybridx.config import Settings

nearest.LEAST_ROWS, nearest.PARTITION_ROWS = 64, 32
nearest._STALE, nearest._PATIENCE = 1 << 20, 1
root = sys.argv[1]
index = hybridx.Index.open(root, settings=Settings())
for turn in range(4):
    for number in range(70):
        with open(f"{root}/src/more{number}.py", "w") as file:
            file.write(f"def invoice_{number}_{turn}():\\n    return {turn}\\n")
    print(index.update().seconds.vector_index > 0, flush=True)
"""


def test_searches_go_on_while_another_process_builds_it(large: Tree) -> None:
    index = open_index(large)
    updated(index)
    query = " ".join(random.Random(40).sample(WORDS, 6))
    done, wrong = threading.Event(), []

    def search() -> None:
        while not done.is_set():
            best = found(index, query)
            if best[0] != "src/part5/f40.py":
                wrong.append(best)

    readers = [threading.Thread(target=search) for _ in range(2)]
    for each in readers:
        each.start()
    try:
        writer = script(WRITER, str(large.root))
    finally:
        done.set()
        for each in readers:
            each.join()
    assert writer.stdout.split() == ["True"] * 4, writer.stderr
    assert wrong == []
    assert index.verify().ok


def test_the_command_tells_of_it(large: Tree) -> None:
    index = open_index(large)
    updated(index)
    told = run_cli("status", "--no-check", large.root).stdout.decode()
    assert f"of {FEW * 3:,} chunks" in told
    assert "written since" not in told


def test_a_manifest_without_one_is_as_it_was_before_there_were_any(tmp_path: Path) -> None:
    index = open_index(Tree(tmp_path / "few", {"a.py": code(1)}))
    updated(index)
    payload = generation(index).searcher.payload
    assert payload is not None
    assert "covered" not in payload


def test_a_store_without_one_says_so(tmp_path: Path) -> None:
    store = made(tmp_path / "vectors", clustered(100, 64))
    with pytest.raises(StoreError, match="missing"):
        store.check_index()
