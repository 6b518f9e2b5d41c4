"""The lines of a running update on a terminal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hybridx.cli._stages import Stages, layout

if TYPE_CHECKING:
    from rich.console import ConsoleRenderable

    from hybridx.types import Progress


class StageLines(Live):
    """Draws the stages of an update again and again, and clears them in the end."""

    def __init__(self, per_second: float) -> None:
        """Draws nothing yet."""
        self._stages = Stages()
        self._telling = threading.Lock()
        self._widest = 0
        """Columns of the lines made last."""
        self._shown = 0
        """Columns of those on the terminal."""
        super().__init__(
            console=Console(stderr=True, highlight=False),
            refresh_per_second=per_second,
            transient=True,
            # stdout is for data and none of this one's business.
            redirect_stdout=False,
            # A terminal of three lines shows three.
            vertical_overflow="crop",
            get_renderable=self._drawn,
        )

    def tell(self, now: Progress) -> None:
        """Takes in how far the update is; from any thread."""
        with self._telling:
            self._stages.tell(now)

    def _drawn(self) -> Text:
        with self._telling:
            rows = self._stages.rows()
        lines = [Text.assemble(*parts) for parts in layout(rows, self.console.width)]
        self._widest = max(map(len, lines), default=0)
        return Text("\n", no_wrap=True, overflow="crop").join(lines)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Puts what is printed above the lines, and draws them anew."""
        if self.console.width < self._shown:
            # The terminal got narrower than they are. Some then break lines and some cut them, so
            # nobody knows where they begin: rather leave them there than erase what is not ours.
            self._live_render = type(self._live_render)(self._live_render.renderable)
            renderables = [Text(""), *renderables]
        self._shown = self._widest
        return super().process_renderables(renderables)
