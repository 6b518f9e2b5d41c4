"""`hybridx watch`: keep the index up to date for as long as it runs."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from hybridx.cli._help import examples
from hybridx.cli._options import (
    index_options,
    lock_timeout_option,
    metrics_option,
    observing,
    opened,
    path_argument,
    preset_option,
    profile_option,
)
from hybridx.cli._program import Interrupted, complain, leave
from hybridx.cli._progress import progress_bar
from hybridx.cli._run import interruptible
from hybridx.cli._text import plural, print_json, seconds, visible_path
from hybridx.errors import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridx.observer import Observer
    from hybridx.types import IndexReport


@click.command(
    epilog=examples("""
        hybridx watch                      # in a terminal of its own
        hybridx watch --quiet ~/src/app    # as a service
        hybridx watch --json | jq .files   # for programs
    """)
)
@path_argument
@click.option(
    "--polling",
    "watch_polling",
    is_flag=True,
    default=None,
    help="Look at the tree from time to time, where the system does not tell of changes.",
)
@click.option("--jobs", "-j", type=int, metavar="N", help="Threads; 0 is one a core.")
@preset_option
@lock_timeout_option
@profile_option
@metrics_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON for each batch, on stdout."
)
@index_options
def watch(
    path: str,
    profile: str | None,
    metrics: str | None,
    as_json: bool,
    quiet: bool,
    **flags: object,
) -> None:
    """Keep the index of PATH up to date until it is ended.

    It begins with an update, which may build the index; then every batch of changes is ingested as
    soon as it has been quiet for a tenth of a second. Of several watches of one tree one works, and
    another takes over when it ends.

    Exit code 0: ended by SIGTERM, as services are. 130: by Ctrl-C. 2: the folder is gone, or the
    first update failed. Everything committed is kept.
    """
    from hybridx._core import CancelToken  # loads the extension

    cancel = CancelToken()

    def on_note(note: str) -> None:
        if not quiet:
            complain(note)

    def on_error(error: Exception) -> None:
        complain(f"{said(error)}; it will be tried again")

    def work(observer: Observer | None) -> None:
        with (
            opened(path, flags) as index,
            progress_bar(quiet=quiet) as progress,
            index.watch(
                on_error=on_error,
                on_note=on_note,
                progress=progress,
                observer=observer,
                cancel=cancel,
            ) as reports,
        ):
            shown = visible_path(str(index.root))
            first = True
            for report in reports:
                if as_json:
                    print_json(report.to_json(), indent=None)
                if not quiet:
                    click.echo(line(report, shown if first else None), err=True)
                first = False

    with _terminated() as terminated:
        try:
            with observing(profile, metrics) as observer:
                interruptible(lambda: work(observer), cancel, kept=True)
        except Interrupted as stop:
            if not terminated.is_set():
                raise
            if stop.running:
                leave(0)
            return
    if not terminated.is_set():
        # Nothing else ends a watch without an error.
        raise Interrupted(running=False, kept=True)


def line(report: IndexReport, root: str | None = None) -> str:
    """What a batch did, in a line for people; the first one says what is watched."""
    parts = report.files.told("failed")
    changed = plural(report.files.changed, "file")
    did = f"{changed}: {parts}" if parts else "up to date"
    end = f"generation {report.generation} in {seconds(report.seconds.total)}"
    return f"watching {root}: {did}; {end}" if root is not None else f"{did}; {end}"


@contextmanager
def _terminated() -> Iterator[threading.Event]:
    """Whether SIGTERM came in the block; there it ends the work as Ctrl-C does."""
    came = threading.Event()

    def on_signal(*_: object) -> None:
        came.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
