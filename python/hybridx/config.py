"""Every setting: its default, its limits, and where its value came from.

Later sources overrule earlier ones: defaults, the project's file, `HYBRIDX_*` variables, flags.
The project's file is `hybridx.toml` in the root that is indexed, or else the table
`[tool.hybridx]` of its `pyproject.toml`; with both, `hybridx.toml` alone counts.

A project's file comes with the tree, so it may be a stranger's: it may not say where on this
machine things are written (`cache_dir`, `index_parent`, an `index_dir` outside the root), and it
may not switch the redaction of secrets off. It may name files of its own that are to be stored as
they are (`secrets_allow`): which keys are there for the tests' sake, only the project knows.

`HYBRIDX_INDEX_DIR` is `index_parent`, a folder with one index per root in it; `index_dir`, the
place of one index, has no variable. Of these two the one from the later source counts.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hybridx.types import Device

__all__ = ["Settings", "suggestion", "unknown_variables"]

MIB = 1024 * 1024
NO_RERANKING = "none"
"""The name of no cross-encoder."""
NO_SETTINGS = ("HYBRIDX_DEBUG",)
"""Variables of ours that are no setting."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a value must be."""

    kind: type
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    flag: str = ""
    variable: str | None = ""
    in_project: bool = True


def _must(kind: type, **more: Any) -> dict[str, _Rule]:
    return {"rule": _Rule(kind, **more)}


def _user_cache() -> Path:
    import platformdirs  # only asked for when no cache folder is given

    return Path(platformdirs.user_cache_dir("hybridx", appauthor=False))


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, valid and complete.

    Made by `load` from all sources, or by hand from keyword arguments. Raises `UsageError` for a
    value of the wrong type or out of bounds. Folders are absolute.
    """

    model: str = field(default="bundled", metadata=_must(str))
    """`bundled`, a model that was added (`hybridx models add`), or a folder. Where none is given,
    an index keeps the model it was made with."""
    precision: str = field(
        default="auto", metadata=_must(str, choices=("auto", "float32", "float16", "int8"))
    )
    """Of a transformer's weights, where its files offer a choice; `auto` is float32, and float16
    on the device `cuda`."""
    dimension: int | None = field(default=None, metadata=_must(int, low=1, high=2**16))
    """Of the vectors, where the model lets one choose; `None` is the model's own."""
    device: Device = field(default="auto", metadata=_must(str, choices=("auto", "cpu", "cuda")))
    """Where the model runs; `auto` takes a GPU that works and else the CPU."""
    rerank: str = field(default=NO_RERANKING, metadata=_must(str))
    """A folder that holds a cross-encoder, which puts the best candidates of a search in order;
    `none` is none."""
    rerank_candidates: int = field(default=30, metadata=_must(int, low=1, high=1000))
    """How many candidates it reads."""
    require_gpu: bool = field(default=False, metadata=_must(bool))
    """Fail rather than run the model on the CPU."""
    jobs: int = field(default=0, metadata=_must(int, low=0, high=1024))
    """Threads; 0 is one for each core that this process may use (see `threads`)."""
    max_file_bytes: int = field(default=4 * MIB, metadata=_must(int, low=1, high=1024 * MIB))
    """Larger files are skipped."""
    default_excludes: bool = field(default=True, metadata=_must(bool))
    """Leave out folders of dependencies and caches: `node_modules`, `__pycache__`, virtual
    environments and their like."""
    redact_secrets: bool = field(default=True, metadata=_must(bool, in_project=False))
    """Skip files whose name says that they hold secrets, and redact secrets in all others."""
    secrets_allow: tuple[str, ...] = field(default=(), metadata=_must(tuple))
    """Files that are stored as they are: patterns as in a `.gitignore` at the root. In a variable
    they are separated by commas, or by line breaks if there is one."""
    memory_limit_mb: int | None = field(
        default=None, metadata=_must(int, low=1, high=2**40, flag="--memory-limit")
    )
    """What a run tries to stay below, in MiB of memory of its own (mapped files not counted);
    `None` is a quarter of what the machine or control group has, 512 to 1,024. The libraries alone
    take about 220."""
    index_dir: Path | None = field(default=None, metadata=_must(Path, variable=None))
    """The folder of the index; `None` is `.hybridx` in the root, or a folder in `index_parent`."""
    index_parent: Path | None = field(
        default=None, metadata=_must(Path, variable="HYBRIDX_INDEX_DIR", in_project=False)
    )
    """A folder that holds one index per root."""
    max_errors: int | None = field(default=None, metadata=_must(int, low=0, high=2**40))
    """How many files may fail before a run gives up; `None` is any number."""
    lock_timeout: float = field(default=10.0, metadata=_must(float, low=0, high=86_400 * 365))
    """Seconds to wait for another process that is writing the index."""
    watch_polling: bool = field(default=False, metadata=_must(bool))
    """Look at the tree from time to time rather than wait to be told of changes: for network file
    systems, where others change files and the system does not tell."""
    commit_files: int = field(default=5000, metadata=_must(int, low=1, high=2**40))
    """Files between two commits of a long run."""
    cache_dir: Path = field(default_factory=_user_cache, metadata=_must(Path, in_project=False))
    """Where downloaded models and the vector cache live."""
    cache_mb: int = field(default=1024, metadata=_must(int, low=0, high=2**40, in_project=False))
    """What the vector cache of all indexes may take on disk, in MiB; 0 switches it off. What was
    not used for longest goes first."""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """The sources of values that are not defaults; ask `origin`."""

    def __post_init__(self) -> None:
        for key, rule in _RULES.items():
            value = getattr(self, key)
            if value is not None or _default(key) is not None:
                object.__setattr__(self, key, _checked(key, rule, value))
        if self.require_gpu and self.device == "cpu":
            raise UsageError(
                "a GPU is required, but the device is the CPU "
                f"(require_gpu: {self.origin('require_gpu')}; device: {self.origin('device')})"
            )

    @classmethod
    def load(
        cls,
        root: str | os.PathLike[str],
        flags: Mapping[str, object],
        *,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Reads all sources. `flags` are values by key; `None` is a flag not given.

        Raises `UsageError`, which names the source and the key, and `OSError` if a project's file
        is there but cannot be read.
        """
        root = Path(root).absolute()  # not resolved: messages name it
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for key, value, origin in (
            *_from_project(root),
            *_from_environment(os.environ if environ is None else environ),
            *_from_flags(flags),
        ):
            values[key] = value
            origins[key] = origin
            rival = _RIVALS.get(key, "")
            if values.get(rival) is not None:
                values[rival] = None
                origins[rival] = f"overruled by {origin}"
        _keep_apart(root, values.get("index_dir"), origins)
        return cls(**values, origins=origins)

    def reloaded(self, root: str | os.PathLike[str]) -> Settings:
        """The same from the sources as they are now; flags stay.

        Settings that a program made stay as they are. Raises as `load` does.
        """
        flags: dict[str, object] = {}
        for key in _RULES:
            origin = self.origin(key)
            if origin == "argument":
                return self
            if origin.startswith("--"):
                flags[key] = getattr(self, key)
        return Settings.load(root, flags)

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The names of all settings."""
        return tuple(_RULES)

    def origin(self, key: str) -> str:
        """Where the value of `key` came from, such as `default`, `HYBRIDX_JOBS` or `--jobs`."""
        if key not in _RULES:
            raise UsageError(f"there is no setting {key}{suggestion(key, _RULES)}")
        if key in self.origins:
            return self.origins[key]
        return "default" if getattr(self, key) == _default(key) else "argument"

    @property
    def threads(self) -> int:
        """How many threads `jobs` stands for, at least 1."""
        if self.jobs:
            return self.jobs
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


_RULES: dict[str, _Rule] = {
    each.name: each.metadata["rule"]
    for each in dataclasses.fields(Settings)
    if "rule" in each.metadata
}

_RIVALS = {"index_dir": "index_parent", "index_parent": "index_dir"}

_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}

_Found = tuple[str, Any, str]
"""A valid value: its key, the value and its origin."""


def suggestion(word: str, words: Iterable[str]) -> str:
    """`; did you mean …?` if one of `words` is like `word`, else nothing."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def unknown_variables(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """`HYBRIDX_*` variables that nothing reads, each with a suggestion, which may be empty.

    They are no error: another version of hybridx may know them.
    """
    known = {*_variables().values(), *NO_SETTINGS}
    return [
        (name, suggestion(name, known))
        for name in sorted(environ)
        if name.startswith("HYBRIDX_") and name not in known
    ]


def _default(key: str) -> object:
    found = next(each for each in dataclasses.fields(Settings) if each.name == key)
    if found.default_factory is not dataclasses.MISSING:
        return found.default_factory()
    return found.default


def _variables() -> dict[str, str]:
    """The variable of each key that has one."""
    return {
        key: rule.variable or f"HYBRIDX_{key.upper()}"
        for key, rule in _RULES.items()
        if rule.variable is not None
    }


def _from_project(root: Path) -> Iterator[_Found]:
    own, shared = root / "hybridx.toml", root / "pyproject.toml"
    if own.is_file():
        table, name, where = _read_toml(own), own.name, str(own)
    elif shared.is_file():
        tools = _read_toml(shared).get("tool")
        table = tools.get("hybridx", {}) if isinstance(tools, dict) else {}
        name, where = f"{shared.name} [tool.hybridx]", f"{shared} [tool.hybridx]"
        if not isinstance(table, dict):
            raise UsageError(f"{where}: must be a table")
    else:
        return
    for key, raw in table.items():
        if key not in _RULES:
            raise UsageError(f"{where}: there is no setting {key}{suggestion(key, _RULES)}")
        if not _RULES[key].in_project:
            raise UsageError(
                f"{where}: {key} is not for a project to decide; set {_variables()[key]} instead"
            )
        value = _checked(f"{where}: {key}", _RULES[key], raw, root)
        if isinstance(value, Path) and not _is_below(value, root):
            raise UsageError(f"{where}: {key} leads out of the project; use --index-dir instead")
        yield key, value, name


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Found]:
    for key, variable in _variables().items():
        text = environ.get(variable, "")
        if text:
            value = _parsed(variable, _RULES[key].kind, text)
            yield key, _checked(variable, _RULES[key], value), variable


def _from_flags(flags: Mapping[str, object]) -> Iterator[_Found]:
    for key, value in flags.items():
        if key not in _RULES:
            raise UsageError(f"there is no setting {key}{suggestion(key, _RULES)}")
        if value is not None:
            flag = _RULES[key].flag or "--" + key.replace("_", "-")
            yield key, _checked(flag, _RULES[key], value), flag


def _keep_apart(root: Path, index_dir: Path | None, origins: Mapping[str, str]) -> None:
    """An index in the place of the sources would mix with them, and be cleaned with them."""
    if index_dir is not None and _is_below(root, index_dir):
        raise UsageError(
            f"{origins['index_dir']}: {index_dir} is the tree itself or a folder above it; "
            "name a folder of its own for the index"
        )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}:{line}: TOML must be UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        found = re.search(r"\(at line (\d+)", text)
        line = int(found[1]) if found else path.read_bytes().count(b"\n") + 1
        raise UsageError(f"{path}:{line}: not valid TOML: {text}") from error


def _parsed(where: str, kind: type, text: str) -> object:
    """The value that the text of a variable stands for; `_checked` judges the rest."""
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "on": True}
        words |= {"0": False, "false": False, "no": False, "off": False}
        return words.get(text.strip().lower(), text)
    if kind is tuple:
        parts = text.split("\n" if "\n" in text.strip() else ",")
        return [part.strip() for part in parts if part.strip()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise UsageError(f"{where}: must be {_TYPE_NAMES[kind]}, not {text!r}") from None
    return text


def _checked(where: str, rule: _Rule, value: object, base: Path | None = None) -> object:
    """`value` if it keeps to the rule; else `UsageError`.

    Relative paths start at `base`, or else at the working directory.
    """
    if rule.kind is Path:
        text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(text, str) or not text or "\0" in text:
            raise UsageError(f"{where}: must be a path, not {value!r}")
        return _absolute(text, base)
    if rule.kind is tuple:
        return _texts(where, value)
    if rule.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # A bool is an int for `isinstance`.
    if not isinstance(value, rule.kind) or (isinstance(value, bool) and rule.kind is not bool):
        raise UsageError(f"{where}: must be {_TYPE_NAMES[rule.kind]}, not {value!r}")
    if isinstance(value, str):
        if rule.choices and value not in rule.choices:
            raise UsageError(f"{where}: must be one of {', '.join(rule.choices)}, not {value!r}")
        if not value.strip() or "\0" in value:
            raise UsageError(f"{where}: must not be empty")
        # Only what can be nothing but a folder: `a/b` may be a hub name.
        if value.startswith(("./", "../", "~")):
            return str(_absolute(value, base))
    # Written so that NaN fails.
    if isinstance(value, (int, float)) and not rule.low <= value <= rule.high:
        bound = f"between {rule.low:,} and {rule.high:,}"
        raise UsageError(f"{where}: must be {bound}, not {value:,}")
    return value


def _texts(where: str, value: object) -> tuple[str, ...]:
    """A list of texts, none of them empty, as a tuple."""
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{where}: must be {_TYPE_NAMES[tuple]}, not {value!r}")
    texts = []
    for each in value:
        if not isinstance(each, str) or not each.strip() or "\0" in each or "\n" in each:
            raise UsageError(f"{where}: must be {_TYPE_NAMES[tuple]}, and {each!r} is none")
        texts.append(each)
    return tuple(texts)


def _absolute(path: str, base: Path | None) -> Path:
    full = os.path.expanduser(path)  # noqa: PTH111 - leaves the `~` of an unknown user alone
    full = os.path.join(base or "", full)  # noqa: PTH118 - for `abspath`, which resolves no links
    return Path(os.path.abspath(full))  # noqa: PTH100


def _is_below(path: Path, folder: Path) -> bool:
    """Whether `path` is `folder` or lies in it, whatever links are on the way."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
