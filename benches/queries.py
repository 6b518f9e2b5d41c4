"""Warm queries: how long they take through the API, and what the vectors' index finds.

    python benches/queries.py TREE [--count 100] [--runs 3]

TREE  a folder that has an index; it is only read.

Queries are made of the index itself, by chance and always the same: first sentences of comments,
names, and the words of names, a third each. How many partitions a search looks into was chosen with
others (`--seed 7`). Each is asked in every mode, `--runs` times, once
everything has been asked before. Printed is one JSON document: medians and 95th percentiles in
milliseconds of the calls and of their stages, and, of the same queries' vectors, which share of
the ten nearest chunks the index finds that an exact search finds (`recall_at_10`; a chunk as near
as the tenth counts), beside what both take.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any, TypeVar

from hybridx import Index
from known_items import _PARTS, STYLES, WORDS, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hybridx.types import Mode

MODES: tuple[Mode, ...] = ("lexical", "semantic", "hybrid")
NEAR, POOL = 10, 200
"""What counts for recall, and how many chunks a search asks the vectors for."""
_EQUAL = 1e-6

_T = TypeVar("_T")


def own_queries(index: Index, count: int, seed: int) -> list[str]:
    """Sentences, names and words of names out of the chunks of an index."""
    searcher = index._search_engine().generation.searcher
    ids = sorted(searcher.ids())
    chosen = random.Random(seed).sample(ids, min(len(ids), 60 * count))
    kinds: list[list[str]] = [[], [], []]
    for start in range(0, len(chosen), 500):
        for chunk in searcher.fetch(chosen[start : start + 500]):
            name = chunk.symbol.split(",")[0].split(".")[-1].strip()
            style = STYLES.get(chunk.language)
            match = style.search(chunk.text) if style else None
            said = sentence(match[0], name) if match else ""
            if len(said.split()) in WORDS:
                kinds[0].append(said)
            if len(parts := _PARTS.findall(name)) > 1:
                kinds[1].append(name)
                kinds[2].append(" ".join(parts).lower())
        if all(len(set(each)) >= count for each in kinds):
            break
    # Names and their words are not of the same definitions.
    kinds[2].reverse()
    unique = [list(dict.fromkeys(each)) for each in kinds]
    return [each[at] for at in range(-(-count // 3)) for each in unique if at < len(each)][:count]


def timed(work: Callable[..., _T], *args: Any, **more: Any) -> tuple[float, _T]:
    """Milliseconds, and what came of it."""
    start = time.perf_counter()
    found = work(*args, **more)
    return (time.perf_counter() - start) * 1000, found


def spread(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"p50": round(median(times), 2), "p95": round(sorted(times)[int(len(times) * 0.95)], 2)}


def latency(index: Index, queries: Sequence[str], mode: Mode, runs: int) -> dict[str, Any]:
    """What a call takes, and its stages."""
    for query in queries:
        index.search(query, mode=mode)
    calls, stages = [], []
    for _ in range(runs):
        for query in queries:
            took, found = timed(index.search, query, mode=mode)
            calls.append(took)
            stages.append(found.stages_ms)
    parts = {name: round(median(each[name] for each in stages), 2) for name in stages[0]}
    return {**spread(calls), "stages_p50": parts}


def recall(index: Index, queries: Sequence[str]) -> dict[str, Any]:
    """How much of what is nearest a search finds, and how it compares."""
    engine = index._search_engine()
    store = engine.vectors
    assert store is not None
    shares: list[float] = []
    quick, slow, off = [], [], []
    for query in queries:
        vector = engine._embedded(query)
        if vector is None:
            continue
        took, found = timed(store.search, vector, POOL, None)
        quick.append(took)
        took, exact = timed(store.search, vector, POOL, None, exact=True)
        slow.append(took)
        near, truth = exact[:NEAR], dict(exact)
        least = near[-1][1] - _EQUAL
        hits = sum(truth.get(row, -1.0) >= least for row, _ in found[:NEAR])
        shares.append(min(1.0, hits / len(near)))
        off += [abs(similarity - truth[row]) for row, similarity in found if row in truth]
    covered = store.coverage
    return {
        "recall_at_10": round(mean(shares), 4),
        "worst": round(min(shares), 2),
        "similarity_off_p50": round(median(off), 5),
        "similarity_off_max": round(max(off), 5),
        "index": covered and {"covered": covered.covered, "uncovered": covered.uncovered},
        "search_ms": spread(quick),
        "exact_ms": spread(slow),
    }


def main() -> None:
    """Reads the arguments, asks, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    index = Index.open(options.tree)
    queries = own_queries(index, options.count, options.seed)
    document: dict[str, Any] = {
        "tree": str(options.tree),
        "chunks": index.status(check=False).chunks,
        "queries": len(queries),
        "runs": options.runs,
        "cores": os.cpu_count(),
        **{mode: latency(index, queries, mode, options.runs) for mode in MODES},
        "vectors": recall(index, queries),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
