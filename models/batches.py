"""Pairs as the model sees them, drawn anew in every batch.

Columns of all matrices are rows of the model: the vocabulary, and behind it the buckets of the
n-grams of terms that are not in it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ngrams import buckets_of, has_buckets
from pairs import DOC, MENTION, MESSAGE, NAME, gather

SHORTEST, LONGEST = 4, 20  # terms of a question that is the beginning of something
WITHOUT_DOC, WHOLE = 0.5, 0.2  # shares of questions from a documentation whose passage is so
UNKNOWN = 0.03  # share of the vocabulary that a batch takes for unknown

Ints = NDArray[np.int64]


def squashed(counts: sparse.csr_array) -> sparse.csr_array:
    """log(1 + count)."""
    counts = counts.copy()
    counts.eliminate_zeros()
    counts.data = np.log1p(counts.data).astype(np.float32)
    return counts


def less(counts: sparse.csr_array, taken: sparse.csr_array) -> sparse.csr_array:
    """What is left of counts; none is below 0."""
    left = (counts - taken).tocsr()
    np.maximum(left.data, 0, out=left.data)
    return left


def filled(counts: sparse.csr_array, value: float) -> sparse.csr_array:
    """The same places, all holding `value`."""
    out = counts.copy()
    out.data = np.full(len(out.data), value, np.float32)
    return out


def only(rows: NDArray[np.bool_]) -> sparse.dia_array:
    """A diagonal that keeps the marked rows."""
    return sparse.diags_array(rows.astype(np.float32))


class Pairs:
    """All pairs, and batches of them."""

    def __init__(self, work: Path, buckets: int) -> None:
        """Read and renumber."""
        self.vocabulary = (work / "terms.txt").read_text(encoding="utf-8").split("\n")[:-1]
        with (work / "terms.tsv").open(encoding="utf-8") as lines:
            rows = [line.split("\t", 2)[:2] for line in lines]
        with np.load(work / "pairs.npz") as file:
            data = dict(file)
        size = len(self.vocabulary)
        self.width = size + buckets
        ids = {term: at for at, term in enumerate(self.vocabulary)}
        known = np.array([ids.get(term, -1) for term, _ in rows], np.int64)
        used = np.zeros(len(rows), bool)
        used[data["bag_indices"]] = True
        used[data["question"]] = True
        # The parts of an unknown compound are there beside it.
        unknown = np.array(
            [
                at
                for at in np.flatnonzero(used & (known < 0))
                if not rows[at][1] and has_buckets(rows[at][0])
            ],
            np.int64,
        )
        at, bucket = buckets_of([rows[at][0] for at in unknown], buckets)
        owners = np.concatenate([np.flatnonzero(known >= 0), unknown[at]])
        columns = np.concatenate([known[known >= 0], bucket + size])
        ones = np.ones(len(owners), np.float32)
        self._map = sparse.csr_array((ones, (owners, columns)), shape=(len(rows), self.width))
        at, bucket = buckets_of(self.vocabulary, buckets)
        ones = np.ones(len(at), np.float32)
        self.ngrams = sparse.csr_array((ones, (at, bucket + size)), shape=(self.width, self.width))
        self.bags, self.docs, self.names = (
            self._mapped(data, name, len(rows)) for name in ("bag", "doc", "name")
        )
        self._question, self._starts = data["question"], data["question_starts"]
        self.lengths = np.diff(self._starts)
        self.passage, self.kind, self.package = data["passage"], data["kind"], data["package"]

    def _mapped(
        self, data: dict[str, NDArray[np.int64]], name: str, width: int
    ) -> sparse.csr_array:
        counts, columns, starts = (data[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
        shape = (len(starts) - 1, width)
        matrix = sparse.csr_array((counts.astype(np.float32), columns, starts), shape=shape)
        return (matrix @ self._map).tocsr()

    def questions(
        self, pairs: Ints, lengths: Ints, keep: float, rng: np.random.Generator
    ) -> sparse.csr_array:
        """The first `lengths` terms of the pairs' questions, of which a share is kept."""
        numbers = self._question[gather(self._starts[pairs], lengths)]
        rows = np.repeat(np.arange(len(pairs)), lengths)
        chosen = rng.random(len(numbers)) < keep
        numbers, rows = numbers[chosen], rows[chosen]
        shape = (len(pairs), self._map.shape[0])
        ones = np.ones(len(rows), np.float32)
        return (sparse.csr_array((ones, (rows, numbers)), shape=shape) @ self._map).tocsr()

    def batch(
        self, pairs: Ints, keep: float, rng: np.random.Generator
    ) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Questions and passages as this time's chance has them, ready to be weighed."""
        kind, most = self.kind[pairs], self.lengths[pairs]
        begun = np.minimum(most, rng.integers(SHORTEST, LONGEST, len(pairs)))
        lengths = np.where(kind == MENTION, most, begun)
        questions = self.questions(pairs, lengths, keep, rng)
        chance = rng.random(len(pairs)).astype(np.float32)
        # A passage is without its documentation, without the terms that are asked, or whole.
        undocumented = (kind == DOC) & (chance < WITHOUT_DOC)
        shares = np.select([kind == DOC, kind == NAME, kind == MESSAGE], [WHOLE, 0.5, 0.2], 1.0)
        unasked = ~undocumented & (chance < 1 - shares)
        rows = self.passage[pairs]
        taken = only(undocumented) @ self.docs[rows] + only(unasked) @ filled(questions, 3)
        passages = less(self.bags[rows], taken.tocsr())
        # A mention names the definition: half of the time only what else it says counts.
        nameless = (kind == MENTION) & (chance < 0.5)
        questions = less(questions, (only(nameless) @ filled(self.names[rows], 9)).tocsr())
        gone = rng.random(self.width) < UNKNOWN
        gone[len(self.vocabulary) :] = False
        change = (only(~gone) + only(gone) @ self.ngrams).tocsr()
        return squashed((questions @ change).tocsr()), squashed((passages @ change).tocsr())

    def trial(
        self, pairs: Ints, rng: np.random.Generator
    ) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Questions of a dozen terms, and passages without the documentation that they are from."""
        lengths = np.minimum(self.lengths[pairs], 12)
        rows = self.passage[pairs]
        documented = only(self.kind[pairs] == DOC) @ self.docs[rows]
        passages = less(self.bags[rows], documented.tocsr())
        return squashed(self.questions(pairs, lengths, 1.0, rng)), squashed(passages)
