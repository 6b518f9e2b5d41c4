"""A terminal for tests: the program behind a pseudo-terminal, and the screen it leaves."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_CODE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\]8;[^\x1b]*\x1b\\")
_PLAIN = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "COLUMNS", "LINES")


@dataclass
class Shown:
    """What a program wrote to its terminal, and how it ended."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        """All that was written, without the codes that move and colour."""
        return _CODE.sub("", self.raw).replace("\r\n", "\n")

    def screen(self, width: int = 200) -> list[str]:
        """The lines left on a terminal so wide, with what scrolled away."""
        return screen_of(self.raw, width)


def resize(descriptor: int, width: int, height: int = 30) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


def on_terminal(
    *args: str | Path,
    width: int = 100,
    env: Mapping[str, str] | None = None,
    command: Sequence[str | Path] = (sys.executable, "-m", "hybridx"),
    widths: Sequence[tuple[str, int]] = (),
    seconds: float = 60,
) -> Shown:
    """Runs the program with stdout and stderr on one terminal.

    `widths` resizes it: each time its text was written since the last one.
    """
    ours, theirs = pty.openpty()
    resize(ours, width)
    environ = {name: value for name, value in os.environ.items() if name not in _PLAIN}
    process = subprocess.Popen(
        [*command, *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environ, "TERM": "xterm-256color", **(env or {})},
        start_new_session=True,
    )
    os.close(theirs)
    written, mark, left = b"", 0, list(widths)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not data:
                break
            written += data
            if left and left[0][0].encode() in written[mark:]:
                mark = len(written)
                resize(ours, left.pop(0)[1])
        else:
            process.kill()
            raise TimeoutError(f"{args} goes on: {written[-500:]!r}")
    finally:
        os.close(ours)
    assert not left, f"never written: {left[0][0]}"
    return Shown(process.wait(timeout=30), written.decode())


def screen_of(written: str, width: int) -> list[str]:
    """What a terminal shows that cuts lines when it gets narrower, as `xterm` does."""
    lines, row, column = [""], 0, 0
    at = 0
    while at < len(written):
        code = _CODE.match(written, at)
        if code:
            at = code.end()
            number = int(code[1]) if (code[1] or "").isdecimal() else 1
            if code[2] == "A":
                row = max(row - number, 0)
            elif code[2] == "K":
                lines[row] = ""
            continue
        sign = written[at]
        at += 1
        if sign == "\r":
            column = 0
        elif sign == "\n" or column >= width:
            row, column = row + 1, 0 if column >= width else column
            lines += [""] * (row + 1 - len(lines))
        if sign >= " ":
            line = lines[row].ljust(column)
            lines[row] = line[:column] + sign + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]
