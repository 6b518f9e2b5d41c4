"""`hybridx clean`: remove the index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridx.cli._help import examples
from hybridx.cli._options import (
    index_options,
    json_option,
    lock_timeout_option,
    opened,
    path_argument,
)
from hybridx.cli._run import interruptible
from hybridx.cli._text import print_json, visible_path
from hybridx.config import Settings
from hybridx.units import size

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(
    epilog=examples("""
        hybridx clean
        hybridx clean ~/src/repo
        hybridx clean --cache              # the vectors that all indexes share
    """)
)
@path_argument
@click.option(
    "--cache",
    is_flag=True,
    help="Remove the vector cache that all indexes share, and no index.",
)
@lock_timeout_option
@json_option
@index_options
def clean(path: str, cache: bool, as_json: bool, quiet: bool, **flags: object) -> None:
    """Remove the index of PATH; the tree itself and the caches stay."""
    if cache:
        _clean_cache(path, flags, as_json=as_json, quiet=quiet)
        return
    from hybridx._core import CancelToken  # loads the extension

    cancel = CancelToken()

    def work() -> int:
        with opened(path, flags) as index:
            return index.clean(cancel=cancel)

    freed = interruptible(work, cancel)
    if as_json:
        print_json({"root": str(Path(path).resolve()), "freed_bytes": freed})
    elif not quiet:
        said = f"removed, {size(freed)} freed" if freed else "there is no index to remove"
        click.echo(f"{visible_path(path)}: {said}", err=True)


def _clean_cache(path: str, flags: Mapping[str, object], *, as_json: bool, quiet: bool) -> None:
    from hybridx.embed.cache_file import clear

    folder = Settings.load(path, flags).cache_dir
    freed = clear(folder)
    if as_json:
        print_json({"cache": str(folder), "freed_bytes": freed})
    elif not quiet:
        said = f"removed, {size(freed)} freed" if freed else "there is no vector cache to remove"
        click.echo(f"{visible_path(str(folder))}: {said}", err=True)
