"""Chunks to vectors: encode, run in batches of like length, put back in order."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hybridx import _core
from hybridx.embed.session import Session, open_session
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridx.embed.model import Model
    from hybridx.types import Device

STATIC_BUDGET = 4096
"""Cells of one batch of a static model: small enough for the gathered rows to stay in cache."""

TRANSFORMER_BUDGET = 8192
"""Tokens of one batch of a transformer, padding included."""


@dataclass
class Embedded:
    """What became of a batch."""

    failed: dict[int, str] = field(default_factory=dict)
    """Rows that could not be embedded, and why."""
    tokenize_seconds: float = 0.0
    embed_seconds: float = 0.0


class Embedder:
    """A model and its encoder, ready to run. Not safe for several threads at once."""

    def __init__(
        self,
        model: Model,
        *,
        device: Device = "auto",
        require_gpu: bool = False,
        jobs: int = 1,
    ) -> None:
        """Loads `model`; raises `ModelError`. `jobs` threads serve a transformer on the CPU."""
        self.model = model
        # A static model is bound by memory: more threads for one batch only get in its way.
        self.session: Session = open_session(
            model, device=device, require_gpu=require_gpu, threads=1 if model.terms else jobs
        )
        if model.terms:
            self._encoder = _core.Encoder.terms(model.tokenizer, model.max_length)
        else:
            self._encoder = _core.Encoder.subwords(
                model.tokenizer, model.max_length, prefix=model.passage_prefix
            )
        self._budget = STATIC_BUDGET if model.terms else TRANSFORMER_BUDGET

    def embed(
        self, batch: object, skip: NDArray[np.bool_], vectors: NDArray[np.float32]
    ) -> Embedded:
        """Embeds the chunks of an Arrow batch of `n` rows into `vectors`, of shape `(n, d)`.

        Rows marked in `skip`, of shape `(n,)`, are left as they are. Vectors have unit length.
        """
        result = Embedded()
        start = time.perf_counter()
        padded = self._encoder.encode(batch, skip=skip, budget=self._budget)
        encoded = time.perf_counter()
        for each in padded:
            self._run(each.rows, each.input_ids, each.attention_mask, vectors, result.failed)
        result.tokenize_seconds = encoded - start
        result.embed_seconds = time.perf_counter() - encoded
        return result

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of queries, shape `(len(texts), dimension)`.

        Raises:
            ModelError: the model failed.
        """
        texts = [self.model.query_prefix + text for text in texts]
        vectors = np.zeros((len(texts), self.model.dimension), dtype=np.float32)
        failed: dict[int, str] = {}
        for each in self._encoder.encode_texts(texts, budget=self._budget):
            self._run(each.rows, each.input_ids, each.attention_mask, vectors, failed)
        if failed:
            raise ModelError(f"model {self.model.name}: {next(iter(failed.values()))}")
        return vectors

    def _run(
        self,
        rows: NDArray[np.uint32],
        ids: NDArray[np.int64],
        mask: NDArray[np.int64],
        into: NDArray[np.float32],
        failed: dict[int, str],
    ) -> None:
        """Runs one padded batch; a batch that fails is halved until the bad row stands alone."""
        pending = [(rows, ids, mask)]
        while pending:
            rows, ids, mask = pending.pop()
            try:
                vectors = self.session.run(ids, mask)
            except Exception as error:  # noqa: BLE001 - onnxruntime raises a dozen types of its own
                if len(rows) == 1:
                    failed[int(rows[0])] = (str(error).splitlines() or ["no message"])[0]
                    continue
                half = len(rows) // 2
                pending.append((rows[:half], ids[:half], mask[:half]))
                pending.append((rows[half:], ids[half:], mask[half:]))
                continue
            if vectors.shape[1] != self.model.dimension:
                raise ModelError(
                    f"model {self.model.name}: its vectors have {vectors.shape[1]} dimensions, "
                    f"its configuration says {self.model.dimension}"
                )
            into[rows] = vectors
