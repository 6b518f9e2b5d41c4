"""The rows of a table as a search that comes often wants them: in memory, and small.

The index of the vectors knows rows, and guesses which of them are near (`hybridx.nearest`). To
compare those LanceDB looks up their ids and reads their vectors, row by row, which takes longer
than the index itself does. Read once and from end to end, they take a quarter of the bytes that
they have there: each number of a vector is one byte, in steps that are the vector's own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridx import _core

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_STEPS = 127
"""The largest number of a vector is so many steps."""


@dataclass(frozen=True, slots=True)
class CompactRows:
    """Ids and vectors of a table's rows, in the order of their row ids."""

    rows: NDArray[np.uint64]
    """LanceDB's row ids, ascending; shape `(n,)`, as of `ids` and `steps`."""
    ids: NDArray[np.uint64]
    codes: NDArray[np.int8]
    """Vectors in steps, shape `(n, dimension)`."""
    steps: NDArray[np.float32]

    def compared(
        self, wanted: NDArray[np.uint64], vector: NDArray[np.float32]
    ) -> tuple[list[int], list[float]]:
        """Ids of the `wanted` rows, and the cosines of their vectors and `vector`.

        They are off by some ten-thousandths, by some thousandths at most. Raises `KeyError` if
        there is no such row.
        """
        at = self.rows.searchsorted(wanted)
        if (self.rows.take(at, mode="clip") != wanted).any():
            raise KeyError("a row that is not there")
        cosines = (self.codes[at].astype(np.float32) @ vector) * self.steps[at]
        return self.ids[at].tolist(), cosines.tolist()


async def read(table: Any, dimension: int) -> CompactRows:
    """All rows of an asynchronous table of LanceDB's, whose vectors have `dimension` numbers."""
    count = await table.count_rows()
    found = CompactRows(
        np.empty(count, np.uint64),
        np.empty(count, np.uint64),
        np.empty((count, dimension), np.int8),
        np.empty(count, np.float32),
    )
    query = table.query().select(["id", "vector"]).with_row_id()
    at = 0
    async for batch in await query.to_batches():
        some = slice(at, at + batch.num_rows)
        found.rows[some] = batch.column("_rowid").to_numpy()
        found.ids[some] = batch.column("id").to_numpy()
        found.codes[some], found.steps[some] = _in_steps(_matrix(batch.column("vector"), dimension))
        at = some.stop
    # The allocator would keep what LanceDB has read ahead. Other searches wait for this thread.
    await asyncio.to_thread(_core.release_memory)
    if at != count or (found.rows[1:] <= found.rows[:-1]).any():
        raise ValueError("the rows are not in the order of their ids")
    return found


def _matrix(column: pa.FixedSizeListArray, dimension: int) -> NDArray[np.float32]:
    flat = column.values.slice(column.offset * dimension, len(column) * dimension)
    matrix: NDArray[np.float32] = flat.to_numpy().reshape(-1, dimension)
    return matrix


def _in_steps(matrix: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors in whole steps, and the steps."""
    largest = np.maximum(matrix.max(axis=1), -matrix.min(axis=1))
    # A vector of zeros is one in steps of any length. Written so that NaN stays.
    largest[largest == 0] = 1.0
    codes = matrix * (_STEPS / largest)[:, None]
    return np.rint(codes, out=codes), largest / _STEPS
