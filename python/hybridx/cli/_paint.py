"""Hits in colour: highlighted code, the matched terms in it, and paths to click on.

Loaded only where colours are wanted: rich and pygments take nearly a tenth of a second.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

from rich.console import Console
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text

from hybridx import _core
from hybridx.cli._matches import Matches
from hybridx.cli._terminal import is_terminal, takes_links
from hybridx.cli._text import visible, visible_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.types import Hit

_LEXERS = {
    "apex": "java",
    "assembly": "gas",
    "csv": "text",
    "jsonl": "json",
    "jupyter": "text",
    "ocaml_interface": "ocaml",
    "svelte": "html",
    "vb": "vbnet",
}
"""What pygments calls languages that it does not know by our name."""

_MATCH = "bold bright_red"
_LONGEST = 1000
"""Characters of a line that is highlighted; longer ones are data, or minified."""
_TAB = 4


class Painter:
    """Writes hits to stdout, in colour whatever stdout is."""

    def __init__(self, query: str, root: str) -> None:
        """`root` is the folder that was searched."""
        self._matches = Matches(query)
        self._root = Path(root).absolute() if takes_links(sys.stdout) else None
        # The sixteen colours that every terminal has, in its own shades.
        self._console = Console(
            force_terminal=True, color_system="standard", no_color=False, highlight=False
        )
        self._width = self._console.width if is_terminal(sys.stdout) else None

    def headline(self, hit: Hit) -> None:
        """Prints where a hit is, and what."""
        line = Text()
        line.append_text(self._marked(visible_path(hit.path), self._link(hit)))
        line.append(f":{hit.start_line}-{hit.end_line}", style="green")
        if hit.symbol:
            line.append("  ").append_text(self._marked(visible(hit.symbol), Style(bold=True)))
        line.append(f"  {hit.kind}  {hit.score:.4g}", style="dim")
        self._print(line)

    def code(self, lines: Sequence[str], language: str, first: int) -> None:
        """Prints lines of code, numbered from `first`; on a terminal, cut to its width."""
        lines = [line.expandtabs(_TAB) for line in lines]
        digits = max(len(str(first + len(lines) - 1)), 4)
        for number, text in enumerate(self._highlighted(lines, language), start=first):
            spans = self._matches.spans(text.plain)
            for start, end in spans:
                text.stylize(_MATCH, start, end)
            line = Text().append(f"{number:>{digits}}  ", style="dim")
            room = None if self._width is None else self._width - len(line) - 1
            line.append_text(_cut(text, room, spans[0][0] if spans else 0))
            self._print(line)

    def _highlighted(self, lines: Sequence[str], language: str) -> list[Text]:
        if max(map(len, lines), default=0) <= _LONGEST:
            # A lexer that fails on odd code is no reason not to show it.
            with contextlib.suppress(Exception):
                lexer = _LEXERS.get(language, language)
                syntax = Syntax("", lexer, theme="ansi_dark", background_color="default")
                text = syntax.highlight("\n".join(lines))
                found = list(text.split("\n", allow_blank=True))[: len(lines)]
                if [each.plain for each in found] == lines:
                    return found
        return [Text(line) for line in lines]

    def _marked(self, text: str, style: Style) -> Text:
        marked = Text(text, style=style)
        for start, end in self._matches.spans(text):
            marked.stylize("bright_red", start, end)
        return marked

    def _link(self, hit: Hit) -> Style:
        style = Style(bold=True, color="magenta")
        if self._root is None:
            return style
        path = os.fsencode(self._root) + b"/" + _core.decode_path(hit.path)
        return style.update_link(f"file://{socket.gethostname()}{quote_from_bytes(path)}")

    def _print(self, line: Text) -> None:
        # As it is: a terminal breaks a line that is too long, and copies it whole.
        self._console.print(line, soft_wrap=True)


def _cut(text: Text, width: int | None, wanted: int) -> Text:
    """`text` within `width` cells, with what stands at `wanted` in it."""
    if width is None or text.cell_len <= width:
        return text
    if wanted > width * 2 // 3:
        text = Text("…") + text[wanted - width // 3 :]
    text.truncate(max(width, 1), overflow="ellipsis")
    return text
