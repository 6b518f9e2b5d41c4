"""The vector cache: what is put comes back as it was, or not at all, whatever happens to it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.embed import cache as module
from hybridx.embed.cache import VectorCache
from hybridx.embed.cache_file import clear
from support import script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MIB = 1 << 20


def key(number: int) -> bytes:
    return number.to_bytes(16, "little")


def vector(number: int, dimension: int = 8) -> NDArray[np.float32]:
    """A vector that tells of which number it is; 0 has one of zeros."""
    if number == 0:
        return np.zeros(dimension, dtype=np.float32)
    return np.random.default_rng(number).normal(size=dimension).astype(np.float32)


def opened(folder: Path, model: str = "m", dimension: int = 8, mib: float = 64) -> VectorCache:
    return VectorCache(folder, model, dimension, int(mib * MIB))


def put(cache: VectorCache, numbers: Sequence[int]) -> None:
    rows = [vector(number, cache.dimension) for number in numbers]
    cache.put([key(number) for number in numbers], np.array(rows).reshape(-1, cache.dimension))


def got(cache: VectorCache, numbers: Iterable[int]) -> set[int]:
    """Which of `numbers` are found; what is found must be right."""
    asked = list(numbers)
    found = cache.get([key(number) for number in asked])
    known = {number for number in asked if key(number) in found}
    assert len(known) == len(found), "it found what nobody asked for"
    for number in known:
        right = vector(number, cache.dimension).tobytes()
        assert found[key(number)].tobytes() == right, f"the vector of {number} is another"
    return known


def written(cache: VectorCache) -> None:
    """Waits until all that was put is in the file."""
    cache.flush()
    cache.flush()


def database(folder: Path) -> Path:
    [path] = folder.glob("vectors-*.sqlite")
    return path


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.lists(st.integers(0, 40), unique=True)),
            st.tuples(st.just("get"), st.lists(st.integers(0, 40), unique=True)),
            st.tuples(st.sampled_from(["flush", "reopen", "other model"]), st.just([])),
        ),
        max_size=30,
    )
)
def test_it_holds_what_a_dictionary_would(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int]]]
) -> None:
    folder = tmp_path_factory.mktemp("c")
    caches = [opened(folder), opened(folder, "other")]
    held: list[set[int]] = [set(), set()]
    at = 0
    for what, numbers in steps:
        if what == "put":
            put(caches[at], numbers)
            held[at] |= set(numbers)
        elif what == "get":
            assert got(caches[at], numbers) == held[at] & set(numbers)
        elif what == "flush":
            caches[at].flush()
        elif what == "reopen":
            caches[at].close()
            caches[at] = opened(folder, caches[at].fingerprint)
        else:
            at = 1 - at
    for cache, numbers_held in zip(caches, held, strict=True):
        cache.close()
        again = opened(folder, cache.fingerprint)
        assert got(again, range(41)) == numbers_held
        again.close()


def test_another_dimension_is_another_model(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path, dimension=16)
    put(one, [1, 2])
    one.close()
    assert got(other, [1, 2]) == set()
    put(other, [2])
    other.close()
    assert got(opened(tmp_path), [1, 2]) == {1, 2}


def test_a_vector_with_no_number_in_it_is_not_kept(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    rows = np.array([vector(1), np.full(8, np.nan), np.full(8, np.inf)], dtype=np.float32)
    cache.put([key(1), key(2), key(3)], rows)
    assert got(cache, [1, 2, 3]) == {1}
    cache.close()
    assert got(opened(tmp_path), [1, 2, 3]) == {1}


def test_it_is_made_when_something_is_put_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    cache = opened(folder)
    assert got(cache, [1]) == set()
    cache.close()
    assert not folder.exists(), "made for nothing"
    put(cache := opened(folder), [1])
    written(cache)
    assert got(cache, [1]) == {1}
    files = list(folder.glob("vectors-*"))
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    cache.close()
    assert {path.suffix for path in folder.iterdir()} == {".sqlite", ".lock"}, "a journal is left"


def test_switched_off_it_makes_and_finds_nothing(tmp_path: Path) -> None:
    put(cache := opened(tmp_path), [1])
    cache.close()
    off = opened(tmp_path, mib=0)
    assert got(off, [1]) == set()
    put(off, [2])
    off.close()
    assert got(opened(tmp_path), [1, 2]) == {1}


# ---- the bound ----


def test_the_file_keeps_to_its_bound_and_the_longest_unused_goes_first(tmp_path: Path) -> None:
    """Vectors of 4 kB in a file of 2 MB: some 480 fit."""
    clock = [1e9]

    def cache() -> VectorCache:
        return VectorCache(tmp_path, "m", 1024, 2 * MIB, clock=lambda: clock[0])

    kept = range(50)
    for start in range(0, 1500, 50):
        clock[0] += 2 * module.USED_SECONDS
        each = cache()
        assert got(each, kept if start else []) == (set(kept) if start else set()), "in use, gone"
        put(each, range(start, start + 50))
        each.close()
        size = database(tmp_path).stat().st_size
        assert size < 2 * MIB + (512 << 10), f"{size:,} bytes"
    left = got(cache(), range(1500))
    assert left >= set(kept)
    others = sorted(left - set(kept))
    assert len(left) > 300, "it removes too much"
    assert others == list(range(others[0], 1500)), "not the longest unused ones went"


def test_a_smaller_bound_gives_the_disk_back(tmp_path: Path) -> None:
    put(cache := opened(tmp_path, dimension=1024), range(2000))
    cache.close()
    before = database(tmp_path).stat().st_size
    put(cache := opened(tmp_path, dimension=1024, mib=1), [2000])
    cache.close()
    assert before > 7 * MIB
    assert database(tmp_path).stat().st_size < 2 * MIB
    assert 2000 in got(opened(tmp_path, dimension=1024), range(2001))


def test_a_use_is_written_once_an_hour(tmp_path: Path) -> None:
    clock = [1e9]

    def use() -> int:
        """The time of the last use, after one."""
        cache = VectorCache(tmp_path, "m", 8, MIB, clock=lambda: clock[0])
        assert got(cache, [1]) == {1}
        cache.close()
        with sqlite3.connect(database(tmp_path)) as connection:
            return int(connection.execute("SELECT used FROM entries").fetchone()[0])

    cache = VectorCache(tmp_path, "m", 8, MIB, clock=lambda: clock[0])
    put(cache, [1])
    cache.close()
    clock[0] += module.USED_SECONDS / 2
    assert use() == 1e9
    clock[0] += module.USED_SECONDS
    assert use() == clock[0]


# ---- damage ----


@pytest.mark.parametrize("how", ["flips", "zeros", "noise", "cut", "swapped pages", "lies"])
def test_a_damaged_file_yields_no_wrong_vector(
    tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    everything = range(300)
    put(cache := opened(tmp_path / "whole", dimension=256), everything)
    cache.close()
    whole = database(tmp_path / "whole")
    size, page, less = whole.stat().st_size, 32768, 0
    for seed in range(25):
        chance = random.Random(f"{how} {seed}")
        content = bytearray(whole.read_bytes())
        at = chance.randrange(size)
        if how == "flips":
            for _ in range(chance.choice([1, 3, 500])):
                content[chance.randrange(size)] ^= 1 << chance.randrange(8)
        elif how == "zeros":
            content[at : at + page] = bytes(len(content[at : at + page]))
        elif how == "noise":
            content[at : at + 600] = chance.randbytes(len(content[at : at + 600]))
        elif how == "cut":
            del content[at:]
        elif how == "swapped pages":
            one, other = (page * chance.randrange(1, size // page) for _ in range(2))
            content[one : one + page], content[other : other + page] = (
                content[other : other + page],
                content[one : one + page],
            )
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        (folder / whole.name).write_bytes(content)
        if how == "lies":
            odd = ["vector = 'text'", "vector = 7", "guard = x'00'", "vector = zeroblob(1024)"]
            with sqlite3.connect(folder / whole.name) as connection:
                connection.execute(f"UPDATE vectors SET {chance.choice(odd)} WHERE id % 3 = 1")
                connection.execute("UPDATE entries SET vector = vector + 1 WHERE vector % 7 = 1")
                connection.execute("UPDATE entries SET used = 'never' WHERE vector % 9 = 1")
        cache = opened(folder, dimension=256)
        found = got(cache, everything)
        less += len(found) < len(everything)
        put(cache, sorted(set(everything) - found))
        assert got(cache, everything) == set(everything)
        cache.close()
        said = capfd.readouterr().err
        assert len(said.splitlines()) <= 1, said
        # It may be set aside only when something is written: then less is there for once.
        for _ in range(3):
            again = opened(folder, dimension=256)
            put(again, sorted(set(everything) - got(again, everything)))
            again.close()
        assert got(opened(folder, dimension=256), everything) == set(everything), said
        capfd.readouterr()
        shutil.rmtree(folder)
    assert less >= 12, "the damage was none"


@pytest.mark.parametrize("what", ["text", "empty", "folder", "another schema"])
def test_what_is_no_cache_is_set_aside(
    tmp_path: Path, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    put(cache := opened(tmp_path), [1])
    cache.close()
    path = database(tmp_path)
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "another schema":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE entries (a, b)")
    else:
        path.write_bytes(b"no database at all " * 99 if what == "text" else b"")
    cache = opened(tmp_path)
    assert got(cache, [1]) == set()
    put(cache, [1, 2])
    assert got(cache, [1, 2]) == {1, 2}
    cache.close()
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert str(tmp_path) in said[0]
    if what != "folder":
        assert got(opened(tmp_path), [1, 2]) == {1, 2}


def test_a_cache_that_is_cleared_under_a_process_does_it_no_harm(tmp_path: Path) -> None:
    put(first := opened(tmp_path), range(10))
    written(first)
    assert got(first, range(10)) == set(range(10))
    assert clear(tmp_path) > 0
    assert not list(tmp_path.glob("vectors*.sqlite*"))
    second = opened(tmp_path)
    assert got(second, range(10)) == set()
    put(second, range(20, 30))
    written(second)
    put(first, range(30, 40))
    first.close()
    assert got(second, range(20, 30)) == set(range(20, 30))
    second.close()
    assert got(opened(tmp_path), range(40)) == set(range(20, 40)), "what was put later is lost"


# ---- a machine that fails ----


PRELUDE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_cache import *
"""
"""What a process of its own begins with."""


def limited(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Runs `body` with a cache in `folder`, in a process of its own."""
    code = f"""{PRELUDE}
import resource
folder = Path(sys.argv[1])
{body}
print("went on")
"""
    return script(code, str(folder))


def test_on_a_full_disk_a_run_goes_on_and_says_so_once(tmp_path: Path) -> None:
    put(cache := opened(tmp_path, dimension=256), range(100))
    cache.close()
    body = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
cache = opened(folder, dimension=256)
assert got(cache, range(100)) == set(range(100))
for start in range(100, 4000, 100):
    put(cache, range(start, start + 100))
    cache.flush()
assert got(cache, range(100)) == set(range(100)), "what is there is not served any more"
cache.close()
"""
    done = limited(tmp_path, body)
    assert done.stdout == "went on\n", done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    again = opened(tmp_path, dimension=256)
    assert got(again, range(4000)) >= set(range(100))
    put(again, range(4000))
    again.close()
    assert got(opened(tmp_path, dimension=256), range(4000)) == set(range(4000))


@pytest.mark.parametrize("place", ["file", "missing below a file", "not writable"])
def test_a_folder_that_cannot_be_used_costs_a_line(
    tmp_path: Path, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "c"
    if place == "not writable":
        folder = Path("/proc/self/nothing")
        if not folder.parent.is_dir():
            pytest.skip("no /proc here")
    else:
        folder.write_text("a file")
        folder = folder if place == "file" else folder / "below"
    cache = opened(folder)
    assert got(cache, [1]) == set()
    put(cache, [1])
    cache.flush()
    put(cache, [2])
    cache.close()
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert str(folder) in said[0]


def test_a_process_that_holds_the_file_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(module._WAIT, "write", 0.3)
    put(cache := opened(tmp_path), [1])
    cache.close()
    with sqlite3.connect(database(tmp_path), isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        start = time.perf_counter()
        cache = opened(tmp_path)
        assert got(cache, [1]) == {1}
        put(cache, [2])
        cache.close()
        assert time.perf_counter() - start < 2
        holder.execute("ROLLBACK")
    cache = opened(tmp_path)
    assert got(cache, [1, 2]) == {1}
    put(cache, [3])
    cache.close()
    assert got(opened(tmp_path), [1, 2, 3]) == {1, 3}
    assert capfd.readouterr().err == ""


# ---- several processes ----

BUSY = (
    PRELUDE
    + """
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
for round in range(4):
    cache = opened(folder, dimension=64, mib=float(sys.argv[3]))
    for step in range(12):
        numbers = chance.sample(range(3000), 150)
        found = got(cache, numbers)
        put(cache, sorted(set(numbers) - found))
        if chance.random() < 0.5:
            cache.flush()
    cache.close()
print("done")
"""
)


def processes(code: str, *args: str, count: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", code, args[0], str(seed), *args[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(count)
    ]


@pytest.mark.parametrize("mib", [64, 0.4], ids=["roomy", "with eviction"])
def test_several_processes_at_once(tmp_path: Path, mib: float) -> None:
    running = processes(BUSY, str(tmp_path), str(mib), count=4)
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (out, err) == ("done\n", ""), err
    left = got(cache := opened(tmp_path, dimension=64), range(3000))
    assert len(left) > (2500 if mib > 1 else 100)
    cache.close()
    with sqlite3.connect(database(tmp_path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        count = "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM vectors)"
        entries, vectors = connection.execute(count).fetchone()
        assert entries == vectors, "vectors that nobody finds take room"
    if mib < 1:
        assert database(tmp_path).stat().st_size < 1.2 * MIB


def test_killed_in_the_middle_it_keeps_what_was_written(tmp_path: Path) -> None:
    code = (
        PRELUDE
        + """
cache = opened(Path(sys.argv[1]), dimension=64)
for start in range(0, 100_000, 100):
    put(cache, range(start, start + 100))
    written(cache)
    print(start, flush=True)
"""
    )
    chance = random.Random(5)
    for _ in range(4):
        [process] = processes(code, str(tmp_path), count=1)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randrange(1, 12))]
        time.sleep(chance.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        written = int(lines[-1]) + 100
        cache = opened(tmp_path, dimension=64)
        assert got(cache, range(written)) == set(range(written)), "what was written is gone"
        cache.close()
