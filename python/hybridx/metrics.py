"""Metrics in Prometheus' text format: what is counted, and how it is written.

Version 0.0.4 of the format, which is a page long and does not change; that what is written is
valid is tested with `prometheus_client`'s parser.
"""

from __future__ import annotations

import contextlib
import os
import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PREFIX = "hybridx_"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of a histogram's buckets."""


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one name. Names of counters end with `_total`, and all have their unit."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    help: str
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0


class Registry:
    """The values of some families. For any thread."""

    def __init__(self, families: Iterable[Family], labels: Mapping[str, str]) -> None:
        """`labels` are added to every series; they may be changed until the first is written."""
        self.families = {each.name: each for each in families}
        self.labels = dict(labels)
        self._values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in self.families}
        self._histograms: dict[str, dict[tuple[str, ...], _Histogram]] = {
            name: {} for name in self.families
        }
        self._lock = threading.Lock()

    def add(self, name: str, amount: float, labels: tuple[str, ...] = ()) -> None:
        """Adds to a counter."""
        self._check(name, "counter", labels)
        with self._lock:
            series = self._values[name]
            series[labels] = series.get(labels, 0.0) + amount

    def set(self, name: str, value: float, labels: tuple[str, ...] = ()) -> None:
        """Sets a gauge, or a counter that is counted elsewhere and never falls."""
        self._check(name, "gauge counter", labels)
        with self._lock:
            self._values[name][labels] = value

    def series(self, name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The values of labels in the order of the family's. Raises `ValueError` for others."""
        wanted = self.families[name].labels
        if labels.keys() != set(wanted):
            raise ValueError(f"{name} has the labels {wanted}, not {tuple(labels)}")
        return tuple(labels[each] for each in wanted)

    def forget(self, name: str) -> None:
        """Drops all series of a gauge: what they told of is not there any more."""
        with self._lock:
            self._values[name].clear()

    def observe(self, name: str, value: float, labels: tuple[str, ...] = ()) -> None:
        """Takes note of one more value of a histogram."""
        self._check(name, "histogram", labels)
        with self._lock:
            found = self._histograms[name].setdefault(labels, _Histogram())
            found.counts[bisect_left(SECONDS, value)] += 1
            found.sum += value

    def _check(self, name: str, kinds: str, labels: tuple[str, ...]) -> None:
        family = self.families[name]
        if family.kind not in kinds or len(labels) != len(family.labels):
            raise ValueError(f"{name} is a {family.kind} with labels {family.labels}")

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        lines = []
        with self._lock:
            for name, family in self.families.items():
                values, histograms = self._values[name], self._histograms[name]
                if values or histograms:
                    lines.append(f"# HELP {PREFIX}{name} {_escaped(family.help, quote=False)}")
                    lines.append(f"# TYPE {PREFIX}{name} {family.kind}")
                for labels, value in sorted(values.items()):
                    lines.append(self._line(family, "", labels, value))
                for labels, histogram in sorted(histograms.items()):
                    lines += self._buckets(family, labels, histogram)
        return "\n".join([*lines, ""])

    def _buckets(
        self, family: Family, labels: tuple[str, ...], histogram: _Histogram
    ) -> Iterable[str]:
        bounds = [*map(_number, SECONDS), "+Inf"]
        for bound, count in zip(bounds, accumulate(histogram.counts), strict=True):
            yield self._line(family, "_bucket", labels, count, le=bound)
        yield self._line(family, "_sum", labels, histogram.sum)
        yield self._line(family, "_count", labels, sum(histogram.counts))

    def _line(
        self, family: Family, suffix: str, labels: tuple[str, ...], value: float, **more: str
    ) -> str:
        pairs = {**self.labels, **dict(zip(family.labels, labels, strict=True)), **more}
        inner = ",".join(f'{name}="{_escaped(text)}"' for name, text in pairs.items())
        return f"{PREFIX}{family.name}{suffix}{{{inner}}} {_number(value)}"


def write_atomically(path: Path, text: str) -> None:
    """Makes `text` the content of the file at `path`; nobody ever sees a part of it.

    What counts is that it is whole, not that it outlives a power cut. Raises `OSError`.
    """
    aside = temporary(path)
    try:
        # A path may hold bytes that are no text.
        aside.write_bytes(text.encode(errors="replace"))
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        # Nobody has heard of the file aside.
        error.filename, error.filename2 = str(path), None
        raise


def temporary(path: Path) -> Path:
    """Where the next content of `path` is written; no collector takes it for metrics."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(text: str, *, quote: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text
