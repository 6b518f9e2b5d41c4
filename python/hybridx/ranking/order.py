"""Adds up what speaks for each candidate, and spreads the best over files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridx.ranking.signals import OF_CHUNK, OF_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybridx.ranking.candidates import Candidate
    from hybridx.ranking.question import Question
    from hybridx.ranking.weights import Weights


@dataclass(slots=True)
class Ranked:
    """A candidate in its place."""

    candidate: Candidate
    score: float
    effects: Mapping[str, float]
    """What each signal added to the score; they sum to it."""


def rank(question: Question, candidates: Sequence[Candidate], weights: Weights) -> list[Ranked]:
    """The candidates, best first.

    Equal scores are ordered by id, so that the result depends on nothing but the arguments.
    """
    of_file: dict[int, dict[str, float]] = {}
    file_weights = {name: getattr(weights, name) for name in OF_FILE}
    used = [(name, OF_FILE[name], weight) for name, weight in file_weights.items() if weight]
    chunk_signals = [
        (name, OF_CHUNK[name], weight) for name in OF_CHUNK if (weight := getattr(weights, name))
    ]
    ranked = []
    for candidate in candidates:
        file = candidate.file
        shared = of_file.get(id(file))
        if shared is None:
            shared = {}
            for name, signal, weight in used:
                strength = signal(question, file)
                if strength:
                    shared[name] = weight * strength
            of_file[id(file)] = shared
        effects = {}
        for name, own, weight in chunk_signals:
            strength = own(candidate)
            if strength:
                effects[name] = weight * strength
        effects |= shared
        ranked.append(Ranked(candidate, sum(effects.values()), effects))
    ranked.sort(key=lambda each: (-each.score, each.candidate.id))
    return spread(ranked, weights.spread)


def spread(ranked: Sequence[Ranked], weight: float) -> list[Ranked]:
    """Sets each further chunk of a file back by `weight` more than the one before it."""
    seen: dict[int, int] = {}
    for each in ranked:
        before = seen.get(id(each.candidate.file), 0)
        seen[id(each.candidate.file)] = before + 1
        if before and weight:
            each.score -= before * weight
            each.effects = {**each.effects, "spread": -before * weight}
    return sorted(ranked, key=lambda each: (-each.score, each.candidate.id))
