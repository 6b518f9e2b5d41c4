"""The model contract: `model.onnx`, a tokenizer and a configuration, whatever the source.

A folder is a model if it holds either

- `hybridx.json`: a static model over the analyzer's terms. Inputs `input_ids` and
  `attention_mask`, whose values are counts; the output is a unit vector already; or
- the files of a sentence-transformers model exported to ONNX: `tokenizer.json`, `config.json`,
  `model.onnx` or `onnx/model.onnx`, and, where they differ from the defaults,
  `1_Pooling/config.json`, `modules.json`, `sentence_bert_config.json` and
  `config_sentence_transformers.json`.
"""

from __future__ import annotations

import glob
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hybridx.errors import ModelError
from hybridx.types import ModelInfo

if TYPE_CHECKING:
    from hybridx.config import Settings

BUNDLED = "bundled"
"""The name of the model that ships in the wheel."""

_STATIC_FORMAT = 1

Pooling = Literal["none", "mean", "cls", "last"]


@dataclass(frozen=True)
class Model:
    """A model that is whole on the disk; nothing of it is loaded yet."""

    name: str
    source: str
    folder: Path
    onnx: Path
    tokenizer: Path
    terms: bool
    """Whether the tokenizer is a vocabulary of the analyzer's terms."""
    dimension: int
    max_length: int
    pooling: Pooling
    normalize: bool
    output: str | None
    """The output's name; `None` for the first."""
    query_prefix: str = ""
    passage_prefix: str = ""
    config_files: tuple[Path, ...] = field(default=())

    @cached_property
    def fingerprint(self) -> str:
        """A digest of every file that decides what the vectors are."""
        digest = hashlib.sha256()
        # Large weights lie beside the graph, in files named after it.
        weights = sorted(self.onnx.parent.glob(f"{glob.escape(self.onnx.name)}[_.]*"))
        for path in (self.onnx, *weights, self.tokenizer, *self.config_files):
            try:
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").digest()
            except OSError as error:
                raise ModelError(f"model {self.name}: {error}") from error
            digest.update(path.name.encode() + b"\0" + content)
        return digest.hexdigest()

    @property
    def info(self) -> ModelInfo:
        """The model as reports show it."""
        return ModelInfo(
            name=self.name,
            source=self.source,
            dimension=self.dimension,
            fingerprint=self.fingerprint,
            path=str(self.folder),
        )


def load_model(name: str) -> Model:
    """Finds the model `name`: `bundled`, or a folder.

    Raises:
        ModelError: there is no such model, or a part of it is missing or wrong.
    """
    if name == BUNDLED:
        folder = Path(str(resources.files("hybridx.embed") / "bundled"))
        return _static(folder, "bundled")
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ModelError(f"no model {name!r}: give {BUNDLED!r} or a folder that holds a model")
    folder = folder.resolve()
    if (folder / "hybridx.json").exists():
        return _static(folder, "folder")
    return _transformer(folder)


def list_models(settings: Settings) -> list[ModelInfo]:
    """The models that are at hand: the bundled one, and the one that is configured."""
    names = dict.fromkeys([BUNDLED, settings.model])
    return [load_model(name).info for name in names]


def _static(folder: Path, source: str) -> Model:
    config = _json(folder / "hybridx.json")
    if config.get("format") != _STATIC_FORMAT or config.get("tokenizer") != "terms":
        raise ModelError(f"{folder / 'hybridx.json'}: not a model this version can read")
    try:
        return Model(
            name=str(config["name"]),
            source=source,
            folder=folder,
            onnx=_file(folder / str(config["model"])),
            tokenizer=_file(folder / str(config["vocabulary"])),
            terms=True,
            dimension=int(config["dimension"]),
            max_length=int(config["max_terms"]),
            pooling="none",
            normalize=False,
            output=str(config["output"]),
            config_files=(folder / "hybridx.json",),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / 'hybridx.json'}: missing or wrong: {error}") from error


def _transformer(folder: Path) -> Model:
    candidates = (folder / "model.onnx", folder / "onnx" / "model.onnx")
    found = [path for path in candidates if path.exists()]
    if not found:
        raise ModelError(f"{folder}: neither model.onnx nor onnx/model.onnx is there")
    config = _json(folder / "config.json")
    sentence = _json_or_empty(folder / "sentence_bert_config.json")
    pooling = _json_or_empty(folder / "1_Pooling" / "config.json")
    prompts = _json_or_empty(folder / "config_sentence_transformers.json").get("prompts") or {}
    modules = folder / "modules.json"
    names = (
        "config.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
        "config_sentence_transformers.json",
        "modules.json",
    )
    try:
        positions = int(config.get("max_position_embeddings", 512))
        return Model(
            name=folder.name,
            source="folder",
            folder=folder,
            onnx=found[0],
            tokenizer=_file(folder / "tokenizer.json"),
            terms=False,
            dimension=int(config["hidden_size"]),
            max_length=min(int(sentence.get("max_seq_length") or positions), positions),
            pooling=_pooling(pooling),
            normalize=not modules.exists() or "Normalize" in modules.read_text("utf-8"),
            output=None,
            query_prefix=str(prompts.get("query", "")),
            passage_prefix=str(prompts.get("document", prompts.get("passage", ""))),
            config_files=tuple(folder / name for name in names if (folder / name).exists()),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder}: its configuration is missing or wrong: {error}") from error


def _pooling(config: dict[str, Any]) -> Pooling:
    if config.get("pooling_mode_cls_token"):
        return "cls"
    if config.get("pooling_mode_lasttoken"):
        return "last"
    if config and not config.get("pooling_mode_mean_tokens"):
        raise ModelError("its pooling is none of mean, CLS and last token")
    return "mean"


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ModelError(f"{path.parent}: {path.name} is missing")
    return path


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path.parent} is no model: {path.name} is missing") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object")
    return value


def _json_or_empty(path: Path) -> dict[str, Any]:
    return _json(path) if path.exists() else {}
