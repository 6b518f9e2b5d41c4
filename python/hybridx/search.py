"""A search over one generation: ask the arms, fuse, show."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.errors import CorruptIndexError, ModelError, UsageError
from hybridx.fusion import arm_weights, definitions_first, fuse
from hybridx.types import Hit, SearchResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hybridx.commit import Generation
    from hybridx.config import Settings
    from hybridx.embed.embedder import Embedder
    from hybridx.embed.model import Model
    from hybridx.store import VectorStore
    from hybridx.types import Mode

MAX_QUERY_CHARS = 100_000
"""A longer query is cut: what it asks for stands before that."""

_POOL = 5
"""Candidates of each arm for every hit that is wanted."""
_MIN_POOL = 100


class SearchEngine:
    """Searches one generation; models and vectors are loaded when a search first needs them."""

    def __init__(
        self, generation: Generation, settings: Settings, load_model: Callable[[], Model]
    ) -> None:
        """Wraps `generation`. `load_model` finds the model its vectors were made with."""
        self.generation = generation
        self._settings = settings
        self._load_model = load_model

    @cached_property
    def _vectors(self) -> VectorStore | None:
        return self.generation.vectors()

    @cached_property
    def _embedder(self) -> Embedder:
        model = self._load_model()
        if model.fingerprint != self.generation.manifest.model_fingerprint:
            raise ModelError(
                f"the index was made with another model than {model.name}: "
                "run hybridx index, or search with --mode lexical"
            )
        from hybridx.embed.embedder import Embedder

        return Embedder(model, device=self._settings.device)

    def take_over(self, earlier: SearchEngine) -> None:
        """Keeps what an earlier generation's engine loaded, where it is the same model's."""
        loaded = earlier.__dict__.get("_embedder")
        wanted = self.generation.manifest.model_fingerprint
        if loaded is not None and loaded.model.fingerprint == wanted:
            self.__dict__["_embedder"] = loaded

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        languages: Sequence[str] = (),
        paths: Sequence[str] = (),
        kinds: Sequence[str] = (),
    ) -> SearchResult:
        """The best `k` chunks for `query`.

        Raises:
            UsageError: `mode`, `k` or a path glob makes no sense.
            ModelError: the model that made the vectors cannot be loaded.
        """
        start = time.perf_counter()
        if mode not in ("hybrid", "lexical", "semantic"):
            raise UsageError(f"mode is {mode!r}: choose hybrid, lexical or semantic")
        if k < 1:
            raise UsageError(f"k is {k}: ask for at least one hit")
        query = query[:MAX_QUERY_CHARS]
        pool = max(_POOL * k, _MIN_POOL)
        arms: dict[str, list[tuple[int, float]]] = {}
        if mode != "semantic":
            arms["bm25"] = self.generation.searcher.search(
                query, pool, languages=languages, kinds=kinds, paths=paths
            )
        if mode != "lexical":
            arms["vector"] = self._nearest(query, pool, languages, kinds, paths)
        weights = arm_weights(query) if mode == "hybrid" else dict.fromkeys(arms, 1.0)
        floor = _core.Bm25Searcher.DEFINITION_SCORE
        ranked = definitions_first(fuse(arms, weights), floor)[:k]
        chunks = self.generation.searcher.fetch([chunk for chunk, _ in ranked])
        if len(chunks) != len(ranked):
            raise CorruptIndexError(
                f"{self.generation.epoch.folder}: the vector store has chunks that the lexical "
                "store does not have"
            )
        parts = dict(ranked)
        hits = tuple(
            _hit(rank, chunk, parts[chunk.id], mode) for rank, chunk in enumerate(chunks, start=1)
        )
        return SearchResult(
            query=query,
            mode=mode,
            generation=self.generation.manifest.generation,
            took_ms=round((time.perf_counter() - start) * 1000, 3),
            stale_files=None,
            hits=hits,
        )

    def _nearest(
        self,
        query: str,
        limit: int,
        languages: Sequence[str],
        kinds: Sequence[str],
        paths: Sequence[str],
    ) -> list[tuple[int, float]]:
        if self._vectors is None or not query.strip():
            return []
        vector = self._embedder.embed_queries([query])[0]
        if not vector.any():
            # Not one of its terms is known to the model: everything would be equally near.
            return []
        from hybridx.store import where

        condition = where(languages, kinds, _core.path_patterns(paths))
        return self._vectors.search(vector, limit, condition)


def _hit(rank: int, chunk: _core.StoredChunk, parts: dict[str, float], mode: Mode) -> Hit:
    score = {"hybrid": "fused", "lexical": "bm25", "semantic": "vector"}[mode]
    return Hit(
        rank=rank,
        path=chunk.path,
        start_line=chunk.start_line,
        end_line=chunk.end_line,
        language=chunk.language,
        kind=chunk.kind,
        symbol=chunk.symbol,
        score=parts[score],
        text=chunk.text,
        scores=parts,
    )
