"""A search over one generation: ask the arms, rank what they found, show the best."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.answer import Piece, joined, within
from hybridx.errors import Cancelled, CorruptIndexError, ModelError, UsageError
from hybridx.found import Hit, SearchResult
from hybridx.ranking import (
    BASE,
    LEXICAL,
    NOTHING,
    Weights,
    ask,
    candidates_of,
    effects,
    rank,
    rerank,
    weights_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hybridx.commit import Generation
    from hybridx.config import Settings
    from hybridx.embed.embedder import Embedder
    from hybridx.embed.model import Model
    from hybridx.embed.rerank import Reranker
    from hybridx.found import Mode
    from hybridx.observer import Observer
    from hybridx.ranking import Question, Ranked
    from hybridx.store import Searching, VectorStore

MAX_QUERY_CHARS = 100_000
"""A longer query is cut: what it asks for stands before that."""

MAX_HITS = 10_000

_POOL = 4
"""Candidates of each arm for every hit that is wanted."""
_MIN_POOL = 128

_BY_WORDS = frozenset(LEXICAL) - {"spread"} | {"stem_share", "mention"}
"""Signals that words give; the others are those of meaning, and what kind of file it is."""
_BY_MEANING = frozenset({"meaning"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Which chunks a search may return; an empty list does not filter."""

    languages: Sequence[str] = ()
    paths: Sequence[str] = ()
    """Globs."""
    kinds: Sequence[str] = ()
    only: Collection[str] | None = None
    """The paths of the only files that are wanted."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One search."""

    question: Question
    mode: Mode
    scope: Scope
    weights: Weights
    pool: int
    """Candidates of each arm."""


@dataclass(slots=True)
class _Clock:
    """Milliseconds by stage."""

    cancel: _core.CancelToken | None
    observer: Observer | None = None
    stages: dict[str, float] = field(default_factory=dict)
    _last: int = field(default_factory=time.perf_counter_ns)

    def lap(self, stage: str) -> None:
        """What passed since the last lap was spent on `stage`. Raises `Cancelled`."""
        if self.cancel is not None and self.cancel.cancelled:
            raise Cancelled("cancelled")
        now = time.perf_counter_ns()
        self.stages[stage] = round((now - self._last) / 1e6, 3)
        if self.observer is not None:
            self.observer.lap("search", stage, self._last, now)
        self._last = now


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

    @property
    def vectors(self) -> VectorStore | None:
        """The vectors of the generation; `None` if it has none."""
        return self._vectors

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

    @property
    def _is_by_transformer(self) -> bool:
        """Whether a transformer made the vectors."""
        return self._vectors is not None and not self._embedder.model.terms

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
        scope: Scope | None = None,
        max_tokens: int | None = None,
        weights: Weights | None = None,
        reranker: Reranker | None = None,
        cancel: _core.CancelToken | None = None,
        observer: Observer | None = None,
    ) -> SearchResult:
        """The best `k` chunks for `query` in `scope`, of about `max_tokens` at most.

        With a `reranker` the first `rerank_candidates` of them are in the order it gives them.

        Raises:
            UsageError: `mode`, `k`, `max_tokens` or a path glob makes no sense.
            ModelError: the model that made the vectors cannot be loaded, or `reranker` failed.
            Cancelled: `cancel` was set.
        """
        start = time.perf_counter()
        if mode not in ("hybrid", "lexical", "semantic"):
            raise UsageError(f"mode is {mode!r}: choose hybrid, lexical or semantic")
        if not 1 <= k <= MAX_HITS:
            raise UsageError(f"k is {k}: ask for 1 to {MAX_HITS:,} hits")
        if max_tokens is not None and max_tokens < 1:
            raise UsageError(f"max_tokens is {max_tokens}: there is room for nothing")
        clock = _Clock(cancel, observer)
        question = ask(query[:MAX_QUERY_CHARS])
        clock.lap("question")
        by_transformer = mode != "lexical" and self._is_by_transformer
        counted = weights_for(question.kind, weights or BASE, transformer=by_transformer)
        if mode == "lexical":
            counted = counted.without(_BY_MEANING)
        elif mode == "semantic":
            counted = counted.without(_BY_WORDS)
        task = _Task(question, mode, scope or Scope(), counted, max(_POOL * k, _MIN_POOL))
        ranked = self._ranked(task, clock)
        if reranker is not None:
            ranked = self._reranked(task, ranked, reranker, cancel)
            clock.lap("rerank")
        hits = self._joined(task, ranked, k)
        if max_tokens is not None:
            hits = within(hits, max_tokens)
        clock.lap("fetch")
        return SearchResult(
            query=question.text,
            mode=mode,
            generation=self.generation.manifest.generation,
            took_ms=round((time.perf_counter() - start) * 1000, 3),
            stale_files=None,
            hits=hits,
            kind=question.kind,
            stages_ms=clock.stages,
        )

    def _ranked(self, task: _Task, clock: _Clock) -> list[Ranked]:
        searching = None
        if task.mode != "lexical":
            vector = self._embedded(task.question.text)
            clock.lap("embed")
            if vector is not None and self._vectors is not None:
                searching = _started(self._vectors, vector, task.pool, task.scope)
        try:
            by_words = self._by_words(task)
            clock.lap("words")
        except BaseException:
            if searching is not None:
                searching.cancel()
            raise
        similarities: dict[int, float] = {}
        if searching is not None:
            similarities = dict(searching.result())
        if task.mode != "lexical":
            clock.lap("vectors")
        found = by_words.found(list(similarities))
        candidates = candidates_of(found, similarities)
        known = {candidate.id for candidate in candidates}
        if not known.issuperset(similarities) and not task.question.only_phrases:
            raise CorruptIndexError(
                f"{self.generation.epoch.folder}: the vector store has chunks that the lexical "
                "store does not have"
            )
        ranked = rank(task.question, candidates, task.weights)
        clock.lap("rank")
        return ranked

    def _by_words(self, task: _Task) -> _core.Candidates:
        return self.generation.searcher.candidates(
            task.question if task.mode != "semantic" else NOTHING,
            weights={name: getattr(task.weights, name) for name in LEXICAL},
            pool=task.pool,
            languages=task.scope.languages,
            kinds=task.scope.kinds,
            paths=task.scope.paths,
            only=task.scope.only,
        )

    def _reranked(
        self,
        task: _Task,
        ranked: list[Ranked],
        reranker: Reranker,
        cancel: _core.CancelToken | None,
    ) -> list[Ranked]:
        from hybridx.embed.rerank import passage

        first = [each.candidate.id for each in ranked[: self._settings.rerank_candidates]]
        chunks = self.generation.searcher.fetch(first)
        passages = [passage(chunk.path, chunk.context, chunk.text) for chunk in chunks]
        log_odds = reranker.log_odds(task.question.text, passages, cancel=cancel)
        return rerank(ranked, log_odds.tolist())

    def _joined(self, task: _Task, ranked: Sequence[Ranked], k: int) -> tuple[Hit, ...]:
        """The best `k` hits, pieces of one definition being one."""
        pieces: list[Piece] = []
        taken = 0
        while len(pieces) < k and taken < len(ranked):
            more = ranked[taken : taken + k - len(pieces)]
            pieces = joined([*pieces, *self._pieces(task, more, taken)])
            taken += len(more)
        return tuple(piece.hit for piece in pieces)

    def _pieces(self, task: _Task, ranked: Sequence[Ranked], before: int) -> Iterator[Piece]:
        chunks = self.generation.searcher.fetch([each.candidate.id for each in ranked])
        for place, (each, chunk) in enumerate(zip(ranked, chunks, strict=True), before + 1):
            added = effects(task.question, each, task.weights)
            scores = {"fused": each.score - each.reranked}
            by_words = [value for name, value in added.items() if name in _BY_WORDS]
            if by_words:
                scores["bm25"] = sum(by_words)
            if each.candidate.by_meaning:
                scores["vector"] = each.candidate.similarity
            if each.relevance is not None:
                scores["rerank"] = each.relevance
            yield Piece.of(chunk, place, each.score, scores, added)

    def _embedded(self, query: str) -> NDArray[np.float32] | None:
        """The query's vector, of unit length; `None` if the model knows nothing of the query."""
        if self._vectors is None or not query.strip():
            return None
        vector: NDArray[np.float32] = self._embedder.embed_queries([query])[0]
        return vector if vector.any() else None


def _started(
    vectors: VectorStore, vector: NDArray[np.float32], limit: int, scope: Scope
) -> Searching:
    """Starts looking for the nearest chunks."""
    from hybridx.store import where

    patterns = _core.path_patterns(scope.paths)
    condition = where(scope.languages, scope.kinds, patterns, scope.only)
    return vectors.start(vector, limit, condition)
