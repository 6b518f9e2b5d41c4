"""What is like the code at a place: the chunks whose vectors are nearest to that of its chunk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.answer import Piece, joined, within
from hybridx.errors import Cancelled, UsageError
from hybridx.found import Hit, SearchResult
from hybridx.search import MAX_HITS
from hybridx.store import where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.search import Scope, SearchEngine

_SPARE = 20
"""Further rows that are asked for: pieces of the chunk's own definition, and of one another."""


def related(
    engine: SearchEngine,
    path: str,
    line: int,
    k: int,
    *,
    scope: Scope,
    max_tokens: int | None,
    cancel: _core.CancelToken | None = None,
) -> SearchResult:
    """The best `k` chunks in `scope` by their likeness to the one at `line` of `path`.

    That chunk is none of them, nor are other pieces of its definition.

    Raises:
        UsageError: the place is in no chunk, or an argument makes no sense.
        Cancelled: `cancel` was set.
    """
    start = time.perf_counter()
    if not 1 <= k <= MAX_HITS:
        raise UsageError(f"k is {k}: ask for 1 to {MAX_HITS:,} hits")
    if max_tokens is not None and max_tokens < 1:
        raise UsageError(f"max_tokens is {max_tokens}: there is room for nothing")
    searcher, store = engine.generation.searcher, engine.vectors
    here = _at(searcher.chunks_of(path), path, line)
    vector = None if store is None else store.vector_of(path, here.id)
    pieces: list[Piece] = []
    if cancel is not None and cancel.cancelled:
        raise Cancelled("cancelled")
    if store is not None and vector is not None and vector.any():
        patterns = _core.path_patterns(scope.paths)
        condition = where(scope.languages, scope.kinds, patterns, scope.only)
        rows = dict(store.search(vector, k + _SPARE, condition))
        chunks = searcher.fetch([each for each in rows if each != here.id])
        others = [each for each in chunks if not _is_of(each, here)]
        pieces = joined(_piece(rank, each, rows[each.id]) for rank, each in enumerate(others, 1))
    hits: Sequence[Hit] = [each.hit for each in pieces[:k]]
    if max_tokens is not None:
        hits = within(hits, max_tokens)
    return SearchResult(
        query=f"{path}:{line}",
        mode="semantic",
        generation=engine.generation.manifest.generation,
        took_ms=round((time.perf_counter() - start) * 1000, 3),
        stale_files=None,
        hits=tuple(hits),
        kind="place",
    )


def _at(chunks: Sequence[_core.StoredChunk], path: str, line: int) -> _core.StoredChunk:
    """The chunk at a line; at a blank line between two the one that follows."""
    if not chunks:
        raise UsageError(f"there is nothing of {path} in the index")
    last = chunks[-1].end_line
    if not 1 <= line <= last:
        raise UsageError(f"line is {line}: {path} has code on lines 1 to {last:,} in the index")
    return next(each for each in chunks if line <= each.end_line)


def _is_of(one: _core.StoredChunk, other: _core.StoredChunk) -> bool:
    """Whether both are pieces of one definition."""
    return bool(one.symbol) and (one.path, one.symbol, one.kind) == (
        other.path,
        other.symbol,
        other.kind,
    )


def _piece(rank: int, chunk: _core.StoredChunk, similarity: float) -> Piece:
    return Piece.of(chunk, rank, similarity, {"vector": similarity}, {"meaning": similarity})
