"""Choose the model's vocabulary: the terms of the analyzer that most source files use.

A term's usefulness is the sum over packages (the folders of a corpus) of log(1 + files that hold
it), so a term that many projects share beats one that a single project repeats; a compound has to
beat that by a factor, since its parts are there too. Writes OUT/terms.txt (sorted by code point,
one term a line), OUT/words.txt (the same with compounds split into words) and OUT/frequencies.npy
(each term's share of all term occurrences, for weighting).

    python models/vocabulary.py CORPUS… --out OUT
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

import numpy as np

from corpus import source_files
from hybridx._core import analyze

SIZE = 48_000
MIN_FILES = 4
COMPOUND_FACTOR = 2.0
MAX_TERM_CHARS = 40


def split_of(compound: str, encoded: str) -> str:
    """The words of a compound, as they follow its first occurrence in encoded terms."""
    at = encoded.index(f"+{compound} ") + len(compound) + 2
    letters = len(compound.replace("_", ""))
    words = []
    while letters > 0 and at < len(encoded):
        end = encoded.index(" ", at)
        words.append(encoded[at:end])
        letters -= end - at
        at = end + 1
    return " ".join(words)


def count(
    folders: list[Path],
) -> tuple[dict[str, Counter[str]], Counter[str], dict[str, str]]:
    """Document frequencies by package, occurrences, and the terms that are only compounds."""
    documents: dict[str, Counter[str]] = {}
    occurrences: Counter[str] = Counter()
    splits: dict[str, str] = {}
    parts: set[str] = set()
    for path, _, text in source_files(folders):
        encoded = analyze(text)
        found = Counter(encoded.split())
        terms: Counter[str] = Counter()
        for term, times in found.items():
            bare = term.removeprefix("+")
            terms[bare] += times
            if bare is term:
                parts.add(bare)
            elif bare not in splits:
                splits[bare] = split_of(bare, encoded)
        occurrences.update(terms)
        documents.setdefault(path.split("/")[0], Counter()).update(terms.keys())
    return documents, occurrences, {c: w for c, w in splits.items() if c not in parts}


def usable(term: str) -> bool:
    """Whether a term can mean something: not a long one and no number of many digits."""
    return len(term) <= MAX_TERM_CHARS and not (term[0].isdigit() and len(term) > 3)


def choose(documents: dict[str, Counter[str]], compounds: dict[str, str], size: int) -> list[str]:
    """The most useful terms, sorted."""
    usefulness: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for counter in documents.values():
        for term, n in counter.items():
            files[term] += n
            usefulness[term] += math.log1p(n)  # type: ignore[assignment]
    for term in compounds:
        usefulness[term] /= COMPOUND_FACTOR  # type: ignore[assignment]
    able = [t for t in usefulness if files[t] >= MIN_FILES and usable(t)]
    able.sort(key=lambda t: (-usefulness[t], t))
    return sorted(able[:size])


def main() -> None:
    """Count, choose and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=SIZE)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    documents, occurrences, compounds = count(args.corpus)
    terms = choose(documents, compounds, args.size)
    total = sum(occurrences.values())
    shares = np.array([occurrences[term] / total for term in terms], np.float64)
    (args.out / "terms.txt").write_text("\n".join(terms) + "\n", encoding="utf-8")
    words = [compounds.get(term, term) for term in terms]
    (args.out / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    np.save(args.out / "frequencies.npy", shares)
    print(f"{len(terms)} of {len(occurrences)} terms, {sum(t in compounds for t in terms)} of them")
    print(f"compounds; they cover {shares.sum():.1%} of {total / 1e6:.0f} M term occurrences")


if __name__ == "__main__":
    main()
