"""What speaks for a candidate and against it: one small function a signal.

Each returns how strong the signal is, mostly from 0 to 1; what that counts is `weights`' matter.
"""

from __future__ import annotations

from operator import attrgetter
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
    # Most names have nothing of the query.
    if question.singulars.isdisjoint(terms):
        return 0.0
    return sum(term in question.singulars for term in terms) / len(terms)


def mention(question: Question, file: File) -> float:
    """How clearly the query names the file."""
    return question.mentions.strength(file.path)


def evidence(field: str) -> Callable[[Question, File], float]:
    """What a field of the file says."""
    value = attrgetter(field)
    return lambda _, file: value(file)


def trait(name: str) -> Callable[[Question, File], float]:
    """Whether the file is of a kind that the query does not ask for."""
    asked = ASKED_BY[name]

    def signal(question: Question, file: File) -> float:
        return float(name in file.traits and asked.isdisjoint(question.asked))

    return signal


IN_FILE: Mapping[str, str] = {
    "file": "body",
    "coherence": "coherence",
    "folders": "folders",
    "stem": "stem",
}
"""What the words of a file speak for all its chunks alike: the field of the file that is the
signal."""

OF_PATH: Mapping[str, Callable[[Question, File], float]] = {
    "stem_share": stem_share,
    "mention": mention,
    **{name: trait(name) for name in ASKED_BY},
}
"""What its path does."""

OF_FILE: Mapping[str, Callable[[Question, File], float]] = {
    **{name: evidence(field) for name, field in IN_FILE.items()},
    **OF_PATH,
}
"""What speaks for all chunks of a file alike."""


def can_speak(name: str, question: Question) -> bool:
    """Whether a signal of paths can be anything but nothing, whatever the path."""
    if name == "mention":
        return bool(question.mentions.paths or question.mentions.modules)
    return name not in ASKED_BY or ASKED_BY[name].isdisjoint(question.asked)


def is_trait(name: str) -> bool:
    """Whether a signal of files is one that `trait` makes."""
    return name in ASKED_BY
