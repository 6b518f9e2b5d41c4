"""Rows a second of the vector store beside LanceDB alone, on the same ready rows.

python benches/vector_write.py [--rows 200000] [--runs 5] [--dimension 256]

`store` is what an index's write of vectors is: batches of chunks and arrays of vectors, a megabyte
of text each, put together and added by `VectorStore` as the pipeline adds them. `lancedb` is
`table.add` of the same rows, made into Arrow before the clock starts, in one call. Neither is made
durable. They run in turn, each in an empty folder. The ratio is LanceDB's median time by the
store's; CPU seconds are of all threads.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from hybridx import _core
from hybridx.budget import Budget
from hybridx.lance import load_lancedb
from hybridx.store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    Batch: TypeAlias = tuple[pa.RecordBatch, NDArray[np.float32]]
    """What the store keeps of chunks, and their vectors, shape `(n, dimension)`."""

BATCH_ROWS = 730
"""Chunks in a batch of the kernel: one megabyte of text and terms."""

CHUNKS_PER_FILE = 29


def rows(count: int, dimension: int) -> list[Batch]:
    """Batches of the columns that the store keeps, with vectors of unit length."""
    random = np.random.default_rng(0)
    batches = []
    for start in range(0, count, BATCH_ROWS):
        size = min(BATCH_ROWS, count - start)
        files = range(start // CHUNKS_PER_FILE, (start + size) // CHUNKS_PER_FILE + 1)
        paths = [f"drivers/net/ethernet/vendor{n % 97}/file_{n}.c" for n in files]
        path = [paths[(start + n) // CHUNKS_PER_FILE - files[0]] for n in range(size)]
        digests = random.bytes(16 * size)
        columns = {
            "id": pa.array(random.integers(0, 1 << 63, size, dtype=np.uint64)),
            "path": pa.array(path),
            "language": pa.array(["c"] * size),
            "kind": pa.array(["function" if n % 3 else "code" for n in range(size)]),
            "text_digest": pa.array(
                [digests[16 * n : 16 * n + 16] for n in range(size)], pa.binary(16)
            ),
        }
        vectors = random.standard_normal((size, dimension), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        batches.append((pa.record_batch(columns), vectors))
    return batches


def measured(work: Callable[[Path], object], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(folder)
    return time.perf_counter() - wall, time.process_time() - cpu


def by_store(folder: Path, dimension: int, batches: Sequence[Batch], flush_rows: int) -> None:
    """Adds all rows as `Writer` does: what has come together as one version."""
    store = VectorStore(folder, dimension)
    store.restore(0)
    waiting: list[pa.RecordBatch] = []
    held = 0
    for batch, vectors in batches:
        waiting.append(store.rows(batch, vectors))
        held += batch.num_rows
        if held >= flush_rows:
            store.add(waiting)
            waiting, held = [], 0
    if waiting:
        store.add(waiting)


def main() -> None:
    """Measures and prints one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--flush-rows", type=int, help="rows of a version; by default an index's")
    asked = parser.parse_args()
    flush_rows = asked.flush_rows or Budget.of(None, asked.dimension).flush_rows
    batches = rows(asked.rows, asked.dimension)
    # As an index does it, for both.
    _core.map_large_blocks()
    lancedb = load_lancedb()

    def alone(folder: Path) -> None:
        table = lancedb.connect(str(folder)).create_table("chunks", schema=ready.schema)
        table.add(ready)

    def ours(folder: Path) -> None:
        by_store(folder, asked.dimension, batches, flush_rows)

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        template = VectorStore(place, asked.dimension)
        ready = pa.Table.from_batches([template.rows(*each) for each in batches])
        found: dict[str, list[tuple[float, float]]] = {"store": [], "lancedb": []}
        # The first of each warms up: LanceDB starts its threads.
        for run in range(asked.runs + 1):
            for who, work in (("store", ours), ("lancedb", alone)):
                folder = place / who
                folder.mkdir()
                times = measured(work, folder)
                if run:
                    found[who].append(times)
                shutil.rmtree(folder)
    wall = {who: statistics.median(wall for wall, _ in times) for who, times in found.items()}
    cpu = {who: statistics.median(cpu for _, cpu in times) for who, times in found.items()}
    result = {
        "rows": asked.rows,
        "flush_rows": flush_rows,
        "seconds": wall,
        "cpu_seconds": cpu,
        "rows_per_second": {who: asked.rows / seconds for who, seconds in wall.items()},
        "runs": {who: [wall for wall, _ in times] for who, times in found.items()},
        "ratio": wall["lancedb"] / wall["store"],
        "cpu_ratio": cpu["lancedb"] / cpu["store"],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
