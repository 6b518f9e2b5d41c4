"""Languages and kinds as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridx.config import suggestion
from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


def languages_of(lists: Iterable[str]) -> list[str]:
    """The names in comma-separated lists, aliases resolved; `UsageError` for an unknown one."""
    words = _words(lists)
    if not words:
        return []
    from hybridx._core import language, languages  # loads the extension

    names = [language(word) for word in words]
    for word, name in zip(words, names, strict=True):
        if name is None:
            raise UsageError(f"--lang: there is no language {word}{suggestion(word, languages())}")
    return list(dict.fromkeys(name for name in names if name))


def kinds_of(lists: Iterable[str]) -> list[str]:
    """The kinds in comma-separated lists; `UsageError` for an unknown one."""
    words = _words(lists)
    if not words:
        return []
    from hybridx._core import kinds  # loads the extension

    known = kinds()
    for word in words:
        if word not in known:
            near = suggestion(word, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"--kind: there is no kind {word}{near}")
    return words


def _words(lists: Iterable[str]) -> list[str]:
    words = (word.strip().lower() for each in lists for word in each.split(","))
    return list(dict.fromkeys(word for word in words if word))
