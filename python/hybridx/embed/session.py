"""ONNX Runtime sessions: which device, and what is said when it is not to be had."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridx.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridx.embed.model import Model
    from hybridx.types import Device

_SILENT = 4
"""ONNX Runtime's log level above which nothing is said."""


@dataclass(frozen=True)
class Session:
    """A loaded model. Safe for several threads."""

    model: Model
    device: str
    """`cpu` or `cuda`: where it really runs."""
    note: str | None
    """Why it does not run where it was asked to, if so."""
    _inner: object
    _inputs: tuple[str, ...]
    _output: str

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors, shape `(n, dimension)`, for token ids and mask of shape `(n, w)`."""
        feeds = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feeds["token_type_ids"] = np.zeros_like(ids)
        output: NDArray[np.float32] = self._inner.run([self._output], feeds)[0]  # type: ignore[attr-defined]
        vectors = _pool(output, mask, self.model.pooling)
        if self.model.normalize:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        return np.ascontiguousarray(vectors, dtype=np.float32)


def open_session(
    model: Model, *, device: Device = "auto", require_gpu: bool = False, threads: int = 1
) -> Session:
    """Loads `model` on `device`, with `threads` for one run on the CPU.

    Raises:
        ModelError: the model cannot be loaded, or does not run on the GPU that is required.
    """
    # Or it reports to its maker, and writes an id for that into the user's cache on import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    missing = None if device == "cpu" else _missing_gpu(ort)
    use_gpu = device != "cpu" and missing is None
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Whatever goes wrong is raised or said by us, in one line.
    options.log_severity_level = _SILENT
    ort.set_default_logger_severity(_SILENT)
    providers = (["CUDAExecutionProvider"] if use_gpu else []) + ["CPUExecutionProvider"]
    try:
        inner = ort.InferenceSession(str(model.onnx), sess_options=options, providers=providers)
    except Exception as error:  # onnxruntime raises a dozen types of its own
        raise ModelError(f"model {model.name}: {_first_line(error)}") from error
    if use_gpu and inner.get_providers()[0] != "CUDAExecutionProvider":
        use_gpu = False
        missing = "ONNX Runtime cannot load its CUDA provider: CUDA or cuDNN libraries are missing"
    if require_gpu and not use_gpu:
        raise ModelError(f"a GPU is required, but {missing or 'the device asked for is cpu'}")
    inputs = tuple(each.name for each in inner.get_inputs())
    for name in ("input_ids", "attention_mask"):
        if name not in inputs:
            raise ModelError(f"model {model.name}: it has no input {name}")
    outputs = [each.name for each in inner.get_outputs()]
    output = model.output or outputs[0]
    if output not in outputs:
        raise ModelError(f"model {model.name}: it has no output {output}")
    note = f"the model runs on the CPU: {missing}" if device == "cuda" and not use_gpu else None
    return Session(model, "cuda" if use_gpu else "cpu", note, inner, inputs, output)


def _missing_gpu(ort: object) -> str | None:
    """What is missing for CUDA; `None` if nothing is known to be."""
    if "CUDAExecutionProvider" not in ort.get_available_providers():  # type: ignore[attr-defined]
        return "this ONNX Runtime is built without CUDA (package onnxruntime-gpu)"
    driver = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(driver)
    except OSError:
        return f"there is no NVIDIA driver ({driver})"
    return None


def _pool(
    output: NDArray[np.float32], mask: NDArray[np.int64], pooling: str
) -> NDArray[np.float32]:
    if pooling == "none":
        return output
    if pooling == "cls":
        first: NDArray[np.float32] = output[:, 0]
        return first
    if pooling == "last":
        last: NDArray[np.float32] = output[np.arange(len(output)), mask.sum(axis=1) - 1]
        return last
    weights = mask[:, :, None].astype(np.float32)
    mean: NDArray[np.float32] = (output * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return mean


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
