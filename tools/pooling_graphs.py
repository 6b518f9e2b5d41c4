"""Makes the graphs that pool a transformer's output on the device where it lies.

    python tools/pooling_graphs.py

writes `python/hybridx/embed/graphs/POOLING-TYPE.onnx`: inputs `hidden` of shape (n, w, d), in
float32 or float16, and `mask`, int64 of shape (n, w); output `pooled`, float32 of shape (n, d).
Rows are padded on the right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GRAPHS = Path(__file__).parents[1] / "python" / "hybridx" / "embed" / "graphs"
OPSET = 17
"""Every ONNX Runtime that this package accepts reads it."""

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


def constant(name: str, value: object, kind: type) -> onnx.TensorProto:
    """A constant of the graph."""
    return numpy_helper.from_array(np.array(value, kind), name)


def mean() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """The mean over the tokens of a row; zeros for a row without any.

    As a product of matrices, so that nothing of the size of `hidden` is written.
    """
    nodes = [
        helper.make_node("Cast", ["mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "one"], ["row"]),
        helper.make_node("MatMul", ["row", "values"], ["sums"]),
        helper.make_node("Squeeze", ["sums", "one"], ["sum"]),
        helper.make_node("ReduceSum", ["weights", "one"], ["count"], keepdims=1),
        helper.make_node("Max", ["count", "least"], ["divisor"]),
        helper.make_node("Div", ["sum", "divisor"], ["pooled"]),
    ]
    return nodes, [constant("one", [1], np.int64), constant("least", 1, np.float32)]


def cls() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """The first token of a row."""
    nodes = [helper.make_node("Gather", ["values", "zero"], ["pooled"], axis=1)]
    return nodes, [constant("zero", 0, np.int64)]


def last() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """The last token of a row that is no padding."""
    nodes = [
        helper.make_node("ReduceSum", ["mask", "one"], ["count"], keepdims=1),
        helper.make_node("Sub", ["count", "one"], ["before"]),
        helper.make_node("Max", ["before", "zero"], ["place"]),
        helper.make_node("GatherND", ["values", "place"], ["pooled"], batch_dims=1),
    ]
    return nodes, [constant("one", [1], np.int64), constant("zero", [0], np.int64)]


def main() -> None:
    """Write all of them."""
    GRAPHS.mkdir(exist_ok=True)
    for pooling in (mean, cls, last):
        for name, kind in TYPES.items():
            nodes, constants = pooling()
            cast = helper.make_node("Cast", ["hidden"], ["values"], to=TensorProto.FLOAT)
            graph = helper.make_graph(
                [cast, *nodes],
                f"{pooling.__name__}-{name}",
                [
                    helper.make_tensor_value_info("hidden", kind, ["n", "w", "d"]),
                    helper.make_tensor_value_info("mask", TensorProto.INT64, ["n", "w"]),
                ],
                [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["n", "d"])],
                constants,
            )
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
            model.ir_version = 8
            onnx.checker.check_model(model, full_check=True)
            path = GRAPHS / f"{pooling.__name__}-{name}.onnx"
            path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
