"""Where settings come from: a project's file, variables and flags; each is checked there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridx.errors import UsageError
from hybridx.setting import Rule, checked, is_folder, parsed, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWN_FILE = "hybridx.toml"
SHARED_FILE = "pyproject.toml"
TABLE = "[tool.hybridx]"
FROM_PROJECT = (OWN_FILE, f"{SHARED_FILE} {TABLE}")
"""The origins of what a project's file said."""

Rules = dict[str, Rule]
Found = tuple[str, Any, str]
"""A valid value: its key, the value and its origin."""


def from_project(root: Path, rules: Rules) -> Iterator[Found]:
    """What the file of the project says. Raises `UsageError`, or `OSError` if it is unreadable."""
    own, shared = root / OWN_FILE, root / SHARED_FILE
    if own.is_file():
        table, name, where = _read_toml(own), OWN_FILE, str(own)
        for key in ("tool", "hybridx"):
            if isinstance(table.get(key), dict):
                raise UsageError(
                    f"{where}: settings stand at the top of this file, in no table: "
                    f"there is no setting {key}"
                )
    elif shared.is_file():
        name, where = FROM_PROJECT[1], f"{shared} {TABLE}"
        table = _shared_table(shared, _read_toml(shared), where)
    else:
        return
    for key, raw in table.items():
        if key not in rules:
            raise UsageError(f"{where}: there is no setting {key}{suggestion(key, rules)}")
        rule = rules[key]
        if not rule.in_project:
            instead = variables(rules)[key]
            raise UsageError(
                f"{where}: {key} is not for a project to decide; set {instead} instead"
            )
        value = checked(f"{where}: {key}", rule, raw, root)
        if isinstance(value, Path) and not is_below(value, root):
            raise UsageError(f"{where}: {key} leads out of the project; use --index-dir instead")
        if key == "model" and isinstance(raw, str) and is_folder(raw):
            raise UsageError(
                f"{where}: model may be a name, and no folder: whoever clones a project would "
                "run what lies there. Add it (hybridx models add FOLDER) and give its name, or "
                "set HYBRIDX_MODEL"
            )
        yield key, value, name


def from_environment(environ: Mapping[str, str], rules: Rules) -> Iterator[Found]:
    """What variables say; an empty one says nothing. Raises `UsageError`."""
    for key, variable in variables(rules).items():
        text = environ.get(variable, "")
        if text:
            value = parsed(variable, rules[key].kind, text)
            yield key, checked(variable, rules[key], value), variable


def from_flags(flags: Mapping[str, object], rules: Rules) -> Iterator[Found]:
    """What flags say, by key; `None` says nothing. Raises `UsageError`."""
    for key, value in flags.items():
        if key not in rules:
            raise UsageError(f"there is no setting {key}{suggestion(key, rules)}")
        if value is not None:
            flag = rules[key].flag or "--" + key.replace("_", "-")
            yield key, checked(flag, rules[key], value), flag


def variables(rules: Rules) -> dict[str, str]:
    """The variable of each key that has one."""
    return {
        key: rule.variable or f"HYBRIDX_{key.upper()}"
        for key, rule in rules.items()
        if rule.variable is not None
    }


def is_below(path: Path, folder: Path) -> bool:
    """Whether `path` is `folder` or lies in it, whatever links are on the way."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _shared_table(path: Path, content: dict[str, Any], where: str) -> dict[str, Any]:
    """The table of ours in a file of many programs."""
    tools = content.get("tool")
    tools = tools if isinstance(tools, dict) else {}
    if "hybridx" not in tools:
        # Nobody else's, and nothing would ever read them.
        for above, names in (("", content), ("tool.", tools)):
            for each in names:
                if each.translate(dict.fromkeys(map(ord, "-_ "))).lower() == "hybridx":
                    raise UsageError(f"{path}: settings stand in {TABLE}, not in [{above}{each}]")
    table = tools.get("hybridx", {})
    if not isinstance(table, dict):
        raise UsageError(f"{where}: must be a table")
    return table


def _read_toml(path: Path) -> dict[str, Any]:
    import re
    import tomllib  # with `re`, only for those that have such a file

    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}:{line}: TOML must be UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        found = re.search(r"\(at line (\d+)", text)
        line = int(found[1]) if found else path.read_bytes().count(b"\n") + 1
        raise UsageError(f"{path}:{line}: not valid TOML: {text}") from error
