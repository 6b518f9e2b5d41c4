"""`hybridx doctor`: whether hybridx works here, and what to do if it does not."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from hybridx.cli._complete import folders
from hybridx.cli._files import check_folder
from hybridx.cli._help import examples
from hybridx.cli._options import debug_option, json_option, path_argument
from hybridx.cli._run import interruptible
from hybridx.cli._terminal import wants_color
from hybridx.cli._text import plural, print_json, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.doctor import Finding

PROBLEMS = 1
_COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command(
    epilog=examples("""
        hybridx doctor
        hybridx doctor ~/src/repo
        hybridx doctor --json
    """)
)
@path_argument
@click.option(
    "--index-dir",
    metavar="DIR",
    shell_complete=folders,
    help="The folder of the index, instead of .hybridx in the root.",
)
@json_option
@debug_option
@click.pass_context
def doctor(context: click.Context, /, path: str, index_dir: str | None, as_json: bool) -> None:
    """Examine the machine, what is installed, the model, and the index of PATH.

    Nothing is changed, and nothing leaves the machine. What is printed holds no secrets; your home
    is written ~.

    Exit code 0: hybridx is usable; there may be warnings. 1: there are problems.
    """
    check_folder(path)
    from hybridx.doctor import examine

    found = interruptible(lambda: examine(path, index_dir))
    count = Counter(each.state for each in found)
    if as_json:
        print_json(
            {
                "usable": not count["problem"],
                "problems": count["problem"],
                "warnings": count["warning"],
                "findings": [each.to_json() for each in found],
            }
        )
    else:
        for line in _lines(found, color=wants_color(sys.stdout)):
            click.echo(line, color=True)
        said = f"{plural(count['problem'], 'problem')}, {plural(count['warning'], 'warning')}"
        click.echo(said, err=True)
    if count["problem"]:
        context.exit(PROBLEMS)


def _lines(found: Sequence[Finding], *, color: bool) -> list[str]:
    """A line for each finding, and one below for what to do."""
    states = max(len(each.state) for each in found)
    names = max(len(each.name) for each in found)
    lines = []
    for each in found:
        state = each.state.ljust(states)
        if color:
            state = click.style(state, fg=_COLORS[each.state], bold=each.state == "problem")
        lines.append(f"{state}  {each.name:<{names}}  {visible(each.value)}")
        if each.advice:
            lines.append(f"{'':{states}}  {'':{names}}  → {visible(each.advice)}")
    return lines
