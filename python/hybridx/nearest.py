"""The index of the vectors: when there is one, how it is built, how it is asked.

Few vectors are compared one by one. From `LEAST_ROWS` on there is an index of LanceDB's kind
IVF_SQ: each number of a vector in one byte, similar vectors in one partition. It was chosen by
measurement (`benches/README.md`): building it costs a small part of what making chunks does, and
a search reads a quarter of the bytes and, of many partitions, some three fifths. Vectors of a
static model lie in no clusters: fewer would miss more than one in twenty of the ten nearest.

It is derived from the rows and stands beside them: without it everything is found all the same.
Rows that were added since it was built are compared one by one, by LanceDB itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hybridx.errors import Cancelled, StoreError

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Coroutine

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from hybridx import _core

LEAST_ROWS = 8192
"""With fewer rows an exact search takes no longer than asking an index."""

PARTITION_ROWS = 8192
"""Rows of a partition, about."""
_SAMPLES = 64
"""Vectors for each partition that its place is learned from."""

_PROBED = 0.6
"""Share of the partitions that a search looks into."""
_LEAST_PROBED = 16

_ALL = 1 << 16
"""More partitions than there are."""

_STALE = 32
"""The index is built anew once a row in so many is not in it,"""
_PATIENCE = 4
"""but at the cost of a small update only when so many times as many are not."""

ROW_OVERHEAD = 16
"""Bytes of a row in the index, beyond one for each number of its vector."""

NAME = "vector_idx"
"""What LanceDB calls it."""

MOST_BESIDE = 16_384
"""Rows that the index does not cover may be so many to be kept in memory beside it: 16 MiB with 256
dimensions. LanceDB would read them with each search, and compare what the index finds once more."""

_POLL = 0.1

_T = TypeVar("_T")


def is_due(rows: int, covered: int, uncovered: int, added: int) -> bool:
    """Whether an index is to be built, or built anew, after a run.

    Of `rows` rows an index covers `covered`; `uncovered` were written since, `added` of them by
    this run. A run that adds little leaves it to one that adds more, so that small updates stay
    small; left alone for long, it falls to one of them nevertheless.
    """
    if rows < LEAST_ROWS:
        return False
    if covered == 0:
        return True
    bound = max(LEAST_ROWS, rows // _STALE)
    return uncovered > bound and (added * _PATIENCE >= uncovered or uncovered > bound * _PATIENCE)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the index of an open table covers."""

    covered: int
    uncovered: int

    @property
    def probes(self) -> int:
        """Into how many partitions a search looks."""
        return max(_LEAST_PROBED, math.ceil(_partitions(self.covered) * _PROBED))


def _partitions(rows: int) -> int:
    """Into how many partitions an index divides so many rows."""
    return max(1, rows // PARTITION_ROWS)


def coverage(table: Any) -> Coverage | None:
    """What the index of a table covers; `None` if it has none."""
    found = table.index_stats(NAME)
    return None if found is None else Coverage(found.num_indexed_rows, found.num_unindexed_rows)


def build(table: Any, cancel: _core.CancelToken | None) -> None:
    """Builds the index of a table, or builds it anew; the table is at its next version then.

    Raises `Cancelled` if the token was set meanwhile: what LanceDB left is in nobody's way.
    """
    from lancedb.index import IvfSq

    config = IvfSq(
        # The product of vectors is not what LanceDB compares bytes by fast.
        distance_type="cosine",
        num_partitions=_partitions(table.count_rows()),
        sample_rate=_SAMPLES,
    )
    work = _asynchronous(table).create_index("vector", config=config, replace=True, name=NAME)
    wait(start(work), cancel)


def _asynchronous(table: Any) -> Any:
    """The asynchronous table that LanceDB's other one calls, at half of that one's overhead.

    It is private there, but has been for long; versions are pinned, and tests would tell.
    """
    return table._table  # noqa: SLF001


def start(work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
    """Starts a coroutine of LanceDB's where LanceDB runs them, beside what the caller does."""
    import asyncio  # 15 ms that a search of words alone does not need

    from lancedb.background_loop import LOOP

    return asyncio.run_coroutine_threadsafe(work, LOOP.loop)


def wait(running: concurrent.futures.Future[_T], cancel: _core.CancelToken | None = None) -> _T:
    """What becomes of work that was started, which ends if the wait for it does."""
    import concurrent.futures

    try:
        if cancel is not None:
            while not concurrent.futures.wait([running], _POLL).done:
                if cancel.cancelled:
                    raise Cancelled("cancelled")
        return running.result()
    except BaseException:
        running.cancel()
        raise


async def search(
    table: Any,
    vector: NDArray[np.float32],
    limit: int,
    where: str | None,
    found: Coverage | None,
    *,
    by_row: bool = False,
    alone: bool = False,
) -> tuple[list[pa.RecordBatch], float]:
    """`id` and `_distance` of the nearest rows, in batches; and what a distance is to be times.

    With `by_row` LanceDB's `_rowid` may be there in place of the id, which it has to look up.
    With `alone` rows that the index does not cover are left out: the caller has them.
    Times that, a distance is one minus the cosine. Without an index (`found` is `None`) every row
    is compared, or every one that satisfies `where`.
    """
    query = _asynchronous(table).query()
    scale = 1.0
    if where:
        query = query.where(where)
    exact = found is None or bool(where) or (found.uncovered > 0 and not alone)
    if not exact:
        # LanceDB need not look for rows that are missing from the index.
        query = query.fast_search()
    query = query.nearest_to(vector).column("vector").distance_type("cosine")
    if found is None:
        query = query.bypass_vector_index().distance_type("dot")
    else:
        # What a filter lets through may be in any of them, and finding out which rows it lets
        # through takes longer than comparing them.
        query = query.nprobes(_ALL if where else found.probes)
        if exact:
            # What is found is compared once more by the vectors themselves, as LanceDB does
            # anyway when there are rows that are not in the index.
            query = query.refine_factor(1)
        else:
            # From the index alone LanceDB gives squared distances of unit vectors.
            scale = 0.5
    if by_row and not exact:
        query = query.select(["_distance"]).with_row_id()
    else:
        query = query.select(["id", "_distance"])
    query = query.limit(limit)
    return [batch async for batch in await query.to_batches()], scale


_CHECKED = 32
_CLOSE = 0.05
"""How far a similarity from the index may be off: a tenth of that is usual."""


def check(table: Any, dimension: int) -> None:
    """Asks the index for some stored vectors, and compares its answers with those of the vectors.

    Raises `StoreError` if it does not answer as it should: then it must not be used.
    """
    import numpy as np

    found = coverage(table)
    if found is None:
        raise StoreError("the index of the vectors is missing")
    rows = table.search().select(["vector"]).limit(_CHECKED).to_arrow()
    flat = rows.column("vector").combine_chunks().values.to_numpy()
    for vector in flat.reshape(-1, dimension)[:: _CHECKED // 4]:
        if not vector.any():
            continue
        by_index = _similarities(*wait(start(search(table, vector, _CHECKED, None, found))))
        # As if rows were missing from it: what it finds is compared by the vectors then.
        refined = Coverage(found.covered, max(1, found.uncovered))
        by_vectors = _similarities(*wait(start(search(table, vector, _CHECKED, None, refined))))
        off = [abs(by_index[each] - by_vectors[each]) for each in by_index.keys() & by_vectors]
        itself = max(by_index.values(), default=0.0)
        if itself < 1 - _CLOSE or np.median(off) > _CLOSE:
            raise StoreError("the index of the vectors does not answer as the vectors do")


def _similarities(batches: list[pa.RecordBatch], scale: float) -> dict[int, float]:
    return {
        row: 1.0 - scale * distance
        for batch in batches
        for row, distance in zip(
            batch.column("id").to_pylist(), batch.column("_distance").to_pylist(), strict=True
        )
    }
