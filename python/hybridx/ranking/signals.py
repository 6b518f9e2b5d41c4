"""What speaks for a candidate and against it: one small function a signal.

Each returns how strong the signal is, mostly from 0 to 1; what that counts is `weights`' matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridx.ranking.paths import ASKED_BY
from hybridx.ranking.question import stem_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hybridx.ranking.candidates import File
    from hybridx.ranking.question import Question

OF_CHUNK: Mapping[str, str] = {
    "body": "body",
    "symbol": "symbol",
    "signature": "signature",
    "doc": "doc",
    "name": "name",
    "phrase": "phrase",
    "meaning": "similarity",
}
"""What speaks for the chunk itself: the field of the candidate that is the signal."""


def stem_share(question: Question, file: File) -> float:
    """How much of the file's name the query has, by terms; `s` at an end makes no difference."""
    terms = stem_terms(file.path)
    return sum(term in question.singulars for term in terms) / len(terms) if terms else 0.0


def mention(question: Question, file: File) -> float:
    """How clearly the query names the file."""
    return question.mentions.strength(file.path)


def trait(name: str) -> Callable[[Question, File], float]:
    """Whether the file is of a kind that the query does not ask for."""
    asked = ASKED_BY[name]

    def signal(question: Question, file: File) -> float:
        return float(name in file.traits and asked.isdisjoint(question.asked))

    return signal


OF_FILE: Mapping[str, Callable[[Question, File], float]] = {
    "file": lambda _, file: file.body,
    "coherence": lambda _, file: file.coherence,
    "folders": lambda _, file: file.folders,
    "stem": lambda _, file: file.stem,
    "stem_share": stem_share,
    "mention": mention,
    **{name: trait(name) for name in ASKED_BY},
}
"""What speaks for all chunks of a file alike."""


def is_trait(name: str) -> bool:
    """Whether a signal of files is one that `trait` makes."""
    return name in ASKED_BY
