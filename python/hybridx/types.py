"""The values hybridx hands out: frozen, typed, printable, and as JSON by `to_json`.

The JSON is the contract of the command line: keys may be added, never renamed or dropped.

What a search or an update gives lies in files of its own: to define these classes takes
milliseconds, which a command only spends on those it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hybridx.found import Hit, Mode, SearchResult
from hybridx.report import (
    Change,
    ChunkCounts,
    FileCounts,
    FileError,
    FileResult,
    IndexReport,
    OnFiles,
    Progress,
    ProgressCallback,
    Secrets,
    StageSeconds,
    TokenCounts,
    Upgrade,
)
from hybridx.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybridx._core import Changes

__all__ = [
    "Change",
    "ChunkCounts",
    "DiffReport",
    "FileCounts",
    "FileError",
    "FileResult",
    "Hit",
    "IndexReport",
    "Mode",
    "ModelInfo",
    "OnFiles",
    "Outline",
    "OutlinedFile",
    "Problem",
    "Progress",
    "ProgressCallback",
    "Rule",
    "SearchResult",
    "Setting",
    "StageSeconds",
    "Status",
    "Symbol",
    "TokenCounts",
    "Upgrade",
    "Verification",
    "WatchState",
    "Why",
]

Device = Literal["auto", "cpu", "cuda"]
"""Where the model runs."""
VectorIndex = Literal["auto", "off"]


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What changed since the index's generation."""

    old_root: str
    new_root: str
    changes: Changes
    seconds: float

    @property
    def added(self) -> list[str]:
        """Files the index does not have."""
        return self.changes.added

    @property
    def modified(self) -> list[str]:
        """Files the index has with other content."""
        return self.changes.modified

    @property
    def removed(self) -> list[str]:
        """Files only the index has."""
        return self.changes.removed

    @property
    def moved(self) -> list[tuple[str, str]]:
        """Files the index has under another name: `(old, new)`."""
        return self.changes.moved

    def __bool__(self) -> bool:
        return bool(self.changes)

    def to_json(self) -> dict[str, Any]:
        """The JSON of `hybridx diff --json`."""
        return {
            "old_root": self.old_root,
            "new_root": self.new_root,
            "added": self.added,
            "modified": self.modified,
            "removed": self.removed,
            "moved": [{"from": old, "to": new} for old, new in self.moved],
            "seconds": round(self.seconds, 4),
        }


@dataclass(frozen=True, slots=True)
class Symbol(Value):
    """A definition in a file. Lines count from 1, `end_line` is included."""

    symbol: str
    """Its qualified name."""
    kind: str
    start_line: int
    """Its decorators may stand above."""
    end_line: int
    signature: str
    """How it is declared, on one line."""
    depth: int
    """How many other definitions it lies in."""


@dataclass(frozen=True, slots=True)
class OutlinedFile(Value):
    """A file in the outline of a folder."""

    path: str
    language: str = ""
    """Empty if it was not looked into, for want of room or since it went meanwhile."""
    lines: int = 0
    symbols: tuple[str, ...] = ()
    """The names of its largest outermost definitions, in the order in which they begin."""
    more: int = 0
    """How many other outermost definitions it has."""


@dataclass(frozen=True, slots=True)
class Outline(Value):
    """What a file defines, or what a folder holds."""

    path: str
    """Relative to the root; empty for the root itself."""
    kind: Literal["file", "folder"]
    generation: int | None
    """That the files of a folder are of; a file is read as it is now."""
    language: str = ""
    lines: int = 0
    symbols: tuple[Symbol, ...] = ()
    """Of a file, in the order in which they begin."""
    files: tuple[OutlinedFile, ...] = ()
    """Of a folder, by path: those in it, or all below it if these are few."""
    folders: Mapping[str, int] = field(default_factory=dict)
    """Of a folder: how many indexed files are below each folder in it; none if `files` are all."""
    omitted: int = 0
    """Definitions, or files and folders, that there was no room for."""


@dataclass(frozen=True, slots=True)
class ModelInfo(Value):
    """A model: `source` is `bundled`, `folder` or `hub`."""

    name: str
    source: str
    dimension: int
    fingerprint: str
    path: str


@dataclass(frozen=True, slots=True)
class Status(Value):
    """What an index holds."""

    root: str
    generation: int
    merkle_root: str
    model: ModelInfo
    files: int
    chunks: int
    documents: int
    """Chunks in the lexical store."""
    vectors: int | None
    """Chunks in the vector store."""
    languages: Mapping[str, Mapping[str, int]]
    """`files` and `chunks` by language."""
    size_bytes: Mapping[str, int]
    """`total`, `bm25`, `vectors`, `snapshots`."""
    fresh: bool | None
    """Whether the tree is as the index has it; `None` if nobody looked."""
    pending: int | None
    """Files changed since the generation; `None` if nobody looked."""
    skipped: Mapping[str, int]
    """Skipped files by reason."""
    failed: int = 0
    secrets: Secrets = field(default_factory=Secrets)
    """What was taken out of the indexed texts."""
    upgrade: Upgrade | None = None
    """What there is of another model's vectors, if they are being filled in."""
    watcher: int | None = None
    """The process that watches the tree and keeps the index up to date; `None` if none does."""
    model_error: str | None = None
    """Why the model cannot be used: it was removed, or a part of it is missing or wrong. The index
    can then be searched by words alone."""
    outdated: bool = False
    """Whether another version, or one with other settings, made the index: the next update builds
    it anew, and until then it serves as it is."""
    vector_index: Mapping[str, int] | None = None
    """How many chunks were there when the vectors' index was built (`covered`), and how many were
    written since (`uncovered`), which searches compare one by one; `None` if there is no such
    index, and every search compares all."""


Role = Literal["watching", "standby", "stopped"]
"""What a process does for the watch of an index."""


@dataclass(frozen=True, slots=True)
class WatchState(Value):
    """How a watch is doing."""

    role: Role
    """`watching`: this process hears of changes and writes; `standby`: another one does, and this
    one takes over when it ends; `stopped`: not started, or ended."""
    pid: int | None
    """The process that watches the index, this one or another; `None` if nobody does."""
    pending: int | None
    """Changed paths that were heard of and cannot be found yet; 0 if the index is up to date.

    `None` if it is unknown: in `standby`, before the first update, while everything is looked at.
    """
    polling: str | None = None
    """Why the tree is looked at from time to time; `None` if the system tells of changes."""
    batches: int = 0
    """Batches that were ingested: updates that made a generation, and the first one."""
    last: IndexReport | None = None
    """The report of the last update, also of one that found nothing to do."""
    error: str | None = None
    """Why the last update failed; it is tried again. `None` if it did not fail."""


@dataclass(frozen=True, slots=True)
class Problem(Value):
    """Something in an index that is not as it was committed."""

    kind: str
    """`current`, `manifest`, `snapshot`, `lexical_store`, `vector_store` where a file of the index
    is damaged; `missing_chunk`, `ghost_chunk`, `duplicate_chunk`, `damaged_chunk` and the same of
    `vector` where rows are wrong."""
    path: str
    """The damaged file, relative to the index's folder; or the source file whose rows are wrong."""
    detail: str


@dataclass(frozen=True, slots=True)
class Verification(Value):
    """What a cross-check of snapshot, lexical store and vector store found."""

    ok: bool
    problems: tuple[Problem, ...]
    checked: Mapping[str, int]
    """What was looked at: `generation`, `files`, `chunks`, `vectors`, `store_files`."""
    repaired: tuple[Problem, ...] = ()
    """What there was before the repair."""


@dataclass(frozen=True, slots=True)
class Rule(Value):
    """A line of an ignore file."""

    file: str
    """Relative to the root if it lies below."""
    line: int | None
    """Counted from 1; `None` if the file changed while it was read."""
    pattern: str


Verdict = Literal["indexed", "failed", "skipped", "ignored", "new", "missing", "folder"]
"""What a file is to the index; `new` is one that the next run would index."""


Next = Literal["nothing", "index", "retry", "remove"]
"""What the next run would do with a file."""


@dataclass(frozen=True, slots=True)
class Why(Value):
    """Why a file is, or is not, in the index. Fields that a verdict says nothing of are `None`."""

    path: str
    root: str
    generation: int | None
    """`None` if there is no index yet."""
    verdict: Verdict
    stands: str
    """What is there now: `file`, `folder`, `symlink`, `special`, `nothing` or `unknown`."""
    decided_at: str
    """The path that decided: the one asked for, or a folder above it."""
    cause: str | None = None
    """Why the scan passes over `decided_at`.

    One of `rule`, `index`, `vcs`, `default_exclude` and `virtual_environment`.
    """
    rule: Rule | None = None
    """The ignore rule that says so; without a `cause`, the one that re-includes the path."""
    reason: str | None = None
    """Of a skipped file, with `detail`, as in the skip ledger."""
    detail: str | None = None
    stage: str | None = None
    """Of a failed file, with `message`."""
    message: str | None = None
    language: str | None = None
    chunks: int | None = None
    bytes: int | None = None
    digest: str | None = None
    """The digest of the indexed content, 64 hexadecimal digits."""
    decoded_as: str | None = None
    """The encoding of an indexed file that is not UTF-8."""
    redactions: Mapping[str, int] | None = None
    """Of an indexed file: secrets taken out of its text, by the rule that found them."""
    next: Next = "nothing"
    below: Mapping[str, int] | None = None
    """Of a folder: files of the generation that are `indexed`, `failed`, or skipped, by reason."""

    @property
    def in_index(self) -> bool:
        """Whether the file, or any file of the folder, is in the index."""
        return self.verdict == "indexed" or bool(self.below and self.below["indexed"])


@dataclass(frozen=True, slots=True)
class Setting(Value):
    """What there is to know of a setting."""

    key: str
    description: str
    type: str
    """`true or false`, `a whole number`, `a number`, `a text`, `a list of texts` or `a path`."""
    default: Any
    """`None` is explained by the description."""
    variable: str | None
    """The environment variable that gives it."""
    flag: str | None
    """The flag that gives it, of those commands that have use for it."""
    in_project: bool
    """Whether `hybridx.toml` and `pyproject.toml` may give it."""
    low: float | None
    """The least value; bounds are included."""
    high: float | None
    choices: tuple[str, ...]
    """The only values there are; empty if there are others."""
    presets: Mapping[str, Any]
    """The value by preset, of those that change it."""
