"""An update: scan, then ingest, embed and store side by side, then commit.

Three steps are joined by bounded queues: one thread reads batches of chunks from the core (whose
own threads read, chunk and analyse), one embeds them, one writes both stores. A slow step fills
its queue and so holds back the ones before it; memory does not grow with the tree. A file that
fails is a row of the report; a step that fails ends the run, and everything committed so far is
kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from hybridx import _core
from hybridx.commit import Generation, Manifest, Writer, discard
from hybridx.errors import Cancelled, IndexBusyError, TooManyErrorsError
from hybridx.store import STORE_VERSION
from hybridx.types import (
    ChunkCounts,
    FileCounts,
    FileError,
    IndexReport,
    Progress,
    StageSeconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from hybridx.config import Settings
    from hybridx.embed.embedder import Embedder
    from hybridx.embed.model import Model
    from hybridx.layout import Epoch, Layout
    from hybridx.types import ProgressCallback

_T = TypeVar("_T")

_QUEUE = 3
"""Batches that may wait between two steps."""

_COMMIT_SECONDS = 60.0
"""A run that is slow (a transformer on a CPU) commits at least this often."""

_PROGRESS_SECONDS = 0.1


@dataclass(frozen=True)
class Request:
    """What an update is asked for."""

    full: bool = False
    """Build everything anew beside what is there, then switch."""
    paths: Collection[str] | None = None
    """Only these files and folders; everything if `None`."""
    sequential: bool = False
    """One step at a time, one thread: the same result, for debugging."""


def fingerprint(model: Model) -> str:
    """A digest of everything that decides what is stored for a given text."""
    parts = {**_core.versions(), "store": STORE_VERSION, "model": model.fingerprint}
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass
class _Batch:
    """Chunks of some files on their way to the stores."""

    source: _core.IngestBatch
    rows: pa.RecordBatch
    vectors: NDArray[np.float32]
    stale: list[str]
    failed: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Update:
    """One run over one index."""

    layout: Layout
    settings: Settings
    model: Model
    request: Request
    progress: ProgressCallback | None = None
    cancel: _core.CancelToken = field(default_factory=_core.CancelToken)

    def __post_init__(self) -> None:
        """Starts the clocks."""
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self._embedder: Embedder | None = None
        self._base: Generation | None = None
        self._kinds: dict[str, str] = {}
        self._origins: dict[str, str] = {}
        self._errors: list[FileError] = []
        self._added = self._embedded = self._reused = 0
        self._files_done = self._bytes_read = 0
        self._files_total: int | None = None
        self._told = 0.0

    async def run(self) -> IndexReport:
        """Runs the update.

        Raises:
            IndexBusyError: another process holds the lock for longer than `lock_timeout`.
            Cancelled: the cancel token was set. What was committed is kept.
            TooManyErrorsError, ModelError, StoreError, OSError: as they say.
        """
        self.layout.create()
        with ThreadPoolExecutor(1, "hybridx-main") as executor:
            lock = await _call(executor, self._lock)
            try:
                return await self._locked(executor)
            finally:
                lock.release()

    def _lock(self) -> _core.Lock:
        timeout = self.settings.lock_timeout
        lock = _core.Lock.acquire(self.layout.lock, timeout=timeout, cancel=self.cancel)
        if lock is None:
            holder = _core.Lock.holder(self.layout.lock)
            who = "another process"
            if holder:
                since = time.strftime("%H:%M:%S", time.localtime(holder[1]))
                who = f"process {holder[0]} (since {since})"
            raise IndexBusyError(
                f"the index of {self.layout.root} is being written by {who}; "
                f"waited {timeout:g} s (--lock-timeout)"
            )
        return lock

    async def _locked(self, executor: ThreadPoolExecutor) -> IndexReport:
        self._tell("scan", force=True)
        with self._timed("scan"):
            scan = await _call(executor, self._scan)
        epoch, base = await _call(executor, self._choose_epoch)
        self._base = base
        snapshot = base.snapshot if base else _core.Snapshot()
        changes = self._select(scan.tree.diff(snapshot.tree))
        draft = _core.Draft(snapshot)
        draft.skip(scan)
        nothing = (
            base is not None
            and not any((changes.added, changes.modified, changes.removed, changes.moved))
            and not self.request.full
            and draft.finish().same_ledger(snapshot)
        )
        manifest = base.manifest if base else self._first_manifest()
        if not nothing:
            manifest, snapshot = await self._write(epoch, manifest, changes, draft)
        if self.layout.current() != epoch:
            self.layout.switch(epoch)
        if scan.cache_changed:
            scan.cache.save(self.layout.stat_cache)
        return self._report(scan, snapshot, manifest, changes, base)

    def _scan(self) -> _core.Scan:
        settings = self.settings
        return _core.scan(
            self.layout.root,
            jobs=1 if self.request.sequential else settings.jobs,
            max_file_bytes=settings.max_file_bytes,
            exclude=[self.layout.folder],
            default_excludes=settings.default_excludes,
            clock_folder=self.layout.folder,
            cache=_core.StatCache.load(self.layout.stat_cache),
            cancel=self.cancel,
        )

    def _choose_epoch(self) -> tuple[Epoch, Generation | None]:
        """The epoch to write and the generation it is at.

        One whose fingerprint is not the current one's is built beside it, and resumed if an
        earlier run did not finish it.
        """
        wanted = self.layout.epoch(fingerprint(self.model))
        current = self.layout.current()
        if self.request.full:
            if current and current.folder.name.startswith(wanted.folder.name):
                twin = replace(wanted, folder=wanted.folder.with_name(wanted.folder.name + "-b"))
                wanted = twin if current == wanted else wanted
            discard(wanted)
            return wanted, None
        if current and current.folder.name == wanted.folder.name + "-b":
            wanted = current
        if current == wanted:
            self.layout.drop_other_epochs(wanted)
        return wanted, Generation.of(wanted)

    def _first_manifest(self) -> Manifest:
        return Manifest(
            generation=0,
            vectors_version=0,
            snapshot="",
            snapshot_digest="",
            merkle_root="",
            fingerprint=fingerprint(self.model),
            model=self.model.name,
            model_source=self.model.source,
            model_fingerprint=self.model.fingerprint,
            dimension=self.model.dimension,
        )

    def _select(self, changes: _core.Changes) -> _Selected:
        """The changes that were asked for."""
        selected = _Selected.of(changes, self.request.paths)
        self._kinds.update(dict.fromkeys(selected.added, "added"))
        self._kinds.update(dict.fromkeys(selected.modified, "modified"))
        self._kinds.update({new: "moved" for _, new in selected.moved})
        self._origins = {path: path for path in selected.modified}
        self._origins.update({new: old for old, new in selected.moved})
        self._files_total = len(self._kinds)
        return selected

    async def _write(
        self, epoch: Epoch, manifest: Manifest, changes: _Selected, draft: _core.Draft
    ) -> tuple[Manifest, _core.Snapshot]:
        """Brings both stores to the selected changes and commits."""
        jobs = 1 if self.request.sequential else self.settings.jobs or _cores()
        writer = Writer(
            self.layout, epoch, manifest, threads=min(jobs, 4), heap_bytes=_heap(self.settings)
        )
        writer.remove(changes.removed)
        draft.remove(changes.removed)
        run = _Run(self, writer, draft)
        if self._kinds:
            stream = _core.ingest(
                self.layout.root,
                sorted(self._kinds),
                jobs=jobs,
                max_file_bytes=self.settings.max_file_bytes,
                cancel=self.cancel,
            )
            try:
                await (run.sequentially(stream) if self.request.sequential else run.side_by_side(stream))
            finally:
                stream.close()
        self._tell("commit", force=True)
        result = await asyncio.to_thread(run.commit)
        with self._timed("commit"):
            await asyncio.to_thread(writer.close)
        return result

    def embed(self, source: _core.IngestBatch) -> _Batch:
        """Embeds one batch, except chunks whose text the base generation has a vector of."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        rows = pa.record_batch(source)
        stale = [self._origins[path] for path in source.paths if path in self._origins]
        known = self._known(stale)
        skip: NDArray[np.bool_] | None = None
        if known:
            digests = rows.column("text_digest").to_pylist()
            skip = np.fromiter((digest in known for digest in digests), np.bool_, len(digests))
        if skip is not None and skip.all():
            vectors = np.zeros((rows.num_rows, self.model.dimension), dtype=np.float32)
            batch = _Batch(source, rows, vectors, stale)
        else:
            embedded = self._load_embedder().embed(rows, skip)
            batch = _Batch(source, rows, embedded.vectors, stale)
            self._drop_failed(batch, embedded.failed)
        if skip is not None:
            for at in np.flatnonzero(skip):
                batch.vectors[at] = known[digests[at]]
            self._reused += int(skip.sum())
        self._embedded += rows.num_rows - (0 if skip is None else int(skip.sum()))
        return batch

    def _known(self, stale: Sequence[str]) -> dict[bytes, NDArray[np.float32]]:
        store = self._base.vectors() if stale and self._base else None
        return store.vectors_of(stale) if store else {}

    def _drop_failed(self, batch: _Batch, failed: dict[int, str]) -> None:
        """Leaves out every chunk of a file of which one chunk failed: a file is whole or absent."""
        if not failed:
            return
        import numpy as np  # noqa: PLC0415

        paths = batch.rows.column("path").to_pylist()
        reasons = {paths[row]: message for row, message in failed.items()}
        batch.failed = [(path, "embed", message) for path, message in sorted(reasons.items())]
        keep = np.fromiter((path not in reasons for path in paths), np.bool_, len(paths))
        batch.rows = batch.rows.filter(keep)
        batch.vectors = batch.vectors[keep]

    def _load_embedder(self) -> Embedder:
        if self._embedder is None:
            from hybridx.embed.embedder import Embedder  # noqa: PLC0415 - loads ONNX Runtime

            settings = self.settings
            self._embedder = Embedder(
                self.model,
                device=settings.device,
                require_gpu=settings.require_gpu,
                jobs=settings.jobs or _cores(),
            )
            if self._embedder.session.note:
                print(f"hybridx: {self._embedder.session.note}", file=sys.stderr)  # noqa: T201
        return self._embedder

    def recorded(self, batch: _Batch) -> None:
        """Counts a batch that was written; stops a hopeless run."""
        for path, stage, message in [*batch.source.failed, *batch.failed]:
            self._errors.append(FileError(path, stage, message))
            self._kinds[path] = "failed"
        for path in batch.source.skipped:
            self._kinds[path] = "skipped"
        self._added += batch.rows.num_rows
        self._files_done += len(batch.source.paths)
        self._bytes_read += batch.source.bytes
        self._tell("index")
        limit = self.settings.max_errors
        if limit is not None and len(self._errors) > limit:
            last = self._errors[-1]
            raise TooManyErrorsError(
                f"more than {limit} files failed (--max-errors); the last one: "
                f"{last.path}: {last.stage}: {last.message}"
            )

    def _tell(self, stage: str, *, force: bool = False) -> None:
        now = time.perf_counter()
        if self.progress and (force or now - self._told >= _PROGRESS_SECONDS):
            self._told = now
            self.progress(
                Progress(
                    stage=stage,
                    files_done=self._files_done,
                    files_total=self._files_total,
                    bytes_done=self._bytes_read,
                    chunks_done=self._added,
                    chunks_embedded=self._embedded,
                    seconds=now - self._start,
                )
            )

    def _timed(self, stage: str) -> _Timer:
        return _Timer(self._seconds, stage)

    def _report(
        self,
        scan: _core.Scan,
        snapshot: _core.Snapshot,
        manifest: Manifest,
        changes: _Selected,
        base: Generation | None,
    ) -> IndexReport:
        kinds = list(self._kinds.values())
        counts = {kind: kinds.count(kind) for kind in ("added", "modified", "moved", "failed")}
        seen = len(scan.tree) + len(scan.skipped)
        # Files that turned out to be no text, or went away, between the scan and the read.
        late = kinds.count("skipped")
        skipped = len(scan.skipped) + late
        total = snapshot.totals().chunks
        before = base.snapshot.totals().chunks if base else 0
        if self._embedder:
            self._seconds["tokenize"] = self._embedder.tokenize_seconds
            self._seconds["embed"] = self._embedder.embed_seconds
        self._seconds["total"] = time.perf_counter() - self._start
        return IndexReport(
            root=str(self.layout.root),
            generation=manifest.generation,
            merkle_root=manifest.merkle_root,
            model=self.model.name,
            device=self._embedder.session.device if self._embedder else "none",
            files=FileCounts(
                seen=seen,
                removed=len(changes.removed),
                unchanged=seen - skipped - sum(counts.values()),
                skipped=skipped,
                **counts,
            ),
            chunks=ChunkCounts(
                added=self._added,
                removed=before + self._added - total,
                total=total,
                embedded=self._embedded,
                reused_vectors=self._reused,
            ),
            errors=tuple(self._errors),
            bytes_read=self._bytes_read + scan.bytes_hashed,
            peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            seconds=StageSeconds(**{k: round(v, 4) for k, v in self._seconds.items()}),
        )


@dataclass
class _Selected:
    """Changes, restricted to what was asked for."""

    added: list[str]
    modified: list[str]
    removed: list[str]
    moved: list[tuple[str, str]]

    @classmethod
    def of(cls, changes: _core.Changes, only: Collection[str] | None) -> _Selected:
        added, modified, removed = changes.added, changes.modified, changes.removed
        moved = changes.moved
        if only is None:
            return cls(added, modified, removed, moved)

        def asked(path: str) -> bool:
            while path:
                if path in only:
                    return True
                path = path.rpartition("/")[0]
            return False

        # Half a move is an addition or a removal.
        added = added + [new for old, new in moved if not asked(old)]
        removed = removed + [old for old, new in moved if not asked(new)]
        return cls(
            [path for path in added if asked(path)],
            [path for path in modified if asked(path)],
            [path for path in removed if asked(path)],
            [(old, new) for old, new in moved if asked(old) and asked(new)],
        )


class _Run:
    """Batches through the steps, and the commits on the way."""

    def __init__(self, update: Update, writer: Writer, draft: _core.Draft) -> None:
        self.update = update
        self.writer = writer
        self.draft = draft
        self._since = time.perf_counter()
        self._files = 0

    async def sequentially(self, stream: _core.IngestStream) -> None:
        """One step at a time."""
        update = self.update
        while True:
            with update._timed("ingest"):  # noqa: SLF001 - one class in two
                source = next(stream, None)
            if source is None:
                return
            self._store(update.embed(source))

    async def side_by_side(self, stream: _core.IngestStream) -> None:
        """Three steps at once, each in its own thread, joined by bounded queues."""
        ingested: asyncio.Queue[_core.IngestBatch | None] = asyncio.Queue(_QUEUE)
        embedded: asyncio.Queue[_Batch | None] = asyncio.Queue(_QUEUE)
        with (
            ThreadPoolExecutor(1, "hybridx-read") as reading,
            ThreadPoolExecutor(1, "hybridx-embed") as embedding,
            ThreadPoolExecutor(1, "hybridx-write") as writing,
        ):
            try:
                async with asyncio.TaskGroup() as group:
                    # Loading LanceDB takes a second that the first batches can use.
                    group.create_task(_call(writing, self.writer.open_vectors))
                    group.create_task(self._read(stream, ingested, reading))
                    group.create_task(self._embed(ingested, embedded, embedding))
                    group.create_task(self._write(embedded, writing))
            except BaseExceptionGroup as group_error:
                # A thread that waits for the core's next batch must not outlive the run.
                stream.close()
                raise _first(group_error) from group_error

    async def _read(
        self,
        stream: _core.IngestStream,
        ingested: asyncio.Queue[_core.IngestBatch | None],
        executor: ThreadPoolExecutor,
    ) -> None:
        while True:
            with self.update._timed("ingest"):  # noqa: SLF001
                source = await _call(executor, lambda: next(stream, None))
            await ingested.put(source)
            if source is None:
                return

    async def _embed(
        self,
        ingested: asyncio.Queue[_core.IngestBatch | None],
        embedded: asyncio.Queue[_Batch | None],
        executor: ThreadPoolExecutor,
    ) -> None:
        while (source := await ingested.get()) is not None:
            await embedded.put(await _call(executor, self.update.embed, source))
        await embedded.put(None)

    async def _write(
        self, embedded: asyncio.Queue[_Batch | None], executor: ThreadPoolExecutor
    ) -> None:
        while (batch := await embedded.get()) is not None:
            await _call(executor, self._store, batch)

    def _store(self, batch: _Batch) -> None:
        update = self.update
        with update._timed("store"):  # noqa: SLF001
            self.writer.add(batch.rows, batch.vectors, batch.stale)
            self.draft.remove(batch.stale)
            self.draft.record(batch.source, batch.failed)
        update.recorded(batch)
        self._files += len(batch.source.paths)
        waited = time.perf_counter() - self._since
        if self._files >= update.settings.commit_files or waited >= _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> tuple[Manifest, _core.Snapshot]:
        """Makes everything so far a generation."""
        update = self.update
        if update.cancel.cancelled:
            raise Cancelled("cancelled")
        with update._timed("commit"):  # noqa: SLF001
            snapshot = self.draft.finish()
            manifest = self.writer.commit(snapshot)
            if update.layout.current() is None:
                # A first build can be searched as it grows.
                update.layout.switch(self.writer.epoch)
        self._since, self._files = time.perf_counter(), 0
        return manifest, snapshot


class _Timer:
    """Adds the wall time of its block to a stage."""

    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self.seconds, self.stage = seconds, stage

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = time.perf_counter() - self.start
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + spent


async def _call(executor: ThreadPoolExecutor, function: Callable[..., _T], *args: Any) -> _T:
    return await asyncio.get_running_loop().run_in_executor(executor, function, *args)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the run; what it tore down with it says nothing more."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _cores() -> int:
    import os  # noqa: PLC0415

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _heap(settings: Settings) -> int:
    """Bytes for the lexical writer: an eighth of the budget, 256 MiB where none is set."""
    limit = settings.memory_limit_mb
    return 256 << 20 if limit is None else max(30 << 20, (limit << 20) // 8)
