"""`hybridx models`: the embedding models there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hybridx.cli._options import debug_option, json_option
from hybridx.cli._text import print_columns, print_json, visible
from hybridx.config import Settings

if TYPE_CHECKING:
    from hybridx.types import ModelInfo


@click.group()
def models() -> None:
    """Show the embedding models."""


@models.command("list")
@json_option
@debug_option
def list_(as_json: bool) -> None:
    """List the models; the one that the settings choose is marked."""
    known, chosen = _known()
    if as_json:
        print_json([model.to_json() for model in known])
        return
    print_columns(
        [
            (
                "*" if model == chosen else " ",
                visible(model.name),
                model.source,
                f"{model.dimension:,} dimensions",
                visible(model.path),
            )
            for model in known
        ]
    )


@models.command()
@click.argument("name", default="")
@json_option
@debug_option
def show(name: str, as_json: bool) -> None:
    """Show one model: NAME, or the one that the settings choose."""
    model = _find(name)
    if as_json:
        print_json(model.to_json())
        return
    print_columns([(key, visible(str(value))) for key, value in model.to_json().items()])


def _find(name: str) -> ModelInfo:
    """The model called `name`, as listed or as the setting has it; "" is the one set."""
    known, chosen = _known()
    listed = next((each for each in known if each.name == name), None if name else chosen)
    if listed is not None:
        return listed
    from hybridx.embed import load_model  # heavy

    return load_model(name).info


def _known() -> tuple[list[ModelInfo], ModelInfo]:
    """The models at hand, and which of them the settings choose."""
    settings = Settings.load(".", {})
    from hybridx.embed import list_models, load_model  # heavy

    return list_models(settings), load_model(settings.model).info
