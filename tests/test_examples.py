"""The programs in `examples/` do what they say, as programs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import PROJECT, Tree
from test_models import make_transformer

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
INDEXED = len(PROJECT) - 1


def run(name: str, *args: str | Path, code: int = 0) -> str:
    """What an example prints, or says as it fails."""
    result = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *args],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    return result.stderr if code else result.stdout


def check_search(project: Tree, _: Path) -> None:
    lines = run("search", project.root, "where are retries configured").splitlines()
    assert re.fullmatch(rf"\d+ chunks, {INDEXED} files new", lines[0])
    assert re.fullmatch(r"src/retry\.py:\d+-\d+  retry_with_backoff  \d+\.\d\d", lines[1])
    assert re.fullmatch(r"[1-9]\d* functions in \d+ ms", lines[-1])
    again = run("search", project.root, "where are retries configured")
    assert "0 files new" in again
    assert "search: " in run("search", project.root / "nowhere", "x", code=1)


def check_progress(project: Tree, _: Path) -> None:
    lines = run("progress", project.root).splitlines()
    assert lines[-1] == f"generation 1: {INDEXED} files added"
    last = [line for line in lines if line.startswith("done: ")]
    assert len(last) == 1
    assert f"done: {INDEXED}/{INDEXED} files" in last[0]
    assert last[0].endswith("0 s left")


def check_progress_gives_up(project: Tree, _: Path) -> None:
    assert "not done in 0.0 seconds" in run("progress", project.root, "0")
    assert f"{INDEXED} files added" in run("progress", project.root)


def check_context(project: Tree, _: Path) -> None:
    prompt = run("context", project.root, "how is a call tried again", "400")
    assert prompt.startswith("Answer from these sources")
    assert "[1] src/retry.py:" in prompt
    assert "```python\n" in prompt
    assert prompt.endswith("Question: how is a call tried again\n")
    short = run("context", project.root, "how is a call tried again", "40")
    assert len(short) < len(prompt)
    assert "max_tokens" in run("context", project.root, "x", "0", code=1)


def check_merkle(project: Tree, tmp_path: Path) -> None:
    other = Tree(tmp_path / "other", project.files())
    assert "equal" in run("merkle", project.root, other.root)
    other.write("src/new.py", "x = 1\n")
    other.delete("docs/guide.md")
    other.move("web/app.js", "web/main.js")
    lines = run("merkle", project.root, other.root).splitlines()
    assert {"+ src/new.py", "- docs/guide.md", "> web/app.js web/main.js"} <= set(lines)
    assert lines[-1].startswith("unchanged folders: ")
    assert "web" not in lines[-1]


def check_follow(project: Tree, _: Path) -> None:
    lines = run("follow", project.root).splitlines()
    assert lines[-1] == f"generation 1: {{'added': {INDEXED}}}"
    assert len(lines) == INDEXED + 1
    project.move("web/app.js", "web/main.js")
    project.delete("docs/guide.md")
    said = run("follow", project.root)
    assert "moved web/main.js (was web/app.js), " in said
    assert "removed docs/guide.md, 0 chunks" in said
    assert said.endswith("generation 2: {'moved': 1, 'removed': 1}\n")


def check_own_model(project: Tree, tmp_path: Path) -> None:
    make_transformer(tmp_path / "mine")
    said = run("own_model", project.root, tmp_path / "mine", "read the file")
    assert "hybridx-static-2: 256 dimensions, from --model" in said
    assert re.search(r"^mine: \d+ dimensions, from --model$", said, re.MULTILINE)
    assert len(re.findall(r"^  [+-]\d\.\d{3} \S+:\d+$", said, re.MULTILINE)) >= 4
    assert not (project.root / ".hybridx").exists()
    assert "own_model: " in run("own_model", project.root, tmp_path / "none", "x", code=1)


CHECKS: dict[str, list[Callable[[Tree, Path], None]]] = {
    "search": [check_search],
    "progress": [check_progress, check_progress_gives_up],
    "context": [check_context],
    "merkle": [check_merkle],
    "follow": [check_follow],
    "own_model": [check_own_model],
}


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == CHECKS.keys()


@pytest.mark.parametrize("check", [check for checks in CHECKS.values() for check in checks])
def test_example(check: Callable[[Tree, Path], None], project: Tree, tmp_path: Path) -> None:
    check(project, tmp_path)


@pytest.mark.parametrize("name", CHECKS)
def test_an_example_says_how_it_is_run(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert f"python examples/{name}.py " in text.split('"""')[1]
