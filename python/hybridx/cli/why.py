"""`hybridx why`: why a file is, or is not, in the index."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridx.cli._complete import files, folders
from hybridx.cli._files import resolved, root_of, spell
from hybridx.cli._help import examples
from hybridx.cli._options import index_options, json_option, opened
from hybridx.cli._run import interruptible
from hybridx.cli._text import plural, print_json, visible, visible_path
from hybridx.units import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybridx.types import Why

NOT_IN_INDEX = 1


@click.command(
    epilog=examples("""
        hybridx why build/output.js
        hybridx why src                    # a folder: what of it is in the index
        hybridx why notes.md --root ~/src/repo --json
    """)
)
@click.argument("file", shell_complete=files)
@click.option(
    "--root",
    metavar="PATH",
    shell_complete=folders,
    help="The root of the index to ask; else the nearest one above FILE that has an index.",
)
@json_option
@index_options
@click.pass_context
def why(
    context: click.Context,
    /,
    file: str,
    root: str | None,
    as_json: bool,
    quiet: bool,
    index_dir: str | None,
) -> None:
    """Show why FILE is, or is not, in the index: by which rule of which file, or for what reason.

    FILE is relative to the working directory and need not exist. Without an index it is told what
    the first run would make of FILE.

    Exit code 0: it is in the index (of a folder: any file below). 1: it is not. 2: an error.
    """
    del quiet  # there is nothing but data here
    path = str(root_of(file, index_dir)) if root is None else root

    def work() -> Why:
        with opened(path, {"index_dir": index_dir}) as index:
            return index.why(_spelled(file, path))

    found = interruptible(work)
    if as_json:
        print_json(found.to_json())
    else:
        for line in told(found):
            click.echo(line)
    if not found.in_index:
        context.exit(NOT_IN_INDEX)


def _spelled(file: str, root: str) -> str:
    path = Path(file)
    if path.name in {"", ".."}:
        path = resolved(path)  # a folder that only its place names
    if path.absolute() == Path(root).absolute() or resolved(path) == resolved(Path(root)):
        return ""
    return spell([str(path)], root)[0]


def told(found: Why) -> list[str]:
    """The explanation in lines for people, the answer first."""
    name = visible_path(found.path) or "."
    said = "is in the index" if found.in_index else f"is not in the index of {_root(found)}"
    first = f"{name} {said}"
    if found.generation is None:
        first = f"{name} is in no index: {_root(found)} has none yet"
    return [first, *(f"  {line}" for line in _TELL[found.verdict](found)), *_what_next(found)]


def _root(found: Why) -> str:
    return visible_path(found.root)


def _indexed(found: Why) -> list[str]:
    lines = [
        f"generation {found.generation} of {_root(found)}",
        f"{found.language}, {plural(found.chunks or 0, 'chunk')}, {size(found.bytes or 0)}",
        f"digest {found.digest}",
    ]
    if found.decoded_as:
        lines.append(f"decoded as {found.decoded_as}: it is not UTF-8")
    if found.redactions:
        secrets = plural(sum(found.redactions.values()), "secret")
        rules = ", ".join(map(visible, found.redactions))
        lines.append(f"redacted: {secrets} ({rules}); {_allow(found)} keeps the text as it is")
    return lines + _included(found) + _ignored(found)


def _allow(found: Why) -> str:
    """The setting that takes a file as it is, whatever looks like a secret."""
    # In the patterns of ignore files some characters mean more than themselves.
    pattern = re.sub(r"([\\*?\[\]{}])", r"\\\1", found.decided_at)
    return f"secrets_allow = {json.dumps(['/' + visible_path(pattern)], ensure_ascii=False)}"


def _failed(found: Why) -> list[str]:
    return [f"failed in {found.stage}: {visible(found.message or '')}; each run tries it again"]


def _skipped(found: Why) -> list[str]:
    detail = f": {visible(found.detail)}" if found.detail else ""
    where = "" if found.decided_at == found.path else f"{visible_path(found.decided_at)} is "
    lines = [f"{where}skipped, {found.reason}{detail}"]
    if found.reason == "sensitive":
        lines.append(f"{_allow(found)} in hybridx.toml lets it in, as it is")
    return lines


def _ignored(found: Why) -> list[str]:
    if found.cause is None:
        return []
    at = visible_path(found.decided_at)
    what = "it" if found.decided_at == found.path else f"the folder {at}"
    if found.cause == "rule" and found.rule:
        rule = found.rule
        line = "" if rule.line is None else f":{rule.line}"
        return [f"ignored by {visible_path(rule.file)}{line}: {visible(rule.pattern)}"] + (
            [] if found.decided_at == found.path else [f"which leaves out {what}"]
        )
    return [
        {
            "index": f"{what} is an index of hybridx",
            "vcs": f"{what} belongs to a version control system",
            "default_exclude": f"{what} is left out by default; {_SWITCH}",
            "virtual_environment": f"{what} is a virtual environment, left out by default; "
            + _SWITCH,
        }[found.cause]
    ]


_SWITCH = "default_excludes = false (HYBRIDX_DEFAULT_EXCLUDES=0) lets it in"


def _new(found: Why) -> list[str]:
    return [f"nothing leaves it out ({found.language})", *_included(found)]


def _missing(found: Why) -> list[str]:
    return ["there is no such file", *_ignored(found)]


def _folder(found: Why) -> list[str]:
    if found.below is None:
        return ["a folder", *_ignored(found)]
    counts = [f"{visible(kind)} {count:,}" for kind, count in found.below.items() if count]
    return [f"a folder; below it: {', '.join(counts) or 'nothing'}", *_ignored(found)]


def _included(found: Why) -> list[str]:
    if found.cause is not None or found.rule is None:
        return []
    rule = found.rule
    line = "" if rule.line is None else f":{rule.line}"
    return [f"included by {visible_path(rule.file)}{line}: {visible(rule.pattern)}"]


def _what_next(found: Why) -> list[str]:
    said = {
        "nothing": "",
        "retry": "",
        "index": "changed since: the next run indexes it again"
        if found.verdict == "indexed"
        else "the next run indexes it",
        "remove": "the next run takes it out"
        if found.stands != "nothing"
        else "it is gone: the next run takes it out",
    }[found.next]
    if found.verdict == "indexed" and found.reason:
        said = f"{said} ({found.reason}: {visible(found.detail or '')})"
    return [f"  {said}"] if said else []


_TELL: dict[str, Callable[[Why], list[str]]] = {
    "indexed": _indexed,
    "failed": _failed,
    "skipped": _skipped,
    "ignored": _ignored,
    "new": _new,
    "missing": _missing,
    "folder": _folder,
}
