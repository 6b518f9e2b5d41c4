"""The files of a running update, handed out one by one as they are stored."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Self

from hybridx.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hybridx._core import CancelToken
    from hybridx.types import FileResult, IndexReport, OnFiles, Progress, ProgressCallback

    Run = Callable[[OnFiles, ProgressCallback | None], IndexReport]
    """Runs an update to its end, and calls its arguments with the files that were stored, and with
    how far it is."""

WAITING = 4
"""Batches of files that wait to be taken before the update pauses."""

_TICK = 0.1
"""Seconds between looks at a token, which wakes nobody."""


class FileResults:
    """An update that runs while its files are taken: an iterator of `FileResult`.

    It begins with the first file that is asked for. Whoever takes files slowly makes the update
    wait, the index locked: at most some batches lie ready, however large the tree is. Closing it,
    leaving its `with` block, or dropping it (as `break` in a `for` loop does, if nothing else
    refers to it) cancels what is not done; what was committed stays. One thread at a time.
    """

    def __init__(
        self, run: Run, cancel: CancelToken, progress: ProgressCallback | None = None
    ) -> None:
        """Use `Index.updates`."""
        self._run = run
        self._feed = _Feed(cancel, progress)
        self._batch: deque[FileResult] = deque()
        self._thread: threading.Thread | None = None
        self.joins = True
        """Whether dropping it waits for the update to end."""

    @property
    def ready(self) -> bool:
        """Whether the next file is there already."""
        return bool(self._batch)

    @property
    def report(self) -> IndexReport | None:
        """What the update did; `None` until all files were taken."""
        return self._feed.report

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FileResult:
        if not self._batch:
            self._take()
        return self._batch.popleft()

    def close(self) -> None:
        """Cancels what is not done and waits for it to end; what was committed stays.

        Called by the progress callback, which the update waits for, it does not wait.
        """
        self.cancel()
        self._join()

    def cancel(self) -> None:
        """As `close`, without waiting."""
        self._batch.clear()
        self._feed.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Not if `__init__` failed.
        if hasattr(self, "joins"):
            self.cancel()
            if self.joins:
                self._join()

    def _join(self) -> None:
        if self._thread is not None and self._feed.telling != threading.get_ident():
            self._thread.join()

    def _take(self) -> None:
        """Waits for files. Raises `StopIteration` at the end, and what the update raised."""
        if self._thread is None and not self._feed.is_left:
            _end_at_exit(self._feed)
            # Nobody should wait for it at exit: by then nobody takes files any more.
            body = _body_of(self._run, self._feed)
            self._thread = threading.Thread(target=body, name="hybridx-updates", daemon=True)
            self._thread.start()
        try:
            batch = self._feed.take()
        except BaseException:
            # Ctrl-C while this waited.
            self.close()
            raise
        if batch is None:
            raise StopIteration
        self._batch.extend(batch)


class _Feed:
    """What an update's thread and the reader share: the thread keeps no reader alive."""

    def __init__(self, cancel: CancelToken, progress: ProgressCallback | None) -> None:
        self.cancel = cancel
        self.progress = progress
        self.telling: int | None = None
        """The thread of the update that calls `progress` now."""
        self.report: IndexReport | None = None
        self.is_left = False
        """Whether nobody takes anything any more."""
        self._error: BaseException | None = None
        self._ended = False
        self._batches: deque[Sequence[FileResult]] = deque()
        self._changed = threading.Condition()

    def put(self, results: Sequence[FileResult]) -> None:
        """Hands on what was stored. Raises `Cancelled` if nobody wants it."""
        with self._changed:
            while len(self._batches) >= WAITING and not self.cancel.cancelled:
                self._changed.wait(_TICK)
            if self.cancel.cancelled:
                raise Cancelled("cancelled")
            self._batches.append(results)
            self._changed.notify_all()

    def tell(self, now: Progress) -> None:
        """Hands on how far the update is, to who asked for it."""
        if self.progress is not None:
            self.telling = threading.get_ident()
            try:
                self.progress(now)
            finally:
                self.telling = None

    def end(self, report: IndexReport | None, error: BaseException | None) -> None:
        """Nothing more comes."""
        with self._changed:
            self.report, self._error, self._ended = report, error, True
            self._changed.notify_all()

    def take(self) -> Sequence[FileResult] | None:
        """The next files; `None` at the end. Raises once what ended the update."""
        with self._changed:
            while not self._batches and not self._ended and not self.is_left:
                self._changed.wait()
            if self._batches:
                self._changed.notify_all()
                return self._batches.popleft()
            error, self._error = self._error, None
        if error is not None and not self.is_left:
            raise error
        return None

    def leave(self) -> None:
        """Nobody takes anything any more."""
        with self._changed:
            self.is_left = True
            if not self._ended:
                self.cancel.cancel()
            self._batches.clear()
            self._changed.notify_all()


def _body_of(run: Run, feed: _Feed) -> Callable[[], None]:
    def body() -> None:
        try:
            report = run(feed.put, None if feed.progress is None else feed.tell)
        except BaseException as error:  # noqa: BLE001 - handed to the reader
            feed.end(None, error)
        else:
            feed.end(report, None)

    return body


_open: weakref.WeakSet[_Feed] = weakref.WeakSet()
_exit_lock = threading.Lock()
_watches_exit = False


def _end_at_exit(feed: _Feed) -> None:
    """Has an update that nobody closed cancelled when the interpreter ends.

    It waits for the update's threads before it drops what refers to them, and they for a reader.
    """
    global _watches_exit  # noqa: PLW0603
    with _exit_lock:
        _open.add(feed)
        if not _watches_exit:
            _watches_exit = True
            # `atexit` is too late. Without this, as before there was `concurrent.futures`'
            # own use of it, such a program has to close what it opened.
            register = getattr(threading, "_register_atexit", None)
            if register is not None:
                with contextlib.suppress(RuntimeError):
                    register(_leave_all)


def _leave_all() -> None:
    for feed in list(_open):
        feed.leave()
