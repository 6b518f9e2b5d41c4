"""Writes the parts of docs/reference that repeat the code, from the code.

    python tools/reference.py            # write them
    python tools/reference.py --check    # end with 1 if that would change a page

A page says where: between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import hybridx
from hybridx import errors, types
from hybridx.cli import cli
from hybridx.config import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SECTION = re.compile(r"^(Args|Raises|Returns|Yields):$")


def main() -> None:
    """Writes every page anew, or compares."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for page in sorted(REFERENCE.glob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", old)
        if new != old:
            stale.append(page.name)
            if not check:
                page.write_text(new, encoding="utf-8")
    if check and stale:
        sys.exit(f"{', '.join(stale)}: not as the code is; run: python tools/reference.py")


# The command line.


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    parts: list[str] = []
    for words, command in _commands(cli, ("hybridx",)):
        parts.append(f"## {' '.join(words)}")
        usage = " ".join([*words, *command.collect_usage_pieces(click.Context(command))])
        parts += [f"`{usage}`", *_help(command.help or "")]
        if isinstance(command, click.Group):
            inner = ", ".join(f"`{name}`" for name in command.commands)
            parts.append(f"Commands: {inner}.")
        rows = list(_options(command))
        if rows:
            parts.append("\n".join(["| option | |", "|---|---|", *rows]))
        epilog = _help(command.epilog or "")
        parts += epilog
    return "\n\n".join(parts) + "\n"


def _commands(
    command: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            if not inner.hidden:
                yield from _commands(inner, (*words, name))


def _help(text: str) -> list[str]:
    """The paragraphs of a help text; one that is not to be wrapped stays as it is."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        body = paragraph.removeprefix("\b\n")
        if body != paragraph:
            paragraphs.append(f"```text\n{body}\n```")
        elif paragraph.strip():
            paragraphs.append(paragraph)
    return paragraphs


def _options(command: click.Command) -> Iterator[str]:
    for each in command.params:
        if not isinstance(each, click.Option) or each.hidden:
            continue
        names = ", ".join([*each.opts, *each.secondary_opts])
        if not each.is_flag and not each.count:
            names += f" {each.make_metavar(click.Context(command))}"
        yield f"| `{_cell(names)}` | {_cell(each.help or '')} |"


def _cell(text: str) -> str:
    """`text` for a cell of a table; what Markdown would take for emphasis is escaped."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    parts[::2] = [part.replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


# Settings.


def settings() -> str:
    """Every setting: what it takes, who gives it, and what it does."""
    parts = []
    for each in map(Settings.describe, Settings.keys()):
        parts += [f"### {each.key}", f"{_takes(each)}; {_default(each)}. {_given_by(each)}"]
        parts.append(each.description)
        if each.presets:
            chosen = ", ".join(
                f"{_value(value)} by `{name}`" for name, value in each.presets.items()
            )
            parts.append(f"By [preset](../how-to/tune.md#choose-a-preset): {chosen}.")
    return "\n\n".join(parts) + "\n"


def _takes(each: types.Setting) -> str:
    if each.choices:
        return f"One of {', '.join(f'`{choice}`' for choice in each.choices)}"
    kind = each.type.capitalize()
    return (
        kind
        if each.low is None or each.high is None
        else f"{kind} from {each.low:,} to {each.high:,}"
    )


def _default(each: types.Setting) -> str:
    if each.type == "a path" and each.default is not None:
        return "by default `hybridx` in the user's cache folder"
    if each.default is None:
        return "not set by default"
    return f"by default {_value(each.default)}"


def _value(value: object) -> str:
    if value in ((), []):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _given_by(each: types.Setting) -> str:
    sources = [f"`{source}`" for source in (each.variable, each.flag) if source]
    given = f"Given by {', '.join(sources)}" if sources else "Given"
    return (
        f"{given} or a project's file." if each.in_project else f"{given}, not by a project's file."
    )


# The Python API.


def api() -> str:
    """Every public class and function of the package."""
    parts = []
    for name in hybridx.__all__:
        value = getattr(hybridx, name)
        if (
            inspect.isclass(value)
            and not issubclass(value, BaseException)
            and value is not Settings
        ):
            parts += _class(value)
    return "\n\n".join(parts) + "\n"


def values() -> str:
    """The values that only come within others."""
    shown = [getattr(hybridx, name) for name in hybridx.__all__]
    parts = []
    for name in types.__all__:
        value = getattr(types, name)
        if not inspect.isclass(value):
            parts += _alias(name)
        elif value not in shown:
            parts += _class(value)
    return "\n\n".join(parts) + "\n"


def _alias(name: str) -> list[str]:
    """The name of a type."""
    files = ("types", "found", "report")
    body = [each for file in files for each in _module(ROOT / f"python/hybridx/{file}.py").body]
    for alias, text in pairwise(body):
        if isinstance(alias, ast.Assign) and ast.unparse(alias.targets[0]) == name:
            assert isinstance(text, ast.Expr)
            said = inspect.cleandoc(ast.literal_eval(text.value))
            return [f"### {name}", f"`{ast.unparse(alias.value)}`", said]
    raise LookupError(name)


def exceptions() -> str:
    """The exceptions, as a tree's table."""
    rows = ["| exception | raised when |", "|---|---|"]
    for name in ["HybridxError", *(each for each in errors.__all__ if each != "HybridxError")]:
        said = inspect.getdoc(getattr(errors, name)) or ""
        rows.append(f"| `{name}` | {_cell(said)} |")
    return "\n".join(rows) + "\n"


def _class(value: type) -> list[str]:
    name = value.__name__
    parts = [f"### {name}"]
    source = _source(value)
    parts += _docstring(ast.get_docstring(source) or "")
    if dataclasses.is_dataclass(value):
        rows, said = ["| field | type | |", "|---|---|---|"], _field_docs(value)
        for each in dataclasses.fields(value):
            kind = each.type if isinstance(each.type, str) else str(each.type)
            rows.append(f"| `{each.name}` | `{_cell(kind)}` | {_cell(said.get(each.name, ''))} |")
        parts.append("\n".join(rows))
    same = []
    for node in source.body:
        if not isinstance(node, _Function) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) == f"See `Index.{node.name}`.":
            same.append(f"`{node.name}`")
        else:
            parts += _function(name, node)
    if same:
        parts.append(f"As those of `Index`: {', '.join(same)}.")
    return parts


def _function(owner: str, node: _Function) -> list[str]:
    decorators = {ast.unparse(each) for each in node.decorator_list}
    result = ast.unparse(node.returns) if node.returns else "None"
    said = _docstring(ast.get_docstring(node) or "")
    if "property" in decorators:
        return [f"`{owner}.{node.name}: {result}`", *said]
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args)).replace("=", " = ")
    wait = "await " if isinstance(node, ast.AsyncFunctionDef) and not _yields(node) else ""
    return [f"#### {owner}.{node.name}", f"`{wait}{node.name}({arguments}) -> {result}`", *said]


def _yields(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node))


def _docstring(text: str) -> list[str]:
    """The paragraphs of a docstring, its sections as lists."""
    parts: list[str] = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if lines and _SECTION.match(lines[0]):
            rows: list[str] = []
            for line in inspect.cleandoc("\n".join(["", *lines[1:]])).splitlines():
                if line.startswith(" "):
                    rows[-1] += " " + line.strip()
                else:
                    names, _, rest = line.partition(": ")
                    quoted = ", ".join(f"`{name}`" for name in names.split(", "))
                    rows.append(f"- {quoted}: {rest}" if rest else f"- {line}")
            parts.append(f"{lines[0].removesuffix(':')}:\n\n" + "\n".join(rows))
        elif lines and all(line.startswith("    ") for line in lines):
            parts.append(f"```text\n{inspect.cleandoc(chr(10) + paragraph)}\n```")
        else:
            parts.append(paragraph)
    return [part for part in parts if part]


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _source(value: type) -> ast.ClassDef:
    """The definition of a class; of a compiled one that in the stub."""
    name = value.__module__.rpartition(".")[2]
    compiled = name == "_core" or value.__module__ == "builtins"
    path = ROOT / "python/hybridx/_core.pyi" if compiled else Path(inspect.getfile(value))
    found = (each for each in ast.walk(_module(path)) if isinstance(each, ast.ClassDef))
    return next(each for each in found if each.name == value.__name__)


def _field_docs(value: type) -> dict[str, str]:
    """The texts below the fields of a class."""
    said = {}
    body = _source(value).body
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            said[field.target.id] = inspect.cleandoc(str(text.value.value))
    return said


# Tools of agents.


def tools() -> str:
    """Every tool of `hybridx mcp`, with its arguments and what it answers."""
    from hybridx.mcp import schemas

    parts = []
    for each in schemas.tools(["one"]):
        parts += [f"## {each.name}", each.description]
        rows = [
            f"| `{name}` | {_schema(schema)} | {_cell(schema.get('description', ''))} |"
            for name, schema in each.arguments["properties"].items()
        ]
        if rows:
            parts.append("\n".join(["| argument | | |", "|---|---|---|", *rows]))
        required = each.arguments.get("required", [])
        if required:
            parts.append(f"Required: {', '.join(f'`{name}`' for name in required)}.")
        answer = ", ".join(f"`{key}`" for key in _keys(each.result))
        parts.append(f"Structured answer: {answer}.")
    return "\n\n".join(parts) + "\n"


def _schema(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        kind = "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    elif schema.get("type") == "array":
        kind = "list"
    else:
        kind = str(schema.get("type", ""))
    if "minimum" in schema:
        kind += f" from {schema['minimum']:,} to {schema['maximum']:,}"
    return kind + (f"; `{schema['default']}`" if "default" in schema else "")


def _keys(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        within = inner.get("items", inner)
        keys = list(_keys(within, f"{before}{name}."))
        yield from keys or [f"{before}{name}"]


# Metrics.


def metrics() -> str:
    """Every metric of `--metrics`."""
    from hybridx import metrics, observer

    rows = ["| metric | kind | labels | |", "|---|---|---|---|"]
    for each in observer.FAMILIES:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        name = f"{metrics.PREFIX}{each.name}"
        rows.append(f"| `{name}` | {each.kind} | {labels} | {_cell(each.help)} |")
    return "\n".join(rows) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "settings": settings,
    "api": api,
    "values": values,
    "exceptions": exceptions,
    "metrics": metrics,
    "tools": tools,
}

if __name__ == "__main__":
    main()
