"""Train the distilled model on mined pairs, contrastively, in NumPy.

A text's embedding is Σ log(1 + count) × weight × vector over its terms, at unit length. In every
batch a question should be nearest to its own code among all codes of the batch, and the code to
its question (softmax over cosines). Adam moves the vectors and log weights of the terms that a
batch holds. Reads WORK/distilled.npz, terms.txt, pairs.jsonl; writes WORK/trained.npz.

    python models/train.py WORK
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hybridx._core import analyze

SEED = 20240607
EPOCHS = 3
BATCH = 1024
TEMPERATURE = 0.05
RATE_VECTORS, RATE_WEIGHTS = 2e-3, 1e-2
MAX_TERMS = 256
HELD_OUT = 2048

Floats = NDArray[np.float32]


def matrix(texts: list[str], ids: dict[str, int]) -> sparse.csr_array:
    """Texts × terms, holding log(1 + count)."""
    indices: list[int] = []
    values: list[int] = []
    starts = [0]
    for text in texts:
        bare = (term.removeprefix("+") for term in analyze(text).split())
        found = Counter(ids[term] for term in bare if term in ids)
        items = list(found.items())[:MAX_TERMS]
        indices += [term for term, _ in items]
        values += [n for _, n in items]
        starts.append(len(indices))
    data = np.log1p(np.array(values, np.float32))
    return sparse.csr_array((data, indices, starts), shape=(len(texts), len(ids)))


class Adam:
    """Adam on the rows that a step touches; the moments of the others rest."""

    def __init__(self, parameters: Floats) -> None:
        """Start with zero moments."""
        self.parameters = parameters
        self.mean = np.zeros_like(parameters)
        self.square = np.zeros_like(parameters)
        self.steps = 0

    def step(self, rows: NDArray[np.int64], gradient: Floats, rate: float) -> None:
        """Move `rows` against their gradient."""
        self.steps += 1
        mean = 0.9 * self.mean[rows] + 0.1 * gradient
        square = 0.99 * self.square[rows] + 0.01 * gradient * gradient
        self.mean[rows], self.square[rows] = mean, square
        rate *= float(np.sqrt(1 - 0.99**self.steps) / (1 - 0.9**self.steps))
        self.parameters[rows] -= rate * mean / (np.sqrt(square) + 1e-8)


def unit(x: Floats) -> tuple[Floats, Floats]:
    """Rows at unit length, and their lengths."""
    length = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    return x / length, length


def softmax(x: Floats) -> Floats:
    """Softmax over the last axis."""
    x = np.exp(x - x.max(1, keepdims=True))
    out: Floats = x / x.sum(1, keepdims=True)
    return out


class Trainer:
    """The parameters and one training step."""

    def __init__(self, vectors: Floats, weights: Floats) -> None:
        """Start from distilled parameters."""
        self.vectors = Adam(vectors.copy())
        self.log_weights = Adam(np.log(weights)[:, None].copy())

    def embed(self, texts: sparse.csr_array) -> Floats:
        """Unit embeddings."""
        table = np.exp(self.log_weights.parameters) * self.vectors.parameters
        return unit(texts @ table)[0]

    def step(self, questions: sparse.csr_array, codes: sparse.csr_array, rate: float) -> float:
        """One step on a batch; `rate` scales the learning rates. Returns the loss."""
        half = questions.shape[0]
        both = sparse.vstack([questions, codes], format="csr")
        rows, columns = np.unique(both.indices, return_inverse=True)
        local = sparse.csr_array((both.data, columns, both.indptr), shape=(2 * half, len(rows)))
        weights = np.exp(self.log_weights.parameters[rows])
        vectors = self.vectors.parameters[rows]
        embedded, length = unit(local @ (weights * vectors))
        q, c = embedded[:half], embedded[half:]
        logits = q @ c.T / np.float32(TEMPERATURE)
        forward, backward = softmax(logits), softmax(logits.T)
        right = np.arange(half)
        loss = -np.log(np.maximum(forward[right, right], 1e-9)).mean()
        slope = forward + backward.T
        slope[right, right] -= 2
        slope /= np.float32(2 * half * TEMPERATURE)
        toward = np.concatenate([slope @ c, slope.T @ q])
        toward -= embedded * (toward * embedded).sum(1, keepdims=True)
        table_gradient = local.T @ (toward / length)
        pulled = (table_gradient * vectors).sum(1, keepdims=True) * weights
        self.vectors.step(rows, table_gradient * weights, rate * RATE_VECTORS)
        self.log_weights.step(rows, pulled, rate * RATE_WEIGHTS)
        return float(loss)


def held_out_rank(trainer: Trainer, questions: sparse.csr_array, codes: sparse.csr_array) -> float:
    """Mean reciprocal rank of each held-out question's code among the held-out codes."""
    scores = trainer.embed(questions) @ trainer.embed(codes).T
    better = (scores > scores.diagonal()[:, None]).sum(1)
    return float((1 / (1 + better)).mean())


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    terms = (args.work / "terms.txt").read_text(encoding="utf-8").split("\n")[:-1]
    ids = {term: at for at, term in enumerate(terms)}
    with (args.work / "pairs.jsonl").open(encoding="utf-8") as file:
        pairs = [json.loads(line) for line in file]
    questions = matrix([question for question, _ in pairs], ids)
    codes = matrix([code for _, code in pairs], ids)
    distilled = np.load(args.work / "distilled.npz")
    trainer = Trainer(distilled["vectors"], distilled["weights"])
    test = slice(0, HELD_OUT)
    rank = held_out_rank(trainer, questions[test], codes[test])
    print(f"{len(pairs)} pairs, held-out MRR {rank:.3f}")
    rng = np.random.default_rng(SEED)
    batches = (len(pairs) - HELD_OUT) // BATCH
    for epoch in range(args.epochs):
        order = HELD_OUT + rng.permutation(len(pairs) - HELD_OUT)
        losses = []
        for at in range(batches):
            members = np.sort(order[at * BATCH : (at + 1) * BATCH])
            done = (epoch + at / batches) / args.epochs
            losses.append(trainer.step(questions[members], codes[members], 1 - done))
        rank = held_out_rank(trainer, questions[test], codes[test])
        print(
            f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, held-out MRR {rank:.3f}",
            flush=True,
        )
    np.savez(
        args.work / "trained.npz",
        vectors=trainer.vectors.parameters,
        weights=np.exp(trainer.log_weights.parameters[:, 0]),
    )


if __name__ == "__main__":
    main()
