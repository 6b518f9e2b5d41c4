"""Spans: what a thread did from when to when, and in which lane of the trace that is shown."""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hybridx import _core
    from hybridx.trace import Trace

_LANES = {
    "run": "run",
    "main": "scan, plan, commit",
    "ingest": "read and chunk",
    "read": "ingest (waits for a batch)",
    "encode": "encode",
    "embed": "embed",
    "lane": "embed, lane",
    "write": "store, commit",
    "commit": "flush, read back",
    "cache": "vector cache",
}
"""Lanes by the names of threads, in the order in which they are shown."""
_ORDER = list(_LANES)

_WAITS = frozenset({"ingest", "lock", "run", "send", "wait"})
"""Stages in which a thread waits for others."""


_IDLE = frozenset({"run", "read"})
"""Lanes of threads that do nothing but wait."""


@dataclass(eq=False, slots=True)
class Lane:
    """A row of the trace: a thread, and after it others that do the same."""

    number: int
    key: str
    """What metrics call it."""
    is_used: Callable[[], bool]
    busy: int = 0
    """Nanoseconds in which it was at work, up to the last span that ended."""
    open: list[Span] = field(default_factory=list)
    """Spans that have not ended, the outermost first."""

    def busy_until(self, now: int) -> int:
        """Nanoseconds in which it was at work, that of now included."""
        for span in self.open[:1]:
            if span.stage not in _WAITS:
                return self.busy + now - span.start
        return self.busy


class Span:
    """The time that a block takes, as a context manager. Made by an `Observer`."""

    __slots__ = ("args", "lane", "name", "on_end", "recorder", "stage", "start")

    def __init__(
        self,
        recorder: Recorder,
        stage: str,
        name: str,
        args: dict[str, Any],
        on_end: Callable[[float], None] | None = None,
    ) -> None:
        """`on_end` is called with the seconds that it took."""
        self.recorder, self.stage, self.name = recorder, stage, name
        self.args, self.on_end = args, on_end

    def note(self, **args: Any) -> None:
        """Adds what is only known later: JSON values, shown with the span."""
        self.args.update(args)

    def __enter__(self) -> Self:
        self.lane = self.recorder.lane()
        self.start = time.perf_counter_ns()
        self.lane.open.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end = time.perf_counter_ns()
        if kind is not None:
            self.args["error"] = kind.__name__
        open_ = self.lane.open
        if self in open_:
            del open_[open_.index(self) :]
            if not open_ and self.stage not in _WAITS:
                self.lane.busy += end - self.start
            self.recorder.ended(self, end)


class Recorder:
    """Hands threads their lanes, and spans to the trace, if there is one. For any thread."""

    def __init__(self, trace: Trace | None) -> None:
        """Records into `trace`."""
        self.trace = trace
        self._lanes: list[Lane] = []
        self._local = threading.local()
        self._lock = threading.Lock()

    def lane(self) -> Lane:
        """The lane of this thread."""
        found: Lane | None = getattr(self._local, "lane", None)
        if found is None:
            thread = threading.current_thread()
            # Executors number their threads: `hybridx-lane_1`.
            kind, _, number = thread.name.removeprefix("hybridx-").partition("_")
            if kind not in _LANES:
                # Whoever called for the run.
                kind = "run"
            alive = weakref.ref(thread)

            def is_used() -> bool:
                owner = alive()
                return owner is not None and owner.is_alive()

            found = self.claim(f"{kind} {number}" if kind == "lane" else kind, is_used)
            self._local.lane = found
        return found

    def claim(self, key: str, is_used: Callable[[], bool]) -> Lane:
        """A lane called `key` that nobody else uses now."""
        with self._lock:
            for lane in self._lanes:
                if lane.key == key and not lane.is_used():
                    lane.is_used = is_used
                    return lane
            lane = Lane(len(self._lanes) + 1, key, is_used)
            self._lanes.append(lane)
            if self.trace is not None:
                kind, _, number = key.partition(" ")
                title = f"{_LANES[kind]} {number}".rstrip()
                order = _ORDER.index(kind) * 1000 + int(number or 0)
                self.trace.lane(lane.number, title, order)
            return lane

    def ended(self, span: Span, end: int) -> None:
        """Takes a span that is over."""
        if span.on_end is not None:
            span.on_end((end - span.start) / 1e9)
        if self.trace is not None:
            self.trace.span(span.lane.number, span.stage, span.name, span.start, end, span.args)

    def end_all(self) -> None:
        """Ends the spans of threads that are left behind."""
        now = time.perf_counter_ns()
        for lane in self._lanes.copy():
            while lane.open:
                span = lane.open.pop()
                span.note(unfinished=True)
                self.ended(span, now)

    def busy(self, now: int) -> dict[str, int]:
        """Nanoseconds in which threads were at work, by what they do."""
        found: dict[str, int] = {}
        for lane in self._lanes.copy():
            if lane.key not in _IDLE:
                found[lane.key] = found.get(lane.key, 0) + lane.busy_until(now)
        return found


class Workers:
    """The core's threads behind one stream of batches."""

    def __init__(self, recorder: Recorder, stream: _core.IngestStream) -> None:
        """Takes the spans of `stream` to `recorder`."""
        self._recorder = recorder
        self._lanes: dict[int, Lane] = {}
        self._is_open = True
        # The stream counts from its start: its clock is read between two looks at ours.
        before = time.perf_counter_ns()
        elapsed = stream.clock_ns
        self._origin = (before + time.perf_counter_ns()) // 2 - elapsed

    def took(self, batch: _core.IngestBatch) -> None:
        """Takes the spans that came with a batch."""
        trace, origin = self._recorder.trace, self._origin
        for worker, step, start, end, path, size, chunks in batch.spans:
            lane = self._lanes.get(worker)
            if lane is None:
                lane = self._recorder.claim(f"ingest {worker}", lambda: self._is_open)
                self._lanes[worker] = lane
            if step == "file":
                lane.busy += end - start
            if trace is not None:
                args = None if path is None else {"path": path, "bytes": size, "chunks": chunks}
                stage = step if step in _WAITS else "file"
                trace.span(lane.number, stage, step, origin + start, origin + end, args)

    def close(self) -> None:
        """Later streams may have the lanes."""
        self._is_open = False
