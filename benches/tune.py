"""Fits the weights of the ranking and judges them on packages they were not fitted on.

    python benches/tune.py SWE_LITE CORPUS [COSQA] [--indexes FOLDER]

SWE_LITE  a folder with `queries.jsonl` and `qrels.tsv`; its titles and whole texts are two sets.
CORPUS    the trees of its packages.
COSQA     a folder with `queries.jsonl`, `qrels.tsv` and `corpus.jsonl`.

Weights are changed one at a time as long as that raises the mean NDCG@10 of the sets, each of which
counts alike; `word` stands for what likeness of meaning counts more in a query of words alone.
Printed are the NDCG@10 of each set when its packages (or an eighth of its queries, where there are
no packages) are left out in turn, the paired differences to the weights that are built in and to
plain BM25 over whole files, and the weights fitted to everything. Weights of signals that the sets
do not show (tests, examples, generated files: there are none) are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import tempfile
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybridx.ranking import LEXICAL, ask, candidates_of
from hybridx.ranking.signals import OF_CHUNK, OF_FILE
from hybridx.ranking.weights import BASE, FACTORS, weights_for
from quality import Corpus, Query, paired, read_queries, run_floor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

POOL = 400
FITTED = [
    *("body", "symbol", "signature", "doc", "name", "file", "coherence", "folders", "stem"),
    *("stem_share", "mention", "meaning"),
]
MEANING = FITTED.index("meaning")
STEPS = (0.0, 0.5, 0.7, 1.4, 2.0)
LEAST = 0.25
"""What a weight that is 0 is tried at."""
ROUNDS = 4
GAIN = 0.0004
"""A change that gains less is chance."""
FOLDS = 8
NEUTRAL = np.array([1.0] * len(FITTED) + [2.0])
"""What everything starts from, so that nothing is known of what is left out."""


@dataclass
class Case:
    """A query's candidates, ordered by file: signals of each chunk, shape `(chunks, signals)`."""

    group: str
    words: bool
    """Whether the query is of words alone."""
    signals: NDArray[np.float64]
    fixed: NDArray[np.float64]
    """What the signals that are not fitted add to each chunk."""
    starts: NDArray[np.int64]
    """The first chunk of each file."""
    relevant: list[int]

    def ndcg(self, weights: NDArray[np.float64]) -> float:
        """NDCG@10 of files; one is relevant, or all of them alike. The last weight is `word`."""
        own = weights[:-1].copy()
        if self.words:
            own[MEANING] *= weights[-1]
        scores = np.maximum.reduceat(self.signals @ own + self.fixed, self.starts)
        places = [int((scores > scores[file]).sum()) for file in self.relevant]
        return max((1 / math.log2(place + 2) for place in places if place < 10), default=0.0)


def case_of(corpus: Corpus, query: Query, group: str) -> Case:
    """The candidates of a query, with the signals as the search itself sees them."""
    engine = corpus.index(query.package)._search_engine()
    question = ask(query.text)
    weights = weights_for(question.kind)
    vector = engine._embedded(query.text)
    store = engine._vectors
    near = {} if vector is None or store is None else dict(store.search(vector, POOL // 2, None))
    by_words = engine.generation.searcher.candidates(
        question, weights={name: getattr(weights, name) for name in LEXICAL}, pool=POOL
    )
    found = by_words.found(list(near))
    candidates = candidates_of(found, near)
    files = {id(each.file): each.file for each in candidates}
    numbers = {key: number for number, key in enumerate(files)}

    def strength(name: str) -> Callable[..., float]:
        if name in OF_CHUNK:
            return attrgetter(OF_CHUNK[name])
        return lambda chunk: OF_FILE[name](question, chunk.file)

    names = [*OF_CHUNK, *OF_FILE]
    table = {name: [strength(name)(chunk) for chunk in candidates] for name in names}
    fixed = sum(
        getattr(weights, name) * np.array(table[name]) for name in names if name not in FITTED
    )
    factors = {**FACTORS[question.kind]}
    if question.kind == "words":
        factors.pop("meaning")  # that one is fitted
    scale = np.array([factors.get(name, 1.0) for name in FITTED])
    order = np.argsort([numbers[id(chunk.file)] for chunk in candidates], kind="stable")
    sizes = np.bincount([numbers[id(chunk.file)] for chunk in candidates])
    return Case(
        group,
        question.kind == "words",
        np.array([table[name] for name in FITTED]).T[order] * scale,
        fixed[order],
        np.concatenate([[0], np.cumsum(sizes)[:-1]]),
        [
            numbers[key]
            for key, file in files.items()
            if corpus.document(query.package, file.path) in query.relevant
        ],
    )


def quality(sets: Mapping[str, Sequence[Case]], weights: NDArray[np.float64]) -> float:
    """The mean of the sets' NDCG@10."""
    means = [np.mean([case.ndcg(weights) for case in cases]) for cases in sets.values() if cases]
    return float(np.mean(means))


def fit(sets: Mapping[str, Sequence[Case]], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that are best on `sets`, as far as changes of one at a time lead from `start`."""
    weights, best = start.copy(), quality(sets, start)
    for _ in range(ROUNDS):
        for at in range(len(weights)):
            tried = weights.copy()
            values = [weights[at] * step if weights[at] else step * LEAST for step in STEPS]
            for value in values:
                tried[at] = value
                reached = quality(sets, tried)
                if reached > best + GAIN:
                    best, weights[at] = reached, value
    return weights


def main() -> None:
    """Reads the arguments, fits, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("swe_lite", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("cosqa", type=Path, nargs="?")
    parser.add_argument("--indexes", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        indexes = (options.indexes or Path(scratch)).resolve()
        sets: dict[str, list[Case]] = {}
        floors: dict[str, NDArray[np.float64]] = {}
        folder = options.swe_lite
        corpus = Corpus(options.corpus.resolve(), indexes)
        for name, field in (("titles", "text_title"), ("texts", "text")):
            queries = read_queries(folder / "queries.jsonl", folder / "qrels.tsv", field)
            sets[name] = [case_of(corpus, query, query.package) for query in queries]
            floors[name] = run_floor(corpus, queries)[:, 0]
        if options.cosqa:
            folder = options.cosqa
            corpus = Corpus((folder / "corpus.jsonl").resolve(), indexes)
            queries = read_queries(folder / "queries.jsonl", folder / "qrels.tsv", "text")
            sets["questions"] = [
                case_of(corpus, query, str(hashlib.sha256(query.id.encode()).digest()[0] % FOLDS))
                for query in queries
            ]
    names = [*FITTED, "word"]
    built_in = np.array([*(getattr(BASE, name) for name in FITTED), FACTORS["words"]["meaning"]])
    left_out = {}
    for group in sorted({case.group for cases in sets.values() for case in cases}):
        rest = {
            name: [case for case in cases if case.group != group] for name, cases in sets.items()
        }
        left_out[group] = fit(rest, NEUTRAL)
    for name, cases in sets.items():
        judged = np.array([case.ndcg(left_out[case.group]) for case in cases])
        before = np.array([case.ndcg(built_in) for case in cases])
        print(
            f"{name:10} left out {judged.mean():.4f}  built in {before.mean():.4f}  "
            f"{paired(judged, before)}"
        )
        if name in floors:
            print(f"{'':10} left out - floor {paired(judged, floors[name])}")
    fitted = fit(sets, NEUTRAL)
    for at, name in enumerate(names):
        spread = np.std([weights[at] for weights in left_out.values()])
        print(f"  {name:12} {fitted[at]:6.2f} ± {spread:.2f}   built in {built_in[at]:.2f}")


if __name__ == "__main__":
    main()
