"""What embedding costs: an index with a model, against its bare session fed with ready batches.

python benches/embedding.py TREE [MODEL ...] [--device cuda] [--runs N]

For each MODEL (`bundled`, or a folder) indexes TREE cold, nothing remembered, and then runs
nothing but the model over the same chunks: they are read, encoded and padded before the clock
starts, each batch to its own longest text, and taken by as many threads as there are cores. Each
run is a fresh process; the two take turns, and of each the median counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

import measured
from hybridx import _core
from hybridx.embed import load_model
from hybridx.embed.embedder import Embedder

if TYPE_CHECKING:
    from hybridx.types import Device


def bare(tree: Path, name: str, device: Device) -> dict[str, Any]:
    """The rate of the session alone; in a process of its own."""
    jobs = len(os.sched_getaffinity(0))
    embedder = Embedder(load_model(name), device=device, require_gpu=device == "cuda", jobs=jobs)
    paths = [str(path) for path in _core.MerkleTree.from_path(tree).paths()]
    parts = []
    for batch in _core.ingest(tree, paths, jobs=jobs):
        rows = pa.record_batch(batch)
        parts.append(embedder.encode(rows, np.zeros(rows.num_rows, dtype=np.bool_)))
    chunks = sum(map(len, parts))
    vectors = np.zeros((chunks, embedder.model.dimension), dtype=np.float32)
    start, cpu = time.perf_counter(), time.process_time()
    done = embedder.run(parts, vectors)
    return {
        "chunks": chunks,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "padding": 1 - done.tokens / done.cells,
    }


def index(tree: Path, name: str, device: Device) -> dict[str, Any]:
    """A cold index with the model."""
    with tempfile.TemporaryDirectory() as scratch:
        run = measured.run(
            [sys.executable, "-m", "hybridx", "index", str(tree), "--full", "--json", "--quiet",
             "--device", device, "--model", name, *(["--require-gpu"] if device == "cuda" else [])],
            {"HYBRIDX_INDEX_DIR": f"{scratch}/index", "HYBRIDX_CACHE_DIR": f"{scratch}/cache"},
        )  # fmt: skip
    report = json.loads(run.output)
    tokens = report["tokens"]
    return {
        "chunks": report["chunks"]["embedded"],
        "seconds": run.seconds,
        "cpu_seconds": run.cpu_seconds,
        "embed_seconds": report["seconds"]["embed"],
        "tokenize_seconds": report["seconds"]["tokenize"],
        "peak_mib": run.peak_mib,
        "padding": tokens["padding"] / (tokens["padding"] + tokens["embedded"]),
        "others": run.others,
    }


def compare(tree: Path, name: str, device: Device, runs: int) -> dict[str, Any]:
    """Both in turn, and their medians."""
    found: dict[str, list[dict[str, Any]]] = {"index": [], "bare": []}
    for _ in range(runs):
        found["index"].append(index(tree, name, device))
        alone = measured.run(
            [sys.executable, __file__, str(tree), name, "--bare", "--device", device]
        )
        found["bare"].append(json.loads(alone.output))
    result: dict[str, Any] = {"model": name, "device": device}
    for which, those in found.items():
        result[which] = {key: statistics.median(each[key] for each in those) for key in those[0]}
    rates = {
        which: result[which]["chunks"] / result[which]["seconds"] for which in ("index", "bare")
    }
    whole, alone_ = result["index"], result["bare"]
    return {
        **result,
        "chunks_per_second": rates,
        "share_of_the_bare_session": rates["index"] / rates["bare"],
        "share_in_cpu_time": alone_["cpu_seconds"] / alone_["chunks"]
        * whole["chunks"] / whole["cpu_seconds"],
    }  # fmt: skip


def main() -> None:
    """Reads the arguments and prints one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("models", nargs="*", default=["bundled"])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    tree = options.tree.resolve()
    if options.bare:
        print(json.dumps(bare(tree, options.models[0], options.device)))
        return
    print(
        json.dumps(
            [compare(tree, name, options.device, options.runs) for name in options.models], indent=2
        )
    )


if __name__ == "__main__":
    main()
