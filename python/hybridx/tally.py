"""What an update counts while it runs, told as progress on the way and as a report at the end."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybridx.errors import TooManyErrorsError
from hybridx.observe import watched
from hybridx.pace import Pace
from hybridx.report import (
    ChunkCounts,
    FileCounts,
    FileError,
    IndexReport,
    Progress,
    Secrets,
    StageSeconds,
    TokenCounts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hybridx import _core
    from hybridx.commit import Manifest
    from hybridx.observe import AnySpan
    from hybridx.observer import Observer
    from hybridx.report import ProgressCallback

_PROGRESS_SECONDS = 0.1


@dataclass
class Tally:
    """The counts of one run. Each is written by one step only."""

    progress: ProgressCallback | None
    max_errors: int | None
    observer: Observer | None = None
    device: str = "none"
    """Where the model ran; `none` if nothing had to be embedded."""
    removed: int = 0
    added_chunks: int = 0
    embedded: int = 0
    reused: int = 0
    cached: int = 0
    """Those of the reused that the user's cache had."""
    tokens: int = 0
    """What the model was run on; with a static model the different terms of each chunk."""
    cells: int = 0
    """The same with the padding."""
    bytes_read: int = 0
    bytes_expected: int | None = None
    """Of the files that are to be indexed, if somebody wants to know."""
    files_done: int = 0
    files_read: int = 0
    chunks_read: int = 0
    errors: list[FileError] = field(default_factory=list)
    _expected: Counter[str] = field(default_factory=Counter)
    """Files that are to be indexed, by kind."""
    _known: dict[str, str] = field(default_factory=dict)
    """Those among them that are not new, with their kind: in a first build there are none."""
    _left_out: dict[str, str] = field(default_factory=dict)
    """Those that failed, or turned out to be no text, or went away."""
    _seconds: dict[str, float] = field(default_factory=dict)
    _start: float = field(default_factory=time.perf_counter)
    _pace: Pace | None = None
    """From the first batch on: before, nothing could have been stored."""
    _told: float = 0.0
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.observer is not None:
            self.observer.follow(self)

    def expect(self, kind: str, paths: Sequence[str]) -> None:
        """Says that these files are to be indexed, and as what (`added`, `modified`, `moved`)."""
        self._expected[kind] += len(paths)
        if kind != "added":
            self._known.update(dict.fromkeys(paths, kind))

    @property
    def expected(self) -> int:
        """How many files are to be indexed."""
        return self._expected.total()

    def read(self, source: _core.IngestBatch) -> None:
        """Counts a batch that came out of the core."""
        self.files_read += len(source.paths)
        self.chunks_read += len(source)
        self.tell("index")

    def stored(
        self,
        source: _core.IngestBatch,
        chunks: int,
        failed: Sequence[tuple[str, str, str]],
    ) -> None:
        """Counts a batch of which `chunks` chunks were written, and its files that failed.

        Raises:
            TooManyErrorsError: with them, more files failed than allowed.
        """
        for path, stage, message in [*source.failed, *failed]:
            self.errors.append(FileError(path, stage, message))
            self._left_out[path] = "failed"
        self._left_out.update(dict.fromkeys(source.skipped, "skipped"))
        self.added_chunks += chunks
        self.files_done += len(source.paths)
        self.bytes_read += source.bytes
        self.tell("index")
        if self.max_errors is not None and len(self.errors) > self.max_errors:
            last = self.errors[-1]
            error = TooManyErrorsError(
                f"more than {self.max_errors} files failed (--max-errors); the last one: "
                f"{last.path}: {last.stage}: {last.message}"
            )
            error.failed = tuple((each.path, each.stage, each.message) for each in self.errors)
            raise error

    def tell(self, stage: str, *, force: bool = False) -> None:
        """Calls the progress callback, if it was not called just now."""
        if self.progress is None:
            return
        with self._telling:
            now = time.perf_counter()
            if not force and now - self._told < _PROGRESS_SECONDS:
                return
            self._told = now
            self.progress(self._so_far(stage, now))

    def _so_far(self, stage: str, now: float) -> Progress:
        files, size, chunks = self.files_done, self.bytes_read, self.added_chunks
        since, total = now - self._start, self.bytes_expected
        known = None if stage == "scan" else self.expected
        rates, eta = (0.0, 0.0, 0.0), None
        if stage == "done":
            # Some files may have failed, or changed since their size was asked for.
            total, eta = size, 0.0
            rates = (files / since, size / since, chunks / since) if since > 0 else rates
        elif known is not None:
            total = None if total is None else max(total, size)
            pace = self._pace = self._pace or Pace(now)
            pace.look(now, files, size, chunks)
            rates = (pace.files, pace.bytes, pace.chunks)
            eta = pace.seconds_for(known - files, None if total is None else total - size)
        return Progress(
            stage=stage,
            files_done=files,
            files_total=known,
            bytes_done=size,
            chunks_done=chunks,
            chunks_embedded=self.embedded,
            seconds=since,
            bytes_total=total,
            files_read=self.files_read,
            chunks_read=self.chunks_read,
            chunks_reused=self.reused,
            files_per_second=rates[0],
            bytes_per_second=rates[1],
            chunks_per_second=rates[2],
            eta_seconds=eta,
        )

    @contextmanager
    def timed(self, stage: str) -> Iterator[AnySpan]:
        """Adds the wall time of its block to a stage; gives its span."""
        start = time.perf_counter()
        try:
            with watched(self.observer, stage) as span:
                yield span
        finally:
            self.spent(stage, time.perf_counter() - start)

    @property
    def stage_seconds(self) -> Mapping[str, float]:
        """Wall seconds by stage, so far."""
        return self._seconds

    def spent(self, stage: str, seconds: float) -> None:
        """Adds to the time of a stage."""
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def report(
        self,
        root: Path,
        scan: _core.Scan,
        manifest: Manifest,
        chunks_before: int,
        after: _core.Totals,
    ) -> IndexReport:
        """The report of the run."""
        kinds = self._expected.copy()
        for path, kind in self._left_out.items():
            kinds[self._known.get(path, "added")] -= 1
            kinds[kind] += 1
        seen = len(scan.tree) + len(scan.skipped)
        skipped = len(scan.skipped) + kinds.pop("skipped", 0)
        self._seconds["total"] = time.perf_counter() - self._start
        return IndexReport(
            root=str(root),
            generation=manifest.generation,
            merkle_root=manifest.merkle_root,
            model=manifest.model,
            device=self.device,
            files=FileCounts(
                seen=seen,
                removed=self.removed,
                unchanged=seen - skipped - kinds.total(),
                skipped=skipped,
                **kinds,
            ),
            chunks=ChunkCounts(
                added=self.added_chunks,
                removed=chunks_before + self.added_chunks - after.chunks,
                total=after.chunks,
                embedded=self.embedded,
                reused_vectors=self.reused,
                cached=self.cached,
            ),
            errors=tuple(self.errors),
            bytes_read=self.bytes_read,
            peak_rss_bytes=_peak_rss(),
            tokens=TokenCounts(self.tokens, self.cells - self.tokens),
            secrets=Secrets.of(after),
            seconds=StageSeconds(**{stage: round(s, 4) for stage, s in self._seconds.items()}),
        )


def _peak_rss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
