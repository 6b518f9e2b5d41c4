"""`hybridx hook run`: brings an index up to date for somebody who has no time to wait.

Git hooks and pre-commit call it. It never builds an index, or builds one anew, unless it is told
to; it never waits long for another writer; and of many calls at once few update anything: one that
waits for the writer's lock sees all that happened before it got it, so that others have nothing
left to do.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.api import Index
from hybridx.commit import Generation
from hybridx.errors import IndexBusyError
from hybridx.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hybridx.config import Settings
    from hybridx.types import IndexReport, Progress, ProgressCallback

_WAITING = "hook"
"""The lock of the hook that waits for the writer's lock."""

_OF_MODELS = ("model", "precision", "dimension")
"""Settings that choose the model."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a hook did."""

    report: IndexReport | None
    reason: str = ""
    """Why nothing was done, in a line."""
    is_wanting: bool = False
    """Whether somebody has to do something about it."""


def run(
    root: Path,
    settings: Settings,
    *,
    files: Sequence[str] | None = None,
    wait: float = 2.0,
    create: bool = False,
    cancel: _core.CancelToken | None = None,
) -> Outcome:
    """Brings the index of `root` up to date, by the Merkle diff or for `files` alone.

    Args:
        root: the folder that is indexed.
        settings: those of the root.
        files: relative to the root; they need not exist any more. `None` is the whole tree.
        wait: seconds to wait for another writer.
        create: build the index if there is none.
        cancel: as in `Index.update`.

    Raises:
        HybridxError, OSError: as `Index.update`.
    """
    settings = dataclasses.replace(settings, lock_timeout=wait)
    layout = Layout.of(root, index_dir=settings.index_dir, index_parent=settings.index_parent)
    if layout.current() is None:
        if not create:
            return Outcome(None, f"no index for {root}; make one: hybridx index", is_wanting=True)
        files = None
    else:
        settings = _with_its_model(settings)
        if reason := _other(layout, settings):
            return Outcome(None, reason, is_wanting=True)
    with Index.open(root, settings=settings) as index, _first_in_line(layout, files) as begun:
        if isinstance(begun, str):
            return Outcome(None, begun)
        try:
            report = index.update(paths=files, progress=begun, cancel=cancel)
        except IndexBusyError as error:
            return Outcome(None, f"{error}; the next run catches up")
    return Outcome(report)


def _with_its_model(settings: Settings) -> Settings:
    """Settings that leave an index its model: changing it is no hook's business."""
    plain = type(settings)()
    choices = {name: getattr(plain, name) for name in _OF_MODELS}
    origins = {key: origin for key, origin in settings.origins.items() if key not in choices}
    return dataclasses.replace(settings, **choices, origins=origins)


def _other(layout: Layout, settings: Settings) -> str:
    """Why an update would build the index anew, in a line; empty if it would not."""
    from hybridx.embed.model import load_model
    from hybridx.indexer import fingerprint

    generation = Generation.current(layout)
    if generation is None:
        return ""
    manifest = generation.manifest
    bundled = manifest.model_source == "bundled"
    name = "bundled" if bundled else manifest.model_folder
    model = load_model(name, cache_dir=settings.cache_dir)
    wanted = layout.epoch(fingerprint(model, settings))
    current = layout.current()
    if current is None or current.is_twin_of(wanted):
        return ""
    return (
        "the index was made by another version or with other settings, and is left as it is; "
        "make it anew: hybridx index"
    )


@contextlib.contextmanager
def _first_in_line(
    layout: Layout, files: Sequence[str] | None
) -> Iterator[ProgressCallback | str | None]:
    """What to call once the update has begun, or who else sees to it.

    Only for the whole tree: others need not look at the very files that are named.
    """
    if files is not None or not layout.folder.is_dir():
        yield None
        return
    if layout.watcher() is not None:
        yield "a process that watches the tree keeps the index up to date"
        return
    waiting = _core.Lock.acquire(layout.folder / _WAITING)
    if waiting is None:
        yield "another hook is about to bring the index up to date"
        return

    def begun(_: Progress) -> None:
        # The writer's lock is there and the scan has yet to begin: later events are news.
        waiting.release()

    try:
        yield begun
    finally:
        waiting.release()
