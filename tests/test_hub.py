"""Models from a hub: the real client against a hub on this machine, and all that goes wrong.

The program runs as users run it. Nothing of what fails may be seen as a model afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from hub import Hub, Repository
from hybridx.cli import cli
from hybridx.embed import load_model
from hybridx.embed.added import KNOWN, list_added
from support import check_refused, json_of, run_cli
from test_models import WIDTH, make_transformer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "owner/small-model"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    make_transformer(tmp_path / "m")
    repository = Repository.of(tmp_path / "m")
    # Large enough for an attempt to break off in the middle of it.
    graph = repository.files.pop("model.onnx")
    repository.files["onnx/model.onnx"] = graph
    repository.files |= {"README.md": b"---\n", "pytorch_model.bin": b"x" * 9999}
    with Hub({NAME: repository}) as running:
        yield running


class Machine:
    """A user's machine: its folders, and its environment."""

    def __init__(self, place: Path, hub: Hub, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.cache = place / "cache"
        self.env = {
            "HYBRIDX_CACHE_DIR": str(self.cache),
            "HF_HOME": str(place / "hf"),
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "",
            "HF_HUB_OFFLINE": "",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the program in this process, which is many times as fast as in another."""
        from huggingface_hub import constants

        with self.patch.context() as patch:
            env = {**self.env, **env}
            for name, value in env.items():
                patch.setenv(name, value)
            # The client reads its variables when it is loaded.
            endpoint = env["HF_ENDPOINT"]
            template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
            patch.setattr(constants, "ENDPOINT", endpoint)
            patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            patch.setattr(constants, "HF_HUB_OFFLINE", bool(env["HF_HUB_OFFLINE"]))
            patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
            patch.setattr(constants, "HF_HUB_CACHE", f"{env['HF_HOME']}/hub")
            patch.setattr("hybridx.embed.hub.PAUSES", (0.02, 0.02))
            done = CliRunner().invoke(cli, list(args), prog_name="hybridx")
        code, out, said = done.exit_code, done.stdout_bytes, done.stderr_bytes
        return subprocess.CompletedProcess(args, code, out, said)

    def run_apart(self, *args: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        """Runs it as users do."""
        return run_cli(*args, env={**self.env, **env})

    def add(self, name: str = NAME, *args: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        return self.run("models", "add", name, *args, **env)

    def listed(self) -> list[str]:
        known = json_of(self.run("models", "list", "--json"))
        return [each["name"] for each in known if each["source"] != "bundled"]

    def check_nothing_added(self) -> None:
        assert self.listed() == []
        assert list_added(self.cache) == []
        models = self.cache / "models"
        left = [
            path for path in models.rglob("*") if path.is_file() and ".adding" not in path.parts
        ]
        assert left == [], "half of a model lies where models are"


@pytest.fixture
def machine(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, hub, monkeypatch)


def test_a_model_is_added_found_used_and_removed(
    machine: Machine, hub: Hub, tmp_path: Path
) -> None:
    result = machine.run_apart("models", "add", NAME)
    assert result.returncode == 0, result.stderr
    assert result.stdout == b""
    said = result.stderr.decode()
    assert f"{NAME}: added, {WIDTH} dimensions, float32" in said
    assert "apache-2.0" in said
    (added,) = list_added(machine.cache)
    commit = hub.repositories[NAME].commit
    assert (added.origin.revision, added.folder.name) == (commit, commit)
    for name, digest in added.origin.files.items():
        assert hashlib.sha256((added.folder / name).read_bytes()).hexdigest() == digest
    asked = {each.path for each in hub.asked}
    assert not any("pytorch" in path or "README" in path for path in asked), asked
    its_own = (f"/api/models/{NAME}", f"/{NAME}/resolve/{commit}/", f"/content/{NAME}/")
    assert all(path.startswith(its_own) for path in asked), asked
    hub.asked.clear()
    shown = json_of(machine.run_apart("models", "show", NAME, "--json"))
    assert (shown["source"], shown["revision"], shown["license"]) == ("hub", commit, "apache-2.0")

    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.py").write_text("def read(file):\n    close(file)\n")
    report = json_of(machine.run_apart("index", str(tree), "--model", NAME, "--json"))
    assert (report["model"], report["chunks"]["embedded"]) == (NAME, 1)
    found = json_of(machine.run_apart("search", "read the file", str(tree), "--json"))
    assert found["hits"][0]["path"] == "a.py"
    assert json_of(machine.run_apart("index", str(tree), "--json"))["chunks"]["embedded"] == 0

    assert machine.run_apart("models", "remove", NAME).returncode == 0
    assert hub.asked == [], "something else asks the hub"
    machine.check_nothing_added()
    again = machine.run_apart("index", str(tree), "--full")
    check_refused(again, "no model", "hybridx models add", NAME)


def test_what_is_there_is_not_fetched_again(machine: Machine, hub: Hub) -> None:
    assert machine.add().returncode == 0
    hub.asked.clear()
    result = machine.add()
    assert b"already there" in result.stderr
    assert [each.path for each in hub.asked] == [f"/api/models/{NAME}"]


def test_another_precision_joins_the_model(machine: Machine, hub: Hub) -> None:
    files = hub.repositories[NAME].files
    files["onnx/model_fp16.onnx"] = files[GRAPH]
    assert machine.add().returncode == 0
    first = load_model(NAME, cache_dir=machine.cache)
    refused = machine.run("index", str(machine.cache), "--model", NAME, "--precision", "float16")
    check_refused(refused, "not there in float16, only in float32", f"models add {NAME}")
    hub.asked.clear()
    result = machine.add(NAME, "--device", "cuda")
    assert b"float16" in result.stderr, result.stderr
    assert not any(each.path.endswith(GRAPH) for each in hub.asked)
    (added,) = list_added(machine.cache)
    graphs = {"float32": GRAPH, "float16": "onnx/model_fp16.onnx"}
    for precision, graph in graphs.items():
        model = load_model(NAME, cache_dir=machine.cache, precision=precision)
        assert model.onnx == added.folder / graph
        assert graph in added.origin.files
    assert load_model(first.reference, cache_dir=machine.cache).fingerprint == first.fingerprint
    assert b"already there" in machine.add().stderr
    assert b"already there" in machine.add(NAME, "--precision", "float16").stderr
    missing = machine.add(NAME, "--precision", "int8")
    check_refused(missing, "does not have a graph in int8, only in float32 and float16")


def test_large_weights_come_with_their_graph(machine: Machine, hub: Hub) -> None:
    import onnx

    files = hub.repositories[NAME].files
    model = onnx.load_from_string(files[GRAPH])
    place = machine.cache.parent / "external"
    place.mkdir()
    onnx.save_model(
        model,
        str(place / "model.onnx"),
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=0,
    )
    files[GRAPH] = (place / "model.onnx").read_bytes()
    files["onnx/model.onnx_data"] = (place / "model.onnx_data").read_bytes()
    assert machine.add().returncode == 0
    (added,) = list_added(machine.cache)
    assert "onnx/model.onnx_data" in added.origin.files
    before = load_model(NAME, cache_dir=machine.cache).fingerprint
    (added.folder / "onnx/model.onnx_data").write_bytes(b"?")
    assert load_model(NAME, cache_dir=machine.cache).fingerprint != before
    assert machine.run("models", "remove", NAME).returncode == 0
    del files["onnx/model.onnx_data"]
    check_refused(machine.add(), f"model {NAME}", "model.onnx_data")
    machine.check_nothing_added()


def test_a_damaged_model_is_said_and_mended(machine: Machine, hub: Hub) -> None:
    assert machine.add().returncode == 0
    (added,) = list_added(machine.cache)
    graph = added.folder / "onnx/model.onnx"
    whole = graph.read_bytes()
    graph.unlink()
    listed = machine.run("models", "list")
    assert listed.returncode == 0
    assert f"hybridx models add {NAME}".encode() in listed.stderr
    result = machine.add()
    assert result.returncode == 0, result.stderr
    assert graph.read_bytes() == whole


def test_a_name_that_was_not_added_is_never_fetched(
    machine: Machine, hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    for name in (NAME, "bge-small-en-v1.5", f"{NAME}@v1"):
        result = machine.run("index", str(tmp_path / "tree"), "--model", name)
        check_refused(result, name, f"hybridx models add {name}")
    assert hub.asked == []


@pytest.mark.parametrize("case", ["hub down", "html", "graph is another", "offline", "no port"])
def test_a_process_of_its_own_says_the_same(machine: Machine, hub: Hub, case: str) -> None:
    break_it, words = WRONG[case]
    break_it(hub, machine)
    start = time.monotonic()
    check_refused(machine.run_apart("models", "add", NAME), *words)
    assert time.monotonic() - start < 12, "it tries for too long"


@pytest.mark.parametrize("asked", ["v2", "commit", "main"])
def test_a_revision_is_pinned_to_its_commit(machine: Machine, hub: Hub, asked: str) -> None:
    other = "ab" * 20
    hub.repositories[NAME].branches["v2"] = other
    name = hub.repositories[NAME].commit if asked == "commit" else asked
    result = machine.add(f"{NAME}@{name}")
    assert result.returncode == 0, result.stderr
    (added,) = list_added(machine.cache)
    assert added.origin.revision == (other if asked == "v2" else hub.repositories[NAME].commit)
    assert all(
        f"/resolve/{added.origin.revision}/" in each.path
        for each in hub.asked[1:]
        if "resolve" in each.path
    )
    assert load_model(f"{NAME}@{name}", cache_dir=machine.cache).folder == added.folder


def test_short_names_are_names_of_repositories(machine: Machine, hub: Hub) -> None:
    repository = KNOWN["bge-small-en-v1.5"].repository
    hub.repositories[repository] = hub.repositories[NAME]
    before = machine.run("models", "list").stdout.decode()
    assert f"not added       {repository} (never run here)" in before
    result = machine.add("bge-small-en-v1.5")
    assert result.returncode == 0, result.stderr
    assert b"never run here" in result.stderr
    assert machine.listed() == [repository]
    shown = json_of(machine.run("models", "show", "bge-small-en-v1.5", "--json"))
    assert (shown["name"], shown["remark"]) == (repository, "never run here")


def test_settings_may_lie_in_another_repository(machine: Machine, hub: Hub) -> None:
    known = KNOWN["CodeRankEmbed"]
    assert known.settings is not None
    files = dict(hub.repositories[NAME].files)
    # Settings beside the graph do not count.
    files["sentence_bert_config.json"] = b'{"max_seq_length": 10}'
    settings = {"1_Pooling/config.json": files.pop("1_Pooling/config.json")}
    settings["sentence_bert_config.json"] = b'{"max_seq_length": 14}'
    prompts = {"prompts": {"query": "Represent this query: "}}
    settings["config_sentence_transformers.json"] = json.dumps(prompts).encode()
    hub.repositories[known.repository] = Repository(files)
    hub.repositories[known.settings] = Repository(settings, commit="5e" * 20)
    result = machine.add("CodeRankEmbed")
    assert result.returncode == 0, result.stderr
    model = load_model("CodeRankEmbed", cache_dir=machine.cache)
    assert (model.max_length, model.query_prefix) == (14, "Represent this query: ")
    (added,) = list_added(machine.cache)
    assert added.origin.repositories[known.settings] == "5e" * 20


# What goes wrong


def set_fault(name: str, fault: str) -> Callable[[Hub, Machine], None]:
    return lambda hub, machine: hub.faults.__setitem__(name, fault)


def drop(name: str) -> Callable[[Hub, Machine], None]:
    def change(hub: Hub, machine: Machine) -> None:
        del hub.repositories[NAME].files[name]

    return change


def write(name: str, content: bytes) -> Callable[[Hub, Machine], None]:
    return lambda hub, machine: hub.repositories[NAME].files.__setitem__(name, content)


def cut(name: str) -> Callable[[Hub, Machine], None]:
    def change(hub: Hub, machine: Machine) -> None:
        files = hub.repositories[NAME].files
        files[name] = files[name][: len(files[name]) // 2]

    return change


def guard(attribute: str) -> Callable[[Hub, Machine], None]:
    return lambda hub, machine: setattr(hub.repositories[NAME], attribute, True)


def environment(**env: str) -> Callable[[Hub, Machine], None]:
    return lambda hub, machine: machine.env.update(env)


def wrong_token(hub: Hub, machine: Machine) -> None:
    guard("gated")(hub, machine)
    machine.env["HF_TOKEN"] = "hf_wrong"


GRAPH = "onnx/model.onnx"
WRONG: dict[str, tuple[Callable[[Hub, Machine], None], list[str]]] = {
    "hub down": (
        environment(HF_ENDPOINT="http://127.0.0.1:9"),
        ["cannot be reached", "127.0.0.1:9"],
    ),
    "no such host": (environment(HF_ENDPOINT="http://hub.invalid"), ["cannot be reached"]),
    "no address": (environment(HF_ENDPOINT="nonsense"), ["nonsense"]),
    "no port": (
        environment(HF_ENDPOINT="http://127.0.0.1:port"),
        ["127.0.0.1:port", "HF_ENDPOINT"],
    ),
    "html": (set_fault("api", "html"), ["gives no description of", NAME]),
    "bytes": (set_fault("api", "bytes"), ["gives no description of", NAME]),
    "a list": (set_fault("api", "json []"), ["gives no description of", NAME]),
    "a number": (set_fault("api", "json 7"), ["gives no description of", NAME]),
    "nothing": (set_fault("api", "json "), ["gives no description of", NAME]),
    "no commit": (set_fault("api", 'json {"id": "a/b", "siblings": []}'), ["gives no description"]),
    "odd siblings": (
        set_fault("api", 'json {"id": "a/b", "sha": "c0ffeec0ffee", "siblings": [{"name": 3}]}'),
        ["gives no description of"],
    ),
    "server error": (set_fault("api", "500"), ["fails (500)"]),
    "busy": (set_fault("api", "503"), ["fails (503)"]),
    "teapot": (set_fault("api", "418"), ["fails (418)"]),
    "forbidden": (set_fault("api", "403"), ["does not allow", NAME]),
    "private": (guard("private"), ["there is no model", "HF_TOKEN"]),
    "gated": (guard("gated"), ["is gated", "HF_TOKEN"]),
    "gated, wrong token": (wrong_token, ["is gated", "HF_TOKEN"]),
    "offline": (environment(HF_HUB_OFFLINE="1"), ["HF_HUB_OFFLINE is set", NAME]),
    "no graph": (drop(GRAPH), ["does not have an ONNX graph"]),
    "no configuration": (drop("config.json"), ["does not have config.json"]),
    "no tokenizer": (drop("tokenizer.json"), ["does not have tokenizer.json"]),
    "small file is html": (
        set_fault("tokenizer.json", "html"),
        ["tokenizer.json", "bytes instead of"],
    ),
    "small file is another": (
        set_fault("tokenizer.json", "other"),
        ["tokenizer.json", "not what the hub says"],
    ),
    "graph is html": (set_fault(GRAPH, "html"), [GRAPH, "bytes instead of"]),
    "graph is another": (set_fault(GRAPH, "other"), [GRAPH, "not what the hub says"]),
    "graph is longer": (set_fault(GRAPH, "longer"), [GRAPH, "bytes instead of"]),
    "graph breaks off": (set_fault(GRAPH, "breaks off"), ["breaks off"]),
    "graph breaks off, no ranges": (set_fault(GRAPH, "no ranges"), ["breaks off"]),
    "graph missing": (set_fault(GRAPH, "404"), ["does not have", NAME]),
    "graph fails": (set_fault(GRAPH, "500"), ["fails (500)"]),
    "truncated graph": (cut(GRAPH), [f"model {NAME}"]),
    "graph of nothing": (write(GRAPH, b""), [f"model {NAME}"]),
    "broken tokenizer": (write("tokenizer.json", b"[]"), ["tokenizer.json"]),
    "broken configuration": (write("config.json", b"{"), ["config.json"]),
    "empty configuration": (write("config.json", b"{}"), ["hidden_size"]),
    "wrong dimension": (
        write("config.json", b'{"hidden_size": 5}'),
        ["its vectors have 8 dimensions", "says 5"],
    ),
    "a dense layer": (
        write(
            "modules.json",
            b'[{"idx": 0, "path": "", "type": "st.models.Transformer"},'
            b' {"idx": 1, "path": "2_Dense", "type": "st.models.Dense"}]',
        ),
        ["2_Dense", "not supported"],
    ),
    "a file outside": (
        write("onnx/model.onnx_/../../../../outside", b"x"),
        [],
    ),
}


@pytest.mark.parametrize("case", [case for case in WRONG if case != "a file outside"])
def test_what_goes_wrong_is_one_line_and_nothing_is_added(
    machine: Machine, hub: Hub, case: str
) -> None:
    break_it, words = WRONG[case]
    break_it(hub, machine)
    start = time.monotonic()
    result = machine.add()
    check_refused(result, *words)
    assert len(result.stderr.decode().strip().splitlines()) == 1, result.stderr
    assert time.monotonic() - start < 5, "it tries for too long"
    machine.check_nothing_added()


def test_a_file_cannot_leave_the_model(machine: Machine, hub: Hub, tmp_path: Path) -> None:
    WRONG["a file outside"][0](hub, machine)
    assert machine.add().returncode == 0
    assert not list(tmp_path.rglob("outside*"))


@pytest.mark.parametrize(
    "name", ["nonsense", "a/b/c", "owner/", "../x/y", "-x/y", "owner/a b", "", "bundled"]
)
def test_names_that_make_no_sense(machine: Machine, hub: Hub, name: str) -> None:
    result = machine.run("models", "add", "--", name)
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr
    assert hub.asked == []


@pytest.mark.parametrize("fault", ["500 once", "503 once", "429 once"])
@pytest.mark.parametrize("name", ["api", "tokenizer.json", GRAPH])
def test_trouble_that_passes_is_waited_for(
    machine: Machine, hub: Hub, name: str, fault: str
) -> None:
    hub.faults[name] = fault
    result = machine.add(NAME, "--quiet")
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_token_is_for_the_hub_alone(machine: Machine, hub: Hub) -> None:
    hub.token = "hf_right"
    hub.repositories[NAME].gated = True
    assert machine.add(HF_TOKEN="hf_right").returncode == 0
    for each in hub.asked:
        expected = None if each.path.startswith("/content/") else "hf_right"
        assert each.token == expected, each
    assert any(each.path.startswith("/content/") for each in hub.asked)


# Resuming


def test_a_connection_that_breaks_off_is_taken_up(machine: Machine, hub: Hub) -> None:
    hub.faults[GRAPH] = "breaks off once"
    assert machine.add().returncode == 0
    whole = len(hub.repositories[NAME].files[GRAPH])
    ranges = [each.range for each in hub.asked if each.path.startswith("/content/")]
    assert ranges == [None, f"bytes={whole // 2}-"]


def interrupt(machine: Machine, hub: Hub) -> subprocess.CompletedProcess[str]:
    """Adds a model and presses Ctrl-C in the middle of the graph."""
    running = subprocess.Popen(
        [sys.executable, "-m", "hybridx", "models", "add", NAME],
        env={**os.environ, **machine.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hub.stalled.wait(30)
    graph = machine.cache / "models" / ".adding"
    deadline = time.monotonic() + 10
    while not any(path.stat().st_size for path in graph.rglob("model.onnx.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    out, said = running.communicate(timeout=20)
    return subprocess.CompletedProcess([], running.returncode, out, said)


def test_ctrl_c_leaves_no_model_and_the_next_attempt_goes_on(machine: Machine, hub: Hub) -> None:
    hub.faults[GRAPH] = "stalls"
    result = interrupt(machine, hub)
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr.strip() == "hybridx: interrupted"
    machine.check_nothing_added()
    hub.faults.clear()
    hub.asked.clear()
    assert machine.add().returncode == 0
    whole = len(hub.repositories[NAME].files[GRAPH])
    ranges = [each.range for each in hub.asked if each.path.startswith("/content/")]
    assert ranges == [f"bytes={whole // 2}-"], "it began anew"
    assert not any(each.path.endswith("tokenizer.json") for each in hub.asked)
    assert not list((machine.cache / "models" / ".adding").iterdir()), "what is done with is left"


def test_another_commit_does_not_continue_the_old_one(machine: Machine, hub: Hub) -> None:
    hub.faults[GRAPH] = "stalls"
    interrupt(machine, hub)
    hub.faults.clear()
    hub.asked.clear()
    hub.repositories[NAME].commit = "d0" * 20
    assert machine.add().returncode == 0
    assert not any(each.range for each in hub.asked)
    assert not list((machine.cache / "models" / ".adding").iterdir())


@pytest.mark.parametrize("damage", ["other bytes", "too long", "whole but other"])
def test_a_torn_download_that_is_wrong_is_not_kept(machine: Machine, hub: Hub, damage: str) -> None:
    hub.faults[GRAPH] = "stalls"
    interrupt(machine, hub)
    hub.faults.clear()
    (part,) = (machine.cache / "models" / ".adding").rglob("model.onnx.part")
    size = {"other bytes": 7, "too long": 1 << 20}
    part.write_bytes(b"!" * size.get(damage, len(hub.repositories[NAME].files[GRAPH])))
    first = machine.add()
    if first.returncode:
        check_refused(first, GRAPH, "not what the hub says")
        machine.check_nothing_added()
        first = machine.add()
    assert first.returncode == 0, first.stderr


def test_two_at_once_do_not_get_in_each_others_way(machine: Machine, hub: Hub) -> None:
    hub.faults[GRAPH] = "stalls"
    running = subprocess.Popen(
        [sys.executable, "-m", "hybridx", "models", "add", NAME],
        env={**os.environ, **machine.env},
        stderr=subprocess.PIPE,
    )
    try:
        assert hub.stalled.wait(30)
        check_refused(machine.add(), "another process is adding")
    finally:
        running.kill()
        running.communicate()
    hub.faults.clear()
    assert machine.add().returncode == 0


def test_a_killed_attempt_leaves_no_model(machine: Machine, hub: Hub) -> None:
    hub.faults[GRAPH] = "stalls"
    running = subprocess.Popen(
        [sys.executable, "-m", "hybridx", "models", "add", NAME],
        env={**os.environ, **machine.env},
    )
    assert hub.stalled.wait(30)
    running.kill()
    running.wait()
    machine.check_nothing_added()


# The disk


def limit_files(size: int) -> None:
    """No file may become longer, which the system says much as it says that a disk is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk_is_one_line(machine: Machine, hub: Hub) -> None:
    limit = len(hub.repositories[NAME].files[GRAPH]) // 2
    result = subprocess.run(
        [sys.executable, "-m", "hybridx", "models", "add", NAME],
        env={**os.environ, **machine.env, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
        preexec_fn=partial(limit_files, limit),
    )
    check_refused(result, str(machine.cache), "File too large", "next attempt")
    machine.check_nothing_added()
    assert machine.add().returncode == 0


def test_too_little_room_is_said_before_anything_is_fetched(machine: Machine, hub: Hub) -> None:
    describe = hub.repositories[NAME].describe(NAME)
    for each in describe["siblings"]:
        if "lfs" in each:
            each["lfs"]["size"] = 1 << 50
    hub.faults["api"] = f"json {json.dumps(describe)}"
    check_refused(machine.add(), "MB are needed", "are free")
    assert len(hub.asked) == 1
    machine.check_nothing_added()


# The client's own cache


def client_cache(machine: Machine, hub: Hub) -> Path:
    """What `hf download` has left: the model in the cache of the hub's client."""
    code = (
        "import sys; from huggingface_hub import hf_hub_download\n"
        "for name in sys.argv[2:]: print(hf_hub_download(sys.argv[1], name))"
    )
    names = [name for name in hub.repositories[NAME].files if "bin" not in name]
    env = {**os.environ, **machine.env, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code, NAME, *names],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(result.stdout.splitlines()[0])


def test_the_clients_cache_serves_where_there_is_no_hub(machine: Machine, hub: Hub) -> None:
    client_cache(machine, hub)
    hub.asked.clear()
    result = machine.add(HF_HUB_OFFLINE="1")
    assert result.returncode == 0, result.stderr
    assert hub.asked == []
    (added,) = list_added(machine.cache)
    assert added.origin.revision == hub.repositories[NAME].commit


def test_what_the_clients_cache_has_is_not_fetched(machine: Machine, hub: Hub) -> None:
    client_cache(machine, hub)
    hub.asked.clear()
    assert machine.add().returncode == 0
    assert [each.path for each in hub.asked] == [f"/api/models/{NAME}"]


@pytest.mark.parametrize("offline", ["", "1"])
def test_a_damaged_client_cache_is_not_believed(machine: Machine, hub: Hub, offline: str) -> None:
    client_cache(machine, hub)
    for path in Path(machine.env["HF_HOME"]).rglob("blobs/*"):
        if path.stat().st_size == len(hub.repositories[NAME].files[GRAPH]):
            path.write_bytes(b"!" * path.stat().st_size)
    result = machine.add(HF_HUB_OFFLINE=offline)
    if offline:
        check_refused(result, GRAPH, "damaged in the cache")
        machine.check_nothing_added()
    else:
        assert result.returncode == 0, result.stderr
