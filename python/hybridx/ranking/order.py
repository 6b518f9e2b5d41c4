"""Adds up what speaks for each candidate, and spreads the best over files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import attrgetter, mul
from typing import TYPE_CHECKING

from hybridx.ranking.signals import OF_CHUNK, OF_FILE, is_trait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.ranking.candidates import Candidate
    from hybridx.ranking.question import Question
    from hybridx.ranking.weights import Weights

_values = attrgetter(*OF_CHUNK.values())


@dataclass(slots=True)
class Ranked:
    """A candidate in its place."""

    candidate: Candidate
    score: float
    set_back: float = 0.0
    """How much of the score went because of better chunks of the same file."""
    relevance: float | None = None
    """The probability that it answers the query, where a cross-encoder read both."""
    reranked: float = 0.0
    """What the score gained or lost because of that."""


def rank(question: Question, candidates: Sequence[Candidate], weights: Weights) -> list[Ranked]:
    """The candidates, best first.

    Equal scores are ordered by id, so that the result depends on nothing but the arguments.
    """
    of_chunk = tuple(getattr(weights, name) for name in OF_CHUNK)
    counted = [(getattr(weights, name), name, signal) for name, signal in OF_FILE.items()]
    # Most files are of no kind that is set back, and all those signals are nothing then.
    with_traits = [(weight, signal) for weight, _, signal in counted if weight]
    without = [
        (weight, signal) for weight, name, signal in counted if weight and not is_trait(name)
    ]
    of_file: dict[int, float] = {}
    ranked = []
    for candidate in candidates:
        file = candidate.file
        shared = of_file.get(id(file))
        if shared is None:
            signals = with_traits if file.traits else without
            shared = sum([weight * signal(question, file) for weight, signal in signals])
            of_file[id(file)] = shared
        ranked.append(Ranked(candidate, shared + sum(map(mul, _values(candidate), of_chunk))))
    ranked.sort(key=_order)
    return spread(ranked, weights.spread)


def spread(ranked: Sequence[Ranked], weight: float) -> list[Ranked]:
    """Sets each further chunk of a file back by `weight` more than the one before it."""
    seen: dict[int, int] = {}
    for each in ranked:
        file = id(each.candidate.file)
        before = seen.get(file, 0)
        seen[file] = before + 1
        each.set_back = before * weight
        each.score -= each.set_back
    return sorted(ranked, key=_order)


def rerank(ranked: Sequence[Ranked], log_odds: Sequence[float]) -> list[Ranked]:
    """The first `len(log_odds)` ordered by them, equal ones as before; then the rest.

    Each takes the score of the place it gets, so that scores still fall from first to last.
    """
    first = ranked[: len(log_odds)]
    scores = [each.score for each in first]
    order = sorted(range(len(first)), key=lambda at: -log_odds[at])
    for score, at in zip(scores, order, strict=True):
        each = first[at]
        each.relevance = _probability(log_odds[at])
        each.reranked = score - each.score
        each.score = score
    return [*(first[at] for at in order), *ranked[len(first) :]]


def effects(question: Question, ranked: Ranked, weights: Weights) -> dict[str, float]:
    """What each signal added to the score; they sum to it."""
    values = zip(OF_CHUNK, _values(ranked.candidate), strict=True)
    added = {name: getattr(weights, name) * value for name, value in values}
    added |= _of_file(question, ranked.candidate, weights)
    added["spread"] = -ranked.set_back
    added["rerank"] = ranked.reranked
    return {name: value for name, value in added.items() if value}


def _probability(log_odds: float) -> float:
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def _order(ranked: Ranked) -> tuple[float, int]:
    return -ranked.score, ranked.candidate.id


def _of_file(question: Question, candidate: Candidate, weights: Weights) -> dict[str, float]:
    return {
        name: weight * signal(question, candidate.file)
        for name, signal in OF_FILE.items()
        if (weight := getattr(weights, name))
    }
