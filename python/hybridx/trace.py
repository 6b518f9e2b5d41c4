"""A trace in the Trace Event Format, which Perfetto and chrome://tracing open.

The file is one JSON document after every portion that is written: what closes it comes with each
portion and is overwritten by the next one. So it can be opened while the program runs, and after it
was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hybridx.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 64 << 20
"""A file that has grown to this becomes `FILE.1`, and another is begun: a watch may run for weeks,
and viewers take a few hundred megabytes at most."""

_WAITING = 200_000
"""Events that may wait to be written; more are dropped, and counted."""

_PROCESS = 1
"""Number of the one process of a trace: the real one's says nothing, and differs in every run."""


@dataclass(eq=False)
class Trace:
    """Writes events to the file at `path`. Events may come from any thread, `flush` from one.

    Times are nanoseconds of one clock, and are shown from `origin` on.
    """

    path: Path
    origin: int
    max_bytes: int = MAX_BYTES
    dropped: int = field(default=0, init=False)
    """Events that are in no file, since nobody could write them."""
    _file: int = field(init=False)
    _end: int = field(default=0, init=False)
    """Where the last event ends, and what closes the document begins."""
    _rotated: int = field(default=0, init=False)
    _names: list[str] = field(default_factory=list, init=False)
    """Events that name the lanes: each file begins with those that are known."""
    _events: deque[tuple[Any, ...]] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        """Opens the file, and overwrites what is there.

        Raises:
            OSError: it cannot be written.
            UsageError: it is something else than a file, or another trace writes it.
        """
        self._file = _opened(self.path)
        self._begin()

    def lane(self, number: int, name: str, order: int) -> None:
        """Names the lane `number`, which is shown where `order` says."""
        self._names += [
            _metadata("thread_name", number, {"name": name}),
            _metadata("thread_sort_index", number, {"sort_index": order}),
        ]
        self._events.append(("M", len(self._names) - 2))

    def span(
        self, lane: int, stage: str, name: str, start: int, end: int, args: dict[str, Any] | None
    ) -> None:
        """What took from `start` to `end`; `stage` is what viewers colour and filter by."""
        self._put(("X", lane, stage, name, start, end, args))

    def counter(self, name: str, time: int, values: dict[str, float]) -> None:
        """The values that something has from now on."""
        self._put(("C", name, time, values))

    def _put(self, event: tuple[Any, ...]) -> None:
        if len(self._events) < _WAITING:
            self._events.append(event)
        else:
            self.dropped += 1

    def flush(self) -> None:
        """Writes what has come together. Raises `OSError`; the file is whole then too."""
        some = []
        while self._events:
            some.append(self._text(self._events.popleft()))
        if not some:
            return
        try:
            if self._end > self.max_bytes:
                self._rotate()
            self._write(",\n".join(["", *some]))
        except OSError:
            self.dropped += len(some)
            raise

    def close(self) -> None:
        """Writes the rest and closes the file. Raises `OSError`."""
        if self._file < 0:
            return
        try:
            self.flush()
        finally:
            os.close(self._file)
            self._file = -1

    def _text(self, event: tuple[Any, ...]) -> str:
        match event:
            case ("X", lane, stage, name, start, end, args):
                more = f',"args":{_json(args)}' if args else ""
                when = f'"ts":{self._microseconds(start)},"dur":{(end - start) / 1000:.3f}'
                return (
                    f'{{"ph":"X","pid":{_PROCESS},"tid":{lane},"cat":{_quoted(stage)},'
                    f'"name":{_quoted(name)},{when}{more}}}'
                )
            case ("C", name, time, values):
                return (
                    f'{{"ph":"C","pid":{_PROCESS},"tid":0,"name":{_quoted(name)},'
                    f'"ts":{self._microseconds(time)},"args":{_json(values)}}}'
                )
            case (_, first):
                return ",\n".join(self._names[first : first + 2])
        raise ValueError(event)

    def _microseconds(self, time: int) -> str:
        return f"{(time - self.origin) / 1000:.3f}"

    def _begin(self) -> None:
        self._end = 0
        first = _metadata("process_name", 0, {"name": "hybridx"})
        self._write('{"traceEvents":[\n' + ",\n".join([first, *self._names]))

    def _rotate(self) -> None:
        """Sets the file aside, and begins another."""
        # Somebody may have removed it, or it could not be begun when this was tried before.
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(f"{self.path}.1")
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._file = _opened(self.path)
        self._rotated += 1
        self._begin()

    def _write(self, text: str) -> None:
        """Adds to the document and closes it again."""
        about = {"dropped_events": self.dropped, "earlier_files": self._rotated}
        tail = f'\n],"displayTimeUnit":"ms","otherData":{_json(about)}}}\n'.encode()
        content = text.encode()
        try:
            _write_at(self._file, content + tail, self._end)
        except OSError:
            # What was there before fits: it is overwritten with itself.
            with contextlib.suppress(OSError):
                _write_at(self._file, tail, self._end)
                os.ftruncate(self._file, self._end + len(tail))
            raise
        self._end += len(content)


def check_writable(path: Path) -> None:
    """Raises `UsageError` for what is there but is no file: it would be replaced by one."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is no file: name one that may be written")


def _opened(path: Path) -> int:
    check_writable(path)
    # Not truncated before it is known to be a file.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        _claim(descriptor, path)
        os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _claim(descriptor: int, path: Path) -> None:
    """Keeps other traces away from a file: two that write one leave rubbish."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"{path} is being written by another trace: name another file") from None
    except OSError:
        # Some file systems have no locks; they have one trace a file all the same.
        return


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def _metadata(name: str, lane: int, args: dict[str, object]) -> str:
    about = {"ph": "M", "pid": _PROCESS, "tid": lane, "ts": 0, "name": name, "args": args}
    return _json(about)


@lru_cache(256)
def _quoted(name: str) -> str:
    return json.dumps(name)


def _json(value: dict[str, Any]) -> str:
    # What a program notes of its own may be anything, and costs nobody the trace.
    return json.dumps(value, separators=(",", ":"), default=repr)
