"""The reports of a watch, one after the other."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hybridx.types import IndexReport
    from hybridx.watch.watcher import Watcher

_WAITING = 64
"""Reports that wait to be taken; then the watch waits, and its batches get larger."""


class Reports:
    """An iterator over the reports of a watch; it ends when the watch does.

    Leaving the `with` block, or `close`, stops the watch; so does forgetting the iterator.
    """

    def __init__(self, make: Callable[[Callable[[IndexReport], None]], Watcher]) -> None:
        """Starts the watcher that `make` gives for a function that takes its reports."""
        line = _Line()
        self._line = line
        self.watcher = make(line.put)
        """What does the work; ask it for its `state`."""
        self.watcher.on_end = line.end
        self._finalizer = weakref.finalize(self, _stop, self.watcher, line)
        self.watcher.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> IndexReport:
        """Waits for the next batch that was ingested.

        Raises:
            OSError: the root is gone.
            HybridxError: what the watch ended of.
        """
        report = self._line.take()
        if report is not None:
            return report
        self.watcher.stop()
        if self.watcher.ended_by is not None:
            raise self.watcher.ended_by
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the watch, an update under way included; what is committed stays."""
        self._line.end()
        self.watcher.stop()
        self._finalizer.detach()


class _Line:
    """Reports from one thread to another."""

    def __init__(self) -> None:
        self._reports: deque[IndexReport] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def put(self, report: IndexReport) -> None:
        """Adds a report; waits while there are too many."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._reports) < _WAITING)
            if not self._ended:
                self._reports.append(report)
                self._changed.notify_all()

    def take(self) -> IndexReport | None:
        """The next report; `None` when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._reports)
            report = self._reports.popleft() if self._reports else None
            self._changed.notify_all()
            return report

    def end(self) -> None:
        """Says that there will be no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _stop(watcher: Watcher, line: _Line) -> None:
    line.end()
    # Not waited for: this may run anywhere.
    watcher.stop(timeout=0.0)
