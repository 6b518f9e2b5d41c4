"""`hybridx completion`: the script that lets a shell complete commands, options and values."""

from __future__ import annotations

import click

from hybridx.cli._help import examples
from hybridx.cli._options import debug_option

_PROGRAM = "hybridx"
_VARIABLE = "_HYBRIDX_COMPLETE"
"""By which the script asks the program; click derives it from the program's name."""


@click.command(
    epilog=examples("""
        hybridx completion bash > ~/.local/share/bash-completion/completions/hybridx
        hybridx completion zsh > ~/.zfunc/_hybridx
        hybridx completion fish > ~/.config/fish/completions/hybridx.fish
    """)
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the script that completes commands, options and values in SHELL.

    Put it where the shell looks for it, as below, and open a new shell. With zsh, ~/.zfunc must be
    in fpath before compinit runs: fpath+=~/.zfunc in ~/.zshrc.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no {shell}")
    script = kind(context.find_root().command, {}, _PROGRAM, _VARIABLE)
    # Not `source`, which runs bash to see how old it is, and complains where there is none.
    click.echo(script.source_template % script.source_vars())
