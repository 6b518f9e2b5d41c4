"""The files of the vector cache: which is the one, and how it is made, opened and removed.

A file is never made again under a name that was there before. So a process that still has a
removed one open neither sees another in its place nor touches what lies beside that.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from hybridx import _core

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

FORMAT = 1
_NAME = re.compile(rf"vectors-{FORMAT}\.(\d{{8}})\.[0-9a-f]{{16}}\.sqlite")
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file."""

_SCHEMA = """
PRAGMA page_size = 32768;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE models (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL,
    UNIQUE (fingerprint, dimension)
);
-- Apart from the vectors: what is looked up, and what a use changes, is small.
CREATE TABLE entries (
    model INTEGER NOT NULL, digest BLOB NOT NULL, used INTEGER NOT NULL, vector INTEGER NOT NULL,
    PRIMARY KEY (model, digest)
) WITHOUT ROWID;
-- A number is never given twice: somebody may be about to remove what had it.
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guard INTEGER NOT NULL, vector BLOB NOT NULL
);
COMMIT;
"""

_JOURNAL_BYTES = 32 << 20
"""What is left of a journal that was longer."""
_TORN_SECONDS = 60.0
"""Older than this, nobody is still making it."""
_LOCK_SECONDS = 2.0


def clear(folder: Path) -> int:
    """Removes the cache in `folder`; how many bytes that freed.

    A process that is using it meanwhile goes on, and begins anew with its next run.
    """
    freed = 0
    for path in [*_files(folder), *folder.glob(f"vectors-{FORMAT}.*.tmp")]:
        for each in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
            with contextlib.suppress(FileNotFoundError):
                freed += each.stat().st_size
                each.unlink()
    return freed


def _files(folder: Path) -> list[Path]:
    """The files of caches, the newest last."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def newest(folder: Path, *, tidy: bool) -> Path | None:
    """The file to use. Older ones were set aside by somebody who did not get to removing them."""
    *older, last = [None, *_files(folder)]
    if tidy:
        for path in older:
            remove(path)
    return last


def make(folder: Path) -> Path:
    """Makes a file, whole before it has its name; or takes that of who did so just now."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Without it two processes would make one each, and one file would be lost.
    lock = _core.Lock.acquire(folder / "vectors.lock", timeout=_LOCK_SECONDS)
    try:
        for torn in folder.glob(f"vectors-{FORMAT}.*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - torn.stat().st_mtime > _TORN_SECONDS:
                    remove(torn)
        last = newest(folder, tidy=False)
        if last is not None and last.is_file():
            return last
        return _made(folder, int(last.name.split(".")[1]) + 1 if last else 1)
    finally:
        if lock:
            lock.release()


def _made(folder: Path, number: int) -> Path:
    import sqlite3

    path = folder / f"vectors-{FORMAT}.{number:08d}.{secrets.token_hex(8)}.sqlite"
    temporary = path.with_suffix(".tmp")
    try:
        # Vectors tell something of the texts; what SQLite makes beside a file is as open as it.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(_uri(temporary), uri=True)) as connection:
            connection.executescript(_SCHEMA)
        return temporary.rename(path)
    except BaseException:
        remove(temporary)
        raise


def connect(path: Path, seconds: float) -> sqlite3.Connection:
    """Opens a file; raises `sqlite3.Error` if it is none. Others are waited for so long."""
    # Loaded only where vectors are really looked up.
    import sqlite3

    connection = sqlite3.connect(
        _uri(path), uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
    )
    try:
        # Text in place of a blob is damage: no reason to decode it.
        connection.text_factory = bytes
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        connection.execute("SELECT 1 FROM models, entries, vectors LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _uri(path: Path) -> str:
    # Never made by being opened: it may have been removed just now.
    return f"file:{quote(os.fsencode(path))}?mode=rw"


def remove(path: Path | None) -> None:
    """Removes a file and what SQLite keeps beside it, as far as that is possible."""
    if path is not None:
        for each in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
            with contextlib.suppress(OSError):
                each.unlink()
