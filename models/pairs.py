"""Make (question, passage) pairs of the chunks: what is said of code, and the code.

A passage is a chunk as the product embeds it. Its questions are, by `kind`: 0 the beginning of its
documentation, 1 the words of its names, 2 a message in it, 3 what a changelog or manual says of a
definition that begins in it. What of a question the passage may still hold is decided in training.
Reads WORK/chunks.npz, mentions.npz, terms.tsv; writes WORK/pairs.npz:

    question, question_starts  term numbers of every pair's question, in order
    passage, kind, package     one number a pair; `passage` is a row of the next two
    bag_*, doc_*, name_*       sparse matrices (passages × terms of the corpus): how often a passage
                               holds a term, and how often its documentation and its names do
    chunk, document, language  one number a passage

    python models/pairs.py WORK
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

SEED = 20240607
DOC, NAME, MESSAGE, MENTION = range(4)
MIN_TERMS = {DOC: 4, NAME: 3, MESSAGE: 5, MENTION: 5}
MAX_TERMS = 32
HEAD = 8  # questions that begin with the same terms are one
MAX_OF_PACKAGE = {DOC: 15_000, NAME: 3_000, MESSAGE: 2_500, MENTION: 20_000}
MIN_REST = 15  # terms that a passage holds beyond its question

Ints = NDArray[np.int64]


def gather(starts: Ints, lengths: Ints) -> Ints:
    """The places of all elements of ragged rows, one row after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)


def bags(
    data: dict[str, NDArray[np.int32]], field: str, rows: Ints, width: int
) -> sparse.csr_array:
    """How often each of `rows` holds each term in a field."""
    starts = data[f"{field}_starts"].astype(np.int64)
    lengths = starts[rows + 1] - starts[rows]
    columns = data[field][gather(starts[rows], lengths)]
    pointers = np.concatenate([[0], np.cumsum(lengths)])
    out = sparse.csr_array(
        (np.ones(len(columns), np.float32), columns, pointers), shape=(len(rows), width)
    )
    out.sum_duplicates()
    return out


def main() -> None:
    """Select and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("work", type=Path)
    work = parser.parse_args().work
    rng = np.random.default_rng(SEED)
    with np.load(work / "chunks.npz") as file:
        data = dict(file)
    with np.load(work / "mentions.npz") as file:
        mentions = dict(file)
    with (work / "terms.tsv").open(encoding="utf-8") as lines:
        width = sum(1 for _ in lines)
    sizes = np.diff(data["passage_starts"])
    sources = [
        (DOC, data["doc"], data["doc_starts"], np.arange(len(sizes))),
        (NAME, data["name"], data["name_starts"], np.arange(len(sizes))),
        (MESSAGE, data["error"], data["error_starts"], np.arange(len(sizes))),
        (MENTION, mentions["text"], mentions["text_starts"], mentions["chunk"].astype(np.int64)),
    ]
    questions, lengths, chunks, kinds = [], [], [], []
    for kind, numbers, starts, owner in sources:
        many = np.diff(starts)
        rest = sizes[owner] - (many if kind == DOC else 0)
        able = rng.permutation(np.flatnonzero((many >= MIN_TERMS[kind]) & (rest >= MIN_REST)))
        # The first of those that begin alike, and of a package no more than its share.
        width_of = np.minimum(many[able], HEAD)
        heads = np.full((len(able), HEAD), -1)
        heads[np.arange(HEAD) < width_of[:, None]] = numbers[gather(starts[able], width_of)]
        _, first = np.unique(heads, axis=0, return_index=True)
        able = able[np.sort(first)]
        package = data["package"][owner[able]]
        order = np.argsort(package, kind="stable")
        ordered = package[order]
        place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        able = np.sort(able[order[place < MAX_OF_PACKAGE[kind]]])
        kept = np.minimum(many[able], MAX_TERMS)
        questions.append(numbers[gather(starts[able], kept)])
        lengths.append(kept)
        chunks.append(owner[able])
        kinds.append(np.full(len(able), kind, np.int8))
        print(f"kind {kind}: {len(able)} pairs")
    chunk = np.concatenate(chunks)
    used, passage = np.unique(chunk, return_inverse=True)
    matrices = {}
    for name, field in (("bag", "passage"), ("doc", "doc"), ("name", "name")):
        matrix = bags(data, field, used, width)
        matrices[f"{name}_data"] = matrix.data
        matrices[f"{name}_indices"] = matrix.indices.astype(np.int32)
        matrices[f"{name}_indptr"] = matrix.indptr.astype(np.int64)
    np.savez(
        work / "pairs.npz",
        question=np.concatenate(questions),
        question_starts=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]),
        passage=passage,
        kind=np.concatenate(kinds),
        package=data["package"][chunk],
        chunk=used,
        document=data["document"][used],
        language=data["language"][used],
        **matrices,
    )
    print(f"{len(chunk)} pairs, {len(used)} passages")


if __name__ == "__main__":
    main()
