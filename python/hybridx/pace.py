"""How fast a run gets on, and when it will be through."""

from __future__ import annotations

import math
from dataclasses import dataclass

MEMORY_SECONDS = 10.0
"""What lies further back counts for little: the first batches wait for LanceDB to be loaded, and
files come in no order of difficulty."""

JUDGED_AFTER = 1.0
"""Seconds before a forecast is dared."""


@dataclass(slots=True)
class Pace:
    """Rates of what was counted, those of the last seconds most.

    Rates are exponentially weighted means, corrected for the weight that is missing at the
    beginning: the very first one is that of the first interval, not a fraction of it.
    """

    at: float
    """Seconds at which counting began, and then those of the last look."""
    files: float = 0.0
    bytes: float = 0.0
    chunks: float = 0.0
    _seen: tuple[int, int, int] = (0, 0, 0)
    _weight: float = 0.0
    """Seconds that were looked at, the earlier ones discounted."""
    _watched: float = 0.0

    def look(self, now: float, files: int, size: int, chunks: int) -> None:
        """Takes in counts as of `now`, seconds on any clock that only goes forward."""
        passed = now - self.at
        if passed <= 0:
            return
        kept = math.exp(-passed / MEMORY_SECONDS)
        weight = self._weight * kept + passed
        counts = (files, size, chunks)
        rates = [
            (rate * self._weight * kept + count - before) / weight
            for rate, count, before in zip(self._rates, counts, self._seen, strict=True)
        ]
        self.files, self.bytes, self.chunks = rates
        self.at, self._seen, self._weight = now, counts, weight
        self._watched += passed

    def seconds_for(self, files: int, size: int | None) -> float | None:
        """How long `files` that take `size` bytes will be; `None` while nobody could say."""
        if not files:
            return 0.0
        # Bytes tell more: files differ in size by orders of magnitude.
        left, rate = (files, self.files) if size is None else (size, self.bytes)
        if self._watched < JUDGED_AFTER or rate <= 0:
            return None
        return left / rate

    @property
    def _rates(self) -> tuple[float, float, float]:
        return self.files, self.bytes, self.chunks
