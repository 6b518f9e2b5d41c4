"""ONNX Runtime sessions: which device, and what is said when it is not to be had."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybridx.errors import ModelError

if TYPE_CHECKING:
    from types import ModuleType

    from hybridx.embed.model import Model
    from hybridx.types import Device

_SILENT = 4
"""ONNX Runtime's log level above which nothing is said."""

_NUMBERS = re.compile(r"^\[ONNXRuntimeError\] : \d+ : (?:[A-Z_]+ : )?")

CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True)
class Session:
    """A loaded model. Safe for several threads, each with a `Lane` of its own."""

    model: Model
    device: str
    """`cpu` or `cuda`: where it really runs."""
    note: str | None
    """Why it does not run where it was asked to, if so."""
    inner: Any
    """The `onnxruntime.InferenceSession`."""
    output: str


def load_onnxruntime() -> ModuleType:
    """Imports it, to raise what goes wrong and to print nothing."""
    # Or it reports to its maker, and writes an id for that into the user's cache on import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    # Whatever goes wrong is raised or said by us, in one line.
    onnxruntime.set_default_logger_severity(_SILENT)
    module: ModuleType = onnxruntime
    return module


def open_session(model: Model, *, device: Device = "auto", require_gpu: bool = False) -> Session:
    """Loads `model` on `device`.

    On the CPU a run takes one thread: several runs at once keep more cores busy than one run with
    several threads, and wait for nobody.

    Raises:
        ModelError: the model cannot be loaded, or does not run on the GPU that is required.
    """
    if model.terms and device == "auto" and not require_gpu:
        # Bound by memory, and done before a GPU is awake.
        device = "cpu"
    missing = None if device == "cpu" else missing_gpu()
    use_gpu = device != "cpu" and missing is None
    # Without a GPU `auto` has nothing to say; with one that does not serve it has.
    expected = use_gpu or device == "cuda"
    try:
        inner = start(model.onnx, cuda=use_gpu)
    except Exception as error:  # onnxruntime raises a dozen types of its own
        raise ModelError(f"model {model.name}: {first_line(error)}") from error
    if use_gpu and inner.get_providers()[0] != CUDA:
        use_gpu = False
        missing = "ONNX Runtime cannot load its CUDA provider: CUDA or cuDNN libraries are missing"
    if require_gpu and not use_gpu:
        raise ModelError(f"a GPU is required, but {missing or 'the device asked for is cpu'}")
    inputs = [each.name for each in inner.get_inputs()]
    for name in ("input_ids", "attention_mask"):
        if name not in inputs:
            raise ModelError(f"model {model.name}: it has no input {name}")
    outputs = [each.name for each in inner.get_outputs()]
    output = model.output or outputs[0]
    if output not in outputs:
        raise ModelError(f"model {model.name}: it has no output {output}")
    note = f"the model runs on the CPU: {missing}" if expected and not use_gpu else None
    return Session(model, "cuda" if use_gpu else "cpu", note, inner, output)


def start(onnx: os.PathLike[str], *, cuda: bool, threads: int = 1) -> Any:
    """An `InferenceSession` of the graph in the file `onnx`; `threads` serve a run on the CPU.

    Raises what ONNX Runtime raises.
    """
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if threads > 1:
        # Threads that wait by spinning would take from others what they win.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    providers: list[Any] = ["CPUExecutionProvider"]
    if cuda:
        # Batches differ in shape: an arena that grows by doubling would take twice what is needed.
        # And float32 is to be what it is on the CPU: both share one cache.
        options_of_cuda = {"arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"}
        providers.insert(0, (CUDA, options_of_cuda))
    return ort.InferenceSession(os.fspath(onnx), sess_options=options, providers=providers)


def missing_gpu() -> str | None:
    """What is missing for CUDA; `None` if nothing is known to be."""
    ort = load_onnxruntime()
    if CUDA not in ort.get_available_providers():
        return "this ONNX Runtime is built without CUDA (package onnxruntime-gpu)"
    driver = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(driver)
    except OSError:
        return f"there is no NVIDIA driver ({driver})"
    if hasattr(ort, "preload_dlls"):
        # CUDA's libraries may have come as Python packages, where no loader looks. What it prints
        # of those it does not find comes as our own line, if the session then cannot do without.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            ort.preload_dlls(directory="")
    return None


def first_line(error: Exception) -> str:
    """What an error says, in one line, without ONNX Runtime's numbers."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    if "INVALID_PROTOBUF" in line:
        return "its graph is damaged or cut short"
    return _NUMBERS.sub("", line)
