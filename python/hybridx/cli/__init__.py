"""The program `hybridx`: one file a command, and what they share in files with an underscore.

Data goes to stdout, everything else to stderr. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import click

from hybridx.cli._help import COMMANDS, examples
from hybridx.cli._options import debug_option
from hybridx.cli._program import Program, end

__all__ = ["cli", "load", "main"]


def _print_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version  # 20 ms that only this needs

        click.echo(f"hybridx {version('hybridx')}")
        context.exit()


@click.group(
    cls=Program,
    epilog=examples("""
        hybridx index                      # once, and whenever files have changed
        hybridx search "where are retries configured"
        hybridx search --help              # each command has examples of its own
    """),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and end.",
)
@debug_option
def cli() -> None:
    """Hybrid code search: BM25 and vectors over a source tree, kept true by a Merkle diff."""


def load(arguments: list[str]) -> None:
    """Loads the file of the command that these arguments name; without it, that happens later."""
    name = next((each for each in arguments if not each.startswith("-")), "")
    if name in COMMANDS:
        Program.load(name)


def main() -> None:
    """Runs the program with the arguments of the process, and ends the process."""
    try:
        cli.main(prog_name="hybridx")
    except SystemExit as ending:
        if isinstance(ending.code, int):
            end(ending.code)
        raise
