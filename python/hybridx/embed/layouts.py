"""What the files of a sentence-transformers model say about it.

Nothing is known of any model but what stands in its own folder. What would give other vectors than
sentence-transformers does is refused in one line, never guessed at.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from hybridx.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hybridx.types import Device

Pooling = Literal["none", "mean", "cls", "last"]
Precision = Literal["float32", "float16", "int8"]

_X86 = platform.machine().lower() in {"x86_64", "amd64"}

_INT8 = (
    "model_quantized.onnx",
    "model_int8.onnx",
    "model_uint8.onnx",
    *(
        ("model_quint8_avx2.onnx", "model_qint8_avx512_vnni.onnx", "model_qint8_avx512.onnx")
        if _X86
        else ("model_qint8_arm64.onnx",)
    ),
)
GRAPHS: dict[Precision, tuple[str, ...]] = {
    "float32": ("model.onnx",),
    "float16": ("model_fp16.onnx", "model_O4.onnx"),
    "int8": _INT8,
}
"""The names under which exports of each precision are published, the better one first."""

_FOLDERS = ("onnx/", "")
SETTINGS = (
    "config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "tokenizer_config.json",
)
"""What decides how the graph is used, beside the configurations of the modules."""
TOKENIZER = "tokenizer.json"

_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
    "cls": "cls",
    "mean": "mean",
    "lasttoken": "last",
}
_SUPPORTED = ("Transformer", "Pooling", "Normalize", "Dropout")
_UNLIMITED = 1_000_000
"""Above this a tokenizer means that it has no limit."""
_DEFAULT_LENGTH = 512
_LEAST_LENGTH = 4
"""Tokens of a window; two of them are the tokenizer's own."""
_MOST = 1 << 24
"""No length and no dimension is more."""
_OFFSET_POSITIONS = ("camembert", "longformer", "mpnet", "roberta")
"""Parts of the names of architectures whose first position is the one after the padding's id."""


@dataclass(frozen=True)
class Contract:
    """How texts become vectors by this model."""

    full_dimension: int
    dimension: int
    max_length: int
    pooling: Pooling
    query_prefix: str
    passage_prefix: str
    files: tuple[str, ...]
    """Relative paths of the files that this was read from, in a fixed order."""


def is_setting(name: str) -> bool:
    """Whether a model's file, by its relative path, may be one that a contract is read from."""
    parts = name.split("/")
    # `1_Pooling/config.json`: modules lie in folders that begin with their number.
    module = len(parts) == 2 and parts[1] == "config.json" and parts[0][:1].isdigit()  # noqa: PLR2004
    return name in SETTINGS or module


def find_graph(
    names: Iterable[str], precision: str, device: Device
) -> tuple[Precision, str] | None:
    """The precision and the name of the graph to run, among the relative paths of a model's files.

    `auto` is float32, and float16 on `cuda`; where there is none, the next better one.
    `None` if there is no graph of that precision.
    """
    there = set(names)
    order: tuple[str, ...] = (precision,)
    if precision == "auto":
        order = ("float32", "float16", "int8")
        if device == "cuda":
            order = ("float16", "float32", "int8")
    for each in cast("tuple[Precision, ...]", order):
        for name in GRAPHS[each]:
            for folder in _FOLDERS:
                if folder + name in there:
                    return each, folder + name
    return None


def precisions(names: Iterable[str]) -> list[str]:
    """The precisions of the graphs among a model's files."""
    there = list(names)
    return [each for each in GRAPHS if find_graph(there, each, "cpu")]


def weights_of(graph: str, names: Iterable[str]) -> list[str]:
    """The files beside a graph that hold its weights: large ones do not fit in it."""
    return sorted(
        name for name in names if name.startswith((f"{graph}_", f"{graph}.")) and name != graph
    )


def files_in(folder: Path) -> list[str]:
    """The relative paths of the files of a model's folder, as the hub would list them."""
    found = [*folder.glob("*"), *folder.glob("onnx/*")]
    found += folder.glob("[0-9]*/config.json")
    return sorted({path.relative_to(folder).as_posix() for path in found if path.is_file()})


def read_contract(folder: Path, dimension: int | None) -> Contract:
    """The contract of the model in `folder`, with `dimension` of its dimensions (`None`: its own).

    Raises:
        ModelError: a file is missing or wrong, or asks for what is not supported.
    """
    try:
        return _read(folder, dimension)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ModelError(f"{folder}: its configuration is missing or wrong: {error}") from error


def _read(folder: Path, dimension: int | None) -> Contract:
    config = read_json(folder / "config.json")
    sentence = _optional(folder / "sentence_bert_config.json")
    prompting = _optional(folder / "config_sentence_transformers.json")
    tokenizer = _optional(folder / "tokenizer_config.json")
    modules = _modules(folder)
    pooling_file, pooling_config = _pooling_config(folder, modules)
    query, passage = _prefixes(prompting)
    if (query or passage) and pooling_config.get("include_prompt") is False:
        raise ModelError(f"{folder}: it wants its prompts left out of the pooling: not supported")
    if sentence.get("do_lower_case"):
        _check_lower_case(folder)
    if modules is not None and "Normalize" not in modules:
        # Only a direction is stored of each vector.
        compared = str(prompting.get("similarity_fn_name") or "cosine")
        if compared not in {"cosine", "None"}:
            raise ModelError(f"{folder}: its vectors are compared by {compared}: not supported")
    full = _width(config, pooling_config)
    names = [*SETTINGS, *([pooling_file] if pooling_file else [])]
    return Contract(
        full_dimension=full,
        dimension=_kept(folder, full, dimension, config, prompting),
        max_length=_length(config, sentence, tokenizer),
        pooling=_pooling(folder, config, modules, pooling_config),
        query_prefix=query,
        passage_prefix=passage,
        files=tuple(name for name in names if (folder / name).exists()),
    )


def _modules(folder: Path) -> dict[str, str] | None:
    """The folder of each module by its kind, in order; `None` if the model does not list any."""
    path = folder / "modules.json"
    if not path.exists():
        return None
    listed = _parsed(path)
    if not isinstance(listed, list):
        raise ModelError(f"{path}: not a list of modules")
    found = {}
    for each in sorted(listed, key=lambda each: int(each["idx"])):
        kind = str(each["type"]).rsplit(".", maxsplit=1)[-1]
        if kind not in _SUPPORTED or kind in found:
            name = each.get("path") or kind
            raise ModelError(
                f"{folder}: its module {name} ({kind}) is not supported: "
                "a model may pool and normalise what its graph gives, no more"
            )
        found[kind] = str(each.get("path") or "")
    return found


def _pooling_config(folder: Path, modules: dict[str, str] | None) -> tuple[str, dict[str, Any]]:
    if modules is not None and "Pooling" not in modules:
        return "", {}
    name = f"{(modules or {}).get('Pooling') or '1_Pooling'}/config.json"
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ModelError(f"{folder / 'modules.json'}: {name} leads out of the model")
    if not path.exists():
        if modules is not None:
            raise ModelError(f"{path.parent}: config.json is missing")
        return "", {}
    return name, read_json(path)


def _pooling(
    folder: Path, config: dict[str, Any], modules: dict[str, str] | None, pooling: dict[str, Any]
) -> Pooling:
    if modules is not None and "Pooling" not in modules:
        return "none"
    named = pooling.get("pooling_mode")
    chosen = [named] if isinstance(named, str) else list(named or ())
    if not chosen:
        chosen = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on]
    if not chosen and not pooling:
        architectures = " ".join(map(str, config.get("architectures") or ()))
        if "CausalLM" in architectures or "num_key_value_heads" in config:
            raise ModelError(f"{folder}: it does not say how its vectors are pooled")
        return "mean"  # what sentence-transformers makes of a bare encoder
    if len(chosen) == 1 and chosen[0] in _POOLINGS:
        return _POOLINGS[chosen[0]]
    said = ", ".join(map(str, chosen)) or "nothing"
    raise ModelError(f"{folder}: its pooling is {said}: supported are mean, CLS and last token")


def _prefixes(prompting: dict[str, Any]) -> tuple[str, str]:
    """What stands before a query and before a passage."""
    prompts = prompting.get("prompts") or {}
    default = prompting.get("default_prompt_name")

    def text(name: str) -> str:
        if not isinstance(prompts.get(name), str):
            raise ValueError(f"there is no text for the prompt {name!r}")
        return str(prompts[name])

    fallback = "" if default is None else text(default)

    def first(*names: str) -> str:
        return next((text(name) for name in names if name in prompts), fallback)

    return first("query"), first("document", "passage", "corpus")


def _check_lower_case(folder: Path) -> None:
    normalizer = read_json(folder / TOKENIZER).get("normalizer") or {}
    for each in (normalizer, *(normalizer.get("normalizers") or ())):
        if each.get("type") == "Lowercase" or each.get("lowercase") is True:
            return
    raise ModelError(
        f"{folder}: it wants texts in lower case, which its tokenizer does not make: not supported"
    )


def _width(config: dict[str, Any], pooling: dict[str, Any]) -> int:
    for key in ("hidden_size", "n_embd", "d_model", "dim"):
        if key in config:
            return _positive(key, config[key])
    if "word_embedding_dimension" in pooling:
        return _positive("word_embedding_dimension", pooling["word_embedding_dimension"])
    raise KeyError("hidden_size")


def _positive(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise ValueError(f"{key} is {value!r}")
    return value


def _kept(
    folder: Path,
    full: int,
    wanted: int | None,
    config: dict[str, Any],
    prompting: dict[str, Any],
) -> int:
    own = prompting.get("truncate_dim") or config.get("truncate_dim")
    default = full if own is None else _positive("truncate_dim", own)
    listed = config.get("matryoshka_dimensions") or prompting.get("matryoshka_dimensions") or ()
    allowed = {full, default, *(_positive("matryoshka_dimensions", each) for each in listed)}
    if max(allowed) > full:
        raise ValueError(f"{max(allowed)} dimensions of {full}")
    if wanted is None:
        return default
    if wanted not in allowed:
        said = ", ".join(map(str, sorted(allowed)))
        raise ModelError(f"{folder}: it has no vectors of {wanted} dimensions, but of {said}")
    return wanted


def _length(config: dict[str, Any], sentence: dict[str, Any], tokenizer: dict[str, Any]) -> int:
    limits = []
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    if positions is not None:
        limit = _positive("max_position_embeddings", positions)
        if is_offset(config):
            limit -= int(config.get("pad_token_id") or 0) + 1
        limits.append(limit)
    if sentence.get("max_seq_length") is not None:
        limits.append(_positive("max_seq_length", sentence["max_seq_length"]))
    else:
        most = tokenizer.get("model_max_length")
        # Written as a float where it means that there is none.
        if isinstance(most, (int, float)) and 0 < most < _UNLIMITED:
            limits.append(int(most))
    length = min(limits, default=_DEFAULT_LENGTH)
    if length < _LEAST_LENGTH:
        raise ValueError(f"a window of {length} tokens has no room for a text")
    return length


def is_offset(config: dict[str, Any]) -> bool:
    """Whether positions are counted from the one after the padding's id."""
    kind = str(config.get("model_type", ""))
    return any(each in kind for each in _OFFSET_POSITIONS)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `ModelError`."""
    value = _parsed(path)
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object")
    return value


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path.parent} is no model: {path.name} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {error}") from error


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
