"""The embedder: lanes, padding, memory that runs out, what models want and give."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from hybridx import _core
from hybridx.embed import load_model
from hybridx.embed.embedder import Embedder
from hybridx.embed.lane import Lane
from hybridx.errors import Cancelled, ModelError
from test_models import WIDTH, WORDS, batch, embed, expected, make_transformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridx.embed.model import Model

TEXT = st.lists(st.sampled_from(WORDS[4:]), max_size=20).map(" ".join)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_transformer(folder)
    return load_model(str(folder))


def run(
    embedder: Embedder, parts: list[list[str]], skips: list[NDArray[np.bool_]], **more: Any
) -> tuple[NDArray[np.float32], Any]:
    encoded = [
        embedder.encode(batch(texts), skip) for texts, skip in zip(parts, skips, strict=True)
    ]
    vectors = np.full((sum(map(len, parts)), embedder.model.dimension), 7, dtype=np.float32)
    return vectors, embedder.run(encoded, vectors, **more)


@pytest.fixture(scope="module")
def alone(tiny: Model) -> dict[str, NDArray[np.float32]]:
    """Vectors by text, each embedded by itself."""
    return {}


@pytest.fixture(scope="module")
def embedders(tiny: Model) -> dict[int, Embedder]:
    """By their number of lanes."""
    return {jobs: Embedder(tiny, jobs=jobs) for jobs in (1, 2, 3)}


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.lists(st.tuples(TEXT, st.booleans()), max_size=12), max_size=4),
    jobs=st.integers(1, 3),
    cells=st.integers(1, 64),
)
def test_a_vector_depends_on_its_text_alone(
    alone: dict[str, NDArray[np.float32]],
    embedders: dict[int, Embedder],
    parts: list[list[tuple[str, bool]]],
    jobs: int,
    cells: int,
) -> None:
    """Neither on lanes, nor on the size of batches, nor on what is embedded beside it."""
    embedder = embedders[jobs]
    embedder._cells = cells
    told: list[int] = []
    texts = [[text for text, _ in part] for part in parts]
    skips = [np.array([skip for _, skip in part], dtype=np.bool_) for part in parts]
    vectors, done = run(embedder, texts, skips, on_rows=lambda rows: told.extend(rows.tolist()))
    flat = [pair for part in parts for pair in part]
    for (text, skip), vector in zip(flat, vectors, strict=True):
        if text not in alone:
            alone[text] = embed(embedders[1], [text])[0]
        right = np.full(WIDTH, 7) if skip else alone[text]
        assert np.allclose(vector, right, atol=1e-6), f"{text!r} is embedded wrongly"
    wanted = [at for at, (_, skip) in enumerate(flat) if not skip]
    assert sorted(told) == wanted, "a row is told twice, or never"
    assert done.rows == len(wanted)
    assert done.tokens <= done.cells


def test_texts_of_all_lengths_leave_little_padding(tiny: Model) -> None:
    rng = np.random.default_rng(3)
    texts = [" ".join(["read"] * int(n)) for n in rng.integers(0, 14, 400)]
    embedder = Embedder(tiny)
    embedder.spare(2 * 64)
    parts = [texts[at : at + 40] for at in range(0, 400, 40)]
    _, done = run(embedder, parts, [np.zeros(40, dtype=np.bool_)] * 10)
    assert done.rows == 400
    assert 1 - done.tokens / done.cells < 0.05, "texts of one length do not share batches"


def test_when_memory_runs_out_batches_are_halved_and_stay_small(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is ONNX Runtime's own; with CUDA's arena it begins the same way."""
    inner, sizes = Lane.run, []

    def short_of_memory(self: Lane, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        sizes.append(ids.size)
        if ids.size > 100:
            raise RuntimeError("BFCArena: Failed to allocate memory for requested buffer of size 9")
        return inner(self, ids, mask)

    monkeypatch.setattr(Lane, "run", short_of_memory)
    embedder = Embedder(tiny)
    texts = ["read the file and close it"] * 120
    skip = np.zeros(len(texts), dtype=np.bool_)
    vectors, done = run(embedder, [texts], [skip])
    assert not done.failed
    assert done.rows == len(texts)
    assert np.allclose(vectors, vectors[0])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    failures = sum(size > 100 for size in sizes)
    assert 0 < failures < 10, "what did not fit is tried again with every batch"
    sizes.clear()
    run(embedder, [texts], [skip])
    assert max(sizes) <= 100, "what did not fit is tried again with every window"


def test_a_text_that_only_fits_by_itself_waits_for_its_turn(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that other lanes hold is no reason for a text, and so its file, to fail."""
    inner, together = Lane.run, threading.Semaphore(1)

    def crowded(self: Lane, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        if not together.acquire(blocking=False):
            raise RuntimeError("CUDA error 2: out of memory")
        try:
            time.sleep(0.001)
            return inner(self, ids, mask)
        finally:
            together.release()

    monkeypatch.setattr(Lane, "run", crowded)
    texts = [f"read {'the ' * (n % 9)} file" for n in range(200)]
    vectors, done = run(Embedder(tiny, jobs=3), [texts], [np.zeros(200, dtype=np.bool_)])
    assert (done.failed, done.rows) == ({}, 200)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_that_fits_into_no_memory_fails_alone(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = Lane.run

    def no_room(self: Lane, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        if ids.shape[1] > 8:
            raise RuntimeError("std::bad_alloc")
        return inner(self, ids, mask)

    monkeypatch.setattr(Lane, "run", no_room)
    texts = ["read"] * 9 + ["read " * 12] + ["close it"] * 9
    _, done = run(Embedder(tiny), [texts], [np.zeros(len(texts), dtype=np.bool_)])
    assert done.failed == {9: "std::bad_alloc"}
    assert done.rows == len(texts) - 1


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_model_that_fails_on_everything_ends_the_run(
    tiny: Model, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("the device is lost\nand more")

    monkeypatch.setattr(Lane, "run", broken)
    embedder = Embedder(tiny, jobs=jobs)
    with pytest.raises(ModelError, match=r"it fails on every text: the device is lost$"):
        run(embedder, [["read"] * 500], [np.zeros(500, dtype=np.bool_)])


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_cancelled_run_stops_between_batches_and_has_what_it_told(tiny: Model, jobs: int) -> None:
    embedder = Embedder(tiny, jobs=jobs)
    embedder.spare(16)
    token = _core.CancelToken()
    told: list[int] = []

    def on_rows(rows: NDArray[np.uint32]) -> None:
        told.extend(rows.tolist())
        if len(told) > 20:
            token.cancel()

    texts = ["read the file"] * 300
    vectors = np.zeros((len(texts), WIDTH), dtype=np.float32)
    encoded = embedder.encode(batch(texts), np.zeros(len(texts), dtype=np.bool_))
    with pytest.raises(Cancelled):
        embedder.run([encoded], vectors, stopped=lambda: token.cancelled, on_rows=on_rows)
    assert 20 < len(told) < 100
    assert np.allclose(np.linalg.norm(vectors[told], axis=1), 1, atol=1e-5)


def changed(folder: Path, change: Callable[[onnx.ModelProto], None]) -> Model:
    """The tiny model with another graph."""
    make_transformer(folder)
    graph = onnx.load(str(folder / "model.onnx"))
    change(graph)
    onnx.save(graph, str(folder / "model.onnx"))
    return load_model(str(folder))


def to_float16(model: onnx.ModelProto) -> None:
    model.graph.node[0].output[0] = "wide"
    node = helper.make_node("Cast", ["wide"], ["last_hidden_state"], to=TensorProto.FLOAT16)
    model.graph.node.append(node)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def with_input(name: str, shape: list[object], kind: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info(name, kind, shape))

    return change


def with_32_bits(model: onnx.ModelProto) -> None:
    for each in model.graph.input:
        each.type.tensor_type.elem_type = TensorProto.INT32


def check_pooled(model: Model, pooling: str = "mean", tolerance: float = 1e-6) -> None:
    table = onnx.numpy_helper.to_array(onnx.load(str(model.onnx)).graph.initializer[0])
    texts = ["read the file", "close", "", "Read it and close the file " * 9]
    for text, vector in zip(texts, embed(Embedder(model, jobs=2), texts), strict=True):
        right = expected(table, text, pooling)
        assert 1 - vector @ right < tolerance, f"{text!r} is embedded wrongly"


@pytest.mark.parametrize(
    "change",
    [
        with_32_bits,
        with_input("position_ids", ["batch", "sequence"], TensorProto.INT64),
        with_input("past_key_values.0.key", ["batch", 2, "past", 4], TensorProto.FLOAT),
        with_input("past_key_values.0.value", ["batch", 2, "past", 4], TensorProto.FLOAT16),
    ],
)
def test_inputs_that_models_want(tmp_path: Path, change: Callable[[Any], None]) -> None:
    check_pooled(changed(tmp_path / "m", change))


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_half_precision_is_pooled_in_single(tmp_path: Path, pooling: str) -> None:
    make_transformer(tmp_path / "m", pooling)
    graph = onnx.load(str(tmp_path / "m" / "model.onnx"))
    to_float16(graph)
    onnx.save(graph, str(tmp_path / "m" / "model.onnx"))
    check_pooled(load_model(str(tmp_path / "m")), pooling, 1e-4)


def test_an_input_that_no_text_gives_is_one_clear_line(tmp_path: Path) -> None:
    model = changed(tmp_path / "m", with_input("task_id", ["batch"], TensorProto.INT64))
    with pytest.raises(ModelError, match=r"it wants an input task_id, which no text gives$"):
        Embedder(model)


def test_an_output_that_is_no_embedding_is_one_clear_line(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Shape", ["last_hidden_state"], ["logits"]))
        del model.graph.output[:]
        output = helper.make_tensor_value_info("logits", TensorProto.INT64, [3])
        model.graph.output.append(output)

    with pytest.raises(ModelError, match=r"its output logits is no matrix of embeddings$"):
        Embedder(changed(tmp_path / "m", change))


def test_numbers_that_are_none_fail_their_text(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        table = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
        table[WORDS.index("close")] = np.nan
        model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(table, "table"))

    texts = ["read", "close it", "the file"]
    vectors, done = run(
        Embedder(changed(tmp_path / "m", change)), [texts], [np.zeros(3, dtype=np.bool_)]
    )
    assert done.failed == {1: "the model gives no number for it"}
    assert np.isfinite(vectors).all()
