"""What each signal counts: every constant of the ranking is here.

A score is a sum. Evidence of words is measured in shares of what the query's terms could be worth
together, evidence of meaning as a cosine similarity, so one set of weights serves short and long
queries, and each arm counts by its own confidence: a query whose words are found nowhere gets
little from BM25, one that the model does not understand little from the vectors. Sums of scores
do better than sums of ranks for that reason (Bruch, Gai and Ingber, An Analysis of Fusion
Functions for Hybrid Retrieval, 2023).

The weights were fitted by `benches/tune.py`, which judges them on packages that it did not fit them
on, and rounded to the middle of the range in which little changes. What `name` counts in
some kinds of queries was set on `benches/known_items.py`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hybridx.ranking.question import Kind


@dataclass(frozen=True, slots=True)
class Weights:
    """What one unit of each signal adds to a score."""

    body: float = 3.0
    """Terms of the chunk."""
    symbol: float = 2.5
    """Terms in the names of its definitions."""
    signature: float = 0.3
    """Terms in how they are declared."""
    doc: float = 0.5
    """Terms in what documents them."""
    name: float = 0.5
    """It defines a name that the query has."""
    phrase: float = 2.0
    """It holds what the query quotes."""
    file: float = 1.3
    """Terms of the whole file."""
    coherence: float = 2.5
    """Terms of the file's next best chunks."""
    folders: float = 0.5
    """Terms of the path."""
    stem: float = 0.5
    """Terms of the file's name."""
    stem_share: float = 0.8
    """How much of the file's name the query has."""
    mention: float = 2.1
    """The query names the file."""
    meaning: float = 3.0
    """Likeness of meaning, as cosine similarity."""
    test: float = -2.0
    """The file is a test; like the others below it counts unless the query asks for such files."""
    example: float = -1.5
    """The file is an example, a demonstration or a benchmark."""
    legacy: float = -1.0
    """The file is there for the sake of what is old."""
    stub: float = -0.7
    """The file declares what another one defines."""
    vendored: float = -1.0
    """The file is a copy of somebody else's."""
    generated: float = -1.5
    """The file was written by a program."""
    spread: float = 1.5
    """What each further chunk of a file is set back."""

    def without(self, signals: Collection[str]) -> Weights:
        """These, as if the named signals were not there."""
        return dataclasses.replace(self, **dict.fromkeys(signals, 0.0))

    def times(self, factors: Mapping[str, float]) -> Weights:
        """These, some of them multiplied."""
        changed = {name: getattr(self, name) * factor for name, factor in factors.items()}
        return dataclasses.replace(self, **changed)


LEXICAL = (
    "body",
    "symbol",
    "signature",
    "doc",
    "name",
    "phrase",
    "file",
    "coherence",
    "folders",
    "stem",
    "spread",
)
"""The weights that the search for candidates by words needs."""

BASE = Weights()

FACTORS: Mapping[Kind, Mapping[str, float]] = {
    # It is defined where it is defined, whatever is near it in meaning.
    "name": {"name": 30.0, "meaning": 0.4},
    "path": {"folders": 6.0, "mention": 3.0, "stem_share": 2.0, "meaning": 0.3},
    "error": {},
    # It names what it is about many times; its meaning as a whole is a blur.
    "text": {"meaning": 0.3},
    "code": {},
    # Who has no name for what is looked for describes it; but a few words may spell one.
    "words": {"name": 16.0, "meaning": 4.0},
}
"""How the kind of a query changes them."""


TRANSFORMER: Mapping[str, float] = {"meaning": 1.5}
"""How they change where a transformer made the vectors, which tell more than a static model's.

Measured with all-MiniLM-L6-v2 in int8. Twice is better still for questions in plain words, and
worse for the titles of issues.
"""


def weights_for(kind: Kind, base: Weights = BASE, *, transformer: bool = False) -> Weights:
    """The weights for a query of this kind, and vectors of a static model or a transformer."""
    weights = base.times(FACTORS[kind])
    return weights.times(TRANSFORMER) if transformer else weights
