"""Write the model as hybridx ships it: model.onnx, terms.txt and hybridx.json.

Each row of the table is int8 with a scale of its own. In the graph a text's terms weigh
scale × log(1 + count), rounded to 7 bits of the text's largest weight, so that the sum over the
terms is one integer matrix product: twice as fast as in float32 at a cosine above 0.9999, and
without saturation on processors that add pairs of products in 16 bits.

Rows behind those of the vocabulary are the buckets of n-grams (`ngrams.py`).

    python models/export.py WORK/trained.npz --terms WORK/terms.txt --out FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

NAME = "hybridx-static-2"
OPSET, IR_VERSION = 18, 9
TINY = 1e-9  # keeps a text without terms at zero


def quantise(
    vectors: NDArray[np.float32], weights: NDArray[np.float32]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows as int8, and the scale of each with its weight folded in."""
    peaks = np.maximum(np.abs(vectors).max(1), TINY)
    rows = np.rint(vectors * (127 / peaks)[:, None]).astype(np.int8)
    scales = weights * peaks
    return rows, (scales / scales.max()).astype(np.float32)


def build(rows: NDArray[np.int8], scales: NDArray[np.float32]) -> onnx.ModelProto:
    """The graph over a quantised table."""
    node = helper.make_node
    constants: dict[str, NDArray[np.generic]] = {
        "rows": rows,
        "scales": scales,
        "one": np.array(1, np.float32),
        "tiny": np.array(TINY, np.float32),
        "most": np.array(127, np.float32),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        node("Gather", ["scales", "input_ids"], ["scale"]),
        node("Cast", ["attention_mask"], ["count"], to=TensorProto.FLOAT),
        node("Add", ["count", "one"], ["count_1"]),
        node("Log", ["count_1"], ["squashed"]),
        node("Mul", ["scale", "squashed"], ["weight"]),
        node("ReduceMax", ["weight", "axis"], ["largest"], keepdims=1),
        node("Max", ["largest", "tiny"], ["divisor"]),
        node("Div", ["most", "divisor"], ["factor"]),
        node("Mul", ["weight", "factor"], ["scaled"]),
        node("Round", ["scaled"], ["rounded"]),
        node("Cast", ["rounded"], ["share"], to=TensorProto.UINT8),
        node("Unsqueeze", ["share", "axis"], ["shares"]),
        node("Gather", ["rows", "input_ids"], ["gathered"]),
        node("MatMulInteger", ["shares", "gathered"], ["product"]),
        node("Squeeze", ["product", "axis"], ["sum"]),
        node("Cast", ["sum"], ["embedding"], to=TensorProto.FLOAT),
        node("ReduceL2", ["embedding", "axis"], ["length"], keepdims=1),
        node("Max", ["length", "tiny"], ["norm"]),
        node("Div", ["embedding", "norm"], ["sentence_embedding"]),
    ]
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        nodes,
        NAME,
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, shape),
        ],
        [
            helper.make_tensor_value_info(
                "sentence_embedding", TensorProto.FLOAT, ["batch", rows.shape[1]]
            )
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name="hybridx")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model: onnx.ModelProto, terms: str, dimension: int, buckets: int, out: Path) -> None:
    """Write the three files; each appears whole or not at all."""
    config = {
        "format": 1,
        "name": NAME,
        "tokenizer": "terms",
        "vocabulary": "terms.txt",
        "buckets": buckets,
        "model": "model.onnx",
        "dimension": dimension,
        "max_terms": 512,
        "output": "sentence_embedding",
        "counts": True,
        "license": "Apache-2.0",
    }
    files = {
        "model.onnx": model.SerializeToString(deterministic=True),
        "terms.txt": terms.encode(),
        "hybridx.json": (json.dumps(config, indent=2) + "\n").encode(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        scratch = out / f".{name}.new"
        scratch.write_bytes(data)
        scratch.replace(out / name)
    print(f"{sum(map(len, files.values())) / 2**20:.1f} MiB in {out}")


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parameters", type=Path)
    parser.add_argument("--terms", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    parameters = np.load(args.parameters)
    rows, scales = quantise(parameters["vectors"], parameters["weights"])
    terms = args.terms.read_text(encoding="utf-8")
    buckets = len(rows) - terms.count("\n")
    if buckets < 0:
        raise SystemExit("the vocabulary does not fit the parameters")
    write(build(rows, scales), terms, rows.shape[1], buckets, args.out)


if __name__ == "__main__":
    main()
