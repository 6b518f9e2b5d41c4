"""What became of each file of a run, for whoever takes them one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridx.report import FileResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hybridx.report import Change
    from hybridx.stages import Batch

_TOGETHER = 1000


def outcomes(batch: Batch, origins: Mapping[str, str], generation: int) -> list[FileResult]:
    """The files of a batch that was stored.

    Args:
        batch: as it went to the stores, without chunks of files that failed.
        origins: for files that the index had, under which name.
        generation: the one that the next commit makes.
    """
    counts = batch.rows.column("path").value_counts()
    chunks = dict(
        zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    )
    failed = {path: (stage, why) for path, stage, why in (*batch.source.failed, *batch.failed)}
    skipped = frozenset(batch.source.skipped)
    results = []
    for path in batch.source.paths:
        stage, error = failed.get(path, (None, None))
        origin = origins.get(path)
        change: Change = "added" if origin is None else "modified"
        if error is not None:
            change = "failed"
        elif path in skipped:
            change = "skipped"
        elif origin not in {None, path}:
            change = "moved"
        results.append(
            FileResult(
                path=path,
                change=change,
                generation=generation,
                chunks=chunks.get(path, 0),
                moved_from=origin if change == "moved" else None,
                stage=stage,
                error=error,
            )
        )
    return results


def removals(paths: Sequence[str], generation: int) -> Iterator[list[FileResult]]:
    """Files that are gone, some at a time."""
    for first in range(0, len(paths), _TOGETHER):
        some = paths[first : first + _TOGETHER]
        yield [FileResult(path=path, change="removed", generation=generation) for path in some]
