"""What one setting is: which values it takes, and where it may come from."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
    Path: "a path",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be, and who may give it."""

    kind: type
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    flag: str | None = None
    """The flag of the command line that gives it; `None` if no command has one."""
    variable: str | None = ""
    """`""` is that of its name; `None` is none."""
    in_project: bool = True
    """Whether a project's file may give it."""


def must(kind: type, **more: Any) -> dict[str, Rule]:
    """The metadata of a field that is a setting."""
    return {"rule": Rule(kind, **more)}


def suggestion(word: str, words: Iterable[str]) -> str:
    """`; did you mean …?` if one of `words` is like `word`, else nothing."""
    near = closest(word, words)
    return f"; did you mean {near}?" if near else ""


def closest(word: str, words: Iterable[str]) -> str | None:
    """The one of `words` that is most like `word`, if one is like it."""
    import difflib  # only for what is misspelled

    plain = {each.replace("-", "_").lower(): each for each in words}
    near = difflib.get_close_matches(word.replace("-", "_").lower(), plain, n=1, cutoff=0.6)
    return plain[near[0]] if near else None


def parsed(where: str, kind: type, text: str) -> object:
    """The value that the text of a variable stands for; `checked` judges the rest."""
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "on": True}
        words |= {"0": False, "false": False, "no": False, "off": False}
        return words.get(text.strip().lower(), text)
    if kind is tuple:
        parts = text.split("\n" if "\n" in text.strip() else ",")
        return [part.strip() for part in parts if part.strip()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise UsageError(f"{where}: must be {TYPE_NAMES[kind]}, not {text!r}") from None
    return text


def checked(where: str, rule: Rule, value: object, base: Path | None = None) -> object:
    """`value` if it keeps to the rule; else `UsageError`.

    Relative paths start at `base`, or else at the working directory.
    """
    if rule.kind is Path:
        text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(text, str) or not text or "\0" in text:
            raise UsageError(f"{where}: must be a path, not {value!r}")
        return _absolute(text, base)
    if rule.kind is tuple:
        return _texts(where, value)
    if rule.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # A bool is an int for `isinstance`.
    if not isinstance(value, rule.kind) or (isinstance(value, bool) and rule.kind is not bool):
        raise UsageError(f"{where}: must be {TYPE_NAMES[rule.kind]}, not {value!r}")
    if isinstance(value, str):
        return _checked_text(where, rule, value, base)
    # Written so that NaN fails.
    if isinstance(value, (int, float)) and not rule.low <= value <= rule.high:
        bound = f"between {rule.low:,} and {rule.high:,}"
        raise UsageError(f"{where}: must be {bound}, not {value:,}")
    return value


def is_folder(name: str) -> bool:
    """Whether a model's name can be nothing but a folder: `a/b` may be one of the hub."""
    return name.startswith(("/", "./", "../", "~")) or name in {".", ".."}


def _checked_text(where: str, rule: Rule, value: str, base: Path | None) -> str:
    if rule.choices and value not in rule.choices:
        among = ", ".join(rule.choices)
        near = suggestion(value, rule.choices)
        raise UsageError(f"{where}: must be one of {among}, not {value!r}{near}")
    if not value.strip() or "\0" in value:
        raise UsageError(f"{where}: must not be empty")
    return str(_absolute(value, base)) if is_folder(value) else value


def _texts(where: str, value: object) -> tuple[str, ...]:
    """A list of texts, none of them empty, as a tuple."""
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{where}: must be {TYPE_NAMES[tuple]}, not {value!r}")
    texts = []
    for each in value:
        if not isinstance(each, str) or not each.strip() or "\0" in each or "\n" in each:
            raise UsageError(f"{where}: must be {TYPE_NAMES[tuple]}, and {each!r} is none")
        texts.append(each)
    return tuple(texts)


def _absolute(path: str, base: Path | None) -> Path:
    full = os.path.expanduser(path)  # noqa: PTH111 - leaves the `~` of an unknown user alone
    full = os.path.join(base or "", full)  # noqa: PTH118 - for `abspath`, which resolves no links
    return Path(os.path.abspath(full))  # noqa: PTH100
