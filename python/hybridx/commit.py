"""One generation over two stores and a snapshot.

The one atomic point is the commit of the lexical store: its payload is the manifest, which names
the version of the vector store and the snapshot that belong to it. Both are durable before it.

    1. write the vectors, arriving at version n; make the new files durable
    2. write the snapshot of generation g, durably
    3. commit the lexical store with the manifest {g, n, snapshot, ...}: the switch

A reader opens the lexical store, reads the manifest of the very commit it holds and opens the
vectors at version n. A writer that finds the vectors beyond n (a run was torn before step 3)
goes back to n first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.errors import CorruptIndexError, IndexFormatError
from hybridx.store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from hybridx.layout import Epoch, Layout

MANIFEST_FORMAT = 1

FLUSH_ROWS = 32_768
"""Vector rows that wait in memory to be written as one version: 32 MiB at 256 dimensions."""

COMPACT_EVERY = 20
"""Generations between compactions of the vector store."""

_KEPT_SECONDS = 3600
"""Snapshots of superseded generations stay this long: readers may still hold them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation consists of: the payload of its commit."""

    generation: int
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
    format: int = MANIFEST_FORMAT

    @classmethod
    def parse(cls, payload: str, where: Path) -> Manifest:
        """Reads a payload.

        Raises:
            CorruptIndexError: it is no manifest.
            IndexFormatError: it is a manifest of another format.
        """
        try:
            values = json.loads(payload)
            found = values["format"]
            if found != MANIFEST_FORMAT:
                raise IndexFormatError(
                    f"{where} has format {found}, this version reads {MANIFEST_FORMAT}"
                )
            return cls(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptIndexError(f"{where}: its commit carries no manifest: {error}") from error

    def dump(self) -> str:
        """The payload."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))


@dataclass
class Generation:
    """A whole generation, open for reading; it stays what it is whatever is committed later."""

    epoch: Epoch
    manifest: Manifest
    searcher: _core.Bm25Searcher

    @classmethod
    def current(cls, layout: Layout) -> Generation | None:
        """The generation that readers see; `None` if there is none yet."""
        for attempt in range(5):
            epoch = layout.current()
            if epoch is None:
                return None
            try:
                return cls.of(epoch)
            except Exception:
                # The epoch may have been superseded and removed while it was being opened.
                if attempt == 4 or layout.current() == epoch:  # noqa: PLR2004
                    raise
                time.sleep(0.01)
        return None

    @classmethod
    def of(cls, epoch: Epoch) -> Generation | None:
        """The last generation of an epoch; `None` before its first commit."""
        searcher = _core.Bm25Searcher.open(epoch.bm25)
        if searcher is None or searcher.payload is None:
            return None
        return cls(epoch, Manifest.parse(searcher.payload, epoch.bm25), searcher)

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

    def vectors(self) -> VectorStore | None:
        """The vectors of this generation; `None` if it has none."""
        if self.manifest.vectors_version == 0:
            return None
        store = VectorStore(self.epoch.vectors, self.manifest.dimension)
        store.open(self.manifest.vectors_version)
        return store


@dataclass
class Writer:
    """Writes generations of one epoch. The caller holds the index's lock."""

    epoch: Epoch
    template: Manifest
    """The manifest of the generation the epoch is at (0 before the first)."""
    threads: int
    heap_bytes: int
    generation: int = field(init=False)
    _bm25: _core.Bm25Writer = field(init=False, repr=False)
    _vectors: VectorStore = field(init=False, repr=False)
    _vectors_open: bool = field(default=False, init=False)
    _rows: list[pa.RecordBatch] = field(default_factory=list, init=False, repr=False)
    _stale: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        """Opens the lexical store; the vector store waits until it is needed."""
        self.epoch.create(first=self.template.generation == 0)
        self.generation = self.template.generation
        self._bm25 = _core.Bm25Writer(
            self.epoch.bm25, threads=self.threads, heap_bytes=self.heap_bytes
        )
        self._vectors = VectorStore(self.epoch.vectors, self.template.dimension)
        self._synced = _core.SyncedFolder(self.epoch.vectors)

    def open_vectors(self) -> VectorStore:
        """Opens the vector store, set back to exactly what the last generation holds."""
        if not self._vectors_open:
            self._vectors.restore(self.template.vectors_version)
            self._vectors_open = True
        return self._vectors

    def add(
        self, batch: pa.RecordBatch, vectors: NDArray[np.float32], stale: Sequence[str]
    ) -> None:
        """Adds chunks with their vectors, shape `(n, dimension)`.

        What the files named in `stale` had in earlier generations goes.
        """
        self._bm25.delete(stale)
        self._bm25.add(batch)
        self._stale.extend(stale)
        if batch.num_rows:
            self._rows.append(self._vectors.rows(batch, vectors))
        if sum(rows.num_rows for rows in self._rows) >= FLUSH_ROWS:
            self._flush()

    def remove(self, paths: Sequence[str]) -> None:
        """Deletes what earlier generations have of these files."""
        if paths:
            self._bm25.delete(paths)
            self._stale.extend(paths)

    def commit(self, snapshot: _core.Snapshot) -> Manifest:
        """Makes everything since the last commit one new generation, whose record is `snapshot`."""
        self._flush()
        version = self.template.vectors_version
        generation = self.generation + 1
        tidy = self._vectors_open and generation % COMPACT_EVERY == 0
        if self._vectors_open:
            if tidy:
                self._vectors.compact()
            version = self._vectors.version
            self._synced.sync()
        path = self.epoch.snapshot(generation)
        digest = snapshot.save(path)
        manifest = dataclasses.replace(
            self.template,
            generation=generation,
            vectors_version=version,
            snapshot=path.name,
            snapshot_digest=digest,
            merkle_root=snapshot.tree.root,
        )
        self._bm25.commit(manifest.dump())
        self.generation = generation
        self.template = manifest
        self._drop_old_snapshots()
        if tidy:
            self._vectors.drop_old_versions()
        return manifest

    def close(self) -> None:
        """Waits for the lexical store's merges."""
        self._bm25.close()

    def abandon(self) -> None:
        """Lets go of the lexical store, so that this process may open it again."""
        self._bm25.abandon()

    def _flush(self) -> None:
        if not self._rows and not self._stale:
            return
        store = self.open_vectors()
        if self._stale and self.template.vectors_version:
            store.delete(self._stale)
        if self._rows:
            store.add(self._rows)
        self._stale.clear()
        self._rows.clear()

    def _drop_old_snapshots(self) -> None:
        """Keeps this generation's, the one before, and any that a reader may still hold."""
        keep = {self.epoch.snapshot(n).name for n in (self.generation, self.generation - 1)}
        old = time.time() - _KEPT_SECONDS
        for path in self.epoch.snapshots.iterdir():
            with contextlib.suppress(OSError):
                if path.name not in keep and path.stat().st_mtime < old:
                    path.unlink()
