"""What speaks for a candidate and against it: one small function a signal.

Each returns how strong the signal is, mostly from 0 to 1; what that counts is `weights`' matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.ranking.paths import ASKED_BY
from hybridx.ranking.question import singular

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hybridx.ranking.candidates import Candidate, File
    from hybridx.ranking.question import Question

OF_CHUNK: Mapping[str, Callable[[Candidate], float]] = {
    "body": lambda chunk: chunk.body,
    "symbol": lambda chunk: chunk.symbol,
    "signature": lambda chunk: chunk.signature,
    "doc": lambda chunk: chunk.doc,
    "name": lambda chunk: chunk.name,
    "phrase": lambda chunk: chunk.phrase,
    "meaning": lambda chunk: chunk.similarity,
}
"""What speaks for the chunk itself."""


def stem_share(question: Question, file: File) -> float:
    """How much of the file's name the query has, by terms; `s` at an end makes no difference."""
    stem = file.path.rsplit("/", 1)[-1].split(".", 1)[0]
    if stem in ("__init__", "index", "mod"):
        stem = file.path.rsplit("/", 2)[-2] if "/" in file.path else stem
    terms = [term for term in _core.analyze(stem).split() if not term.startswith("+")]
    if not terms:
        return 0.0
    had = sum(singular(term) in question.singulars for term in terms)
    return had / len(terms)


def mention(question: Question, file: File) -> float:
    """How clearly the query names the file."""
    return question.mentions.strength(file.path)


def trait(name: str) -> Callable[[Question, File], float]:
    """Whether the file is of a kind that the query does not ask for."""
    asked = ASKED_BY[name]

    def signal(question: Question, file: File) -> float:
        return float(name in file.traits and asked.isdisjoint(question.terms))

    return signal


OF_FILE: Mapping[str, Callable[[Question, File], float]] = {
    "file": lambda _, file: file.body,
    "coherence": lambda _, file: file.coherence,
    "meanings": lambda _, file: file.meanings,
    "folders": lambda _, file: file.folders,
    "stem": lambda _, file: file.stem,
    "stem_share": stem_share,
    "mention": mention,
    **{name: trait(name) for name in ASKED_BY},
}
"""What speaks for all chunks of a file alike."""
