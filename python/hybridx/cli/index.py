"""`hybridx index`: bring the index up to date with the tree."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from hybridx.cli import _complete as complete
from hybridx.cli._files import read_names, spell
from hybridx.cli._help import examples
from hybridx.cli._options import (
    index_options,
    json_option,
    lock_timeout_option,
    metrics_option,
    observing,
    opened,
    path_argument,
    precision_option,
    preset_option,
    profile_option,
)
from hybridx.cli._program import complain
from hybridx.cli._progress import progress_bar
from hybridx.cli._report import print_digest, print_report
from hybridx.cli._run import interruptible
from hybridx.cli._text import print_json
from hybridx.errors import TooManyErrorsError
from hybridx.report import FileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.observer import Observer
    from hybridx.types import IndexReport, ProgressCallback

SOME_FAILED = 1


@click.command(
    epilog=examples("""
        hybridx index                      # the working directory
        hybridx index ~/src/linux -j 8     # another folder, with eight threads
        git diff --name-only | hybridx index --files-from -
        hybridx index --model all-MiniLM-L6-v2 --device cuda
        hybridx index --full --json
    """)
)
@path_argument
@click.option("--full", is_flag=True, help="Build the index anew.")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete.models,
    help="The embedding model: bundled, one that was added, or a folder.",
)
@preset_option
@precision_option
@click.option("--dimension", type=int, metavar="N", help="Of the vectors, if there is a choice.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where the model runs.")
@click.option(
    "--require-gpu", is_flag=True, default=None, help="Fail rather than use the CPU for the model."
)
@click.option("--jobs", "-j", type=int, metavar="N", help="Threads; 0 is one a core.")
@click.option(
    "--memory-limit",
    "memory_limit_mb",
    type=int,
    metavar="MB",
    help="What the run tries to stay below.",
)
@click.option("--sequential", is_flag=True, help="One step at a time; the same result, for bugs.")
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    shell_complete=complete.files,
    help="Only this file, relative to the working directory; may be repeated.",
)
@click.option(
    "--files-from",
    type=click.File("rb"),
    metavar="LIST",
    help="Only the files in LIST, one a line or separated by NUL; - is stdin.",
)
@lock_timeout_option
@click.option(
    "--max-errors", type=int, metavar="N", help="Give up when more than N files have failed."
)
@profile_option
@metrics_option
@json_option
@index_options
@click.pass_context
def index(
    context: click.Context,
    /,
    path: str,
    full: bool,
    sequential: bool,
    files: tuple[str, ...],
    files_from: IO[bytes] | None,
    profile: str | None,
    metrics: str | None,
    as_json: bool,
    quiet: bool,
    **flags: object,
) -> None:
    """Bring the index of PATH up to date; the first run builds it.

    Exit code 0: done. 1: done, but some files failed; or given up as --max-errors says. 2: nothing
    was done. 130: interrupted. Everything committed so far is kept.
    """
    paths = None
    if files or files_from is not None:
        if full:
            raise click.UsageError("--full is the whole tree, --file and --files-from are not")
        listed = read_names(files_from) if files_from is not None else []
        paths = spell([*files, *listed], path)
    try:
        with (
            observing(profile, metrics) as observer,
            progress_bar(quiet=quiet) as progress,
        ):
            report = _update(path, flags, full, paths, sequential, progress, observer)
    except TooManyErrorsError as error:
        complain(str(error), "what was committed before is kept")
        failed = [FileError(*each) for each in error.failed]
        if as_json:
            print_json({"errors": [each.to_json() for each in failed]})
        elif not quiet:
            print_digest(failed)
        context.exit(SOME_FAILED)
    if as_json:
        print_json(report.to_json())
    elif not quiet:
        print_report(report)
    if report.errors or report.files.failed:
        context.exit(SOME_FAILED)


def _update(
    path: str,
    flags: dict[str, object],
    full: bool,
    paths: Sequence[str] | None,
    sequential: bool,
    progress: ProgressCallback | None,
    observer: Observer | None,
) -> IndexReport:
    from hybridx._core import CancelToken  # loads the extension

    cancel = CancelToken()

    def work() -> IndexReport:
        with opened(path, flags) as index:
            return index.update(
                full=full,
                paths=paths,
                sequential=sequential,
                progress=progress,
                observer=observer,
                cancel=cancel,
            )

    return interruptible(work, cancel, kept=True)
