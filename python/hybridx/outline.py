"""What a file defines and what a folder holds, in as many tokens as there is room for.

Names, kinds and lines are read from the files as they are now, since that is where a reader goes
next; which files there are is what the generation says.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.answer import tokens
from hybridx.errors import Cancelled, NotIndexedError, UsageError
from hybridx.scan import explain_path
from hybridx.types import Outline, OutlinedFile, Symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.commit import Generation
    from hybridx.config import Settings
    from hybridx.layout import Layout

_PLACE = 6
"""Tokens of a row apart from its names: lines, indentation."""
_ALL_BELOW = 40
"""A folder with no more files below it is listed whole."""
_TOP = 8
"""Definitions that are named of a file in a folder."""
_ROW = 3
"""Tokens of a file's row apart from its names."""
_NAME = 8
"""Tokens of a name."""
_NEAR = 3
"""Files of the same name that are told where there is no file."""

_CAUSES = {
    "rule": "an ignore rule leaves it out",
    "index": "it is an index of hybridx",
    "vcs": "it belongs to a version control system",
    "default_exclude": "it is left out by default",
    "virtual_environment": "it is a virtual environment",
}


def outline(
    layout: Layout,
    settings: Settings,
    generation: Generation | None,
    path: str,
    max_tokens: int | None,
    cancel: _core.CancelToken | None = None,
) -> Outline:
    """The outline of the file or folder at `path`, relative to the root; `""` is the root.

    Raises:
        UsageError: there is nothing to outline at `path`, or the index leaves it out.
        NotIndexedError: `path` is a folder, and there is no index.
        Cancelled: `cancel` was set.
    """
    if max_tokens is not None and max_tokens < 1:
        raise UsageError(f"max_tokens is {max_tokens}: there is room for nothing")
    place = _Place(layout, settings, generation, max_tokens, cancel)
    if path:
        _check_shown(place, path)
        if (layout.root / _native(path)).is_file():
            return place.file(path)
    return place.folder(path)


def _native(path: str) -> str:
    """A spelled path as the system has it."""
    return _core.decode_path(path).decode("utf-8", "surrogateescape")


def _check_shown(place: _Place, path: str) -> None:
    """Raises `UsageError` unless the rules let `path` in and something is there."""
    now = explain_path(place.layout, place.settings, path)
    if now.cause is not None:
        raise UsageError(f"{path} is not in the index: {_CAUSES.get(now.cause, now.cause)}")
    if now.skip is not None:
        raise UsageError(f"{path} is not in the index: {': '.join(filter(None, now.skip))}")
    if now.stands == "nothing":
        raise UsageError(f"there is no {path}{place.near(path)}")


class _Place:
    """A tree whose files are outlined."""

    def __init__(
        self,
        layout: Layout,
        settings: Settings,
        generation: Generation | None,
        room: int | None,
        cancel: _core.CancelToken | None,
    ) -> None:
        self.layout = layout
        self.settings = settings
        self.number = generation.manifest.generation if generation else None
        self._generation = generation
        self._room = room
        self._cancel = cancel

    def near(self, path: str) -> str:
        """The indexed files that are called as `path` is."""
        name = path.rpartition("/")[2]
        known = self._generation.snapshot.paths() if self._generation else []
        found = [each for each in known if each.rpartition("/")[2] == name]
        return f"; there is {', '.join(found[:_NEAR])}" if found else ""

    def file(self, path: str) -> Outline:
        """What a file defines: where there is no room for all, not what lies deepest."""
        language, lines, rows = self._read(path)
        symbols = _nested(rows)
        kept = symbols if self._room is None else _fitting(symbols, self._room)
        return Outline(
            path=path,
            kind="file",
            generation=self.number,
            language=language,
            lines=lines,
            symbols=tuple(kept),
            omitted=len(symbols) - len(kept),
        )

    def folder(self, path: str) -> Outline:
        """What a folder holds: all files below it if they are few, else the files in it."""
        if self._generation is None:
            raise NotIndexedError(f"no index for {self.layout.root}: its files are not known yet")
        prefix = f"{path}/" if path else ""
        below = [each for each in self._generation.snapshot.paths() if each.startswith(prefix)]
        if not below:
            raise UsageError(f"no file below {path or 'the root'} is in the index")
        direct = [each for each in below if "/" not in each[len(prefix) :]]
        counts: Counter[str] = Counter()
        if len(below) <= _ALL_BELOW:
            direct = below
        else:
            inside = (each[len(prefix) :].partition("/") for each in below)
            counts.update(name for name, slash, _ in inside if slash)
        room = self._room
        folders: dict[str, int] = {}
        for name, count in sorted(counts.items()):
            cost = tokens(name) + _PLACE
            if room is not None and room < cost and folders:
                break
            room = room - cost if room is not None else None
            folders[prefix + name] = count
        files = self._files(direct, len(prefix), room)
        omitted = len(counts) - len(folders) + len(direct) - len(files)
        return Outline(
            path=path,
            kind="folder",
            generation=self.number,
            files=files,
            folders=folders,
            omitted=omitted,
        )

    def _files(
        self, paths: Sequence[str], skipped: int, room: int | None
    ) -> tuple[OutlinedFile, ...]:
        """Those of `paths` there is room for; the first `skipped` characters need not be read."""
        files: list[OutlinedFile] = []
        top = _TOP
        if room is not None and paths:
            # Rather every file with few names than few files with all of theirs.
            names = sum(tokens(path[skipped:]) + _ROW for path in paths)
            top = max(min((room - names) // (len(paths) * _NAME), _TOP), 0)
        for path in paths:
            found = self._outlined(path, top) if top else OutlinedFile(path)
            cost = tokens(" ".join((path[skipped:], *found.symbols))) + _ROW
            if room is not None:
                room -= cost
                if room < 0 and files:
                    break
            files.append(found)
        return tuple(files)

    def _outlined(self, path: str, most: int) -> OutlinedFile:
        try:
            language, lines, rows = self._read(path)
        except (UsageError, OSError):
            # It went since the generation, or is no text any more: the next update says so.
            return OutlinedFile(path)
        outermost = [each for each in _nested(rows) if each.depth == 0]
        # The largest say most of what a file is about.
        largest = sorted(outermost, key=lambda each: each.start_line - each.end_line)[:most]
        names = {each.symbol: None for each in outermost if each in largest}
        return OutlinedFile(path, language, lines, tuple(names), len(outermost) - len(largest))

    def _read(self, path: str) -> tuple[str, int, list[tuple[str, str, int, int, str]]]:
        if self._cancel is not None and self._cancel.cancelled:
            raise Cancelled("cancelled")
        settings = self.settings
        return _core.outline(
            self.layout.root,
            path,
            max_file_bytes=settings.max_file_bytes,
            redact_secrets=settings.redact_secrets,
            secrets_allow=settings.secrets_allow,
            cancel=self._cancel,
        )


def _nested(rows: Sequence[tuple[str, str, int, int, str]]) -> list[Symbol]:
    """The definitions, each with how many of the others it lies in."""
    found = []
    around: list[tuple[int, int]] = []
    for symbol, kind, start, end, signature in rows:
        # One that has the very lines of another stands beside it.
        while around and (around[-1][1] < end or around[-1] == (start, end)):
            around.pop()
        found.append(Symbol(symbol, kind, start, end, signature, len(around)))
        around.append((start, end))
    return found


def _fitting(symbols: Sequence[Symbol], room: int) -> list[Symbol]:
    """Those there is room for: first the outermost, then what lies in them, in their order.

    Constants, and fields among them, come after their like.
    """

    def importance(at: int) -> tuple[int, bool, int]:
        return symbols[at].depth, symbols[at].kind == "constant", at

    kept: list[int] = []
    for at in sorted(range(len(symbols)), key=importance):
        each = symbols[at]
        room -= tokens(each.signature or each.symbol) + _PLACE
        if room < 0 and kept:
            break
        kept.append(at)
    return [symbols[at] for at in sorted(kept)]
