"""Score an exported model alone on a retrieval set, by NDCG@10.

The set is a folder of queries.jsonl {id, text}, corpus.jsonl {id, code} and qrels.tsv (query id,
document id, relevance). `--run` also writes the ranking as query, document, rank, score.

    python models/evaluate.py MODEL SET [--run FILE]
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from hybridx._core import analyze

K = 10
BATCH = 64


class Model:
    """An exported model: texts to embeddings."""

    def __init__(self, folder: Path) -> None:
        """Load the session and the vocabulary."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.limit = json.loads((folder / "hybridx.json").read_text())["max_terms"]
        terms = (folder / "terms.txt").read_text(encoding="utf-8").split("\n")[:-1]
        self.ids = {term: at for at, term in enumerate(terms)}

    def batch(self, texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Padded ids and counts: the first terms of each text, repeated ones merged."""
        counts = []
        for text in texts:
            bare = (term.removeprefix("+") for term in analyze(text).split())
            found = Counter(self.ids[term] for term in bare if term in self.ids)
            counts.append(list(found.items())[: self.limit])
        length = max(1, *map(len, counts))
        ids = np.zeros((len(texts), length), np.int64)
        mask = np.zeros((len(texts), length), np.int64)
        for row, items in enumerate(counts):
            for column, (term, n) in enumerate(items):
                ids[row, column], mask[row, column] = term, n
        return ids, mask

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit embeddings of texts."""
        parts = []
        for start in range(0, len(texts), BATCH):
            ids, mask = self.batch(texts[start : start + BATCH])
            feed = {"input_ids": ids, "attention_mask": mask}
            parts.append(self.session.run(["sentence_embedding"], feed)[0])
        return np.concatenate(parts)


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
    model = Model(args.model)
    queries, questions = read(args.set / "queries.jsonl", "text")
    documents, codes = read(args.set / "corpus.jsonl", "code")
    qrels: dict[str, dict[str, float]] = {}
    for line in (args.set / "qrels.tsv").read_text(encoding="utf-8").splitlines():
        query, document, relevance = line.split("\t")[:3]
        if query in queries and float(relevance) > 0:
            qrels.setdefault(query, {})[document] = float(relevance)
    scores = model.encode(questions) @ model.encode(codes).T
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
