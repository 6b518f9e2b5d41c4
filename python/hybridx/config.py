"""Every setting: its default, its limits, and where its value came from.

Later sources overrule earlier ones: defaults, the project's file, `HYBRIDX_*` variables, flags.
The project's file is `hybridx.toml` in the root that is indexed, or else the table
`[tool.hybridx]` of its `pyproject.toml`; with both, `hybridx.toml` alone counts.

A `preset` stands for some settings, which it changes only where no source gives them: whoever sets
one has thought of it, wherever that was.

A project's file comes with the tree, so it may be a stranger's: it may not say where on this
machine things are written (`cache_dir`, `index_parent`, an `index_dir` outside the root), nor which
files are run as a model (`rerank`; `model` may be a name that the user has added, and no folder),
and it may not switch the redaction of secrets off. It may name files of its own that are to be
stored as they are (`secrets_allow`): which keys are there for the tests' sake, only it knows.

`HYBRIDX_INDEX_DIR` is `index_parent`, a folder with one index per root in it; `index_dir`, the
place of one index, has no variable. Of these two the one from the later source counts.
"""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridx.errors import UsageError
from hybridx.presets import PRESETS, Preset
from hybridx.setting import TYPE_NAMES, Rule, checked, closest, suggestion
from hybridx.setting import must as _must
from hybridx.sources import (
    FROM_PROJECT,
    from_environment,
    from_flags,
    from_project,
    is_below,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybridx.types import Device, Setting, VectorIndex

__all__ = ["Settings", "suggestion", "unknown_variables"]

MIB = 1024 * 1024
NO_RERANKING = "none"
"""The name of no cross-encoder."""
NO_SETTINGS = ("HYBRIDX_DEBUG",)
"""Variables of ours that are no setting."""


def _user_cache() -> Path:
    import platformdirs  # only asked for when no cache folder is given

    return Path(platformdirs.user_cache_dir("hybridx", appauthor=False))


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, valid and complete.

    Made by `load` from all sources, or by hand from keyword arguments. Raises `UsageError` for a
    value of the wrong type or out of bounds. Folders are absolute.
    """

    preset: Preset | None = field(
        default=None, metadata=_must(str, choices=tuple(PRESETS), flag="--preset")
    )
    """How large the repository is: other defaults for some settings, which change how an index is
    made and never what is in it. What is given explicitly, in whatever source, overrules it."""
    model: str = field(default="bundled", metadata=_must(str, flag="--model"))
    """`bundled`, a model that was added (`hybridx models add`), or a folder, which a project's file
    may not name. Where none is given, an index keeps the model it was made with."""
    precision: str = field(
        default="auto",
        metadata=_must(str, choices=("auto", "float32", "float16", "int8"), flag="--precision"),
    )
    """Of a transformer's weights, where its files offer a choice; `auto` is float32, and float16
    on the device `cuda`."""
    dimension: int | None = field(
        default=None, metadata=_must(int, low=1, high=2**16, flag="--dimension")
    )
    """Of the vectors, where the model lets one choose; `None` is the model's own."""
    device: Device = field(
        default="auto", metadata=_must(str, choices=("auto", "cpu", "cuda"), flag="--device")
    )
    """Where the model runs; `auto` takes a GPU that works and else the CPU."""
    rerank: str = field(
        default=NO_RERANKING, metadata=_must(str, flag="--rerank", in_project=False)
    )
    """A folder that holds a cross-encoder, which puts the best candidates of a search in order;
    `none` is none."""
    rerank_candidates: int = field(default=30, metadata=_must(int, low=1, high=1000))
    """How many candidates it reads."""
    require_gpu: bool = field(default=False, metadata=_must(bool, flag="--require-gpu"))
    """Fail rather than run the model on the CPU."""
    jobs: int = field(default=0, metadata=_must(int, low=0, high=1024, flag="--jobs"))
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
    index_dir: Path | None = field(
        default=None, metadata=_must(Path, variable=None, flag="--index-dir")
    )
    """The folder of the index; `None` is `.hybridx` in the root, or a folder in `index_parent`."""
    index_parent: Path | None = field(
        default=None, metadata=_must(Path, variable="HYBRIDX_INDEX_DIR", in_project=False)
    )
    """A folder that holds one index per root."""
    max_errors: int | None = field(
        default=None, metadata=_must(int, low=0, high=2**40, flag="--max-errors")
    )
    """How many files may fail before a run gives up; `None` is any number."""
    lock_timeout: float = field(
        default=10.0, metadata=_must(float, low=0, high=86_400 * 365, flag="--lock-timeout")
    )
    """Seconds to wait for another process that is writing the index."""
    vector_index: VectorIndex = field(default="auto", metadata=_must(str, choices=("auto", "off")))
    """Whether to build an index of the vectors, which makes searches of large trees faster and
    misses one in fifty of the nearest; `auto` builds one from about eight thousand chunks on."""
    watch_polling: bool = field(default=False, metadata=_must(bool, flag="--polling"))
    """Look at the tree from time to time rather than wait to be told of changes: for network file
    systems, where others change files and the system does not tell."""
    commit_files: int = field(default=5000, metadata=_must(int, low=1, high=2**40))
    """Files between two commits of a long run."""
    cache_dir: Path = field(default_factory=_user_cache, metadata=_must(Path, in_project=False))
    """Where downloaded models and the vector cache live; by default `hybridx` in the user's cache
    folder."""
    cache_mb: int = field(default=1024, metadata=_must(int, low=0, high=2**40, in_project=False))
    """What the vector cache of all indexes may take on disk, in MiB; 0 switches it off. What was
    not used for longest goes first. A static model, such as the bundled one, has none: it is run in
    less time than a vector is looked up."""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """The sources of values that are not defaults; ask `origin`."""

    def __post_init__(self) -> None:
        for key, rule in _RULES.items():
            value = getattr(self, key)
            if value is not None or _default(key) is not None:
                object.__setattr__(self, key, checked(key, rule, value))
        if self.preset:
            self._apply(self.preset)
        if self.require_gpu and self.device == "cpu":
            raise UsageError(
                "a GPU is required, but the device is the CPU "
                f"(require_gpu: {self.origin('require_gpu')}; device: {self.origin('device')})"
            )

    def _apply(self, preset: Preset) -> None:
        """Takes a preset's values where none was given."""
        origins = dict(self.origins)
        for key, value in PRESETS[preset].items():
            if key in origins:
                continue
            # Made by hand: what is as by default was hardly meant.
            origins[key] = "argument"
            if getattr(self, key) == _default(key):
                origins[key] = f"preset {preset} ({self.origin('preset')})"
                object.__setattr__(self, key, value)
        # From now on all of them are known: a copy with other values keeps those.
        object.__setattr__(self, "origins", origins)

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
            *from_project(root, _RULES),
            *from_environment(os.environ if environ is None else environ, _RULES),
            *from_flags(flags, _RULES),
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

    def is_from_project(self, key: str) -> bool:
        """Whether the value of `key` is a project's, which may be a stranger's."""
        return self.origin(key) in FROM_PROJECT

    @classmethod
    def describe(cls, key: str) -> Setting:
        """All that there is to know of a setting. Raises `UsageError` if there is none."""
        if key not in _RULES:
            raise UsageError(f"there is no setting {key}{suggestion(key, _RULES)}")
        from hybridx.types import Setting  # only for who asks

        rule = _RULES[key]
        return Setting(
            key=key,
            description=_descriptions().get(key, ""),
            type=TYPE_NAMES[rule.kind],
            # What depends on the machine is described.
            default=None if rule.kind is Path else _default(key),
            variable=variables(_RULES).get(key),
            flag=rule.flag,
            in_project=rule.in_project,
            low=None if math.isinf(rule.low) else rule.low,
            high=None if math.isinf(rule.high) else rule.high,
            choices=rule.choices,
            presets={name: values[key] for name, values in PRESETS.items() if key in values},
        )

    @property
    def threads(self) -> int:
        """How many threads `jobs` stands for, at least 1."""
        if self.jobs:
            return self.jobs
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


_RULES: dict[str, Rule] = {
    each.name: each.metadata["rule"]
    for each in dataclasses.fields(Settings)
    if "rule" in each.metadata
}

_PREFIX = "HYBRIDX_"
"""Of variables."""

_RIVALS = {"index_dir": "index_parent", "index_parent": "index_dir"}


def unknown_variables(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """`HYBRIDX_*` variables that nothing reads, each with a suggestion, which may be empty.

    They are no error: another version of hybridx may know them.
    """
    known = {*variables(_RULES).values(), *NO_SETTINGS}
    # What all of them begin with is no likeness.
    near = {each.removeprefix(_PREFIX): each for each in known}
    found = []
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in known:
            like = closest(name.removeprefix(_PREFIX), near)
            found.append((name, f"; did you mean {near[like]}?" if like else ""))
    return found


def _default(key: str) -> object:
    found = next(each for each in dataclasses.fields(Settings) if each.name == key)
    if found.default_factory is not dataclasses.MISSING:
        return found.default_factory()
    return found.default


@lru_cache
def _descriptions() -> dict[str, str]:
    """The text below each field, which Python itself does not keep."""
    import ast
    import inspect
    import sys
    from itertools import pairwise

    try:
        body = ast.parse(inspect.getsource(sys.modules[__name__])).body
    except OSError:
        # Installed without sources.
        return {}
    fields = next(each for each in body if isinstance(each, ast.ClassDef)).body
    found = {}
    for one, after in pairwise(fields):
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        text = after.value if isinstance(after, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            found[one.target.id] = " ".join(text.value.split())
    return found


def _keep_apart(root: Path, index_dir: Path | None, origins: Mapping[str, str]) -> None:
    """An index in the place of the sources would mix with them, and be cleaned with them."""
    if index_dir is not None and is_below(root, index_dir):
        raise UsageError(
            f"{origins['index_dir']}: {index_dir} is the tree itself or a folder above it; "
            "name a folder of its own for the index"
        )
