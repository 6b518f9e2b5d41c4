"""Files named on the command line, as the index spells them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hybridx.cli._text import visible_path
from hybridx.errors import UsageError
from hybridx.layout import indexed_root

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_folder(path: str) -> None:
    """Raises `UsageError` if there is no folder at `path`."""
    if not Path(path).is_dir():
        raise UsageError(f"{visible_path(path)}: there is no such folder")


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
    from hybridx._core import encode_path  # loads the extension

    found: dict[str, None] = {}
    for name in names:
        relative = _relative(_as_is_or_decoded(name), root)
        spelling = os.fsencode(relative).replace(os.fsencode(os.sep), b"/")
        found[encode_path(spelling)] = None
    return list(found)


def root_of(name: str, index_dir: str | None = None) -> Path:
    """The root whose index is asked about the file `name`, relative to the working directory.

    That of the index in `index_dir`; else the nearest folder at or above the file that has an
    index; else the top of its git repository; else the working directory, if the file lies in it,
    or the file's own folder.
    """
    if index_dir is not None:
        with contextlib.suppress(OSError):
            return Path(os.fsdecode((Path(index_dir) / "root").read_bytes()))
    path = Path(os.path.abspath(_as_is_or_decoded(name)))  # noqa: PTH100 - links stay links
    # The file may be a link, and stays one; a folder may itself be the root.
    start = path if os.path.isdir(path) and not os.path.islink(path) else path.parent  # noqa: PTH112, PTH114
    found = indexed_root(start)
    if found is not None:
        return found
    for folder in (start, *start.parents):
        if os.path.exists(folder / ".git"):  # noqa: PTH110 - what cannot be looked at is none
            return folder
    here = Path.cwd()
    return here if start.is_relative_to(here) else start


def resolved(path: Path) -> Path:
    """`path` without links. Unlike `Path.resolve` it takes a link to itself for what it is."""
    return Path(os.path.realpath(path))


def _as_is_or_decoded(name: str) -> str:
    if "\\" not in name or os.path.lexists(name):
        return name
    from hybridx._core import decode_path

    decoded = os.fsdecode(decode_path(name))
    return decoded if os.path.lexists(decoded) else name


def _relative(name: str, root: str) -> str:
    if "\0" in name:
        raise UsageError("a file name cannot contain NUL")
    name = name.rstrip("/") or name
    path, top = Path(name).absolute(), Path(root).absolute()
    # Folders may be reached through links, and `..` after one is not what it looks like; the
    # file itself may be a link and stays one.
    if ".." in Path(name).parts or not _is_below(path, top):
        path = resolved(Path(name).parent) / Path(name).name
        top = resolved(Path(root))
    if Path(name).name in ("", "..") or not _is_below(path, top):
        raise UsageError(f"{visible_path(name)} is no file below {root}")
    return str(path.relative_to(top))


def _is_below(path: Path, top: Path) -> bool:
    return path != top and path.is_relative_to(top)
