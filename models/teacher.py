"""Embed questions and passages of some pairs with all-MiniLM-L6-v2, for the training to imitate.

Texts are the terms of the analyzer but for compounds, whose words are there: what the student sees,
in order. Reads WORK/pairs.npz, chunks.npz, terms.tsv; writes WORK/teacher.npz: `pair`, numbers of
pairs, and `question`, `passage`, float16, unit rows.

    python models/teacher.py WORK MINILM [--count N]

MINILM is the folder that `minilm_onnx.py` writes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pairs import DOC, MENTION, MESSAGE

SEED = 20240607
COUNT = 60_000
SHARES = {DOC: 0.75, MESSAGE: 0.1, MENTION: 0.15}
QUESTION_TERMS, PASSAGE_TERMS = 16, 100
MAX_TOKENS = 128
BUDGET = 4096  # tokens of a batch


class Teacher:
    """The sentence encoder."""

    def __init__(self, folder: Path) -> None:
        """Open the int8 model."""
        options = ort.SessionOptions()
        self.session = ort.InferenceSession(
            str(folder / "onnx" / "model_quantized.onnx"),
            options,
            providers=["CPUExecutionProvider"],
        )
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.inputs = {each.name for each in self.session.get_inputs()}

    def encode(self, texts: list[str]) -> NDArray[np.float16]:
        """Unit embeddings."""
        began = time.time()
        tokens = [each.ids for each in self.tokenizer.encode_batch_fast(texts)]
        order = sorted(range(len(tokens)), key=lambda at: -len(tokens[at]))
        parts, done = [], 0
        while done < len(order):
            width = len(tokens[order[done]])
            rows = order[done : done + max(1, BUDGET // width)]
            ids = np.zeros((len(rows), width), np.int64)
            mask = np.zeros((len(rows), width), np.int64)
            for line, at in enumerate(rows):
                ids[line, : len(tokens[at])] = tokens[at]
                mask[line, : len(tokens[at])] = 1
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
            feed = {name: value for name, value in feed.items() if name in self.inputs}
            (found,) = self.session.run(None, feed)[:1]
            if found.ndim == 3:
                found = (found * mask[:, :, None]).sum(1)
            parts.append(found / np.linalg.norm(found, axis=1, keepdims=True))
            done += len(rows)
            if done // 20_000 > (done - len(rows)) // 20_000:
                print(f"{done} of {len(order)}, {time.time() - began:.0f} s", flush=True)
        out = np.empty((len(texts), parts[0].shape[1]), np.float16)
        out[order] = np.concatenate(parts)
        return out


def main() -> None:
    """Embed and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("minilm", type=Path)
    parser.add_argument("--count", type=int, default=COUNT)
    args = parser.parse_args()
    rng = np.random.default_rng(SEED)
    with np.load(args.work / "pairs.npz") as file:
        pairs = {name: file[name] for name in file if "_" not in name or name[0] == "q"}
    with np.load(args.work / "chunks.npz") as file:
        passages, starts = file["passage"], file["passage_starts"]
    with (args.work / "terms.tsv").open(encoding="utf-8") as lines:
        rows = [line.split("\t", 2)[:2] for line in lines]
    words = np.array(["" if split else term for term, split in rows], object)

    def text(numbers: NDArray[np.int32], most: int) -> str:
        return " ".join([word for word in words[numbers] if word][:most])

    chosen = []
    for kind, share in SHARES.items():
        able = np.flatnonzero(pairs["kind"] == kind)
        chosen.append(rng.permutation(able)[: int(share * args.count)])
    numbers = np.sort(np.concatenate(chosen))
    begin, end = pairs["question_starts"][numbers], pairs["question_starts"][numbers + 1]
    questions = [
        text(pairs["question"][a:b], QUESTION_TERMS) for a, b in zip(begin, end, strict=True)
    ]
    told, passage = np.unique(pairs["passage"][numbers], return_inverse=True)
    chunks = pairs["chunk"][told]
    texts = [
        text(passages[a : min(b, a + 2 * PASSAGE_TERMS)], PASSAGE_TERMS)
        for a, b in zip(starts[chunks], starts[chunks + 1], strict=True)
    ]
    teacher = Teacher(args.minilm)
    asked = teacher.encode(questions)
    told_of = teacher.encode(texts)
    np.savez(args.work / "teacher.npz", pair=numbers, question=asked, passage=told_of[passage])
    print(f"{len(numbers)} pairs embedded")


if __name__ == "__main__":
    main()
