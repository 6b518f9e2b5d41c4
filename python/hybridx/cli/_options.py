"""Options that several commands share, and the settings made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hybridx.cli._complete import files, folders
from hybridx.cli._program import complain
from hybridx.cli._text import visible_path
from hybridx.config import Settings
from hybridx.errors import HybridxError, NotIndexedError

if TYPE_CHECKING:
    from hybridx.api import Index
    from hybridx.observer import Observer

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _set_debug(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and context.obj is not None:
        context.obj.debug = True


debug_option = click.option(
    "--debug",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_debug,
    help="Show tracebacks (also HYBRIDX_DEBUG=1).",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
lock_timeout_option = click.option(
    "--lock-timeout",
    type=float,
    metavar="SECONDS",
    help="How long to wait while another process writes the index.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "float16", "int8"]),
    help="Of a transformer's weights; auto is float32, and float16 with --device cuda.",
)
preset_option = click.option(
    "--preset",
    type=click.Choice(["small", "medium", "large"]),
    help="How large the repository is: how it is indexed, not what is found.",
)
profile_option = click.option(
    "--profile",
    metavar="FILE",
    shell_complete=files,
    help="Write a trace that ui.perfetto.dev and chrome://tracing open.",
)
metrics_option = click.option(
    "--metrics",
    metavar="FILE",
    shell_complete=files,
    help="Write metrics for Prometheus, every two seconds.",
)
path_argument = click.argument("path", default=".", metavar="[PATH]", shell_complete=folders)


def index_options(command: _Command) -> _Command:
    """The options of every command that opens an index."""
    place = click.option(
        "--index-dir",
        metavar="DIR",
        shell_complete=folders,
        help="The folder of the index, instead of .hybridx in the root.",
    )
    return place(quiet_option(debug_option(command)))


@contextmanager
def observing(profile: str | None, metrics: str | None = None) -> Iterator[Observer | None]:
    """What writes these files while the block runs; `None` if there are none to write."""
    if profile is None and metrics is None:
        yield None
        return
    from hybridx.observer import Observer  # only for these

    with Observer(profile=profile, metrics=metrics) as observer:
        yield observer
    for problem in observer.problems:
        complain(problem)


@contextmanager
def opened(path: str, flags: Mapping[str, object]) -> Iterator[Index]:
    """The index of `path`; `flags` are settings given on the command line, or `None`.

    A missing index becomes the sentence that says how to make one.
    """
    settings = Settings.load(path, flags)
    from hybridx.api import Index  # heavy

    try:
        with Index.open(path, settings=settings) as index:
            yield index
    except NotIndexedError as error:
        raise NoIndexError(path, flags.get("index_dir")) from error


class NoIndexError(HybridxError):
    """There is no index; the message is the command that makes it."""

    def __init__(self, path: str, index_dir: object = None) -> None:
        command = f"hybridx index {_quoted(path)}"
        if index_dir is not None:
            command += f" --index-dir {_quoted(str(index_dir))}"
        super().__init__(f"no index for {visible_path(path)}; run: {command}")


def _quoted(word: str) -> str:
    import shlex  # only for this message

    return shlex.quote(word)
