"""Pages of documentation: their blocks, links and headings, and the shell that runs them.

How a block is taken depends on its language:

    sh          commands; each must end with 0
    console     commands after `$ ` (`> ` goes on with one) and what they print (see `fits`); each
                must end with 0 unless `echo $?` comes next
    python      a program of its own
    text        what the block before it prints
    toml        settings of hybridx; they must be valid
    json, yaml, ini, vim, lua, make
                files of other programs

A comment right above a block says what else is to know of it: `<!-- file: NAME -->` writes it to a
file, `<!-- not run: REASON -->` has it parsed and not run, and `<!-- until: COMMAND -->` waits for
something in the background before it, as a reader would. There is no other way.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LANGUAGES = {
    "sh", "console", "python", "text", "toml", "json", "yaml", "ini", "vim", "lua", "make",
}  # fmt: skip

_FENCE = re.compile(r"^( *)```(\w*)\s*$")
_MARK = re.compile(r"^\s*<!-- *(not run|file|until): *(.+?) *-->\s*$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")
_SPAN = re.compile(r"`([^`\n]+)`")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; `line` is that of its first line."""

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""
    """Why it is not run."""
    file: str = ""
    """What it is written to."""
    until: str = ""
    """A command that has to end with 0 before it is run."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and the output that the page shows; `None` if it shows none."""

    block: Block
    line: int
    command: str
    shown: str | None


class Page:
    """A Markdown file of the repository."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.blocks: list[Block] = []
        self._prose: list[tuple[int, str]] = []
        self._read()

    def __repr__(self) -> str:
        return self.name

    def _read(self) -> None:
        open_at: tuple[int, str, str] | None = None
        mark: dict[str, str] = {}
        lines: list[str] = []
        for at, line in enumerate(self.text.splitlines(), start=1):
            fence = _FENCE.match(line)
            if open_at is None and fence:
                open_at, lines = (at + 1, fence[1], fence[2]), []
            elif open_at is not None and line == f"{open_at[1]}```":
                text = textwrap.dedent("\n".join(lines)) + "\n"
                self.blocks.append(Block(self.name, open_at[0], open_at[2], text, **mark))
                open_at, mark = None, {}
            elif open_at is not None:
                lines.append(line)
            else:
                found = _MARK.match(line)
                mark = mark | {found[1].replace(" ", "_"): found[2]} if found else {}
                self._prose.append((at, line))
        assert open_at is None, f"{self.name}:{open_at}: a block is not closed"

    def links(self) -> Iterator[tuple[int, str]]:
        """Where its links lead, with their lines."""
        for at, line in self._prose:
            for found in _LINK.finditer(_SPAN.sub("", line)):
                yield at, found[1]

    def spans(self) -> Iterator[tuple[int, str]]:
        """What is set as code within its text, with the lines."""
        for at, line in self._prose:
            for found in _SPAN.finditer(line):
                yield at, found[1]

    def anchors(self) -> set[str]:
        """Where links to it may lead, as GitHub names headings."""
        found: set[str] = set()
        for _, line in self._prose:
            heading = _HEADING.match(line)
            if heading:
                plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
                slug = "".join(c for c in plain if c.isalnum() or c in "-_ ").replace(" ", "-")
                same = (slug if at == 0 else f"{slug}-{at}" for at in range(99))
                found.add(next(each for each in same if each not in found))
        return found

    def steps(self) -> Iterator[Step]:
        """Everything that is to be run, in its order."""
        for at, block in enumerate(self.blocks):
            after = self.blocks[at + 1] if at + 1 < len(self.blocks) else None
            shown = after.text if after is not None and after.language == "text" else None
            if block.until:
                yield Step(block, block.line, f"until {block.until}; do sleep 0.05; done", None)
            if block.file:
                command = f"cat > '{block.file}' <<'END OF FILE'\n{block.text}END OF FILE"
                yield Step(block, block.line, command, None)
            elif block.not_run:
                continue
            elif block.language == "python":
                program = f"python3 - <<'END OF FILE'\n{block.text}END OF FILE"
                yield Step(block, block.line, program, shown)
            elif block.language == "sh":
                commands = list(split(block))
                for line, command in commands:
                    last = command is commands[-1][1]
                    yield Step(block, line, command, shown if last else None)
            elif block.language == "console":
                yield from dialogue(block)


def split(block: Block) -> Iterator[tuple[int, str]]:
    """The commands of a block of shell, with their lines."""
    lines: list[str] = []
    start, until = block.line, ""
    for at, line in enumerate(block.text.splitlines(), start=block.line):
        if not lines:
            start = at
            if not line.strip() or line.lstrip().startswith("#"):
                continue
        lines.append(line)
        if until:
            until = "" if line == until else until
        elif found := _HEREDOC.search(line):
            until = found[1]
        if not until and not line.endswith("\\") and _is_whole("\n".join(lines)):
            yield start, "\n".join(lines)
            lines = []
    assert not lines, f"{block.page}:{start}: a command does not end: {lines[0]}"


def _is_whole(command: str) -> bool:
    run = subprocess.run(["bash", "-n"], input=command.encode(), capture_output=True, check=False)
    return run.returncode == 0


def dialogue(block: Block) -> Iterator[Step]:
    """The commands of a block that shows what they print."""
    at, command = 0, ""
    shown: list[str] = []
    for line, text in enumerate(block.text.splitlines(), start=block.line):
        if text.startswith("$ "):
            if command:
                yield Step(block, at, command, "".join(shown))
            at, command, shown = line, text[2:], []
        elif text.startswith("> ") and not shown:
            command += "\n" + text[2:]
        else:
            assert command, f"{block}: begins with no command"
            shown.append(text + "\n")
    if command:
        yield Step(block, at, command, "".join(shown))


_SIZE = r"\d[\d.,]* [kMGT]?B\b"
_VARIES = re.compile(rf"(\.\.\.|{_SIZE}|\b[0-9a-f]{{16,}}\b|\d[\d.,]*\d)")


def fits(shown: str, said: str) -> bool:
    """Whether a program said what a page shows.

    `...` is any text, alone on a line any lines. A number of several digits is any number, a size
    any size and a digest any digest: they differ from machine to machine.
    """
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            parts = _VARIES.split(line.rstrip())
            pattern += "".join(map(_any_of, parts)) + r"[ \t]*\n"
    return (
        re.fullmatch(pattern, said if not said or said.endswith("\n") else said + "\n") is not None
    )


def _any_of(part: str) -> str:
    if part == "...":
        return ".*"
    if not _VARIES.fullmatch(part):
        return re.escape(part)
    if re.fullmatch(_SIZE, part):
        return _SIZE
    return r"\d[\d.,]*" if re.fullmatch(r"[\d.,]+", part) and len(part) < 16 else "[0-9a-f]+"


class Shell:
    """A bash that runs one command after another: folder and variables stay, as in a terminal."""

    def __init__(self, cwd: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log, self._at = log, 0
        self._status, told = os.pipe()
        with (log / "shell").open("wb") as errors:
            self._process = subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=cwd,
                env=dict(environment),
                pass_fds=(told,),
                start_new_session=True,
            )
        self._told = told
        os.close(told)

    def run(self, command: str, *, after: int = 0, timeout: float = 60) -> tuple[int, str]:
        """The exit code of `command` and all it printed; `after` is what `$?` begins as."""
        self._at += 1
        out = self._log / f"{self._at:03d}"
        text = (
            f"{{ (exit {after})\n{command}\n}} >'{out}' 2>&1 </dev/null; echo $? >&{self._told}\n"
        )
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()
        end, answer = time.monotonic() + timeout, b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self._status], [], [], max(end - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f"still running after {timeout:g} s: {command}")
            got = os.read(self._status, 64)
            if not got:
                raise RuntimeError((self._log / "shell").read_text() or "the shell has ended")
            answer += got
        said = out.read_bytes().decode(errors="replace") if out.exists() else ""
        return int(answer), said

    def close(self) -> None:
        """Ends the shell and what it left running."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(10)
        os.close(self._status)


def programs(folder: Path) -> Path:
    """A folder with `hybridx` and `python3` as an installation has them."""
    folder.mkdir(parents=True)
    # Who starts them may hand on no environment: the SDK of MCP does not.
    known = f"PYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))}"
    for name, arguments in (("hybridx", " -P -m hybridx"), ("python3", ""), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexport {known}\nexec "{sys.executable}"{arguments} "$@"\n')
        script.chmod(0o755)
    return folder
