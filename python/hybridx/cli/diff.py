"""`hybridx diff`: what changed since the index's generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hybridx.cli._help import examples
from hybridx.cli._hints import OUTDATED
from hybridx.cli._options import index_options, json_option, opened, path_argument
from hybridx.cli._program import complain
from hybridx.cli._run import interruptible
from hybridx.cli._text import plural, print_json, seconds, visible_path

if TYPE_CHECKING:
    from hybridx.types import DiffReport


@click.command(
    epilog=examples("""
        hybridx diff
        hybridx diff ~/src/repo --json
    """)
)
@path_argument
@json_option
@index_options
def diff(path: str, as_json: bool, quiet: bool, **flags: object) -> None:
    """Show what changed since PATH was indexed; nothing is written.

    A is an added file, M a modified, D a removed and R a moved one.
    """

    def work() -> tuple[DiffReport, bool]:
        with opened(path, flags) as index:
            report = index.diff()
            return report, not quiet and index.status(check=False).outdated

    report, outdated = interruptible(work)
    if as_json:
        print_json(report.to_json())
        return
    changes = report.changes
    rows = [(name, f"A  {visible_path(name)}") for name in changes.added]
    rows += [(name, f"M  {visible_path(name)}") for name in changes.modified]
    rows += [(name, f"D  {visible_path(name)}") for name in changes.removed]
    rows += [(new, f"R  {visible_path(old)} -> {visible_path(new)}") for old, new in changes.moved]
    for _, line in sorted(rows):
        click.echo(line)
    if outdated:
        complain(f"the index was {OUTDATED}")
    if not quiet:
        click.echo(f"{plural(len(rows), 'file')} changed ({seconds(report.seconds)})", err=True)
