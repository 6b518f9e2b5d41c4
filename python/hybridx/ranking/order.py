"""Adds up what speaks for each candidate, and spreads the best over files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import attrgetter, itemgetter, mul
from typing import TYPE_CHECKING

from hybridx.ranking.signals import IN_FILE, OF_CHUNK, OF_FILE, OF_PATH, can_speak, is_trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hybridx.ranking.candidates import Candidate
    from hybridx.ranking.question import Question
    from hybridx.ranking.weights import Weights

_values = attrgetter(*OF_CHUNK.values())
_in_file = attrgetter(*IN_FILE.values())
_score_and_id = itemgetter(0, 1)


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
    of_chunk = [getattr(weights, name) for name in OF_CHUNK]
    in_file = [getattr(weights, name) for name in IN_FILE]
    of_path = [
        (weight, name, signal)
        for name, signal in OF_PATH.items()
        if (weight := getattr(weights, name)) and can_speak(name, question)
    ]
    # Most files are of no kind that is set back, and all those signals are nothing then.
    with_traits = [(weight, signal) for weight, _, signal in of_path]
    without = [(weight, signal) for weight, name, signal in of_path if not is_trait(name)]
    of_file: dict[int, float] = {}
    scored = []
    for candidate in candidates:
        file = candidate.file
        shared = of_file.get(id(file))
        if shared is None:
            shared = sum(map(mul, _in_file(file), in_file))
            for weight, signal in with_traits if file.traits else without:
                shared += weight * signal(question, file)
            of_file[id(file)] = shared
        score = shared + sum(map(mul, _values(candidate), of_chunk))
        scored.append((-score, candidate.id, candidate))
    scored.sort(key=_score_and_id)
    return _spread(scored, weights.spread)


def _spread(scored: Iterable[tuple[float, int, Candidate]], weight: float) -> list[Ranked]:
    """Sets each further chunk of a file back by `weight` more than the one before it.

    `scored` are the candidates, best first, each after the negative of its score and its id.
    """
    seen: dict[int, int] = {}
    ranked = []
    for negative, number, candidate in scored:
        file = id(candidate.file)
        before = seen.get(file, 0)
        seen[file] = before + 1
        set_back = before * weight
        score = -negative - set_back
        ranked.append((-score, number, Ranked(candidate, score, set_back)))
    ranked.sort(key=_score_and_id)
    return [each for _, _, each in ranked]


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


def _of_file(question: Question, candidate: Candidate, weights: Weights) -> dict[str, float]:
    return {
        name: weight * signal(question, candidate.file)
        for name, signal in OF_FILE.items()
        if (weight := getattr(weights, name))
    }
