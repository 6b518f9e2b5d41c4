"""Choose the model's vocabulary: the terms of the analyzer that most source files use.

A term's usefulness is the sum over packages (the folders of a corpus) of log(1 + files that hold
it), so a term that many projects share beats one that a single project repeats; a compound has to
beat that by a factor, since its parts are there too. Reads WORK/terms.tsv; writes WORK/terms.txt
(sorted by code point, one term a line), words.txt (the same with compounds split into words) and
frequencies.npy (each term's share of all term occurrences, for weighting).

    python models/vocabulary.py WORK
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

SIZE = 50_000
MIN_FILES = 4
COMPOUND_FACTOR = 2.0
MAX_TERM_CHARS = 40


class Row(NamedTuple):
    """What is known of a term."""

    term: str
    words: str
    """Those of a compound; empty for a plain term."""
    occurrences: int
    files: int
    usefulness: float


def read(path: Path) -> list[Row]:
    """All terms of the corpus; a term's number is its place."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1])
    return [Row(term, words, int(n), int(files), float(use)) for term, words, n, files, use in rows]


def usable(term: str) -> bool:
    """Whether a term can mean something: not a long one and no number of many digits."""
    return len(term) <= MAX_TERM_CHARS and not (term[0].isdigit() and len(term) > 3)


def choose(rows: list[Row], size: int) -> list[Row]:
    """The most useful terms, sorted."""
    able = [row for row in rows if row.files >= MIN_FILES and usable(row.term)]
    able.sort(key=lambda row: (-row.usefulness / (COMPOUND_FACTOR if row.words else 1), row.term))
    return sorted(able[:size])


def main() -> None:
    """Choose and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--size", type=int, default=SIZE)
    args = parser.parse_args()
    rows = read(args.work / "terms.tsv")
    chosen = choose(rows, args.size)
    total = sum(row.occurrences for row in rows)
    shares = np.array([row.occurrences / total for row in chosen], np.float64)
    (args.work / "terms.txt").write_text("".join(f"{r.term}\n" for r in chosen), encoding="utf-8")
    words = "".join(f"{row.words or row.term}\n" for row in chosen)
    (args.work / "words.txt").write_text(words, encoding="utf-8")
    np.save(args.work / "frequencies.npy", shares)
    compounds = sum(bool(row.words) for row in chosen)
    print(f"{len(chosen)} of {len(rows)} terms, {compounds} of them compounds;")
    print(f"they cover {shares.sum():.1%} of {total / 1e6:.0f} M term occurrences")


if __name__ == "__main__":
    main()
