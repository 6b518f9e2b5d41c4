"""What a process that stays keeps from one update to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import _core
    from hybridx.commit import Generation, Manifest
    from hybridx.config import Settings
    from hybridx.embed.embedder import Embedder
    from hybridx.embed.model import Model
    from hybridx.layout import Layout


FEW_FRESH = 64
"""Reading so many files once more takes less time than writing the cache of `MANY_FILES`."""
MANY_FILES = 10_000


@dataclass
class Kept:
    """What a process that updates again and again need not make anew each time."""

    embedder: Embedder | None = None
    scanned: _core.StatCache | None = None
    """That of the last update, as it was saved."""
    unsaved: int = 0
    """Files that it knows of and its file does not, or otherwise."""
    scanned_as: tuple[int, ...] | None = None
    """What its file looked like then: others may have written it since."""
    files: _core.Inventory | None = None
    """Those of the vector store, as the last update left them."""
    committed: tuple[str, _core.Snapshot] | None = None
    """The snapshot of the last commit, and the digest of its file."""
    resident: bool = False
    """Whether there will be further updates: only then is it worth keeping anything."""
    _embedder_of: tuple[object, ...] = ()

    def stat_cache(self, layout: Layout) -> _core.StatCache | None:
        """The stat cache as it lies on the disk, if it is the one that was saved here last."""
        return self.scanned if self.scanned_as == _looks(layout.stat_cache) else None

    def save(self, scan: _core.Scan, layout: Layout) -> None:
        """Writes the stat cache of a scan, if it is worth it. Raises `OSError`.

        The file is as long as the tree is large. Without the last few files in it, the next scan of
        another process reads those few once more.
        """
        if scan.cache is None:
            return
        self.unsaved += scan.fresh
        if self.unsaved > FEW_FRESH or len(scan.tree) < MANY_FILES:
            scan.cache.save(layout.stat_cache)
            self.unsaved = 0
        if self.resident:
            self.scanned, self.scanned_as = scan.cache, _looks(layout.stat_cache)

    def lend(self, base: Generation) -> None:
        """Gives a generation its snapshot, if it is the one that was committed here last."""
        if self.committed and self.committed[0] == base.manifest.snapshot_digest:
            base.snapshot = self.committed[1]

    def keep(self, manifest: Manifest, snapshot: _core.Snapshot, files: _core.Inventory) -> None:
        """Keeps what was committed, and the files that the vector store had then."""
        if self.resident:
            self.files = files
            self.committed = manifest.snapshot_digest, snapshot.with_vector_files(files)

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
