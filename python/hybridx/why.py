"""Why a file is, or is not, in the index: what the snapshot says, and what the tree says now."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from hybridx import _core, scan
from hybridx.types import Rule, Why

if TYPE_CHECKING:
    from hybridx.commit import Generation
    from hybridx.config import Settings
    from hybridx.layout import Layout
    from hybridx.types import Next, Verdict

    Row = tuple[str, int, int, str, str | None, dict[str, int]]


def explain(layout: Layout, settings: Settings, generation: Generation | None, path: str) -> Why:
    """Explains the file or folder at `path`, relative to the root; `""` is the root.

    Raises:
        UsageError: it is not below the root.
        OSError: there is no such root.
    """
    now = scan.explain_path(layout, settings, path) if path else None
    snapshot = generation.snapshot if generation else _core.Snapshot()
    why = Why(
        path=path,
        root=str(layout.root),
        generation=generation.manifest.generation if generation else None,
        verdict="folder",
        stands=now.stands if now else "folder",
        decided_at=now.decided_at if now else path,
        cause=now.cause if now else None,
        rule=Rule(*now.rule) if now and now.rule else None,
        reason=now.skip[0] if now and now.skip else None,
        detail=now.skip[1] if now and now.skip else None,
    )
    row = snapshot.file(path)
    if row is not None:
        return _indexed(why, now, row)
    if now is None or now.stands == "folder":
        verdict: Verdict = "ignored" if why.cause else "skipped" if why.reason else "folder"
        return replace(why, verdict=verdict, below=_below(snapshot, path) if generation else None)
    return _absent(why, now, snapshot)


def _indexed(why: Why, now: _core.Explanation | None, row: Row) -> Why:
    digest, size, chunks, language, decoded_as, redactions = row
    after: Next = "remove"
    if now and now.digest is not None and now.cause is None:
        after = "nothing" if now.digest == digest else "index"
    return replace(
        why,
        verdict="indexed",
        next=after,
        language=language,
        chunks=chunks,
        bytes=size,
        digest=digest,
        decoded_as=decoded_as,
        redactions=redactions,
    )


def _absent(why: Why, now: _core.Explanation, snapshot: _core.Snapshot) -> Why:
    """A file that is not indexed: first as it is now, then as the last run left it."""
    wanted = now.digest is not None and now.cause is None
    why = replace(why, next="index" if wanted else "nothing", language=now.language)
    if now.stands == "nothing":
        return replace(why, verdict="missing")
    if now.cause is not None:
        return replace(why, verdict="ignored")
    if now.skip is not None:
        return replace(why, verdict="skipped")
    failed = {path: (stage, message) for path, stage, message in snapshot.failed}
    if why.path in failed:
        stage, message = failed[why.path]
        return replace(why, verdict="failed", next="retry", stage=stage, message=message)
    ledger = {path: (reason, detail) for path, reason, detail in snapshot.skipped}
    at = why.path
    while at and at not in ledger:
        at = at.rpartition("/")[0]
    if at:
        reason, detail = ledger[at]
        return replace(why, verdict="skipped", decided_at=at, reason=reason, detail=detail)
    return replace(why, verdict="new")


def _below(snapshot: _core.Snapshot, folder: str) -> dict[str, int]:
    """How many files below a folder are what."""
    prefix = f"{folder}/" if folder else ""
    counts = Counter({"indexed": sum(path.startswith(prefix) for path in snapshot.paths())})
    counts.update(reason for path, reason, _ in snapshot.skipped if path.startswith(prefix))
    counts["failed"] = sum(path.startswith(prefix) for path, _, _ in snapshot.failed)
    return dict(counts)
