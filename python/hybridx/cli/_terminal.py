"""What the terminals behind stdout and stderr can show, and what the user wants them to."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, Literal

Color = Literal["auto", "always", "never"]

_OFF = ("", "0", "false")
_LINKING = frozenset({"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", "Tabby"})
_LINKING_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour")
_COLUMNS = 80
_VTE = 5000
"""The first version of VTE (GNOME Terminal and others) in which links are safe."""


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody looks at `stream`."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def is_live() -> bool:
    """Whether what is on stderr can be drawn over: a terminal, and no log that is kept."""
    return is_terminal(sys.stderr) and not _is_dumb() and not _is_set("CI")


def columns() -> int:
    """How wide the terminal behind stderr is."""
    with contextlib.suppress(OSError, ValueError):
        # Some terminals do not know, and say 0.
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    return _COLUMNS


def wants_color(stream: IO[str] | None, choice: Color = "auto") -> bool:
    """Whether to write colours to `stream`.

    An option counts before the variables, and of these the one that asks for less.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if _is_set("FORCE_COLOR") or _is_set("CLICOLOR_FORCE"):
        return True
    return is_terminal(stream) and not _is_dumb() and os.environ.get("CLICOLOR") != "0"


def takes_links(stream: IO[str] | None) -> bool:
    """Whether the terminal is known to take hyperlinks (OSC 8); others may show them as rubbish."""
    if not is_terminal(stream) or _is_dumb() or "TMUX" in os.environ or "STY" in os.environ:
        return False
    environ = os.environ
    vte = environ.get("VTE_VERSION", "")
    return (
        environ.get("TERM_PROGRAM") in _LINKING
        or environ.get("TERM", "").startswith(_LINKING_TERMS)
        or (vte.isdecimal() and int(vte) >= _VTE)
        or any(name in environ for name in ("KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION"))
    )


def _is_dumb() -> bool:
    return os.environ.get("TERM", "") in ("dumb", "unknown")


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() not in _OFF
