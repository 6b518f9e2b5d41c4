"""What a shell and `--help` offer: examples that parse, groups, completions; and a quiet Ctrl-C."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from hybridx.cli import cli
from hybridx.cli._help import OTHERS, SECTIONS, grouped
from support import run_cli, script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


COMMANDS = dict(commands(cli))


def examples_of(words: tuple[str, ...]) -> list[list[str]]:
    """The calls of hybridx in the examples of a command's help."""
    shown = run_help(*words)
    assert "Examples:\n" in shown, f"{words}: no examples"
    assert "\\b" not in shown, f"{words}: a paragraph that is to be kept is not"
    calls = []
    for line in shown.split("Examples:\n", 1)[1].splitlines():
        for part in re.split(r"\s[|&;]+\s", line):
            call = shlex.split(part, comments=True)
            while call and "=" in call[0]:
                del call[0]
            if ">" in call:
                del call[call.index(">") :]
            if call[:1] == ["hybridx"]:
                calls.append(call[1:])
    return calls


def run_help(*words: str) -> str:
    from click.testing import CliRunner

    result = CliRunner().invoke(cli, [*words, "--help"], prog_name="hybridx")
    assert result.exit_code == 0, result.output
    return result.output


def test_there_are_commands() -> None:
    assert {("index",), ("search",), ("models", "add"), ("doctor",)} <= set(COMMANDS)


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_the_help_of_every_command_has_examples_that_parse(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Files and folders of an example need not be there.
    for kind in (click.Path, click.File):
        monkeypatch.setattr(kind, "convert", lambda _self, value, _param, _context: value)
    calls = examples_of(words)
    own = [call for call in calls if tuple(call[: len(words)]) == words]
    assert own, f"{words}: no example calls it"
    for call in calls:
        parse(cli, call)


def parse(group: click.Group, call: list[str]) -> None:
    """Raises for an option, a choice or a number of arguments that makes no sense."""
    name, command, rest = group.resolve_command(click.Context(group), call)
    assert command is not None, name
    if isinstance(command, click.Group):
        parse(command, rest)
    elif "--help" not in rest:
        command.make_context(name, list(rest))


def test_every_command_is_in_one_group_and_a_new_one_among_the_others() -> None:
    shown = run_help()
    for name in cli.commands:
        assert len(re.findall(rf"^  {name}  ", shown, re.MULTILINE)) == 1, name
    assert not [group for title, group in grouped(cli.commands) if title == OTHERS]
    titles = [title for title, _ in grouped(["index", "frobnicate"])]
    assert titles == [SECTIONS[0][0], OTHERS]


@pytest.fixture
def in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hybridx` as a program that shells find."""
    program = tmp_path / "bin" / "hybridx"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hybridx "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def in_bash(*words: str) -> list[str]:
    """What bash offers for the last of `words`, which may be empty."""
    body = f"""
source <(hybridx completion bash) || exit 3
compopt() {{ COMPREPLY+=("<$2>"); }}
COMP_WORDS=({shlex.join(words)})
COMP_CWORD={len(words) - 1}
_hybridx_completion hybridx
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", body], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.usefixtures("in_path")
def test_bash_completes_commands_options_and_values() -> None:
    assert {"search", "status", "doctor"} <= set(in_bash("hybridx", ""))
    assert in_bash("hybridx", "sea") == ["search"]
    assert "--max-tokens" in in_bash("hybridx", "search", "--")
    assert in_bash("hybridx", "search", "--mode", "l") == ["lexical"]
    assert in_bash("hybridx", "search", "--lang", "python,ru") == ["python,ruby", "python,rust"]
    assert in_bash("hybridx", "search", "--kind", "func") == ["function"]
    assert in_bash("hybridx", "index", "--model", "bun") == ["bundled"]
    assert "CodeRankEmbed" in in_bash("hybridx", "models", "add", "C")
    assert in_bash("hybridx", "index", "") == ["<dirnames>"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(shell: str, tmp_path: Path) -> None:
    result = run_cli("completion", shell)
    assert result.returncode == 0
    assert result.stderr == b""
    assert b"_HYBRIDX_COMPLETE" in result.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here to read it")
    path = tmp_path / "script"
    path.write_bytes(result.stdout)
    done = subprocess.run([program, "-n", path], capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_are_answered_in_their_form(shell: str) -> None:
    env = {"_HYBRIDX_COMPLETE": f"{shell}_complete", "COMP_WORDS": "hybridx search --lang "}
    env["COMP_CWORD"] = "rus" if shell == "fish" else "3"
    if shell == "zsh":
        env["COMP_WORDS"] += "rus"
    said = run_cli(env=env).stdout.decode()
    assert "plain" in said
    assert "rust" in said


def test_completion_loads_nothing_heavy() -> None:
    code = """
import os, sys
os.environ.update(_HYBRIDX_COMPLETE="bash_complete", COMP_WORDS=sys.argv[1], COMP_CWORD="3")
from hybridx.cli import cli
try:
    cli.main([], prog_name="hybridx", standalone_mode=False)
except SystemExit:
    pass
print(*(n for n in ("lancedb", "onnxruntime", "pyarrow", "numpy", "rich") if n in sys.modules))
"""
    for words in ("hybridx search --lang p", "hybridx index --model b", "hybridx models add q"):
        result = script(code, words)
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "", f"{words}: {result.stdout}"


def test_ctrl_c_while_python_imports_is_one_line() -> None:
    """At any import of the program: the entry listens before the first of them."""
    code = """
import importlib.abc, os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
stop, sys.argv[1:] = sys.argv[1], ["--debug", "why", "file"]
class Interrupts(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == stop:
            os.kill(os.getpid(), signal.SIGINT)
        return None
sys.meta_path.insert(0, Interrupts())
runpy.run_module("hybridx", run_name="__main__", alter_sys=False)
"""
    for name in ("hybridx.cli", "click", "hybridx.config", "hybridx.cli.why"):
        result = script(code, name)
        assert (result.returncode, result.stdout) == (130, ""), result.stderr
        assert result.stderr == "hybridx: interrupted\n"
