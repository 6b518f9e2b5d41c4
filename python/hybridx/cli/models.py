"""`hybridx models`: the embedding models there are, and more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hybridx.cli import _complete as complete
from hybridx.cli._help import examples
from hybridx.cli._options import debug_option, json_option, precision_option, quiet_option
from hybridx.cli._program import complain
from hybridx.cli._progress import download_bar
from hybridx.cli._text import print_columns, print_json, visible
from hybridx.config import Settings
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from hybridx.embed import Model
    from hybridx.types import ModelInfo


@click.group()
def models() -> None:
    """Show, add and remove embedding models."""


@models.command(
    "list",
    epilog=examples("""
        hybridx models list
        hybridx models list --json
    """),
)
@json_option
@debug_option
def list_(as_json: bool) -> None:
    """List the models; the one that the settings choose is marked.

    Below those that are here: names that `hybridx models add` knows where to find.
    """
    settings = Settings.load(".", {})
    from hybridx.embed import list_models, load_configured  # heavy

    known = list_models(settings)
    chosen = None
    try:
        chosen = load_configured(settings).info
    except ModelError as error:
        complain(str(error))
    _complain_of_damage(settings, known)
    if as_json:
        print_json([_document(settings, model) for model in known])
        return
    rows: list[tuple[str, ...]] = [
        (
            "*" if model == chosen else " ",
            visible(model.name),
            model.source,
            f"{model.dimension:,} dimensions",
            visible(model.path),
        )
        for model in known
    ]
    there = {model.name for model in known}
    from hybridx.embed.added import KNOWN

    rows += [
        (" ", short, "hub", "not added", f"{each.repository} ({each.remark})")
        for short, each in KNOWN.items()
        if each.repository not in there
    ]
    print_columns(rows)


@models.command(
    epilog=examples("""
        hybridx models show                # the one that the settings choose
        hybridx models show all-MiniLM-L6-v2
    """)
)
@click.argument("name", default="", shell_complete=complete.models)
@json_option
@debug_option
def show(name: str, as_json: bool) -> None:
    """Show one model: NAME, or the one that the settings choose."""
    settings = Settings.load(".", {})
    model = _find(settings, name)
    document = _document(settings, model.info) | {
        "precision": model.precision,
        "full_dimension": model.full_dimension,
        "max_length": model.max_length,
        "pooling": model.pooling,
        "query_prefix": model.query_prefix,
        "passage_prefix": model.passage_prefix,
    }
    if as_json:
        print_json(document)
        return
    print_columns([(key, visible(str(value))) for key, value in document.items()])


@models.command(
    epilog=examples("""
        hybridx models add all-MiniLM-L6-v2
        hybridx models add owner/name@revision --precision int8
        hybridx models add ~/models/my-own
    """)
)
@click.argument("name", metavar="NAME|DIR", shell_complete=complete.known_models)
@precision_option
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where the model is to run."
)
@json_option
@quiet_option
@debug_option
def add(name: str, as_json: bool, quiet: bool, **flags: object) -> None:
    """Add a model: one of the hub (owner/name, a short name, @revision) or that in a folder.

    It is fetched or copied, checked and run once; only then it is there. HF_ENDPOINT, HF_TOKEN,
    HF_HOME and HF_HUB_OFFLINE count. What was fetched before an interruption is not fetched again.
    """
    settings = Settings.load(".", flags)
    from hybridx.embed.adding import add_model  # heavy

    with download_bar(quiet=quiet) as progress:
        done = add_model(name, settings, progress)
    model, origin = done.model, done.origin.origin
    if as_json:
        print_json(_document(settings, model.info))
        return
    if quiet:
        return
    said = [f"{model.dimension:,} dimensions", model.precision, f"revision {origin.revision[:12]}"]
    said += [f"licence {origin.license}"] if origin.license else []
    verb = "added" if done.fresh else "already there"
    click.echo(visible(f"{origin.name}: {verb}, {', '.join(said)}"), err=True)
    if done.origin.remark:
        click.echo(f"  {done.origin.remark}", err=True)


@models.command(
    epilog=examples("""
        hybridx models remove all-MiniLM-L6-v2
        hybridx models remove owner/name@0123abcd
    """)
)
@click.argument("name", shell_complete=complete.added_models)
@quiet_option
@debug_option
def remove(name: str, quiet: bool) -> None:
    """Remove a model that was added, all revisions of it unless NAME ends in @revision."""
    settings = Settings.load(".", {})
    from hybridx.embed.added import remove_added

    for each in remove_added(settings.cache_dir, name):
        if not quiet:
            said = f"{each.name}: removed, revision {each.origin.revision[:12]}"
            click.echo(visible(said), err=True)


def _find(settings: Settings, name: str) -> Model:
    """The model called `name`, as listed or as the setting has it; "" is the one set."""
    from hybridx.embed import list_models, load_configured, load_model  # heavy

    if not name:
        return load_configured(settings)
    for each in list_models(settings):
        if each.name == name:
            name = each.source if each.source == "bundled" else each.path
            break
    return load_model(name, cache_dir=settings.cache_dir)


def _document(settings: Settings, model: ModelInfo) -> dict[str, Any]:
    """What is known of a model, for people and as JSON."""
    from hybridx.embed.added import list_added

    document = model.to_json()
    for each in list_added(settings.cache_dir):
        if str(each.folder) == model.path:
            document |= {"revision": each.origin.revision, "license": each.origin.license}
            document |= {"remark": each.remark} if each.remark else {}
    return document


def _complain_of_damage(settings: Settings, known: list[ModelInfo]) -> None:
    from hybridx.embed.added import list_added

    there = {model.path for model in known}
    for each in list_added(settings.cache_dir):
        if str(each.folder) not in there:
            complain(f"{each.folder} is damaged", f"hybridx models add {each.name}")
