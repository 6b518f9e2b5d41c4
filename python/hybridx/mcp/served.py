"""The folders that are served: each with its index, its watch, and the paths that are its own."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybridx.errors import Cancelled, HybridxError, NotIndexedError, UsageError, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hybridx._core import CancelToken
    from hybridx.api import Index
    from hybridx.types import IndexReport, Progress, WatchState
    from hybridx.watch import Watcher

PATIENCE_SECONDS = 1.0
"""How long a call waits for the first index: that of a small tree is there by then."""
CATCH_UP_SECONDS = 0.3
"""How long a call waits for changes that were heard of: most are ingested by then."""
_STEP = 0.02

_REFRESH_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Freshness:
    """How the index stands to the files."""

    state: str
    """`fresh`; `pending`: changes were heard of; `checking`: all files are being looked at;
    `building`: there is no whole index yet; `followed`: another process keeps it up to date;
    `unwatched`: nobody does; `failing`: the last update failed."""
    generation: int | None
    pending: int | None
    """Changed files that were heard of and cannot be found yet; `None` if it is unknown."""
    coverage: float | None = None
    """Of an index that is being built: the share of its files that can be found, 0 to 1."""
    note: str = ""
    """What is known besides: how far it is, who keeps it."""
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the tools' results have it."""
        return {
            "state": self.state,
            "generation": self.generation,
            "pending": self.pending,
            "coverage": self.coverage,
            "error": self.error,
        }


@dataclass
class Served:
    """A folder, its index and what keeps that fresh."""

    name: str
    index: Index
    given: Path
    """The folder as it was named."""
    say: Callable[[str], None]
    """Takes a line for the log."""
    watches: bool = True
    _watcher: Watcher | None = field(default=None, init=False)
    _is_new: bool = field(default=False, init=False)
    """Whether there was no index when the watch began."""
    _begun: threading.Event = field(default_factory=threading.Event, init=False)
    """Set once it is known whether there is a watch."""
    _progress: Progress | None = field(default=None, init=False)
    _listeners: list[Callable[[Progress], None]] = field(default_factory=list, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def root(self) -> Path:
        """The folder, links resolved."""
        return self.index.root

    def start(self) -> None:
        """Begins to keep the index up to date, unless that is not wanted."""
        try:
            if self.watches:
                self._watch()
        except (HybridxError, OSError) as error:
            self.say(f"{self.name}: {said(error)}")
        finally:
            self._begun.set()

    def _watch(self) -> None:
        with contextlib.suppress(HybridxError, OSError):
            self._is_new = self.index.generation is None
        self._watcher = self.index.watcher(
            on_error=lambda error: self.say(f"{self.name}: {said(error)}"),
            on_note=lambda note: self.say(f"{self.name}: {note}"),
            progress=self._note,
        )
        self._watcher.start()

    def cancel(self) -> None:
        """Asks the watch to end, and waits for nothing."""
        if self._watcher is not None:
            self._watcher.stop(0)

    def stop(self, timeout: float) -> bool:
        """Ends the watch; whether it has ended in time."""
        return self._watcher is None or self._watcher.stop(timeout)

    def warm(self) -> None:
        """Loads what a search needs, so that the first call does not wait for it."""
        # Whatever is wrong, the call that needs it will say so.
        with contextlib.suppress(Exception):
            self.index.search("main", 1)

    def ready(self, cancel: CancelToken) -> None:
        """Waits a little for the first index, and for changes that were heard of.

        Raises:
            NotIndexedError: there is no index yet; the message says how far it is.
            HybridxError: there will be none.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        if self.index.generation is None:
            self._begun.wait(PATIENCE_SECONDS)
        while self.index.generation is None:
            state = self._state()
            if self._begun.is_set() and (state is None or state.role == "stopped"):
                raise self._without()
            if time.monotonic() >= deadline or cancel.cancelled:
                raise NotIndexedError(f"the index of {self.root} is {self.freshness().note}")
            time.sleep(_STEP)
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while (state := self._state()) is not None and state.pending:
            if time.monotonic() >= deadline or cancel.cancelled or state.error:
                return
            time.sleep(_STEP)

    def freshness(self, generation: int | None = None) -> Freshness:
        """How the index stands now; a result is of `generation`, if that is given."""
        if generation is None:
            generation = self.index.generation
        state = self._state()
        if self.watches and not self._begun.is_set():
            missing = Freshness("building", None, None, note="about to be built")
            checking = Freshness("checking", generation, None, note="about to be watched")
            return missing if generation is None else checking
        if state is None:
            note = "not watched: files may have changed since"
            return Freshness("unwatched", generation, None, note=note)
        if state.role == "stopped":
            ended = self._watcher.ended_by if self._watcher else None
            error = said(ended) if ended else None
            note = f"no longer watched: {error}" if error else "no longer watched"
            return Freshness(
                "failing" if error else "unwatched", generation, None, None, note, error
            )
        if state.error:
            note = f"the last update failed and is tried again: {state.error}"
            return Freshness("failing", generation, state.pending, None, note, state.error)
        if state.role == "standby":
            who = f"process {state.pid}" if state.pid else "another process"
            kept = f"kept up to date by {who}"
            if generation is None:
                return Freshness("building", None, None, note=f"being built by {who}")
            if self._is_new:
                kept += ", which may not have all files in it yet: see status"
            return Freshness("followed", generation, None, note=kept)
        if generation is None or (self._is_new and state.last is None):
            return self._building(generation)
        if state.pending is None:
            return Freshness("checking", generation, None, note="being compared with the files")
        if state.pending:
            note = f"{state.pending} changed files are not in it yet"
            return Freshness("pending", generation, state.pending, note=note)
        return Freshness("fresh", generation, 0, note="up to date")

    def refresh(
        self, progress: Callable[[Progress], None], cancel: CancelToken
    ) -> IndexReport | None:
        """Returns when everything that was saved before can be found; the report of the update.

        Raises:
            HybridxError, OSError: as `Index.refresh` does.
        """
        self._begun.wait()
        state, watcher = self._state(), self._watcher
        if watcher is None or state is None or state.role != "watching":
            # Whoever watches may not have heard of it yet. The lock keeps the two apart.
            return self.index.refresh(progress=progress, cancel=cancel)
        with self._guard:
            self._listeners.append(progress)
        try:
            found = _waited(watcher, cancel)
        finally:
            with self._guard:
                self._listeners.remove(progress)
        state = watcher.state()
        if found:
            return state.last
        raise HybridxError(state.error or f"{self.name}: the update did not end")

    def path_of(self, text: str) -> str:
        """The path below the root that `text` names, relative to it; empty for the root itself.

        Raises:
            UsageError: it is not below the root, or would lead out of it.
        """
        path = self._below(text)
        parts = [part for part in path.split("/") if part not in {"", "."}]
        if "\0" in text or ".." in parts:
            raise UsageError(f"{text!r} is no path below the root: give it without '..'")
        place = self.root
        for at, part in enumerate(parts):
            place /= part
            if place.is_symlink():
                raise UsageError(f"{'/'.join(parts[: at + 1])} is a link: links are not followed")
        return "/".join(parts)

    def glob_of(self, text: str) -> str:
        """The glob, relative to the root; it only ever chooses among indexed files."""
        for root in self._roots():
            if text == root or text.startswith(f"{root}/"):
                return text[len(root) :] or "/**"
        return text.removeprefix("./")

    def _below(self, text: str) -> str:
        if not text.startswith(("/", "~")):
            return text
        for root in self._roots():
            if text == root or text.startswith(f"{root}/"):
                return text[len(root) :]
        raise UsageError(f"{text} is outside of {self.root}: give a path below that folder")

    def _roots(self) -> Sequence[str]:
        return str(self.root), str(self.given)

    def _state(self) -> WatchState | None:
        return self._watcher.state() if self._watcher else None

    def _note(self, progress: Progress) -> None:
        with self._guard:
            self._progress = progress
            listeners = list(self._listeners)
        for each in listeners:
            each(progress)

    def _building(self, generation: int | None) -> Freshness:
        """There is no whole index yet: how much of it there is."""
        seen, coverage, how_far = self._progress, None, "the files are being looked for"
        if seen is not None and seen.files_total:
            found = self.index.status(check=False).files if generation is not None else 0
            coverage = min(found / seen.files_total, 1.0)
            how_far = f"{seen.files_done:,} of {seen.files_total:,} files are done"
            if seen.eta_seconds:
                how_far += f", about {seen.eta_seconds:.0f} s are left"
            if generation is not None:
                how_far += f"; {found:,} files can be found so far"
        note = f"being built: {how_far}"
        return Freshness("building", generation, None, coverage, note)

    def _without(self) -> HybridxError:
        """Why there is no index, where none is being built."""
        if self._watcher is None:
            return NotIndexedError(f"there is no index of {self.root} yet: call refresh to make it")
        ended = self._watcher.ended_by
        why = said(ended) if ended else "the watch has ended"
        return HybridxError(f"there is no index of {self.root}: {why}")


def _waited(watcher: Watcher, cancel: CancelToken) -> bool:
    """Whether all that was saved before can be found, once it is known.

    The update is the watch's own: who is cancelled only stops waiting for it.
    """
    found: list[bool] = []
    waiting = threading.Thread(
        target=lambda: found.append(watcher.refresh(_REFRESH_SECONDS)),
        name="hybridx-refresh",
        daemon=True,
    )
    waiting.start()
    while waiting.is_alive():
        if cancel.cancelled:
            raise Cancelled("cancelled")
        waiting.join(_STEP)
    return bool(found and found[0])


def names_of(roots: Sequence[Path]) -> dict[Path, str]:
    """A short name for each root: its last parts, as many as tell it from the others."""
    names: dict[Path, str] = {}
    for root in roots:
        for count in range(1, len(root.parts) + 1):
            name = "/".join(root.parts[-count:])
            if sum(other.parts[-count:] == root.parts[-count:] for other in roots) == 1:
                break
        names[root] = name.lstrip("/") or "/"
    return names
