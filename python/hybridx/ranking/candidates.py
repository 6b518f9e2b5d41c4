"""What is known of a chunk before it is ranked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybridx.ranking.paths import traits_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybridx._core import FoundChunk, FoundFile


@dataclass(slots=True)
class File:
    """A file that has candidates. Evidence is what `_core.FoundFile` says."""

    path: str
    body: float = 0.0
    folders: float = 0.0
    stem: float = 0.0
    coherence: float = 0.0
    traits: frozenset[str] = field(default_factory=frozenset)


@dataclass(slots=True)
class Candidate:
    """A chunk that may become a hit. Evidence is what `_core.FoundChunk` says."""

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
        File(
            each.path,
            each.body,
            each.folders,
            each.stem,
            each.coherence,
            traits_of(each.path, each.origin),
        )
        for each in found[0]
    ]
    least = min(similarities.values(), default=0.0)
    candidates = []
    for each in found[1]:
        similarity = similarities.get(each.id)
        candidates.append(
            Candidate(
                each.id,
                files[each.file],
                each.body,
                each.symbol,
                each.signature,
                each.doc,
                each.name,
                each.phrase,
                least if similarity is None else similarity,
                similarity is not None,
            )
        )
    return candidates
