"""A slow model's vectors are filled in while the index serves, can be interrupted, and go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hybridx._core import CancelToken
from hybridx.commit import Generation
from support import (
    Tree,
    check_refused,
    check_same,
    check_whole,
    json_of,
    open_index,
    run_cli,
    updated,
)
from test_models import WIDTH, make_transformer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILES = 1000
"""Of one type: they come in batches of 256."""


def slow_down(folder: Path, turns: int) -> None:
    """Lets the model of `make_transformer` multiply matrices, `turns` times for each text."""
    path = folder / "model.onnx"
    model = onnx.load(str(path))
    [gather] = model.graph.node
    gather.output[0] = "rows"
    size = 160
    square = numpy_helper.from_array(np.eye(size, dtype=np.float32), "square")
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still_on"]),
            helper.make_node("MatMul", ["state", "square"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [size, size]),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [size, size]),
        ],
    )
    constants = {
        "turns": np.array([turns], dtype=np.int64),
        "yes": np.array(True),
        "zero": np.zeros(1, dtype=np.float32),
        "first": np.array([0], dtype=np.int64),
        "last": np.array([1], dtype=np.int64),
        "scalar": np.array([], dtype=np.int64),
        "start": np.zeros((size, size), dtype=np.float32),
    }
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "last"], ["texts"]),
        helper.make_node("Mul", ["texts", "turns"], ["all_turns"]),
        helper.make_node("Reshape", ["all_turns", "scalar"], ["trips"]),
        helper.make_node("Loop", ["trips", "yes", "start"], ["end"], body=body),
        helper.make_node("ReduceSum", ["end"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["rows", "nothing"], ["last_hidden_state"]),
    ]
    model.graph.node.extend(nodes)
    made = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    model.graph.initializer.extend([square, *made])
    onnx.save(model, str(path))


@dataclass
class Scene:
    """A tree that a slow model takes some seconds for, and what runs on it."""

    tree: Tree
    model: Path
    running: list[subprocess.Popen[str]]

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Begins to fill in the model's vectors, committing after each batch."""
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "hybridx", "index", str(self.tree.root), "--json"),
                *("--model", str(self.model), *args),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json_of(run_cli("status", "--no-check", "--json", self.tree.root))
        return found

    def coverage(self) -> float:
        """That of what is being filled in; -1 if nothing is."""
        index = open_index(self.tree)
        if Generation.current(index._layout) is None:
            return -1
        upgrade = index.status(check=False).upgrade
        return upgrade.coverage if upgrade else -1

    def until(self, what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "it does not come to that"
            time.sleep(0.02)

    def started(self, more_than: float = 0.0) -> subprocess.Popen[str]:
        """A run that stands still in the middle of filling, past a coverage."""
        process = self.start()
        self.until(lambda: more_than < self.coverage() < 0.9, process)
        process.send_signal(signal.SIGSTOP)
        assert more_than < self.coverage() < 0.9, "the model is too fast for this test"
        return process

    def index(self, *args: str) -> dict[str, Any]:
        found: dict[str, Any] = json_of(run_cli("index", self.tree.root, "--json", *args))
        return found

    def finish(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    def check_end(self) -> None:
        """Asserts that the index is what a clean build with the model makes."""
        index = open_index(self.tree)
        assert index.status().fresh
        assert index.status().upgrade is None
        assert check_whole(index).manifest.dimension == WIDTH
        # The same model, without what slows it down.
        fast = self.model.with_name("fast")
        if not fast.exists():
            make_transformer(fast)
        place = Tree(self.tree.root.with_name("clean"), self.tree.files())
        clean = open_index(place, model=str(fast))
        updated(clean, full=True)
        check_same(index, clean)
        assert index.verify().ok


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    tree = Tree(tmp_path / "tree")
    for number in range(FILES):
        tree.write(f"f{number:03}.txt", f"read the file {number} and close it\n")
    make_transformer(tmp_path / "slow")
    slow_down(tmp_path / "slow", 90)
    monkeypatch.setenv("HYBRIDX_COMMIT_FILES", "1")
    made = Scene(tree, tmp_path / "slow", [])
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def test_a_first_index_can_be_searched_while_the_slow_model_is_at_it(scene: Scene) -> None:
    process = scene.started()
    status = scene.status()
    assert status["model"]["source"] == "bundled"
    assert (status["files"], status["chunks"]) == (FILES, FILES), "not all of it can be searched"
    assert status["upgrade"]["model"] == "slow"
    assert status["upgrade"]["pid"] == process.pid
    assert status["upgrade"]["total"] == FILES
    for mode in ("lexical", "semantic", "hybrid"):
        found = json_of(
            run_cli("search", "read the file", scene.tree.root, "--json", "--mode", mode)
        )
        assert found["hits"]
    text = run_cli("status", "--no-check", scene.tree.root).stdout.decode()
    assert f"by process {process.pid}" in text
    # An index that was open before sees the new model by itself.
    index = open_index(scene.tree)
    assert index.search("read the file").hits
    first = scene.coverage()
    process.send_signal(signal.SIGCONT)
    scene.until(lambda: scene.coverage() > first, process)
    report = scene.finish(process)
    assert report["model"] == "slow"
    assert report["upgrade"] is None
    assert report["files"]["added"] == report["files"]["seen"] == FILES
    chunks = report["chunks"]
    assert chunks["added"] == chunks["total"] == chunks["embedded"] == FILES
    assert index.search("read the file", mode="semantic").hits
    assert index.status(check=False).model.name == "slow"
    assert index.status().model.name == "slow"
    scene.check_end()


def test_killed_or_interrupted_it_goes_on_where_it_was(scene: Scene) -> None:
    updated(open_index(scene.tree))
    done = 0.0
    for sign in (signal.SIGINT, signal.SIGKILL):
        process = scene.started(done)
        done = scene.coverage()
        process.send_signal(sign)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == (-sign if sign == signal.SIGKILL else 130), said
        status = scene.status()
        assert status["model"]["source"] == "bundled", "it serves before it is whole"
        assert status["upgrade"]["coverage"] >= done, "what was committed is lost"
        assert status["upgrade"]["pid"] is None
        # No model named: no hours of work, and nothing of it is thrown away.
        scene.tree.write(f"new{sign}.txt", f"read the new file {sign}\n")
        result = run_cli("index", scene.tree.root)
        assert result.returncode == 0
        said = result.stderr.decode()
        assert f"--model {scene.model}" in said, said
        assert json_of(run_cli("diff", scene.tree.root, "--json"))["added"] == []
        assert scene.coverage() >= done - 0.01
    report = scene.finish(scene.start())
    assert 0 < report["files"]["unchanged"] < FILES
    assert report["chunks"]["embedded"] < FILES * (1 - done) + 9, "it began anew"
    scene.check_end()


def test_others_keep_the_index_true_meanwhile(scene: Scene) -> None:
    updated(open_index(scene.tree))
    process = scene.started()
    scene.tree.write("f000.txt", "close the file and nothing else\n")
    scene.tree.delete("f001.txt")
    scene.tree.move("f002.txt", "moved.txt")
    start = time.perf_counter()
    report = scene.index("--lock-timeout", "1")
    assert time.perf_counter() - start < 10
    files = report["files"]
    assert (files["modified"], files["removed"], files["moved"]) == (1, 1, 1)
    assert report["model"] != "slow"
    assert report["upgrade"]["pid"] == process.pid
    # Who names the same model does not do the work twice, nor waits for it.
    scene.tree.write("late.txt", "read it late\n")
    named = scene.index("--model", str(scene.model))
    assert (named["files"]["added"], named["upgrade"]["pid"]) == (1, process.pid)
    assert scene.index("--model", "bundled")["upgrade"]["pid"] == process.pid
    check_refused(run_cli("clean", scene.tree.root), str(process.pid))
    refused = run_cli("index", "--full", "--model", scene.model, scene.tree.root)
    check_refused(refused, str(process.pid))
    check_whole(open_index(scene.tree))
    assert scene.finish(process)["model"] == "slow"
    scene.check_end()


def test_naming_the_old_model_gives_the_upgrade_up(scene: Scene) -> None:
    process = scene.started()
    process.kill()
    process.communicate()
    assert scene.index()["upgrade"]["chunks"] > 0
    assert scene.index("--model", "bundled")["upgrade"] is None
    assert scene.coverage() == -1
    assert len(list((scene.tree.root / ".hybridx" / "epochs").iterdir())) == 1
    assert scene.index()["model"] != "slow"


def test_the_python_api_does_the_same(scene: Scene, tmp_path: Path) -> None:
    make_transformer(tmp_path / "fast")
    scene.model = tmp_path / "fast"
    index = open_index(scene.tree, model=str(scene.model))
    serving: list[str] = []

    def look(_: object) -> None:
        seen = Generation.current(index._layout)
        if seen is not None:
            serving.append(seen.manifest.model)

    report = index.update(progress=look)
    assert serving[0] != "fast" == report.model
    assert report.chunks.embedded == report.chunks.total == FILES
    assert report.files.added == FILES
    scene.tree.write("f000.txt", "close it\n")
    again = updated(index)
    assert (again.files.modified, again.files.unchanged) == (1, FILES - 1)
    scene.check_end()


def test_a_hook_does_not_begin_with_hours_of_work(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configured model is one thing, a file that was named another."""
    updated(open_index(scene.tree))
    monkeypatch.setenv("HYBRIDX_MODEL", str(scene.model))
    scene.tree.write("f000.txt", "close the file\n")
    report = scene.index("--file", str(scene.tree.path("f000.txt")))
    assert (report["files"]["modified"], report["upgrade"]) == (1, None)
    assert scene.status()["model"]["source"] == "bundled"
    assert len(list((scene.tree.root / ".hybridx" / "epochs").iterdir())) == 1


def test_a_damaged_or_strange_note_is_no_upgrade(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    for content in (b"", b"{", b"[]", b'{"epoch": "../../x", "name": "a", "model": "b"}', b"\xff"):
        (index._layout.folder / "UPGRADE").write_bytes(content)
        assert index.status().upgrade is None
        assert updated(index).upgrade is None
    check_whole(index)


def test_whoever_waited_for_the_lock_leaves_a_finished_upgrade_alone(
    project: Tree, tmp_path: Path
) -> None:
    make_transformer(tmp_path / "m")
    index = open_index(project)
    updated(index)
    layout, static = index._layout, index._layout.current()
    assert static is not None
    updated(open_index(project, model=str(tmp_path / "m")))
    finished = layout.current()
    assert finished not in {None, static}
    layout.switch(static)
    lock = layout.take_lock(5.0, CancelToken())
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(open_index(project).update)
        time.sleep(1.0)
        assert not waiting.done(), "it does not wait"
        layout.switch(finished)
        lock.release()
        report = waiting.result(timeout=60)
    assert report.model == "m", "the model that served before was taken up again"
    assert layout.current() == finished


def test_a_model_that_does_not_run_begins_nothing(project: Tree, tmp_path: Path) -> None:
    make_transformer(tmp_path / "m")
    (tmp_path / "m" / "model.onnx").write_bytes(b"onnx?")
    check_refused(run_cli("index", project.root, "--model", tmp_path / "m"), "damaged or cut short")
    assert not (project.root / ".hybridx").exists(), "something was made for its sake"
    updated(open_index(project))
    check_refused(run_cli("index", project.root, "--model", tmp_path / "m"), "damaged or cut short")
    assert json_of(run_cli("status", project.root, "--json"))["upgrade"] is None


@pytest.mark.parametrize("full", [False, True])
def test_a_model_that_fails_on_most_files_replaces_nothing(
    project: Tree, tmp_path: Path, full: bool
) -> None:
    make_transformer(tmp_path / "m")
    path = tmp_path / "m" / "tokenizer.json"
    # An id beyond the table for all words that the model does not know.
    path.write_text(path.read_text().replace('"[UNK]": 1', '"[UNK]": 999'))
    index = open_index(project)
    updated(index)
    before = check_whole(index).snapshot
    more = ["--full"] if full else []
    refused = run_cli("index", project.root, "--model", tmp_path / "m", *more)
    check_refused(refused, "so the index stays as it was")
    assert check_whole(open_index(project)).snapshot == before
    assert index.status().upgrade is None


def test_a_repair_keeps_to_the_model_that_serves(
    project: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_transformer(tmp_path / "m")
    index = open_index(project)
    updated(index)
    monkeypatch.setenv("HYBRIDX_MODEL", str(tmp_path / "m"))
    vectors = next((project.root / ".hybridx" / "epochs").glob("*/vectors/*/data/*.lance"))
    vectors.write_bytes(vectors.read_bytes()[:-1])
    repaired = run_cli("verify", project.root, "--repair", "--json")
    assert repaired.returncode in {0, 1}, repaired.stderr
    assert json_of(run_cli("status", project.root, "--json"))["model"]["source"] == "bundled"


def test_an_index_follows_its_model_to_another_place(project: Tree, tmp_path: Path) -> None:
    make_transformer(tmp_path / "one")
    updated(open_index(project, model=str(tmp_path / "one")))
    (tmp_path / "one").rename(tmp_path / "two")
    check_refused(run_cli("search", "read", project.root, "--mode", "semantic"), "no model")
    moved = json_of(run_cli("index", project.root, "--model", tmp_path / "two", "--json"))
    assert moved["chunks"]["embedded"] == 0
    assert run_cli("search", "read", project.root, "--mode", "semantic").returncode == 0
    again = json_of(run_cli("index", project.root, "--json"))
    assert again["generation"] == moved["generation"], "each run commits"
