"""Hits as readers want them: pieces of one definition joined, and no more text than there is room.

Pure functions over hits.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridx.found import Hit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hybridx import _core

BYTES_PER_TOKEN = 3
"""On the low side for code, so that an answer rather falls short of its budget than exceeds it."""

_HEADLINE = 12
"""Tokens of a hit's place, symbol and kind, apart from the path's own."""

_LEAST_LINES = 3
"""A hit of which fewer lines fit is left out, unless it is the first."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A hit, and which places in the store its chunks have."""

    hit: Hit
    first: int
    last: int

    @classmethod
    def of(
        cls,
        chunk: _core.StoredChunk,
        rank: int,
        score: float,
        scores: Mapping[str, float],
        effects: Mapping[str, float],
    ) -> Piece:
        """A chunk as a hit."""
        hit = Hit(
            rank=rank,
            path=chunk.path,
            start_line=chunk.start_line,
            end_line=chunk.end_line,
            language=chunk.language,
            kind=chunk.kind,
            symbol=chunk.symbol,
            score=score,
            text=chunk.text,
            scores=scores,
            effects=effects,
        )
        return cls(hit, chunk.place, chunk.place)

    def at(self, rank: int) -> Piece:
        """The same, its hit numbered `rank`."""
        if rank == self.hit.rank:
            return self
        return Piece(dataclasses.replace(self.hit, rank=rank), self.first, self.last)


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces, those of one definition that follow each other made one, in the best one's place.

    Hits are numbered anew.
    """
    kept: dict[int, Piece] = {}
    begins: dict[_Key, int] = {}
    ends: dict[_Key, int] = {}
    for number, each in enumerate(pieces):
        piece = each
        for other in (
            ends.get(_key(piece, piece.first - 1)),
            begins.get(_key(piece, piece.last + 1)),
        ):
            if other is not None and _follow(kept[other], piece):
                gone = kept.pop(other)
                del begins[_key(gone, gone.first)], ends[_key(gone, gone.last)]
                piece = _union(gone, piece)
        kept[number] = piece
        begins[_key(piece, piece.first)] = ends[_key(piece, piece.last)] = number
    ordered = sorted(kept.values(), key=lambda piece: piece.hit.rank)
    return [piece.at(rank) for rank, piece in enumerate(ordered, start=1)]


_Key = tuple[str, str, str, int]


def _key(piece: Piece, place: int) -> _Key:
    """What two pieces of a definition have in common, and a place."""
    return piece.hit.path, piece.hit.symbol, piece.hit.kind, place


def _follow(one: Piece, other: Piece) -> bool:
    """Whether neighbours are pieces of one definition, and not of one line."""
    first, second = sorted((one.hit, other.hit), key=lambda hit: hit.start_line)
    return bool(first.symbol) and first.end_line < second.start_line


def _union(one: Piece, other: Piece) -> Piece:
    first, second = sorted((one, other), key=lambda piece: piece.first)
    better = min(one.hit, other.hit, key=lambda hit: hit.rank)
    between = "\n" * (second.hit.start_line - first.hit.end_line)
    hit = dataclasses.replace(
        better,
        start_line=first.hit.start_line,
        end_line=second.hit.end_line,
        best_line=better.best_line or better.start_line,
        text=f"{first.hit.text}{between}{second.hit.text}",
    )
    return Piece(hit, first.first, second.last)


def tokens(text: str) -> int:
    """About how many tokens of a language model a text has."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def within(hits: Sequence[Hit], budget: int) -> tuple[Hit, ...]:
    """The first hits that fit into `budget` tokens; the last one is cut to the lines that do.

    The best hit is never left out: of it at least its first line is shown.
    """
    kept: list[Hit] = []
    left = budget
    for hit in hits:
        left -= tokens(hit.path) + _HEADLINE
        need = tokens(hit.text)
        if need <= left:
            kept.append(hit)
            left -= need
            continue
        cut = _cut(hit, left)
        lines = cut.end_line - cut.start_line + 1
        if not kept or (lines >= _LEAST_LINES and tokens(cut.text) <= left):
            kept.append(cut)
        break
    return tuple(kept)


def _cut(hit: Hit, budget: int) -> Hit:
    """The lines of a hit that fit, from the best one on; at least one, as much of it as fits."""
    lines = hit.text.split("\n")
    start = max(hit.best_line - hit.start_line, 0)
    count, used = 0, 0
    for line in lines[start:]:
        used += tokens(line + "\n")
        if used > budget:
            break
        count += 1
    if count == 0:
        text = lines[start].encode()[: max(budget, 1) * BYTES_PER_TOKEN].decode("utf-8", "ignore")
        count = 1
    else:
        text = "\n".join(lines[start : start + count])
    first = hit.start_line + start
    last = min(hit.end_line, first + count - 1)
    return dataclasses.replace(hit, text=text, start_line=first, end_line=last, truncated=True)
