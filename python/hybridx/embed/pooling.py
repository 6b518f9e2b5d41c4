"""From what a graph gives to unit vectors: pooling, truncation, normalisation."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridx.embed.session import start
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridx.embed.model import Model


class Pool:
    """Makes one vector of the vectors of a text's tokens, on the device where these lie."""

    def __init__(self, pooling: str, kind: str, *, cuda: bool) -> None:
        """`pooling` is `mean`, `cls` or `last`, `kind` the tokens' type, as NumPy calls it."""
        graph = resources.files(__package__) / "graphs" / f"{pooling}-{kind}.onnx"
        with resources.as_file(graph) as path:
            self._session = start(path, cuda=cuda)

    def run(self, hidden: Any, mask: Any) -> Any:
        """The `OrtValue` of float32 vectors, shape `(n, d)`, in the host's memory.

        `hidden` and `mask` are `OrtValue`s of shape `(n, w, d)` and, int64, `(n, w)`; 0 is padding,
        which stands on the right.
        """
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("hidden", hidden)
        binding.bind_ortvalue_input("mask", mask)
        binding.bind_output("pooled", "cpu")
        self._session.run_with_iobinding(binding)
        (pooled,) = binding.get_outputs()
        return pooled


def finish(
    vectors: NDArray[np.float32], mask: NDArray[np.int64], model: Model
) -> NDArray[np.float32]:
    """What is kept of pooled vectors, `(n, full_dimension)`: `(n, dimension)`, of unit length.

    `mask` has shape `(n, w)`; a row without tokens gets the zero vector.

    Raises:
        ModelError: the vectors have other dimensions than the model's configuration says.
    """
    if vectors.shape[1] != model.full_dimension:
        raise ModelError(
            f"model {model.name}: its vectors have {vectors.shape[1]} dimensions, "
            f"its configuration says {model.full_dimension}"
        )
    if not model.normalize:
        return vectors
    kept = vectors[:, : model.dimension]
    norms = np.linalg.norm(kept, axis=1, keepdims=True)
    unit: NDArray[np.float32] = kept / np.maximum(norms, np.finfo(np.float32).tiny)
    # Attention over nothing may give anything.
    unit[~mask.any(axis=1)] = 0
    return unit
