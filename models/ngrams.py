"""The model's backoff: a plain term that is not in the vocabulary is known by its n-grams.

A term's n-grams are those of its UTF-8 bytes between `<` and `>`, hashed with FNV-1a (32 bits)
into buckets, whose rows follow those of the vocabulary. rust/core/src/tokenize.rs does the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZES = (3, 4)
MAX_BYTES = 24  # a longer term is data
OFFSET, PRIME = np.uint32(2166136261), np.uint32(16777619)


def has_buckets(term: str) -> bool:
    """Whether an unknown term has n-grams: names do, numbers and data do not."""
    return 3 <= len(term.encode()) <= MAX_BYTES and not term[0].isnumeric()


def buckets_of(terms: list[str], buckets: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """`(rows, buckets)`: which term has which bucket, as often as it has it."""
    marked = [f"<{term}>".encode() if has_buckets(term) else b"" for term in terms]
    data = np.frombuffer(b"".join(marked), np.uint8)
    lengths = np.array([len(each) for each in marked], np.int64)
    owner = np.repeat(np.arange(len(terms)), lengths)
    ends = np.repeat(np.cumsum(lengths), lengths)
    rows, found = [], []
    for size in SIZES:
        start = np.flatnonzero(np.arange(len(data)) + size <= ends)
        hashed = np.full(len(start), OFFSET, np.uint32)
        for at in range(size):
            hashed = (hashed ^ data[start + at]) * PRIME
        rows.append(owner[start])
        found.append((hashed % np.uint32(buckets)).astype(np.int32))
    return np.concatenate(rows), np.concatenate(found)
