"""`hybridx mcp`: the index for agents, over the Model Context Protocol."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridx.cli._help import examples
from hybridx.cli._options import debug_option
from hybridx.cli._program import complain, leave
from hybridx.config import Settings
from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.mcp.served import Served


@click.command(
    epilog=examples("""
        hybridx mcp                        # serve the folder that the client starts it in
        hybridx mcp ~/src/repo ~/src/lib   # serve two; tools take `root` then
        hybridx mcp --print-config .       # what goes into a client's configuration
        claude mcp add hybridx -- hybridx mcp ~/src/repo
    """)
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--watch/--no-watch",
    "watches",
    default=True,
    help="Whether to keep the index up to date with the files; the default is to.",
)
@click.option("--print-config", is_flag=True, help="Print the JSON for a client, and end.")
@click.option(
    "--index-dir", metavar="DIR", help="The folder of the index, where one PATH is served."
)
@click.option("--model", metavar="MODEL", help="The model of an index that is made anew.")
@debug_option
def mcp(
    paths: tuple[str, ...],
    watches: bool,
    print_config: bool,
    index_dir: str | None,
    model: str | None,
) -> None:
    """Serve the indexes of the PATHs to agents, over the Model Context Protocol.

    The client starts it and talks to it over stdin and stdout. Tools: search, related, outline,
    status, refresh. An index that is missing is made at once; all are kept up to date, by one
    process each, however many agents there are. --print-config prints what the configuration of
    most clients takes.
    """
    folders = paths or (_working_directory(),)
    if index_dir is not None and len(folders) > 1:
        raise UsageError("--index-dir is the folder of one index: give one PATH with it")
    if print_config:
        args = ["mcp", *(os.path.realpath(each) for each in folders)]
        servers = {"hybridx": {"command": "hybridx", "args": args}}
        click.echo(json.dumps({"mcpServers": servers}, indent=2, ensure_ascii=False))
        return
    from hybridx.mcp.wire import Wire

    # Before anything is imported that might print.
    wire = Wire.claim()
    served = _served(folders, {"index_dir": index_dir, "model": model}, watches=watches)
    from importlib.metadata import version

    from hybridx.mcp.server import serve

    code = serve(served, wire, version("hybridx"))
    # Threads that wait for something are left behind; no commit is lost by that.
    leave(code)


def _working_directory() -> str:
    """Where the client started it, unless that is no project: some start it anywhere."""
    here = Path.cwd()
    if here in {Path("/"), Path.home()}:
        raise UsageError(f"{here} is the working directory, and no project: give a PATH to serve")
    return str(here)


def _served(folders: Sequence[str], flags: dict[str, object], *, watches: bool) -> list[Served]:
    from hybridx.api import Index
    from hybridx.mcp.served import Served, names_of

    indexes: dict[Path, tuple[Index, Path]] = {}
    for folder in folders:
        index = Index.open(folder, settings=Settings.load(folder, flags))
        indexes.setdefault(index.root, (index, Path(os.path.abspath(folder))))  # noqa: PTH100
    names = names_of([*indexes])
    return [
        Served(names[root], index, given, complain, watches=watches)
        for root, (index, given) in indexes.items()
    ]
