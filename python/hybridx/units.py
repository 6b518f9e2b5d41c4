"""Quantities in words."""

from __future__ import annotations

_KILO = 1000.0


def size(count: float) -> str:
    """Bytes in decimal units: `512 B`, `3.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} TB"
