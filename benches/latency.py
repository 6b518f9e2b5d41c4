"""How long a search takes, stage by stage.

    python benches/latency.py TREE [--queries FILE] [--runs 5]

TREE     a folder; its index is brought up to date first.
FILE     JSON lines with `text`; without it names and words of the tree itself are asked for.

Printed are the medians in milliseconds of each stage over all queries, in each mode, once every
stage has run; then the same for one text of 70 KB made of the tree's own words and names, and how
many times as long it takes.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from hybridx import Index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.types import Mode, SearchResult

LONG = 70_000
MODES: tuple[Mode, ...] = ("lexical", "semantic", "hybrid")


def own_words(index: Index, count: int) -> list[str]:
    """Symbols of chunks and pieces of their texts, by chance."""
    searcher = index._search_engine().generation.searcher
    chooser = random.Random(7)
    ids = chooser.sample(searcher.ids(), min(count, len(searcher)))
    words = []
    for chunk in searcher.fetch(ids):
        words.append(" ".join(chunk.text.split()[:8]))
        if chunk.symbol:
            words.append(chunk.symbol.split(",")[0])
    return words


def medians(results: Sequence[SearchResult]) -> str:
    """Each stage's median, then the whole."""
    stages = results[0].stages_ms
    shown = [f"{name} {median(it.stages_ms[name] for it in results):.2f}" for name in stages]
    return f"{'  '.join(shown)}  all {median(it.took_ms for it in results):.2f}"


def main() -> None:
    """Reads the arguments, searches, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    index = Index.open(options.tree)
    index.update()
    print(f"{index.status(check=False).chunks:,} chunks")
    words = own_words(index, 500)
    queries = words[:100]
    if options.queries:
        rows = options.queries.read_text("utf-8").splitlines()
        queries = [json.loads(row)["text"] for row in rows]
    text = "\n".join(words * (1 + LONG // sum(len(it) + 1 for it in words)))[:LONG]
    for mode in MODES:
        index.search(queries[0], mode=mode)
        short = [index.search(query, mode=mode) for query in queries for _ in range(options.runs)]
        long = [index.search(text, mode=mode) for _ in range(options.runs)]
        times = median(it.took_ms for it in long) / median(it.took_ms for it in short)
        print(f"{mode:9} {len(queries)} queries  {medians(short)}")
        print(f"{'':9} {LONG:,} characters {medians(long)}  {times:.1f} times a short one")


if __name__ == "__main__":
    main()
