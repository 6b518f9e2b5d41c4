"""What to know of an index beside what was asked of it, where it costs nobody any time."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from hybridx.cli._options import opened
from hybridx.cli._program import State, complain
from hybridx.cli._text import plural
from hybridx.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

OUTDATED = "made by another version or with other settings; to make it anew: hybridx index"

BUDGET = 0.2
"""Seconds that the prompt may wait for a hint. The hits are on the terminal by then; with some
thousand files that did not change it takes a third of that."""

_LARGE = 3_000_000
"""Bytes of the stat cache, at some 90 a file, from which on a scan would not be done in time."""


def hint_within_budget(context: click.Context, path: str, flags: Mapping[str, object]) -> None:
    """Says what is amiss with the index that was just searched, if that is found out in time."""
    found: list[str] = []
    done = threading.Event()

    def look() -> None:
        # A hint is no reason for an error.
        with contextlib.suppress(Exception):
            found.extend(_hints(path, flags))
        done.set()

    threading.Thread(target=look, name="hybridx-hint", daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        done.wait(BUDGET)
    if isinstance(context.obj, State):
        context.obj.running = not done.is_set()
    for hint in found if done.is_set() else ():
        complain(hint)


def _hints(path: str, flags: Mapping[str, object]) -> list[str]:
    with opened(path, flags) as index:
        settings = index.settings
        layout = Layout.of(
            index.root, index_dir=settings.index_dir, index_parent=settings.index_parent
        )
        large = layout.stat_cache.exists() and layout.stat_cache.stat().st_size > _LARGE
        # Whoever watches brings it up to date by itself.
        status = index.status(check=not large and layout.watcher() is None)
    hints = [f"the index was {OUTDATED}"] if status.outdated else []
    if status.pending:
        changed = plural(status.pending, "file")
        hints.append(f"{changed} changed since the index was made; run: hybridx index")
    return hints
