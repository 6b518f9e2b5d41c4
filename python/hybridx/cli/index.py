"""`hybridx index`: bring the index up to date with the tree."""

from __future__ import annotations

import math
import shlex
from itertools import groupby
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
    profile_option,
)
from hybridx.cli._program import complain
from hybridx.cli._progress import progress_bar
from hybridx.cli._run import interruptible
from hybridx.cli._text import plural, print_json, seconds, size, visible, visible_path
from hybridx.errors import TooManyErrorsError
from hybridx.types import FileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.observe import Observer
    from hybridx.types import IndexReport, ProgressCallback, Secrets

SOME_FAILED = 1
_SHOWN = 3
"""Failed files shown of each stage."""


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
            for line in digest(failed):
                click.echo(line, err=True)
        context.exit(SOME_FAILED)
    if as_json:
        print_json(report.to_json())
    elif not quiet:
        for line in summary(report):
            click.echo(line, err=True)
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


def summary(report: IndexReport) -> list[str]:
    """What a run did, in lines for people."""
    files, took = report.files, report.seconds.total
    counts = {
        "added": files.added,
        "modified": files.modified,
        "removed": files.removed,
        "moved": files.moved,
    }
    changed = sum(counts.values())
    skipped = f"; {files.skipped:,} skipped" if files.skipped else ""
    if not changed:
        first = (
            f"{'no change' if files.failed else 'up to date'}: {plural(files.unchanged, 'file')}"
        )
        end = f"generation {report.generation} ({seconds(took)})"
        return [f"{first}{skipped}; {end}", *unfinished(report), *digest(report.errors)]
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    parts.append(f"{files.unchanged:,} unchanged")
    chunks = report.chunks
    numbers = [
        f"{chunks.added:,} added",
        f"{chunks.removed:,} removed",
        f"{chunks.embedded:,} embedded"
        + (f" on {visible(report.device)}" if chunks.embedded else ""),
        f"{plural(chunks.reused_vectors, 'vector')} reused",
    ]
    rate = ""
    if took > 0:
        rate = f" ({size(report.bytes_read / took)}/s, {changed / took:,.0f} files/s)"
    return [
        f"{plural(changed, 'file')}: {', '.join(parts)}{skipped}",
        f"{plural(chunks.total, 'chunk')}: {', '.join(numbers)}",
        f"generation {report.generation} in {seconds(took)}{rate}",
        *kept_out(report.secrets),
        *unfinished(report),
        *digest(report.errors),
    ]


def kept_out(secrets: Secrets) -> list[str]:
    """What the index holds no secrets of, in a line for people; none if there was nothing."""
    parts = []
    if secrets.redactions:
        redacted = plural(secrets.redactions, "secret")
        parts.append(f"{redacted} redacted in {plural(secrets.files, 'file')}")
    if secrets.sensitive:
        parts.append(f"{plural(secrets.sensitive, 'sensitive file')} skipped")
    return [f"secrets: {', '.join(parts)} (`hybridx why FILE` says more)"] if parts else []


def unfinished(report: IndexReport) -> list[str]:
    """What is not done of another model's vectors, in a line for people."""
    found = report.upgrade
    if found is None:
        return []
    so_far = f"{visible(found.model)} has {math.floor(found.coverage * 100)}% of the vectors"
    if found.pid is not None:
        return [f"{so_far}; process {found.pid} is filling in the rest"]
    place, model = (shlex.quote(visible_path(each)) for each in (report.root, found.path))
    return [f"{so_far}; to go on: hybridx index {place} --model {model}"]


def digest(errors: Sequence[FileError]) -> list[str]:
    """The first failed files of every stage."""
    lines = []
    for stage, some in groupby(
        sorted(errors, key=lambda each: each.stage), lambda each: each.stage
    ):
        rows = list(some)
        lines.append(f"{plural(len(rows), 'file')} failed in {visible(stage)}:")
        lines += [f"  {visible_path(row.path)}: {visible(row.message)}" for row in rows[:_SHOWN]]
        if len(rows) > _SHOWN:
            lines.append(f"  and {len(rows) - _SHOWN:,} more (--json lists them all)")
    return lines
