"""The two descriptors that the protocol is spoken on, kept from everybody else.

Whatever a library prints, from Python or from C, before the server runs or after, must not reach
the client: descriptor 1 becomes standard error, and descriptor 0 has nothing to read for children.
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from hybridx.errors import UsageError

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, slots=True)
class Wire:
    """The client's side of standard input and output."""

    incoming: TextIO
    outgoing: TextIO

    @classmethod
    def claim(cls) -> Self:
        """Takes both descriptors; what the process prints from now on goes to standard error.

        Raises:
            UsageError: one of them is closed.
        """
        if sys.stdin is None or sys.stdout is None:
            raise UsageError("standard input or output is closed: an MCP client talks over them")
        sys.stdout.flush()
        nowhere = os.open(os.devnull, os.O_RDWR)
        if sys.stderr is None:
            # It is closed. Its number must not become the wire's, where libraries would write.
            os.dup2(nowhere, 2)
        read, write = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        os.dup2(nowhere, 0)
        if sys.stderr is not None:  # else it may be that number itself
            os.close(nowhere)
        return cls(
            # A line that is no UTF-8 is an error of that line alone.
            io.TextIOWrapper(os.fdopen(read, "rb"), encoding="utf-8", errors="replace"),
            io.TextIOWrapper(os.fdopen(write, "wb"), encoding="utf-8"),
        )

    def lines(self) -> Lines:
        """The client's lines, for a loop to wait for."""
        return Lines(self.incoming)


class Lines:
    """The lines of a file, as the SDK reads them; a line that never comes is not waited for."""

    def __init__(self, file: TextIO) -> None:
        """Reads nothing before somebody waits."""
        self._file = file

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        from anyio import to_thread

        # A thread that waits for the client cannot be woken: a signal leaves it behind.
        line = await to_thread.run_sync(self._file.readline, abandon_on_cancel=True)
        if not line:
            raise StopAsyncIteration
        return line
