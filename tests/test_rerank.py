"""Reranking: who is put where by a cross-encoder, what it reads, and what is no cross-encoder."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

import hybridx
from cross_encoders import (
    VOCABULARY,
    WINDOW,
    WORDS,
    constant,
    make_cross_encoder,
    make_endless,
    node,
    overlap,
    tokens,
)
from hybridx.embed.rerank import MAX_QUERY_CHARS, Reranker, load_cross_encoder, opening, passage
from hybridx.errors import ModelError
from hybridx.ranking.candidates import Candidate, File
from hybridx.ranking.order import Ranked, rerank
from support import ALL, MODES, Tree, check_refused, json_of, open_index, run_cli, script, updated

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybridx.types import Hit, Mode, SearchResult

FILES = 45


def expected(query: str, hit: Hit) -> int:
    """What the model says of a chunk that stands in nothing: shared tokens, and the last one."""
    known = {*tokens(query), *(VOCABULARY[name] for name in ("[CLS]", "[SEP]"))}
    return 1 + sum(token in known for token in tokens(passage(hit.path, "", hit.text)))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores a pair by the tokens it shares."""
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "overlap")


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> hybridx.Index:
    """Many small files of a few words, each of which is one chunk."""
    random = np.random.default_rng(11)
    tree = Tree(tmp_path_factory.mktemp("animals") / "tree")
    for number in range(FILES):
        name, *words = random.choice(WORDS, size=random.integers(3, 12))
        body = " ".join(f"{word}({number})" for word in words)
        tree.write(f"src/{name}_{number}.py", f"def {name}():\n    return {body}\n")
    index = open_index(tree)
    updated(index)
    return index


def searched(index: hybridx.Index, query: str, limit: int = 30, **more: Any) -> SearchResult:
    """A search with so many candidates for the cross-encoder."""
    given = dataclasses.replace(index.settings, rerank_candidates=limit)
    with hybridx.Index.open(index.root, settings=given) as opened:
        return opened.search(query, ALL, **more)


def place(hit: Hit) -> tuple[str, int]:
    return hit.path, hit.start_line


@settings(max_examples=25)
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6),
    limit=st.integers(1, FILES + 10),
    mode=st.sampled_from(MODES),
)
def test_the_first_are_ordered_by_the_cross_encoder_and_the_rest_follows(
    animals: hybridx.Index, model: Path, words: list[str], limit: int, mode: Mode
) -> None:
    query = " ".join(words)
    before = searched(animals, query, mode=mode).hits
    after = searched(animals, query, limit, mode=mode, rerank=str(model)).hits
    values = {place(hit): expected(query, hit) for hit in before}
    # `sorted` keeps the order of equal ones.
    first = sorted(before[:limit], key=lambda hit: -values[place(hit)])
    assert [place(hit) for hit in after] == [place(hit) for hit in [*first, *before[limit:]]]
    assert [hit.rank for hit in after] == list(range(1, len(after) + 1))
    assert [hit.score for hit in after] == [hit.score for hit in before]
    fused = {place(hit): hit.scores["fused"] for hit in before}
    for hit in after:
        assert hit.scores["fused"] == pytest.approx(fused[place(hit)])
        assert sum(hit.effects.values()) == pytest.approx(hit.score)
    for hit in after[:limit]:
        assert hit.scores["rerank"] == pytest.approx(sigmoid(values[place(hit)]))
    assert not any("rerank" in hit.scores for hit in after[limit:])


def test_the_order_of_the_example_is_another_than_before(
    animals: hybridx.Index, model: Path
) -> None:
    """Else the test above would hold of a search that reranks nothing."""
    before = [place(hit) for hit in searched(animals, "fox hen")]
    after = [place(hit) for hit in searched(animals, "fox hen", rerank=str(model))]
    assert before != after
    assert before[0] != after[0] or before[1] != after[1]


@given(
    scores=st.lists(st.floats(-9, 9), max_size=12),
    log_odds=st.lists(st.one_of(st.integers(-2, 2), st.floats(-1e308, 1e308)), max_size=12),
)
@example(scores=[3.0, 2.0, 1.0], log_odds=[1.0, 1.0, 1.0])
@example(scores=[3.0, 2.0, 1.0], log_odds=[800.0, 801.0])
def test_reranking_is_stable_keeps_everything_and_scores_fall(
    scores: list[float], log_odds: list[float]
) -> None:
    scores.sort(reverse=True)
    log_odds = log_odds[: len(scores)]
    file = File("a.py")
    given = [Ranked(Candidate(at, file), score) for at, score in enumerate(scores)]
    after = rerank(given, log_odds)
    ids = [each.candidate.id for each in after]
    count = len(log_odds)
    assert ids == [*sorted(range(count), key=lambda at: -log_odds[at]), *range(count, len(scores))]
    assert [each.score for each in after] == scores
    for each in after:
        assert each.score - each.reranked == pytest.approx(scores[each.candidate.id])
        assert (each.relevance is not None) == (each.candidate.id < count)
        assert each.relevance is None or 0 <= each.relevance <= 1


def test_who_gives_all_the_same_changes_nothing(animals: hybridx.Index, tmp_path: Path) -> None:
    folder = make_cross_encoder(tmp_path / "m", constant(-700.0))
    before = searched(animals, "fox hen")
    after = searched(animals, "fox hen", rerank=str(folder))
    assert [place(hit) for hit in after] == [place(hit) for hit in before]
    assert all(hit.scores["rerank"] < 1e-300 for hit in after.hits[:30])
    assert not any("rerank" in hit.effects for hit in after)


def test_nothing_found_is_nothing_reranked(animals: hybridx.Index, model: Path) -> None:
    assert not searched(animals, "fox", rerank=str(model), languages=["rust"]).hits
    result = searched(animals, "fox", rerank=str(model), paths=["src/*_7.py"])
    assert [hit.path.endswith("_7.py") for hit in result] == [True]


def test_pieces_of_one_definition_are_one_hit_in_the_place_of_the_best(
    tree: Tree, model: Path
) -> None:
    body = "".join(f"    step_{n} = call({n}, other_{n}, value_{n})\n" for n in range(200))
    last = "    return zebra\n"
    tree.write("src/long.py", f"def long():\n{body}{last}")
    tree.write("src/short.py", "def zebra():\n    return 1\n")
    index = open_index(tree)
    updated(index)
    result = index.search("long zebra", ALL, rerank=str(model))
    hits = [hit for hit in result if hit.path == "src/long.py"]
    assert len(hits) == 1, "the pieces are not one"
    assert hits[0].text.startswith("def long()"), hits[0].text[:40]
    assert hits[0].text.rstrip().endswith(last.strip())
    assert [hit.score for hit in result] == sorted((hit.score for hit in result), reverse=True)


def test_the_path_and_what_is_around_a_chunk_are_read_too(tree: Tree, model: Path) -> None:
    tree.write("src/zebra.py", "def one():\n    return 1\n")
    method = "    def one(self):\n        return 1\n"
    # Over the budget of a chunk, so that the method is not one with its class.
    rest = "".join(f"    def m{n}(self):\n        return a{n} + b{n} + c{n}\n" for n in range(80))
    tree.write("src/plain.py", f"class Lynx:\n{method}{rest}")
    index = open_index(tree)
    updated(index)
    alone = sigmoid(1)  # the end of both texts is all that they share

    def relevance(query: str, path: str) -> list[float]:
        hits = index.search(query, ALL, paths=[path], rerank=str(model)).hits
        return [hit.scores["rerank"] for hit in hits if "class" not in hit.text]

    [value] = relevance("zebra", "src/zebra.py")
    assert value > alone, "the path is not read"
    values = relevance("lynx", "src/plain.py")
    assert len(values) > 5
    assert min(values) > alone, "the context is not read"


@pytest.mark.parametrize("rest", ["owl\n" * 20_000, "owl " * 20_000, "\n \n" * 30_000])
def test_of_a_long_query_the_first_lines_are_read(
    animals: hybridx.Index, model: Path, rest: str
) -> None:
    start = time.monotonic()
    result = searched(animals, f"\nfox hen\n{'ant ' * 73}\n{rest}", rerank=str(model))
    for hit in result.hits[:30]:
        assert hit.scores["rerank"] == pytest.approx(sigmoid(expected("fox hen ant", hit)))
    assert time.monotonic() - start < 5


@given(st.text(alphabet=st.sampled_from("ab \n\té"), max_size=2 * MAX_QUERY_CHARS))
@example("a" * 1000)
@example("a" * MAX_QUERY_CHARS + "\nb")
@example("b\n" + "a" * MAX_QUERY_CHARS)
def test_an_opening_is_a_beginning_at_a_line_end(query: str) -> None:
    head, stripped = opening(query), query.strip()
    assert stripped.startswith(head)
    assert len(head) <= MAX_QUERY_CHARS
    assert bool(head) == bool(stripped)
    rest = stripped[len(head) :]
    if rest and "\n" in stripped[: MAX_QUERY_CHARS + 1]:
        assert "\n" in rest[: len(rest) - len(rest.lstrip())] or not rest[0].strip()
    if len(stripped) <= MAX_QUERY_CHARS:
        assert head == stripped


def test_two_labels_are_told_by_the_second_less_the_first(tmp_path: Path) -> None:
    nodes = [
        *overlap(),
        node("Neg", ["count"], "other"),
        node("Concat", ["other", "count"], "logits", axis=1),
    ]
    folder = make_cross_encoder(
        tmp_path / "m",
        nodes,
        outputs=[("logits", ("pairs", 2))],
        config={"max_position_embeddings": WINDOW, "id2label": {"0": "no", "1": "yes"}},
        onnx_folder=".",
    )
    reranker = Reranker(load_cross_encoder(str(folder)), device="cpu")
    assert reranker.log_odds("fox", ["fox fox", "owl", ""]).tolist() == [6, 2, 2]


def test_a_model_that_knows_no_types_gets_none(tmp_path: Path) -> None:
    """As of RoBERTa, whose input they are not."""
    nodes = [
        node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT),
        node("ReduceSum", ["mask", "one"], "scores", keepdims=1),
    ]
    config = {"model_type": "roberta", "pad_token_id": 1, "max_position_embeddings": 18}
    folder = make_cross_encoder(
        tmp_path / "m",
        nodes,
        outputs=[("scores", ("pairs", "labels"))],
        inputs=["input_ids", "attention_mask"],
        config=config,
    )
    model = load_cross_encoder(str(folder))
    assert (model.max_length, model.padding) == (16, 1)
    lengths = Reranker(model, device="cpu").log_odds("fox", ["owl " * n for n in (0, 1, 12, 40)])
    assert lengths.tolist() == [4, 5, 16, 16]


@pytest.mark.parametrize(
    ("limit", "length"), [(None, WINDOW), (64, 64), (1e30, WINDOW), (512.0, WINDOW)]
)
def test_the_window_is_what_all_files_allow(
    tmp_path: Path, limit: float | None, length: int
) -> None:
    folder = make_cross_encoder(tmp_path / "m")
    if limit is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": limit}))
    assert load_cross_encoder(str(folder)).max_length == length
    (folder / "config.json").write_text("{}")
    assert load_cross_encoder(str(folder)).max_length == min(limit or 512, 512)


def _rewrite(**more: Any) -> Callable[[Path], None]:
    """Makes another model in the folder's place."""

    def rewrite(folder: Path) -> None:
        for path in (folder / "onnx" / "model.onnx", folder / "onnx"):
            path.unlink() if path.is_file() else path.rmdir()
        make_cross_encoder(folder, **more)

    return rewrite


def _truncate(folder: Path) -> None:
    path = folder / "onnx" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-20])


HIDDEN = [
    node("Cast", ["input_ids"], "float", to=TensorProto.FLOAT),
    node("Unsqueeze", ["float", "two"], "hidden"),
]
POOLED = [*HIDDEN, node("ReduceSum", ["hidden", "one"], "pooled", keepdims=0)]
WIDE = [*overlap(), node("Concat", ["count"] * 3, "logits", axis=1)]
NOT_A_NUMBER = [
    *overlap(),
    node("Sub", ["count", "count"], "nil"),
    node("Div", ["nil", "nil"], "logits"),
]

WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no ONNX file": (lambda folder: (folder / "onnx" / "model.onnx").unlink(), "model.onnx"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is miss"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json"),
    "a list": (lambda folder: (folder / "config.json").write_text("[1]"), "not a JSON object"),
    "no number": (
        lambda folder: (folder / "config.json").write_text('{"pad_token_id": "?"}'),
        "its configuration is wrong",
    ),
    "no window": (
        lambda folder: (folder / "config.json").write_text('{"max_position_embeddings": 4}'),
        "has no room",
    ),
    "three labels": (
        lambda folder: (folder / "config.json").write_text('{"id2label": {"0":0,"1":1,"2":2}}'),
        "it has 3 labels",
    ),
    "no tokens": (lambda folder: (folder / "tokenizer.json").write_text("[]"), "tokenizer.json"),
    "garbage": (lambda folder: (folder / "onnx" / "model.onnx").write_bytes(b"?!"), "model m: "),
    "truncated": (_truncate, "model m: "),
    "hidden states": (
        _rewrite(nodes=HIDDEN, outputs=[("hidden", ("n", "w", 1))]),
        "its output has 3 axes",
    ),
    "an embedding": (
        _rewrite(nodes=WIDE, outputs=[("logits", ("n", 3))]),
        "no cross-encoder, which gives one score a pair, or two: it gives 3",
    ),
    "an embedding of unknown width": (
        _rewrite(nodes=WIDE, outputs=[("logits", ("n", "d"))]),
        "it gives 3",
    ),
    "two outputs": (
        _rewrite(nodes=POOLED, outputs=[("hidden", ("n", "w", 1)), ("pooled", ("n", 1))]),
        "none of its outputs, hidden, pooled, is logits",
    ),
    "an input too few": (
        _rewrite(nodes=HIDDEN, outputs=[("hidden", ("n", "w", 1))], inputs=["input_ids"]),
        "it has no input attention_mask",
    ),
    "an input too many": (
        _rewrite(inputs=["input_ids", "attention_mask", "token_type_ids", "pixels"]),
        "its input pixels is unknown",
    ),
    "no numbers": (_rewrite(nodes=NOT_A_NUMBER), "not finite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_cross_encoder_is_one_clear_line(tmp_path: Path, case: str) -> None:
    damage, says = WRONG[case]
    folder = make_cross_encoder(tmp_path / "m")
    Reranker(load_cross_encoder(str(folder)), device="cpu").log_odds("fox", ["fox"])
    damage(folder)
    with pytest.raises(ModelError) as error:
        Reranker(load_cross_encoder(str(folder)), device="cpu").log_odds("fox", ["fox"])
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_graph_that_fails_on_a_pair_is_one_clear_line(tmp_path: Path) -> None:
    nodes = [
        node("Gather", ["one", "input_ids"], "wrong"),
        node("Cast", ["wrong"], "float", to=TensorProto.FLOAT),
        node("ReduceSum", ["float", "one"], "logits", keepdims=1),
    ]
    folder = make_cross_encoder(tmp_path / "m", nodes)
    reranker = Reranker(load_cross_encoder(str(folder)), device="cpu")
    with pytest.raises(ModelError, match="model m: ") as error:
        reranker.log_odds("fox", ["fox"])
    assert "\n" not in str(error.value)


def test_on_the_command_line(animals: hybridx.Index, model: Path) -> None:
    search = ("search", "fox hen", animals.root, "-k", "10", "--mode", "lexical")
    before = json_of(run_cli(*search, "--json"))["hits"]
    by_flag = json_of(run_cli(*search, "--json", "--rerank", model))["hits"]
    best = searched(animals, "fox hen", mode="lexical", rerank=str(model)).hits[:10]
    assert [hit["path"] for hit in by_flag] == [hit.path for hit in best]
    assert by_flag != before
    by_variable = run_cli(*search, "--json", env={"HYBRIDX_RERANK": str(model)})
    assert json_of(by_variable)["hits"] == by_flag
    few = {"HYBRIDX_RERANK": str(model), "HYBRIDX_RERANK_CANDIDATES": "3"}
    hits = json_of(run_cli(*search, "--json", env=few))["hits"]
    assert ["rerank" in hit["scores"] for hit in hits] == [True] * 3 + [False] * 7
    off = run_cli(*search, "--json", "--rerank", "none", env=few)
    assert json_of(off)["hits"] == before
    explained = run_cli(*search, "--explain", "--rerank", model.name, cwd=model.parent)
    assert explained.returncode == 0, explained.stderr
    said = explained.stdout.decode()
    assert re.search(r"^query: \S+   ms: .*\brank \S+  rerank [\d.]+  fetch", said), said
    assert re.search(r"^    fused \S+ .* rerank [01]", said, re.MULTILINE), said
    assert re.search(r"^    = .*\brerank [+-]\d", said, re.MULTILINE), said


def test_wrong_models_on_the_command_line(animals: hybridx.Index, tmp_path: Path) -> None:
    search = ("search", "fox hen", animals.root, "--rerank")
    check_refused(run_cli(*search, tmp_path / "nowhere"), "no cross-encoder", "nowhere")
    check_refused(run_cli(*search, ""), "--rerank")
    check_refused(run_cli(*search, tmp_path), "neither model.onnx nor onnx/model.onnx")
    bundled = Path(hybridx.__file__).parent / "embed" / "bundled"
    check_refused(run_cli(*search, bundled), "tokenizer.json is missing")
    # It is told whether or not there is anything to rerank.
    check_refused(run_cli(*search, tmp_path, "--lang", "rust"), "model.onnx")
    none = {"HYBRIDX_RERANK_CANDIDATES": "0"}
    check_refused(run_cli("search", "fox", animals.root, env=none), "HYBRIDX_RERANK_CANDIDATES")


def test_a_project_does_not_choose_what_is_run(project: Tree, model: Path) -> None:
    updated(open_index(project))
    project.write("hybridx.toml", f'rerank = "{model}"\n')
    check_refused(run_cli("search", "retry", project.root), "rerank", "HYBRIDX_RERANK")
    project.write("hybridx.toml", "rerank_candidates = 2\n")
    found = run_cli("search", "retry", project.root, "--json", env={"HYBRIDX_RERANK": str(model)})
    hits = json_of(found)["hits"]
    assert ["rerank" in hit["scores"] for hit in hits[:4]] == [True, True, False, False]


def test_a_model_is_loaded_once_and_outlives_generations(project: Tree, model: Path) -> None:
    index = open_index(project, rerank=str(model))
    updated(index)
    assert not index._models._rerankers, "an update loads a cross-encoder"
    index.search("zebra")
    loaded = index._models._rerankers[str(model)]
    project.write("src/zebra.py", "def zebra():\n    return 'zebra'\n")
    updated(index)
    result = index.search("zebra")
    assert result.hits[0].path == "src/zebra.py"
    assert index._models._rerankers == {str(model): loaded}
    index.close()
    assert not index._models._rerankers, "a closed index keeps a model in memory"
    assert [place(hit) for hit in index.search("zebra")] == [place(hit) for hit in result]


def test_it_can_be_awaited(project: Tree, model: Path) -> None:
    async def run() -> SearchResult:
        async with await hybridx.AsyncIndex.open(project.root) as index:
            await index.update()
            return await index.search("retry", rerank=str(model))

    result = asyncio.run(run())
    assert all("rerank" in hit.scores for hit in result)
    assert result.stages_ms["rerank"] >= 0


LOADED = """
import sys, hybridx
with hybridx.Index.open(sys.argv[1]) as index:
    hits = index.search("fox", mode="lexical", rerank=sys.argv[2]).hits
assert "rerank" in hits[0].scores
print(*(name for name in ("lancedb", "pyarrow", "onnxruntime") if name in sys.modules))
"""


def test_reranking_by_words_alone_loads_no_vectors(animals: hybridx.Index, model: Path) -> None:
    result = script(LOADED, str(animals.root), str(model))
    assert result.stdout == "onnxruntime\n", result.stderr


def test_it_is_interrupted_within_two_seconds(animals: hybridx.Index, tmp_path: Path) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("nobody can see what a process has loaded")
    folder = make_endless(tmp_path / "endless")
    command = ("search", "fox", animals.root, "--mode", "lexical", "--rerank", folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "hybridx", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    loaded = Path(f"/proc/{process.pid}/maps")
    while "onnxruntime" not in loaded.read_text() and process.poll() is None:
        time.sleep(0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)  # by then it runs the model
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - before < 2.5
    assert (process.returncode, out, err) == (130, "", "hybridx: interrupted\n")
