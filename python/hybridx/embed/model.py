"""The model contract: `model.onnx`, a tokenizer and a configuration, whatever the source.

A folder is a model if it holds either

- `hybridx.json`: a static model over the analyzer's terms. Inputs `input_ids` and
  `attention_mask`, whose values are counts; the output is a unit vector already; or
- the files of a sentence-transformers model exported to ONNX: `tokenizer.json`, `config.json`, a
  graph (`model.onnx` or `onnx/model.onnx`, and those of other precisions), and, where they differ
  from the defaults, `modules.json`, `1_Pooling/config.json`, `sentence_bert_config.json`,
  `config_sentence_transformers.json` and `tokenizer_config.json` (`layouts.py`).

Names of models that were added (`added.py`) stand for folders below the user's cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.embed.added import explain_missing, find_added, list_added
from hybridx.embed.digests import file_digest
from hybridx.embed.layouts import (
    TOKENIZER,
    Pooling,
    files_in,
    find_graph,
    precisions,
    read_contract,
    read_json,
    weights_of,
)
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from hybridx.config import Settings
    from hybridx.types import Device, ModelInfo

BUNDLED = "bundled"
"""The name of the model that ships in the wheel."""

_STATIC_FORMAT = 1

_CHOICES = re.compile(
    r"(?P<folder>.+)#(?:precision=(?P<precision>\w+))?,?(?:dimension=(?P<dimension>\d+))?"
)


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
    """Of the vectors as they are kept."""
    full_dimension: int
    """Of what the graph gives; the first `dimension` of them are kept."""
    max_length: int
    pooling: Pooling
    normalize: bool
    output: str | None
    """The output's name; `None` for the first."""
    buckets: int = 0
    """Of a static model: ids behind the vocabulary that the n-grams of unknown names share."""
    query_prefix: str = ""
    passage_prefix: str = ""
    config_files: tuple[Path, ...] = field(default=())
    precision: str = "int8"
    """Of the graph's weights: `float32`, `float16` or `int8`."""
    reference: str = ""
    """Under which `load_model` finds this very model again, whatever the settings are then."""
    digests: Path | None = field(default=None, compare=False)
    """The folder in which digests of large files are remembered."""

    @cached_property
    def fingerprint(self) -> str:
        """A digest of every file that decides what the vectors are, and of their dimension."""
        digest = hashlib.sha256()
        # Large weights lie beside the graph, in files named after it.
        beside = [path.name for path in self.onnx.parent.iterdir()]
        weights = [self.onnx.parent / name for name in weights_of(self.onnx.name, beside)]
        for path in (self.onnx, *weights, self.tokenizer, *self.config_files):
            try:
                content = file_digest(path, self.digests)
            except OSError as error:
                raise ModelError(f"model {self.name}: {error}") from error
            digest.update(path.name.encode() + b"\0" + content)
        if self.dimension != self.full_dimension:
            digest.update(f"dimension {self.dimension}".encode())
        return digest.hexdigest()

    @property
    def info(self) -> ModelInfo:
        """The model as reports show it."""
        from hybridx.types import ModelInfo

        return ModelInfo(
            name=self.name,
            source=self.source,
            dimension=self.dimension,
            fingerprint=self.fingerprint,
            path=str(self.folder),
        )


def load_model(
    name: str,
    *,
    cache_dir: Path | None = None,
    precision: str = "auto",
    dimension: int | None = None,
    device: Device = "cpu",
    trusted: bool = True,
) -> Model:
    """Finds the model `name`: `bundled`, one that was added, a folder, or a `Model.reference`.

    Args:
        name: a name that was added means that model, also where a folder is called the same.
        cache_dir: the user's cache folder, with the models that were added in it.
        precision: of the graph; `auto` is float32, and on `cuda` float16, if there is one.
        dimension: of the vectors, if the model lets one choose; `None` is its own.
        device: where it is to run.
        trusted: whether the name is the user's own. A project may be a stranger's: what it names
            is never taken for a folder, whose files would be run.

    Raises:
        ModelError: there is no such model, or a part of it is missing or wrong.
    """
    if name == BUNDLED:
        folder = Path(str(resources.files("hybridx.embed") / "bundled"))
        return _static(folder, "bundled", dimension)
    added = None if cache_dir is None else find_added(cache_dir, name)
    if added is not None:
        folder, title, source = added.folder, added.name, added.source
        return _in_folder(folder, title, source, cache_dir, precision, dimension, device)
    if not trusted:
        raise ModelError(
            f"the project wants model {name!r}, and none of that name was added: if you trust it, "
            f"hybridx models add {name}; else choose another with --model"
        )
    folder = Path(name).expanduser()
    chosen = None if folder.is_dir() else _CHOICES.fullmatch(name)
    if chosen is not None:
        folder = Path(chosen["folder"]).expanduser()
        if precision == "auto" and chosen["precision"]:
            precision = chosen["precision"]
        if dimension is None and chosen["dimension"]:
            dimension = int(chosen["dimension"])
    if not folder.is_dir():
        raise ModelError(explain_missing(name))
    folder = folder.resolve()
    known = () if cache_dir is None else list_added(cache_dir)
    added = next((each for each in known if each.folder.resolve() == folder), None)
    title = folder.name if added is None else added.name
    source = "folder" if added is None else added.source
    return _in_folder(folder, title, source, cache_dir, precision, dimension, device)


def list_models(settings: Settings) -> list[ModelInfo]:
    """The models that are at hand: the bundled one, those added, and the one configured.

    What is damaged is left out.
    """
    names = [BUNDLED, *(str(each.folder) for each in list_added(settings.cache_dir))]
    found = []
    for name in names:
        with contextlib.suppress(ModelError):
            found.append(load_model(name, cache_dir=settings.cache_dir).info)
    with contextlib.suppress(ModelError):
        found.append(load_configured(settings).info)
    return list(dict.fromkeys(found))


def load_configured(settings: Settings) -> Model:
    """The model that the settings choose. Raises `ModelError`."""
    return load_model(
        settings.model,
        cache_dir=settings.cache_dir,
        precision=settings.precision,
        dimension=settings.dimension,
        device=settings.device,
        trusted=not settings.is_from_project("model"),
    )


def load_folder(
    folder: Path, name: str, *, precision: str = "auto", device: Device = "cpu"
) -> Model:
    """The model in `folder`, called `name`. Raises `ModelError`."""
    return _in_folder(folder, name, "folder", None, precision, None, device)


def _in_folder(
    folder: Path,
    name: str,
    source: str,
    cache_dir: Path | None,
    precision: str,
    dimension: int | None,
    device: Device,
) -> Model:
    if (folder / "hybridx.json").exists():
        return _static(folder, source, dimension)
    digests = None if cache_dir is None else cache_dir / "digests"
    return _transformer(folder, name, source, digests, precision, dimension, device)


def _static(folder: Path, source: str, dimension: int | None = None) -> Model:
    config = read_json(folder / "hybridx.json")
    if config.get("format") != _STATIC_FORMAT or config.get("tokenizer") != "terms":
        raise ModelError(f"{folder / 'hybridx.json'}: not a model this version can read")
    try:
        if dimension not in {None, int(config["dimension"])}:
            raise ModelError(
                f"model {config['name']} has vectors of {config['dimension']} dimensions only"
            )
        return Model(
            name=str(config["name"]),
            source=source,
            folder=folder,
            onnx=_file(folder / str(config["model"])),
            tokenizer=_file(folder / str(config["vocabulary"])),
            terms=True,
            dimension=int(config["dimension"]),
            full_dimension=int(config["dimension"]),
            max_length=int(config["max_terms"]),
            pooling="none",
            normalize=False,
            output=str(config["output"]),
            buckets=int(config.get("buckets", 0)),
            config_files=(folder / "hybridx.json",),
            reference=BUNDLED if source == "bundled" else str(folder),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / 'hybridx.json'}: missing or wrong: {error}") from error


def _transformer(
    folder: Path,
    name: str,
    source: str,
    digests: Path | None,
    precision: str,
    dimension: int | None,
    device: Device,
) -> Model:
    names = files_in(folder)
    graph = find_graph(names, precision, device)
    if graph is None:
        there = precisions(names)
        if not there:
            raise ModelError(f"{folder}: neither model.onnx nor onnx/model.onnx is there")
        raise ModelError(
            f"model {name} is not there in {precision}, only in {' and '.join(there)}; "
            f"if its source has it: hybridx models add {name} --precision {precision}"
        )
    tokenizer = _file(folder / TOKENIZER)
    contract = read_contract(folder, dimension)
    # What is not said here is the same by default: an old reference must not change its meaning.
    choices = [] if graph[0] == "float32" else [f"precision={graph[0]}"]
    choices += [] if dimension is None else [f"dimension={dimension}"]
    return Model(
        name=name,
        source=source,
        folder=folder,
        onnx=folder / graph[1],
        tokenizer=tokenizer,
        terms=False,
        dimension=contract.dimension,
        full_dimension=contract.full_dimension,
        max_length=contract.max_length,
        pooling=contract.pooling,
        # Also where the model does not: vectors are compared by their directions.
        normalize=True,
        output=None,
        query_prefix=contract.query_prefix,
        passage_prefix=contract.passage_prefix,
        config_files=tuple(folder / each for each in contract.files),
        precision=graph[0],
        reference=str(folder) + (f"#{','.join(choices)}" if choices else ""),
        digests=digests,
    )


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ModelError(f"{path.parent}: {path.name} is missing")
    return path
