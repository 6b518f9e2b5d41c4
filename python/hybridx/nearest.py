"""The index of the vectors: when there is one, how it is built, how it is asked.

Few vectors are compared one by one. From `LEAST_ROWS` on there is an index of LanceDB's kind
IVF_RQ: each number of a vector in one bit, similar vectors in one partition. It was chosen by
measurement (`benches/README.md`): building it costs a small part of what making chunks does, and
a search reads a thirtieth of the bytes and, of many partitions, some three fifths. Vectors of a
static model lie in no clusters: fewer would miss more than one in twenty of the ten nearest.

What it says of a distance is a guess. It is asked for so many rows that the nearest are among
them, and those are compared by their vectors: by LanceDB, which reads them one by one, or by
whoever has them in memory (`hybridx.compact`). Vectors of few numbers, of which a bit each says
too little, have an index of the kind IVF_SQ, a byte a number; so have tables of earlier versions.

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
    from hybridx.compact import CompactRows

LEAST_ROWS = 8192
"""With fewer rows an exact search takes no longer than asking an index."""

PARTITION_ROWS = 32_768
"""Rows of a partition, about."""
_PARTITION_ROWS_BYTES = 8192
"""The same of an index with a byte a number, whose rows take longer to compare."""
_LEAST_DIMENSION_BITS = 128
"""With fewer numbers a bit of each says too little."""
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

_ROW_OVERHEAD = 16
"""Bytes of a row in the index, beyond those for the numbers of its vector."""

CANDIDATES = 200
"""The index is asked for at least so many rows: with a bit a number and 256 numbers, of a million
rows 199 in 200 of the ten nearest are among them."""


_SPARE = 3
"""For each row that is wanted it is asked for so many: of the 128 nearest 92 in 100 are among them,
with twice as many 85, and 94 with four times."""


def candidates(limit: int) -> int:
    """How many rows an index with a bit a number is asked for, of which `limit` are wanted."""
    return max(CANDIDATES, limit * _SPARE)


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
    by_bits: bool = True
    """Whether it has a bit of each number, or a byte."""

    @property
    def probes(self) -> int:
        """Into how many partitions a search looks."""
        partitions = _partitions(self.covered, by_bits=self.by_bits)
        return max(_LEAST_PROBED, math.ceil(partitions * _PROBED))


def _partitions(rows: int, *, by_bits: bool) -> int:
    """Into how many partitions an index divides so many rows."""
    return max(1, rows // (PARTITION_ROWS if by_bits else _PARTITION_ROWS_BYTES))


def _by_bits(dimension: int) -> bool:
    """Whether an index of such vectors has a bit of each number. LanceDB wants whole bytes."""
    return dimension >= _LEAST_DIMENSION_BITS and dimension % 8 == 0


def row_bytes(dimension: int) -> int:
    """Bytes of a row in an index that is built now, about."""
    return (dimension // 8 if _by_bits(dimension) else dimension) + _ROW_OVERHEAD


def coverage(table: Any) -> Coverage | None:
    """What the index of a table covers; `None` if it has none."""
    found = table.index_stats(NAME)
    if found is None:
        return None
    by_bits = found.index_type == "IVF_RQ"
    return Coverage(found.num_indexed_rows, found.num_unindexed_rows, by_bits)


def build(table: Any, dimension: int, cancel: _core.CancelToken | None) -> None:
    """Builds the index of a table, or builds it anew; the table is at its next version then.

    Raises `Cancelled` if the token was set meanwhile: what LanceDB left is in nobody's way.
    """
    from lancedb.index import IvfRq, IvfSq

    by_bits = _by_bits(dimension)
    kind = IvfRq if by_bits else IvfSq
    config = kind(
        # The product of vectors is not what LanceDB compares bytes by fast.
        distance_type="cosine",
        num_partitions=_partitions(table.count_rows(), by_bits=by_bits),
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


def start_reading(table: Any, dimension: int) -> concurrent.futures.Future[CompactRows]:
    """Starts reading all rows of a table into memory."""
    from hybridx import compact

    return start(compact.read(_asynchronous(table), dimension))


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
    alone: bool = False,
    guessed: bool = False,
) -> list[pa.RecordBatch]:
    """`id` and `_distance` of the nearest rows, at least `limit` if there are so many, in batches.

    A distance is one minus the cosine. Without an index (`found` is `None`) every row is compared,
    or every one that satisfies `where`.

    With `alone` rows that the index does not cover are left out: the caller has them. If the rows
    are `guessed`, they are those that the index alone takes for the nearest: their `_rowid` is
    there in place of the id, and their distance is twice what the index takes it for.
    """
    query = _asynchronous(table).query()
    if where:
        query = query.where(where)
    everything = found is None or bool(where) or (found.uncovered > 0 and not alone)
    if not everything:
        # LanceDB need not look for rows that are missing from the index.
        query = query.fast_search()
    query = query.nearest_to(vector).column("vector").distance_type("cosine")
    if found is None:
        query = query.bypass_vector_index().distance_type("dot").limit(limit)
    else:
        # What a filter lets through may be in any of them, and finding out which rows it lets
        # through takes longer than comparing them.
        query = query.nprobes(_ALL if where else found.probes)
        query = query.limit(candidates(limit) if found.by_bits else max(limit, CANDIDATES))
    if guessed:
        query = query.select(["_distance"]).with_row_id()
    else:
        # What is found is compared once more by the vectors themselves.
        query = query.select(["id", "_distance"])
        query = query if found is None else query.refine_factor(1)
    return [batch async for batch in await query.to_batches()]


_CHECKED = 32
_CLOSE = 0.1
"""How far a similarity from the index may be off: a third of that is usual."""


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
        guessed = wait(start(search(table, vector, 1, None, found, alone=True, guessed=True)))
        compared = wait(start(search(table, vector, 1, None, found, alone=True)))
        guesses, similarities = 1 - _distances(guessed) / 2, 1 - _distances(compared)
        itself = similarities.max(initial=0.0)
        # They are of the same rows, if in another order.
        off = abs(np.median(guesses) - np.median(similarities)) if len(guesses) else np.inf
        # Written so that NaN fails.
        if not (itself >= 1 - _CLOSE and off <= _CLOSE):
            raise StoreError("the index of the vectors does not answer as the vectors do")


def _distances(batches: list[pa.RecordBatch]) -> NDArray[np.float32]:
    import numpy as np

    found = [batch.column("_distance").to_numpy() for batch in batches]
    return np.concatenate([np.empty(0, np.float32), *found])
