"""One batch on its way through a model: bound to the device, run, pooled there, brought back."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridx.embed.pooling import Pool
from hybridx.embed.session import load_onnxruntime
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridx.embed.session import Session

_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
}
"""The types of inputs and outputs that models have, as NumPy calls them."""

_KNOWN = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})

_PAST = "past_key_values."
"""Inputs of a decoder that hold what it read before: here nothing."""


class Lane:
    """Runs one batch at a time. Lanes of one session share its weights and run side by side.

    Inputs are written to memory that the device can copy from by itself (pinned, with CUDA), the
    output stays on the device until it is pooled: what comes back is one vector a row. With two
    lanes one batch is prepared while another is computed.
    """

    def __init__(self, session: Session) -> None:
        """A lane of `session`.

        Raises:
            ModelError: the model wants inputs, or gives an output, that an embedding model has not.
        """
        self._session = session
        self._model = session.model
        self._ort = load_onnxruntime()
        self._device = session.device
        self._pinned = _pinned_memory(self._ort) if session.device == "cuda" else None
        self._inputs = {each.name: self._typed(each) for each in session.inner.get_inputs()}
        for name in self._inputs:
            if name not in _KNOWN and not name.startswith(_PAST):
                raise ModelError(
                    f"model {self._model.name}: it wants an input {name}, which no text gives"
                )
        (output,) = (o for o in session.inner.get_outputs() if o.name == session.output)
        self._pool = None
        rank = len(output.shape or ())
        if rank == 3:  # noqa: PLR2004 - rows, tokens, dimensions
            if self._model.pooling == "none":
                raise ModelError(
                    f"model {self._model.name}: its graph gives a vector for each token, "
                    "and its configuration does not say how they make one"
                )
            kind, _ = self._typed(output)
            self._pool = Pool(self._model.pooling, kind, cuda=session.device == "cuda")
        elif rank != 2:  # noqa: PLR2004 - rows, dimensions
            raise ModelError(
                f"model {self._model.name}: its output {output.name} is no matrix of embeddings"
            )

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors, shape `(n, d)`, as the graph gives them, for token ids and mask of `(n, w)`.

        Raises whatever ONNX Runtime raises, such as for memory that is not to be had.
        """
        inner = self._session.inner
        if self._model.terms:
            feeds = {"input_ids": ids, "attention_mask": mask}
            found: NDArray[np.float32] = inner.run([self._session.output], feeds)[0]
            return found
        binding = inner.io_binding()
        for name in self._inputs:
            binding.bind_ortvalue_input(name, self._input(name, ids, mask))
        binding.bind_output(self._session.output, "cpu" if self._pool is None else self._device)
        inner.run_with_iobinding(binding)
        (output,) = binding.get_outputs()
        if self._pool is not None:
            output = self._pool.run(output, self._staged(mask, "int64"))
        vectors: NDArray[np.float32] = output.numpy().astype(np.float32, copy=False)
        return vectors

    def _input(self, name: str, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        """The value of the input `name`, in memory that the device can read."""
        kind, shape = self._inputs[name]
        if name == "input_ids":
            return self._staged(ids, kind)
        if name == "attention_mask":
            return self._staged(mask, kind)
        if name == "position_ids":
            # Rows are padded on the right.
            return self._staged(np.broadcast_to(np.arange(ids.shape[1]), ids.shape), kind)
        if name.startswith(_PAST):
            _, heads, _, width = shape
            return self._staged(np.zeros((len(ids), heads, 0, width)), kind)
        # Token types: there is one text.
        return self._staged(np.zeros_like(ids), kind)

    def _staged(self, array: NDArray[Any], kind: str) -> Any:
        more = {} if self._pinned is None else {"memory_info": self._pinned}
        value = self._ort.OrtValue.ortvalue_from_shape_and_type(
            list(array.shape), np.dtype(kind).type, **more
        )
        if array.size:
            size = array.size * np.dtype(kind).itemsize
            place = (ctypes.c_char * size).from_address(value.data_ptr())
            np.frombuffer(memoryview(place), kind).reshape(array.shape)[:] = array
        return value

    def _typed(self, argument: Any) -> tuple[str, list[int]]:
        """Type and shape of an input or output."""
        kind = _TYPES.get(argument.type)
        if kind is None:
            raise ModelError(
                f"model {self._model.name}: {argument.name} has the type {argument.type}"
            )
        return kind, list(argument.shape or ())


def _pinned_memory(ort: Any) -> Any:
    """Memory of the host that CUDA copies from without a detour; `None` if it is not to be had."""
    try:
        from onnxruntime.capi._pybind_state import OrtDeviceMemoryType

        devices = [each for each in ort.get_ep_devices() if each.ep_name.startswith("CUDA")]
        found = [each.memory_info(OrtDeviceMemoryType.HOST_ACCESSIBLE) for each in devices]
    except (ImportError, AttributeError):
        # A version without them copies from ordinary memory.
        return None
    return next((each for each in found if each is not None), None)
