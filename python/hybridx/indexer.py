"""An update: scan, diff, then ingest, embed and store side by side, then commit."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.commit import MANIFEST_FORMAT, STORE_VERSION, Generation, Manifest, Writer
from hybridx.config import MIB
from hybridx.errors import HybridxError, ModelError
from hybridx.kept import Kept
from hybridx.layout import Epoch, Pending
from hybridx.observe import watched
from hybridx.pipeline import TRANSFORMER_BATCH_BYTES, call, sequentially, side_by_side
from hybridx.scan import scan_tree, size_of
from hybridx.selection import Selection
from hybridx.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hybridx.config import Settings
    from hybridx.embed.cache import VectorCache
    from hybridx.embed.model import Model
    from hybridx.layout import Layout
    from hybridx.observer import Observer
    from hybridx.report import IndexReport, OnFiles, ProgressCallback
    from hybridx.stages import EmbedStep, StoreStep


@dataclass(frozen=True)
class Request:
    """What an update is asked for."""

    full: bool = False
    """Build everything anew beside what is there, then switch."""
    paths: Collection[str] | None = None
    """Only these files and folders; everything if `None`."""
    sequential: bool = False
    """One step at a time, on one core: the same result, for debugging."""
    mend: Collection[str] = ()
    """Files whose rows in the stores are wrong: what is there goes, and is made anew."""
    repair: bool = False
    """The index is to be what it was: with the model that it has, whatever is configured."""
    on_files: OnFiles | None = None
    """Told of every file that is stored. While it does not return, nothing is."""
    serving: bool = False
    """What serves is to be kept up to date; hours of work for a slow model are begun by others."""


_FEW_PATHS = 200
"""More are found sooner by a scan of everything: to each of them all folders above are listed."""


class SupersededError(HybridxError):
    """Another epoch serves than the one for whose sake the model was chosen."""


def fingerprint(model: Model, settings: Settings) -> str:
    """A digest of everything that decides what is stored for a given text."""
    return fingerprint_with(model.fingerprint, settings)


def fingerprint_with(model_fingerprint: str, settings: Settings) -> str:
    """The same of a model that need not be there any more."""
    parts = {
        **_core.versions(),
        "manifest": MANIFEST_FORMAT,
        "store": STORE_VERSION,
        "model": model_fingerprint,
        "secrets": [settings.redact_secrets, settings.secrets_allow],
    }
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def embedding_fingerprint(model: Model) -> str:
    """A digest of everything that decides what a text's vector is."""
    versions = _core.versions()
    # A transformer has a tokenizer of its own.
    terms = f" analyzer {versions['analyzer']}" if model.terms else ""
    return f"{model.fingerprint} embed {versions['embed']}{terms}"


@dataclass
class Update:
    """One run over one index."""

    layout: Layout
    settings: Settings
    model: Model
    request: Request
    progress: ProgressCallback | None = None
    cancel: _core.CancelToken = field(default_factory=_core.CancelToken)
    expected: tuple[Epoch | None] | None = None
    """The epoch for whose sake the model was chosen: another one may want another model. `None` if
    the model was chosen for its own sake."""
    is_last: bool = True
    """Whether the work is done with it: it may be the first of several passes."""
    observer: Observer | None = None
    kept: Kept = field(default_factory=Kept)

    async def run(self) -> IndexReport:
        """Runs the update.

        Raises:
            IndexBusyError: another process holds the lock for longer than `lock_timeout`.
            Cancelled: the cancel token was set. What was committed is kept.
            SupersededError: another epoch serves than the one expected. Nothing was changed.
            TooManyErrorsError, ModelError, StoreError, OSError: as they say; likewise.
        """
        _core.map_large_blocks()
        self.layout.create()
        lock: _core.Lock | None = None
        executor = ThreadPoolExecutor(1, "hybridx-main")
        try:
            timeout = self.settings.lock_timeout
            lock = await call(executor, self._take_lock, timeout)
            # The folder may have been removed by whoever held the lock before.
            self.layout.create()
            self.layout.tidy()
            return await self._locked(executor)
        except asyncio.CancelledError:
            # A cancelled task leaves its threads running; they only heed the token.
            self.cancel.cancel()
            raise
        finally:
            # Not before the last thread has ended: it may be writing.
            executor.shutdown()
            if lock:
                lock.release()

    async def fill(self, name: str) -> Plan:
        """Brings an epoch that does not serve to the tree; what there was to do.

        The writer's lock is held only while the tree is scanned: others may write the epoch that
        serves, since this writes another one. The caller holds the lock `filling`; `name` is what
        the setting `model` must be to go on. Raises as `run` does.
        """
        _core.map_large_blocks()
        executor = ThreadPoolExecutor(1, "hybridx-main")
        try:
            timeout = self.settings.lock_timeout
            lock = await call(executor, self._take_lock, timeout)
            try:
                self.layout.create()
                self.layout.tidy()
                work = await self._plan(executor)
                self.layout.begin_upgrade(Pending(work.epoch, self.model.name, name))
            finally:
                lock.release()
            await self._carry_out(executor, work)
            return work
        except asyncio.CancelledError:
            self.cancel.cancel()
            raise
        finally:
            executor.shutdown()

    async def _locked(self, executor: ThreadPoolExecutor) -> IndexReport:
        work = await self._plan(executor)
        manifest, after = await self._carry_out(executor, work)
        self._check_replacement(work.epoch, after)
        self._make_current(work.epoch)
        scan = work.scan
        # A cache: without it the next scan reads every file.
        with contextlib.suppress(OSError):
            await call(executor, self.kept.save, scan, self.layout)
        if self.is_last:
            work.tally.tell("done", force=True)
        chunks = work.before.totals().chunks
        return work.tally.report(self.layout.root, scan, manifest, chunks, after.totals())

    async def _plan(self, executor: ThreadPoolExecutor) -> Plan:
        """Scans the tree, and says what there is to do in which epoch."""
        tally = Tally(self.progress, self.settings.max_errors, self.observer)
        tally.tell("scan", force=True)

        def scan_timed(only: Collection[str] | None) -> _core.Scan:
            with tally.timed("scan") as span:
                scan = self._scan(only)
                span.note(files=len(scan.tree))
            return scan

        looked_at = self._looked_at()
        scan = await call(executor, scan_timed, looked_at)
        if self.expected is not None and self.layout.current() != self.expected[0]:
            raise SupersededError(f"the index of {self.layout.root} has another model meanwhile")
        epoch, base = await call(executor, self._chosen_epoch)
        before = base.snapshot if base else _core.Snapshot()
        # An epoch that is to replace another must hold all that the other holds.
        replaces = self.layout.current() not in (None, epoch)
        only = None if replaces else self.request.paths
        if looked_at is not None and (replaces or base is None):
            scan = await call(executor, scan_timed, None)
        changes = Selection.of(scan.tree.diff(before.tree), only)
        draft = _core.Draft(before)
        # Failures that are not asked for stay what they are.
        left = [row for row in before.failed if row[0] in scan.tree and row[0] not in changes]
        draft.fail(left)
        changes = changes.sparing([path for path, why, _ in scan.skipped if why == "busy"])
        if self.request.mend:
            changes = changes.mending(self.request.mend, scan.tree)
        draft.remove(changes.removed)
        draft.skip(scan)
        manifest = base.manifest if base else self._first_manifest()
        # The same model may lie elsewhere than when the index was made.
        manifest = dataclasses.replace(
            manifest,
            model=self.model.name,
            model_source=self.model.source,
            model_folder=self.model.reference,
        )
        return Plan(epoch, base, before, manifest, scan, changes, draft, tally)

    async def _carry_out(
        self, executor: ThreadPoolExecutor, work: Plan
    ) -> tuple[Manifest, _core.Snapshot]:
        if work.is_due:
            return await self._write(executor, work)
        return work.manifest, work.before

    def _take_lock(self, timeout: float) -> _core.Lock:
        with watched(self.observer, "lock", "wait for the lock"):
            return self.layout.take_lock(timeout, self.cancel)

    def _looked_at(self) -> Collection[str] | None:
        """The files and folders that a scan may be about; `None` if it is about everything."""
        paths, current = self.request.paths, self.layout.current()
        if paths is None or self.request.full or self.request.mend or len(paths) > _FEW_PATHS:
            return None
        wanted = self.layout.epoch(fingerprint(self.model, self.settings))
        return paths if current is not None and current.is_twin_of(wanted) else None

    def _scan(self, only: Collection[str] | None) -> _core.Scan:
        return scan_tree(
            self.layout,
            self.settings,
            jobs=self._jobs,
            clock_folder=self.layout.folder,
            besides=self.observer.paths if self.observer else (),
            cache=self.kept.stat_cache(self.layout),
            only=only,
            cancel=self.cancel,
        )

    def _chosen_epoch(self) -> tuple[Epoch, Generation | None]:
        with watched(self.observer, "plan", "open the last generation"):
            return self._choose_epoch()

    def _choose_epoch(self) -> tuple[Epoch, Generation | None]:
        """The epoch to write and the generation it is at.

        One whose fingerprint is not the current one's is built beside it, and resumed if an
        earlier run did not finish it.
        """
        wanted = self.layout.epoch(fingerprint(self.model, self.settings))
        current = self.layout.current()
        free = (each for each in wanted.twins() if each != current and each.discard())
        if self.request.full:
            return next(free), None
        if current and current.is_twin_of(wanted):
            wanted = current
        if current is None:
            # The pointer may be lost; what it pointed to, or is being built, is there.
            wanted = max(self.layout.twins_of(wanted), key=Epoch.made, default=wanted)
        if current == wanted:
            self.layout.drop_other_epochs(wanted)
        base = Generation.of(wanted, trusting=bool(self.request.mend))
        if base:
            self.kept.lend(base)
        if base and not base.lease and current != wanted:
            # It was being removed, and that was cut short.
            return next(free), None
        return wanted, base

    def _first_manifest(self) -> Manifest:
        return Manifest(
            generation=0,
            vectors_table=1,
            vectors_version=0,
            snapshot="",
            snapshot_digest="",
            merkle_root="",
            fingerprint=fingerprint(self.model, self.settings),
            build=secrets.token_hex(8),
            model=self.model.name,
            model_source=self.model.source,
            model_folder=self.model.reference,
            model_fingerprint=self.model.fingerprint,
            dimension=self.model.dimension,
        )

    async def _write(
        self, executor: ThreadPoolExecutor, work: Plan
    ) -> tuple[Manifest, _core.Snapshot]:
        """Brings both stores to the changes and commits."""
        if self.request.sequential:
            return await call(executor, self._write_sequentially, work)
        stream, embed, store = await call(executor, self._start, work)
        with _closing(stream, embed, store):
            await call(executor, self._tell_removed, work, store)
            # Files may only have gone, or been skipped: then there is nothing to embed.
            if work.tally.expected:
                await side_by_side(stream, embed, store)
            return await call(executor, self._finish, work, embed, store)

    def _write_sequentially(self, work: Plan) -> tuple[Manifest, _core.Snapshot]:
        with one_core():
            stream, embed, store = self._start(work)
            with _closing(stream, embed, store):
                self._tell_removed(work, store)
                sequentially(stream, embed, store)
                return self._finish(work, embed, store)

    def _start(self, work: Plan) -> tuple[_core.IngestStream, EmbedStep, StoreStep]:
        """Opens the stores and starts the core's threads."""
        with watched(self.observer, "plan", "open the stores"):
            return self._opened(work)

    def _opened(self, work: Plan) -> tuple[_core.IngestStream, EmbedStep, StoreStep]:
        from hybridx.budget import Budget
        from hybridx.outcomes import outcomes
        from hybridx.stages import EmbedStep, StoreStep

        changes, tally, jobs, before = work.changes, work.tally, self._jobs, work.before
        budget = Budget.of(self.settings.memory_limit_mb, self.model.dimension)
        writer = Writer(
            work.epoch,
            work.manifest,
            before.vector_files,
            threads=min(jobs, 4),
            heap_bytes=budget.heap_bytes,
            flush_rows=budget.flush_rows,
            indexes_vectors=self.settings.vector_index == "auto",
            observer=self.observer,
            known_files=self.kept.files,
        )
        writer.changed = work.names_another_model
        writer.remove(changes.removed)
        tally.removed = len(changes.removed)
        tally.expect("added", changes.added)
        tally.expect("modified", changes.modified)
        moved = [new for _, new in changes.moved]
        tally.expect("moved", moved)
        origins = {path: path for path in changes.modified}
        origins.update({new: old for old, new in changes.moved})

        def on_commit() -> None:
            # A first build can be searched as it grows.
            if self.layout.current() is None:
                self.layout.switch(work.epoch)

        settings = self.settings
        stream = _core.ingest(
            self.layout.root,
            sorted([*changes.added, *changes.modified, *moved]),
            jobs=jobs,
            max_file_bytes=settings.max_file_bytes,
            batch_bytes=MIB if self.model.terms else TRANSFORMER_BATCH_BYTES,
            queue=budget.queue,
            memory_bytes=budget.ingest_bytes,
            redact_secrets=settings.redact_secrets,
            secrets_allow=settings.secrets_allow,
            spans=self.observer is not None,
            cancel=self.cancel,
        )
        if tally.progress is not None:
            # The core's threads are at work meanwhile.
            paths = itertools.chain(changes.added, changes.modified, moved)
            tally.bytes_expected = size_of(self.layout.root, paths)
        mend = self.request.mend
        cache = self._vector_cache()
        embed = EmbedStep(
            self.model,
            settings,
            jobs,
            work.base,
            origins,
            mend,
            cache,
            tally,
            self.cancel,
            self.kept.load_embedder,
            hurried=self.kept.resident and bool(self.model.terms),
        )
        store = StoreStep(
            writer,
            work.draft,
            before,
            settings.commit_files,
            budget,
            tally,
            self.cancel,
            cache,
            on_commit,
        )
        on_files = self.request.on_files
        if on_files is not None:
            store.on_batch = lambda batch: on_files(outcomes(batch, origins, store.next_generation))
        return stream, embed, store

    def _vector_cache(self) -> VectorCache | None:
        """The vectors that were computed before; `None` for a static model.

        That model is run in less time than a vector is found in, or kept: a cache cost a first
        index 5 to 9 % of its CPU time, and a full one saved it nothing.
        """
        if self.model.terms:
            return None
        from hybridx.embed.cache import VectorCache  # loads NumPy

        return VectorCache(
            self.settings.cache_dir,
            embedding_fingerprint(self.model),
            self.model.dimension,
            self.settings.cache_mb * MIB,
            observer=self.observer,
        )

    def _tell_removed(self, work: Plan, store: StoreStep) -> None:
        if self.request.on_files is not None:
            from hybridx.outcomes import removals

            for some in removals(work.changes.removed, store.next_generation):
                self.request.on_files(some)

    def _finish(
        self, work: Plan, embed: EmbedStep, store: StoreStep
    ) -> tuple[Manifest, _core.Snapshot]:
        store.tally.tell("commit", force=True)
        if work.base and work.base.lease:
            # All of its vectors that were wanted have been read.
            work.base.lease.release()
        if embed.cache is not None:
            embed.cache.finish()
        _, snapshot = store.commit(last=True)
        manifest = store.build_index()
        self.kept.keep(manifest, snapshot, store.writer.vector_files)
        with store.tally.timed("commit"):
            store.writer.close()
        return manifest, snapshot

    def _check_replacement(self, epoch: Epoch, after: _core.Snapshot) -> None:
        """Raises `ModelError` if the model fails on most files, and another epoch serves."""
        failed = [message for _, stage, message in after.failed if stage == "embed"]
        if self.layout.current() in {None, epoch} or len(failed) <= len(after.tree):
            return
        self.layout.end_upgrade()
        raise ModelError(
            f"model {self.model.name}: it fails on {len(failed):,} of "
            f"{len(failed) + len(after.tree):,} files, so the index stays as it was: {failed[0]}"
        )

    def _make_current(self, epoch: Epoch) -> None:
        if self.layout.current() != epoch:
            self.layout.switch(epoch)
        self.layout.tidy_upgrade()

    @property
    def _jobs(self) -> int:
        return 1 if self.request.sequential else self.settings.threads


@dataclass(frozen=True)
class Plan:
    """What an update is going to do, and from where."""

    epoch: Epoch
    base: Generation | None
    before: _core.Snapshot
    """What the base holds; without one, nothing."""
    manifest: Manifest
    scan: _core.Scan
    changes: Selection
    draft: _core.Draft
    tally: Tally

    @property
    def names_another_model(self) -> bool:
        """Whether the base's manifest finds its model elsewhere."""
        base = self.base
        return base is not None and base.manifest.model_folder != self.manifest.model_folder

    @property
    def is_due(self) -> bool:
        """Whether there is anything to commit."""
        if self.base is None or self.changes or self.names_another_model:
            return True
        return not self.draft.is_unchanged()


@contextmanager
def _closing(stream: _core.IngestStream, embed: EmbedStep, store: StoreStep) -> Iterator[None]:
    """Leaves neither threads nor open stores behind, however the run ends."""
    try:
        yield
    finally:
        with contextlib.ExitStack() as closing:
            if embed.cache is not None:
                closing.callback(embed.cache.close)
            closing.callback(store.writer.abandon)
            closing.callback(stream.close)


@contextmanager
def one_core() -> Iterator[None]:
    """Keeps this thread, and every thread it starts meanwhile, on one core.

    The lexical store indexes in threads of its own; on one core they take their turn too, so that
    one step really ends before the next begins. LanceDB keeps its threads for the life of the
    process: those it starts here stay on that core. Where threads cannot be bound nothing happens.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
