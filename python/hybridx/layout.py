"""Where the files of an index lie.

    .hybridx/
        root                    whose index this is
        .gitignore              so that git never sees the index
        CACHEDIR.TAG            so that backups need not either
        lock                    the writer's lock
        stat-cache              digests by size, times and inode
        CURRENT                 the name of the epoch that readers open
        UPGRADE                 which epoch is being filled beside it, if one is
        filling                 the lock of who fills it
        watching                the lock of who watches the tree
        epochs/<fingerprint>/   everything stored under one model, chunker and analyzer
            bm25/               Tantivy; the payload of its last commit is the manifest
            vectors/            LanceDB
            snapshots/          one file a generation

All of it can be made anew from the source beside it. What a killed process leaves of files it was
about to put in place (`stat-cache.tmp7`, `CURRENT.7`, `.clock7`, ...) the next writer removes.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.errors import HybridxError, IndexBusyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

INDEX_FOLDER = ".hybridx"
"""The index's folder inside the root."""

_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# The index of hybridx: made from the source beside it, and made anew at will.\n"
)

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

_TORN = r"stat-cache\.tmp\d+|(CURRENT|UPGRADE)\.\d+|\.clock\d+|removed\.\d+"
"""What only the holder of the lock makes, and renames or removes before it lets go."""

_TORN_EARLY = r"(root|\.gitignore|CACHEDIR\.TAG)\.\d+-\d+"
"""What is made before the lock is taken."""

_EPOCH_NAME = r"[0-9a-f]{16}(-\d+)?"

_EARLY_SECONDS = 60.0
"""Older than this, nobody is still writing it."""


def indexed_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that has an index, with links as given or resolved."""
    real = Path(os.path.realpath(start))
    for folder in (start, *start.parents, real, *real.parents):
        if folder.name != INDEX_FOLDER and _has_index(folder):
            return folder
    return None


def _has_index(folder: Path) -> bool:
    parent = os.environ.get("HYBRIDX_INDEX_DIR")
    places = [Layout.of(folder, index_dir=None, index_parent=None)]
    if parent:
        real = Path(os.path.realpath(folder))
        places.append(Layout.of(real, index_dir=None, index_parent=Path(parent)))
    for place in places:
        with contextlib.suppress(OSError):
            if place.current() is not None:
                return True
    return False


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

    def create(self, *, first: bool) -> None:
        """Makes the folders that are not there yet, and removes what a killed writer left.

        The `first` commit is only as durable as the names of the folders it is made in.
        """
        # Not with parents: the root may have been moved away from under a process that stays.
        for folder in (self.folder.parent, self.folder, self.bm25, self.vectors, self.snapshots):
            folder.mkdir(exist_ok=True)
        if first:
            for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
                _sync(folder)
        _remove(self.snapshots.glob("*.tmp*"))
        # LanceDB's; it would keep them for a week.
        _remove(self.vectors.glob("*/*/.tmp*"))
        _remove(self.vectors.glob("*/_versions/*.manifest#*"))

    def made(self) -> float:
        """When its last commit was, in seconds; 0 if there was none."""
        try:
            return (self.bm25 / "meta.json").stat().st_mtime
        except OSError:
            return 0.0

    def twins(self) -> Iterator[Epoch]:
        """This one, and then others of the same fingerprint."""
        yield self
        for number in itertools.count(2):
            yield Epoch(self.folder.with_name(f"{self.folder.name}-{number}"))

    def is_twin_of(self, other: Epoch) -> bool:
        """Whether both are of the same fingerprint."""
        return self.folder.name.partition("-")[0] == other.folder.name.partition("-")[0]

    def discard(self) -> bool:
        """Removes the epoch unless somebody reads it; whether it is gone.

        At once, so that no half of it is ever found.
        """
        with contextlib.suppress(FileNotFoundError):
            # Whoever comes later finds no snapshot, and sees that there is another epoch.
            free = [_core.Lease.remove_unless_held(path) for path in self.snapshots.iterdir()]
            if not all(free):
                return False
        gone = self.folder.with_name(f"removed.{os.getpid()}")
        _remove_tree(gone, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.folder.rename(gone)
            _remove_tree(gone)
        return True


@dataclass(frozen=True, slots=True)
class Pending:
    """An epoch that is filled beside the one that serves, and is to replace it."""

    epoch: Epoch
    name: str
    """The model's name."""
    model: str
    """What the setting `model` must be to go on."""


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
            import hashlib  # with it comes OpenSSL

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
    def filling(self) -> Path:
        """The lock of who fills an epoch beside the current one."""
        return self.folder / "filling"

    @property
    def watching(self) -> Path:
        """The lock of who watches the tree."""
        return self.folder / "watching"

    @property
    def _upgrade(self) -> Path:
        return self.folder / "UPGRADE"

    @property
    def _current(self) -> Path:
        return self.folder / "CURRENT"

    def create(self) -> None:
        """Makes the index's folder.

        Raises:
            UsageError: the folder holds the index of another root, or something that is no index.
            OSError: it cannot be made, or there is no root.
        """
        self._check_root()
        inside = self.folder == self.root / INDEX_FOLDER
        if not inside:
            self._check_owner()
        if not self.folder.is_dir():
            # Never the root itself, which may have been moved away this very moment.
            self.folder.mkdir(parents=not inside, exist_ok=True)
            _sync(self.folder.parent)
        made = False
        # First and whole: it says whose folder this is.
        for name, content in (
            ("root", os.fsencode(self.root)),
            (".gitignore", b"*\n"),
            ("CACHEDIR.TAG", _CACHEDIR_TAG.encode()),
        ):
            path = self.folder / name
            if not path.exists():
                temporary = self.folder / f"{name}.{os.getpid()}-{threading.get_ident()}"
                _write_durably(temporary, content)
                temporary.replace(path)
                made = True
        if made:
            _sync(self.folder)

    def _check_root(self) -> None:
        """Raises `OSError` if there is no root: a lock would make it anew, with its folders."""
        if not self.root.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root))

    def take_lock(self, timeout: float, cancel: _core.CancelToken) -> _core.Lock:
        """Takes the writer's lock, waiting up to `timeout` seconds.

        Raises:
            IndexBusyError: somebody else held it all that time.
            Cancelled: the token was set meanwhile.
            OSError: there is no root, or the lock cannot be made.
        """
        self._check_root()
        lock = _core.Lock.acquire(self.lock, timeout=timeout, cancel=cancel)
        if lock is None:
            raise IndexBusyError(
                f"the index of {self.root} is being written by {self._writer()}; "
                f"waited {timeout:g} s (setting lock_timeout)"
            )
        return lock

    def _writer(self) -> str:
        holder = _core.Lock.holder(self.lock)
        if holder is None:
            return "another process"
        pid, since = holder
        try:
            started, now = time.localtime(since), time.localtime()
        except (OverflowError, ValueError, OSError):
            return f"process {pid}"
        form = "%H:%M:%S" if started[:3] == now[:3] else "%Y-%m-%d %H:%M:%S"
        return f"process {pid} (since {time.strftime(form, started)})"

    def tidy(self) -> None:
        """Removes what killed processes left in the index's folder. The caller holds the lock."""
        # The lock was just written: by the clock of this file system it is now.
        now = self.lock.stat().st_mtime
        for path in self.folder.iterdir():
            if re.fullmatch(_TORN, path.name):
                _remove([path])
            elif re.fullmatch(_TORN_EARLY, path.name):
                with contextlib.suppress(FileNotFoundError):
                    if now - path.stat().st_mtime > _EARLY_SECONDS:
                        _remove([path])
        self.tidy_upgrade()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Says of a disk that takes no more, or fails, that it is the one with the index."""
        try:
            yield
        except OSError as error:
            full = error.errno in _NO_ROOM
            if error.errno is None or not self._holds(error.filename):
                raise
            if error.filename and not full:
                raise
            reason = os.strerror(error.errno)
            if full:
                reason += "; the index stays at its last generation"
            raise OSError(error.errno, reason, str(self.folder)) from error

    def _holds(self, name: str | bytes | None) -> bool:
        """Whether an error is about a file of the index; one that names none is."""
        return not name or Path(os.fsdecode(name)).is_relative_to(self.folder)

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

    def twins_of(self, epoch: Epoch) -> list[Epoch]:
        """The epochs there are of the same fingerprint."""
        return [Epoch(folder) for folder in epoch.folder.parent.glob(f"{epoch.folder.name[:16]}*")]

    def current(self) -> Epoch | None:
        """The epoch that readers open; `None` if there is no index."""
        try:
            name = self._current.read_bytes().decode("ascii", "replace").strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        folder = self.folder / "epochs" / name
        # A name that is none (a damaged file) is treated as no index: the next update heals it.
        return Epoch(folder) if re.fullmatch(_EPOCH_NAME, name) and folder.is_dir() else None

    def commit(self) -> tuple[Epoch, bytes] | None:
        """What is the same as long as there is no newer generation; `None` if there is none.

        It is read in microseconds; a generation is opened in a millisecond or two.
        """
        epoch = self.current()
        try:
            # Of the lexical store, whose commits are those of the generations.
            return None if epoch is None else (epoch, (epoch.bm25 / "meta.json").read_bytes())
        except OSError:
            return None

    def switch(self, epoch: Epoch) -> None:
        """Makes `epoch` the one that readers open, atomically and durably."""
        temporary = self.folder / f"CURRENT.{os.getpid()}"
        _write_durably(temporary, f"{epoch.folder.name}\n".encode())
        if self._current.is_dir():
            _remove_tree(self._current)
        temporary.replace(self._current)
        _sync(self.folder)

    def pending(self) -> Pending | None:
        """The epoch that is to replace the current one, if an upgrade was begun and not ended."""
        try:
            found = json.loads(self._upgrade.read_bytes())
            name, values = found["epoch"], (found["name"], found["model"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if not isinstance(name, str) or not re.fullmatch(_EPOCH_NAME, name):
            return None
        pending = Pending(Epoch(self.folder / "epochs" / name), *map(str, values))
        return None if pending.epoch == self.current() else pending

    def tidy_upgrade(self) -> None:
        """Forgets an upgrade whose epoch serves. The caller holds the writer's lock."""
        if self._upgrade.exists() and self.pending() is None:
            self.end_upgrade()

    def begin_upgrade(self, pending: Pending) -> None:
        """Says which epoch is going to be filled. The caller holds both locks."""
        found = {"epoch": pending.epoch.folder.name, "name": pending.name, "model": pending.model}
        temporary = self.folder / f"UPGRADE.{os.getpid()}"
        _write_durably(temporary, f"{json.dumps(found)}\n".encode())
        temporary.replace(self._upgrade)

    def end_upgrade(self) -> None:
        """Forgets it: it serves now, or whoever holds the lock `filling` does not want it."""
        with contextlib.suppress(OSError):
            self._upgrade.unlink()

    def take_filling(self, timeout: float) -> _core.Lock | None:
        """Takes the lock of who fills an epoch beside the current one; `None` if somebody has it.

        Whoever waits for the writer's lock with this one in hand never keeps another waiting for
        this one: those who hold the writer's lock do not wait for it.
        """
        return _core.Lock.acquire(self.filling, timeout=timeout)

    def who_fills(self) -> str:
        """The process that fills an epoch beside the current one, as messages name it."""
        pid = self.filler()
        return "another process" if pid is None else f"process {pid}"

    def filler(self) -> int | None:
        """The process that fills an epoch beside the current one, if there is one."""
        return _holder(self.filling)

    def take_watching(self, timeout: float = 0.0) -> _core.Lock | None:
        """Takes the lock of who watches the tree; `None` if somebody has it all that time."""
        return _core.Lock.acquire(self.watching, timeout=timeout)

    def watcher(self) -> int | None:
        """The process that watches the tree, if there is one."""
        return _holder(self.watching)

    def drop_other_epochs(self, keep: Epoch) -> None:
        """Removes what earlier fingerprints left behind, and nobody reads any more."""
        pending = self.pending()
        kept = {keep.folder} | ({pending.epoch.folder} if pending else set())
        with contextlib.suppress(OSError):
            for folder in (self.folder / "epochs").iterdir():
                if folder not in kept:
                    # What is not gone now goes another time.
                    with contextlib.suppress(OSError, HybridxError):
                        Epoch(folder).discard()

    def remove(self) -> None:
        """Removes the index. The caller holds the lock, whose file goes last.

        Until then nobody else can take it; whoever takes it afterwards makes the folder anew. If
        this is cut short, there is no index: never half of one.
        """
        self._current.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.folder / "epochs").rename(self.folder / f"removed.{os.getpid()}")
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                _remove_tree(path)
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


def _holder(lock: Path) -> int | None:
    """The process that holds a lock, if one does."""
    holder = _core.Lock.holder(lock)
    if holder is None:
        return None
    try:
        import fcntl
    except ImportError:  # not on this system: what is written there must do
        return holder[0]
    with contextlib.suppress(OSError), lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder[0]
    return None


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(paths: Iterable[Path]) -> None:
    """Removes files and folders; what cannot be removed is in nobody's way."""
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                _remove_tree(path)
            else:
                path.unlink()


def _remove_tree(folder: Path, *, ignore_errors: bool = False) -> None:
    import shutil  # with it come all kinds of archives

    shutil.rmtree(folder, ignore_errors=ignore_errors)
