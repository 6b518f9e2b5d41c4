"""Files named on the command line, as the index spells them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from hybridx.cli._text import visible_path
from hybridx.errors import UsageError


def read_names(stream: IO[bytes]) -> list[str]:
    """The file names in `stream`: one a line, or separated by NUL if there is a NUL in it."""
    data = stream.read()
    if b"\0" in data:
        names = data.split(b"\0")
    else:
        names = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]


def spell(names: Iterable[str], root: str) -> list[str]:
    r"""The spelling of each of `names`, in their order and without repetition.

    A name is relative to the working directory. Where no such file is, it may also be a spelling
    as hybridx prints it, such as `caf\xe9.c`. Files need not exist: a removed one has changed,
    too. Raises `UsageError` for a name that is not below `root`.
    """
    from hybridx._core import encode_path  # noqa: PLC0415  # loads the extension

    found: dict[str, None] = {}
    for name in names:
        relative = _relative(_as_is_or_decoded(name), root)
        spelling = os.fsencode(relative).replace(os.fsencode(os.sep), b"/")
        found[encode_path(spelling)] = None
    return list(found)


def _as_is_or_decoded(name: str) -> str:
    if "\\" not in name or os.path.lexists(name):
        return name
    from hybridx._core import decode_path  # noqa: PLC0415

    decoded = os.fsdecode(decode_path(name))
    return decoded if os.path.lexists(decoded) else name


def _relative(name: str, root: str) -> str:
    if "\0" in name:
        raise UsageError("a file name cannot contain NUL")
    name = name.rstrip("/") or name
    path, top = os.path.abspath(name), os.path.abspath(root)  # noqa: PTH100
    # Folders may be reached through links, and `..` after one is not what it looks like; the
    # file itself may be a link and stays one.
    if ".." in Path(name).parts or not _is_below(path, top):
        folder, last = os.path.split(name)
        path = os.path.join(os.path.realpath(folder or "."), last)  # noqa: PTH118
        top = os.path.realpath(root)
    if _can_only_be_a_folder(name) or not _is_below(path, top):
        raise UsageError(f"{visible_path(name)} is no file below {root}")
    return os.path.relpath(path, top)


def _can_only_be_a_folder(name: str) -> bool:
    return os.path.basename(name) in ("", ".", "..")  # noqa: PTH119


def _is_below(path: str, top: str) -> bool:
    return path.startswith(top.rstrip(os.sep) + os.sep)
