"""A slow model's vectors, filled in beside the index that serves meanwhile.

A transformer may need hours for a large tree. So where the index has another model, or where there
is none yet, the tree is first made searchable with a static model's vectors. Then the transformer's
epoch is filled without the writer's lock, which is free for everybody who keeps the serving epoch
up to date, and in the end, under the lock and after a last scan, it becomes the one that serves.

Only who holds the lock `filling` writes or removes an epoch that is being filled. Whatever ends it
on the way, what it committed stays, and the same command goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.commit import Generation
from hybridx.embed.model import BUNDLED, load_model
from hybridx.errors import HybridxError, IndexBusyError
from hybridx.indexer import Request, Update, fingerprint
from hybridx.report import FileCounts, StageSeconds, TokenCounts, Upgrade

if TYPE_CHECKING:
    from hybridx.commit import Manifest
    from hybridx.config import Settings
    from hybridx.embed.model import Model
    from hybridx.kept import Kept
    from hybridx.layout import Epoch, Layout
    from hybridx.observer import Observer
    from hybridx.tally import Tally
    from hybridx.types import IndexReport, ProgressCallback

_FEW_FILES = 50
"""So many are left to be done under the writer's lock."""
_ROUNDS = 5
"""Times that an epoch is filled before the rest is done under the lock, however much it is."""
_PATIENCE = 3600.0
"""Seconds to wait for other writers once hours of work are done."""
_NAMED = ("--model", "argument")
"""Origins of a model that somebody names now; a configured one is no wish to drop another."""


@dataclass
class Updating:
    """An update by whichever way is right for its model."""

    layout: Layout
    settings: Settings
    model: Model
    request: Request
    chosen_for: Epoch | None
    """The epoch that served when the model was chosen."""
    serving: Model | None
    """The model of the index that serves; `None` if there is none, or it is not to be had."""
    progress: ProgressCallback | None
    cancel: _core.CancelToken
    kept: Kept | None = None
    """What updates of this process leave to each other."""
    observer: Observer | None = None

    async def run(self) -> IndexReport:
        """Updates the index; raises as `Update.run` does."""
        if self.request.repair:
            # What is there is mended, whatever is configured.
            return self._with_rest(await self._direct(self.serving or self.model))
        pending = self.layout.pending()
        wanted = self.layout.epoch(fingerprint(self.model, self.settings))
        beside = self._is_beside()
        if beside and self.request.serving:
            # Others do that, side by side with this: see `hybridx index`.
            return self._with_rest(await self._direct(self.serving or load_model(BUNDLED)))
        if beside and self.serving and self.request.paths is not None and not self._is_named:
            # As when a hook names a file: no reason to begin with hours of work.
            return self._with_rest(await self._direct(self.serving))
        # A direct update writes the epoch that is being filled, or gives it up.
        concerns = pending and (pending.epoch.is_twin_of(wanted) or self._is_named)
        if not beside and not concerns:
            return self._with_rest(await self._direct(self.model))
        if beside:
            # Before anything is made for its sake.
            await asyncio.get_running_loop().run_in_executor(None, self._try_model)
        self.layout.create()
        filling = self.layout.take_filling(1.0)
        if filling is None:
            return await self._meanwhile(beside=beside)
        try:
            if beside:
                return await self._filled()
            # It is built anew, or not wanted any more.
            self.layout.end_upgrade()
            return await self._update(self.model).run()
        finally:
            # Who waits for it sees that it is another file, and takes that.
            with contextlib.suppress(OSError):
                self.layout.filling.unlink()
            filling.release()

    @property
    def _is_named(self) -> bool:
        return self.settings.origin("model") in _NAMED

    def _is_beside(self) -> bool:
        """Whether the model is slow and another one serves, or none does."""
        if self.model.terms or self.request.full:
            return False
        if self.layout.current() is None:
            wanted = self.layout.epoch(fingerprint(self.model, self.settings))
            # There may be one that only lost its pointer.
            known = any(each.made() for each in self.layout.twins_of(wanted))
            return self.request.paths is None and not known
        manifest = self._current()
        return manifest is not None and manifest.model_fingerprint != self.model.fingerprint

    def _current(self) -> Manifest | None:
        # Its lease is not kept: what is superseded meanwhile may go.
        with contextlib.suppress(HybridxError):
            generation = Generation.current(self.layout)
            return generation.manifest if generation else None
        return None

    async def _direct(self, model: Model) -> IndexReport:
        """An update without detours, unless another epoch serves once the lock is there."""
        update = self._update(model)
        if not self._is_named:
            update.expected = (self.chosen_for,)
        return await update.run()

    def _update(self, model: Model, *, patient: bool = False) -> Update:
        settings = self.settings
        if patient:
            timeout = max(settings.lock_timeout, _PATIENCE)
            settings = dataclasses.replace(settings, lock_timeout=timeout)
        update = Update(self.layout, settings, model, self.request, self.progress, self.cancel)
        update.kept = self.kept or update.kept
        update.observer = self.observer
        return update

    async def _filled(self) -> IndexReport:
        start = time.perf_counter()
        serving = load_model(BUNDLED) if self.layout.current() is None else self.serving
        if serving is not None and serving.terms:
            # A matter of seconds, and everything can be searched.
            await dataclasses.replace(self._update(serving), is_last=False).run()
        first: _core.Snapshot | None = None
        tallies: list[Tally] = []
        for number in range(_ROUNDS):
            update = self._update(self.model, patient=number > 0)
            work = await update.fill(self.model.reference)
            first = work.before if first is None else first
            tallies.append(work.tally)
            if work.tally.expected <= _FEW_FILES:
                break
        report = await self._update(self.model, patient=True).run()
        return self._whole(report, first or _core.Snapshot(), tallies, start)

    def _try_model(self) -> None:
        """Embeds a text. Raises `ModelError`."""
        from hybridx.embed.embedder import Embedder  # heavy

        settings = self.settings
        embedder = Embedder(self.model, device=settings.device, require_gpu=settings.require_gpu)
        embedder.embed_queries(["read the file"])

    def _whole(
        self, last: IndexReport, first: _core.Snapshot, tallies: list[Tally], start: float
    ) -> IndexReport:
        """The report of all rounds: from what the epoch held before to what it holds now."""
        generation = Generation.current(self.layout)
        if generation is None:
            return last
        changes = generation.snapshot.tree.diff(first.tree)
        kinds = {
            "added": len(changes.added),
            "modified": len(changes.modified),
            "moved": len(changes.moved),
        }
        files, chunks = last.files, last.chunks
        left = files.seen - files.skipped - files.failed - sum(kinds.values())
        added = chunks.added + sum(each.added_chunks for each in tallies)
        return dataclasses.replace(
            last,
            device=next((t.device for t in tallies if t.device != "none"), last.device),
            files=FileCounts(
                seen=files.seen,
                removed=len(changes.removed),
                unchanged=left,
                skipped=files.skipped,
                failed=files.failed,
                **kinds,
            ),
            chunks=dataclasses.replace(
                chunks,
                added=added,
                removed=first.totals().chunks + added - chunks.total,
                embedded=chunks.embedded + sum(each.embedded for each in tallies),
                reused_vectors=chunks.reused_vectors + sum(each.reused for each in tallies),
                cached=chunks.cached + sum(each.cached for each in tallies),
            ),
            tokens=TokenCounts(
                last.tokens.embedded + sum(each.tokens for each in tallies),
                last.tokens.padding + sum(each.cells - each.tokens for each in tallies),
            ),
            bytes_read=last.bytes_read + sum(each.bytes_read for each in tallies),
            seconds=self._seconds(last, tallies, time.perf_counter() - start),
        )

    def _seconds(self, last: IndexReport, tallies: list[Tally], total: float) -> StageSeconds:
        stages: dict[str, float] = dataclasses.asdict(last.seconds)
        for tally in tallies:
            for stage, seconds in tally.stage_seconds.items():
                stages[stage] += seconds
        stages["total"] = total
        return StageSeconds(**{stage: round(seconds, 4) for stage, seconds in stages.items()})

    async def _meanwhile(self, *, beside: bool) -> IndexReport:
        """Another process is filling: the index that serves is kept up to date."""
        current, wanted = self.layout.current(), fingerprint(self.model, self.settings)
        pending = self.layout.pending()
        mine = pending is None or pending.epoch.is_twin_of(self.layout.epoch(wanted))
        model = self.serving if beside and (mine or not self._is_named) else None
        if current and not self.request.full and current.is_twin_of(self.layout.epoch(wanted)):
            model = self.model
        if model is None:
            raise IndexBusyError(
                f"{self.layout.who_fills()} is filling in another model's vectors for "
                f"{self.layout.root}: wait for it, or end it; it can go on later"
            )
        return self._with_rest(await self._direct(model))

    def _with_rest(self, report: IndexReport) -> IndexReport:
        return dataclasses.replace(report, upgrade=unfinished(self.layout, report.chunks.total))


def unfinished(layout: Layout, total: int) -> Upgrade | None:
    """How far another model's vectors are, if they are being filled in.

    `total` is how many chunks there are to be.
    """
    pending = layout.pending()
    if pending is None:
        return None
    chunks = 0
    with contextlib.suppress(HybridxError, OSError):
        generation = Generation.of(pending.epoch)
        chunks = generation.manifest.chunks if generation else 0
    # Files may have gone since it was committed.
    coverage = min(1.0, chunks / total) if total else 1.0
    pid = layout.filler()
    return Upgrade(pending.name, pending.model, chunks, total, round(coverage, 4), pid)
