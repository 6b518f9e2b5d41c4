"""From what a graph gives to unit vectors: pooling, truncation, normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridx.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridx.embed.model import Model

_TOKENS_AXES = 3


def finish(
    output: NDArray[np.floating], mask: NDArray[np.int64], model: Model
) -> NDArray[np.float32]:
    """The vectors of a batch, C-contiguous float32 of shape `(n, model.dimension)`.

    `output` is what the graph gave, in any float type: `(n, w, full_dimension)`, a row for each
    token, or `(n, full_dimension)` where the graph pools by itself. `mask` has shape `(n, w)`; 0
    is padding, which stands on the right. A row without tokens becomes the zero vector.

    Raises:
        ModelError: the output is not of the shape that the model's configuration promises.
        FloatingPointError: a vector is not finite, so that the batch can be halved until it is
            known whose.
    """
    if output.shape[-1] != model.full_dimension:
        raise ModelError(
            f"model {model.name}: its vectors have {output.shape[-1]} dimensions, "
            f"its configuration says {model.full_dimension}"
        )
    vectors = _pooled(output, mask, model)[:, : model.dimension]
    empty = np.logical_not(np.any(mask, axis=1, keepdims=True))
    if empty.any():
        # Attention over nothing may give anything.
        vectors = np.where(empty, np.float32(0), vectors)
    if not np.isfinite(vectors).all():
        raise FloatingPointError("its vector is not finite")
    if model.normalize:
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _pooled(
    output: NDArray[np.floating], mask: NDArray[np.int64], model: Model
) -> NDArray[np.float32]:
    if output.ndim != _TOKENS_AXES:
        return output.astype(np.float32, copy=False)
    rows = np.arange(len(output))
    match model.pooling:
        case "cls":
            return output[:, 0].astype(np.float32)
        case "last":
            last = np.maximum(mask.sum(axis=1) - 1, 0)
            return np.asarray(output[rows, last], dtype=np.float32)
        case "mean":
            # One product a row, and no copy of the output, which is by far the largest thing here.
            weights = mask.astype(np.float32)
            sums = np.matmul(weights[:, None], output.astype(np.float32, copy=False))[:, 0]
            return np.asarray(sums / np.maximum(weights.sum(axis=1, keepdims=True), 1))
        case "none":
            raise ModelError(
                f"model {model.name}: its graph gives a vector for each token, "
                "and its configuration does not say how they make one"
            )
