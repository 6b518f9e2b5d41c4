"""Score an exported model alone on a retrieval set, by NDCG@10.

The set is a folder of queries.jsonl {id, text}, corpus.jsonl {id, code} and qrels.tsv (query id,
document id, relevance). `--run` also writes the ranking as query, document, rank, score.

    python models/evaluate.py MODEL SET [--run FILE]
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

from hybridx.embed.embedder import Embedder
from hybridx.embed.model import load_model

K = 10


def read(path: Path, field: str) -> tuple[list[str], list[str]]:
    """Ids and texts of a JSON-lines file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row["id"] for row in rows], [row[field] for row in rows]


def ndcg(ranked: list[str], relevant: dict[str, float]) -> float:
    """NDCG@K with linear gain."""
    gains = [relevant.get(document, 0.0) for document in ranked[:K]]
    best = sorted(relevant.values(), reverse=True)[:K]
    total, ideal = (
        sum(gain / math.log2(rank + 2) for rank, gain in enumerate(row)) for row in (gains, best)
    )
    return total / ideal


def main() -> None:
    """Rank, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--run", type=Path)
    args = parser.parse_args()
    embedder = Embedder(load_model(str(args.model)))
    queries, questions = read(args.set / "queries.jsonl", "text")
    documents, codes = read(args.set / "corpus.jsonl", "code")
    qrels: dict[str, dict[str, float]] = {}
    for line in (args.set / "qrels.tsv").read_text(encoding="utf-8").splitlines():
        query, document, relevance = line.split("\t")[:3]
        if query in queries and float(relevance) > 0:
            qrels.setdefault(query, {})[document] = float(relevance)
    scores = embedder.embed_queries(questions) @ embedder.embed_queries(codes).T
    lines, figures = [], []
    for query, row in zip(queries, scores, strict=True):
        order = np.argsort(-row, kind="stable")[:100]
        ranked = [documents[at] for at in order]
        figures.append(ndcg(ranked, qrels[query]))
        lines += [f"{query}\t{documents[at]}\t{i + 1}\t{row[at]:.6f}" for i, at in enumerate(order)]
    if args.run:
        args.run.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"NDCG@{K} {np.mean(figures):.3f} over {len(figures)} questions")


if __name__ == "__main__":
    main()
