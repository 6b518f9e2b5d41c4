"""`hybridx config`: every setting, its value and where it came from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from hybridx.cli._files import resolved
from hybridx.cli._help import examples
from hybridx.cli._options import debug_option, json_option, path_argument
from hybridx.cli._program import complain
from hybridx.cli._text import print_columns, print_json, visible
from hybridx.config import Settings, unknown_variables


@click.group()
def config() -> None:
    """Show the settings."""


@config.command(
    epilog=examples("""
        hybridx config show
        HYBRIDX_JOBS=2 hybridx config show ~/src/repo
        hybridx config show --json
    """)
)
@path_argument
@json_option
@debug_option
def show(path: str, as_json: bool) -> None:
    """Show every setting that holds for PATH, its value and where it came from."""
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


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _shown(value: object) -> str:
    """As TOML writes it; there is no way to write an absent value, so that is a dash."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
