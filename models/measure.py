"""Measure an exported model: session start, memory and throughput on one thread.

python models/measure.py MODEL
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

SHAPES = [(64, 64), (32, 128), (16, 256)]
ROUNDS = 64


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(folder: Path, level: str) -> str:
    """The figures of one optimisation level; the process should be a fresh one."""
    terms = (folder / "terms.txt").read_text(encoding="utf-8").count("\n")
    rng = np.random.default_rng(0)
    stream = (rng.zipf(1.2, 2_000_000) % terms).astype(np.int64)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    before, start = resident(), time.process_time()
    session = ort.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    took = time.process_time() - start
    figures = [f"{level:16} start {1e3 * took:.0f} CPU ms, +{resident() - before:.0f} MiB"]
    for batch, length in SHAPES:
        size = batch * length
        feeds = [
            {
                "input_ids": stream[at * size :][:size].reshape(batch, length),
                "attention_mask": rng.integers(1, 4, (batch, length)),
            }
            for at in range(ROUNDS)
        ]
        best = float("inf")
        for _ in range(5):
            start = time.process_time()
            for feed in feeds:
                session.run(None, feed)
            best = min(best, time.process_time() - start)
        figures.append(f"{batch}×{length} {ROUNDS * size / best / 1e6:.1f} M terms/s")
    return ", ".join(figures)


def main() -> None:
    """Measure each level in a process of its own and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model
    context = multiprocessing.get_context("spawn")
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"):
        with context.Pool(1) as pool:
            print(pool.apply(measure, (folder, level)))


if __name__ == "__main__":
    main()
