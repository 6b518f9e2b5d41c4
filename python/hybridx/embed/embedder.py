"""Chunks to vectors: encode, run in batches of like length, put back in order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hybridx import _core
from hybridx.embed.lane import Lane
from hybridx.embed.pooling import finish
from hybridx.embed.session import Session, first_line, open_session
from hybridx.errors import Cancelled, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from hybridx.embed.model import Model
    from hybridx.types import Device

CPU_CELLS = 1024
"""Tokens of one batch on a CPU, padding included: what one core works on stays near it.

Measured with MiniLM, 256 tokens a text: 1 to 4 texts at a time take a fifth less of a core's time
than 32. A static model would be a quarter faster with 4,096, but then 14 % of them are padding
(4 % with these), and all of its runs together are 2 % of an index.
"""

GPU_CELLS = 64 * 1024
"""Tokens of one batch on a GPU: enough to keep all of it busy."""

GPU_LANES = 2
"""Batches in flight on a GPU: while one is computed, the next is brought there."""

_BATCHES_A_WINDOW = 16
"""For each lane: the last batches of a window are few, and lanes wait for each other's."""

_HOPELESS = 64
"""After so many texts in a row that could not be embedded, and none that could, nothing can."""

_MEMORY = ("allocate memory", "bad_alloc", "out of memory", "CUDA error 2", "ALLOC_FAILED")
"""What ONNX Runtime's errors say when memory is not to be had; they have no type of their own."""


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

    `encode` and `run` may be called from two threads at once; `run` not from two.
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
            self._cells, lanes = CPU_CELLS, 1 if model.terms else jobs
        self._lanes = [Lane(self.session) for _ in range(lanes)]

    @property
    def window(self) -> int:
        """Tokens that are worth being sorted by length together."""
        return self._cells * len(self._lanes) * _BATCHES_A_WINDOW

    def encode(self, batch: object, skip: NDArray[np.bool_]) -> _core.Encoded:
        """The tokens of an Arrow batch of `n` chunks, but for those marked in `skip`, `(n,)`."""
        return self._encoder.encode(batch, skip=skip)

    def run(
        self,
        parts: Sequence[_core.Encoded],
        vectors: NDArray[np.float32],
        *,
        cancel: _core.CancelToken | None = None,
        on_rows: Callable[[NDArray[np.uint32]], None] | None = None,
    ) -> Embedded:
        """Embeds the rows of all `parts`, `n` together, into `vectors`, of shape `(n, d)`.

        Rows that were not encoded are left as they are. Vectors have unit length. `on_rows` is
        called, by one thread at a time, with the rows of each batch that is done.

        Raises:
            Cancelled: `cancel` was set; rows told to `on_rows` are done.
            ModelError: the model gives vectors of another size, or fails on every text.
        """
        work = _Work(self, vectors, cancel, on_rows)
        batches = iter(_core.Encoded.pad(list(parts), self._cells))
        if len(self._lanes) == 1:
            work.take(self._lanes[0], batches)
        else:
            with ThreadPoolExecutor(len(self._lanes), "hybridx-lane") as executor:
                running = [executor.submit(work.take, lane, batches) for lane in self._lanes]
            for each in running:
                each.result()
        return work.done

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of queries, shape `(len(texts), dimension)`.

        Raises:
            ModelError: the model failed.
        """
        texts = [self.model.query_prefix + text for text in texts]
        vectors = np.zeros((len(texts), self.model.dimension), dtype=np.float32)
        found = self.run([self._encoder.encode_texts(texts)], vectors)
        if found.failed:
            raise ModelError(f"model {self.model.name}: {next(iter(found.failed.values()))}")
        return vectors

    def spare(self, cells: int) -> None:
        """A batch of so many cells did not fit into memory: later ones are at most half of it."""
        self._cells = max(min(self._cells, cells // 2), 1)


class _Work:
    """One call of `Embedder.run`, shared by its lanes."""

    def __init__(
        self,
        embedder: Embedder,
        vectors: NDArray[np.float32],
        cancel: _core.CancelToken | None,
        on_rows: Callable[[NDArray[np.uint32]], None] | None,
    ) -> None:
        self.done = Embedded()
        self._embedder = embedder
        self._vectors = vectors
        self._cancel = cancel
        self._on_rows = on_rows
        self._lock = threading.Lock()
        self._stopped = False

    def take(self, lane: Lane, batches: Iterator[_core.Padded]) -> None:
        """Runs batches in `lane` until there are none, or a lane has failed."""
        try:
            while (batch := self._next(batches)) is not None:
                self._run(lane, batch.rows, batch.input_ids, batch.attention_mask)
        except BaseException:
            self._stopped = True
            raise

    def _next(self, batches: Iterator[_core.Padded]) -> _core.Padded | None:
        if self._cancel is not None and self._cancel.cancelled:
            raise Cancelled("cancelled")
        with self._lock:
            return None if self._stopped else next(batches, None)

    def _run(
        self,
        lane: Lane,
        rows: NDArray[np.uint32],
        ids: NDArray[np.int64],
        mask: NDArray[np.int64],
    ) -> None:
        """Runs one padded batch; a batch that fails is halved until the bad row stands alone."""
        pending = [(rows, ids, mask)]
        while pending:
            rows, ids, mask = pending.pop()
            try:
                vectors = lane.run(ids, mask)
            except Exception as error:  # noqa: BLE001 - onnxruntime raises a dozen types of its own
                message = first_line(error)
                if len(rows) == 1:
                    self._fail(int(rows[0]), message)
                    continue
                if any(word in str(error) for word in _MEMORY):
                    self._embedder.spare(ids.size)
                half = len(rows) // 2
                # Padding that only the longer half needs is cut off.
                for some in (slice(half, None), slice(half)):
                    width = max(int((mask[some] > 0).sum(axis=1).max()), 1)
                    pending.append((rows[some], ids[some, :width], mask[some, :width]))
                continue
            self._keep(rows, mask, vectors)

    def _keep(
        self, rows: NDArray[np.uint32], mask: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        kept = finish(vectors, mask, self._embedder.model)
        sound = np.isfinite(kept).all(axis=1)
        for row in rows[~sound]:
            self._fail(int(row), "the model gives no number for it")
        rows, mask, kept = rows[sound], mask[sound], kept[sound]
        self._vectors[rows] = kept
        with self._lock:
            self.done.rows += len(rows)
            self.done.tokens += int(np.count_nonzero(mask))
            self.done.cells += mask.size
            if self._on_rows:
                self._on_rows(rows)

    def _fail(self, row: int, message: str) -> None:
        with self._lock:
            self.done.failed[row] = message
            if not self.done.rows and len(self.done.failed) >= _HOPELESS:
                raise ModelError(
                    f"model {self._embedder.model.name}: it fails on every text: {message}"
                )
