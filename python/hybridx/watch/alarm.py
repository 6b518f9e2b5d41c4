"""What tells that something below a root may have changed: the system's notifications, or a clock.

`watchfiles` hears of changes, collects them in a set without a bound, and forgets the set whenever
it is read; it does not tell of an overflow of the system's queue. So it is read all the time, by a
thread that does nothing else, into a batch whose memory is bounded: beyond that the batch is
everything. Whatever goes wrong, an error or a limit, becomes everything too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

QUIET_SECONDS = 0.1
"""A batch is complete when nothing has happened for so long."""
LONGEST_LEAD = 0.05
LONGEST_SECONDS = 2.0
"""And at the latest so long after its first change."""
KEPT_PATHS = 10_000
"""Paths of a batch that are kept; with more it is everything."""
RESCAN_SECONDS = 60.0
"""Everything is looked at so often, whatever was heard of: not every file system, and not every way
of writing (a mapped file), tells of changes."""
SETTLE_SECONDS = 1.0
"""So long after many changes at once everything is looked at again."""
POLL_SECONDS = 1.0
"""How often everything is looked at where nothing tells of changes."""

_STEP_MS = 20
"""How often the set of changes is read; it is not waited for by a thread that could be woken."""
_MANY_PATHS = 4_000
"""The system's queue holds 16,384 events, some of each file: with so many files it may have
overflowed, and folders made meanwhile would not be watched."""
_JUDGED_PATHS = 200
"""Paths of a batch that are judged; with more it is looked at in any case, which costs less."""
_REOPEN_SECONDS = 1.0
_TRIES = 5
"""Folders may vanish while they are being watched."""


@dataclass
class Batch:
    """Changes that were heard of and are not ingested yet."""

    paths: set[str] = field(default_factory=set)
    """Relative to the root, those that concern the index."""
    unjudged: set[str] = field(default_factory=set)
    """Those that nobody has looked at yet."""
    everything: bool = False
    """Whether anything may have changed."""
    told: bool = False
    """Whether somebody said so; else it is only time to look."""
    flooded: bool = False
    """Whether so much happened at once that something may have been missed."""
    first: float = 0.0
    """When it began, and when the last change came, in monotonic seconds."""
    last: float = 0.0

    def __bool__(self) -> bool:
        return self.everything or bool(self.paths)

    def rest(self) -> Batch:
        """A batch of what is unjudged, which is taken out of this one."""
        unjudged, self.unjudged = self.unjudged, set()
        rest = Batch(unjudged=unjudged, told=bool(unjudged))
        rest.first = rest.last = self.last
        return rest

    def bound(self) -> None:
        """Becomes everything rather than too large."""
        count = len(self.paths) + len(self.unjudged)
        self.flooded |= count >= _MANY_PATHS
        self.everything |= count > KEPT_PATHS
        if self.everything:
            self.paths.clear()
            self.unjudged.clear()


class Alarm:
    """Hears of changes below `root`, for as long as it is entered."""

    def __init__(
        self,
        root: Path,
        *,
        deaf: Sequence[Path],
        concerns: Callable[[str], bool],
        polling: bool,
        tell: Callable[[str], None],
        poll_seconds: Callable[[], float] = lambda: POLL_SECONDS,
    ) -> None:
        """Hears nothing yet.

        Args:
            root: the folder; resolved.
            deaf: folders in which nothing is a change: what updates themselves write.
            concerns: whether a change of a path, relative to the root, concerns the index.
            polling: look from time to time rather than ask the system to tell.
            tell: is told, once, why there are no notifications.
            poll_seconds: how often to look then.
        """
        self._root = root
        self._prefix = f"{root}/" if str(root) != "/" else "/"
        self._deaf = tuple(f"{each}/" for each in deaf)
        self._deaf_itself = frozenset(str(each) for each in deaf)
        self._concerns = concerns
        self._tell = tell
        self._poll_seconds = poll_seconds
        self.lead = 0.0
        """Seconds, at most `LONGEST_LEAD`, that a batch is given out before it has been quiet for
        long enough: so long the scan takes, and only then are files read."""
        self.polling: str | None = "the setting watch_polling says so" if polling else None
        """Why nothing tells of changes; `None` if something does."""
        self._batch = Batch()
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._anew = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        notify = None if self.polling else self._open()
        self._thread = threading.Thread(
            target=self._hear, args=(notify,), name="hybridx-hear", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def ring(self, *, told: bool = True) -> None:
        """Says that anything may have changed; `told` as in `Batch`."""
        with self._changed:
            self._begin()
            # Whoever rings has waited already.
            self._batch.last = min(self._batch.last, time.monotonic() - QUIET_SECONDS)
            self._batch.everything = True
            self._batch.told |= told
            self._batch.bound()
            self._changed.notify_all()

    def put_back(self, batch: Batch) -> None:
        """Gives back a batch that could not be ingested."""
        with self._changed:
            self._begin()
            self._batch.paths |= batch.paths
            self._batch.everything |= batch.everything
            self._batch.told |= batch.told
            self._batch.flooded |= batch.flooded
            self._batch.bound()

    def listen_anew(self) -> None:
        """Asks the system anew to tell: something that nobody told of has changed."""
        self._anew.set()

    @property
    def pending(self) -> int | None:
        """Changed paths that were heard of and not taken; `None` if it is unknown how many."""
        with self._changed:
            if self._batch.everything:
                return None
            return len(self._batch.paths)

    def wait(self, timeout: float) -> Batch | None:
        """The next batch, once it is complete; `None` if there is none after `timeout` seconds.

        What concerns nobody makes no batch.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._judge()
            with self._changed:
                now = time.monotonic()
                batch, left = self._batch, deadline - now
                if batch:
                    last = batch.first + LONGEST_SECONDS
                    quiet = QUIET_SECONDS - min(self.lead, LONGEST_LEAD)
                    # While something is unjudged it is not quiet.
                    due = last if batch.unjudged else min(batch.last + quiet, last)
                    if now >= due:
                        self._batch = batch.rest()
                        return batch
                    left = min(due - now, left)
                if now >= deadline or self._stopped.is_set():
                    return None
                if not batch.unjudged:
                    self._changed.wait(max(left, 0.001))

    def wake(self) -> None:
        """Ends a `wait` early, with nothing if nothing is due."""
        with self._changed:
            self._changed.notify_all()

    def _begin(self) -> None:
        now = time.monotonic()
        if not self._batch and not self._batch.unjudged:
            # What was heard of before concerned nobody.
            self._batch = Batch(first=now, last=now)

    def _judge(self) -> None:
        """Sorts out what concerns the index, while the batch is still growing."""
        with self._changed:
            batch = self._batch
            asked = set(batch.unjudged)
            known = bool(batch)
        if not asked:
            return
        if len(asked) > _JUDGED_PATHS or (known and batch.everything):
            meant = asked
        else:
            meant = {path for path in asked if self._concerns(path)}
        with self._changed:
            batch.unjudged -= asked
            if not batch.everything:
                batch.paths |= meant

    def _hear(self, notify: Any) -> None:
        """Reads what the system tells into the batch, until it is stopped."""
        rescan = time.monotonic() + RESCAN_SECONDS
        while not self._stopped.is_set():
            if notify is None:
                self._stopped.wait(self._poll_seconds())
                self.ring(told=False)
                continue
            try:
                changes = notify.watch(
                    _STEP_MS, _STEP_MS, int(RESCAN_SECONDS * 1000), self._stopped
                )
            except BaseException:  # noqa: BLE001 - a panic, too: what happened is unknown
                notify = self._opened_anew(notify)
                continue
            if isinstance(changes, set):
                self._heard(changes)
            if self._anew.is_set():
                self._anew.clear()
                notify = self._opened_anew(notify, pause=0.0)
            if time.monotonic() >= rescan:
                rescan = time.monotonic() + RESCAN_SECONDS
                self.ring(told=False)
        if notify is not None:
            notify.close()

    def _heard(self, changes: set[tuple[int, str]]) -> None:
        paths = set()
        for _, path in changes:
            if path in self._deaf_itself or path.startswith(self._deaf):
                continue
            if path.startswith(self._prefix):
                paths.add(path[len(self._prefix) :])
            else:
                paths.add("")
        if not paths:
            return
        with self._changed:
            self._begin()
            # It had been quiet for one step when the set was given out.
            self._batch.last = time.monotonic() - _STEP_MS / 1000
            self._batch.told = True
            self._batch.unjudged |= paths - self._batch.paths
            self._batch.bound()
            self._changed.notify_all()

    def _opened_anew(self, notify: Any, pause: float = _REOPEN_SECONDS) -> Any:
        """Listens with fresh ears; what happened meanwhile is anybody's guess."""
        with contextlib.suppress(BaseException):
            notify.close()
        # What fails all the time must not keep a core busy.
        self._stopped.wait(pause)
        fresh = self._open()
        self.ring()
        return fresh

    def _open(self) -> Any:
        """Asks the system to tell; `None` if it will not."""
        from watchfiles._rust_notify import RustNotify  # only a watch needs it

        root = str(self._root)
        last: BaseException | None = None
        closed = False
        for _ in range(_TRIES):
            try:
                notify = RustNotify([root], False, False, 0, True, closed)
                if closed:
                    # Folders that nobody may read are passed over, and so is the limit, silently.
                    # One folder more tells whether it is reached.
                    RustNotify([root], False, False, 0, False, False).close()
            except PermissionError as error:
                last, closed = error, True
            except FileNotFoundError as error:
                # A folder below it went away meanwhile; or it did itself, which others notice.
                last = error
            except BaseException as error:  # noqa: BLE001 - limits come in several types
                last = error
                break
            else:
                return notify
            if not self._root.exists():
                break
        self.polling = _reason(last)
        # Whatever it raises, the thread that hears must go on.
        with contextlib.suppress(Exception):
            self._tell(
                f"{self.polling}: looking for changes every {self._poll_seconds():g} s instead of "
                "being told of them"
            )
        return None


def _reason(error: BaseException | None) -> str:
    said = str(error).split(" about [")[0].strip()
    if "limit" in said or "No space left" in said:
        limit = "unknown"
        with contextlib.suppress(OSError):
            limit = Path("/proc/sys/fs/inotify/max_user_watches").read_text().strip()
        return f"the system's limit of watched folders is reached (max_user_watches is {limit})"
    if "Too many open files" in said:
        limit = "unknown"
        with contextlib.suppress(OSError):
            limit = Path("/proc/sys/fs/inotify/max_user_instances").read_text().strip()
        return f"the system's limit of watches is reached (max_user_instances is {limit})"
    return f"the system does not tell of changes ({said})"
