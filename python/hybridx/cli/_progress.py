"""Progress: drawn on stderr, and only where somebody is looking."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hybridx.cli._terminal import is_live
from hybridx.cli._text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hybridx.types import ProgressCallback

_REDRAWN = 8
"""Times a second."""


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[ProgressCallback | None]:
    """Shows a line a stage while the block runs; gives the function that moves them, or `None`.

    What is printed to stderr meanwhile comes above the lines.
    """
    if quiet or not is_live():
        yield None
        return
    # Nearly a tenth of a second, which only a terminal has to wait for.
    from hybridx.cli._live import StageLines

    with StageLines(_REDRAWN) as lines:
        yield lines.tell


@contextmanager
def download_bar(*, quiet: bool) -> Iterator[Callable[[str, int, int | None], None] | None]:
    """The same for files that are fetched, one after the other."""
    if quiet or not is_live():
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
