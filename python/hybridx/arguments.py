"""What callers pass to the API, as the index spells it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hybridx import _core

if TYPE_CHECKING:
    from collections.abc import Sequence


def as_text(query: str) -> str:
    """A query without what is no text.

    Bytes that came in as an argument may be no UTF-8, or UTF-8 in a locale without it.
    """
    try:
        return os.fsencode(query).decode("utf-8", "replace")
    except UnicodeEncodeError:
        return query.encode("utf-8", "replace").decode()


def resolved(languages: Sequence[str]) -> list[str]:
    """Languages by their names; one that nobody knows stays, and nothing is of it."""
    return [_core.language(name) or name for name in languages]


def spelled(paths: Sequence[str]) -> list[str]:
    """Globs or paths as the index spells them."""
    return [
        _core.encode_path(os.fsencode(path)) if any(map(_is_surrogate, path)) else path
        for path in paths
    ]


def tidy(path: str) -> str:
    """A path without `.` and doubled or outer slashes; the root is empty."""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def _is_surrogate(character: str) -> bool:
    """Whether it stands for a byte that is no text, as Python reads file names."""
    return "\udc80" <= character <= "\udcff"
