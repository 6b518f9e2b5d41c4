"""What an update tells: on its way, of each file, and at its end. See `types`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hybridx.value import Value

if TYPE_CHECKING:
    from hybridx._core import Totals


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
    was done already counts, too. 0 with a static model, which has no cache."""


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
    """Beyond the last commit, beside whose end it begins: everything can be searched meanwhile."""


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
