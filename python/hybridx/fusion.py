"""Two ranked lists into one: weighted reciprocal rank fusion.

Scores of the two arms have no common scale; ranks do. A chunk's score is the sum over the arms
that found it of `weight / (RANK_CONSTANT + rank)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RANK_CONSTANT = 60
"""Damps the lead of the first ranks (Cormack, Clarke and Büttcher, 2009)."""

NAME_WEIGHTS = {"bm25": 0.8, "vector": 0.2}
"""For a query that is one name: it is in the text or it is not."""

PROSE_WEIGHTS = {"bm25": 0.5, "vector": 0.5}

_NAME = re.compile(r"[^\W\d][\w.:$#~]*(\(\))?")


def arm_weights(query: str) -> Mapping[str, float]:
    """How much each arm counts for a query."""
    return NAME_WEIGHTS if _NAME.fullmatch(query.strip()) else PROSE_WEIGHTS


Ranked = list[tuple[int, dict[str, float]]]
"""Chunk ids, best first, each with its scores by arm and as `fused`."""


def definitions_first(ranked: Ranked, floor: float) -> Ranked:
    """Puts chunks whose `bm25` is at least `floor` before all others, in their order.

    That is what a definition of exactly the name that was asked for gets. No closeness in meaning
    says more than that.
    """
    return sorted(ranked, key=lambda item: item[1].get("bm25", 0.0) < floor)


def fuse(arms: Mapping[str, Sequence[tuple[int, float]]], weights: Mapping[str, float]) -> Ranked:
    """Fuses ranked lists of `(id, score)`.

    Returns ids, best first, each with its scores by arm and as `fused`. Equal scores are ordered
    by id, so that the result depends on nothing but the arguments.
    """
    scores: dict[int, dict[str, float]] = {}
    for arm, hits in arms.items():
        for rank, (chunk, score) in enumerate(hits, start=1):
            parts = scores.setdefault(chunk, {"fused": 0.0})
            parts[arm] = score
            parts["fused"] += weights[arm] / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: (-item[1]["fused"], item[0]))
