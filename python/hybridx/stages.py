"""The steps of a run that work on chunks: give them their vectors, and store both."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.errors import Cancelled, CorruptIndexError, StoreError
from hybridx.observe import operation, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from hybridx.budget import Budget
    from hybridx.commit import Generation, Manifest, Writer
    from hybridx.config import Settings
    from hybridx.embed.cache import VectorCache
    from hybridx.embed.embedder import Embedder
    from hybridx.embed.model import Model
    from hybridx.store import VectorStore
    from hybridx.tally import Tally

    _Vectors = dict[bytes, NDArray[np.float32]]
    """By the digest of the text."""

_FEW_FILES = 500
"""Under memory pressure a run commits earlier, but not for fewer files than these."""

_FEW_TEXTS = 100
"""A static model is run on so many in less time than it takes to open the base's vectors."""

_told: set[str] = set()
"""What was said of the device: an upgrade loads its model more than once."""

COMMIT_SECONDS = 60.0
"""A slow run (a transformer on a CPU) commits at least this often."""


@dataclass(eq=False)
class Batch:
    """Chunks of some whole files with their vectors, shape `(n, dimension)`."""

    source: _core.IngestBatch
    rows: pa.RecordBatch
    vectors: NDArray[np.float32]
    stale: list[str]
    """Files whose earlier chunks these replace."""
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    """`(path, stage, message)` of files that could not be embedded; none of their chunks is in."""
    work: Work | None = None
    """What is left for the model to do."""

    @property
    def tokens(self) -> int:
        """What the model is to be run on."""
        return self.work.encoded.tokens if self.work and self.work.encoded else 0

    def leave_out(self, failed: Mapping[int, str]) -> None:
        """Takes out every chunk of a file of which one row failed: a file is whole or absent."""
        if not failed:
            return
        import numpy as np
        import pyarrow as pa

        paths = self.rows.column("path").to_pylist()
        reasons = {str(paths[row]): message for row, message in failed.items()}
        self.failed = [(path, "embed", message) for path, message in sorted(reasons.items())]
        keep = np.fromiter((path not in reasons for path in paths), np.bool_, len(paths))
        self.rows = self.rows.filter(pa.array(keep))
        self.vectors = self.vectors[keep]


@dataclass(eq=False)
class Work:
    """The chunks of a batch that have no vector yet."""

    vectors: NDArray[np.float32]
    """Those of all rows of the batch, shape `(n, dimension)`."""
    digests: list[bytes] = field(default_factory=list)
    """Of the texts of all rows; empty if nobody is to find their vectors."""
    firsts: Sequence[int] = ()
    """Rows that the model is run on."""
    encoded: _core.Encoded | None = None
    """Their tokens."""
    copies: list[tuple[int, Work, int]] = field(default_factory=list)
    """Rows whose text stands elsewhere too, and where: its vector is taken from there."""
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class EmbedStep:
    """Gives chunks their vectors: the base generation's, the cache's, or the model's.

    Without a cache a text that stands in two new files is embedded for each: so it is with static
    models, which take less time for a text than it takes to look for it.

    `prepare` and `run` may be called from two threads at once, and each from one only.
    """

    model: Model
    settings: Settings
    jobs: int
    base: Generation | None
    origins: Mapping[str, str]
    """For files the base generation has, under which name."""
    distrusted: Collection[str]
    """Files whose stored vectors are not to be used again."""
    cache: VectorCache | None
    tally: Tally
    cancel: _core.CancelToken
    load_embedder: Callable[[Model, Settings, int], Embedder]
    hurried: bool = False
    """Whether to run a fast model on a few texts rather than look for them in the base."""
    _stopped: bool = field(default=False, init=False)
    _pending: dict[bytes, tuple[Work, int]] = field(default_factory=dict, init=False)
    """Where the texts stand that the model is about to be run on."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def prepare(self, source: _core.IngestBatch) -> Batch:
        """Gives a batch the vectors that are known and encodes the other chunks.

        Raises:
            ModelError: the model cannot be loaded.
        """
        import numpy as np
        import pyarrow as pa

        # A GPU that is required is to be there whether or not the vectors are known.
        embedder = self._embedder if self.settings.require_gpu else None
        rows = pa.record_batch(source)
        stale = [self.origins[path] for path in source.paths if path in self.origins]
        vectors = np.zeros((rows.num_rows, self.model.dimension), dtype=np.float32)
        batch = Batch(source, rows, vectors, stale)
        skip = np.zeros(rows.num_rows, dtype=np.bool_)
        trusted = [path for path in stale if path not in self.distrusted]
        few = self.hurried and rows.num_rows <= _FEW_TEXTS
        if self.cache is None and (few or not trusted):
            work = Work(vectors, firsts=range(rows.num_rows))
        else:
            digests: list[bytes] = rows.column("text_digest").to_pylist()
            work = self._divided(digests, vectors, skip, trusted)
        self.tally.reused += rows.num_rows - len(work.firsts)
        if work.firsts:
            embedder = embedder or self._embedder
            with self.tally.timed("tokenize") as span:
                work.encoded = embedder.encode(rows, skip)
                span.note(chunks=len(work.firsts), tokens=work.encoded.tokens)
            if work.digests:
                with self._lock:
                    self._pending.update({work.digests[at]: (work, at) for at in work.firsts})
        if work.firsts or work.copies:
            batch.work = work
        return batch

    def _divided(
        self,
        digests: list[bytes],
        vectors: NDArray[np.float32],
        skip: NDArray[np.bool_],
        trusted: Sequence[str],
    ) -> Work:
        """Gives rows, `n` of them, the vectors that are known and marks them in `skip`, `(n,)`."""
        work = Work(vectors, digests, firsts := [])
        with self._lock:
            # Before the cache is asked: what is done meanwhile is in it.
            pending = {
                digest: self._pending[digest] for digest in digests if digest in self._pending
            }
        known, cached = self._known({d for d in digests if d not in pending}, trusted)
        for at, digest in enumerate(digests):
            vector = known.get(digest)
            if vector is not None:
                vectors[at], skip[at] = vector, True
            elif digest in pending:
                work.copies.append((at, *pending[digest]))
                skip[at] = True
            else:
                pending[digest] = work, at
                firsts.append(at)
        if cached:
            self.tally.cached += sum(digest in cached for digest in digests)
        return work

    def run(self, window: Sequence[Batch]) -> None:
        """Runs the model on what `prepare` left, rows of like length together.

        Batches come in the order in which they were prepared. What is embedded is in the cache
        from then on, however the run ends.

        Raises:
            Cancelled: the token was set, or `stop` called.
            ModelError: the model fails on everything.
        """
        todo = [batch.work for batch in window if batch.work]
        self._run_model([work for work in todo if work.firsts])
        for batch in window:
            work = batch.work
            if work is None:
                continue
            for row, where, there in work.copies:
                work.vectors[row] = where.vectors[there]
                if there in where.failed:
                    work.failed[row] = where.failed[there]
            batch.leave_out(work.failed)
            batch.work = None
            work.copies.clear()
        with self._lock:
            for work in todo:
                for at in work.firsts if work.digests else ():
                    self._pending.pop(work.digests[at], None)

    def stop(self) -> None:
        """Ends a `run` between two batches: another step has failed, or nobody waits any more."""
        self._stopped = True

    @property
    def window(self) -> int:
        """How many tokens are worth being sorted by length together; 0 if nothing is embedded."""
        loaded: Embedder | None = self.__dict__.get("_embedder")
        return loaded.window if loaded else 0

    def _run_model(self, todo: Sequence[Work]) -> None:
        import numpy as np

        if not todo:
            return
        vectors = todo[0].vectors if len(todo) == 1 else np.concatenate([w.vectors for w in todo])
        digests = [digest for work in todo for digest in work.digests]

        def on_rows(rows: NDArray[np.uint32]) -> None:
            if self.cache is not None:
                self.cache.put([digests[row] for row in rows.tolist()], vectors[rows])
            self.tally.embedded += len(rows)
            self.tally.tell("index")

        with self.tally.timed("embed") as span:
            found = self._embedder.run(
                [work.encoded for work in todo if work.encoded is not None],
                vectors,
                stopped=lambda: self._stopped or self.cancel.cancelled,
                on_rows=on_rows,
                observer=self.tally.observer,
            )
            span.note(chunks=found.rows, tokens=found.tokens, batches=len(todo))
        self.tally.tokens += found.tokens
        self.tally.cells += found.cells
        first = 0
        for work in todo:
            after = first + len(work.vectors)
            if len(todo) > 1:
                # In place: the batch, and the copies that others take, are of this array.
                work.vectors[:] = vectors[first:after]
            work.failed = {
                row - first: message
                for row, message in found.failed.items()
                if first <= row < after
            }
            first = after

    def _known(self, digests: set[bytes], trusted: Sequence[str]) -> tuple[_Vectors, _Vectors]:
        """The vectors that are known, and those among them that are the cache's."""
        known: _Vectors = {}
        if trusted:
            with operation(self.tally.observer, "lance", "read", files=len(trusted)):
                store = self._base_store
                known = store.vectors_of(trusted) if store else {}
        if self.cache is None:
            return known, {}
        with operation(self.tally.observer, "cache", "read"):
            cached = self.cache.get(digests - known.keys())
        return known | cached, cached

    @cached_property
    def _base_store(self) -> VectorStore | None:
        return self.base.vectors() if self.base else None

    @cached_property
    def _embedder(self) -> Embedder:
        with watched(self.tally.observer, "load", "load the model", model=self.model.name):
            embedder = self.load_embedder(self.model, self.settings, self.jobs)
        self.tally.device = embedder.session.device
        note = embedder.session.note
        if note and note not in _told:
            _told.add(note)
            print(f"hybridx: {note}", file=sys.stderr)  # noqa: T201
        return embedder


@dataclass
class StoreStep:
    """Writes batches to both stores, and commits on the way."""

    writer: Writer
    draft: _core.Draft
    last: _core.Snapshot
    """That of the generation the writer is at."""
    commit_files: int
    budget: Budget
    tally: Tally
    cancel: _core.CancelToken
    cache: VectorCache | None
    on_commit: Callable[[], None]
    on_batch: Callable[[Batch], None] | None = None
    """Called with what was stored, before it may be committed."""
    _committed: float = field(default_factory=time.perf_counter, init=False)
    _files: int = field(default=0, init=False)

    def __call__(self, batch: Batch) -> None:
        """Writes one batch; commits if enough has come together."""
        with self.tally.timed("store") as span:
            span.note(chunks=batch.rows.num_rows, bytes=batch.source.bytes)
            self.writer.add(batch.rows, batch.vectors, batch.stale)
            self.draft.remove(batch.stale)
            self.draft.record(batch.source, batch.failed)
        if self.on_batch is not None:
            self.on_batch(batch)
        self.tally.stored(batch.source, batch.rows.num_rows, batch.failed)
        self._files += len(batch.source.paths)
        waited = time.perf_counter() - self._committed
        tight = self._files >= _FEW_FILES and self.budget.is_tight()
        if self._files >= self.commit_files or waited >= COMMIT_SECONDS or tight:
            # What the stores hold in memory goes to the disk.
            self.commit()

    @property
    def next_generation(self) -> int:
        """The one that holds what is stored now."""
        return self.writer.template.generation + 1

    def commit(self, *, last: bool = False) -> tuple[Manifest, _core.Snapshot]:
        """Makes everything so far a generation, unless it would be the one that is there.

        `last` says that the run ends with it. Raises `Cancelled` rather than start one late.
        """
        if self.cancel.cancelled:
            raise Cancelled("cancelled")
        with self.tally.timed("commit") as span:
            if self.cache is not None:
                # It is written while the stores are, and is there when they are.
                self.cache.flush()
            with (
                self.writer.flushing(),
                watched(self.tally.observer, "commit", "finish the snapshot"),
            ):
                snapshot = self.draft.finish()
            # A file that fails in every run must not make a generation of every run.
            if self.writer.template.generation == 0 or self.writer.changed or snapshot != self.last:
                self.last = snapshot
                manifest = self.writer.commit(snapshot, last=last)
                span.note(generation=manifest.generation, chunks=manifest.chunks)
            if self.cache is not None:
                with watched(self.tally.observer, "commit", "wait for the vector cache"):
                    self.cache.flush()
            self.on_commit()
            if not last:
                _core.release_memory()
        self._committed, self._files = time.perf_counter(), 0
        return self.writer.template, self.last

    def build_index(self) -> Manifest:
        """Builds the vectors' index, if it is time: one more generation, of the same chunks.

        All that is to be found is committed by now, and is found without it. So a failure is a
        line and no error; raises `Cancelled` if the token is set meanwhile.
        """
        if self.writer.is_index_due:
            with self.tally.timed("vector_index") as span:
                try:
                    manifest = self.writer.build_index(self.last, self.cancel)
                    span.note(generation=manifest.generation, chunks=manifest.chunks)
                except (StoreError, CorruptIndexError, OSError) as error:
                    print(  # noqa: T201
                        f"hybridx: the vectors have no index, so searches take longer: {error}",
                        file=sys.stderr,
                    )
        return self.writer.template
