"""The values hybridx hands out: frozen, typed, printable, and as JSON by `to_json`.

The JSON is the contract of the command line: keys may be added, never renamed or dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hybridx.value import Value

if TYPE_CHECKING:
    from hybridx._core import Changes, Totals

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

Mode = Literal["hybrid", "lexical", "semantic"]
"""Which arms a search asks: both, BM25 alone, or vectors alone."""

Device = Literal["auto", "cpu", "cuda"]
"""Where the model runs."""
VectorIndex = Literal["auto", "off"]


@dataclass(frozen=True, slots=True)
class FileCounts(Value):
    """What a run did with the files it saw; `seen` is the sum of all but `removed`."""

    seen: int = 0
    added: int = 0
    modified: int = 0
    removed: int = 0
    moved: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def changed(self) -> int:
        """Files that are otherwise in the index than before, or not any more."""
        return self.added + self.modified + self.removed + self.moved

    def told(self, *also: str) -> str:
        """Which changes there were, in words, such as `2 added, 1 removed`; empty if none.

        `also` are further fields that are told of if they are not 0.
        """
        names = ("added", "modified", "removed", "moved", *also)
        counts = ((getattr(self, name), name) for name in names)
        return ", ".join(f"{count:,} {name}" for count, name in counts if count)


@dataclass(frozen=True, slots=True)
class ChunkCounts(Value):
    """What a run did with chunks."""

    added: int = 0
    removed: int = 0
    total: int = 0
    embedded: int = 0
    """Chunks the model was run on."""
    reused_vectors: int = 0
    """Chunks whose vector was known from before, or from an equal chunk."""
    cached: int = 0
    """Chunks among those whose vector came of the user's cache; an equal text of the same run that
    was done already counts, too."""


@dataclass(frozen=True, slots=True)
class TokenCounts(Value):
    """What a run fed to the model. For a static model: the different terms of each chunk."""

    embedded: int = 0
    padding: int = 0
    """Cells of batches that held nothing."""


@dataclass(frozen=True, slots=True)
class FileError(Value):
    """A file that ought to be indexed and could not be. It is tried again by every run."""

    path: str
    stage: str
    message: str


Change = Literal["added", "modified", "moved", "removed", "failed", "skipped"]
"""What an update did with a file. `skipped` is one that turned out to be no text when it was read;
what the scan leaves out is none of the update's files."""


@dataclass(frozen=True, slots=True)
class FileResult(Value):
    """A file that an update is done with: it is in the stores, and not committed yet."""

    path: str
    """Relative to the root, `/` between its parts."""
    change: Change
    generation: int
    """Searches find it as soon as this generation serves, after the next commit: compare
    `SearchResult.generation`. Where the index is built anew beside the one that serves, that is
    at the end of the update."""
    chunks: int = 0
    """How many of it are stored."""
    moved_from: str | None = None
    """Its earlier path."""
    stage: str | None = None
    """In which a file failed, as in `FileError`."""
    error: str | None = None
    """Why it failed."""


OnFiles = Callable[[Sequence[FileResult]], None]
"""Called with some files that were stored, from the thread that stores them."""


@dataclass(frozen=True, slots=True)
class StageSeconds(Value):
    """Wall seconds. Stages run side by side: their times overlap and do not sum to `total`."""

    total: float = 0.0
    scan: float = 0.0
    ingest: float = 0.0
    """Time spent waiting for the core's threads."""
    tokenize: float = 0.0
    embed: float = 0.0
    store: float = 0.0
    commit: float = 0.0
    vector_index: float = 0.0
    """After the last commit: everything can be searched meanwhile."""


@dataclass(frozen=True, slots=True)
class Secrets(Value):
    """Secrets that an index was kept free of: what was redacted before anything was stored."""

    files: int = 0
    """Indexed files that had one."""
    redactions: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    """Redactions by the rule that found them."""
    sensitive: int = 0
    """Files that were not read for their name's sake; they are among the skipped ones."""

    @classmethod
    def of(cls, totals: Totals) -> Secrets:
        """Those of a snapshot."""
        return cls(
            files=totals.redacted_files,
            redactions=sum(totals.redactions.values()),
            rules=totals.redactions,
            sensitive=totals.skipped.get("sensitive", 0),
        )


@dataclass(frozen=True, slots=True)
class Upgrade(Value):
    """Another model's vectors, which are filled in while the index serves as it is."""

    model: str
    path: str
    """What the setting `model` must be to go on: the model's folder, or its name."""
    chunks: int
    """Chunks that have that model's vector, as of the last commit."""
    total: int
    """Chunks of the generation that serves."""
    coverage: float
    """The share of them, 0 to 1."""
    pid: int | None
    """The process that is at it; `None` if nobody is."""


@dataclass(frozen=True, slots=True)
class IndexReport(Value):
    """What an update did."""

    root: str
    generation: int
    merkle_root: str
    model: str
    device: str
    files: FileCounts
    chunks: ChunkCounts
    errors: tuple[FileError, ...]
    bytes_read: int
    """Bytes of the files that were chunked; what the scan read to hash them is not in it."""
    peak_rss_bytes: int
    seconds: StageSeconds
    tokens: TokenCounts = field(default_factory=TokenCounts)
    secrets: Secrets = field(default_factory=Secrets)
    """Of the whole generation, not of this run alone."""
    upgrade: Upgrade | None = None
    """What is not finished of another model's vectors."""


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
class Hit(Value):
    """A chunk that a search found.

    `rank` and lines count from 1, `end_line` is included. `score` orders the hits of one search
    and means nothing beyond it; `scores` holds what it was made of: `bm25`, `vector` (cosine
    similarity), `fused`, `rerank` (a cross-encoder's probability that it answers the query);
    `bm25` is what all signals of words add, `vector` is there only where that arm found the chunk,
    `rerank` where a cross-encoder read it, and then the score is that of the place it got.
    """

    rank: int
    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    symbol: str
    """The qualified name of the innermost definition; may be empty."""
    score: float
    text: str
    """The whole chunk."""
    scores: Mapping[str, float] = field(default_factory=dict)
    effects: Mapping[str, float] = field(default_factory=dict)
    """What each signal of the ranking added to the score; they sum to it."""
    truncated: bool = False
    """Whether `text` and the lines were cut to fit a budget."""
    best_line: int = 0
    """Where the best of several pieces that are one hit begins; 0 if it is in one piece."""


@dataclass(frozen=True, slots=True)
class SearchResult(Value):
    """The hits of a search, best first, and what they were found in. It iterates as its hits."""

    query: str
    mode: Mode
    generation: int
    took_ms: float
    stale_files: int | None
    """Files changed since the generation; `None` if nobody looked."""
    hits: tuple[Hit, ...]
    kind: str = "words"
    """What the query was taken for: `name`, `path`, `error`, `text`, `code` or `words`; `place` for
    what is related to a place."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by stage: `question`, `embed`, `vectors`, `words`, `rank`, `rerank`, `fetch`."""

    def __iter__(self) -> Any:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, at: int) -> Hit:
        return self.hits[at]


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


@dataclass(frozen=True, slots=True)
class Progress(Value):
    """How far an update is. Totals are `None` until the scan has found them.

    Counts never fall, and the last call has the stage `done` and all of them complete. An update
    that fills in a slow model's vectors beside the index works in passes; each starts at zero with
    the stage `scan`, and only the last one ends with `done`.
    """

    stage: str
    """`scan`, `index`, `commit` or `done`."""
    files_done: int = 0
    """Files that are stored, with those that failed or turned out to be no text."""
    files_total: int | None = None
    bytes_done: int = 0
    """Bytes of the files that are stored."""
    chunks_done: int = 0
    """Chunks that are stored."""
    chunks_embedded: int = 0
    """Chunks the model was run on."""
    seconds: float = 0.0
    """Since the update, or its pass, began."""
    bytes_total: int | None = None
    """Bytes of all files that are to be indexed, as of the scan; in the end, what was read."""
    files_read: int = 0
    """Files that were read and chunked: some of them are not embedded or stored yet."""
    chunks_read: int = 0
    chunks_reused: int = 0
    """Chunks whose vector was known."""
    files_per_second: float = 0.0
    """Of files stored, as are the other rates. Those of the last ten seconds count most; at the
    end it is the mean of the whole run."""
    bytes_per_second: float = 0.0
    chunks_per_second: float = 0.0
    eta_seconds: float | None = None
    """Seconds until the last file will be stored, judged by bytes where their total is known and
    by files else; `None` while there is nothing to judge by. The last commit comes after that."""


ProgressCallback = Callable[[Progress], None]
"""Called some ten times a second, from one of the update's threads; two calls never overlap."""
