"""`hybridx verify`: cross-check the stores, and mend what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hybridx.cli._help import examples
from hybridx.cli._options import (
    index_options,
    json_option,
    lock_timeout_option,
    opened,
    path_argument,
)
from hybridx.cli._progress import progress_bar
from hybridx.cli._run import interruptible
from hybridx.cli._text import plural, print_json, visible, visible_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.types import Problem, Verification

FOUND = 1
_SHOWN = 20


@click.command(
    epilog=examples("""
        hybridx verify
        hybridx verify --repair
        hybridx verify ~/src/repo --json
    """)
)
@path_argument
@click.option("--repair", is_flag=True, help="Mend what is wrong, from the source files.")
@lock_timeout_option
@json_option
@index_options
@click.pass_context
def verify(
    context: click.Context,
    /,
    path: str,
    repair: bool,
    as_json: bool,
    quiet: bool,
    **flags: object,
) -> None:
    """Check the index of PATH: both stores against each other and the snapshot, id by id.

    It reads every file of the index. With --repair, files whose rows are wrong are indexed again;
    where a store itself is damaged the index is built anew beside it.

    Exit code 0: all is well, or is again. 1: problems were found. 2: it could not be checked.
    """
    from hybridx._core import CancelToken  # loads the extension

    cancel = CancelToken()

    def work() -> Verification:
        with progress_bar(quiet=quiet or not repair) as progress, opened(path, flags) as index:
            return index.verify(repair=repair, progress=progress, cancel=cancel)

    # A check alone can be left behind at any moment; it would not heed the token either.
    found = interruptible(work, cancel if repair else None, kept=repair)
    if as_json:
        print_json(found.to_json())
    else:
        if found.repaired:
            show(found.repaired)
            click.echo(f"{plural(len(found.repaired), 'problem')} mended", err=True)
        show(found.problems)
        if not quiet:
            counts = dict(found.checked)
            generation = counts.pop("generation", None)
            parts = [] if generation is None else [f"generation {generation}"]
            parts += [f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items()]
            said = "all is well" if found.ok else plural(len(found.problems), "problem")
            click.echo(f"{said} ({', '.join(parts)})" if parts else said, err=True)
            if not found.ok:
                click.echo("  mend it: hybridx verify --repair", err=True)
    if not found.ok:
        context.exit(FOUND)


def show(problems: Sequence[Problem]) -> None:
    """Prints problems, a line each."""
    for each in problems[:_SHOWN]:
        row = (each.kind, visible_path(each.path), visible(each.detail))
        click.echo("\t".join(row))
    if len(problems) > _SHOWN:
        click.echo(f"and {len(problems) - _SHOWN:,} more (--json lists them all)")
