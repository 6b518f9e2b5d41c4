"""What callers pass to the API: checked, and as the index spells it.

Whatever is wrong with an argument is a `UsageError`, also where Python would raise something else
further down: a program that passes on what its own users typed has one type to catch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridx import _core
from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.observer import Observer
    from hybridx.report import ProgressCallback


def check_work(
    progress: ProgressCallback | None,
    cancel: _core.CancelToken | None,
    observer: Observer | None = None,
) -> None:
    """Raises `UsageError` unless these can be told, and asked, while work is done."""
    if progress is not None and not callable(progress):
        raise UsageError(f"progress is {progress!r}: give a function")
    check_cancel(cancel)
    check_observer(observer)


def check_observer(observer: Observer | None) -> None:
    """Raises `UsageError` unless this is an observer."""
    if observer is None:
        return
    from hybridx.observer import Observer  # only for these

    if not isinstance(observer, Observer):
        raise UsageError(f"observer is {observer!r}: give an Observer")


def check_cancel(cancel: _core.CancelToken | None) -> None:
    """Raises `UsageError` unless this is a token."""
    if cancel is not None and not isinstance(cancel, _core.CancelToken):
        raise UsageError(f"cancel is {cancel!r}: give a CancelToken")


def as_folder(path: str | os.PathLike[str]) -> Path:
    """The path of a folder, as it was given. Raises `UsageError` if it is none."""
    text = _path_text("path", path)
    if not text:
        raise UsageError("the path is empty: the working directory is '.'")
    return Path(text)


def as_query(query: str) -> str:
    """A query without what is no text.

    Bytes that came in as an argument may be no UTF-8, or UTF-8 in a locale without it.
    """
    if not isinstance(query, str):
        raise UsageError(f"query is {query!r}: give a text")
    try:
        return os.fsencode(query).decode("utf-8", "replace")
    except UnicodeEncodeError:
        return query.encode("utf-8", "replace").decode()


def as_text(name: str, value: Any) -> str:
    """A text that says something. Raises `UsageError` if it is none."""
    if not isinstance(value, str) or not value.strip() or "\0" in value or not _is_bytes(value):
        raise UsageError(f"{name} is {value!r}: give a text")
    return value


def as_number(name: str, value: Any) -> int:
    """A whole number. Raises `UsageError` if it is none; its bounds are others' business."""
    # A bool is an int for `isinstance`.
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise UsageError(f"{name} is {value!r}: give a whole number")
    return int(value.__index__())


def as_languages(languages: Sequence[str]) -> list[str]:
    """Languages by their names; one that nobody knows stays, and nothing is of it."""
    return [_core.language(name) or name for name in as_words("languages", languages)]


def as_words(name: str, values: Sequence[str]) -> list[str]:
    """A list of texts, each without what is none."""
    return [each.encode("utf-8", "replace").decode() for each in _texts(name, values)]


def as_globs(globs: Sequence[str]) -> list[str]:
    """Globs as the index spells paths."""
    return [_spelled(each) for each in _texts("paths", globs)]


def as_paths(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Paths relative to the root as the index spells them; the root is empty."""
    if isinstance(paths, (str, bytes, os.PathLike)) or not isinstance(paths, Iterable):
        raise UsageError(f"paths is {paths!r}: give a list of them")
    return [as_path(each) for each in paths]


def as_path(path: str | os.PathLike[str]) -> str:
    """A path relative to the root as the index spells it; the root is empty."""
    text = _path_text("path", path)
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UsageError(f"{text} leads out of the root: give a path below it, without ..")
    return _spelled("/".join(parts))


def _texts(name: str, values: Any) -> list[str]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise UsageError(f"{name} is {values!r}: give a list of them")
    texts = list(values)
    for each in texts:
        if not isinstance(each, str):
            raise UsageError(f"{name} has {each!r} in it: give texts")
    return texts


def _path_text(name: str, path: Any) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise UsageError(f"{name} is {path!r}: give a text (os.fsdecode makes one of bytes)")
    if "\0" in text:
        raise UsageError(f"{name} is {text!r}: no path has a NUL in it")
    if not _is_bytes(text):
        raise UsageError(f"{name} is {text!r}: no file has such a name")
    return text


def _is_bytes(text: str) -> bool:
    """Whether the system could be given it, or gave it: not all strings stand for bytes."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _spelled(path: str) -> str:
    if not any(map(_is_surrogate, path)):
        return path
    if not _is_bytes(path):
        raise UsageError(f"{path!r}: no file has such a name")
    return _core.encode_path(os.fsencode(path))


def _is_surrogate(character: str) -> bool:
    """Whether it is half a character, as Python reads bytes of file names that are no text."""
    return "\ud800" <= character <= "\udfff"
