"""BERT models with random weights, and what they must give: a forward pass in float64 NumPy."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

MODELS = Path(__file__).resolve().parent.parent / "models"

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "read", "the", "file", "and", "close", "it"]
WIDTH, HEADS, LAYERS, POSITIONS = 16, 2, 2, 24

Weights = dict[str, NDArray[np.float32]]


def scripts() -> None:
    """Makes the scripts under `models/` importable; skips where they are not."""
    if not MODELS.is_dir():
        pytest.skip("the scripts that make models are not here")
    if str(MODELS) not in sys.path:
        sys.path.append(str(MODELS))


def random_weights(seed: int) -> Weights:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> NDArray[np.float32]:
        return (rng.normal(size=shape) * 0.5).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": normal(len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": normal(POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": normal(2, WIDTH),
    }
    shapes = {
        "attention.self.query": (WIDTH, WIDTH),
        "attention.self.key": (WIDTH, WIDTH),
        "attention.self.value": (WIDTH, WIDTH),
        "attention.output.dense": (WIDTH, WIDTH),
        "intermediate.dense": (4 * WIDTH, WIDTH),
        "output.dense": (WIDTH, 4 * WIDTH),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        start = f"encoder.layer.{layer}"
        for name, shape in shapes.items():
            weights[f"{start}.{name}.weight"] = normal(*shape)
            weights[f"{start}.{name}.bias"] = normal(shape[0])
        norms += [f"{start}.attention.output.LayerNorm", f"{start}.output.LayerNorm"]
    for name in norms:
        weights[f"{name}.weight"] = 1 + normal(WIDTH)
        weights[f"{name}.bias"] = normal(WIDTH)
    return weights


def forward(weights: Weights, heads: int, ids: list[int]) -> NDArray[np.float64]:
    """The last hidden states of one text, shape `(len(ids), width)`."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    erf = np.vectorize(math.erf)

    def linear(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        y: NDArray[np.float64] = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
        return y

    def norm(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
    width = x.shape[1] // heads
    layers = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("encoder."))
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            linear(f"{name}.attention.self.{part}", x).reshape(len(ids), heads, width)
            for part in ("query", "key", "value")
        )
        scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(width)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", scores, value).reshape(len(ids), -1)
        x = norm(
            f"{name}.attention.output.LayerNorm",
            x + linear(f"{name}.attention.output.dense", mixed),
        )
        inner = linear(f"{name}.intermediate.dense", x)
        inner = 0.5 * inner * (1 + erf(inner / np.sqrt(2)))
        x = norm(f"{name}.output.LayerNorm", x + linear(f"{name}.output.dense", inner))
    return x


def pooled(hidden: NDArray[np.float64], pooling: str) -> NDArray[np.float64]:
    """A unit vector of the hidden states of one text."""
    vector = {"mean": hidden.mean(0), "cls": hidden[0], "lasttoken": hidden[-1]}[pooling]
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


def tokenizer(words: list[str] = WORDS) -> dict[str, Any]:
    """A `tokenizer.json` over `words`."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "BertProcessing",
            "sep": ["[SEP]", words.index("[SEP]")],
            "cls": ["[CLS]", words.index("[CLS]")],
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: at for at, word in enumerate(words)},
            "unk_token": "[UNK]",
        },
    }


def ids_of(text: str, limit: int = POSITIONS) -> list[int]:
    """What that tokenizer makes of a text."""
    ids = [WORDS.index(word) if word in WORDS else 1 for word in text.lower().split()]
    return [2, *ids[: limit - 2], 3]


def write_bert(folder: Path, seed: int = 3) -> Weights:
    """A model of sentence-transformers in all three precisions; its weights."""
    scripts()
    import bert_onnx
    import minilm_onnx

    weights = random_weights(seed)
    (folder / "onnx").mkdir(parents=True)
    onnx.save(bert_onnx.build(weights, HEADS), str(folder / "onnx" / "model.onnx"))
    onnx.save(bert_onnx.build(weights, HEADS, np.float16), str(folder / "onnx" / "model_fp16.onnx"))
    minilm_onnx.quantise(folder / "onnx" / "model.onnx", folder / "onnx" / "model_quantized.onnx")
    write_json(folder / "tokenizer.json", tokenizer())
    write_json(
        folder / "config.json",
        {"model_type": "bert", "hidden_size": WIDTH, "max_position_embeddings": POSITIONS},
    )
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds.items())
    ]
    write_json(folder / "modules.json", modules)
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True},
    )
    return weights


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
