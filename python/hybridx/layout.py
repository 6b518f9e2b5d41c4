"""Where the files of an index lie.

    .hybridx/
        root                    whose index this is
        .gitignore              so that git never sees the index
        CACHEDIR.TAG            so that backups need not either
        lock                    the writer's lock
        stat-cache              digests by size, times and inode
        CURRENT                 the name of the epoch that readers open
        epochs/<fingerprint>/   everything stored under one model, chunker and analyzer
            bm25/               Tantivy; the payload of its last commit is the manifest
            vectors/            LanceDB
            snapshots/          one file a generation

All of it can be made anew from the source beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from hybridx import _core
from hybridx.errors import IndexBusyError, UsageError

INDEX_FOLDER = ".hybridx"
"""The index's folder inside the root."""

_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# The index of hybridx: made from the source beside it, and made anew at will.\n"
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """The stores of one fingerprint."""

    folder: Path

    @property
    def bm25(self) -> Path:
        """The lexical store's folder."""
        return self.folder / "bm25"

    @property
    def vectors(self) -> Path:
        """The vector store's folder."""
        return self.folder / "vectors"

    @property
    def snapshots(self) -> Path:
        """The snapshots' folder."""
        return self.folder / "snapshots"

    def snapshot(self, generation: int, table: int) -> Path:
        """The snapshot of `generation`, whose vectors are in that table."""
        return self.snapshots / f"{generation:08d}.{table}.snapshot"

    def create(self) -> None:
        """Makes the folders that are not there yet."""
        for folder in (self.bm25, self.vectors, self.snapshots):
            folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of the index of `root`, which lies in `folder`."""

    root: Path
    folder: Path

    @classmethod
    def of(cls, root: Path, *, index_dir: Path | None, index_parent: Path | None) -> Layout:
        """The index of `root`: in `index_dir`, or below `index_parent`, or inside the root."""
        if index_dir is not None:
            return cls(root, Path(os.path.abspath(index_dir)))  # noqa: PTH100 - no links resolved
        if index_parent is not None:
            digest = hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()
            return cls(root, Path(os.path.abspath(index_parent)) / f"{root.name[:64]}-{digest}")  # noqa: PTH100
        return cls(root, root / INDEX_FOLDER)

    @property
    def lock(self) -> Path:
        """The writer's lock."""
        return self.folder / "lock"

    @property
    def stat_cache(self) -> Path:
        """Digests by size, times and inode."""
        return self.folder / "stat-cache"

    @property
    def _current(self) -> Path:
        return self.folder / "CURRENT"

    def create(self) -> None:
        """Makes the index's folder.

        Raises:
            UsageError: the folder holds the index of another root, or something that is no index.
            OSError: it cannot be made.
        """
        if self.folder != self.root / INDEX_FOLDER:
            self._check_owner()
        self.folder.mkdir(parents=True, exist_ok=True)
        # First and whole: it says whose folder this is.
        for name, content in (
            ("root", os.fsencode(self.root)),
            (".gitignore", b"*\n"),
            ("CACHEDIR.TAG", _CACHEDIR_TAG.encode()),
        ):
            path = self.folder / name
            if not path.exists():
                temporary = self.folder / f"{name}.{os.getpid()}-{threading.get_ident()}"
                temporary.write_bytes(content)
                temporary.replace(path)

    def _check_owner(self) -> None:
        try:
            owner = (self.folder / "root").read_bytes()
        except FileNotFoundError:
            names = [each.name for each in self.folder.iterdir()] if self.folder.exists() else []
            # Another first run may be just about to write it.
            if "root" not in names:
                if any(not name.startswith("root.") for name in names):
                    raise UsageError(
                        f"{self.folder} is not empty and no index: choose another folder"
                    ) from None
                return
            owner = (self.folder / "root").read_bytes()
        if owner != os.fsencode(self.root):
            raise UsageError(
                f"{self.folder} holds the index of {os.fsdecode(owner)}: choose another folder"
            )

    def epoch(self, fingerprint: str) -> Epoch:
        """The stores made under `fingerprint`."""
        return Epoch(self.folder / "epochs" / fingerprint[:16])

    def current(self) -> Epoch | None:
        """The epoch that readers open; `None` if there is no index."""
        try:
            name = self._current.read_text("utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        folder = self.folder / "epochs" / name
        # A name that is none (a damaged file) is treated as no index: the next update heals it.
        return Epoch(folder) if name and "/" not in name and folder.is_dir() else None

    def switch(self, epoch: Epoch) -> None:
        """Makes `epoch` the one that readers open, atomically and durably."""
        temporary = self.folder / f"CURRENT.{os.getpid()}"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(epoch.folder.name + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._current)
        _sync(self.folder)

    def drop_other_epochs(self, keep: Epoch) -> None:
        """Removes what earlier fingerprints left behind."""
        with contextlib.suppress(FileNotFoundError):
            for folder in (self.folder / "epochs").iterdir():
                if folder != keep.folder:
                    shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Removes the index. The caller holds the lock, whose file goes last.

        Until then nobody else can take it; whoever takes it afterwards makes the folder anew.
        """
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self.lock:
                path.unlink(missing_ok=True)
        self.lock.unlink(missing_ok=True)
        # Not empty any more if somebody was waiting for it.
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def size(self) -> dict[str, int]:
        """Bytes on disk: `total`, `bm25`, `vectors`, `snapshots` (of all epochs)."""
        sizes = {"total": 0, "bm25": 0, "vectors": 0, "snapshots": 0}
        for folder, _, files in os.walk(self.folder):
            parts = Path(folder).relative_to(self.folder).parts
            part = parts[2] if len(parts) > 2 and parts[0] == "epochs" else None  # noqa: PLR2004
            for name in files:
                # A file may go while this looks: it then has no size.
                with contextlib.suppress(OSError):
                    size = (Path(folder) / name).stat().st_size
                    sizes["total"] += size
                    if part in sizes:
                        sizes[part] += size
        return sizes


def take_lock(layout: Layout, timeout: float, cancel: _core.CancelToken | None) -> _core.Lock:
    """Takes the writer's lock, waiting up to `timeout` seconds.

    Raises:
        IndexBusyError: another process holds it for longer; the message says which, since when.
        Cancelled: the token was set.
    """
    lock = _core.Lock.acquire(layout.lock, timeout=timeout, cancel=cancel)
    if lock is None:
        holder = _core.Lock.holder(layout.lock)
        who = "another process"
        if holder:
            since = time.strftime("%H:%M:%S", time.localtime(holder[1]))
            who = f"process {holder[0]} (since {since})"
        raise IndexBusyError(
            f"the index of {layout.root} is being written by {who}; "
            f"waited {timeout:g} s (setting lock_timeout)"
        )
    return lock


def _sync(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
