"""Watching updates from outside: a trace of what each thread did when, and metrics.

    with hybridx.Observer(profile="trace.json", metrics="hybridx.prom") as observer:
        index.update(observer=observer)

The steps of a run call `watched`, which does nothing where there is no observer. What a run counts
is not counted twice: metrics are read off its tally. A thread of its own writes both files.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from hybridx.budget import anonymous_memory
from hybridx.errors import Cancelled, UsageError
from hybridx.metrics import Family, Registry, temporary, write_atomically
from hybridx.spans import Recorder, Span, Workers
from hybridx.trace import Trace, check_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hybridx import _core
    from hybridx.types import FileError, IndexReport

SAMPLE_SECONDS = 0.1
"""How often queues and memory are looked at while something runs."""
WRITE_SECONDS = 2.0
"""How often the metrics are written, whether something runs or not."""
_FLUSH_SECONDS = 0.5
"""How often the trace is."""

FAMILIES = (
    Family("files_total", "counter", "Files that were read and stored, or left out."),
    Family("chunks_total", "counter", "Chunks that were stored."),
    Family("embeddings_total", "counter", "Chunks that the model was run on."),
    Family("vectors_reused_total", "counter", "Chunks whose vectors were known."),
    Family("tokens_total", "counter", "Tokens that the model was run on, without padding."),
    Family("bytes_read_total", "counter", "Bytes read of files."),
    Family("errors_total", "counter", "Files that failed.", ("stage",)),
    Family("runs_total", "counter", "Updates that ended, and how.", ("outcome",)),
    Family("stage_seconds_total", "counter", "Wall time of each stage.", ("stage",)),
    Family("busy_seconds_total", "counter", "Time that each thread was at work.", ("thread",)),
    Family("run_seconds", "histogram", "Wall time of whole updates."),
    Family(
        "store_operation_seconds",
        "histogram",
        "Latency of Tantivy, LanceDB, the snapshot and the vector cache.",
        ("store", "operation"),
    ),
    Family("running", "gauge", "Whether an update is running (1) or not (0)."),
    Family("queue_batches", "gauge", "Batches that wait for a stage.", ("stage",)),
    Family("memory_anonymous_bytes", "gauge", "Memory this process has allocated and touched."),
    Family("generation", "gauge", "Generation that searches see."),
    Family("indexed_chunks", "gauge", "Chunks of that generation."),
    Family("pending_files", "gauge", "Paths that changed and are not indexed yet."),
    Family("last_success_timestamp_seconds", "gauge", "When the last update succeeded."),
    Family("last_run_seconds", "gauge", "Wall time of the update that runs, or ran last."),
    Family("last_run_files_per_second", "gauge", "Its files a second."),
    Family("last_run_chunks_per_second", "gauge", "Its chunks a second."),
    Family("last_run_embeddings_per_second", "gauge", "Chunks that it ran the model on a second."),
    Family("last_run_bytes_per_second", "gauge", "Its bytes read a second."),
    Family("last_run_busy_ratio", "gauge", "Share of it that a thread was at work.", ("thread",)),
)

_COUNTED = {
    "files_total": "files_done",
    "chunks_total": "added_chunks",
    "embeddings_total": "embedded",
    "vectors_reused_total": "reused",
    "tokens_total": "tokens",
    "bytes_read_total": "bytes_read",
}
"""Counters, and where a tally has them."""

_RATES = {
    "last_run_files_per_second": "files_total",
    "last_run_chunks_per_second": "chunks_total",
    "last_run_embeddings_per_second": "embeddings_total",
    "last_run_bytes_per_second": "bytes_read_total",
}
"""Gauges, and what they are the rates of."""


class Counts(Protocol):
    """A tally: beside these it has all that `_COUNTED` names."""

    errors: list[FileError]

    @property
    def stage_seconds(self) -> Mapping[str, float]:
        """Wall seconds by stage, so far."""


_Series: TypeAlias = tuple[str, tuple[str, ...]]
"""A name and the values of its labels."""


@dataclass(frozen=True, slots=True)
class _Began:
    """How things stood when a run began."""

    time: int
    totals: dict[_Series, float]
    busy: dict[str, int]


class Observer:
    """Watches the updates of one index, and writes a trace, metrics, or both.

    It may be given to any number of updates and to a watch, one after the other, and is closed when
    no more are to come. Both files can be read at any time. That something cannot be written on the
    way is no error of what is watched: `problems` tells it. Its methods are for any thread.
    """

    def __init__(
        self,
        *,
        profile: str | os.PathLike[str] | None = None,
        metrics: str | os.PathLike[str] | None = None,
    ) -> None:
        """Begins both files, whatever was there before.

        Args:
            profile: a trace for https://ui.perfetto.dev or chrome://tracing: JSON in the Trace
                Event Format, with a lane for each stage and thread. When it has 64 MiB it becomes
                `profile` + `.1` and another is begun.
            metrics: what Prometheus reads, in its text format. It is replaced as a whole every two
                seconds, as node_exporter's textfile collector wants it.

        Raises:
            OSError: a file cannot be written.
            UsageError: there is something else than a file, or another trace is written there.
        """
        self._profile = None if profile is None else _target(profile)
        self._metrics = None if metrics is None else _target(metrics)
        if self._profile is not None and self._profile == self._metrics:
            raise UsageError(f"{profile} cannot be both the trace and the metrics: name two files")
        self._registry = Registry(FAMILIES, {})
        for name in _COUNTED:
            self._registry.add(name, 0)
        self._registry.set("running", 0)
        self._failures: dict[Path, str] = {}
        self._root: str | None = None
        self._tally: Counts | None = None
        self._past: dict[_Series, float] = {}
        self._runs, self._begun = 0, 0
        self._began: _Began | None = None
        self._probes: dict[str, Callable[[], int]] = {}
        self._measures: dict[str, Callable[[], float | None]] = {}
        self._shown: dict[str, float] = {}
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._closing, self._wake = False, threading.Condition()
        self._pid = os.getpid()
        if self._metrics is not None:
            check_writable(self._metrics)
            # Nothing yet: whose metrics they are is known with the first run.
            write_atomically(self._metrics, "")
        trace = None
        if self._profile is not None:
            trace = Trace(self._profile, time.perf_counter_ns())
        self._recorder = Recorder(trace)
        self._thread = threading.Thread(target=self._work, name="hybridx-observe", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def paths(self) -> list[Path]:
        """The files that it writes: nobody should index or watch them."""
        found = []
        if self._profile is not None:
            found += [self._profile, Path(f"{self._profile}.1")]
        if self._metrics is not None:
            found += [self._metrics, temporary(self._metrics)]
        return found

    @property
    def problems(self) -> list[str]:
        """What could not be written, a line each; empty if all is well."""
        found = [f"{path}: {reason}" for path, reason in self._failures.items()]
        trace = self._recorder.trace
        if trace is not None and trace.dropped:
            found.append(f"{trace.path}: {trace.dropped:,} events are missing")
        return found

    def close(self) -> None:
        """Writes the rest and closes the files. Spans that are open end now."""
        if os.getpid() != self._pid:
            # After a fork they are the parent's, and a lock may be held for ever.
            return
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._wake.notify_all()
        atexit.unregister(self.close)
        self._thread.join()
        self._recorder.end_all()
        self._probes = {}
        if self._began is not None:
            # What runs is left behind.
            self._registry.set("running", 0)
        self._write(time.perf_counter_ns())
        trace = self._recorder.trace
        if trace is not None:
            with self._noted(trace.path):
                trace.close()

    def span(self, stage: str, name: str | None = None, **args: Any) -> Span:
        """A context manager whose time becomes a span in its thread's lane.

        Args:
            stage: what viewers filter by, such as `store`.
            name: what is done, if that is not the stage.
            args: JSON values that are shown with it, such as `files=3`.
        """
        return Span(self._recorder, stage, name or stage, args)

    def lap(self, stage: str, name: str, start: int, end: int) -> None:
        """A span of this thread that is over; times are those of `time.perf_counter_ns`."""
        trace = self._recorder.trace
        if trace is not None:
            lane = self._recorder.lane()
            trace.span(lane.number, stage, name, start, end, None)

    def operation(self, store: str, what: str, **args: Any) -> Span:
        """A span of the stage `store` that is one of this store's latencies too."""
        took = partial(self._took, (store, what))
        return Span(self._recorder, "store", f"{store} {what}", args, took)

    def _took(self, labels: tuple[str, str], seconds: float) -> None:
        self._registry.observe("store_operation_seconds", seconds, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Sets a gauge of `FAMILIES`, such as `pending_files`."""
        self._registry.set(name, value, self._registry.series(name, labels))

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Adds to a counter of `FAMILIES`, unless it is one that runs count."""
        self._registry.add(name, amount, self._registry.series(name, labels))

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Adds a value to a histogram of `FAMILIES`."""
        self._registry.observe(name, value, self._registry.series(name, labels))

    @contextmanager
    def run(self, root: Path) -> Iterator[Callable[[IndexReport], None]]:
        """An update of the index of `root`; the block gives its report to what this yields.

        Raises:
            UsageError: it watches the index of another folder, or is closed.
        """
        if self._closing:
            raise UsageError("this observer is closed: make another")
        self._bind(str(root))
        reports: list[IndexReport] = []
        start = time.perf_counter_ns()
        with self._lock:
            self._runs += 1
            self._begun += 1
            self._began = _Began(start, self._totals(), self._recorder.busy(start))
        self._registry.forget("last_run_busy_ratio")
        self._registry.set("running", 1)
        self._nudge()
        outcome = "failure"
        try:
            with self.span("run", "update") as span:
                yield reports.append
                for report in reports:
                    files, chunks = report.files, report.chunks
                    changed = files.added + files.modified + files.removed + files.moved
                    span.note(generation=report.generation, files=changed, chunks=chunks.added)
            outcome = "success"
        except (Cancelled, KeyboardInterrupt):
            outcome = "cancelled"
            raise
        finally:
            self._finish(start, outcome, reports)

    def _finish(self, start: int, outcome: str, reports: Sequence[IndexReport]) -> None:
        now = time.perf_counter_ns()
        registry = self._registry
        registry.add("runs_total", 1, (outcome,))
        registry.observe("run_seconds", (now - start) / 1e9)
        for report in reports:
            registry.set("generation", report.generation)
            registry.set("indexed_chunks", report.chunks.total)
            registry.set("last_success_timestamp_seconds", round(time.time(), 3))
        self._refresh(now)
        with self._lock:
            self._settle()
            self._runs -= 1
            if not self._runs:
                self._began = None
        registry.set("running", int(self._runs > 0))
        self._nudge()

    def follow(self, tally: Counts) -> None:
        """Reads what it counts off this tally from now on, instead of the one before."""
        with self._lock:
            self._settle()
            self._tally = tally

    @contextmanager
    def queues(self, sizes: Mapping[str, Callable[[], int]]) -> Iterator[None]:
        """Looks at the sizes of these queues while the block runs."""
        self._probes = {**self._probes, **sizes}
        try:
            yield
        finally:
            now = time.perf_counter_ns()
            self._probes = {stage: get for stage, get in self._probes.items() if stage not in sizes}
            for stage in sizes:
                self._show_queue(stage, 0, now)

    def measure(self, name: str, get: Callable[[], float | None]) -> None:
        """Has a gauge of `FAMILIES` asked for from now on; `None` says that nobody knows."""
        self._measures = {**self._measures, name: get}

    @contextmanager
    def workers(self, stream: _core.IngestStream) -> Iterator[Workers]:
        """What takes the spans of the threads behind `stream`."""
        found = Workers(self._recorder, stream)
        try:
            yield found
        finally:
            found.close()

    def _bind(self, root: str) -> None:
        with self._lock:
            if self._root is None:
                self._root = root
                # Two indexes on one machine are different series.
                self._registry.labels = {"root": root}
            elif self._root != root:
                raise UsageError(f"this observer watches the index of {self._root}: make another")

    def _totals(self) -> dict[_Series, float]:
        """All that tallies count, of this run and those before."""
        found = self._past.copy()
        tally = self._tally
        if tally is None:
            return found

        def add(name: str, value: float, *labels: str) -> None:
            found[name, labels] = found.get((name, labels), 0) + value

        for name, attribute in _COUNTED.items():
            add(name, getattr(tally, attribute))
        for error in tally.errors.copy():
            add("errors_total", 1, error.stage)
        for stage, seconds in dict(tally.stage_seconds).items():
            if stage != "total":
                add("stage_seconds_total", seconds, stage)
        return found

    def _settle(self) -> None:
        """Keeps what the tally counted: no more comes of it."""
        self._past, self._tally = self._totals(), None

    def _refresh(self, now: int) -> None:
        """Brings counters and rates up to date."""
        registry = self._registry
        with self._lock:
            totals, began, busy = self._totals(), self._began, self._recorder.busy(now)
            for (name, labels), value in totals.items():
                registry.set(name, value, labels)
        for thread, nanoseconds in busy.items():
            registry.set("busy_seconds_total", nanoseconds / 1e9, (thread,))
        if began is None:
            return
        seconds = max((now - began.time) / 1e9, 1e-9)
        registry.set("last_run_seconds", round(seconds, 6))
        for name, total in _RATES.items():
            done = totals.get((total, ()), 0) - began.totals.get((total, ()), 0)
            registry.set(name, round(done / seconds, 3))
        for thread, nanoseconds in busy.items():
            share = (nanoseconds - began.busy.get(thread, 0)) / 1e9 / seconds
            registry.set("last_run_busy_ratio", round(share, 4), (thread,))

    def _sample(self, now: int) -> None:
        """Looks at queues and memory."""
        for stage, size in self._probes.items():
            self._show_queue(stage, size(), now)
        for name, get in self._measures.items():
            value = get()
            if value is None:
                self._registry.forget(name)
            else:
                self._registry.set(name, value)
                self._show(name, "now", value, now)
        memory = anonymous_memory()
        self._registry.set("memory_anonymous_bytes", memory)
        self._show("memory", "MiB", memory >> 20, now)

    def _show_queue(self, stage: str, size: int, now: int) -> None:
        self._registry.set("queue_batches", size, (stage,))
        self._show(f"waiting for {stage}", "batches", size, now)

    def _show(self, name: str, unit: str, value: float, now: int) -> None:
        trace = self._recorder.trace
        # Only what has changed: a watch waits most of its time.
        if trace is not None and self._shown.get(name) != value:
            self._shown[name] = value
            trace.counter(name, now, {unit: value})

    def _write(self, now: int) -> None:
        """Writes what has come together."""
        with self._writing:
            self._sample(now)
            if self._metrics is not None and self._root is not None:
                self._refresh(now)
                with self._noted(self._metrics):
                    write_atomically(self._metrics, self._registry.text())
            self._flush()

    def _flush(self) -> None:
        trace = self._recorder.trace
        if trace is not None:
            with self._noted(trace.path):
                trace.flush()

    @contextmanager
    def _noted(self, path: Path) -> Iterator[None]:
        """Takes note of a file that cannot be written: it is no reason to end anything."""
        try:
            yield
        except OSError as error:
            self._failures[path] = error.strerror or str(error)
        else:
            if path == self._metrics:
                # It is replaced as a whole: nothing is missing.
                self._failures.pop(path, None)

    def _nudge(self) -> None:
        with self._wake:
            self._wake.notify_all()

    def _work(self) -> None:
        """What the thread does until this is closed."""
        written = flushed = time.monotonic()
        seen = (0, 0)
        while True:
            with self._wake:
                if not self._closing and seen == (self._runs, self._begun):
                    self._wake.wait(SAMPLE_SECONDS if self._runs else WRITE_SECONDS)
                if self._closing:
                    return
            changed, seen = seen != (self._runs, self._begun), (self._runs, self._begun)
            now = time.monotonic()
            if changed or now - written >= WRITE_SECONDS:
                self._write(time.perf_counter_ns())
                written = flushed = now
                continue
            self._sample(time.perf_counter_ns())
            if now - flushed >= _FLUSH_SECONDS:
                with self._writing:
                    self._flush()
                flushed = now


def _target(path: str | os.PathLike[str]) -> Path:
    """The file that is meant, behind links."""
    if os.fspath(path) in ("", "-"):
        raise UsageError("a trace and metrics go to files, not to stdout: give the name of one")
    return Path(os.path.realpath(path))
