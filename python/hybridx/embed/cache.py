"""Vectors that were computed before, by model and text, for all indexes of a user.

One SQLite file in the user's cache folder. Its key is the model's fingerprint and the digest of
exactly the embedded text, so it knows nothing of paths, and holds no text. What it returns is
checked: each vector carries a checksum of itself and its key.

It is a cache and never more: whatever is wrong with it (a damaged file, a full disk, a folder that
may not be written, another process that holds it) costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from hybridx.embed.cache_file import connect, make, newest, remove
from hybridx.observe import operation

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridx.observer import Observer

_T = TypeVar("_T")
_Use = Literal["read", "write"]

BUFFER_BYTES = 8 << 20
"""Vectors that come together before they are written as one transaction."""

_FLUSH_SECONDS = 5.0
"""What a killed run loses at most, about."""

_IN_ONE = 500
"""Digests looked up by one statement."""
_PORTION = 5000
"""Rows removed in one transaction: another process may wait for it."""
_KEPT = 0.9
"""The share of the bound that is left when it was exceeded, so that this is seldom."""
USED_SECONDS = 3600
"""How exactly the last use of a vector is known."""
_WAIT: dict[_Use, float] = {"read": 0.2, "write": 2.0}
"""Seconds to wait for another process. In WAL mode readers wait for next to nothing."""

_TRIES = 3

_BUSY = frozenset({5, 6})
"""SQLite's primary codes `BUSY` and `LOCKED`."""
_DAMAGED = frozenset({1, 11, 19, 20, 26})
"""`ERROR` (a table is missing), `CORRUPT`, `CONSTRAINT`, `MISMATCH` and `NOTADB`."""
_ODD_VALUES = (TypeError, ValueError, OverflowError)
"""What becomes of a damaged row that holds values of other types."""

_WITH_VECTORS = (
    "SELECT digest, used, entries.vector, guard, vectors.vector FROM entries "
    "LEFT JOIN vectors ON vectors.id = entries.vector"
)
_DELETE_ENTRY = "DELETE FROM entries WHERE model = ? AND digest = ? AND vector IS ?"
_DELETE_VECTOR = "DELETE FROM vectors WHERE id = ?"


@dataclass(eq=False)
class VectorCache:
    """The vectors of one model. `get` is for one thread at a time, so is `put`, the rest for any.

    `limit_bytes` bounds the file, of all models; 0 switches the cache off.
    """

    folder: Path
    fingerprint: str
    dimension: int
    limit_bytes: int
    clock: Callable[[], float] = time.time
    observer: Observer | None = None
    _path: Path | None = field(default=None, init=False)
    _paths: dict[_Use, Path] = field(default_factory=dict, init=False)
    """The file that each connection is, or was to be, to."""
    _open: dict[_Use, sqlite3.Connection] = field(default_factory=dict, init=False)
    """Each is used by one thread at a time."""
    _waiting: dict[bytes, NDArray[np.float32]] = field(default_factory=dict, init=False)
    _writing: Mapping[bytes, NDArray[np.float32]] = field(default_factory=dict, init=False)
    _used: list[bytes] = field(default_factory=list, init=False)
    _wrong: list[tuple[bytes, int]] = field(default_factory=list, init=False)
    """Digests whose rows are damaged, each with the number of its vector."""
    _writer: ThreadPoolExecutor | None = field(default=None, init=False)
    _written: Future[None] | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _flushed: float = field(default_factory=time.monotonic, init=False)
    _flushing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _given_up: set[_Use] = field(default_factory=set, init=False)
    _told: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._seed = zlib.crc32(f"{self.fingerprint} {self.dimension}".encode())
        if self.limit_bytes <= 0:
            self._given_up |= {"read", "write"}
        room = min(BUFFER_BYTES, self.limit_bytes // 4)
        self._room = max(1, room // (4 * self.dimension + 64))

    def get(self, digests: Iterable[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """The vectors that are known, each of shape `(dimension,)`, as they were put."""
        found, missing = {}, []
        # In this order: a vector wanders from the first to the second and then to the file.
        waiting, writing = self._waiting, self._writing
        for digest in digests:
            vector = waiting.get(digest)
            if vector is None:
                vector = writing.get(digest)
            if vector is None:
                missing.append(digest)
            else:
                found[digest] = vector
        if missing and "read" not in self._given_up:
            stored = self._guarded("read", lambda: self._read(missing))
            found.update(stored or {})
        return found

    def put(self, digests: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Keeps vectors, shape `(len(digests), dimension)`. The array is not to be changed later.

        They are written in the background, in large transactions.
        """
        if "write" in self._given_up:
            return
        # A vector that is none would otherwise be served for ever.
        sound = np.isfinite(np.einsum("ij,ij->i", vectors, vectors)).tolist()
        pairs = zip(digests, vectors, sound, strict=True)
        with self._lock:
            self._waiting.update((digest, vector) for digest, vector, good in pairs if good)
            full = len(self._waiting) >= self._room
        # A slow model's are few, and dear.
        if full or time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Has everything written that was put so far; waits only for what is being written."""
        with self._flushing:
            self._flushed = time.monotonic()
            if self._written is not None:
                self._written.result()
                self._written = None
            with self._lock:
                vectors, used, wrong = self._waiting, self._used, self._wrong
                # First: `get` must find a vector in one of them.
                self._writing = vectors
                self._waiting, self._used, self._wrong = {}, [], []
            if vectors or used or wrong:
                self._written = self._in_background(lambda: self._write(vectors, used, wrong))

    def finish(self) -> None:
        """Has what was put written and the file let go of, without waiting for that."""
        self.flush()
        with self._flushing:
            if self._open or self._writer is not None:
                # Whoever closes the file last moves what is new into it, durably.
                self._in_background(self._let_go)

    def close(self) -> None:
        """Writes what was put and lets go of the file."""
        self.finish()
        with self._flushing:
            if self._writer is not None:
                self._writer.shutdown()
                self._writer, self._written = None, None

    def _in_background(self, work: Callable[[], None]) -> Future[None]:
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "hybridx-cache")
        return self._writer.submit(work)

    def _let_go(self) -> None:
        while self._open:
            with contextlib.suppress(Exception):
                self._open.popitem()[1].close()

    def _read(self, digests: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        connection = self._connection("read")
        model = self._model(connection) if connection else None
        if connection is None or model is None:
            return {}
        found = {}
        old = int(self.clock()) - USED_SECONDS
        width, used, wrong = 4 * self.dimension, [], []
        for row in _entries(connection, model, digests, _WITH_VECTORS):
            digest, last, number, guard, content = row
            # A damaged row may hold anything.
            if (
                type(content) is bytes
                and len(content) == width
                and zlib.crc32(content, zlib.crc32(digest, self._seed)) == guard
            ):
                found[digest] = np.frombuffer(content, np.float32)
                if last < old:
                    used.append(digest)
            else:
                wrong.append((digest, number))
        if used or wrong:
            with self._lock:
                self._used += used
                self._wrong += wrong
        return found

    def _write(
        self,
        vectors: Mapping[bytes, NDArray[np.float32]],
        used: Sequence[bytes],
        wrong: Sequence[tuple[bytes, int]],
    ) -> None:
        def work() -> None:
            connection = self._connection("write") or self._made()
            with _transaction(connection):
                self._store(connection, vectors, used, wrong)
            self._keep_to_the_bound(connection)

        with operation(self.observer, "cache", "write", vectors=len(vectors)):
            self._guarded("write", work)
        # Whatever became of them: nothing is held for ever.
        self._writing = {}

    def _store(
        self,
        connection: sqlite3.Connection,
        vectors: Mapping[bytes, NDArray[np.float32]],
        used: Sequence[bytes],
        wrong: Sequence[tuple[bytes, int]],
    ) -> None:
        model, now = self._model(connection), int(self.clock())
        if model is None:
            key = (self.fingerprint, self.dimension)
            insert = "INSERT INTO models (fingerprint, dimension) VALUES (?, ?)"
            model = connection.execute(insert, key).lastrowid or 0
        connection.executemany(_DELETE_ENTRY, ((model, *each) for each in wrong))
        connection.executemany(_DELETE_VECTOR, ((number,) for _, number in wrong))
        touch = "UPDATE entries SET used = ? WHERE model = ? AND digest = ?"
        connection.executemany(touch, ((now, model, digest) for digest in used))
        last = connection.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()[0]
        # In the order of the tree that they go into.
        new = list(enumerate(sorted(vectors), (last or 0) + 1))
        insert = "INSERT OR IGNORE INTO entries (model, digest, used, vector) VALUES (?, ?, ?, ?)"
        rows = ((model, digest, now, number) for number, digest in new)
        if connection.executemany(insert, rows).rowcount < len(new):
            # Another process had some of them already.
            there = _entries(connection, model, vectors, "SELECT vector FROM entries")
            mine = {number for (number,) in there}
            new = [(number, digest) for number, digest in new if number in mine]
        connection.executemany(
            "INSERT INTO vectors (id, guard, vector) VALUES (?, ?, ?)",
            (
                (number, zlib.crc32(content, zlib.crc32(digest, self._seed)), content)
                for number, digest in new
                for content in [vectors[digest].tobytes()]
            ),
        )

    def _keep_to_the_bound(self, connection: sqlite3.Connection) -> None:
        """Removes what was not used for longest, and gives the disk back what is too much."""
        page, pages, free = _pages(connection)
        used = (pages - free) * page
        if used > self.limit_bytes:
            count = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
            share = 1 - _KEPT * self.limit_bytes / used
            oldest = connection.execute(
                "SELECT model, digest, vector FROM entries ORDER BY used, vector LIMIT ?",
                (int(count * share) + 1,),
            ).fetchall()
            for some in _portions(oldest, _PORTION):
                with _transaction(connection):
                    connection.executemany(_DELETE_ENTRY, some)
                    connection.executemany(_DELETE_VECTOR, (row[2:] for row in some))
            page, pages, free = _pages(connection)
        excess = min(free, pages - self.limit_bytes // page)
        if excess > 0:
            # `execute` would stop after one page.
            connection.executescript(f"PRAGMA incremental_vacuum({excess})")

    def _model(self, connection: sqlite3.Connection) -> int | None:
        """The model's number in the file; `None` if there was never a vector of it."""
        select = "SELECT id FROM models WHERE fingerprint = ? AND dimension = ?"
        row = connection.execute(select, (self.fingerprint, self.dimension)).fetchone()
        return int(row[0]) if row else None

    def _connection(self, use: _Use) -> sqlite3.Connection | None:
        """The newest file, opened; `None` if there is none."""
        if self._path is not None and not self._path.exists():
            self._path = None
        path = self._path = self._path or newest(self.folder, tidy=use == "write")
        if path is None:
            return None
        if use in self._open and self._paths[use] == path:
            return self._open[use]
        if use in self._open:
            self._open.pop(use).close()
        self._paths[use] = path
        self._open[use] = connect(path, _WAIT[use])
        return self._open[use]

    def _made(self) -> sqlite3.Connection:
        path = self._path = self._paths["write"] = make(self.folder)
        self._open["write"] = connect(path, _WAIT["write"])
        return self._open["write"]

    def _guarded(self, use: _Use, work: Callable[[], _T]) -> _T | None:
        """What `work` returns, or `None` if anything about the cache is wrong."""
        for _ in range(_TRIES):
            try:
                return work()
            except Exception as error:  # noqa: BLE001 - a damaged file may raise anything
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                path = self._paths.get(use)
                if code in _BUSY:
                    break
                if path and not path.exists():
                    # Somebody cleared the cache, or set it aside.
                    self._forget(path)
                elif path and (code in _DAMAGED or isinstance(error, _ODD_VALUES)):
                    self._tell(f"was damaged and is begun anew: {path}")
                    remove(path)
                    self._forget(path)
                else:
                    self._given_up.add(use)
                    self._tell(f"is not used: {self.folder}: {error}")
                    break
        return None

    def _forget(self, path: Path) -> None:
        if self._path == path:
            self._path = None

    def _tell(self, what: str) -> None:
        if not self._told:
            self._told = True
            print(f"hybridx: the vector cache {what}", file=sys.stderr)  # noqa: T201


def _pages(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """The size of a page, how many there are, and how many of them are free."""
    names = ("page_size", "page_count", "freelist_count")
    size, count, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return size, count, free


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(Exception):
            connection.execute("ROLLBACK")
        raise


def _entries(
    connection: sqlite3.Connection, model: int, digests: Iterable[bytes], select: str
) -> Iterator[tuple[Any, ...]]:
    """The rows of those of these digests that are there."""
    for some in _portions(digests, _IN_ONE):
        marks = ",".join("?" * len(some))
        where = f"WHERE model = ? AND digest IN ({marks})"
        yield from connection.execute(f"{select} {where}", (model, *some)).fetchall()


def _portions(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    remaining = iter(values)
    while some := list(islice(remaining, size)):
        yield some
