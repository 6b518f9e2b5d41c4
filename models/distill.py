"""Distil the static model: every term of the vocabulary through MiniLM, then PCA and weights.

Reads WORK/words.txt and WORK/frequencies.npy, writes WORK/distilled.npz: `vectors` (unit rows,
256 dimensions) and `weights` (one a term, smooth inverse frequency).

    python models/distill.py WORK
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import minilm

DIMENSION = 256
SMOOTHING = 3e-3  # a term this frequent weighs half of a rare one


def reduce(vectors: minilm.Floats, dimension: int) -> minilm.Floats:
    """Centre, rotate onto the principal axes and keep the first `dimension`, as unit rows."""
    centred = vectors - vectors.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    kept: minilm.Floats = centred @ axes[:, ::-1][:, :dimension]
    kept /= np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-9)
    return kept


def main() -> None:
    """Distil."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    work = parser.parse_args().work
    words = (work / "words.txt").read_text(encoding="utf-8").split("\n")[:-1]
    model = minilm.MiniLM(minilm.fetch(work))
    vectors = reduce(model.encode(words), DIMENSION)
    shares = np.load(work / "frequencies.npy")
    weights = SMOOTHING / (SMOOTHING + shares)
    np.savez(work / "distilled.npz", vectors=vectors, weights=weights.astype(np.float32))
    print(f"{len(words)} terms distilled to {DIMENSION} dimensions")


if __name__ == "__main__":
    main()
