"""What is read from a model's own files, and what is refused rather than guessed at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

from hybridx.embed import load_model
from hybridx.embed.embedder import Embedder
from hybridx.embed.layouts import GRAPHS, find_graph, precisions, weights_of
from hybridx.embed.pooling import Pool, finish
from hybridx.errors import ModelError
from test_models import WIDTH, embed, make_transformer
from tiny_bert import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx.embed import Model


def modules(*kinds: str) -> list[dict[str, Any]]:
    """A `modules.json`, out of order as it may be."""
    listed = [
        {
            "idx": at,
            "name": str(at),
            "path": "" if at == 0 else f"{at}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for at, kind in enumerate(kinds)
    ]
    return listed[::-1]


def made(folder: Path, files: dict[str, Any], **arguments: Any) -> Model:
    """A model with these files beside the usual ones; `None` is a file that is not there."""
    make_transformer(folder)
    for name, value in files.items():
        if value is None:
            (folder / name).unlink()
        elif isinstance(value, str):
            (folder / name).write_text(value)
        else:
            write_json(folder / name, value)
    return load_model(str(folder), **arguments)


CONFIG = {"hidden_size": WIDTH, "max_position_embeddings": 512}
POOLING = "1_Pooling/config.json"
PROMPTS = "config_sentence_transformers.json"
SENTENCE = "sentence_bert_config.json"

READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mean": ({POOLING: {"pooling_mode_mean_tokens": True}}, {"pooling": "mean"}),
    "cls": (
        {POOLING: {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}},
        {"pooling": "cls"},
    ),
    "last": ({POOLING: {"pooling_mode_lasttoken": True}}, {"pooling": "last"}),
    "mean, newer": ({POOLING: {"pooling_mode": "mean"}}, {"pooling": "mean"}),
    "cls, newer": ({POOLING: {"pooling_mode": "cls"}}, {"pooling": "cls"}),
    "last, newer": ({POOLING: {"pooling_mode": ["lasttoken"]}}, {"pooling": "last"}),
    "a bare encoder": ({POOLING: None}, {"pooling": "mean", "normalize": True}),
    "no pooling module": (
        {"modules.json": modules("Transformer", "Normalize")},
        {"pooling": "none"},
    ),
    "all modules": (
        {"modules.json": modules("Transformer", "Pooling", "Normalize")},
        {"pooling": "mean", "normalize": True},
    ),
    "pooling elsewhere": (
        {
            "modules.json": modules("Transformer", "Dropout", "Pooling"),
            "2_Pooling/config.json": {"pooling_mode": "cls"},
        },
        {"pooling": "cls"},
    ),
    "prompts": (
        {PROMPTS: {"prompts": {"query": "Q: ", "document": "D: "}}},
        {"query_prefix": "Q: ", "passage_prefix": "D: "},
    ),
    "passage": (
        {PROMPTS: {"prompts": {"query": "Q: ", "passage": "P: "}}},
        {"query_prefix": "Q: ", "passage_prefix": "P: "},
    ),
    "a prompt for queries": (
        {PROMPTS: {"prompts": {"query": "Q: ", "document": ""}, "default_prompt_name": None}},
        {"query_prefix": "Q: ", "passage_prefix": ""},
    ),
    "a default prompt": (
        {PROMPTS: {"prompts": {"query": "Q: ", "any": "A: "}, "default_prompt_name": "any"}},
        {"query_prefix": "Q: ", "passage_prefix": "A: "},
    ),
    "no prompts": ({PROMPTS: {"prompts": None}}, {"query_prefix": "", "passage_prefix": ""}),
    "its own length": (
        {"config.json": CONFIG, SENTENCE: {"max_seq_length": 128}},
        {"max_length": 128},
    ),
    "a length beyond its positions": (
        {"config.json": CONFIG, SENTENCE: {"max_seq_length": 4096}},
        {"max_length": 512},
    ),
    "the tokenizer's length": (
        {"config.json": CONFIG, "tokenizer_config.json": {"model_max_length": 300}},
        {"max_length": 300},
    ),
    "a tokenizer without limit": (
        {"config.json": CONFIG, "tokenizer_config.json": {"model_max_length": 1e30}},
        {"max_length": 512},
    ),
    "a length of its own before the tokenizer's": (
        {
            "config.json": {"hidden_size": WIDTH, "max_position_embeddings": 8192},
            SENTENCE: {"max_seq_length": 8192},
            "tokenizer_config.json": {"model_max_length": 512},
        },
        {"max_length": 8192},
    ),
    "positions for padding": (
        {
            "config.json": {
                "hidden_size": WIDTH,
                "max_position_embeddings": 514,
                "model_type": "xlm-roberta",
                "pad_token_id": 1,
            }
        },
        {"max_length": 512},
    ),
    "other names": (
        {"config.json": {"n_embd": WIDTH, "n_positions": 2048}},
        {"max_length": 2048, "full_dimension": WIDTH},
    ),
    "no length": ({"config.json": {"hidden_size": WIDTH}}, {"max_length": 512}),
    "lower case": ({SENTENCE: {"do_lower_case": True}}, {}),
    "truncated": (
        {PROMPTS: {"truncate_dim": 4}},
        {"dimension": 4, "full_dimension": WIDTH},
    ),
}


@pytest.mark.parametrize("case", READ)
def test_it_is_read(tmp_path: Path, case: str) -> None:
    files, expected = READ[case]
    model = made(tmp_path / "m", files)
    assert {key: getattr(model, key) for key in expected} == expected
    assert model.dimension <= model.full_dimension


DENSE = modules("Transformer", "Pooling", "Dense", "Normalize")
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a dense layer": ({"modules.json": DENSE}, "2_Dense (Dense) is not supported"),
    "an unknown module": ({"modules.json": modules("Transformer", "Pooling", "Odd")}, "2_Odd"),
    "modules twice": ({"modules.json": modules("Transformer", "Pooling", "Pooling")}, "2_Pooling"),
    "no list": ({"modules.json": {}}, "not a list of modules"),
    "odd modules": ({"modules.json": [{"idx": 0}]}, "missing or wrong"),
    "modules of nothing": ({"modules.json": [3]}, "missing or wrong"),
    "pooling outside": (
        {"modules.json": [{"idx": 0, "type": "a.Pooling", "path": "../elsewhere"}]},
        "leads out of the model",
    ),
    "pooling missing": (
        {"modules.json": modules("Transformer", "Dropout", "Pooling")},
        "2_Pooling",
    ),
    "max pooling": ({POOLING: {"pooling_mode_max_tokens": True}}, "pooling_mode_max_tokens"),
    "two poolings": ({POOLING: {"pooling_mode": ["cls", "mean"]}}, "cls, mean"),
    "both poolings": (
        {POOLING: {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}},
        "supported are mean, CLS and last token",
    ),
    "no pooling": ({POOLING: {"word_embedding_dimension": WIDTH}}, "its pooling is nothing"),
    "a decoder that does not say": (
        {POOLING: None, "config.json": {**CONFIG, "architectures": ["Qwen3ForCausalLM"]}},
        "does not say how its vectors are pooled",
    ),
    "prompts left out": (
        {
            POOLING: {"pooling_mode": "mean", "include_prompt": False},
            PROMPTS: {"prompts": {"query": "Q"}},
        },
        "left out of the pooling",
    ),
    "a default that is not there": ({PROMPTS: {"prompts": {}, "default_prompt_name": "a"}}, "'a'"),
    "compared by length": (
        {"modules.json": modules("Transformer", "Pooling"), PROMPTS: {"similarity_fn_name": "dot"}},
        "compared by dot",
    ),
    "lower case that nobody makes": (
        {SENTENCE: {"do_lower_case": True}, "tokenizer.json": {"normalizer": None}},
        "in lower case",
    ),
    "no width": ({"config.json": {"max_position_embeddings": 9}}, "hidden_size"),
    "a width of words": ({"config.json": {"hidden_size": "8"}}, "hidden_size is '8'"),
    "a width of nothing": ({"config.json": {"hidden_size": 0}}, "hidden_size is 0"),
    "a length of nothing": ({SENTENCE: {"max_seq_length": 0}}, "max_seq_length is 0"),
    "more than there is": ({PROMPTS: {"truncate_dim": 99}}, "99 dimensions of 8"),
    "no JSON": ({SENTENCE: "{"}, SENTENCE),
    "a list": ({SENTENCE: "[]"}, "not a JSON object"),
    "deep": ({SENTENCE: "[" * 100_000}, SENTENCE),
    "no text": ({"config.json": "\udcff"}, "config.json"),
    "no tokenizer": ({"tokenizer.json": None}, "tokenizer.json is missing"),
    "no graph": ({"model.onnx": None}, "neither model.onnx nor onnx/model.onnx"),
    "no configuration": ({"config.json": None}, "config.json is missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    files, says = REFUSED[case]
    if case == "no text":
        make_transformer(tmp_path / "m")
        (tmp_path / "m" / "config.json").write_bytes(b"\xff\xfe{")
        files = {}
        with pytest.raises(ModelError) as error:
            load_model(str(tmp_path / "m"))
    else:
        with pytest.raises(ModelError) as error:
            made(tmp_path / "m", files)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "m") in str(error.value), "it does not say which model"


@pytest.mark.parametrize(
    ("wanted", "kept"), [(None, WIDTH), (WIDTH, WIDTH), (4, 4), (2, 2), (3, None), (9, None)]
)
def test_a_dimension_is_one_of_those_it_was_trained_for(
    tmp_path: Path, wanted: int | None, kept: int | None
) -> None:
    config = {**CONFIG, "matryoshka_dimensions": [2, 4, WIDTH]}
    if kept is None:
        with pytest.raises(ModelError, match="but of 2, 4, 8"):
            made(tmp_path / "m", {"config.json": config}, dimension=wanted)
        return
    model = made(tmp_path / "m", {"config.json": config}, dimension=wanted)
    assert (model.dimension, model.full_dimension) == (kept, WIDTH)
    again = load_model(model.reference)
    assert again == model
    assert again.fingerprint == model.fingerprint
    whole = load_model(str(tmp_path / "m"))
    assert (whole.fingerprint == model.fingerprint) == (kept == WIDTH)


def test_the_bundled_model_has_one_dimension() -> None:
    assert load_model("bundled", dimension=256).dimension == 256
    with pytest.raises(ModelError, match="256 dimensions only"):
        load_model("bundled", dimension=128)


# Graphs


@pytest.mark.parametrize(
    ("names", "precision", "device", "chosen"),
    [
        (["onnx/model.onnx", "onnx/model_fp16.onnx"], "auto", "cpu", "onnx/model.onnx"),
        (["onnx/model.onnx", "onnx/model_fp16.onnx"], "auto", "auto", "onnx/model.onnx"),
        (["onnx/model.onnx", "onnx/model_fp16.onnx"], "auto", "cuda", "onnx/model_fp16.onnx"),
        (["onnx/model.onnx"], "auto", "cuda", "onnx/model.onnx"),
        (["onnx/model_quantized.onnx"], "auto", "cpu", "onnx/model_quantized.onnx"),
        (["onnx/model_fp16.onnx", "onnx/model_int8.onnx"], "auto", "cpu", "onnx/model_fp16.onnx"),
        (["model.onnx", "onnx/model.onnx"], "float32", "cpu", "onnx/model.onnx"),
        (["model.onnx", "onnx/model_int8.onnx"], "int8", "cpu", "onnx/model_int8.onnx"),
        (["model.onnx"], "int8", "cpu", None),
        (["model.onnx"], "float16", "cuda", None),
        (["model_optimized.onnx", "onnx/decoder.onnx", "x/model.onnx"], "auto", "cpu", None),
        ([], "auto", "cpu", None),
    ],
)
def test_the_graph_is_the_one_for_precision_and_device(
    names: list[str], precision: str, device: Any, chosen: str | None
) -> None:
    found = find_graph(names, precision, device)
    assert (found and found[1]) == chosen


def test_each_published_name_is_of_one_precision() -> None:
    names = [name for each in GRAPHS.values() for name in each]
    assert len(names) == len(set(names))
    assert precisions(names) == list(GRAPHS)


def test_weights_beside_a_graph_are_known_and_others_are_not() -> None:
    names = [
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/model.onnx.data",
        "onnx/model.onnx_data_1",
    ]
    other = ["onnx/model_fp16.onnx", "onnx/model_fp16.onnx_data", "model.onnx_data"]
    assert weights_of(names[0], [*other, *names]) == sorted(names[1:])


def test_a_missing_precision_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not there in int8, only in float32"):
        made(tmp_path / "m", {}, precision="int8")


# Pooling


def outputs(dtype: type[np.floating], seed: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    output = rng.normal(size=(4, 6, WIDTH)).astype(dtype)
    mask = np.zeros((4, 6), np.int64)
    for row, length in enumerate((6, 1, 3, 0)):
        mask[row, :length] = 1
    output[3] = np.nan  # what attention over nothing gives
    return output, mask


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kept", [WIDTH, 4])
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_pooling_truncation_and_normalisation(
    tmp_path: Path, pooling: str, kept: int, dtype: type[np.floating]
) -> None:
    config = {**CONFIG, "matryoshka_dimensions": [4]}
    files = {"config.json": config, POOLING: {"pooling_mode": pooling}}
    model = made(tmp_path / "m", files, dimension=kept)
    output, mask = outputs(dtype)
    pool = Pool(model.pooling, output.dtype.name, cuda=False)
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    vectors = finish(pool.run(value(output), value(mask)).numpy(), mask, model)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, kept)
    assert vectors.flags.c_contiguous
    for row, length in enumerate((6, 1, 3)):
        tokens = output[row, :length].astype(np.float64)
        right = {"mean": tokens.mean(0), "cls": tokens[0], "lasttoken": tokens[-1]}[pooling][:kept]
        assert np.allclose(vectors[row], right / np.linalg.norm(right), atol=1e-3)
        assert np.isclose(np.linalg.norm(vectors[row]), 1, atol=1e-6)
    assert not vectors[3].any(), "a row without tokens has no direction"


def test_what_a_graph_pooled_by_itself_is_kept(tmp_path: Path) -> None:
    files = {"modules.json": modules("Transformer", "Normalize"), PROMPTS: {"truncate_dim": 4}}
    model = made(tmp_path / "m", files)
    output, mask = outputs(np.float32)
    vectors = finish(output[:, 0], mask, model)
    assert np.allclose(vectors[0], output[0, 0, :4] / np.linalg.norm(output[0, 0, :4]), atol=1e-6)
    with pytest.raises(ModelError, match="a vector for each token"):
        Embedder(model)


def test_another_dimension_than_promised_is_said(tmp_path: Path) -> None:
    model = made(tmp_path / "m", {"config.json": {"hidden_size": 5}})
    with pytest.raises(ModelError, match="its vectors have 8 dimensions, its configuration says 5"):
        embed(Embedder(model), ["read"])


def test_the_files_of_a_contract_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    model = made(tmp_path / "m", {SENTENCE: {"max_seq_length": 9}})
    before = model.fingerprint
    for name in ("config.json", POOLING, SENTENCE, "tokenizer.json", "model.onnx"):
        path = tmp_path / "m" / name
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        changed = "?" if name == "model.onnx" else load_model(str(tmp_path / "m")).fingerprint
        assert changed != before, f"{name} decides nothing"
        path.write_bytes(content)
    (tmp_path / "m" / PROMPTS).write_text(json.dumps({"prompts": {"query": "Q"}}))
    assert load_model(str(tmp_path / "m")).fingerprint != before
