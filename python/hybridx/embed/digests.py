"""Digests of large files, remembered: a command must not read gigabytes to know its model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 16 * 1024 * 1024
"""Bytes from which on a digest is remembered; less is read within ten milliseconds."""

_SETTLED_NS = 2_000_000_000
"""A file that changed less than this ago may change again without its times telling."""


def file_digest(path: Path, memory: Path | None = None) -> bytes:
    """The SHA-256 digest of a file, 32 bytes; raises `OSError`.

    With `memory`, a folder, that of a large file is read from there if device, inode, size, mtime
    and ctime are as they were. The memory may be lost, torn or not writable at any time.
    """
    with path.open("rb") as file:
        before = _identity(os.fstat(file.fileno()))
        if memory is None or before["size"] < LARGE:
            return hashlib.file_digest(file, "sha256").digest()
        note = memory / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]}.json"
        known = _read(note)
        if known.get("file") == before:
            with contextlib.suppress(ValueError):
                return bytes.fromhex(str(known.get("sha256")))
        now = time.time_ns()
        digest = hashlib.file_digest(file, "sha256").digest()
        settled = max(before["mtime_ns"], before["ctime_ns"]) < now - _SETTLED_NS
        if settled and _identity(os.fstat(file.fileno())) == before:
            _write(note, {"file": before, "path": str(path), "sha256": digest.hex()})
        return digest


def _identity(stat: os.stat_result) -> dict[str, int]:
    return {
        "device": stat.st_dev,
        "inode": stat.st_ino,
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "ctime_ns": stat.st_ctime_ns,
    }


def _read(note: Path) -> dict[str, object]:
    try:
        value = json.loads(note.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _write(note: Path, value: dict[str, object]) -> None:
    torn = note.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        torn.write_text(json.dumps(value))
        torn.replace(note)
