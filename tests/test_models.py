"""Models: the contract of a folder, pooling against NumPy, halving of failing batches."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper

from hybridx.embed import load_model
from hybridx.embed.embedder import Embedder
from hybridx.errors import ModelError
from tiny_bert import tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "read", "the", "file", "and", "close", "it"]
WIDTH = 8


def make_transformer(folder: Path, pooling: str = "mean") -> NDArray[np.float32]:
    """Writes a model whose hidden states are rows of a table; returns the table."""
    folder.mkdir()
    table = np.random.default_rng(7).normal(size=(len(WORDS), WIDTH)).astype(np.float32)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    shape = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, WIDTH])
    graph = helper.make_graph(
        nodes, "g", inputs, [output], [numpy_helper.from_array(table, "table")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(WORDS)))
    (folder / "config.json").write_text(
        json.dumps({"hidden_size": WIDTH, "max_position_embeddings": 16})
    )
    (folder / "1_Pooling").mkdir()
    key = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}.get(
        pooling, "pooling_mode_lasttoken"
    )
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({key: True}))
    return table


def batch(texts: list[str]) -> pa.RecordBatch:
    columns = {"context": [""] * len(texts), "text": texts, "terms": texts}
    return pa.record_batch({name: pa.array(each, pa.string()) for name, each in columns.items()})


def embed(embedder: Embedder, texts: list[str]) -> NDArray[np.float32]:
    vectors = np.zeros((len(texts), embedder.model.dimension), dtype=np.float32)
    encoded = embedder.encode(batch(texts), np.zeros(len(texts), dtype=np.bool_))
    result = embedder.run([encoded], vectors)
    assert not result.failed, result.failed
    return vectors


def expected(table: NDArray[np.float32], text: str, pooling: str) -> NDArray[np.float64]:
    ids = [WORDS.index(word) if word in WORDS else 1 for word in text.lower().split()]
    ids = [2, *ids[:14], 3]
    rows = table[ids].astype(np.float64)
    vector = {"mean": rows.mean(axis=0), "cls": rows[0], "last": rows[-1]}[pooling]
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_folder_is_pooled_as_its_own_files_say(tmp_path: Path, pooling: str) -> None:
    table = make_transformer(tmp_path / "m", pooling)
    model = load_model(str(tmp_path / "m"))
    texts = ["read the file", "close", "", "Read it and close the file " * 9, "nobody knows it"]
    vectors = embed(Embedder(model), texts)
    for text, vector in zip(texts, vectors, strict=True):
        right = expected(table, text, pooling)
        assert vector @ right > 0.9999, f"{pooling} pooling of {text!r} is wrong"
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_bundled_model_gives_unit_vectors_that_do_not_depend_on_the_batch() -> None:
    embedder = Embedder(load_model("bundled"))
    texts = ["read the file", "+read_file read file", "socket", "0xdeadbeef 12345", "read " * 40]
    together = embed(embedder, texts)
    norms = np.linalg.norm(together, axis=1)
    assert np.allclose(norms[[0, 1, 2, 4]], 1, atol=1e-5), norms
    assert norms[3] == 0, "a text without known terms has no direction"
    for at, text in enumerate(texts):
        alone = embed(embedder, [text])[0]
        assert np.allclose(alone, together[at], atol=1e-6), f"{text!r} depends on its batch"


def test_a_name_that_the_vocabulary_lacks_is_known_by_its_letters() -> None:
    embedder = Embedder(load_model("bundled"))
    known = set(embedder.model.tokenizer.read_text("utf-8").split("\n"))
    name, others = "frobnikatrix", ["frobnikator", "wuzzlepamf", "quuxlyberg"]
    assert known.isdisjoint([name, *others])
    vector, *rest = embedder.embed_queries([name, *others])
    likeness = [float(vector @ other) for other in rest]
    assert likeness[0] > 0.5, likeness
    assert likeness[0] > max(likeness[1:]) + 0.2, likeness


def test_a_static_model_without_buckets_leaves_unknown_names_out(tmp_path: Path) -> None:
    shutil.copytree(load_model("bundled").folder, tmp_path / "m")
    path = tmp_path / "m" / "hybridx.json"
    config = json.loads(path.read_text())
    del config["buckets"]
    path.write_text(json.dumps(config))
    embedder = Embedder(load_model(str(tmp_path / "m")))
    assert not embedder.embed_queries(["frobnikatrix"]).any()
    whole = Embedder(load_model("bundled")).embed_queries(["read the file"])
    assert np.allclose(embedder.embed_queries(["read the file"]), whole, atol=1e-6)


def test_a_query_is_embedded_like_the_same_text_in_a_chunk() -> None:
    embedder = Embedder(load_model("bundled"))
    query = embedder.embed_queries(["read_file the file"])[0]
    assert np.allclose(query, embed(embedder, ["+read_file read file the file"])[0], atol=1e-6)


def test_a_batch_that_fails_is_halved_until_the_bad_row_stands_alone(tmp_path: Path) -> None:
    make_transformer(tmp_path / "m")
    # A word with an id beyond the table makes the graph fail on the row that holds it.
    path = tmp_path / "m" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["poison"] = 999
    path.write_text(json.dumps(tokenizer))
    embedder = Embedder(load_model(str(tmp_path / "m")))
    texts = ["read the file", "poison", "close it", "read", "the file poison"] * 3
    vectors = np.zeros((len(texts), WIDTH), dtype=np.float32)
    encoded = embedder.encode(batch(texts), np.zeros(len(texts), dtype=np.bool_))
    result = embedder.run([encoded], vectors)
    bad = {at for at, text in enumerate(texts) if "poison" in text}
    assert set(result.failed) == bad
    norms = np.linalg.norm(vectors, axis=1)
    assert all((norm > 0.99) == (at not in bad) for at, norm in enumerate(norms)), norms


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json"),
        (lambda folder: (folder / "config.json").write_text("{}"), "hidden_size"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"onnx?"), "model m:"),
        (lambda folder: (folder / "tokenizer.json").write_text("[]"), "tokenizer.json"),
        (
            lambda folder: (folder / "config.json").write_text('{"hidden_size": 5}'),
            "its vectors have 8 dimensions",
        ),
    ],
)
def test_a_broken_model_is_one_clear_line(tmp_path: Path, damage: Any, says: str) -> None:
    make_transformer(tmp_path / "m")
    damage(tmp_path / "m")
    with pytest.raises(ModelError) as error:
        embed(Embedder(load_model(str(tmp_path / "m"))), ["read the file"])
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model"):
        load_model(str(tmp_path / "nowhere"))
