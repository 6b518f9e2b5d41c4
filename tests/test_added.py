"""Models that were added from folders: names, choices, references, remembered digests."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hybridx
from hybridx.embed import digests, list_models, load_model
from hybridx.embed.added import HUB_NAME, KNOWN, RECORD, find_added, list_added, remove_added
from hybridx.embed.adding import Addition, add_model
from hybridx.embed.digests import file_digest
from hybridx.errors import ModelError
from support import Tree, check_refused, check_whole, json_of, open_index, run_cli, updated
from test_models import WIDTH, make_transformer
from tiny_bert import write_bert

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def settings(tmp_path: Path) -> hybridx.Settings:
    return hybridx.Settings(cache_dir=tmp_path / "cache")


def add(folder: Path, cache: Path, **more: Any) -> Addition:
    return add_model(str(folder), hybridx.Settings(cache_dir=cache, **more))


def test_a_folder_is_copied_and_outlives_its_source(
    tmp_path: Path, settings: hybridx.Settings
) -> None:
    make_transformer(tmp_path / "mine")
    done = add(tmp_path / "mine", settings.cache_dir)
    assert (done.fresh, done.model.name, done.model.source) == (True, "mine", "folder")
    shutil.rmtree(tmp_path / "mine")
    model = load_model("mine", cache_dir=settings.cache_dir)
    assert model.folder.is_relative_to(settings.cache_dir)
    assert [each.name for each in list_models(settings)] == [load_model("bundled").name, "mine"]
    assert load_model(model.reference, cache_dir=settings.cache_dir) == model


def test_the_same_folder_is_the_same_model_and_a_changed_one_is_newer(
    tmp_path: Path, settings: hybridx.Settings
) -> None:
    make_transformer(tmp_path / "mine")
    first = add(tmp_path / "mine", settings.cache_dir)
    again = add(tmp_path / "mine", settings.cache_dir)
    assert (again.fresh, again.model) == (False, first.model)
    (tmp_path / "mine" / "sentence_bert_config.json").write_text('{"max_seq_length": 5}')
    newer = add(tmp_path / "mine", settings.cache_dir)
    assert newer.fresh
    assert load_model("mine", cache_dir=settings.cache_dir).max_length == 5
    old = first.origin.origin.revision
    assert load_model(f"mine@{old[:9]}", cache_dir=settings.cache_dir).max_length == 16
    assert load_model(first.model.reference, cache_dir=settings.cache_dir).max_length == 16


def test_a_static_model_can_be_added(tmp_path: Path, settings: hybridx.Settings) -> None:
    bundled = load_model("bundled")
    shutil.copytree(bundled.folder, tmp_path / "static")
    done = add(tmp_path / "static", settings.cache_dir)
    assert done.model.terms
    assert done.model.fingerprint == bundled.fingerprint


def test_removing_is_for_what_was_added(tmp_path: Path, settings: hybridx.Settings) -> None:
    make_transformer(tmp_path / "mine")
    add(tmp_path / "mine", settings.cache_dir)
    for name in ("bundled", "other", str(tmp_path / "mine"), "", "mine@0000000"):
        with pytest.raises(ModelError, match="was added"):
            remove_added(settings.cache_dir, name)
    assert len(remove_added(settings.cache_dir, "mine")) == 1
    assert list_added(settings.cache_dir) == []
    assert not [path for path in settings.cache_dir.rglob("*") if path.is_file()]


def lose(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def rewrite(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / name, size)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tokenizer": (lose("tokenizer.json"), "tokenizer.json is missing"),
    "broken tokenizer": (rewrite("tokenizer.json", "[]"), "tokenizer.json"),
    "no graph": (lose("model.onnx"), "model.onnx"),
    "truncated graph": (cut("model.onnx", 300), "model mine"),
    "empty graph": (cut("model.onnx", 0), "model mine"),
    "wrong dimension": (
        rewrite("config.json", '{"hidden_size": 5}'),
        "its vectors have 8 dimensions, its configuration says 5",
    ),
    "no configuration": (lose("config.json"), "config.json is missing"),
    "nothing": (empty, "neither model.onnx"),
}
RECORDS = ("", "{", "[]", "{}", '{"format": 9}', '{"format": 1, "name": 3}')


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_does_not_work_is_not_added(
    tmp_path: Path, settings: hybridx.Settings, case: str
) -> None:
    make_transformer(tmp_path / "mine")
    change, says = BROKEN[case]
    change(tmp_path / "mine")
    with pytest.raises(ModelError) as error:
        add(tmp_path / "mine", settings.cache_dir)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert list_added(settings.cache_dir) == []
    assert not [path for path in settings.cache_dir.rglob("*") if path.is_file()], "leftovers"


def test_one_line_and_exit_code_2(tmp_path: Path) -> None:
    make_transformer(tmp_path / "mine")
    os.truncate(tmp_path / "mine" / "model.onnx", 99)
    env = {"HYBRIDX_CACHE_DIR": str(tmp_path / "cache")}
    check_refused(run_cli("models", "add", str(tmp_path / "mine"), env=env), "model mine")


@pytest.mark.parametrize("record", RECORDS)
def test_a_torn_record_is_no_model(tmp_path: Path, settings: hybridx.Settings, record: str) -> None:
    make_transformer(tmp_path / "mine")
    done = add(tmp_path / "mine", settings.cache_dir)
    (done.model.folder / RECORD).write_text(record)
    assert list_added(settings.cache_dir) == []
    assert add(tmp_path / "mine", settings.cache_dir).fresh


# Names


def test_a_name_that_was_added_is_not_a_folder_of_the_tree(
    tmp_path: Path, settings: hybridx.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree may be a stranger's, and so may be a folder in it that is called like a model."""
    make_transformer(tmp_path / "mine")
    added = add(tmp_path / "mine", settings.cache_dir).model
    shutil.copytree(tmp_path / "mine", tmp_path / "tree" / "mine")
    monkeypatch.chdir(tmp_path / "tree")
    assert load_model("mine", cache_dir=settings.cache_dir).folder == added.folder
    assert load_model("./mine", cache_dir=settings.cache_dir).folder == Path.cwd() / "mine"


@pytest.mark.parametrize("name", [*KNOWN, "owner/name", "owner/name@main", "bge-small-en-v1.5@v1"])
def test_a_name_of_the_hub_says_how_to_get_it(settings: hybridx.Settings, name: str) -> None:
    with pytest.raises(ModelError, match=f"hybridx models add {name}$"):
        load_model(name, cache_dir=settings.cache_dir)


def test_short_names_stand_for_repositories_alone() -> None:
    for name, known in KNOWN.items():
        assert HUB_NAME.fullmatch(known.repository), name
        assert not HUB_NAME.fullmatch(name)
        assert known.settings is None or HUB_NAME.fullmatch(known.settings)
        assert "never" in known.remark, f"{name} was never run from the hub"


# Precision and dimension


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert") / "tiny"
    write_bert(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"matryoshka_dimensions": [8, 16]}))
    return folder


def test_an_index_keeps_the_precision_it_was_made_in(bert: Path, tmp_path: Path) -> None:
    add(bert, tmp_path / "cache")
    tree = Tree(tmp_path / "tree", {"a.py": "def read(file):\n    close(file)\n"})
    made = open_index(tree, model="tiny", precision="float16", cache_dir=tmp_path / "cache")
    assert updated(made).chunks.embedded == 1
    later = open_index(tree, cache_dir=tmp_path / "cache")
    assert updated(later).chunks.embedded == 0
    assert later.search("read the file", mode="semantic").hits
    check_whole(later)
    # On a GPU a new index would be made in float16; one in float32 stays what it is.
    plain = open_index(tree, model="tiny", cache_dir=tmp_path / "cache")
    assert updated(plain).chunks.embedded == 1
    gpu = open_index(tree, device="cuda", cache_dir=tmp_path / "cache")
    assert gpu._models.wanted().precision == "float32"
    chosen = open_index(tree, model="tiny", device="cuda", cache_dir=tmp_path / "cache")
    assert chosen._models.wanted().precision == "float16"
    explicit = open_index(tree, precision="int8", cache_dir=tmp_path / "cache")
    assert explicit._models.wanted().precision == "int8"


def test_all_precisions_of_a_folder_are_added(bert: Path, tmp_path: Path) -> None:
    added = add(bert, tmp_path / "cache").origin
    assert sum(name.endswith(".onnx") for name in added.origin.files) == 3
    prints = {
        load_model("tiny", cache_dir=tmp_path / "cache", precision=each).fingerprint
        for each in ("float32", "float16", "int8")
    }
    assert len(prints) == 3
    one = add(bert, tmp_path / "other", precision="int8").origin
    assert [name for name in one.origin.files if name.endswith(".onnx")] == [
        "onnx/model_quantized.onnx"
    ]
    with pytest.raises(ModelError, match="only in int8"):
        load_model("tiny", cache_dir=tmp_path / "other", precision="float32")


def test_an_index_of_fewer_dimensions(bert: Path, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", {"a.py": "def read(file):\n    close(file)\n"})
    whole = open_index(tree, model=str(bert), cache_dir=tmp_path / "cache")
    updated(whole)
    index = open_index(tree, model=str(bert), dimension=8, cache_dir=tmp_path / "cache")
    assert updated(index).chunks.embedded == 1
    assert index.status().model.dimension == 8
    assert index.search("read the file", mode="semantic").hits
    kept = open_index(tree, cache_dir=tmp_path / "cache")
    assert updated(kept).chunks.embedded == 0
    check_whole(kept)


def test_a_dimension_it_does_not_have_is_refused(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    result = run_cli("index", tmp_path / "tree", "--model", str(bert), "--dimension", "7")
    check_refused(result, "no vectors of 7 dimensions, but of 8, 16")


def test_settings_choose_for_the_command_line(bert: Path, tmp_path: Path) -> None:
    env = {"HYBRIDX_CACHE_DIR": str(tmp_path / "cache")}
    document = json_of(run_cli("models", "add", bert, "--json", "--precision", "int8", env=env))
    assert (document["name"], document["dimension"]) == ("tiny", 16)
    env |= {"HYBRIDX_MODEL": "tiny", "HYBRIDX_PRECISION": "int8"}
    shown = json_of(run_cli("models", "show", "--json", env=env))
    assert shown["fingerprint"] == document["fingerprint"]
    listed = run_cli("models", "list", env={**env, "HYBRIDX_PRECISION": "float16"})
    assert listed.returncode == 0
    assert b"not there in float16, only in int8" in listed.stderr


# Digests


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a file was read for its digest."""
    calls: list[int] = []
    real = hashlib.file_digest

    def counting(file: Any, name: str) -> Any:
        calls.append(1)
        return real(file, name)

    monkeypatch.setattr(digests, "LARGE", 1000)
    monkeypatch.setattr(hashlib, "file_digest", counting)
    return calls


def old_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_large_file_is_read_once(
    tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_file(tmp_path / "model.onnx", b"x" * 2000)
    first = file_digest(path, tmp_path / "memory")
    assert not (tmp_path / "memory").exists(), "what has just changed is remembered"
    later = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert file_digest(path, tmp_path / "memory") == first
    counted.clear()
    assert file_digest(path, tmp_path / "memory") == first
    assert counted == []
    assert file_digest(path) == first
    assert len(counted) == 1


CHANGES: dict[str, Callable[[Path], Any]] = {
    "in place": lambda path: path.write_bytes(b"y" * 2000),
    "longer": lambda path: path.write_bytes(b"x" * 2001),
    "replaced": lambda path: old_file(path.with_name("new"), b"y" * 2000).replace(path),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_read_again(
    tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = old_file(tmp_path / "model.onnx", b"x" * 2000)
    stat = path.stat()
    later = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    before = file_digest(path, tmp_path / "memory")
    CHANGES[change](path)
    # Whoever sets the clock of a file back cannot hide that it changed.
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file_digest(path, tmp_path / "memory") != before


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"sha256": 3}', b"\xff"])
def test_a_torn_memory_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: list[int], damage: bytes
) -> None:
    path = old_file(tmp_path / "model.onnx", b"x" * 2000)
    later = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    first = file_digest(path, tmp_path / "memory")
    (note,) = (tmp_path / "memory").iterdir()
    note.write_bytes(damage)
    assert file_digest(path, tmp_path / "memory") == first
    note.unlink()
    note.parent.rmdir()
    note.parent.write_text("no folder")
    assert file_digest(path, tmp_path / "memory") == first


def test_vectors_of_an_added_model_are_those_of_its_folder(tmp_path: Path) -> None:
    from hybridx.embed.embedder import Embedder

    make_transformer(tmp_path / "mine")
    add(tmp_path / "mine", tmp_path / "cache")
    one = Embedder(load_model(str(tmp_path / "mine"))).embed_queries(["read the file"])
    two = Embedder(load_model("mine", cache_dir=tmp_path / "cache")).embed_queries(
        ["read the file"]
    )
    assert one.shape == (1, WIDTH)
    assert np.array_equal(one, two)
    assert find_added(tmp_path / "cache", "mine") is not None


def test_a_project_may_name_what_was_added_and_nothing_else(project: Tree, tmp_path: Path) -> None:
    """Whoever clones a tree would run what lies in it."""
    (project.root / "models").mkdir()
    make_transformer(project.root / "models" / "own")
    project.write("hybridx.toml", 'model = "models/own"\n')
    for command in (["index"], ["index", "--jobs", "1"]):
        refused = run_cli(*command, cwd=project.root)
        check_refused(refused, "models/own", "if you trust it", "hybridx models add models/own")
    assert not (project.root / ".hybridx" / "CURRENT").exists()
    assert run_cli("index", "--model", "models/own", cwd=project.root).returncode == 0
    make_transformer(tmp_path / "mine")
    project.write("hybridx.toml", 'model = "mine"\n')
    check_refused(run_cli("index", "--full", project.root), "'mine'", "if you trust it")
    assert run_cli("models", "add", tmp_path / "mine").returncode == 0
    assert json_of(run_cli("index", "--full", "--json", project.root))["model"] == "mine"


def test_no_model_has_an_empty_name(tmp_path: Path) -> None:
    make_transformer(tmp_path / "m")
    for name in ("", " "):
        check_refused(run_cli("models", "add", name, cwd=tmp_path / "m"), "empty")
