"""Search quality on a set of queries with known answers.

    python benches/quality.py QUERIES QRELS CORPUS [--field text_title] [--floor] [--ablate]
                              [--runs FOLDER] [--indexes FOLDER] [--rerank MODEL]

QUERIES  JSON lines: `id`, the query in `--field` (default: text), perhaps `package`.
QRELS    tab-separated: query id, document id, relevance.
CORPUS   a folder with one tree a package; without packages one tree, or JSON lines of functions
         (`id`, `code`), each of which is written into a file of its own.

A document is a file: its id is `package/path`, or the name of the function's file without its
extension. The best place of a file among the hits counts. Printed are, for each mode, NDCG@10,
MRR@10, Recall@10 and Hit@5 over all queries and as the mean of packages, then hybrid against each
arm alone: the mean paired difference with a 95 % bootstrap interval and the p-value of a sign-flip
test. `--floor` also searches with plain BM25 over whole files (k1 1.2, b 0.75, the path as first
line, identifiers beside their parts) and compares hybrid with it. `--ablate` takes out each signal
of the ranking in turn and prints the same difference.
`--rerank` searches with the cross-encoder in the folder MODEL once more and prints the difference
that it makes.
`--runs` writes one ranked list a mode (query id, document id, rank, score).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybridx import Index, _core
from hybridx.config import Settings
from hybridx.embed.rerank import Reranker, load_cross_encoder
from hybridx.ranking.weights import BASE, Weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hybridx.types import Mode

TOP = 10
"""Places that count."""
HITS = 30
"""Hits asked for: several may be of one file."""
MODES: tuple[Mode, ...] = ("lexical", "semantic", "hybrid")
RERANKED = "reranked"
"""The name of the hybrid mode with a cross-encoder on top."""
METRICS = ("NDCG@10", "MRR@10", "Recall@10", "Hit@5")


@dataclass(frozen=True)
class Query:
    """A query and what answers it."""

    id: str
    package: str
    text: str
    relevant: Mapping[str, float]


def read_queries(queries: Path, qrels: Path, field: str) -> list[Query]:
    """The queries that have an answer."""
    relevant: dict[str, dict[str, float]] = defaultdict(dict)
    for number, line in enumerate(qrels.read_text("utf-8").splitlines()):
        cells = line.split("\t")
        if number == 0 and not cells[2].replace(".", "").isdigit():
            continue
        if float(cells[2]) > 0:
            relevant[cells[0]][cells[1]] = float(cells[2])
    rows = [json.loads(line) for line in queries.read_text("utf-8").splitlines()]
    return [
        Query(row["id"], row.get("package", ""), row[field], relevant[row["id"]])
        for row in rows
        if row["id"] in relevant
    ]


class Corpus:
    """The trees that are searched, indexed beside them."""

    def __init__(self, folder: Path, indexes: Path) -> None:
        """Indexes lie in `indexes`."""
        self.folder = folder
        os.environ["HYBRIDX_INDEX_DIR"] = str(indexes)
        self._functions = folder.is_file()
        if self._functions:
            self.folder = indexes / f"{folder.parent.name}-functions"
            self.folder.mkdir(parents=True, exist_ok=True)
            for line in folder.read_text("utf-8").splitlines():
                row = json.loads(line)
                (self.folder / f"{row['id']}.py").write_text(row["code"], "utf-8")
        self._open: dict[str, Index] = {}

    def index(self, package: str) -> Index:
        """The index of a package, up to date."""
        if package not in self._open:
            index = Index.open(self.folder / package)
            index.update()
            self._open[package] = index
        return self._open[package]

    def document(self, package: str, path: str) -> str:
        """The document id of a file."""
        if self._functions:
            return path.rsplit(".", 1)[0]
        return f"{package}/{path}" if package else path


def ranked_files(
    corpus: Corpus,
    query: Query,
    mode: Mode,
    weights: Weights | None = None,
    reranker: Reranker | None = None,
) -> list[tuple[str, float]]:
    """Document ids, best first, each once, with their scores."""
    engine = corpus.index(query.package)._search_engine()
    hits = engine.search(query.text, HITS, mode=mode, weights=weights, reranker=reranker).hits
    found: dict[str, float] = {}
    for hit in hits:
        found.setdefault(corpus.document(query.package, hit.path), hit.score)
    return list(found.items())


class Floor:
    """BM25 over whole files, as plain as it can be."""

    def __init__(self, corpus: Corpus, package: str) -> None:
        """Reads every file of the package."""
        root = corpus.folder / package
        files = sorted(path for path in root.rglob("*") if path.is_file())
        names = [path.relative_to(root).as_posix() for path in files]
        self.documents = [corpus.document(package, name) for name in names]
        texts = (path.read_text("utf-8", "replace") for path in files)
        counts = [
            Counter(terms(f"{name}\n{text}")) for name, text in zip(names, texts, strict=True)
        ]
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, count in enumerate(counts):
            for term, often in count.items():
                self._postings[term].append((number, often))
        lengths = np.array([sum(count.values()) for count in counts], float)
        self._norms = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())

    def search(self, text: str) -> list[tuple[str, float]]:
        """The best documents and their scores."""
        scores = np.zeros(len(self.documents))
        for term, often in Counter(terms(text)).items():
            postings = self._postings.get(term, [])
            rarity = math.log(1 + (len(scores) - len(postings) + 0.5) / (len(postings) + 0.5))
            for number, count in postings:
                scores[number] += often * rarity * count * 2.2 / (count + self._norms[number])
        best = np.argsort(-scores, kind="stable")[:HITS]
        return [(self.documents[number], float(scores[number])) for number in best]


def terms(text: str) -> list[str]:
    """Terms, compounds among them."""
    return [term.removeprefix("+") for term in _core.analyze(text).split()]


def run_floor(corpus: Corpus, queries: Sequence[Query]) -> NDArray[np.float64]:
    """Metrics of each query with plain BM25."""
    floors: dict[str, Floor] = {}
    rows = []
    for query in queries:
        if query.package not in floors:
            floors[query.package] = Floor(corpus, query.package)
        found = floors[query.package].search(query.text)
        rows.append(scored(query, [document for document, _ in found]))
    return np.array(rows)


def scored(query: Query, ranked: Sequence[str]) -> list[float]:
    """The metrics of one query, in the order of `METRICS`."""
    gains = [query.relevant.get(document, 0.0) for document in ranked[:TOP]]
    ideal = sorted(query.relevant.values(), reverse=True)[:TOP]

    def dcg(gains: Sequence[float]) -> float:
        return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))

    first = next((place for place, gain in enumerate(gains, 1) if gain), 0)
    recall = sum(gain > 0 for gain in gains) / len(query.relevant)
    return [dcg(gains) / dcg(ideal), 1 / first if first else 0.0, recall, float(0 < first <= 5)]


def run(
    corpus: Corpus,
    queries: Sequence[Query],
    mode: Mode,
    weights: Weights | None = None,
    reranker: Reranker | None = None,
) -> tuple[NDArray[np.float64], list[list[tuple[str, float]]]]:
    """Metrics of each query, shape `(queries, metrics)`, and what was found."""
    lists = [ranked_files(corpus, query, mode, weights, reranker) for query in queries]
    rows = [
        scored(query, [document for document, _ in found])
        for query, found in zip(queries, lists, strict=True)
    ]
    return np.array(rows), lists


def paired(new: NDArray[np.float64], old: NDArray[np.float64]) -> str:
    """The mean of `new - old` over queries, its 95 % interval and p-value."""
    generator = np.random.default_rng(20)
    difference = new - old
    count = len(difference)
    means = difference[generator.integers(0, count, (10_000, count))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    flips = generator.choice([-1.0, 1.0], (10_000, count))
    chance = np.abs((flips * difference).mean(axis=1)) >= abs(difference.mean()) - 1e-12
    p = (chance.sum() + 1) / (len(chance) + 1)
    return f"{difference.mean():+.4f} [{low:+.4f}, {high:+.4f}] p={p:.4f}"


def by_package(queries: Sequence[Query], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over packages of the means of their queries."""
    groups: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for query, row in zip(queries, values, strict=True):
        groups[query.package].append(row)
    means = np.array([np.mean(rows, axis=0) for rows in groups.values()])
    result: NDArray[np.float64] = means.mean(axis=0)
    return result


def print_row(name: str, queries: Sequence[Query], values: NDArray[np.float64]) -> None:
    """One line: all queries, then the mean of packages."""
    every = "  ".join(f"{value:.4f}" for value in values.mean(axis=0))
    packages = "  ".join(f"{value:.4f}" for value in by_package(queries, values))
    print(f"{name:12} {every}   |   {packages}")


def ablate(corpus: Corpus, queries: Sequence[Query], full: NDArray[np.float64]) -> None:
    """What is lost without each signal."""
    print("\nNDCG@10 without a signal, less that with all of them")
    for name in Weights.__slots__:
        if getattr(BASE, name):
            without, _ = run(corpus, queries, "hybrid", BASE.without([name]))
            print(f"  {name:12} {paired(without[:, 0], full[:, 0])}", flush=True)


def write_run(path: Path, queries: Sequence[Query], lists: list[list[tuple[str, float]]]) -> None:
    """A ranked list in the format of `score.py`."""
    with path.open("w", encoding="utf-8") as file:
        for query, found in zip(queries, lists, strict=True):
            for rank, (document, score) in enumerate(found, start=1):
                file.write(f"{query.id}\t{document}\t{rank}\t{score}\n")


def reranker_of(folder: str) -> Reranker:
    """The cross-encoder in `folder`, on all cores."""
    settings = Settings()
    model = load_cross_encoder(folder)
    return Reranker(model, device=settings.device, threads=settings.threads)


def main() -> None:
    """Reads the arguments, runs all modes, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("queries", type=Path)
    parser.add_argument("qrels", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--field", default="text")
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--rerank", metavar="MODEL", help="the folder of a cross-encoder")
    parser.add_argument("--indexes", type=Path, help="keep the indexes in this folder")
    options = parser.parse_args()
    queries = read_queries(options.queries, options.qrels, options.field)
    if not queries:
        sys.exit(f"{options.queries}: no query has an answer in {options.qrels}")
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Corpus(options.corpus.resolve(), (options.indexes or Path(scratch)).resolve())
        for package in {query.package for query in queries}:
            corpus.index(package)
        print(f"{len(queries)} queries   {'  '.join(METRICS)}   |   mean of packages")
        results = {}
        runs: list[tuple[str, Mode, Reranker | None]] = [(mode, mode, None) for mode in MODES]
        if options.rerank:
            runs.append((RERANKED, "hybrid", reranker_of(options.rerank)))
        for name, mode, reranker in runs:
            start = time.perf_counter()
            results[name], lists = run(corpus, queries, mode, reranker=reranker)
            print_row(name, queries, results[name])
            seconds = time.perf_counter() - start
            print(f"{'':12} {1000 * seconds / len(queries):.1f} ms a query", file=sys.stderr)
            if options.runs:
                options.runs.mkdir(parents=True, exist_ok=True)
                write_run(options.runs / f"{name}.tsv", queries, lists)
        if options.floor:
            floor = run_floor(corpus, queries)
            print_row("floor", queries, floor)
        print("\nNDCG@10, paired")
        if options.floor:
            print(f"  hybrid - floor    {paired(results['hybrid'][:, 0], floor[:, 0])}")
        for mode in ("lexical", "semantic"):
            print(f"  hybrid - {mode:8} {paired(results['hybrid'][:, 0], results[mode][:, 0])}")
        if options.rerank:
            print(f"  reranked - hybrid {paired(results[RERANKED][:, 0], results['hybrid'][:, 0])}")
        if options.ablate:
            ablate(corpus, queries, results["hybrid"])


if __name__ == "__main__":
    main()
