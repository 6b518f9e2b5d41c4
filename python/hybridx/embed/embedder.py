"""Chunks to vectors: encode, run in batches of like length, put back in order."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hybridx import _core
from hybridx.embed.lane import Lane
from hybridx.embed.pooling import finish
from hybridx.embed.session import Session, first_line, open_session
from hybridx.errors import Cancelled, ModelError
from hybridx.observe import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from hybridx.embed.model import Model
    from hybridx.observer import Observer
    from hybridx.types import Device

CPU_CELLS = 1024
"""Tokens of one batch on a CPU, padding included: what one core works on stays near it.

Measured with MiniLM, 256 tokens a text: 1 to 4 texts at a time take a fifth less of a core's time
than 32.
"""

STATIC_CELLS = 4 * 1024
"""Tokens of one batch of a static model, padding included.

Its runs are so short that calling them counts: a quarter less CPU time than with 1,024, though 12 %
of the tokens are padding then in place of 3 %. With 16,384 they do not fit a core's own memory.
"""

GPU_CELLS = 64 * 1024
"""Tokens of one batch on a GPU: enough to keep all of it busy."""

GPU_LANES = 2
"""Batches in flight on a GPU: while one is computed, the next is brought there."""

_WINDOW_SECONDS = 5.0
"""Work that is sorted by length together: at the end of it lanes wait for each other, and only then
can it be committed."""
_WINDOW_BATCHES = 64
"""For each lane at most: more gains nothing."""

_HOPELESS = 64
"""After so many texts in a row that could not be embedded, and none that could, nothing can."""

_MEMORY = ("allocate memory", "bad_alloc", "out of memory", "CUDA error 2", "ALLOC_FAILED")
"""What ONNX Runtime's errors say when memory is not to be had; they have no type of their own."""


_Inputs: TypeAlias = "tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]"
"""A padded batch: its rows, token ids and mask."""


@dataclass
class Embedded:
    """What became of some rows."""

    failed: dict[int, str] = field(default_factory=dict)
    """Rows that could not be embedded, and why."""
    rows: int = 0
    """Rows that got their vector."""
    tokens: int = 0
    """Tokens of these rows; with a static model their different terms."""
    cells: int = 0
    """The same with the padding."""


class Embedder:
    """A model and its encoder, ready to run.

    `encode` and `run` may be called from two threads at once; `run` not from two. `embed_queries`
    is for any thread.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: Device = "auto",
        require_gpu: bool = False,
        jobs: int = 1,
    ) -> None:
        """Loads `model`; raises `ModelError`. `jobs` batches run at once on the CPU."""
        self.model = model
        self.session: Session = open_session(model, device=device, require_gpu=require_gpu)
        if model.terms:
            self._encoder = _core.Encoder.terms(
                model.tokenizer, model.max_length, buckets=model.buckets
            )
        else:
            self._encoder = _core.Encoder.subwords(
                model.tokenizer, model.max_length, prefix=model.passage_prefix
            )
        if self.session.device == "cuda":
            self._cells, lanes = GPU_CELLS, GPU_LANES
        else:
            # A static model is bound by memory: more lanes would only get in each other's way.
            self._cells, lanes = (STATIC_CELLS, 1) if model.terms else (CPU_CELLS, jobs)
        self._lanes = [Lane(self.session) for _ in range(lanes)]
        self._rate = 0.0
        """Tokens a second in the last run."""
        self._fruitless = 0
        """Texts that failed since one did not."""
        self._querying = threading.Lock()

    @property
    def window(self) -> int:
        """Tokens that are worth being sorted by length together."""
        least = self._cells * len(self._lanes)
        return int(min(max(self._rate * _WINDOW_SECONDS, least), least * _WINDOW_BATCHES))

    def encode(self, batch: object, skip: NDArray[np.bool_]) -> _core.Encoded:
        """The tokens of an Arrow batch of `n` chunks, but for those marked in `skip`, `(n,)`."""
        return self._encoder.encode(batch, skip=skip)

    def run(
        self,
        parts: Sequence[_core.Encoded],
        vectors: NDArray[np.float32],
        *,
        stopped: Callable[[], bool] = lambda: False,
        on_rows: Callable[[NDArray[np.uint32]], None] | None = None,
        observer: Observer | None = None,
    ) -> Embedded:
        """Embeds the rows of all `parts`, `n` together, into `vectors`, of shape `(n, d)`.

        Rows that were not encoded are left as they are. Vectors have unit length. `on_rows` is
        called, by one thread at a time, with the rows of each batch that is done.

        Raises:
            Cancelled: `stopped` said so between two batches; rows told to `on_rows` are done.
            ModelError: the model gives vectors of another size, or fails on every text.
        """
        start = time.perf_counter()
        run = _Run(self, vectors, stopped, on_rows, observer)
        batches = iter(_core.Encoded.pad(list(parts), self._cells))
        if len(self._lanes) == 1:
            run.take(self._lanes[0], batches)
        else:
            with ThreadPoolExecutor(len(self._lanes), "hybridx-lane") as executor:
                running = [executor.submit(run.take, lane, batches) for lane in self._lanes]
            for each in running:
                each.result()
        run.try_alone(self._lanes[0])
        self._rate = run.done.tokens / (time.perf_counter() - start)
        return run.done

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of queries, shape `(len(texts), dimension)`.

        Raises:
            ModelError: the model failed.
        """
        texts = [self.model.query_prefix + text for text in texts]
        vectors = np.zeros((len(texts), self.model.dimension), dtype=np.float32)
        with self._querying:
            found = self.run([self._encoder.encode_texts(texts)], vectors)
        if found.failed:
            raise ModelError(f"model {self.model.name}: {next(iter(found.failed.values()))}")
        return vectors

    @property
    def cells(self) -> int:
        """The most tokens of one batch, padding included."""
        return self._cells

    def spare(self, cells: int) -> None:
        """A batch of so many cells did not fit into memory: later ones are at most half of it."""
        self._cells = max(min(self._cells, cells // 2), 1)

    def judge(self, *, failed: int) -> None:
        """Takes note of a batch of which so many texts failed, 0 if it was embedded.

        Raises:
            ModelError: nothing but failures for long.
        """
        self._fruitless = self._fruitless + failed if failed else 0
        if self._fruitless >= _HOPELESS:
            raise ModelError(f"model {self.model.name}: it fails on every text")


@dataclass(eq=False)
class _Run:
    """One call of `Embedder.run`, shared by its lanes."""

    embedder: Embedder
    vectors: NDArray[np.float32]
    stopped: Callable[[], bool]
    on_rows: Callable[[NDArray[np.uint32]], None] | None
    observer: Observer | None = None
    done: Embedded = field(default_factory=Embedded)
    _torn: bool = False
    _too_large: list[_Inputs] = field(default_factory=list)
    """Single texts for which there was no memory while other lanes used it."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, lane: Lane, batches: Iterator[_core.Padded]) -> None:
        """Runs batches in `lane` until there are none, or a lane has failed."""
        try:
            while (batch := self._next(batches)) is not None:
                self._run(lane, (batch.rows, batch.input_ids, batch.attention_mask))
        except BaseException:
            self._torn = True
            raise

    def try_alone(self, lane: Lane) -> None:
        """Runs what did not fit into memory beside other lanes."""
        for inputs in self._too_large:
            if self.stopped():
                raise Cancelled("cancelled")
            self._run(lane, inputs, alone=True)

    def _next(self, batches: Iterator[_core.Padded]) -> _core.Padded | None:
        if self.stopped():
            raise Cancelled("cancelled")
        with self._lock:
            return None if self._torn else next(batches, None)

    def _run(self, lane: Lane, inputs: _Inputs, *, alone: bool = False) -> None:
        """Runs one padded batch; a batch that fails is halved until the bad row stands alone."""
        pending = [inputs]
        while pending:
            rows, ids, mask = inputs = pending.pop()
            if len(rows) > 1 and ids.size > self.embedder.cells:
                # What does not fit any more, since memory ran out, is not tried again.
                pending += _halves(inputs)
                continue
            try:
                with watched(self.observer, "embed", "model", rows=len(rows), cells=ids.size):
                    vectors = lane.run(ids, mask)
            except Exception as error:  # noqa: BLE001 - onnxruntime raises a dozen types of its own
                by_memory = any(word in str(error) for word in _MEMORY)
                if len(rows) > 1:
                    if by_memory:
                        self.embedder.spare(ids.size)
                    pending += _halves(inputs)
                elif by_memory and not alone:
                    with self._lock:
                        self._too_large.append(inputs)
                else:
                    self._fail(rows, first_line(error))
                continue
            self._keep(rows, mask, vectors)

    def _keep(
        self, rows: NDArray[np.uint32], mask: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        kept = finish(vectors, mask, self.embedder.model)
        sound = np.isfinite(kept).all(axis=1)
        if not sound.all():
            self._fail(rows[~sound], "the model gives no number for it")
            rows, mask, kept = rows[sound], mask[sound], kept[sound]
        self.vectors[rows] = kept
        with self._lock:
            self.done.rows += len(rows)
            self.done.tokens += int(np.count_nonzero(mask))
            self.done.cells += mask.size
            if len(rows):
                self.embedder.judge(failed=0)
                if self.on_rows:
                    self.on_rows(rows)

    def _fail(self, rows: NDArray[np.uint32], message: str) -> None:
        with self._lock:
            self.done.failed.update(dict.fromkeys(rows.tolist(), message))
            try:
                self.embedder.judge(failed=len(rows))
            except ModelError as error:
                raise ModelError(f"{error}: {message}") from None


def _halves(inputs: _Inputs) -> list[_Inputs]:
    """Both halves, the second first, without the padding that only the other one needs."""
    rows, ids, mask = inputs
    half = len(rows) // 2
    halves = []
    for some in (slice(half, None), slice(half)):
        width = max(int((mask[some] > 0).sum(axis=1).max()), 1)
        halves.append((rows[some], ids[some, :width], mask[some, :width]))
    return halves
