"""Settings: what overrules what, what is refused, and what the messages name."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from hybridx.cli import cli
from hybridx.config import Settings, suggestion, unknown_variables
from hybridx.embed.model import load_model
from hybridx.errors import UsageError
from hybridx.indexer import fingerprint
from hybridx.presets import PRESETS


def load(root: Path, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    return Settings.load(root, flags, environ=environ or {})


def refused(*named: str, call: Any) -> str:
    """The message of the `UsageError` that `call` raises; every one of `named` is in it."""
    with pytest.raises(UsageError) as caught:
        call()
    message = str(caught.value)
    for each in named:
        assert each in message
    return message


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.model == "bundled"
    assert settings.device == "auto"
    assert settings.max_file_bytes == 4 * 1024 * 1024
    assert settings.lock_timeout == 10.0
    assert settings.commit_files == 5000
    assert settings.index_dir is None
    assert settings.cache_dir.is_absolute()
    assert set(map(settings.origin, Settings.keys())) == {"default"}


def test_later_sources_overrule_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.hybridx]\njobs = 2\nmax_errors = 7\n")
    assert load(tmp_path).jobs == 2
    assert load(tmp_path).origin("jobs") == "pyproject.toml [tool.hybridx]"
    environ = {"HYBRIDX_JOBS": "3"}
    assert load(tmp_path, environ).jobs == 3
    assert load(tmp_path, environ).origin("jobs") == "HYBRIDX_JOBS"
    settings = load(tmp_path, environ, jobs=4)
    assert (settings.jobs, settings.origin("jobs")) == (4, "--jobs")
    assert (settings.max_errors, settings.origin("max_errors")) == (
        7,
        "pyproject.toml [tool.hybridx]",
    )


def test_a_flag_that_is_not_given_and_an_empty_variable_say_nothing(tmp_path: Path) -> None:
    settings = load(tmp_path, {"HYBRIDX_JOBS": ""}, jobs=None)
    assert (settings.jobs, settings.origin("jobs")) == (0, "default")


def test_hybridx_toml_alone_counts_where_both_files_are(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.hybridx]\njobs = 2\nmax_errors = 7\n")
    (tmp_path / "hybridx.toml").write_text("jobs = 5\n")
    settings = load(tmp_path)
    assert (settings.jobs, settings.origin("jobs")) == (5, "hybridx.toml")
    assert settings.max_errors is None


def test_a_pyproject_of_others_is_no_concern(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nhybridx = 1\n")
    assert load(tmp_path) == load(tmp_path / "missing")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("jbos = 2", ["jbos", "did you mean jobs?"]),
        ("memory_limit = 2", ["did you mean memory_limit_mb?"]),
        ("xyzzy = 2", ["there is no setting xyzzy"]),
        ('jobs = "2"', ["jobs", "a whole number", "'2'"]),
        ("jobs = true", ["jobs", "a whole number", "True"]),
        ("jobs = -1", ["jobs", "between 0", "-1"]),
        ("require_gpu = 1", ["require_gpu", "true or false"]),
        ('device = "gpu"', ["device", "auto, cpu, cuda", "'gpu'"]),
        ('model = "  "', ["model", "empty"]),
        ("max_file_bytes = 0", ["max_file_bytes", "between 1"]),
        ("max_file_bytes = 1073741825", ["max_file_bytes", "1,073,741,824"]),
        ("lock_timeout = nan", ["lock_timeout", "nan"]),
        ("lock_timeout = inf", ["lock_timeout", "inf"]),
        ("index_dir = 3", ["index_dir", "a path"]),
        ('index_dir = ""', ["index_dir", "a path"]),
        ('cache_dir = "cache"', ["cache_dir", "HYBRIDX_CACHE_DIR"]),
        ('index_parent = "x"', ["index_parent", "HYBRIDX_INDEX_DIR"]),
        ('index_dir = "../elsewhere"', ["index_dir", "--index-dir"]),
        ('index_dir = "~/elsewhere"', ["index_dir", "--index-dir"]),
        ('index_dir = "."', ["the tree itself"]),
        ('model = "./models/own"', ["model", "no folder", "models add", "HYBRIDX_MODEL"]),
        ('model = "../own"', ["model", "no folder"]),
        ('model = "/models/own"', ["model", "no folder"]),
        ('model = "~/own"', ["model", "no folder"]),
        ('rerank = "./judge"', ["rerank", "HYBRIDX_RERANK"]),
        ('preset = "lagre"', ["preset", "small, medium, large", "did you mean large?"]),
        ('device = "cudaa"', ["did you mean cuda?"]),
        ("max-errors = 2", ["no setting max-errors", "did you mean max_errors?"]),
        ("Jobs = 2", ["did you mean jobs?"]),
        ("[tool.hybridx]\njobs = 2", ["at the top of this file"]),
        ("[hybridx]\njobs = 2", ["at the top of this file"]),
    ],
)
def test_what_a_project_may_not_say(tmp_path: Path, line: str, named: list[str]) -> None:
    (tmp_path / "hybridx.toml").write_text(line + "\n")
    refused("hybridx.toml", *named, call=lambda: load(tmp_path))


def test_an_index_dir_behind_a_link_leads_out_as_well(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    (root / "hybridx.toml").write_text('index_dir = "link/index"\n')
    refused("index_dir", "--index-dir", call=lambda: load(root))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"jobs = 1\nmodel = \n", 2),
        (b"jobs = 1\n\n[broken\n", 3),
        (b'jobs = 1\nmodel = "\xff"\n', 2),
        (b'model = """', 1),
    ],
)
def test_broken_toml_names_file_and_line(tmp_path: Path, text: bytes, line: int) -> None:
    path = tmp_path / "hybridx.toml"
    path.write_bytes(text)
    refused(f"{path}:{line}: ", call=lambda: load(tmp_path))


def test_a_table_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nhybridx = 1\n")
    refused("[tool.hybridx]", "a table", call=lambda: load(tmp_path))


@pytest.mark.parametrize(
    ("head", "named"),
    [
        ("[hybridx]", "not in [hybridx]"),
        ("[tool.Hybridx]", "not in [tool.Hybridx]"),
        ("[tool.hybrid-x]", "not in [tool.hybrid-x]"),
        ("[tool.hybrid_x]", "not in [tool.hybrid_x]"),
    ],
)
def test_a_table_that_nothing_reads(tmp_path: Path, head: str, named: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{head}\njobs = 2\n")
    refused("pyproject.toml", "[tool.hybridx]", named, call=lambda: load(tmp_path))
    (tmp_path / "pyproject.toml").write_text(f"[tool.hybridx]\njobs = 3\n{head}\njobs = 2\n")
    assert load(tmp_path).jobs == 3, "whoever has the right one may have others"


PRESET = PRESETS["large"]


def test_a_preset_is_other_defaults(tmp_path: Path) -> None:
    (tmp_path / "hybridx.toml").write_text('preset = "large"\n')
    settings = load(tmp_path)
    for key, value in PRESET.items():
        assert getattr(settings, key) == value
        assert settings.origin(key) == "preset large (hybridx.toml)"
    assert settings.origin("preset") == "hybridx.toml"
    assert settings.origin("jobs") == "default"


def test_what_is_said_explicitly_overrules_a_preset_wherever_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "hybridx.toml").write_text("commit_files = 5000\n")
    settings = load(tmp_path, {"HYBRIDX_LOCK_TIMEOUT": "3"}, preset="large")
    assert (settings.commit_files, settings.origin("commit_files")) == (5000, "hybridx.toml")
    assert (settings.lock_timeout, settings.origin("lock_timeout")) == (3, "HYBRIDX_LOCK_TIMEOUT")
    assert settings.origin("memory_limit_mb") == "preset large (--preset)"


def test_the_preset_of_the_later_source_counts(tmp_path: Path) -> None:
    (tmp_path / "hybridx.toml").write_text('preset = "large"\n')
    settings = load(tmp_path, {"HYBRIDX_PRESET": "small"})
    assert settings.commit_files == PRESETS["small"]["commit_files"]
    assert settings.origin("commit_files") == "preset small (HYBRIDX_PRESET)"
    refused("HYBRIDX_PRESET", "medium", call=lambda: load(tmp_path, {"HYBRIDX_PRESET": "huge"}))


def test_a_preset_by_hand_and_what_is_made_of_it(tmp_path: Path) -> None:
    settings = Settings(preset="large", lock_timeout=7)
    assert (settings.commit_files, settings.lock_timeout) == (PRESET["commit_files"], 7)
    patient = dataclasses.replace(settings, lock_timeout=10.0, commit_files=5000)
    assert (patient.lock_timeout, patient.commit_files) == (10.0, 5000), "the preset came back"


def test_a_preset_is_no_more_than_a_project_may_say_and_changes_nothing_stored() -> None:
    plain = fingerprint(load_model("bundled"), Settings())
    for name, values in PRESETS.items():
        assert all(Settings.describe(key).in_project for key in values), name
        assert fingerprint(load_model("bundled"), Settings(preset=name)) == plain
    assert Settings(preset="medium") == dataclasses.replace(Settings(), preset="medium")


@pytest.mark.parametrize("key", Settings.keys())
def test_every_setting_is_described(key: str) -> None:
    found = Settings.describe(key)
    assert len(found.description.split()) >= 3
    assert found.variable is None or found.variable.startswith("HYBRIDX_")
    assert json.loads(json.dumps(found.to_json()))["key"] == key
    if found.choices:
        assert found.default is None or found.default in found.choices


def test_a_flag_is_told_where_a_command_has_it() -> None:
    """And nowhere else: people would type it."""
    flags: dict[str, set[str]] = {}
    keys = Settings.keys()
    for command in cli.commands.values():
        for option in command.params:
            if option.name in keys:
                flags.setdefault(str(option.name), set()).update(option.opts)
    assert flags.keys() >= {"jobs", "model", "preset"}
    for key in keys:
        flag = Settings.describe(key).flag
        assert (flag in flags[key]) if flag else key not in flags, key


def test_what_is_described_is_what_holds() -> None:
    found = Settings.describe("jobs")
    assert (found.type, found.default, found.low, found.high) == ("a whole number", 0, 0, 1024)
    assert (found.variable, found.flag, found.choices) == ("HYBRIDX_JOBS", "--jobs", ())
    assert Settings.describe("device").choices == ("auto", "cpu", "cuda")
    assert not Settings.describe("cache_dir").in_project
    assert Settings.describe("index_dir").variable is None
    assert Settings.describe("commit_files").presets["large"] == PRESET["commit_files"]
    refused("did you mean jobs?", call=lambda: Settings.describe("job"))


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("HYBRIDX_REQUIRE_GPU", "yes", "require_gpu", True),
        ("HYBRIDX_DEFAULT_EXCLUDES", "0", "default_excludes", False),
        ("HYBRIDX_LOCK_TIMEOUT", "0.5", "lock_timeout", 0.5),
        ("HYBRIDX_LOCK_TIMEOUT", "3", "lock_timeout", 3.0),
        ("HYBRIDX_MEMORY_LIMIT_MB", "512", "memory_limit_mb", 512),
        ("HYBRIDX_DEVICE", "cpu", "device", "cpu"),
        ("HYBRIDX_CACHE_DIR", "/somewhere", "cache_dir", Path("/somewhere")),
        ("HYBRIDX_INDEX_DIR", "/indexes", "index_parent", Path("/indexes")),
    ],
)
def test_variables(tmp_path: Path, variable: str, text: str, key: str, value: object) -> None:
    settings = load(tmp_path, {variable: text})
    assert getattr(settings, key) == value
    assert type(getattr(settings, key)) is type(value) or isinstance(value, Path)
    assert settings.origin(key) == variable


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HYBRIDX_JOBS", "many"),
        ("HYBRIDX_JOBS", "1.5"),
        ("HYBRIDX_REQUIRE_GPU", "maybe"),
        ("HYBRIDX_LOCK_TIMEOUT", "nan"),
        ("HYBRIDX_DEVICE", "gpu"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, text: str) -> None:
    refused(variable, text, call=lambda: load(tmp_path, {variable: text}))


def test_flags_are_named_as_they_are_written(tmp_path: Path) -> None:
    refused("--jobs", call=lambda: load(tmp_path, jobs=-1))
    refused("--memory-limit:", call=lambda: load(tmp_path, memory_limit_mb=0))
    refused("did you mean jobs?", call=lambda: load(tmp_path, job=1))


def test_one_index_or_a_parent_of_many_the_later_source_counts(tmp_path: Path) -> None:
    (tmp_path / "hybridx.toml").write_text('index_dir = "build/index"\n')
    assert load(tmp_path).index_dir == tmp_path / "build/index"
    settings = load(tmp_path, {"HYBRIDX_INDEX_DIR": "/indexes"})
    assert (settings.index_dir, settings.index_parent) == (None, Path("/indexes"))
    assert settings.origin("index_dir") == "overruled by HYBRIDX_INDEX_DIR"
    settings = load(tmp_path, {"HYBRIDX_INDEX_DIR": "/indexes"}, index_dir="/mine")
    assert (settings.index_dir, settings.index_parent) == (Path("/mine"), None)
    assert settings.origin("index_parent") == "overruled by --index-dir"


def test_an_index_is_never_the_tree_or_above_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    refused("--index-dir", call=lambda: load(root, index_dir=root))
    refused("--index-dir", call=lambda: load(root, index_dir=tmp_path))
    assert load(root, index_dir=tmp_path / "root2").index_dir == tmp_path / "root2"


def test_where_relative_paths_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, here = tmp_path / "root", tmp_path / "here"
    root.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    (root / "hybridx.toml").write_text('index_dir = "build/index"\n')
    assert load(root).index_dir == root / "build/index"
    assert load(root, {"HYBRIDX_MODEL": "./own"}).model == str(here / "own")
    settings = load(root, {"HYBRIDX_CACHE_DIR": "cache"}, model="org/name", index_dir="index")
    assert settings.cache_dir == here / "cache"
    assert settings.index_dir == here / "index"
    assert settings.model == "org/name"


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(tmp_path / "root", {"HYBRIDX_CACHE_DIR": "~/c"}).cache_dir == tmp_path / "c"


def test_require_gpu_and_the_cpu_contradict_each_other(tmp_path: Path) -> None:
    refused(
        "HYBRIDX_REQUIRE_GPU",
        "--device",
        call=lambda: load(tmp_path, {"HYBRIDX_REQUIRE_GPU": "1"}, device="cpu"),
    )


def test_settings_made_by_hand_are_held_to_the_same_rules() -> None:
    settings = Settings(jobs=3, lock_timeout=1)
    assert settings.origin("jobs") == "argument"
    assert settings.origin("model") == "default"
    assert isinstance(settings.lock_timeout, float)
    refused("jobs", call=lambda: Settings(jobs=-1))
    refused("lock_timeout", call=lambda: Settings(lock_timeout=math.nan))
    refused("model", call=lambda: Settings(model=None))  # type: ignore[arg-type]
    refused("no setting jbos", call=lambda: settings.origin("jbos"))
    assert hash(settings) == hash(Settings(jobs=3, lock_timeout=1.0))


def test_threads_are_the_cores_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(jobs=3).threads == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 7, 8, 9}, raising=False)
    assert Settings().threads == 5


def test_variables_that_nothing_reads() -> None:
    environ = {"HYBRIDX_JOB": "1", "HYBRIDX_JOBS": "1", "HYBRIDX_DEBUG": "1", "HOME": "/"}
    assert unknown_variables(environ) == [("HYBRIDX_JOB", "; did you mean HYBRIDX_JOBS?")]
    # That it begins as all others do makes it like none of them.
    for other in ("HYBRIDX_FOO", "HYBRIDX_ZZZZZZZZZZZZ"):
        assert unknown_variables({other: "1"}) == [(other, "")]


def test_suggestion_stays_silent_without_a_likeness() -> None:
    assert suggestion("xyzzy", ["jobs", "model"]) == ""
