"""Where a line of code holds what a query asks for, by the analyzer that made the index."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.ranking.question import STOP_WORDS, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = re.compile(r"\w+")
_LONGEST = 200
"""Characters of a word that is looked into; longer ones are data."""

Span = tuple[int, int]


class Matches:
    """The matched terms of one query: `mergePolicy` holds both of `merge policy`."""

    def __init__(self, query: str) -> None:
        """Reads the query as a search does."""
        question = ask(query)
        # Of a whole issue text what its first line says; else half of all code would be marked.
        terms = question.asked if question.kind == "text" else set(question.terms)
        self._terms = frozenset(terms - STOP_WORDS or terms)
        self._prefixes = tuple(question.prefixes)
        self._phrases = [phrase.casefold() for phrase in question.phrases]
        self._in_word = lru_cache(maxsize=10_000)(self._parts)

    def spans(self, line: str) -> list[Span]:
        """The places `(start, end)` of what is asked for, in order and apart from each other."""
        found = [*self._words(line), *self._quoted(line)]
        joined: list[Span] = []
        for start, end in sorted(found):
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined

    def _words(self, line: str) -> Iterator[Span]:
        for word in _WORD.finditer(line):
            if len(word[0]) <= _LONGEST:
                for start, end in self._in_word(word[0]):
                    yield word.start() + start, word.start() + end

    def _parts(self, word: str) -> tuple[Span, ...]:
        """What of a word matches: all of it, or parts of a compound."""
        terms = _core.analyze(word).split()
        whole = [term[1:] for term in terms if term[0] == "+"]
        parts = [term for term in terms if term[0] != "+"]
        if any(self._is_asked(term) for term in whole):
            return ((0, len(word)),)
        lower = word.lower()
        spans = []
        at = 0
        for part in parts:
            start = lower.find(part, at)
            if start < 0 or len(lower) != len(word):
                # The analyzer writes it otherwise than it stands here.
                return ((0, len(word)),) if any(map(self._is_asked, parts)) else ()
            at = start + len(part)
            if self._is_asked(part):
                spans.append((start, at))
        return tuple(spans)

    def _is_asked(self, term: str) -> bool:
        return term in self._terms or (bool(self._prefixes) and term.startswith(self._prefixes))

    def _quoted(self, line: str) -> Iterator[Span]:
        folded = line.casefold()
        if len(folded) != len(line):
            return
        for phrase in self._phrases:
            at = folded.find(phrase)
            while at >= 0:
                yield at, at + len(phrase)
                at = folded.find(phrase, at + 1)
