"""One generation over two stores and a snapshot.

The one atomic point is the commit of the lexical store: its payload is the manifest, which names
the version of the vector store and the snapshot that belong to it. Both are durable before it.

    1. write the vectors, arriving at version n; make the new files durable
    2. read the rows back, and write the snapshot of generation g, durably
    3. commit the lexical store with the manifest {g, n, snapshot, ...}: the switch

A reader opens the lexical store, reads the manifest of the very commit it holds and opens the
vectors at version n. A writer that finds the vectors beyond n (a run was torn before step 3)
goes back to n first.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from hybridx import _core, nearest
from hybridx.budget import row_bytes
from hybridx.errors import CorruptIndexError, IndexFormatError, StoreError
from hybridx.observe import operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from hybridx.layout import Epoch, Layout
    from hybridx.observer import Observer
    from hybridx.store import VectorStore

MANIFEST_FORMAT = 2

STORE_VERSION = 1
"""Changes whenever rows of another schema would be written to the vector store; part of the index
fingerprint. It stands here so that nobody has to load that store to know it."""

FOLD_EVERY = 32
"""Small pieces of the vector store that may come together before they are made one."""

INDEXED_ROWS = 50_000
"""Rows of a run after which those of a file are found by an index: looking through a million paths
takes 40 ms, the index 2; it is made in half a second."""

SETTLED_ROWS = 8192
"""A piece of this many rows is left alone: writing it again would cost more than it helps."""

_GARBAGE = 0.2
"""Share of the vector store that superseded rows and versions may take, beyond `_SLACK`."""
_SLACK = 128 << 10
_MANY_VERSIONS = 4000
"""Versions of the vector store after which it is written anew: LanceDB lists them to open it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation consists of: the payload of its commit."""

    generation: int
    vectors_table: int
    vectors_version: int
    """0 while there is no table of vectors."""
    snapshot: str
    """Name of the snapshot's file."""
    snapshot_digest: str
    merkle_root: str
    fingerprint: str
    build: str
    """A random name of the epoch's making: made anew, it may be at an equal generation again."""
    model: str
    model_source: str
    model_folder: str
    model_fingerprint: str
    dimension: int
    chunks: int = 0
    settled: int = 0
    """Fragments of the vector store below this one are large, or were made one."""
    small: int = 0
    """Small fragments since then."""
    covered: int = 0
    """Rows that there were when the vectors' index was built; 0 if there is none."""
    uncovered: int = 0
    """Rows that were written since."""
    beyond: int = 0
    """The first fragment that it does not cover."""
    format: int = MANIFEST_FORMAT

    @property
    def coverage(self) -> dict[str, int] | None:
        """What the index of the vectors covers; `None` if there is none."""
        if not self.covered:
            return None
        return {"covered": self.covered, "uncovered": self.uncovered}

    @classmethod
    def parse(cls, payload: str, where: Path) -> Manifest:
        """Reads a payload.

        Raises:
            CorruptIndexError: it is no manifest.
            IndexFormatError: it is a manifest of another format.
        """
        try:
            values = json.loads(payload)
            found, digest = values["format"], values.pop("digest")
            if found != MANIFEST_FORMAT:
                raise IndexFormatError(
                    f"{where} has format {found}, this version reads {MANIFEST_FORMAT}"
                )
            manifest = cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptIndexError(f"{where}: its commit carries no manifest: {error}") from error
        if manifest.digest() != digest:
            raise CorruptIndexError(f"{where}: its manifest is damaged")
        return manifest

    def dump(self) -> str:
        """The payload."""
        return json.dumps({**self._values(), "digest": self.digest()})

    def digest(self) -> str:
        """A digest of everything in it."""
        text = json.dumps(self._values(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _values(self) -> dict[str, object]:
        """What is not there is left out: manifests of before there were such indexes are whole."""
        values = dataclasses.asdict(self)
        if not self.covered:
            for name in ("covered", "uncovered", "beyond"):
                del values[name]
        return values


@dataclass
class Generation:
    """A whole generation, open for reading; it stays what it is whatever is committed later.

    What it consists of is kept for as long as this holds its lease.
    """

    epoch: Epoch
    manifest: Manifest
    searcher: _core.Bm25Searcher
    lease: _core.Lease | None
    """`None` if its snapshot is gone: searches do not need it, all else says so."""

    @classmethod
    def current(cls, layout: Layout) -> Generation | None:
        """The generation that readers see; `None` if there is none yet."""
        for attempt in range(5):
            epoch = layout.current()
            if epoch is None:
                return None
            # It may have been superseded and removed while it was being opened.
            try:
                found = cls.of(epoch)
                if (found and found.lease) or layout.current() == epoch:
                    return found
            except Exception:
                if attempt == 4 or layout.current() == epoch:  # noqa: PLR2004
                    raise
            time.sleep(0.01)
        return None

    @classmethod
    def of(cls, epoch: Epoch, *, trusting: bool = False) -> Generation | None:
        """The last generation of an epoch; `None` before its first commit.

        A `trusting` one does not count what the stores hold: for whoever looks at each row.

        Raises:
            CorruptIndexError: a part of it is missing or damaged.
            IndexFormatError: another version of hybridx wrote it.
        """
        missed = None
        while True:
            searcher = _core.Bm25Searcher.open(epoch.bm25)
            if searcher is None or searcher.payload is None:
                return None
            manifest = Manifest.parse(searcher.payload, epoch.bm25)
            if len(searcher) != manifest.chunks and not trusting:
                raise CorruptIndexError(
                    f"{epoch.bm25} holds {len(searcher)} chunks, not {manifest.chunks}"
                )
            path = epoch.snapshots / manifest.snapshot
            lease = _core.Lease.take(path)
            if lease is not None:
                return cls(epoch, manifest, searcher, lease)
            # Superseded just now; or gone, if it is still the last one.
            if missed == manifest:
                return cls(epoch, manifest, searcher, None)
            missed = manifest

    @cached_property
    def snapshot(self) -> _core.Snapshot:
        """What this generation holds.

        Raises:
            CorruptIndexError: the snapshot is missing or is not the one that was committed.
        """
        path = self.epoch.snapshots / self.manifest.snapshot
        loaded = _core.Snapshot.load(path)
        if loaded is None:
            raise CorruptIndexError(f"{path} is missing")
        snapshot, digest = loaded
        if digest != self.manifest.snapshot_digest:
            raise CorruptIndexError(f"{path} is not the snapshot that was committed")
        return snapshot

    def vectors(self, *, trusting: bool = False) -> VectorStore | None:
        """The vectors of this generation; `None` if it has none. `trusting` as in `of`."""
        if self.manifest.vectors_version == 0:
            return None
        from hybridx.store import VectorStore

        manifest = self.manifest
        self._check_vector_files()
        store = VectorStore(
            self.epoch.vectors, manifest.dimension, manifest.vectors_table, manifest.beyond
        )
        store.open(self.manifest.vectors_version)
        if len(store) != manifest.chunks and not trusting:
            raise CorruptIndexError(
                f"{self.epoch.vectors} holds {len(store)} vectors, not {manifest.chunks}"
            )
        return store

    def _check_vector_files(self) -> None:
        try:
            loaded = _core.Inventory.load(self.epoch.snapshots / self.manifest.snapshot)
        except CorruptIndexError:
            # By itself a damaged snapshot is no reason not to search.
            loaded = None
        if loaded and loaded[1] == self.manifest.snapshot_digest:
            _check(loaded[0], self.epoch.vectors)


@dataclass
class Writer:
    """Writes generations of one epoch. The caller holds the index's lock."""

    epoch: Epoch
    template: Manifest
    """The manifest of the generation the epoch is at (0 before the first)."""
    vector_files: _core.Inventory
    """The files of the vector store in that generation."""
    threads: int
    heap_bytes: int
    flush_rows: int
    """Vector rows that wait in memory to be written as one version."""
    indexes_vectors: bool = True
    """Whether the vectors are to have an index, once there are enough."""
    known_files: _core.Inventory | None = None
    """Those of the vector store that this process wrote, or looked at, before."""
    observer: Observer | None = None
    changed: bool = field(default=False, init=False)
    """Whether anything was added or removed since the last commit."""
    _bm25: _core.Bm25Writer = field(init=False, repr=False)
    _vectors: VectorStore = field(init=False, repr=False)
    _vectors_open: bool = field(default=False, init=False)
    _rows: list[pa.RecordBatch] = field(default_factory=list, init=False, repr=False)
    _waiting: int = field(default=0, init=False)
    _added: int = field(default=0, init=False)
    _adds: int = field(default=0, init=False)
    """Fragments that they are in."""
    _written: int = field(default=0, init=False)
    """Rows of all commits of this run."""
    _unindexed: int = field(default=0, init=False)
    """Rows that this run added."""
    _stale: list[str] = field(default_factory=list, init=False, repr=False)
    _indexing: _Indexing | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Opens the lexical store; the vector store waits until it is needed."""
        from hybridx.store import VectorStore  # a reader may do without

        self.epoch.create(first=self.template.generation == 0)
        self._bm25 = _core.Bm25Writer(
            self.epoch.bm25, threads=self.threads, heap_bytes=self.heap_bytes
        )
        self._vectors = VectorStore(
            self.epoch.vectors, self.template.dimension, self.template.vectors_table
        )

    def open_vectors(self) -> VectorStore:
        """Opens the vector store, set back to exactly what the last generation holds."""
        if not self._vectors_open:
            with operation(self.observer, "lance", "open"):
                if self.template.vectors_version:
                    _check(self.vector_files, self.epoch.vectors, self.known_files)
                self._vectors.drop_others(self._held_tables())
                self._vectors.restore(self.template.vectors_version)
            self._vectors_open = True
        return self._vectors

    def add(
        self, batch: pa.RecordBatch, vectors: NDArray[np.float32], stale: Sequence[str]
    ) -> None:
        """Adds chunks with their vectors, shape `(n, dimension)`.

        What the files named in `stale` had in earlier generations goes.
        """
        with operation(self.observer, "tantivy", "add", chunks=batch.num_rows):
            self._bm25.delete(stale)
            self._bm25.add(batch)
        self._stale.extend(stale)
        self.changed = self.changed or bool(stale) or batch.num_rows > 0
        if batch.num_rows:
            self._rows.append(self._vectors.rows(batch, vectors))
            self._waiting += batch.num_rows
        if self._waiting >= self.flush_rows:
            self._flush()
            # While the other steps are at work: the commit would wait for all of it at once.
            self._sync()
            # The allocator would keep what all steps have freed meanwhile.
            _core.release_memory()

    def remove(self, paths: Sequence[str]) -> None:
        """Deletes what earlier generations have of these files."""
        if paths:
            self._bm25.delete(paths)
            self._stale.extend(paths)
            self.changed = True

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Brings the vector store to what a small commit is to hold, beside what the caller does.

        A large one waits with it for the lexical store, which takes as long.
        """
        is_small = self._added + self._waiting < SETTLED_ROWS
        waits = bool(self._rows or self._stale)
        with self._meanwhile(self._flush if waits and is_small else None):
            yield

    def commit(self, snapshot: _core.Snapshot, *, last: bool = False) -> Manifest:
        """Makes everything since the last commit one new generation, whose record is `snapshot`.

        With the `last` commit of a run the vector store is put in order, if it is time.
        """
        # Both take the longer the more was added, and neither keeps two cores busy. Readers see
        # nothing of the segments before the commit.
        is_much = self.threads > 1 and self._added + self._waiting >= SETTLED_ROWS
        with self._meanwhile(self._flush_lexical if is_much else None):
            manifest = self._prepared(snapshot, last=last)
            due = last and self._needs_index(manifest, self._written + self._added)
            if is_much and due and self._has_room(manifest.chunks):
                # Its files come after all that the manifest names, and are named by the next one.
                _core.release_memory()
                self._indexing = _Indexing(self._vectors)
        check = partial(self._read_back, manifest) if self._vectors_open else None
        return self._published(manifest, snapshot, check=check)

    def _has_room(self, rows: int) -> bool:
        """Whether the disk has room for the vectors once more: that is more than their index takes.

        Where there is less, nothing is to be in the way of a commit.
        """
        try:
            return shutil.disk_usage(self.epoch.vectors).free > rows * self.template.dimension * 4
        except OSError:
            return False

    def _read_back(self, manifest: Manifest) -> None:
        before = self.template
        kept = before.vectors_version and manifest.vectors_table == before.vectors_table
        # Nothing was made one, or written anew.
        is_young = kept and manifest.settled == before.settled and manifest.small >= before.small
        adds = self._adds if is_young else None
        with operation(self.observer, "lance", "read back"):
            self._vectors.read_back(manifest.vectors_version, manifest.chunks, adds=adds)

    def _published(
        self, manifest: Manifest, snapshot: _core.Snapshot, *, check: Callable[[], None] | None
    ) -> Manifest:
        """Commits: what the manifest names is on the disk, but for the snapshot.

        Not unless `check` raises nothing.
        """
        path = self.epoch.snapshot(manifest.generation, manifest.vectors_table)
        with self._meanwhile(check), operation(self.observer, "snapshot", "save"):
            digest = snapshot.save(path, self.vector_files)
        manifest = dataclasses.replace(manifest, snapshot=path.name, snapshot_digest=digest)
        with operation(self.observer, "tantivy", "commit", generation=manifest.generation):
            self._bm25.commit(manifest.dump())
        self.template = manifest
        self.changed = False
        self._written += self._added
        self._added = self._adds = 0
        held = self._held_tables()
        if self._vectors_open:
            self._vectors.drop_others(held)
            if self._is_alone() and self._indexing is None:
                self._vectors.drop_stray_indexes()
        return manifest

    def _prepared(self, snapshot: _core.Snapshot, *, last: bool) -> Manifest:
        """Makes the vectors durable; the manifest of what is to be committed."""
        self._flush()
        manifest = dataclasses.replace(
            self.template,
            generation=self.template.generation + 1,
            merkle_root=snapshot.tree.root,
            chunks=snapshot.totals().chunks,
        )
        if manifest.covered:
            uncovered = manifest.uncovered + self._added
            manifest = dataclasses.replace(manifest, uncovered=uncovered)
        if self._vectors_open:
            self._sync()
            due = last and self._is_due(manifest.chunks)
            written = self._vectors.number, self._vectors.version
            with operation(self.observer, "lance", "rewrite" if due else "fold"):
                manifest = self._rewritten(manifest) if due else self._folded(manifest)
            if last and (manifest.chunks if due else self._unindexed) >= INDEXED_ROWS:
                with operation(self.observer, "lance", "index"):
                    self._vectors.index_paths()
            manifest = dataclasses.replace(manifest, vectors_version=self._vectors.version)
            if written != (self._vectors.number, self._vectors.version):
                self._sync()
        return manifest

    @contextmanager
    def _meanwhile(self, work: Callable[[], None] | None) -> Iterator[None]:
        """Does `work` in another thread, and ends when it has; before, on one core.

        Raises what `work` raises.
        """
        if work is None:
            yield
            return
        if self.threads == 1:
            work()
            yield
            return
        with ThreadPoolExecutor(1, "hybridx-commit") as executor:
            done = executor.submit(work)
            yield
            done.result()

    def _flush_lexical(self) -> None:
        with operation(self.observer, "tantivy", "flush"):
            self._bm25.flush()

    @property
    def is_index_due(self) -> bool:
        """Whether the vectors are to have an index, or a new one, after this run."""
        return self._needs_index(self.template, self._written)

    def _needs_index(self, manifest: Manifest, written: int) -> bool:
        return self.indexes_vectors and nearest.is_due(
            manifest.chunks, manifest.covered, manifest.uncovered, written
        )

    def build_index(
        self, snapshot: _core.Snapshot, cancel: _core.CancelToken | None = None
    ) -> Manifest:
        """Makes a generation of the same chunks, whose vectors have an index of all of them.

        What `snapshot` records is committed already: if this fails, or is cut short, that stays.

        Raises:
            StoreError, OSError: it cannot be built.
            Cancelled: the token was set meanwhile.
        """
        store = self.open_vectors()
        try:
            with operation(self.observer, "lance", "index"):
                if self._indexing is not None:
                    self._indexing.wait(cancel)
                else:
                    _core.release_memory()
                    store.build_index(cancel)
            self._sync()
            # The rows of fragments that it covers are not to move any more.
            manifest = self._settled(self.template)
            manifest = dataclasses.replace(manifest, vectors_version=store.version)
            self._read_back(manifest)
        except BaseException:
            self._end_indexing()
            with contextlib.suppress(StoreError, CorruptIndexError, OSError):
                store.restore(self.template.vectors_version)
                if self._is_alone():
                    store.drop_stray_indexes()
                self._sync()
            raise
        self._indexing = None
        manifest = dataclasses.replace(
            manifest,
            generation=manifest.generation + 1,
            covered=manifest.chunks,
            uncovered=0,
            beyond=manifest.settled,
        )
        return self._published(manifest, snapshot, check=None)

    def close(self) -> None:
        """Waits for the lexical store's merges."""
        with operation(self.observer, "tantivy", "merge"):
            self._bm25.close()

    def abandon(self) -> None:
        """Lets go of both stores, so that this process may open them again."""
        try:
            self._end_indexing()
        finally:
            self._bm25.abandon()

    def _end_indexing(self) -> None:
        if self._indexing is not None:
            self._indexing.end()
            self._indexing = None

    def _sync(self) -> None:
        """Makes the new files of the vector store durable, and records them."""
        with operation(self.observer, "lance", "sync"):
            self.vector_files.sync(self.epoch.vectors, rewritten=self._vectors.rewritten_files)

    def _flush(self) -> None:
        if not self._rows and not self._stale:
            return
        store = self.open_vectors()
        if self._stale and self.template.vectors_version:
            with operation(self.observer, "lance", "delete", files=len(self._stale)):
                store.delete(self._stale)
        if self._rows:
            with operation(self.observer, "lance", "add", chunks=self._waiting):
                store.add(self._rows)
            self._adds += 1
            self._added += self._waiting
            self._unindexed += self._waiting
        self._stale.clear()
        self._rows.clear()
        self._waiting = 0

    def _folded(self, manifest: Manifest) -> Manifest:
        """Makes one fragment of many small ones, so that searches open few files."""
        settled, small = manifest.settled, manifest.small
        if self._added >= SETTLED_ROWS:
            return self._settled(manifest)
        small += self._added > 0
        if small >= FOLD_EVERY:
            if self._vectors.fold(settled) >= SETTLED_ROWS:
                return self._settled(manifest)
            small = 1
        return dataclasses.replace(manifest, small=small)

    def _rewritten(self, manifest: Manifest) -> Manifest:
        """Moves to a new table, without what was deleted."""
        self._vectors = self._vectors.rewritten()
        table = self._vectors.number
        # An index is of one table; the run ends with another if it is large enough.
        fresh = dataclasses.replace(
            manifest, vectors_table=table, settled=0, covered=0, uncovered=0, beyond=0
        )
        return self._settled(fresh)

    def _settled(self, manifest: Manifest) -> Manifest:
        settled = self._vectors.next_fragment(manifest.settled)
        return dataclasses.replace(manifest, settled=settled, small=0)

    def _is_alone(self) -> bool:
        """Whether nobody reads an earlier generation any more."""
        earlier = (path.name != self.template.snapshot for path in self._snapshots())
        return not any(earlier)

    def _snapshots(self) -> Iterator[Path]:
        return self.epoch.snapshots.glob("*.*.snapshot")

    def _is_due(self, chunks: int) -> bool:
        """Whether so much of the table is superseded that writing it anew is worth it."""
        needed = chunks * row_bytes(self.template.dimension)
        needed += self.template.covered * nearest.row_bytes(self.template.dimension)
        garbage = self.vector_files.bytes - needed
        # Each older table that is still read stays as long as it is: one more must be worth more.
        bound = (needed * _GARBAGE + _SLACK) * 4 ** len(self._held_tables())
        return garbage > bound or self._vectors.version > _MANY_VERSIONS

    def _held_tables(self) -> set[int]:
        """Drops snapshots that nobody reads; the tables of earlier ones that somebody does."""
        held = set()
        for path in self._snapshots():
            if path.name != self.template.snapshot and not _core.Lease.remove_unless_held(path):
                held.add(int(path.name.split(".")[1]))
        return held - {self.template.vectors_table}


class _Indexing:
    """The building of the vectors' index, beside what else is left of a commit.

    Until it has ended nobody else is to use the open table of `store`.
    """

    def __init__(self, store: VectorStore) -> None:
        self._stop = _core.CancelToken()
        executor = ThreadPoolExecutor(1, "hybridx-index")
        self._running = executor.submit(store.build_index, self._stop)
        executor.shutdown(wait=False)

    def wait(self, cancel: _core.CancelToken | None) -> None:
        """Waits for its end, and raises what it raised; or `Cancelled`, and then it goes on."""
        nearest.wait(self._running, cancel)

    def end(self) -> None:
        """Ends it early, unless it has ended."""
        self._stop.cancel()
        concurrent.futures.wait([self._running])


def _check(files: _core.Inventory, folder: Path, known: _core.Inventory | None = None) -> None:
    """LanceDB trusts what it reads: on a wrong length it may end the process."""
    for name, detail in files.suspect(folder, known=known):
        raise CorruptIndexError(f"{folder / name} is damaged: {detail}")
