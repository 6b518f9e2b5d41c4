"""What a search gives. See `types`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hybridx.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

Mode = Literal["hybrid", "lexical", "semantic"]
"""Which arms a search asks: both, BM25 alone, or vectors alone."""


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
    """Milliseconds by stage: `question`, `embed`, `words`, `vectors`, `rank`, `rerank`, `fetch`.
    Vectors are looked for while words are: theirs is the time that was waited for them after."""

    def __iter__(self) -> Any:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, at: int) -> Hit:
        return self.hits[at]
