"""Dependencies point one way, in both languages, and the core knows no Python."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / "python" / "hybridx"
RUST = ROOT / "rust" / "core" / "src"

PYTHON_ROOMS = [
    {"_core"},
    {"value"},
    {"compact", "errors", "found", "report", "lance", "selection", "units"},
    {"types"},
    {"setting", "presets"},
    {"sources"},
    {"config", "layout", "ranking", "answer", "budget", "nearest", "pace", "trace", "metrics"},
    {"spans"},
    {"observer"},
    {"observe"},
    {"embed", "store", "scan", "since", "arguments", "results"},
    {"commit"},
    {"kept"},
    {"tally"},
    {"stages"},
    {"pipeline", "outcomes"},
    {"indexer", "search", "verify", "why", "models", "outline"},
    {"upgrade", "related"},
    {"watch"},
    {"opened"},
    {"api"},
    {"aio", "hook", "git_hooks", "mcp", "doctor"},
    {"cli"},
    {"__init__", "__main__"},
]
"""A room may use the rooms before it; rooms of one line do not know each other."""


RUST_ROOMS = [
    {"error"},
    {"path", "digest", "cancel", "guard", "analyzer", "memory", "origin", "threads"},
    {"sealed", "lock", "secrets", "retry"},
    {"inventory", "lease"},
    {"read", "merkle"},
    {"language", "listing"},
    {"chunk"},
    {"batch", "fields", "snapshot", "rules", "schedule", "span"},
    {"walk"},
    {"bm25", "tokenize", "pairs", "ingest", "outline", "why"},
]

RUST_EXCEPTIONS = {("language", "chunk")}
"""The table of languages says how each is recognised and how it is cut: it lies with the cutting
rules, and `language` is the view of it that others use."""


def room_of(path: Path, top: Path) -> str:
    """The module or folder directly below `top` that a file belongs to."""
    return path.relative_to(top).parts[0].split(".")[0]


def levels(rooms: list[set[str]]) -> dict[str, int]:
    return {room: level for level, names in enumerate(rooms) for room in names}


def python_imports(path: Path) -> set[str]:
    """The rooms that a file imports, also inside functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [node.module or ""]
            if node.module == "hybridx":
                names = [f"hybridx.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("hybridx.")}
    return found


def rust_uses(path: Path) -> set[str]:
    """The modules of the crate that a file names, outside comments."""
    text = re.sub(r"//[^\n]*", "", path.read_text("utf-8"))
    # Tests stand at the end and may build what they need.
    text = text.split("#[cfg(test)]\nmod tests", maxsplit=1)[0]
    grouped = re.findall(r"\bcrate::\{([^}]*)\}", text)
    names = {name.strip().split("::")[0] for group in grouped for name in group.split(",")}
    return names | set(re.findall(r"\bcrate::(\w+)", text))


def violations(edges: set[tuple[str, str]], rooms: list[set[str]]) -> list[str]:
    level = levels(rooms)
    unknown = {room for edge in edges for room in edge if room not in level}
    assert not unknown, f"rooms without a place in the order: {unknown}"
    return sorted(
        f"{user} uses {used}" for user, used in edges if user != used and level[used] >= level[user]
    )


def test_python_dependencies_point_one_way() -> None:
    files = sorted(PYTHON.rglob("*.py"))
    rooms = {room_of(path, PYTHON) for path in files}
    assert rooms >= {"errors", "config", "embed", "store", "commit", "indexer", "api", "cli"}
    edges = {(room_of(path, PYTHON), used) for path in files for used in python_imports(path)}
    assert ("indexer", "commit") in edges, "imports are not found any more"
    assert ("cli", "api") in edges, "imports inside functions are not found any more"
    assert violations(edges, PYTHON_ROOMS) == []


def test_commands_do_not_know_each_other() -> None:
    commands = sorted((PYTHON / "cli").glob("[!_]*.py"))
    assert len(commands) >= 7
    names = {path.stem for path in commands}
    for path in commands:
        used = re.findall(r"^\s*from hybridx\.cli\.(\w+) import", path.read_text(), re.MULTILINE)
        assert not names & set(used), f"{path.name} uses another command"


def test_rust_dependencies_point_one_way() -> None:
    files = [path for path in sorted(RUST.rglob("*.rs")) if path.name != "lib.rs"]
    rooms = {room_of(path, RUST) for path in files}
    assert rooms == {room for names in RUST_ROOMS for room in names}, "list every module once"
    edges = {(room_of(path, RUST), used) for path in files for used in rust_uses(path)}
    assert ("ingest", "batch") in edges, "uses are not found any more"
    assert edges >= RUST_EXCEPTIONS, "an exception that nothing needs any more"
    assert violations(edges - RUST_EXCEPTIONS, RUST_ROOMS) == []


def test_the_core_has_no_python_in_it() -> None:
    manifest = tomllib.loads((ROOT / "rust" / "core" / "Cargo.toml").read_text())
    tables = ("dependencies", "build-dependencies", "dev-dependencies")
    named = {name for table in tables for name in manifest.get(table, {})}
    assert "tantivy" in named, "the manifest has another form now"
    assert not {name for name in named if "pyo3" in name or name in ("numpy", "cpython")}
    sources = "".join(path.read_text("utf-8") for path in RUST.rglob("*.rs"))
    assert not re.search(r"\buse pyo3\b|\bpyo3::", sources)
