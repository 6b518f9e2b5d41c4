"""The progress bar: on stderr, and only where somebody is looking."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hybridx.cli._text import plural, size, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hybridx.types import Progress, ProgressCallback

_NAMES = {"scan": "scanning", "index": "indexing", "commit": "committing"}


def is_live(quiet: bool) -> bool:
    """Whether a bar would be seen, and can be drawn."""
    return (
        not quiet
        and sys.stderr is not None
        and sys.stderr.isatty()
        and os.environ.get("TERM") != "dumb"
    )


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[ProgressCallback | None]:
    """Shows a bar while the block runs and gives the function that moves it, or `None`."""
    if not is_live(quiet):
        yield None
        return
    # Nearly a tenth of a second, which only a terminal has to wait for.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        # stdout is for data and none of the bar's business.
        redirect_stdout=False,
    )
    with bars:
        task = bars.add_task(_NAMES["scan"], total=None, detail="")

        def show(now: Progress) -> None:
            bars.update(
                task,
                description=_NAMES.get(now.stage, now.stage),
                completed=now.files_done,
                total=now.files_total,
                detail=describe(now),
            )

        yield show


@contextmanager
def download_bar(*, quiet: bool) -> Iterator[Callable[[str, int, int | None], None] | None]:
    """The same for files that are fetched, one after the other."""
    if not is_live(quiet):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
    with bars:
        task = bars.add_task("", total=None)

        def show(name: str, done: int, total: int | None) -> None:
            bars.update(task, description=visible(name), completed=done, total=total)

        yield show


def describe(now: Progress) -> str:
    """How far an update is, in words."""
    files = plural(now.files_done, "file")
    if now.files_total is not None:
        files = f"{now.files_done:,} of {plural(now.files_total, 'file')}"
    if not now.bytes_done:
        return files
    chunks = plural(now.chunks_done, "chunk")
    return f"{files}, {size(now.bytes_done)}, {chunks}, {now.chunks_embedded:,} embedded"
