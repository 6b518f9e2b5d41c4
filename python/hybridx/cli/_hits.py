"""Hits for people: as text to read, and as `path:line:text` to click on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from hybridx.cli._text import visible, visible_path

if TYPE_CHECKING:
    from hybridx.cli._paint import Painter
    from hybridx.types import Hit, SearchResult

LINES = 12
"""Lines of code shown of a hit; the whole chunk is in the JSON."""


def print_grep(result: SearchResult) -> None:
    """Prints one line a hit: `path:line:text` of the line that says what the hit is."""
    for hit in result.hits:
        at, line = key_line(hit)
        click.echo(f"{visible_path(hit.path)}:{hit.start_line + at}:{visible(line)}")


def print_text(result: SearchResult, *, explain: bool, painter: Painter | None = None) -> None:
    """Prints every hit as a headline and its first lines; in colour with a painter."""
    if explain:
        click.echo(stages(result))
        click.echo()
    for at, hit in enumerate(result.hits):
        if at:
            click.echo()
        start, code, rest = _cut(hit)
        if painter is not None:
            painter.headline(hit)
        else:
            click.echo(headline(hit))
        if explain:
            click.echo(f"    {scores(hit)}")
            click.echo(f"    = {effects(hit)}")
        if painter is not None:
            painter.code(code, hit.language, hit.start_line + start)
        else:
            for line in code:
                click.echo(f"    {line}".rstrip())
        if rest:
            click.echo(f"    … {rest:,} more")
        elif hit.truncated:
            click.echo("    … cut")


def headline(hit: Hit) -> str:
    """`path:start-end  symbol  kind  score`."""
    place = f"{visible_path(hit.path)}:{hit.start_line}-{hit.end_line}"
    return "  ".join(filter(None, (place, visible(hit.symbol), hit.kind, f"{hit.score:.4g}")))


def scores(hit: Hit) -> str:
    """The parts of a score."""
    return "  ".join(f"{visible(name)} {value:.4g}" for name, value in hit.scores.items()) or "-"


def effects(hit: Hit) -> str:
    """What each signal added to the score, what counts most first."""
    ordered = sorted(hit.effects.items(), key=lambda item: -abs(item[1]))
    return "  ".join(f"{name} {value:+.2f}" for name, value in ordered) or "-"


def stages(result: SearchResult) -> str:
    """What the query was taken for, and what took how long."""
    times = "  ".join(f"{name} {value:.1f}" for name, value in result.stages_ms.items())
    return f"query: {result.kind}   ms: {times}   all {result.took_ms:.1f}"


def key_line(hit: Hit) -> tuple[int, str]:
    """The line to show if only one is shown, and how many lines of the chunk come before it.

    It is the first that names the symbol, since comments and decorators come before it; without
    a symbol the first that is not blank.
    """
    lines = _lines(hit)
    if hit.best_line > hit.start_line:
        at = hit.best_line - hit.start_line
        return next(
            ((n, line) for n, line in enumerate(lines) if n >= at and line.strip()), (0, "")
        )
    name = re.split(r"[.:#/\s]+", hit.symbol)[-1] if hit.symbol else ""
    if name:
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        for at, line in enumerate(lines):
            if word.search(line) and not _COMMENT.match(line):
                return at, line
    return next(((at, line) for at, line in enumerate(lines) if line.strip()), (0, ""))


_COMMENT = re.compile(r"\s*(?:#(?!\s*define\b)|//|/\*|\*(?:\s|/|$)|--|\"\"\"|''\')")
"""The start of a line that speaks of a name rather than defines it."""


def _lines(hit: Hit) -> list[str]:
    # Not `splitlines`, which also breaks at characters that end no line of source.
    return [line.removesuffix("\r") for line in hit.text.split("\n")]


def _cut(hit: Hit) -> tuple[int, list[str], int]:
    """How many lines come before those to show, these, and how many are left out in all."""
    lines = _lines(hit)
    while lines and not lines[-1].strip():
        lines.pop()
    start = max(min(hit.best_line - hit.start_line, len(lines) - LINES), 0)
    shown = lines[start : start + LINES]
    return start, [visible(line) for line in shown], len(lines) - len(shown)
