"""Cross-encoders: models that read a query and a passage together and say how well they match.

A folder is one if it holds `tokenizer.json`, `config.json` and `model.onnx` or `onnx/model.onnx`:
a transformer for sequence classification, as sentence-transformers' `CrossEncoder` keeps it. It
has one label, or two of which the second is the positive one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridx import _core
from hybridx.embed.layouts import is_offset, read_json
from hybridx.embed.session import CUDA, first_line, missing_gpu, start
from hybridx.errors import Cancelled, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridx.types import Device

MAX_TOKENS = 512
"""The most tokens of a pair, whatever the model could read: a full chunk fits, and the time a pair
takes grows faster than its length."""

CPU_BUDGET = 1024
"""Tokens of one batch, padding included: a few pairs. More would only be padded to the longest of
them; 4,096 took a fifth more of the CPU's time, 8,192 a third."""
GPU_BUDGET = 8192

MAX_QUERY_CHARS = 300
"""A longer query is read up to the last whole line before that: its first lines say what it is
about, and all that follows would take the passage's place."""

_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_OUTPUT = "logits"
_LABELS = (1, 2)
_NONE = "it is no cross-encoder, which gives one score a pair, or two"
_MOST = 1 << 31
"""More than any token's id."""


@dataclass(frozen=True, slots=True)
class CrossEncoder:
    """A cross-encoder that is whole on the disk; nothing of it is loaded yet."""

    name: str
    folder: Path
    onnx: Path
    tokenizer: Path
    max_length: int
    """Tokens of a pair."""
    padding: int
    """The id of the padding token."""


def load_cross_encoder(name: str) -> CrossEncoder:
    """Finds the cross-encoder `name`: a folder.

    Raises:
        ModelError: there is no such folder, or it does not hold a cross-encoder.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ModelError(f"no cross-encoder {name!r}: give a folder that holds one")
    folder = folder.resolve()
    candidates = (folder / "model.onnx", folder / "onnx" / "model.onnx")
    onnx = next((path for path in candidates if path.is_file()), None)
    if onnx is None:
        raise ModelError(f"{folder}: neither model.onnx nor onnx/model.onnx is there")
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise ModelError(f"{folder}: tokenizer.json is missing")
    config = read_json(folder / "config.json")
    about = folder / "tokenizer_config.json"
    try:
        labels = len(config.get("id2label") or ()) or int(config.get("num_labels", 1))
        padding = int(config.get("pad_token_id") or 0)
        if not 0 <= padding < _MOST:
            # Some say so that there is none. What it is makes no difference: it is masked.
            padding = 0
        positions = int(config.get("max_position_embeddings", MAX_TOKENS))
        if is_offset(config):
            positions -= padding + 1
        tokenizer_config = read_json(about) if about.exists() else {}
        # Where nobody set it, this is 10 to the power of 30.
        limit = float(tokenizer_config.get("model_max_length") or positions)
        max_length = int(min(positions, limit, MAX_TOKENS))
        if max_length < 1:
            raise ValueError(f"a window of {max_length} tokens")
    except (OverflowError, TypeError, ValueError) as error:
        raise ModelError(f"{folder}: its configuration is wrong: {error}") from error
    if labels not in _LABELS:
        raise ModelError(f"{folder}: it has {labels} labels; a cross-encoder has one or two")
    return CrossEncoder(
        name=folder.name,
        folder=folder,
        onnx=onnx,
        tokenizer=tokenizer,
        max_length=max_length,
        padding=padding,
    )


class Reranker:
    """A cross-encoder, ready to run. Safe for several threads."""

    def __init__(self, model: CrossEncoder, *, device: Device = "auto", threads: int = 1) -> None:
        """Loads `model`; raises `ModelError`. `threads` serve one run on the CPU."""
        self.model = model
        self._encoder = _core.PairEncoder(model.tokenizer, model.max_length, padding=model.padding)
        self._session = _open(model, device, threads)
        on_gpu = CUDA in self._session.get_providers()
        self._budget = GPU_BUDGET if on_gpu else CPU_BUDGET
        inputs = {each.name for each in self._session.get_inputs()}
        outputs = {each.name: each.shape for each in self._session.get_outputs()}
        for name in sorted({"input_ids", "attention_mask"} - inputs):
            raise self._error(f"it has no input {name}")
        for name in sorted(inputs - _INPUTS):
            raise self._error(f"its input {name} is unknown")
        if _OUTPUT not in outputs and len(outputs) > 1:
            raise self._error(f"{_NONE}: none of its outputs, {', '.join(outputs)}, is {_OUTPUT}")
        self._inputs = sorted(inputs)
        self._output = _OUTPUT if _OUTPUT in outputs else next(iter(outputs))
        self._check_shape(outputs[self._output])

    def log_odds(
        self, query: str, passages: Sequence[str], *, cancel: _core.CancelToken | None = None
    ) -> NDArray[np.float64]:
        """The log odds that each passage answers the query, shape `(len(passages),)`.

        Raises:
            ModelError: the model failed.
            Cancelled: `cancel` was set; looked at between batches of some pairs.
        """
        log_odds = np.zeros(len(passages), dtype=np.float64)
        for batch in self._encoder.encode(opening(query), passages, budget=self._budget):
            if cancel is not None and cancel.cancelled:
                raise Cancelled("cancelled")
            feeds = {name: getattr(batch, name) for name in self._inputs}
            try:
                (output,) = self._session.run([self._output], feeds)
            except Exception as error:  # onnxruntime raises a dozen types of its own
                raise self._error(first_line(error)) from error
            self._check_shape(output.shape)
            scores = output.astype(np.float64)
            scores = scores[:, -1] - scores[:, 0] if scores.shape[1] > 1 else scores[:, 0]
            if not np.isfinite(scores).all():
                raise self._error("its scores are not finite numbers")
            log_odds[batch.rows] = scores
        return log_odds

    def _check_shape(self, shape: Sequence[int | str | None]) -> None:
        """Raises unless it is that of one or two scores a pair; axes may have names."""
        if len(shape) != 2:  # noqa: PLR2004 - pairs and scores
            raise self._error(f"{_NONE}: its output has {len(shape)} axes")
        if isinstance(shape[1], int) and shape[1] not in _LABELS:
            raise self._error(f"{_NONE}: it gives {shape[1]}")

    def _error(self, reason: str) -> ModelError:
        return ModelError(f"model {self.model.name}: {reason}")


def passage(path: str, context: str, text: str) -> str:
    """What a cross-encoder reads of a chunk: where it lies, what is around it, and its text."""
    return "\n".join(filter(None, (path, context, text)))


def opening(query: str) -> str:
    """The lines with which a long query begins; all of a short one."""
    query = query.strip()
    if len(query) <= MAX_QUERY_CHARS:
        return query
    end = query.rfind("\n", 0, MAX_QUERY_CHARS + 1)
    return query[: end if end > 0 else MAX_QUERY_CHARS].rstrip()


def _open(model: CrossEncoder, device: Device, threads: int) -> Any:
    """An ONNX Runtime session."""
    try:
        return start(model.onnx, cuda=device != "cpu" and missing_gpu() is None, threads=threads)
    except Exception as error:  # onnxruntime raises a dozen types of its own
        raise ModelError(f"model {model.name}: {first_line(error)}") from error
