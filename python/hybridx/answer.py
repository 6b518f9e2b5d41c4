"""Hits as readers want them: pieces of one definition joined, and no more text than there is room.

Pure functions over hits.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hybridx.types import Hit

BYTES_PER_TOKEN = 3
"""On the low side for code, so that an answer rather falls short of its budget than exceeds it."""

_HEADLINE = 12
"""Tokens of a hit's place, symbol and kind, apart from the path's own."""

_LEAST_LINES = 3
"""A hit of which fewer lines fit is left out, unless it is the first."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A hit, and where its text lies in the text of its file."""

    hit: Hit
    offset: int
    """Of its first byte."""
    end: int
    """Of the first byte behind it."""


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces, those of one definition that follow each other made one, in the best one's place.

    Hits are numbered anew.
    """
    kept: list[Piece] = []
    for piece in pieces:
        whole = piece
        while (at := _neighbour(kept, whole)) is not None:
            whole = _union(kept.pop(at), whole)
        kept.append(whole)
    kept.sort(key=lambda piece: piece.hit.rank)
    return [
        dataclasses.replace(piece, hit=dataclasses.replace(piece.hit, rank=rank))
        for rank, piece in enumerate(kept, start=1)
    ]


def _neighbour(kept: Sequence[Piece], piece: Piece) -> int | None:
    return next((at for at, other in enumerate(kept) if _touch(other, piece)), None)


def _touch(one: Piece, other: Piece) -> bool:
    """Whether they are pieces of one definition with nothing but empty lines between them."""
    if (one.hit.path, one.hit.symbol, one.hit.kind) != (
        other.hit.path,
        other.hit.symbol,
        other.hit.kind,
    ):
        return False
    first, second = sorted((one, other), key=lambda piece: piece.offset)
    newlines = second.hit.start_line - first.hit.end_line
    return bool(one.hit.symbol) and newlines > 0 and second.offset - first.end == newlines


def _union(one: Piece, other: Piece) -> Piece:
    first, second = sorted((one, other), key=lambda piece: piece.offset)
    better = min(one.hit, other.hit, key=lambda hit: hit.rank)
    between = "\n" * (second.offset - first.end)
    hit = dataclasses.replace(
        better,
        start_line=first.hit.start_line,
        end_line=second.hit.end_line,
        text=f"{first.hit.text}{between}{second.hit.text}",
    )
    return Piece(hit, first.offset, second.end)


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
    """The first lines of a hit that fit, at least one, of which as much as fits."""
    lines = hit.text.split("\n")
    count, used = 0, 0
    for line in lines:
        used += tokens(line + "\n")
        if used > budget:
            break
        count += 1
    if count == 0:
        text = lines[0].encode()[: max(budget, 1) * BYTES_PER_TOKEN].decode("utf-8", "ignore")
        count = 1
    else:
        text = "\n".join(lines[:count])
    return dataclasses.replace(
        hit, text=text, end_line=min(hit.end_line, hit.start_line + count - 1), truncated=True
    )
