"""docs/reference tells of everything there is, and of nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import typing
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union

import click
import pytest

import hybridx
from hybridx import _core, types
from hybridx.cli import cli
from hybridx.config import Settings
from hybridx.presets import PRESETS
from support import Tree, open_index, updated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands below the heading `title`."""
    assert f"\n## {title}\n" in text, f"there is no section {title}"
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_generated_parts_are_as_the_code_is() -> None:
    command = [sys.executable, str(ROOT / "tools/reference.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def commands(command: click.Command = cli, words: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            if not inner.hidden:
                yield from commands(inner, f"{words} {name}".strip())
    else:
        yield words, command


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_option_is_in_the_reference(words: str, command: click.Command) -> None:
    """Also where the page would not be generated any more."""
    text = section(page("command-line.md"), f"hybridx {words}")
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden:
            for name in (*each.opts, *each.secondary_opts):
                assert re.search(rf"`[^`]*{name}\b", text), f"hybridx {words} {name} is missing"


def test_no_mark_for_click_is_shown() -> None:
    """A backspace in a raw text is none, and is shown to people."""
    for words, command in commands():
        assert "\\b" not in command.get_help(click.Context(command)), f"hybridx {words} --help"


def test_every_setting_is_in_the_reference() -> None:
    headings = re.findall(r"^### (\w+)$", page("settings.md"), re.MULTILINE)
    assert headings == list(Settings.keys())


def test_what_a_preset_sets_is_told() -> None:
    tune = (ROOT / "docs/how-to/tune.md").read_text(encoding="utf-8")
    for name, values in PRESETS.items():
        row = re.search(rf"^\| `{name}` \| (.*)$", tune, re.MULTILINE)
        assert row, f"there is no row of {name}"
        missing = [key for key, value in values.items() if f"{value:,.0f}" not in row[1]]
        assert not missing, f"{name}: {missing}"


def test_every_public_name_is_in_the_reference() -> None:
    text = page("python.md")
    for name in (*hybridx.__all__, *types.__all__, *hybridx.errors.__all__):
        assert re.search(rf"(^#+ |`|`hybridx\.){name}\b", text, re.MULTILINE), f"{name} is missing"
    for owner in (hybridx.Index, hybridx.AsyncIndex, hybridx.MerkleTree, hybridx.CancelToken):
        for name in vars(owner):
            if not name.startswith("_"):
                assert re.search(rf"\b{name}\b", text), f"{owner.__name__}.{name} is missing"


def test_every_language_and_kind_is_in_the_reference() -> None:
    words = re.findall(r"\w+", page("languages.md"))
    missing = {*_core.languages(), *_core.kinds()} - set(words)
    assert not missing


def test_every_file_of_an_index_is_in_the_reference(project: Tree) -> None:
    updated(open_index(project))
    listed = re.findall(r"^\| `([^`/]+)", page("files.md"), re.MULTILINE)
    missing = {each.name for each in (project.root / ".hybridx").iterdir()} - set(listed)
    assert not missing


def keys(kind: type) -> set[str]:
    """The keys of the JSON of a value, those of values within it after a dot."""
    found = set()
    hints = typing.get_type_hints(kind, vars(types) | {"Mapping": typing.Mapping})
    for each in dataclasses.fields(kind):
        inner = list(values_in(hints[each.name]))
        found |= {f"{each.name}.{key}" for value in inner for key in keys(value)}
        # One that is never absent is told by its parts.
        if not inner or type(None) in typing.get_args(hints[each.name]):
            found.add(each.name)
    return found


def values_in(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    elif typing.get_origin(hint) in (tuple, Union, UnionType):
        for each in typing.get_args(hint):
            yield from values_in(each)


def keys_in(document: Any) -> set[str]:
    """The keys of a document that holds no values by name."""
    if isinstance(document, list):
        return {key for each in document for key in keys_in(each)}
    if not isinstance(document, dict):
        return set()
    found = set()
    for key, value in document.items():
        inner = {f"{key}.{each}" for each in keys_in(value)} if isinstance(value, list) else set()
        found |= inner or {key}
    return found


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    """The document that a command prints."""
    cli.main(list(map(str, arguments)), prog_name="hybridx", standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def listed(words: str) -> set[str]:
    """The keys in the table of a command's document."""
    rows = re.findall(r"^\| (`.+?`) \|", section(page("json.md"), words), re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([\w.]+)`", row)}


@pytest.mark.parametrize(
    ("words", "kind", "more"),
    [
        ("index", types.IndexReport, ()),
        ("search", types.SearchResult, ()),
        ("status", types.Status, ("path", "reason", "detail")),
        ("why", types.Why, ()),
        ("verify", types.Verification, ()),
    ],
)
def test_keys_of_values_are_in_the_reference(words: str, kind: type, more: Iterable[str]) -> None:
    expected = keys(kind) | {f"skipped_files.{key}" for key in more}
    assert listed(words) == expected


def test_keys_of_other_documents_are_in_the_reference(
    project: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    updated(open_index(project))
    monkeypatch.chdir(project.root)
    assert keys_in(printed(capsys, "hook", "run", "--json")) == listed("hook run")
    assert keys_in(printed(capsys, "doctor", "--json")) == listed("doctor")
    assert keys_in(printed(capsys, "config", "describe", "--json")) == listed("config describe")
    project.move("src/retry.py", "src/again.py")
    root = project.root
    assert keys_in(printed(capsys, "diff", root, "--json")) == listed("diff")
    assert keys_in(printed(capsys, "models", "list", "--json")) == listed("models list")
    assert keys_in(printed(capsys, "models", "show", "--json")) == listed("models show")
    assert keys_in(printed(capsys, "config", "show", root, "--json")) == listed("config show")
    removed = keys_in(printed(capsys, "clean", root, "--json"))
    removed |= keys_in(printed(capsys, "clean", "--cache", "--json"))
    assert removed == listed("clean")


def test_every_document_is_in_the_reference() -> None:
    text = page("json.md")
    for words, command in commands():
        if any("--json" in each.opts for each in command.params):
            assert section(text, words), f"what does hybridx {words} --json print?"
