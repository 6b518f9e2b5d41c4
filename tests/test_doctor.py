"""`hybridx doctor`: it ends with a list whatever is broken, and tells what to do."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybridx import doctor
from hybridx.doctor import machine, software
from hybridx.doctor.findings import Finding, guarded, private
from support import Tree, check_refused, json_of, open_index, run_cli, updated

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWS = {
    *("system", "processor", "cores", "memory", "open files", "versions", "settings", "git"),
    *("index folder", "cache folder", "watches", "core", "vector store", "runtime", "model"),
    "index",
}


def examined(
    root: Path, *args: str, env: Mapping[str, str] | None = None, code: int = 0
) -> dict[str, dict[str, Any]]:
    """The findings by name; of several the worst."""
    document = json_of(run_cli("doctor", root, "--json", *args, env=env), code)
    rank = ("ok", "warning", "problem")
    rows: dict[str, dict[str, Any]] = {}
    for row in document["findings"]:
        assert row["state"] in rank
        assert row["value"]
        kept = rows.get(row["name"])
        if kept is None or rank.index(row["state"]) > rank.index(kept["state"]):
            rows[row["name"]] = row
    assert document["usable"] is (code == 0)
    assert document["problems"] == sum(row["state"] == "problem" for row in document["findings"])
    return rows


def test_a_machine_that_works_is_found_usable_and_nothing_is_written(project: Tree) -> None:
    before = project.files()
    rows = examined(project.root)
    assert set(rows) == ROWS
    assert rows["index"]["value"] == "none yet"
    assert f"hybridx index {project.root}" in rows["index"]["advice"]
    assert not project.path(".hybridx").exists()
    assert project.files() == before
    updated(open_index(project))
    project.write("src/new.py", "x = 1\n")
    shown = run_cli("doctor", project.root)
    assert shown.returncode == 0
    assert b"\x1b" not in shown.stdout
    lines = shown.stdout.decode().splitlines()
    [index] = [line for line in lines if line.split()[1] == "index" and "generation" in line]
    assert "generation 1, 8 files" in index
    assert "1 changed since" in index
    assert shown.stderr.decode().startswith("0 problems, ")


def test_settings_that_are_not_as_they_come_are_told_and_no_home(
    project: Tree, tmp_path: Path
) -> None:
    project.write("hybridx.toml", "max_errors = 3\n")
    env = {"HOME": str(tmp_path), "HYBRIDX_JBOS": "hunter2", "HF_TOKEN": "hf_hunter2"}
    rows = json_of(run_cli("doctor", project.root, "--json", env=env))["findings"]
    said = [row["value"] for row in rows if row["name"] == "settings"]
    assert "max_errors = 3 (hybridx.toml)" in said[0]
    assert said[1] == "HYBRIDX_JBOS is set but is no setting; did you mean HYBRIDX_JOBS?"
    text = str(rows)
    assert "hunter2" not in text
    assert str(tmp_path) not in text
    assert "~/project" in text


def test_what_is_broken_is_told_and_all_else_is_looked_at(project: Tree) -> None:
    updated(open_index(project))
    for path in project.path(".hybridx").rglob("snapshots/*"):
        path.write_bytes(b"no snapshot")
    project.write("hybridx.toml", "jobs = 'many'\n")
    rows = examined(project.root, code=1)
    assert set(rows) >= {"processor", "memory", "versions", "git", "disk"} - {"disk"}
    assert rows["settings"]["state"] == "problem"
    assert "jobs" in rows["settings"]["value"]
    # One mistake is one problem: nobody should install anything anew for it.
    assert [name for name, row in rows.items() if row["state"] == "problem"] == ["settings"]
    assert rows["core"]["state"] == rows["vector store"]["state"] == "ok"
    project.delete("hybridx.toml")
    rows = examined(project.root, code=1)
    assert {name for name, row in rows.items() if row["state"] == "problem"} == {"index"}
    assert "hybridx verify" in rows["index"]["advice"]


def test_a_model_that_is_not_there_is_a_problem(project: Tree) -> None:
    rows = examined(project.root, env={"HYBRIDX_MODEL": "owner/name"}, code=1)
    assert rows["model"]["state"] == "problem"
    assert "hybridx models add owner/name" in rows["model"]["value"]
    assert rows["vector store"]["state"] == "ok"


def test_a_folder_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    check_refused(run_cli("doctor", tmp_path / "none"), "there is no such folder")


def test_what_lies_in_the_tree_is_never_imported(project: Tree) -> None:
    for name in ("numpy.py", "json.py", "hybridx.py"):
        project.write(name, "raise SystemExit('imported')\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hybridx", "doctor", "."],
        cwd=project.root,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert b"imported" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"import os; os.kill(os.getpid(), {int(signal.SIGILL)})", "ended by SIGILL"),
        (f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})", "ended by SIGKILL"),
        ("raise SystemExit('odd')", "odd"),
        ("print('no json')", "ended with 0"),
        ("import time; time.sleep(60)", "no answer within"),
    ],
)
def test_a_probe_that_dies_is_a_finding(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -S -E -c \"{body}\"\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(doctor, "_INNER_SECONDS", 5.0 if "sleep" not in body else 0.5)
    [found] = doctor._inner("vector store", tmp_path, "")
    assert found.name == "vector store"
    assert found.state != "ok"
    assert said in found.value


def stuck() -> list[Finding]:
    time.sleep(30)
    return []


def test_a_probe_that_hangs_or_raises_is_a_finding() -> None:
    before = time.monotonic()
    [hung] = guarded("disk", stuck, 0.1)
    assert time.monotonic() - before < 10
    assert (hung.state, hung.value) == ("warning", "could not be looked at: no answer within 0.1 s")
    [failed] = guarded("disk", lambda: [Finding("x", "ok", str(1 // 0))], 5)
    assert "ZeroDivisionError" in failed.value


CPU = "processor\t: 0\nmodel name\t: Old Xeon\nflags\t\t: fpu sse4_2 {}\n"


@pytest.mark.parametrize(
    ("flags", "state"), [("avx avx2 fma", "ok"), ("avx", "problem"), ("avx2", "problem")]
)
def test_a_processor_without_avx2_or_fma_is_a_problem(
    flags: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    (tmp_path / "cpuinfo").write_text(CPU.format(flags))
    [found] = machine.cpu(tmp_path)
    assert found.state == state
    assert "Old Xeon" in found.value
    assert ("SIGILL" in found.advice) is (state == "problem")


def test_a_control_group_that_gives_fewer_cores_is_told(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/a/b\n")
    (tmp_path / "groups/a/b").mkdir(parents=True)
    (tmp_path / "groups/a/b/cpu.max").write_text("max 100000\n")
    assert machine.cores(tmp_path / "groups", tmp_path)[0].state == "ok"
    (tmp_path / "groups/a/cpu.max").write_text("50000 100000\n")
    [found] = machine.cores(tmp_path / "groups", tmp_path)
    assert found.state == "warning"
    assert "gives 0.5" in found.value
    assert "HYBRIDX_JOBS=1" in found.advice


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_more_folders_than_inotify_watches_are_told(tmp_path: Path) -> None:
    limits = tmp_path / "proc/sys/fs/inotify"
    limits.mkdir(parents=True)
    (limits / "max_user_watches").write_text("3\n")
    (limits / "max_user_instances").write_text("128\n")
    root = tmp_path / "root"
    for name in ("a", "b", ".hybridx/epochs/x"):
        (root / name).mkdir(parents=True)
    [found] = machine.watches(root, root / ".hybridx", tmp_path / "proc")
    assert (found.state, "3 folders" in found.value) == ("ok", True)
    (root / "c").mkdir()
    [found] = machine.watches(root, root / ".hybridx", tmp_path / "proc")
    assert found.state == "warning"
    assert "sysctl fs.inotify.max_user_watches=" in found.advice


def test_a_folder_that_cannot_be_made_or_may_not_be_written_is_told(tmp_path: Path) -> None:
    [fine] = machine.disk("index folder", tmp_path / "not" / "yet", instead="move it")
    assert fine.state in ("ok", "warning")
    if sys.platform == "linux":
        [found] = machine.disk("index folder", Path("/proc/x"), instead="move it")
        assert found.state == "problem"
        assert "move it" in found.advice


@pytest.mark.parametrize(("kind", "state"), [("nfs4", "warning"), ("ext4", "ok")])
def test_a_network_file_system_is_told(
    kind: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_file_system", lambda _place: kind)
    monkeypatch.setattr(machine, "_TIGHT_DISK", 0)
    monkeypatch.setattr(machine, "_FULL_DISK", 0)
    [found] = machine.disk("index folder", tmp_path, instead="move it")
    assert found.state == state
    assert kind in found.value


def test_hooks_are_found_where_git_looks_for_them(tmp_path: Path) -> None:
    assert "in no repository" in software.git(tmp_path)[0].value
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert "no hook" in software.git(tmp_path)[0].value
    hook = tmp_path / ".git/hooks/post-merge"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nhybridx hook run\n")
    hook.chmod(0o755)
    assert software.git(tmp_path)[0].value.endswith("hooks: post-merge")


def test_two_onnx_runtimes_and_a_missing_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    there = dict.fromkeys([*software._PACKAGES, "onnxruntime"], "1.0")
    monkeypatch.setattr(software, "_version", lambda name: there.get(name, ""))
    assert software.versions()[0].state == "ok"
    there["onnxruntime-gpu"] = "1.1"
    assert software.versions()[0].state == "warning"
    del there["lancedb"]
    [found] = software.versions()
    assert found.state == "problem"
    assert "missing: lancedb" in found.value


def test_the_name_of_the_home_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jane")
    found = private(Finding("x", "ok", "/home/jane/a, /home/janet, (/home/jane)", "see /home/jane"))
    assert (found.value, found.advice) == ("~/a, /home/janet, (~)", "see ~")
    monkeypatch.setenv("HOME", "/")
    assert private(Finding("x", "ok", "/a/b")).value == "/a/b"


def test_where_the_probes_of_native_code_are_run_nothing_native_is_loaded() -> None:
    code = "import sys, hybridx.doctor; print(*(n for n in sys.modules if n.endswith('_core')))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.split() == []
