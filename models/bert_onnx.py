"""A BERT encoder as an ONNX graph, from its weights by the names Hugging Face gives them.

A session at its default optimisation level makes one node of each gelu with its bias and of each
normalisation with its skip connection. Attention is written as ONNX Runtime's own operator: what
finds it in a graph of plain operators knows those of opset 13 only, and with it a session is a
tenth faster on a CPU. The gelu is the exact one (erf).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 9  # LayerNormalization is an operator from 17 on
EPSILON = 1e-12
RUNTIME = "com.microsoft"

Weights = Mapping[str, NDArray[np.float32]]


def layers(weights: Weights) -> int:
    """How many layers the weights are for."""
    return 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))


class _Graph:
    """Nodes and constants as they are added; each node has one output, whose name it returns."""

    def __init__(self, weights: Weights, precision: type[np.floating]) -> None:
        self.weights = weights
        self.precision = np.dtype(precision)
        self.type = helper.np_dtype_to_tensor_dtype(self.precision)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, self.precision))

    def indices(self, name: str, *values: int) -> str:
        return self.constant(name, np.array(values, np.int64))

    def weight(self, name: str, *, transposed: bool = False) -> str:
        value = self.weights[name].astype(self.precision)
        return self.constant(name, value.T if transposed else value)

    def linear(self, name: str, x: str) -> str:
        product = self.node("MatMul", x, self.weight(f"{name}.weight", transposed=True))
        return self.node("Add", product, self.weight(f"{name}.bias"))

    def norm(self, name: str, x: str, output: str = "") -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node(
            "LayerNormalization", x, scale, bias, output=output, axis=-1, epsilon=EPSILON
        )

    def gelu(self, x: str) -> str:
        erf = self.node("Erf", self.node("Div", x, self.number("sqrt2", np.sqrt(2))))
        shifted = self.node("Add", erf, self.number("one", 1))
        return self.node("Mul", self.node("Mul", x, shifted), self.number("half", 0.5))


def build(
    weights: Weights, heads: int, precision: type[np.floating] = np.float32
) -> onnx.ModelProto:
    """The graph: `input_ids`, `attention_mask` and `token_type_ids`, int64 of shape `(n, w)`.

    The output is `last_hidden_state`, of shape `(n, w, d)` and the given precision.
    """
    g = _Graph(weights, precision)
    width = weights["embeddings.word_embeddings.weight"].shape[1]
    x = embedded = _embeddings(g)
    mask = g.node("Cast", "attention_mask", to=TensorProto.INT32)
    for layer in range(layers(weights)):
        name = f"encoder.layer.{layer}"
        mixed = g.linear(f"{name}.attention.output.dense", _attention(g, name, x, mask, heads))
        x = g.norm(f"{name}.attention.output.LayerNorm", g.node("Add", mixed, x))
        inner = g.gelu(g.linear(f"{name}.intermediate.dense", x))
        inner = g.linear(f"{name}.output.dense", inner)
        last = layer == layers(weights) - 1
        x = g.norm(
            f"{name}.output.LayerNorm",
            g.node("Add", inner, x),
            output="last_hidden_state" if last else "",
        )
    shape: list[str | int] = ["batch_size", "sequence_length"]
    names = ("input_ids", "attention_mask", "token_type_ids")
    graph = helper.make_graph(
        g.nodes,
        "bert",
        [helper.make_tensor_value_info(each, TensorProto.INT64, shape) for each in names],
        [helper.make_tensor_value_info("last_hidden_state", g.type, [*shape, width])],
        list(g.constants.values()),
        # What shape inference does not see through the slice, and the fusions want to know.
        value_info=[helper.make_tensor_value_info(embedded, g.type, [*shape, width])],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, 1)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


def _embeddings(g: _Graph) -> str:
    words = g.node("Gather", g.weight("embeddings.word_embeddings.weight"), "input_ids", axis=0)
    types = g.node(
        "Gather", g.weight("embeddings.token_type_embeddings.weight"), "token_type_ids", axis=0
    )
    # The first rows of the table of positions, as many as there are columns.
    columns = g.node("Slice", g.node("Shape", "input_ids"), g.indices("1", 1), g.indices("2", 2))
    table = g.weight("embeddings.position_embeddings.weight")
    places = g.node("Slice", table, g.indices("0", 0), columns, "0")
    x = g.node("Add", g.node("Add", words, types), places)
    return g.norm("embeddings.LayerNorm", x)


def _attention(g: _Graph, name: str, x: str, mask: str, heads: int) -> str:
    names = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    # One matrix product for the three.
    weight = np.concatenate([g.weights[f"{each}.weight"].T for each in names], axis=1)
    bias = np.concatenate([g.weights[f"{each}.bias"] for each in names])
    return g.node(
        "Attention",
        x,
        g.constant(f"{name}.attention.weight", weight.astype(g.precision)),
        g.constant(f"{name}.attention.bias", bias.astype(g.precision)),
        mask,
        num_heads=heads,
        domain=RUNTIME,
    )
