"""`hybridx clean`: remove the index."""

from __future__ import annotations

from pathlib import Path

import click

from hybridx.cli._options import (
    index_options,
    json_option,
    lock_timeout_option,
    opened,
    path_argument,
)
from hybridx.cli._run import interruptible
from hybridx.cli._text import print_json, size, visible_path


@click.command()
@path_argument
@lock_timeout_option
@json_option
@index_options
def clean(path: str, as_json: bool, quiet: bool, **flags: object) -> None:
    """Remove the index of PATH; the tree itself and the caches stay."""
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
