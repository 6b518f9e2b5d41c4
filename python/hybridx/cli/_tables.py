"""Tables on a terminal. Loaded where one is printed: rich takes nearly a tenth of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_summary(rows: Sequence[tuple[str, str, str]], notes: Sequence[str]) -> None:
    """Prints to stderr what each stage did and how long it was at it; the last row is the whole."""
    console = Console(stderr=True, highlight=False)
    table = Table(box=SIMPLE, show_header=False, show_footer=True, pad_edge=False)
    *stages, (name, what, took) = rows
    table.add_column(footer=Text(name, style="bold"), style="cyan", no_wrap=True)
    table.add_column(footer=Text(what))
    table.add_column(footer=Text(took, style="bold"), justify="right", style="dim", no_wrap=True)
    for row in stages:
        table.add_row(*map(Text, row))
    console.print(table)
    for note in notes:
        console.print(Text(note), soft_wrap=True)
