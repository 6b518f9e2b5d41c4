"""How far an update is, as a line a stage: what it counts, how fast it is, how long it will be."""

from __future__ import annotations

from dataclasses import dataclass

from hybridx.pace import Pace
from hybridx.report import Progress
from hybridx.units import size

_WITH_RATE, _WITH_ETA, _WITH_BAR = 44, 58, 76
"""Columns of a terminal from which on there is room for each."""
_BAR = 18
_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class Row:
    """A line: texts for its columns, which may be empty, and the share that is done."""

    name: str
    count: str
    rate: str = ""
    eta: str = ""
    share: float | None = None


class Stages:
    """Makes the lines of what an update tells. Not for several threads."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._now = Progress("scan")
        self._pass = 1
        self._pace = Pace(0.0)

    def tell(self, now: Progress) -> None:
        """Takes in what the update tells."""
        if now.stage == "scan" and self._now.stage != "scan":
            # What counts from zero again is another pass, not a step back.
            self._pass += 1
            self._pace = Pace(0.0)
        vectors = now.chunks_embedded + now.chunks_reused
        self._pace.look(now.seconds, now.files_read, vectors, now.chunks_read)
        self._now = now

    def rows(self) -> list[Row]:
        """The lines as of now."""
        now, pace = self._now, self._pace
        rows = []
        if self._pass > 1:
            rows.append(Row(f"pass {self._pass}", "searches are answered meanwhile"))
        if now.files_total is None:
            return [*rows, Row("files", f"scanning {clock(now.seconds)}")]
        total, vectors = now.files_total, now.chunks_embedded + now.chunks_reused
        left = pace.seconds_for(total - now.files_read, None)
        known = f", {now.chunks_reused:,} known" if now.chunks_reused else ""
        stored = f"{now.files_done:,} of {total:,} files, {size(now.bytes_done)}"
        finishing = now.stage == "commit" and now.files_done >= total
        return [
            *rows,
            Row(
                "files",
                f"{now.files_read:,} of {total:,}",
                _rate(pace.files),
                _eta(left),
                _share(now.files_read, total),
            ),
            Row("chunks", f"{now.chunks_read:,}", _rate(pace.chunks)),
            Row(
                "embeddings",
                f"{now.chunks_embedded:,}{known}",
                _rate(pace.bytes),
                share=_share(vectors, now.chunks_read),
            ),
            Row(
                "store",
                f"{stored}, committing" if finishing else stored,
                f"{size(now.bytes_per_second)}/s" if now.bytes_per_second else "",
                _eta(now.eta_seconds),
                _share(now.files_done, total),
            ),
        ]


def layout(rows: list[Row], width: int) -> list[list[tuple[str, str]]]:
    """Lines of `(text, style)`, none of them as wide as a terminal of `width` columns."""
    room = width - 1
    names = max((len(row.name) for row in rows), default=0)
    # Where there is room, columns are so wide from the beginning that they need not move.
    least = (30, 8) if width >= _WITH_BAR else (0, 0)
    counts = max((least[0], *(len(row.count) for row in rows)))
    rates = max((least[1], *(len(row.rate) for row in rows)))
    lines = []
    for row in rows:
        parts = [(f"{row.name:<{names}}  ", "cyan")]
        if width >= _WITH_BAR and any(each.share is not None for each in rows):
            filled = round((row.share or 0.0) * _BAR)
            parts += [("━" * filled, "green"), ("─" * (_BAR - filled), "dim"), ("  ", "")]
            if row.share is None:
                parts[1:3] = [(" " * _BAR, "")]
        parts.append((f"{row.count:<{counts}}", ""))
        if width >= _WITH_RATE and rates:
            parts.append((f"  {row.rate:>{rates}}", "dim"))
        if width >= _WITH_ETA and row.eta:
            parts.append((f"  ETA {row.eta}", "bold"))
        lines.append(_cropped(parts, room))
    return lines


def clock(seconds: float) -> str:
    """`0:07`, `12:40`, `3:05:00`."""
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, _HOUR)
    minutes, last = divmod(rest, _MINUTE)
    return f"{hours}:{minutes:02}:{last:02}" if hours else f"{minutes}:{last:02}"


def _cropped(parts: list[tuple[str, str]], room: int) -> list[tuple[str, str]]:
    found = []
    for text, style in parts:
        if room <= 0:
            break
        found.append((text[:room], style))
        room -= len(text)
    return found


def _share(done: int, total: int) -> float:
    return min(done / total, 1.0) if total else 0.0


def _rate(count: float) -> str:
    return f"{count:,.0f}/s" if count >= 0.5 else ""  # noqa: PLR2004 - else it reads 0/s


def _eta(seconds: float | None) -> str:
    return "" if seconds is None else clock(seconds + 0.5)
