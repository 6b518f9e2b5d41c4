"""The steps between the scan and the commit: read, embed, store.

Three steps run side by side, joined by bounded queues: one thread takes batches of chunks from
the core (whose own threads read, chunk and analyse), one embeds them, one writes both stores. A
slow step fills its queue and so holds back the ones before it; memory does not grow with the
tree. A file that fails is a row of the report; a step that fails ends the run.
"""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from hybridx import _core
from hybridx.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

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

_T = TypeVar("_T")

_FEW_FILES = 500
"""Under memory pressure a run commits earlier, but not for fewer files than these."""

COMMIT_SECONDS = 60.0
"""A slow run (a transformer on a CPU) commits at least this often."""


@dataclass
class Batch:
    """Chunks of some whole files with their vectors, shape `(n, dimension)`."""

    source: _core.IngestBatch
    rows: pa.RecordBatch
    vectors: NDArray[np.float32]
    stale: list[str]
    """Files whose earlier chunks these replace."""
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    """`(path, stage, message)` of files that could not be embedded; none of their chunks is in."""


@dataclass
class EmbedStep:
    """Gives chunks their vectors: the base generation's, the cache's, or the model's."""

    model: Model
    settings: Settings
    jobs: int
    base: Generation | None
    origins: Mapping[str, str]
    """For files the base generation has, under which name."""
    distrusted: Collection[str]
    """Files whose stored vectors are not to be used again."""
    cache: VectorCache
    tally: Tally
    _embedder: Embedder | None = field(default=None, init=False)

    def __call__(self, source: _core.IngestBatch) -> Batch:
        """Embeds one batch. Raises `ModelError` if the model cannot be loaded."""
        import numpy as np
        import pyarrow as pa

        rows = pa.record_batch(source)
        stale = [self.origins[path] for path in source.paths if path in self.origins]
        known = self._known_vectors([path for path in stale if path not in self.distrusted])
        digests: list[bytes] = rows.column("text_digest").to_pylist()
        cached = self.cache.get({digest for digest in digests if digest not in known})
        known.update(cached)
        vectors = np.zeros((rows.num_rows, self.model.dimension), dtype=np.float32)
        skip = np.zeros(rows.num_rows, dtype=np.bool_)
        # Where each text that the model is to be run on stands for the first time.
        firsts: dict[bytes, int] = {}
        repeats: list[tuple[int, int]] = []
        for at, digest in enumerate(digests):
            vector = known.get(digest)
            if vector is not None:
                vectors[at], skip[at] = vector, True
            elif (first := firsts.setdefault(digest, at)) != at:
                repeats.append((at, first))
                skip[at] = True
        batch = Batch(source, rows, vectors, stale)
        if firsts:
            failed = self._run_model(rows, skip, vectors)
            for at, first in repeats:
                vectors[at] = vectors[first]
                if first in failed:
                    failed[at] = failed[first]
            fresh = {digest: at for digest, at in firsts.items() if at not in failed}
            all_fresh = len(fresh) == len(vectors)
            self.cache.put(list(fresh), vectors if all_fresh else vectors[list(fresh.values())])
            _leave_out(batch, failed)
        self.tally.embedded += len(firsts)
        self.tally.reused += rows.num_rows - len(firsts)
        if cached:
            self.tally.cached += sum(digest in cached for digest in digests)
        return batch

    def _known_vectors(self, stale: Sequence[str]) -> dict[bytes, NDArray[np.float32]]:
        store = self._base_store if stale else None
        return store.vectors_of(stale) if store else {}

    @cached_property
    def _base_store(self) -> VectorStore | None:
        return self.base.vectors() if self.base else None

    def _run_model(
        self, rows: pa.RecordBatch, skip: NDArray[np.bool_], vectors: NDArray[np.float32]
    ) -> dict[int, str]:
        if self._embedder is None:
            from hybridx.embed.embedder import Embedder

            settings = self.settings
            self._embedder = Embedder(
                self.model,
                device=settings.device,
                require_gpu=settings.require_gpu,
                jobs=self.jobs,
            )
            self.tally.device = self._embedder.session.device
            if self._embedder.session.note:
                print(f"hybridx: {self._embedder.session.note}", file=sys.stderr)  # noqa: T201
        result = self._embedder.embed(rows, skip, vectors)
        self.tally.spent("tokenize", result.tokenize_seconds)
        self.tally.spent("embed", result.embed_seconds)
        return result.failed


def _leave_out(batch: Batch, failed: Mapping[int, str]) -> None:
    """Takes out every chunk of a file of which one chunk failed: a file is whole or absent."""
    if not failed:
        return
    import numpy as np
    import pyarrow as pa

    paths = batch.rows.column("path").to_pylist()
    reasons = {str(paths[row]): message for row, message in failed.items()}
    batch.failed = [(path, "embed", message) for path, message in sorted(reasons.items())]
    keep = np.fromiter((path not in reasons for path in paths), np.bool_, len(paths))
    batch.rows = batch.rows.filter(pa.array(keep))
    batch.vectors = batch.vectors[keep]


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
    on_commit: Callable[[], None]
    _committed: float = field(default_factory=time.perf_counter, init=False)
    _files: int = field(default=0, init=False)

    def __call__(self, batch: Batch) -> None:
        """Writes one batch; commits if enough has come together."""
        with self.tally.timed("store"):
            self.writer.add(batch.rows, batch.vectors, batch.stale)
            self.draft.remove(batch.stale)
            self.draft.record(batch.source, batch.failed)
        self.tally.stored(batch.source, batch.rows.num_rows, batch.failed)
        self._files += len(batch.source.paths)
        waited = time.perf_counter() - self._committed
        tight = self._files >= _FEW_FILES and self.budget.is_tight()
        if self._files >= self.commit_files or waited >= COMMIT_SECONDS or tight:
            # What the stores hold in memory goes to the disk.
            self.commit()

    def commit(self, *, last: bool = False) -> tuple[Manifest, _core.Snapshot]:
        """Makes everything so far a generation, unless it would be the one that is there.

        `last` says that the run ends with it. Raises `Cancelled` rather than start one late.
        """
        if self.cancel.cancelled:
            raise Cancelled("cancelled")
        with self.tally.timed("commit"):
            snapshot = self.draft.finish()
            # A file that fails in every run must not make a generation of every run.
            if self.writer.template.generation == 0 or self.writer.changed or snapshot != self.last:
                self.last = snapshot
                self.writer.commit(snapshot, last=last)
            self.on_commit()
            if not last:
                _core.release_memory()
        self._committed, self._files = time.perf_counter(), 0
        return self.writer.template, self.last


def sequentially(stream: _core.IngestStream, embed: EmbedStep, store: StoreStep) -> None:
    """Takes every batch through all steps before the next one is asked for."""
    while True:
        with embed.tally.timed("ingest"):
            source = next(stream, None)
        if source is None:
            return
        store(embed(source))


async def side_by_side(stream: _core.IngestStream, embed: EmbedStep, store: StoreStep) -> None:
    """Runs the three steps at once, each in a thread of its own."""
    ingested: asyncio.Queue[_core.IngestBatch | None] = asyncio.Queue(store.budget.queue)
    embedded: asyncio.Queue[Batch | None] = asyncio.Queue(store.budget.queue)

    async def read(executor: ThreadPoolExecutor) -> None:
        while True:
            with embed.tally.timed("ingest"):
                source = await call(executor, lambda: next(stream, None))
            await ingested.put(source)
            if source is None:
                return

    async def compute(executor: ThreadPoolExecutor) -> None:
        while (source := await ingested.get()) is not None:
            await embedded.put(await call(executor, embed, source))
        await embedded.put(None)

    async def write(executor: ThreadPoolExecutor) -> None:
        # Loading LanceDB takes a second that the first batches can use.
        await call(executor, store.writer.open_vectors)
        while (batch := await embedded.get()) is not None:
            await call(executor, store, batch)

    with (
        ThreadPoolExecutor(1, "hybridx-read") as reading,
        ThreadPoolExecutor(1, "hybridx-embed") as embedding,
        ThreadPoolExecutor(1, "hybridx-write") as writing,
    ):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(read(reading))
                group.create_task(compute(embedding))
                group.create_task(write(writing))
        except BaseExceptionGroup as torn:
            # Or the thread that waits for the core's next batch would outlive the run.
            stream.close()
            raise _cause(torn) from torn


async def call(executor: ThreadPoolExecutor, function: Callable[..., _T], *arguments: Any) -> _T:
    """Awaits a function that runs in the executor."""
    return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the run; what it tore down with it says nothing more."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
