"""The resident object behind a watch: it elects itself, waits for changes and runs updates."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Self

from hybridx import _core
from hybridx.errors import Cancelled, HybridxError, IndexBusyError, UsageError, said
from hybridx.scan import explain_path
from hybridx.types import WatchState
from hybridx.watch.alarm import POLL_SECONDS, SETTLE_SECONDS, Alarm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from hybridx.config import Settings
    from hybridx.layout import Layout
    from hybridx.types import IndexReport, Role
    from hybridx.watch.alarm import Batch

TAKEOVER_SECONDS = 1.0
"""How often a process that does not watch looks whether it may."""

_TICK = 0.25
"""How often it is looked whether the watch is to end, or its root or its lock are gone."""
_RETRY_SECONDS = 0.5
_LONGEST_RETRY = 30.0
"""Pauses after updates that failed: each twice the one before."""
_POLL_SHARE = 20
"""Looking for changes takes at most one part in so many of the time."""

_RULES = frozenset({".gitignore", ".ignore", ".hybridxignore", "hybridx.toml", "pyproject.toml"})
"""Files that decide which others are indexed, whether or not they are indexed themselves."""
_EXCLUDES = ".git/info/exclude"


class Watcher:
    """Keeps an index up to date with its tree until it is stopped. Made by `Index.watcher`.

    Of all processes that watch one index, one is elected by a lock of the operating system: it
    hears of changes and writes. The others look every second whether they may take over, which
    they may when it ends, however it ends.

    All methods may be called from any thread.
    """

    def __init__(
        self,
        layout: Layout,
        settings: Callable[[], Settings],
        update: Callable[[_core.CancelToken], IndexReport],
        *,
        reload: Callable[[], None] = lambda: None,
        warm_up: Callable[[], None] = lambda: None,
        on_report: Callable[[IndexReport], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        deaf: Sequence[Path] = (),
        cancel: _core.CancelToken | None = None,
    ) -> None:
        """Use `Index.watcher`.

        `update` brings everything up to date, `reload` the settings; `warm_up` loads what the
        first batch of changes would wait for. Changes of the files `deaf` are no news.
        """
        self._layout = layout
        self._settings = settings
        self._update = update
        self._reload = reload
        self._warm_up = warm_up
        self._on_report = on_report or (lambda _: None)
        self._on_error = on_error or (lambda _: None)
        self._on_note = on_note or (lambda _: None)
        self._deaf = deaf
        self.on_end: Callable[[], None] = lambda: None
        """Called when the watch has ended, from its thread."""
        self.ended_by: BaseException | None = None
        """What ended the watch, if nobody stopped it."""
        self._cancel = cancel or _core.CancelToken()
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._place = _place(layout.root)
        self._mistake: str | None = None
        self._guard = threading.Condition()
        # All below is guarded.
        self._alarm: Alarm | None = None
        self._watching = False
        self._known = False
        """Whether it was tried to be the one that watches."""
        self._ended = False
        self._taken: Batch | None = None
        self._asked = 0
        """Calls of `refresh`, and how many of them are served."""
        self._served = 0
        self._batches = 0
        self._last: IndexReport | None = None
        self._error: str | None = None
        self._failures = 0

    def start(self) -> None:
        """Begins to watch, in a thread of its own. The first thing it does is an update.

        Raises:
            UsageError: it was started before.
        """
        self._check_process()
        with self._guard:
            if self._thread is not None:
                raise UsageError("this watcher was started before: make another")
            thread = threading.Thread(target=self._run, name="hybridx-watch", daemon=True)
            # Before another can see it: one that was not started cannot be waited for.
            thread.start()
            self._thread = thread

    def stop(self, timeout: float | None = None) -> bool:
        """Ends the watch and an update under way, whose commits stay; whether it has ended.

        Waits for at most `timeout` seconds, or as long as it takes. A forked child that calls this
        stops nothing.
        """
        if os.getpid() != self._pid:
            return False
        self._cancel.cancel()
        with self._guard:
            thread, alarm = self._thread, self._alarm
        if alarm is not None:
            alarm.wake()
        if thread is None:
            return True
        if thread is not threading.current_thread():
            thread.join(timeout)
        return not thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def state(self) -> WatchState:
        """How the watch is doing, at this moment.

        Raises:
            UsageError: it belongs to a process from which this one was forked.
        """
        self._check_process()
        with self._guard:
            running = self._thread is not None and not self._ended
            role: Role
            if not running:
                role, pid = "stopped", self._layout.watcher()
            elif self._watching:
                role, pid = "watching", self._pid
            else:
                role, pid = "standby", self._layout.watcher()
            return WatchState(
                role=role,
                pid=pid,
                pending=self._pending() if role == "watching" else None,
                polling=self._alarm.polling if self._alarm and running else None,
                batches=self._batches,
                last=self._last,
                error=self._error,
            )

    def refresh(self, timeout: float | None = None) -> bool:
        """Waits until all that was saved before this call can be found.

        Returns whether it can: not if another process watches, nor if the update failed or took
        longer than `timeout` seconds.
        """
        self._check_process()
        with self._guard:
            # Just started, it does not know yet which process watches.
            self._guard.wait_for(lambda: self._known or self._thread is None, timeout)
            self._asked += 1
            mine, failures = self._asked, self._failures
            alarm = self._alarm if self._watching else None
        if alarm is None:
            return False
        alarm.ring()

        def is_over() -> bool:
            served = self._served >= mine
            return served or not self._watching or self._ended or self._failures > failures

        with self._guard:
            self._guard.wait_for(is_over, timeout)
            return self._served >= mine

    def _pending(self) -> int | None:
        heard = self._alarm.pending if self._alarm else None
        taken = self._taken
        if heard is None or self._last is None or (taken and taken.everything and taken.told):
            return None
        return heard + (len(taken.paths) if taken else 0)

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise UsageError("this watch was begun before a fork: begin one in the child process")

    def _run(self) -> None:
        try:
            while not self._cancel.cancelled:
                lock = self._elected()
                if lock is not None:
                    try:
                        self._watch(_place(self._layout.watching))
                    finally:
                        lock.release()
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - told by `ended_by`; a panic, too
            self.ended_by = error
        finally:
            with self._guard:
                self._ended, self._watching, self._alarm = True, False, None
            self._know()
            self.on_end()

    def _know(self) -> None:
        with self._guard:
            self._known = True
            self._guard.notify_all()

    def _elected(self) -> _core.Lock | None:
        """The lock of who watches, once this process has it; `None` if it is to end."""
        told = False
        while not self._cancel.cancelled:
            self._check_root()
            self._layout.create()
            lock = self._layout.take_watching()
            if lock is not None:
                return lock
            self._know()
            if not told:
                told = True
                pid = self._layout.watcher()
                who = "another process" if pid is None else f"process {pid}"
                self._on_note(f"{who} watches {self._layout.root}: waiting to take over")
            self._pause(TAKEOVER_SECONDS)
        return None

    def _watch(self, lock: tuple[int, int] | None) -> None:
        """Watches for as long as the lock is the one that stands in the index's folder."""
        layout, settings = self._layout, self._settings()
        alarm = Alarm(
            layout.root,
            deaf=[layout.folder, settings.cache_dir, *self._deaf],
            concerns=self._concerns,
            polling=settings.watch_polling,
            tell=self._on_note,
            poll_seconds=self._poll_seconds,
        )
        settle: float | None = None
        with alarm:
            with self._guard:
                self._alarm, self._watching = alarm, True
            self._know()
            try:
                alarm.ring()
                while not self._cancel.cancelled:
                    batch = alarm.wait(_TICK)
                    self._check_root()
                    if lock is None or _place(layout.watching) != lock:
                        # Somebody removed the index; whoever takes the new lock makes it anew.
                        return
                    if batch is None:
                        if settle is not None and time.monotonic() >= settle:
                            settle = None
                            alarm.ring(told=False)
                        continue
                    settle = time.monotonic() + SETTLE_SECONDS if batch.flooded else settle
                    self._ingest(alarm, batch)
            finally:
                with self._guard:
                    self._alarm, self._watching = None, False
                    self._guard.notify_all()

    def _ingest(self, alarm: Alarm, batch: Batch) -> None:
        """Runs the update that a batch calls for. If it fails the batch waits for the next."""
        with self._guard:
            # What is asked for from now on may have been saved after the scan.
            self._taken, asked = batch, self._asked
            first = self._last is None
        try:
            if batch.everything or not _RULES.isdisjoint(batch.paths):
                self._reload_settings()
            report = self._update(self._cancel)
        except Cancelled:
            return
        except Exception as error:
            self._check_root()
            if first and isinstance(error, HybridxError) and not isinstance(error, IndexBusyError):
                # A model or a setting that is wrong: nothing that passes.
                raise
            alarm.put_back(batch)
            self._fail(error)
            return
        finally:
            with self._guard:
                self._taken = None
        with self._guard:
            before, self._last = self._last, report
            changed = before is None or _generation(before) != _generation(report)
            self._served, self._failures, self._error = asked, 0, None
            self._batches += changed
            self._guard.notify_all()
        alarm.lead = report.seconds.scan
        missed = changed and before is not None and not batch.told
        if missed or batch.flooded:
            # Folders made meanwhile may not be watched.
            alarm.listen_anew()
        if changed:
            self._on_report(report)
        if before is None:
            # Whatever is wrong with it, an update will say.
            with contextlib.suppress(Exception):
                self._warm_up()

    def _fail(self, error: Exception) -> None:
        text = said(error)
        with self._guard:
            news, self._error = text != self._error, text
            self._failures += 1
            failures = self._failures
            self._guard.notify_all()
        if news:
            self._on_error(error)
        self._pause(min(_RETRY_SECONDS * 2 ** (failures - 1), _LONGEST_RETRY))

    def _reload_settings(self) -> None:
        """Reads the project's settings anew; with a mistake in them the former ones stay."""
        mistake = None
        try:
            self._reload()
        except (HybridxError, OSError) as error:
            mistake = said(error)
            if mistake != self._mistake:
                self._on_error(error)
        self._mistake = mistake

    def _pause(self, seconds: float) -> None:
        """Sleeps, but not beyond the end of the watch, nor while somebody waits for an update."""
        deadline, asked = time.monotonic() + seconds, self._asked
        while not self._cancel.cancelled and (left := deadline - time.monotonic()) > 0:
            if self._asked != asked:
                return
            time.sleep(min(left, _TICK))

    def _concerns(self, path: str) -> bool:
        """Whether a change of `path` may change what is indexed."""
        if path.rpartition("/")[2] in _RULES or path == _EXCLUDES:
            return True
        try:
            return explain_path(self._layout, self._settings(), path).cause is None
        except Exception:  # noqa: BLE001 - the scan will say what it is
            return True

    def _poll_seconds(self) -> float:
        last = self._last
        return max(POLL_SECONDS, _POLL_SHARE * last.seconds.scan if last else 0.0)

    def _check_root(self) -> None:
        """Raises `OSError` if the folder is not there any more, or is another one."""
        if self._place is None or _place(self._layout.root) != self._place:
            root = str(self._layout.root)
            raise OSError(errno.ENOENT, "the folder was removed or moved, the watch ends", root)


def _place(path: Path) -> tuple[int, int] | None:
    """What stands at a path, whatever it is called; `None` if nothing does."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _generation(report: IndexReport) -> tuple[object, ...]:
    return report.generation, report.merkle_root, report.model
