"""What a query asks for: its kind, its terms, the names, files and texts in it.

Its terms are made by the one analyzer that made those of the chunks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from hybridx import _core
from hybridx.ranking.paths import KNOWN_PATHS, Mentions, mentions_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["name", "path", "error", "text", "code", "words"]
"""One name, a path, an error message or stack trace, a whole issue text, words with names of code
among them, or words alone."""

_LONG = 300
"""A query of more characters is a text, whose first line is what it is about."""
_LINES = 4

_FIRST_LINE = 3.0
"""What a term of a text's first line counts more than others."""

MAX_NAMES = 64
_NAME_WORDS = range(2, 6)
"""How many words may be a name, written apart."""
_BESIDE_NAMES = """
class constant defined definition enum function implementation implemented interface method module
struct trait type variable
"""
_AROUND_NAMES = frozenset(_BESIDE_NAMES.split())
"""Words that stand beside a name in a query and are not of it."""
_SHORT = 3

_NAME = re.compile(
    r"[^\W\d][\w$]*(?:(?:\.|::|->|#|-)~?[^\W\d][\w$]*)*(?:\(\)|[!?'])?|[.#$~@][^\W\d][\w$-]*"
)
_OF_CODE = re.compile(
    r"[A-Za-z0-9]_[A-Za-z0-9]|[a-z][A-Z]|\w[.:]{1,2}[^\W\d]|\w\(|`|\b_\w|\b[A-Z]{2,}|--\w|[{}<>=;]"
)
"""What shows that a query holds names of code."""
_WORD = re.compile(r"[^\W\d]\w+")
_OF_NAMES = re.compile(r"\w_\w|\d|[^\W\d_A-Z][A-Z]")
"""What a word has that can only be a name."""
_ANY_WORD = re.compile(r"\w+")
_PATH = re.compile(r"(?:[\w.@+~-]*[/\\])+[\w.@+~-]+(?::\d+)*|[\w-]+\.[A-Za-z]{1,5}(?::\d+)+")
_FILE_NAME = re.compile(
    r"[\w-]+(?:\.[\w-]+)*\.(?:c|cc|cfg|cjs|conf|cpp|cs|css|cxx|dart|erl|ex|exs|go|gradle|h|hh|hpp|"
    r"hs|html|ini|ipynb|java|jl|js|json|jsx|kt|less|lua|md|mjs|ml|nix|php|pl|pm|proto|py|pyi|r|rb|"
    r"rs|rst|scala|scss|sh|sql|svelte|swift|tf|toml|ts|tsx|txt|vue|xml|yaml|yml|zig)"
)
_ERROR = re.compile(
    r"^Traceback \(most recent call last\)|^\s*File \"[^\"]+\", line \d+|^\s+at [\w.$<>]+\(|"
    r"\bpanicked at\b|^[\w.]*(?:Error|Exception|Warning)\b:?|^\s*\S+:\d+(?::\d+)?: "
    r"(?:error|warning|fatal)|\b(?:error|fatal|panic|exception)(?:\[\w+\])?:|"
    r"segmentation fault|core dumped",
    re.MULTILINE | re.IGNORECASE,
)
_QUOTED = re.compile(r'"([^"\n]{2,200})"')
_STARRED = re.compile(r"(?<![\w*])(\w{2,})\*(?![\w*])")

_STOP_WORDS = """
a about above after again all also am an and any are as at be because been before being between
both but by can cannot could did do does doing done down during each even every few for from
further get gets given got had has have having he her here him his how i if in instead into is
it its itself just like made make makes many may me might more most must my need needs no nor
not now of off on once one only or other our out over own per please same see seem seems she
should so some still such than that the their them then there these they this those through to
too two under until up use used uses using very via want was way we well were what when where
whether which while who whom why will with within without work working works would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that say nothing in a text, though some of them are rare in code."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query, read."""

    text: str
    kind: Kind
    terms: Mapping[str, float]
    """Terms of the analyzer and what each counts."""
    prefixes: Mapping[str, float]
    """Beginnings of terms, from starred words."""
    names: list[str]
    """What something may be named: words as they are written, or all words of a few in one."""
    phrases: list[str]
    """What is quoted."""
    only_phrases: bool
    """Whether there is nothing else: then a hit must hold all of it."""
    mentions: Mentions
    """Files that are named."""
    singulars: frozenset[str]
    """The terms without an `s` at their end."""
    asked: frozenset[str]
    """The terms that may ask for a kind of file: of a text those of its first line."""


def ask(text: str) -> Question:
    """Reads a query."""
    kind = kind_of(text)
    long = kind == "text"
    quoted = [] if long else [it for it in _QUOTED.findall(text) if _terms(it)]
    starred = [] if long else _STARRED.findall(text)
    rest = text if long else _STARRED.sub(" ", _QUOTED.sub(" ", text))
    plain = _STARRED.sub(" ", text) if starred else text
    terms = _terms_of_text(text) if long else _counted(_terms(plain))
    return Question(
        text=text,
        kind=kind,
        terms=terms,
        prefixes={term: 1.0 for word in starred for term in _terms(word)[:1]},
        names=_names(rest, kind),
        phrases=quoted,
        only_phrases=bool(quoted) and not _terms(rest) and not starred,
        mentions=mentions_in(text),
        singulars=frozenset(map(singular, terms)),
        asked=frozenset(_terms(_first_line(text)) if long else terms),
    )


def kind_of(text: str) -> Kind:
    """What a query looks like."""
    text = text.strip()
    if len(text) > _LONG or text.count("\n") >= _LINES:
        return "text"
    if _PATH.fullmatch(text) or _FILE_NAME.fullmatch(text):
        return "path"
    if _NAME.fullmatch(text):
        return "name"
    if _ERROR.search(text):
        return "error"
    return "code" if _OF_CODE.search(text) else "words"


def singular(term: str) -> str:
    """The term without an `s` at its end, unless it is short."""
    return term[:-1] if len(term) > _SHORT and term.endswith("s") else term


@lru_cache(KNOWN_PATHS)
def stem_terms(path: str) -> tuple[str, ...]:
    """The terms of the name of a file, without an `s` at their ends.

    That is its folder's name where its own is always the same.
    """
    *folders, name = path.split("/")
    stem = name.split(".", 1)[0] or name
    if stem in ("__init__", "index", "mod") and folders:
        stem = folders[-1]
    return tuple(singular(term) for term in _core.analyze(stem).split() if term[0] != "+")


def _terms(text: str) -> list[str]:
    return [term.removeprefix("+") for term in _core.analyze(text).split()]


def _counted(terms: Iterable[str]) -> dict[str, float]:
    """Each term once; one that is repeated counts more, though not in proportion."""
    return {term: 1.0 + math.log(count) for term, count in Counter(terms).items()}


def _terms_of_text(text: str) -> dict[str, float]:
    terms = _counted(term for term in _terms(text) if term not in STOP_WORDS)
    for term in set(_terms(_first_line(text))) - STOP_WORDS:
        terms[term] *= _FIRST_LINE
    return terms


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _names(text: str, kind: Kind) -> list[str]:
    if kind == "path":
        return []
    if kind == "name":
        name = text.strip().removesuffix("()")
        parts = re.split(r"\.|::|->|#", name)
        return list(dict.fromkeys([name, parts[-1]]))
    if kind == "words":
        return _joined(_ANY_WORD.findall(text.lower()))
    words = [word for word in dict.fromkeys(_WORD.findall(text)) if word not in STOP_WORDS]
    # Of many, those first that can be nothing but names.
    return sorted(words, key=lambda word: _OF_NAMES.search(word) is None)[:MAX_NAMES]


def _joined(words: list[str]) -> list[str]:
    """The words as one name in each way to write it, with and without what is around a name."""
    around = STOP_WORDS | _AROUND_NAMES
    inner = [at for at, word in enumerate(words) if word not in around]
    runs = [words, words[inner[0] : inner[-1] + 1] if inner else []]
    names: list[str] = []
    for run in runs:
        if len(run) in _NAME_WORDS:
            snake, pascal = "_".join(run), "".join(word.capitalize() for word in run)
            names += [snake, snake.upper(), pascal, run[0] + pascal[len(run[0]) :]]
    return list(dict.fromkeys(names))


NOTHING = ask("")
"""Asks for nothing."""
