"""Text for people: safe to print, and numbers in short."""

from __future__ import annotations

import json
import re
from typing import Any

import click

_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")
"""What can move the cursor, break a line or turn its direction; a tab is harmless."""

_SHORT, _MEDIUM = 10, 120
"""Seconds up to which hundredths, and whole seconds alone, are told."""


def visible(text: str) -> str:
    r"""`text` on one line with control characters written `\xNN`, one for each byte of UTF-8.

    A path so written is still a spelling of that path.
    """
    return _UNSAFE.sub(
        lambda found: "".join(
            f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape")
        ),
        text,
    )


def visible_path(path: str) -> str:
    """A path on one line; a tab too is written out, since tabs separate columns."""
    return visible(path).replace("\t", "\\x09")


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2,345 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def seconds(count: float) -> str:
    """`0.21 s`, `34 s`, `2 min 5 s`."""
    if count < _SHORT:
        return f"{count:.2f} s"
    if count < _MEDIUM:
        return f"{count:.0f} s"
    return f"{int(count) // 60} min {int(count) % 60} s"


def print_json(document: Any, *, indent: int | None = 2) -> None:
    """Prints one JSON document and a line end, as UTF-8 whatever the locale."""
    try:
        data = json.dumps(document, ensure_ascii=False, indent=indent).encode()
    except UnicodeEncodeError:
        # An argument that was not UTF-8; its stray bytes only exist as escapes.
        data = json.dumps(document, indent=indent).encode()
    click.echo(data)


def print_columns(rows: list[tuple[str, ...]]) -> None:
    """Prints rows with their columns aligned; the last one is left ragged."""
    if not rows:
        return
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]).rstrip())
