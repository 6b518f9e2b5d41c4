"""What is known of a chunk before it is ranked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybridx.ranking.paths import traits_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    FoundFile = tuple[str, str, float, float, float, float]
    FoundChunk = tuple[int, int, float, float, float, float, float, float]
    """As `_core.Candidates.found` gives them."""


@dataclass(slots=True)
class File:
    """A file that has candidates. Evidence is what `_core.Candidates.found` says."""

    path: str
    body: float = 0.0
    folders: float = 0.0
    stem: float = 0.0
    coherence: float = 0.0
    traits: frozenset[str] = field(default_factory=frozenset)


@dataclass(slots=True)
class Candidate:
    """A chunk that may become a hit. Evidence is what `_core.Candidates.found` says."""

    id: int
    file: File
    body: float = 0.0
    symbol: float = 0.0
    signature: float = 0.0
    doc: float = 0.0
    name: float = 0.0
    phrase: float = 0.0
    similarity: float = 0.0
    """Cosine similarity of its vector to the query's; at most that where nobody knows."""
    by_meaning: bool = False
    """Whether it was found by its vector."""


def candidates_of(
    found: tuple[Sequence[FoundFile], Sequence[FoundChunk]], similarities: Mapping[int, float]
) -> list[Candidate]:
    """Joins what was found by words with what was found by meaning.

    `similarities` are those of the nearest chunks; no other chunk is nearer than the last of them.
    """
    files = [
        File(path, body, folders, stem, coherence, traits_of(path, origin))
        for path, origin, body, folders, stem, coherence in found[0]
    ]
    least = min(similarities.values(), default=0.0)
    similar = similarities.get
    return [
        Candidate(
            number,
            files[file],
            body,
            symbol,
            signature,
            doc,
            name,
            phrase,
            similar(number, least),
            number in similarities,
        )
        for number, file, body, symbol, signature, doc, name, phrase in found[1]
    ]
