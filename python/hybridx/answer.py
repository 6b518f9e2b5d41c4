"""Hits as readers want them: pieces of one definition joined, and no more text than there is room.

Pure functions over hits.
"""

from __future__ import annotations

import dataclasses
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


def joined(hits: Iterable[Hit]) -> list[Hit]:
    """The hits; pieces of one definition that touch are one, in the place of the best of them."""
    kept: list[Hit] = []
    for hit in hits:
        while (
            at := next((at for at, other in enumerate(kept) if _touch(other, hit)), None)
        ) is not None:
            hit = _union(kept.pop(at), hit)  # noqa: PLW2901 - it grows
        kept.append(hit)
    kept.sort(key=lambda hit: hit.rank)
    return [dataclasses.replace(hit, rank=rank) for rank, hit in enumerate(kept, start=1)]


def _touch(one: Hit, other: Hit) -> bool:
    if (one.path, one.symbol, one.kind) != (other.path, other.symbol, other.kind):
        return False
    first, second = sorted((one, other), key=lambda hit: hit.start_line)
    return bool(one.symbol) and second.start_line == first.end_line + 1


def _union(better: Hit, worse: Hit) -> Hit:
    first, second = sorted((better, worse), key=lambda hit: hit.start_line)
    better = min(better, worse, key=lambda hit: hit.rank)
    return dataclasses.replace(
        better,
        start_line=first.start_line,
        end_line=second.end_line,
        text=f"{first.text}\n{second.text}",
    )


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
