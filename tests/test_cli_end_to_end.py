"""The program as a user runs it: real trees, real indexes, exit codes, and JSON as promised."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from support import (
    PROJECT,
    Tree,
    check_refused,
    check_whole,
    chunks,
    json_of,
    open_index,
    run_cli,
    updated,
)

if TYPE_CHECKING:
    from pathlib import Path

INDEXED = len(PROJECT) - 1

INDEX_KEYS: dict[str, Any] = {
    "root": str,
    "generation": int,
    "merkle_root": str,
    "model": str,
    "device": str,
    "files": {
        "seen",
        "added",
        "modified",
        "removed",
        "moved",
        "unchanged",
        "skipped",
        "failed",
    },
    "chunks": {"added", "removed", "total", "embedded", "reused_vectors"},
    "errors": list,
    "bytes_read": int,
    "peak_rss_bytes": int,
    "seconds": {"total", "scan", "ingest", "tokenize", "embed", "store", "commit"},
}
HIT_KEYS: dict[str, Any] = {
    "rank": int,
    "path": str,
    "start_line": int,
    "end_line": int,
    "language": str,
    "kind": str,
    "symbol": str,
    "score": float,
    "text": str,
    "scores": dict,
}
SEARCH_KEYS: dict[str, Any] = {
    "query": str,
    "mode": str,
    "generation": int,
    "took_ms": float,
    "stale_files": type(None),
    "hits": list,
}
DIFF_KEYS: dict[str, Any] = {
    "old_root": str,
    "new_root": str,
    "added": list,
    "modified": list,
    "removed": list,
    "moved": list,
    "seconds": float,
}
STATUS_KEYS: dict[str, Any] = {
    "root": str,
    "generation": int,
    "merkle_root": str,
    "model": {"name", "source", "dimension", "fingerprint"},
    "files": int,
    "chunks": int,
    "documents": int,
    "vectors": int,
    "languages": dict,
    "size_bytes": {"total"},
    "fresh": bool,
    "pending": int,
    "skipped": dict,
}


def check_keys(document: dict[str, Any], promised: dict[str, Any]) -> None:
    """Asserts that every promised key is there, with a value of the promised type."""
    for key, kind in promised.items():
        assert key in document, f"{key} is missing"
        value = document[key]
        if isinstance(kind, set):
            assert kind <= set(value), f"{key}: {kind - set(value)} is missing"
        else:
            assert isinstance(value, kind), f"{key} is {value!r}"


@pytest.fixture
def indexed(project: Tree) -> Tree:
    """A small project with its index."""
    updated(open_index(project))
    return project


def test_from_the_first_build_to_the_last_clean(project: Tree) -> None:
    first = json_of(run_cli("index", project.root, "--json"))
    check_keys(first, INDEX_KEYS)
    assert first["files"]["added"] == INDEXED
    found = json_of(run_cli("search", "retry a call after a failure", project.root, "--json"))
    check_keys(found, SEARCH_KEYS)
    for hit in found["hits"]:
        check_keys(hit, HIT_KEYS)
    assert found["hits"][0]["path"] == "src/retry.py"
    assert found["hits"][0]["text"].strip() in project.path("src/retry.py").read_text()

    project.write("web/new.ts", "export const volcano = 1;\n")
    project.write("src/retry.py", "def again(): pass\n")
    project.delete("docs/guide.md")
    project.move("web/app.js", "web/main.js")
    changed = json_of(run_cli("diff", project.root, "--json"))
    check_keys(changed, DIFF_KEYS)
    assert (changed["added"], changed["modified"]) == (["web/new.ts"], ["src/retry.py"])
    assert changed["removed"] == ["docs/guide.md"]
    assert changed["moved"] == [{"from": "web/app.js", "to": "web/main.js"}]
    assert changed["old_root"] == first["merkle_root"]

    stale = json_of(run_cli("status", project.root, "--json"))
    check_keys(stale, STATUS_KEYS)
    assert (stale["fresh"], stale["pending"], stale["skipped"]) == (False, 4, {"binary": 1})
    second = json_of(run_cli("index", project.root, "--json"))
    files = second["files"]
    assert [files[key] for key in ("added", "modified", "removed", "moved")] == [1, 1, 1, 1]
    assert second["merkle_root"] == changed["new_root"]
    assert json_of(run_cli("status", project.root, "--json"))["fresh"] is True

    freed = json_of(run_cli("clean", project.root, "--json"))
    assert freed["freed_bytes"] > 0
    assert not project.path(".hybridx").exists()
    check_refused(run_cli("search", "retry", project.root), "hybridx index")
    assert sorted(project.files()) == sorted(
        {*PROJECT, "web/new.ts", "web/main.js"} - {"docs/guide.md", "web/app.js"}
    )


def test_without_a_path_it_is_the_working_directory(project: Tree) -> None:
    assert json_of(run_cli("index", "--json", cwd=project.root))["files"]["added"] == INDEXED
    result = run_cli("search", "retry", "--format", "grep", cwd=project.root)
    assert result.returncode == 0
    path, line, _ = result.stdout.decode().splitlines()[0].split(":", 2)
    assert (path, int(line)) == ("src/retry.py", 4)


def test_data_goes_to_stdout_and_the_rest_to_stderr(project: Tree) -> None:
    built = run_cli("index", project.root)
    assert (built.returncode, built.stdout) == (0, b"")
    assert b"generation 1" in built.stderr
    assert b"\r" not in built.stderr, "a progress bar without a terminal"
    quiet = run_cli("index", project.root, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")


def test_formats_show_the_same_hits(indexed: Tree) -> None:
    shown = {
        form: run_cli("search", "connection pool", indexed.root, "--format", form).stdout.decode()
        for form in ("json", "jsonl", "grep", "text")
    }
    hits = json.loads(shown["json"])["hits"]
    assert [json.loads(line) for line in shown["jsonl"].splitlines()] == hits
    assert [line.split(":")[0] for line in shown["grep"].splitlines()] == [h["path"] for h in hits]
    for hit in hits:
        assert f"{hit['path']}:{hit['start_line']}-{hit['end_line']}" in shown["text"]
    assert "\x1b" not in shown["text"], "colour without a terminal"


def test_search_exit_codes_and_filters(indexed: Tree) -> None:
    root = indexed.root
    nothing = run_cli("search", "zzqqy", root, "--mode", "lexical")
    assert (nothing.returncode, nothing.stdout) == (1, b"")
    found = json_of(run_cli("search", "parse", root, "--lang", "rs,js", "-k", "50", "--json"))
    assert {hit["language"] for hit in found["hits"]} == {"rust", "javascript"}
    found = json_of(run_cli("search", "request", root, "--path", "src/http/**", "--json"))
    assert {hit["path"] for hit in found["hits"]} == {"src/http/client.py", "src/http/pool.py"}
    check_refused(run_cli("search", "x", root, "--lang", "pyhton"), "python")
    check_refused(run_cli("search", "x", root, "--path", "a["), "path")
    check_refused(run_cli("search", "x", root, "-k", "0"), "-k")
    check_refused(run_cli("search", " ", root), "empty")


def test_how_stale_a_search_is(indexed: Tree) -> None:
    indexed.write("src/new.py", "x = 1\n")
    found = json_of(run_cli("search", "retry", indexed.root, "--check", "--json"))
    assert found["stale_files"] == 1
    assert b"1 file changed" in run_cli("search", "retry", indexed.root, "--check").stderr


def test_only_the_files_named_relative_to_where_one_stands(indexed: Tree) -> None:
    for name in ("src/http/client.py", "src/http/pool.py", "src/retry.py"):
        indexed.write(name, "def changed(): pass\n")
    here = indexed.path("src/http")
    one = json_of(run_cli("index", "../..", "--file", "client.py", "--json", cwd=here))
    assert one["files"]["modified"] == 1
    listed = b"pool.py\n../retry.py\n"
    two = run_cli("index", "../..", "--files-from", "-", "--json", cwd=here, stdin=listed)
    assert json_of(two)["files"]["modified"] == 2
    assert not open_index(indexed).diff()
    outside = run_cli("index", ".", "--file", "../outside.py", cwd=indexed.root)
    check_refused(outside, "outside.py")


def test_the_index_may_lie_elsewhere(project: Tree, tmp_path: Path) -> None:
    place = tmp_path / "places" / "one"
    assert run_cli("index", project.root, "--index-dir", place).returncode == 0
    assert not project.path(".hybridx").exists()
    assert run_cli("search", "retry", project.root, "--index-dir", place).returncode == 0
    check_refused(run_cli("search", "retry", project.root), "hybridx index")
    other = Tree(tmp_path / "other", {"a.py": "retry = 1\n"})
    check_refused(run_cli("index", other.root, "--index-dir", place), str(project.root))

    parent = {"HYBRIDX_INDEX_DIR": str(tmp_path / "all")}
    for tree in (project, other):
        assert run_cli("index", tree.root, env=parent).returncode == 0
        found = json_of(run_cli("search", "retry", tree.root, "--json", env=parent))
        assert {hit["path"] for hit in found["hits"]} <= set(tree.files())
    assert len(list((tmp_path / "all").iterdir())) == 2
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "precious.txt").write_text("do not delete")
    check_refused(run_cli("index", project.root, "--index-dir", kept), "not empty")
    assert run_cli("clean", project.root, "--index-dir", kept).returncode == 2
    assert (kept / "precious.txt").exists(), "clean removed what is no index"


def test_the_debug_mode_gives_the_same_index(project: Tree) -> None:
    plain = open_index(project)
    updated(plain)
    before = chunks(plain)
    report = json_of(run_cli("index", project.root, "--full", "--sequential", "--json"))
    assert report["files"]["added"] == INDEXED
    check_whole(plain)
    assert chunks(plain) == before


def test_the_settings_of_a_project_count(project: Tree) -> None:
    project.write("hybridx.toml", "max_file_bytes = 200\n")
    status = json_of(run_cli("index", project.root, "--json"))
    assert status["files"]["skipped"] >= 2
    project.write("hybridx.toml", "max_file_bites = 200\n")
    check_refused(run_cli("index", project.root), "max_file_bites", "max_file_bytes")
    project.write("hybridx.toml", 'cache_dir = "/etc"\n')
    check_refused(run_cli("index", project.root), "cache_dir")


def test_a_gpu_that_is_required_and_not_there(project: Tree) -> None:
    refused = run_cli("index", project.root, "--require-gpu", env={"CUDA_VISIBLE_DEVICES": ""})
    if refused.returncode == 0:
        pytest.skip("there is a GPU")
    check_refused(refused, "GPU")


def test_ctrl_c_keeps_what_was_committed(tmp_path: Path) -> None:
    line = "value_of_item = compute(first_argument, second_argument)  # some words to fill it\n"
    files = {f"d{n % 9}/f{n}.py": f"def name_{n}():\n    pass\n{line * 150}" for n in range(1500)}
    tree = Tree(tmp_path / "tree", files)
    index = open_index(tree)
    command = [sys.executable, "-m", "hybridx", "index", str(tree.root)]
    environment = {**os.environ, "HYBRIDX_COMMIT_FILES": "20"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    deadline = time.monotonic() + 60
    while index._layout.current() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert b"interrupted" in said
    done = len(check_whole(index).snapshot.paths())
    assert 0 < done < len(files)
    report = json_of(run_cli("index", tree.root, "--json"))
    assert report["files"]["unchanged"] == done, "what was committed is done again"
    assert report["files"]["added"] == len(files) - done
    assert check_whole(index).snapshot.totals().files == len(files)


def test_git_never_sees_the_index(project: Tree) -> None:
    def git(*args: str) -> str:
        command = ["git", "-c", "core.excludesFile=", *args]
        return subprocess.run(
            command, cwd=project.root, capture_output=True, text=True, check=True
        ).stdout

    git("init", "--quiet")
    before = git("status", "--porcelain")
    assert run_cli("index", project.root).returncode == 0
    assert git("status", "--porcelain") == before
    project.write(".gitignore", "docs/\n")
    report = json_of(run_cli("index", project.root, "--json"))
    assert (report["files"]["removed"], report["files"]["added"]) == (1, 1)
