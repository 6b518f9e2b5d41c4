"""What a process that stays keeps from one update to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import _core
    from hybridx.config import Settings
    from hybridx.embed.embedder import Embedder
    from hybridx.embed.model import Model
    from hybridx.layout import Layout


@dataclass
class Kept:
    """What a process that updates again and again need not make anew each time."""

    embedder: Embedder | None = None
    scanned: _core.StatCache | None = None
    """That of the last update, as it was saved."""
    scanned_as: tuple[int, ...] | None = None
    """What its file looked like then: others may have written it since."""
    files: _core.Inventory | None = None
    """Those of the vector store, as the last update left them."""
    resident: bool = False
    """Whether there will be further updates: only then is it worth keeping anything."""
    _embedder_of: tuple[object, ...] = ()

    def stat_cache(self, layout: Layout) -> _core.StatCache | None:
        """The stat cache as it lies on the disk, if it is the one that was saved here last."""
        return self.scanned if self.scanned_as == _looks(layout.stat_cache) else None

    def save(self, cache: _core.StatCache, layout: Layout) -> None:
        """Writes the stat cache. Raises `OSError`."""
        cache.save(layout.stat_cache)
        if self.resident:
            self.scanned, self.scanned_as = cache, _looks(layout.stat_cache)

    def warm_up(self, model: Model, settings: Settings) -> None:
        """Loads what the next update would load first. Raises `ModelError`."""
        from hybridx.lance import load_lancedb

        load_lancedb()
        self.load_embedder(model, settings, settings.threads)

    def load_embedder(self, model: Model, settings: Settings, jobs: int) -> Embedder:
        """The model, loaded; raises `ModelError`."""
        from hybridx.embed.embedder import Embedder  # heavy

        device, required = settings.device, settings.require_gpu
        wanted = (model.reference, model.fingerprint, device, required, jobs)
        if self.embedder is None or self._embedder_of != wanted:
            # Not two of them at a time.
            self.embedder = None
            self.embedder = Embedder(model, device=device, require_gpu=required, jobs=jobs)
            self._embedder_of = wanted
        return self.embedder


def _looks(path: Path) -> tuple[int, ...] | None:
    """By what one can see that a file was replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
