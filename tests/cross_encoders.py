"""Cross-encoders small enough to be written by hand, whose scores anybody can count."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ANIMALS = """
ant bee cat dog eel fox gnu hen ibis jay kiwi lynx mole newt owl pig quail rat seal toad urchin
vole wasp yak zebra
"""
WORDS = _ANIMALS.split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = {word: at for at, word in enumerate([*SPECIAL, "def", "return", "src", *WORDS])}
WINDOW = 200


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """One operator of a graph."""
    return helper.make_node(kind, inputs, [output], **attributes)


def overlap(types: str = "token_type_ids") -> list[onnx.NodeProto]:
    """Counts tokens of the second text that the first one has, into `count` of shape `(n, 1)`."""
    return [
        node("Equal", [types, "zero"], "of_query"),
        node("Equal", ["attention_mask", "one"], "there"),
        node("And", ["of_query", "there"], "is_query"),
        node("Equal", [types, "one"], "is_passage"),
        node("Where", ["is_query", "input_ids", "minus_one"], "query"),
        node("Where", ["is_passage", "input_ids", "minus_two"], "passage"),
        node("Unsqueeze", ["query", "one"], "across"),
        node("Unsqueeze", ["passage", "two"], "down"),
        node("Equal", ["across", "down"], "same"),
        node("Cast", ["same"], "same_float", to=TensorProto.FLOAT),
        node("ReduceMax", ["same_float"], "found", axes=[2], keepdims=0),
        node("ReduceSum", ["found", "one"], "count", keepdims=1),
    ]


def constant(value: float) -> list[onnx.NodeProto]:
    """Gives every pair the same."""
    return [
        *overlap(),
        node("Constant", [], "factor", value_floats=[0.0]),
        node("Constant", [], "value", value_floats=[value]),
        node("Mul", ["count", "factor"], "nothing"),
        node("Add", ["nothing", "value"], "logits"),
    ]


def make_cross_encoder(
    folder: Path,
    nodes: Sequence[onnx.NodeProto] = (),
    *,
    outputs: Sequence[tuple[str, Sequence[int | str]]] = (("logits", ("pairs", 1)),),
    inputs: Sequence[str] = ("input_ids", "attention_mask", "token_type_ids"),
    config: Any = None,
    onnx_folder: str = "onnx",
) -> Path:
    """Writes a cross-encoder; by default one that counts what the two texts have in common."""
    (folder / onnx_folder).mkdir(parents=True)
    numbers = {"zero": 0, "one": 1, "two": 2, "minus_one": -1, "minus_two": -2}
    graph = helper.make_graph(
        list(nodes) or [*overlap(), node("Identity", ["count"], "logits")],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "w"]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.array([value]), name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / onnx_folder / "model.onnx"))
    token = {name: {"SpecialToken": {"id": name, "type_id": 0}} for name in SPECIAL}
    text = [{"Sequence": {"id": name, "type_id": kind}} for kind, name in enumerate("AB")]
    end = {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": 7,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token["[CLS]"], text[0], token["[SEP]"]],
            "pair": [token["[CLS]"], text[0], token["[SEP]"], text[1], end],
            "special_tokens": {
                name: {"id": name, "ids": [VOCABULARY[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    if config is None:
        config = {"max_position_embeddings": WINDOW, "id2label": {"0": "LABEL_0"}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def tokens(text: str) -> list[int]:
    """The ids of a text's words, as the tokenizer finds them."""
    return [VOCABULARY.get(word, 1) for word in re.findall(r"\w+|[^\w\s]+", text.lower())]


def make_endless(folder: Path) -> Path:
    """A cross-encoder that does not come to an end."""
    body = helper.make_graph(
        [node("Identity", ["go"], "still"), node("Add", ["sum", "step"], "more")],
        "body",
        [
            helper.make_tensor_value_info("n", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(np.array([0.5], np.float32), "step")],
    )
    nodes = [
        *overlap(),
        node("Constant", [], "forever", value_int=2**62),
        node("Loop", ["forever", "", "count"], "logits", body=body),
    ]
    return make_cross_encoder(folder, nodes)
