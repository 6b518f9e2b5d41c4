"""Draws what was measured, as SVG in `figures` beside it.

python benches/plots.py [RESULTS]

RESULTS (`benches/results`) holds what `table.py` keeps: `sizes.json` becomes `sizes.svg` (seconds a
gigabyte and peak memory against the size of the tree), `stages.json` becomes `stages.svg` (CPU
seconds of a cold index by stage).
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).with_name("results")

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#bbbbbb")
"""Told apart by those who do not see all colours (Paul Tol's bright scheme)."""


class Drawing:
    """An SVG in the making."""

    def __init__(self, width: float, height: float) -> None:
        """Begins with a white ground."""
        self._size = width, height
        self._parts = [f'<rect width="{width}" height="{height}" fill="white"/>']

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        """Lines from point to point."""
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(
            f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        """A point."""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
            f' fill="{colour}"/>'
        )

    def text(self, x: float, y: float, text: str, at: str = "middle", size: int = 12) -> None:
        """Text that begins (`start`), stands (`middle`) or ends (`end`) at a place."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{at}" font-size="{size}">'
            f"{escape(text)}</text>"
        )

    def save(self, path: Path) -> None:
        """Writes the file."""
        width, height = self._size
        path.parent.mkdir(parents=True, exist_ok=True)
        body = "\n".join(self._parts)
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' font-family="sans-serif" font-size="12">\n{body}\n</svg>\n',
            encoding="utf-8",
        )


@dataclass(frozen=True)
class Panel:
    """A plot whose axis of sizes is logarithmic, and whose other axis begins at 0."""

    left: float
    top: float
    width: float
    height: float
    smallest: float
    largest: float
    """Of the sizes, in MB."""
    highest: float

    def at(self, size: float, value: float) -> tuple[float, float]:
        """Where a value stands."""
        share = math.log(size / self.smallest) / math.log(self.largest / self.smallest)
        return (
            self.left + share * self.width,
            self.top + self.height * (1 - value / self.highest),
        )

    def frame(self, drawing: Drawing, title: str, sizes: Sequence[float]) -> None:
        """Axes, their marks and a title."""
        right, bottom = self.left + self.width, self.top + self.height
        drawing.text(self.left, self.top - 12, title, "start", 13)
        for value in steps(self.highest):
            _, y = self.at(self.smallest, value)
            drawing.line([(self.left, y), (right, y)], "#dddddd")
            drawing.text(self.left - 6, y + 4, f"{value:g}", "end")
        for size in sizes:
            x, _ = self.at(size, 0)
            drawing.line([(x, bottom), (x, bottom + 4)], "black")
            drawing.text(x, bottom + 18, f"{size:,.0f} MB")
        drawing.line([(self.left, self.top), (self.left, bottom), (right, bottom)], "black")


def steps(highest: float) -> list[float]:
    """Four to nine round marks from 0 to `highest`."""
    step = 10.0 ** math.floor(math.log10(highest))
    while highest / step < 4:
        step /= 2 if f"{step:e}"[0] in "15" else 2.5
    return [step * number for number in range(int(highest / step) + 1)]


def draw_sizes(found: list[dict[str, Any]], path: Path) -> None:
    """Seconds a gigabyte, and peak memory, against the size of the tree."""
    drawing = Drawing(900, 330)
    sizes = [each["megabytes"] for each in found]
    panels = (
        ("seconds a GB: wall (blue), CPU (red)", (("seconds", 1e3), ("cpu_seconds", 1e3))),
        ("peak memory, MB", (("peak_mb", None),)),
    )
    for place, (title, lines) in enumerate(panels):
        values = [
            [each[key] * (per / each["megabytes"] if per else 1) for each in found]
            for key, per in lines
        ]
        highest = 1.15 * max(max(line) for line in values)
        panel = Panel(60 + 450 * place, 50, 360, 220, sizes[0] / 1.3, sizes[-1] * 1.3, highest)
        panel.frame(drawing, title, sizes)
        for colour, line in zip(COLOURS, values, strict=False):
            points = [panel.at(size, value) for size, value in zip(sizes, line, strict=True)]
            drawing.line(points, colour, 2)
            for number, ((x, y), value) in enumerate(zip(points, line, strict=True)):
                drawing.dot(x, y, colour)
                # The lower line's numbers stand below it.
                above = value == max(each[number] for each in values)
                drawing.text(x, y - 9 if above else y + 18, f"{value:,.0f}")
    fewest, others = min(each["runs"] for each in found), max(each["others"] for each in found)
    said = f"Cold indexes of folders of Linux 6.1; medians of {fewest} runs or more"
    said += f"; others used {others:.0%} of the cores or less."
    drawing.text(60, 315, said, "start")
    drawing.save(path)


def draw_stages(found: dict[str, Any], path: Path) -> None:
    """CPU seconds of a cold index by stage, and the threads of each."""
    from threads import stage as stage_of

    stages = dict(sorted(found["by_stage"].items(), key=lambda item: -item[1]))
    drawing = Drawing(900, 110 + 26 * len(stages))
    total = sum(stages.values())
    drawing.text(
        20, 24, f"CPU seconds of a cold index of 90 MB of C by stage: {total:.1f} in all,"
        f" {found['seconds']:.1f} by the clock, medians of {found['runs']}", "start", 13,
    )  # fmt: skip
    x = 20.0
    for colour, spent in zip(COLOURS, stages.values(), strict=False):
        drawing.box(x, 36, 860 * spent / total, 30, colour)
        x += 860 * spent / total
    for number, (stage, spent) in enumerate(stages.items()):
        y = 92 + 26 * number
        drawing.box(20, y - 12, 16, 16, COLOURS[number % len(COLOURS)])
        parts = [f"{name} {seconds:.2f}" for name, seconds in found["by_thread"].items()
                 if stage_of(name) == stage and seconds >= 0.01]  # fmt: skip
        drawing.text(44, y, f"{stage}  {spent:.2f} s  ({', '.join(parts)})", "start")
    drawing.save(path)


def draw(results: Path) -> list[Path]:
    """Draws what there is, and returns the files."""
    drawn = []
    for name, how in (("sizes", draw_sizes), ("stages", draw_stages)):
        measured = results / f"{name}.json"
        if measured.exists():
            drawn.append(results.with_name("figures") / f"{name}.svg")
            how(json.loads(measured.read_text("utf-8")), drawn[-1])
    return drawn


def main() -> None:
    """Draws and says what."""
    for path in draw(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS):
        print(path)


if __name__ == "__main__":
    main()
