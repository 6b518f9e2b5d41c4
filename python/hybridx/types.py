"""The values hybridx hands out: frozen, typed, printable, and as JSON by `to_json`.

The JSON is the contract of the command line: keys may be added, never renamed or dropped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "ChunkCounts",
    "FileCounts",
    "FileError",
    "Hit",
    "IndexReport",
    "Mode",
    "ModelInfo",
    "Progress",
    "ProgressCallback",
    "SearchResult",
    "StageSeconds",
    "Status",
]

Mode = Literal["hybrid", "lexical", "semantic"]
"""Which arms a search asks: both, BM25 alone, or vectors alone."""

Device = Literal["auto", "cpu", "cuda"]
"""Where the model runs."""


class _Value:
    """A value whose JSON is its fields."""

    def to_json(self) -> dict[str, Any]:
        """A dictionary that `json.dumps` takes as it is."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {each.name: _plain(getattr(self, each.name)) for each in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, _Value):
        return value.to_json()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class FileCounts(_Value):
    """What a run did with the files it saw; `seen` is the sum of all but `removed`."""

    seen: int = 0
    added: int = 0
    modified: int = 0
    removed: int = 0
    moved: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ChunkCounts(_Value):
    """What a run did with chunks."""

    added: int = 0
    removed: int = 0
    total: int = 0
    embedded: int = 0
    """Chunks the model was run on."""
    reused_vectors: int = 0
    """Chunks whose vector was known from before."""


@dataclass(frozen=True, slots=True)
class FileError(_Value):
    """A file that ought to be indexed and could not be. It is tried again by every run."""

    path: str
    stage: str
    message: str


@dataclass(frozen=True, slots=True)
class StageSeconds(_Value):
    """Wall seconds. Stages run side by side: their times overlap and do not sum to `total`."""

    total: float = 0.0
    scan: float = 0.0
    ingest: float = 0.0
    """Time spent waiting for the core's threads."""
    tokenize: float = 0.0
    embed: float = 0.0
    store: float = 0.0
    commit: float = 0.0


@dataclass(frozen=True, slots=True)
class IndexReport(_Value):
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


@dataclass(frozen=True, slots=True)
class Hit(_Value):
    """A chunk that a search found.

    `rank` and lines count from 1, `end_line` is included. `score` orders the hits of one search
    and means nothing beyond it; `scores` holds what it was made of: `bm25`, `vector` (cosine
    similarity), `fused`, each only where that arm found the chunk.
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


@dataclass(frozen=True, slots=True)
class SearchResult(_Value):
    """The hits of a search, best first, and what they were found in. It iterates as its hits."""

    query: str
    mode: Mode
    generation: int
    took_ms: float
    stale_files: int | None
    """Files changed since the generation; `None` if nobody looked."""
    hits: tuple[Hit, ...]

    def __iter__(self) -> Any:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, at: int) -> Hit:
        return self.hits[at]


@dataclass(frozen=True, slots=True)
class ModelInfo(_Value):
    """A model: `source` is `bundled`, `folder` or `hub`."""

    name: str
    source: str
    dimension: int
    fingerprint: str
    path: str


@dataclass(frozen=True, slots=True)
class Secrets(_Value):
    """Secrets that were redacted before anything was stored.

    Files that were not read for their name's sake are among the skipped ones, as `sensitive`.
    """

    files: int = 0
    """Indexed files that had one."""
    redactions: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    """Redactions by the rule that found them."""


@dataclass(frozen=True, slots=True)
class Status(_Value):
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


@dataclass(frozen=True, slots=True)
class Progress(_Value):
    """How far an update is. Totals are `None` until the scan has found them."""

    stage: str
    """`scan`, `index` or `commit`."""
    files_done: int = 0
    files_total: int | None = None
    bytes_done: int = 0
    chunks_done: int = 0
    chunks_embedded: int = 0
    seconds: float = 0.0


ProgressCallback = Callable[[Progress], None]
"""Called some ten times a second, from one of the update's threads; two calls never overlap."""
