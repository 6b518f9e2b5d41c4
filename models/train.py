"""Train the distilled model on pairs, contrastively and after a teacher, in NumPy.

A text's embedding is Σ log(1 + count) × weight × vector over its terms, at unit length. In every
batch a question should be nearest to its own passage among all passages of the batch, and the
passage to its question (softmax over cosines). Where the teacher has seen both, part of the target
is how near it finds them all to each other, questions among themselves included. Adam moves the
vectors and log weights of the terms that a batch holds. Runs of several settings (`RUNS`) start
from the same parameters, and what they reach is averaged: that is better than the best of them.
Reads WORK/distilled.npz, terms.txt, terms.tsv, pairs.npz, teacher.npz; writes WORK/trained.npz.

    python models/train.py WORK
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from batches import Ints, Pairs
from pairs import DOC, MENTION, MESSAGE, NAME

SEED = 20240607
BUCKETS = 8192
BUCKET_WEIGHT = 0.25  # what a bucket weighs at first: a term has a dozen of them
BATCH = 2048
SHARES = {DOC: 6.0, NAME: 1.0, MESSAGE: 1.0, MENTION: 1.5}
RATE_WEIGHTS = 1e-2
HELD_OUT_SHARE = 0.06  # of the packages
HELD_OUT = 2048

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """The settings of a run."""

    steps: int = 300
    temperature: float = 0.05
    rate: float = 2e-3
    """Of the vectors."""
    keep: float = 1.0
    """The share of a question's terms that is left in."""
    taught: float = 0.0
    """How much of the target is the teacher's, where it has one."""
    relational: float = 0.0
    """What the likeness of questions counts."""
    teacher_temperature: float = 0.05


RUNS = (
    Options(),
    Options(rate=4e-3),
    Options(temperature=0.07),
    Options(steps=240, rate=4e-3, keep=0.9, taught=0.5, relational=0.5),
    Options(
        steps=240,
        rate=3e-3,
        temperature=0.08,
        taught=0.5,
        relational=1.0,
        teacher_temperature=0.07,
    ),
)


@dataclass
class Lesson:
    """What the teacher makes of some pairs of a batch."""

    rows: Ints
    questions: Floats
    passages: Floats


class Adam:
    """Adam on the rows that a step touches; the moments of the others rest."""

    def __init__(self, parameters: Floats) -> None:
        """Start with zero moments."""
        self.parameters = parameters
        self.mean = np.zeros_like(parameters)
        self.square = np.zeros_like(parameters)
        self.steps = 0

    def step(self, rows: Ints, gradient: Floats, rate: float) -> None:
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
    x = x - x.max(1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(1, keepdims=True)
    return x


def alike(x: Floats, temperature: float) -> Floats:
    """How each row shares its likeness out among the others."""
    scores = x @ x.T / np.float32(temperature)
    np.fill_diagonal(scores, -100)
    return softmax(scores)


class Trainer:
    """The parameters and one training step."""

    def __init__(self, vectors: Floats, weights: Floats, options: Options) -> None:
        """Start from these parameters."""
        self.options = options
        self.vectors = Adam(vectors.copy())
        self.log_weights = Adam(np.log(weights)[:, None].astype(np.float32))

    def embed(self, texts: sparse.csr_array) -> Floats:
        """Unit embeddings."""
        table = np.exp(self.log_weights.parameters) * self.vectors.parameters
        return unit(texts @ table)[0]

    def step(
        self,
        questions: sparse.csr_array,
        passages: sparse.csr_array,
        same: NDArray[np.bool_],
        lesson: Lesson | None,
        rate: float,
    ) -> float:
        """One step on a batch; returns the loss.

        `same` marks what is no wrong answer though it stands beside the diagonal; `rate` scales
        the learning rates.
        """
        half = questions.shape[0]
        both = sparse.vstack([questions, passages], format="csr")
        rows, columns = np.unique(both.indices, return_inverse=True)
        local = sparse.csr_array((both.data, columns, both.indptr), shape=(2 * half, len(rows)))
        weights = np.exp(self.log_weights.parameters[rows])
        vectors = self.vectors.parameters[rows]
        embedded, length = unit(local @ (weights * vectors))
        loss, toward = self._slope(embedded[:half], embedded[half:], same, lesson)
        toward -= embedded * (toward * embedded).sum(1, keepdims=True)
        gradient = local.T @ (toward / length)
        pulled = (gradient * vectors).sum(1, keepdims=True) * weights
        self.vectors.step(rows, gradient * weights, rate * self.options.rate)
        self.log_weights.step(rows, pulled, rate * RATE_WEIGHTS)
        return loss

    def _slope(
        self, q: Floats, p: Floats, same: NDArray[np.bool_], lesson: Lesson | None
    ) -> tuple[float, Floats]:
        """The loss, and its gradient by the embeddings of questions, then of passages."""
        o = self.options
        half = len(q)
        logits = q @ p.T / np.float32(o.temperature)
        logits[same] -= 100
        forward, backward = softmax(logits), softmax(logits.T)
        right = np.arange(half)
        loss = -np.log(np.maximum(forward[right, right], 1e-9)).mean()
        slope = forward + backward.T
        slope[right, right] -= 2
        if lesson is not None and o.taught:
            block = np.ix_(lesson.rows, lesson.rows)
            scores = lesson.questions @ lesson.passages.T / np.float32(o.teacher_temperature)
            mine = logits[block]
            missed = softmax(mine) - softmax(scores)
            missed += (softmax(mine.T) - softmax(scores.T)).T
            slope *= np.float32(1 - o.taught)
            slope[block] += np.float32(o.taught) * missed
        slope /= np.float32(2 * half * o.temperature)
        toward = np.concatenate([slope @ p, slope.T @ q])
        if lesson is not None and o.relational:
            mine = q[lesson.rows]
            missed = alike(mine, o.temperature) - alike(lesson.questions, o.teacher_temperature)
            missed *= np.float32(o.relational / (half * o.temperature))
            toward[lesson.rows] += (missed + missed.T) @ mine
        return float(loss), toward


def start(work: Path, pairs: Pairs) -> tuple[Floats, Floats]:
    """Distilled vectors and weights; a bucket begins as the mean of the terms that share it."""
    with np.load(work / "distilled.npz") as file:
        vectors, weights = file["vectors"], file["weights"]
    size = len(pairs.vocabulary)
    buckets = unit(pairs.ngrams[:size, size:].T @ vectors)[0]
    first = np.full(len(buckets), BUCKET_WEIGHT)
    return (
        np.concatenate([vectors, buckets]).astype(np.float32),
        np.concatenate([weights, first]).astype(np.float32),
    )


def rank(trainer: Trainer, questions: sparse.csr_array, passages: sparse.csr_array) -> float:
    """Mean reciprocal rank of each question's passage among all passages."""
    scores = trainer.embed(questions) @ trainer.embed(passages).T
    better = (scores > scores.diagonal()[:, None]).sum(1)
    return float((1 / (1 + better)).mean())


class Course:
    """Which pairs are seen when."""

    def __init__(self, work: Path, pairs: Pairs) -> None:
        """Hold packages out and read what the teacher said."""
        rng = np.random.default_rng(SEED)
        held = rng.random(pairs.package.max() + 1) < HELD_OUT_SHARE
        outside = held[pairs.package]
        chance = np.zeros(len(pairs.kind))
        for kind, share in SHARES.items():
            members = ~outside & (pairs.kind == kind)
            chance[members] = share / max(1, members.sum())
        self._members = np.flatnonzero(chance)
        self._cumulated = np.cumsum(chance[self._members]) / chance.sum()
        self.trials = {
            name: pairs.trial(
                rng.permutation(np.flatnonzero(outside & (pairs.kind == kind)))[:HELD_OUT], rng
            )
            for name, kind in (("documentation", DOC), ("mentions", MENTION))
        }
        with np.load(work / "teacher.npz") as file:
            seen = ~outside[file["pair"]]
            self._taught = file["pair"][seen]
            self._said = file["question"][seen], file["passage"][seen]
        self._place = np.full(len(pairs.kind), -1)
        self._place[self._taught] = np.arange(len(self._taught))

    def draw(self, known: int, rng: np.random.Generator) -> Ints:
        """The pairs of a batch, `known` of them chosen from those that the teacher has seen."""
        drawn = np.searchsorted(self._cumulated, rng.random(BATCH - known))
        free = self._members[np.minimum(drawn, len(self._members) - 1)]
        seen = self._taught[rng.integers(0, len(self._taught), known)]
        both: Ints = np.unique(np.concatenate([free, seen]))
        return both

    def lesson(self, batch: Ints) -> Lesson:
        """What the teacher says of the pairs of a batch."""
        rows = np.flatnonzero(self._place[batch] >= 0)
        places = self._place[batch[rows]]
        questions, passages = (said[places].astype(np.float32) for said in self._said)
        return Lesson(rows, questions, passages)


def run(trainer: Trainer, pairs: Pairs, course: Course, rng: np.random.Generator) -> None:
    """Trains, and says how it goes."""
    o = trainer.options
    steps = o.steps
    guided = bool(o.taught or o.relational)
    began, losses = time.time(), [0.0]
    for step in range(steps + 1):
        if step % max(1, steps // 4) == 0 or step == steps:
            ranks = [f"{name} {rank(trainer, *each):.3f}" for name, each in course.trials.items()]
            seconds = time.time() - began
            mean = np.mean(losses)
            print(f"{step}: loss {mean:.3f}, MRR {', '.join(ranks)}, {seconds:.0f} s", flush=True)
            losses = []
        if step == steps:
            return
        batch = course.draw(BATCH // 2 if guided else 0, rng)
        questions, passages = pairs.batch(batch, o.keep, rng)
        told = pairs.passage[batch]
        same = told[:, None] == told[None, :]
        np.fill_diagonal(same, False)
        lesson = course.lesson(batch) if guided else None
        losses.append(trainer.step(questions, passages, same, lesson, 1 - step / steps))


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("work", type=Path)
    args = parser.parse_args()
    pairs = Pairs(args.work, BUCKETS)
    course = Course(args.work, pairs)
    first = start(args.work, pairs)
    tables: list[Floats] = []
    logs: list[Floats] = []
    for number, options in enumerate(RUNS):
        print(options, flush=True)
        trainer = Trainer(*first, options)
        run(trainer, pairs, course, np.random.default_rng([SEED, number]))
        logs.append(trainer.log_weights.parameters)
        tables.append(np.exp(logs[-1]) * trainer.vectors.parameters)
        weights = np.exp(np.mean(logs, axis=0))
        mean = Trainer(np.mean(tables, axis=0) / weights, weights[:, 0], options)
        ranks = [f"{name} {rank(mean, *each):.3f}" for name, each in course.trials.items()]
        print(f"mean of {number + 1}: MRR {', '.join(ranks)}", flush=True)
        # After every run, so that what is interrupted is not lost.
        np.savez(args.work / "trained.npz", vectors=mean.vectors.parameters, weights=weights[:, 0])


if __name__ == "__main__":
    main()
