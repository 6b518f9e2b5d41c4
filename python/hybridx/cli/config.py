"""`hybridx config`: every setting, its value and where it came from."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridx.cli._files import check_folder, resolved
from hybridx.cli._help import examples
from hybridx.cli._options import debug_option, json_option, path_argument
from hybridx.cli._program import complain
from hybridx.cli._text import print_columns, print_json, visible
from hybridx.config import Settings, unknown_variables

if TYPE_CHECKING:
    from hybridx.types import Setting


@click.group()
def config() -> None:
    """Show the settings, and what they are."""


@config.command(
    epilog=examples("""
        hybridx config show
        HYBRIDX_JOBS=2 hybridx config show ~/src/repo
        hybridx config show --json
        hybridx config describe commit_files
    """)
)
@path_argument
@json_option
@debug_option
def show(path: str, as_json: bool) -> None:
    """Show every setting that holds for PATH, its value and where it came from."""
    check_folder(path)
    settings = Settings.load(path, {})
    for name, suggestion in unknown_variables(os.environ):
        complain(f"{name} is set but is no setting{suggestion}")
    names = Settings.keys()
    values = {key: _plain(getattr(settings, key)) for key in names}
    if as_json:
        print_json(
            {
                "root": str(resolved(Path(path))),
                "settings": {
                    key: {"value": value, "origin": settings.origin(key)}
                    for key, value in values.items()
                },
            }
        )
        return
    print_columns(
        [(key, visible(_shown(value)), settings.origin(key)) for key, value in values.items()]
    )


@config.command(
    epilog=examples("""
        hybridx config describe              # all of them
        hybridx config describe preset memory_limit_mb
        hybridx config describe --json
    """)
)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@json_option
@debug_option
def describe(keys: tuple[str, ...], as_json: bool) -> None:
    """Say what settings are: what they do, which values they take, and who may give them."""
    found = [Settings.describe(key) for key in keys or Settings.keys()]
    if as_json:
        print_json({"settings": [each.to_json() for each in found]})
        return
    for number, each in enumerate(found):
        if number:
            click.echo()
        for line in _described(each):
            click.echo(line)


def _described(setting: Setting) -> list[str]:
    kind = f"one of {', '.join(setting.choices)}" if setting.choices else setting.type
    if setting.low is not None and setting.high is not None:
        kind += f", {setting.low:,} to {setting.high:,}"
    given = [setting.variable, setting.flag, "a project's file" if setting.in_project else None]
    rows = {
        "values": kind,
        "default": None if setting.default is None else _shown(setting.default),
        "presets": ", ".join(f"{name}: {_shown(v)}" for name, v in setting.presets.items()),
        "given by": ", ".join(filter(None, given)),
    }
    text = textwrap.wrap(setting.description.replace("`", ""), 90)
    lines = [f"{name + ':':<10}{value}" for name, value in rows.items() if value]
    return [setting.key, *(f"  {line}" for line in (*text, *lines))]


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _shown(value: object) -> str:
    """As TOML writes it; there is no way to write an absent value, so that is a dash."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
