"""What `--help` shows beside the options: examples, and the commands in groups."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import click

SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Index", ("index", "status", "diff", "why", "verify", "clean")),
    ("Search", ("search",)),
    ("Keep fresh", ("watch",)),
    ("Agents and git", ("mcp", "hook")),
    ("Models and settings", ("models", "config")),
    ("Shell and machine", ("completion", "doctor")),
)
"""The commands by what they are for; one that is not listed is shown among the others."""
OTHERS = "Other"
COMMANDS = (
    "index",
    "watch",
    "search",
    "diff",
    "status",
    "why",
    "verify",
    "mcp",
    "models",
    "config",
    "clean",
    "completion",
    "hook",
    "doctor",
)
"""All commands, in the order of the reference. Each is what its file has under its own name."""


def examples(text: str) -> str:
    """The end of a command's help: its examples, a line each, kept as they are written."""
    lines = textwrap.dedent(text).strip().splitlines()
    # A backspace on a line of its own tells click not to fill the paragraph.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def grouped(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The commands by section, each once; sections without any are left out."""
    left = list(names)
    sections: list[tuple[str, Sequence[str]]] = [*SECTIONS]
    listed = {name for _, group in SECTIONS for name in group}
    sections.append((OTHERS, [name for name in left if name not in listed]))
    found = [(title, [name for name in group if name in left]) for title, group in sections]
    return [(title, group) for title, group in found if group]


def write_commands(
    formatter: click.HelpFormatter, commands: Sequence[tuple[str, click.Command]]
) -> None:
    """Writes the commands of the program, section by section."""
    shown = {name: command for name, command in commands if not command.hidden}
    widest = max(map(len, shown), default=0)
    limit = formatter.width - 6 - widest
    for title, names in grouped(shown):
        with formatter.section(title):
            # Padded, so that all sections have their columns at the same place.
            rows = [(name.ljust(widest), shown[name].get_short_help_str(limit)) for name in names]
            formatter.write_dl(rows)
