"""Fits the weights of the ranking and judges them on packages they were not fitted on.

    python benches/tune.py SWE_LITE CORPUS [COSQA] [--indexes FOLDER]

SWE_LITE  a folder with `queries.jsonl` and `qrels.tsv`; its titles and whole texts are two sets.
CORPUS    the trees of its packages.
COSQA     a folder with `queries.jsonl`, `qrels.tsv` and `corpus.jsonl`.

The model is a conditional logit: the chance that a file is the one that is looked for is
proportional to `exp(weights . signals)`, the signals being those of the file's best chunk. Each
set counts alike. Printed are the NDCG@10 of each set when its packages (or an eighth of its
queries, where there are no packages) are left out in turn, the paired difference to the weights
that are built in, and the weights fitted to everything, which are what may be built in. Weights of
signals that the sets do not show (tests, examples, generated files: there are none) are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from evaluate import Corpus, Query, paired, read_queries

from hybridx.ranking import LEXICAL, ask, candidates_of
from hybridx.ranking.signals import OF_CHUNK, OF_FILE
from hybridx.ranking.weights import BASE, weights_for
from hybridx.search import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

POOL = 400
FITTED = (
    "body symbol signature doc name file coherence folders stem stem_share mention meaning meanings"
).split()
RIDGE = 0.5
ROUNDS = 4
FOLDS = 8


@dataclass
class Case:
    """A query's candidates: signals of each chunk, shape `(chunks, signals)`."""

    group: str
    signals: NDArray[np.float64]
    fixed: NDArray[np.float64]
    """What the signals that are not fitted add to each chunk."""
    file: NDArray[np.int64]
    relevant: set[int]

    def best(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The best chunk of each file, and its score."""
        scores = self.signals @ weights + self.fixed
        order = np.lexsort((-scores, self.file))
        first = np.unique(self.file[order], return_index=True)[1]
        chosen = order[first]
        return chosen, scores[chosen]

    def ndcg(self, weights: NDArray[np.float64]) -> float:
        """NDCG@10 of files; one is relevant, or all of them alike."""
        _, scores = self.best(weights)
        places = [int((scores > scores[file]).sum()) for file in self.relevant]
        return max((1 / math.log2(place + 2) for place in places if place < 10), default=0.0)


def case_of(corpus: Corpus, query: Query, group: str) -> Case:
    """The candidates of a query, with the signals as the search itself sees them."""
    engine = corpus.index(query.package)._search_engine()
    question = ask(query.text)
    weights = weights_for(question.kind)
    vector = engine._embedded(query.text)
    near = {} if vector is None else engine._nearest(vector, POOL // 2, Scope())
    found = engine.generation.searcher.find(
        question,
        weights={name: getattr(weights, name) for name in LEXICAL},
        pool=POOL,
        also=list(near),
    )
    candidates = candidates_of(found, near)
    files = {id(each.file): each.file for each in candidates}
    numbers = {key: number for number, key in enumerate(files)}

    def strength(name: str) -> Callable[..., float]:
        if name in OF_CHUNK:
            return OF_CHUNK[name]
        return lambda chunk: OF_FILE[name](question, chunk.file)

    names = [*OF_CHUNK, *OF_FILE]
    table = {name: [strength(name)(chunk) for chunk in candidates] for name in names}
    fixed = sum(getattr(weights, name) * np.array(table[name]) for name in names if name not in FITTED)
    return Case(
        group,
        np.array([table[name] for name in FITTED]).T,
        fixed,
        np.array([numbers[id(chunk.file)] for chunk in candidates]),
        {
            numbers[key]
            for key, file in files.items()
            if corpus.document(query.package, file.path) in query.relevant
        },
    )


def fit(cases: Sequence[Case], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that make the relevant files likely; never negative."""
    weights = start.copy()
    usable = [case for case in cases if case.relevant]
    for _ in range(ROUNDS):
        rows = []
        for case in usable:
            chosen, _ = case.best(weights)
            target = np.array([case.file[row] in case.relevant for row in chosen], float)
            rows.append((case.signals[chosen], case.fixed[chosen], target / target.sum()))
        weights = _descend(rows, weights, len(usable))
    return weights


def _descend(
    rows: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
    weights: NDArray[np.float64],
    count: int,
) -> NDArray[np.float64]:
    """Projected Adam on the negative log likelihood."""
    mean = np.zeros_like(weights)
    square = np.zeros_like(weights)
    for step in range(1, 201):
        gradient = 2 * RIDGE * weights / count
        for signals, fixed, target in rows:
            scores = signals @ weights + fixed
            chance = np.exp(scores - scores.max())
            gradient += signals.T @ (chance / chance.sum() - target) / count
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        rate = 0.3 * (1 - step / 201)
        update = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        weights = np.maximum(weights - rate * update, 0.0)
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
        folder = options.swe_lite
        corpus = Corpus(options.corpus.resolve(), indexes)
        for name, field in (("titles", "text_title"), ("texts", "text")):
            queries = read_queries(folder / "queries.jsonl", folder / "qrels.tsv", field)
            sets[name] = [case_of(corpus, query, query.package) for query in queries]
        if options.cosqa:
            folder = options.cosqa
            corpus = Corpus((folder / "corpus.jsonl").resolve(), indexes)
            queries = read_queries(folder / "queries.jsonl", folder / "qrels.tsv", "text")
            sets["questions"] = [
                case_of(corpus, query, str(hashlib.sha256(query.id.encode()).digest()[0] % FOLDS))
                for query in queries
            ]
    start = np.array([getattr(BASE, name) for name in FITTED])
    everything = [case for cases in sets.values() for case in cases]
    groups = sorted({case.group for case in everything})
    left_out = {
        group: fit([case for case in everything if case.group != group], start) for group in groups
    }
    for name, cases in sets.items():
        judged = np.array([case.ndcg(left_out[case.group]) for case in cases])
        built_in = np.array([case.ndcg(start) for case in cases])
        print(f"{name:10} left out {judged.mean():.4f}  built in {built_in.mean():.4f}  {paired(judged, built_in)}")
    fitted = fit(everything, start)
    for name, weight, before in zip(FITTED, fitted, start, strict=True):
        spread = np.std([weights[FITTED.index(name)] for weights in left_out.values()])
        print(f"  {name:12} {weight:6.2f} ± {spread:.2f}   built in {before:.2f}")
    for name, cases in sets.items():
        alone = fit(cases, start)
        print(f"{name} alone: " + " ".join(f"{n} {w:.1f}" for n, w in zip(FITTED, alone, strict=True)))


if __name__ == "__main__":
    main()
