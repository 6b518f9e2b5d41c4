"""`hybridx hook`: let git keep the index up to date."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridx.cli._files import resolved, spell
from hybridx.cli._help import examples
from hybridx.cli._options import debug_option, index_options, json_option, quiet_option
from hybridx.cli._program import Interrupted, complain
from hybridx.cli._run import interruptible
from hybridx.cli._text import plural, print_json, seconds, visible_path
from hybridx.config import Settings
from hybridx.errors import Cancelled, HybridxError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.git_hooks import Installed
    from hybridx.hook import Outcome

_STOPS = (Interrupted, Cancelled, KeyboardInterrupt, SystemExit, GeneratorExit)


@click.group(
    epilog=examples("""
        hybridx hook install               # from now on git calls hybridx hook run
        hybridx hook uninstall             # what was there before is as it was
    """)
)
@debug_option
def hook() -> None:
    """Let git keep the index up to date."""


hooks_path_option = click.option(
    "--hooks-path",
    is_flag=True,
    help="Also where core.hooksPath says, which other repositories may share.",
)
repository_argument = click.argument(
    "path", default=".", metavar="[PATH]", type=click.Path(exists=True, file_okay=False)
)


@hook.command(
    epilog=examples("""
        hybridx hook install
        hybridx hook install ~/src/repo
        hybridx hook install --foreground  # git waits, and shows what is said
    """)
)
@repository_argument
@hooks_path_option
@click.option("--foreground", is_flag=True, help="Let git wait until the index is up to date.")
@quiet_option
@debug_option
def install(path: str, hooks_path: bool, foreground: bool, quiet: bool) -> None:
    """Install git hooks in the repository of PATH.

    After a commit, a merge, a checkout or a rebase the index is brought up to date in the
    background. Hooks that are there stay and run as before.
    """
    from hybridx.git_hooks import install as put

    done = put(Path(path), hooks_path=hooks_path, foreground=foreground)
    if not quiet:
        _tell("installed", done)
        from hybridx.layout import indexed_root

        if indexed_root(Path(path).absolute()) is None:
            click.echo("there is no index yet; make one: hybridx index", err=True)


@hook.command(
    epilog=examples("""
        hybridx hook uninstall
        hybridx hook uninstall ~/src/repo
    """)
)
@repository_argument
@hooks_path_option
@quiet_option
@debug_option
def uninstall(path: str, hooks_path: bool, quiet: bool) -> None:
    """Take the git hooks out of the repository of PATH again."""
    from hybridx.git_hooks import uninstall as take_out

    done = take_out(Path(path), hooks_path=hooks_path)
    if not quiet:
        _tell("removed", done)


def _tell(what: str, done: Installed) -> None:
    folder = visible_path(str(done.folder))
    if not done.hooks:
        click.echo(f"{folder}: there are none to remove", err=True)
        return
    beside = f"; others stay: {', '.join(done.beside)}" if done.beside else ""
    click.echo(f"{folder}: {what} {', '.join(done.hooks)}{beside}", err=True)


@hook.command(
    epilog=examples("""
        hybridx hook run                   # whatever has changed
        hybridx hook run src/a.c src/b.c   # these files, deleted ones too
    """)
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--create", is_flag=True, help="Build the index if there is none.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another process that writes the index.",
)
@json_option
@index_options
@click.pass_context
def run(
    context: click.Context,
    files: tuple[str, ...],
    create: bool,
    wait: float,
    as_json: bool,
    quiet: bool,
    index_dir: str | None,
) -> None:
    """Bring the index up to date, for a hook.

    The index is that of the nearest folder at or above the working directory that has one. A hook
    must not stand in the way: without an index, with one that is busy, broken or of another
    version, nothing is done, a line says so, and the exit code is 0.
    """
    try:
        outcome = _run(files, create=create, wait=wait, index_dir=index_dir)
    except _STOPS:
        raise
    except BaseException as error:  # a panic is no Exception
        if context.obj is not None and context.obj.debug:
            raise
        complain(f"the index is not up to date: {_reason(error)}")
        if as_json:
            print_json({"updated": False, "reason": _reason(error), "report": None})
        return
    if as_json:
        report = outcome.report.to_json() if outcome.report else None
        print_json({"updated": report is not None, "reason": outcome.reason, "report": report})
    elif outcome.report is None:
        if outcome.is_wanting or not quiet:
            complain(outcome.reason)
    elif not quiet:
        click.echo(_summary(outcome), err=True)


def _run(files: Sequence[str], *, create: bool, wait: float, index_dir: str | None) -> Outcome:
    from hybridx._core import CancelToken  # loads the extension
    from hybridx.hook import Outcome
    from hybridx.layout import indexed_root

    here = Path.cwd()
    if index_dir is not None and (owner := Path(index_dir, "root")).is_file():
        root = Path(os.fsdecode(owner.read_bytes()))
    else:
        root = indexed_root(here) or (_top(here) if create else here)
    settings = Settings.load(str(root), {"index_dir": index_dir})
    paths = None
    if files:
        paths = []
        for name in files:
            try:
                paths += spell([name], str(root))
            except UsageError as error:
                complain(str(error))
        if not paths:
            return Outcome(None, "none of the files is below the root of the index")
    cancel = CancelToken()

    def work() -> Outcome:
        from hybridx.hook import run as bring_up_to_date

        return bring_up_to_date(
            resolved(root), settings, files=paths, wait=wait, create=create, cancel=cancel
        )

    return interruptible(work, cancel, kept=True)


def _top(here: Path) -> Path:
    """The top of the working tree that `here` lies in; `here`, if it lies in none."""
    for folder in (here, *here.parents):
        if (folder / ".git").exists():
            return folder
    return here


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        name = visible_path(os.fsdecode(error.filename)) if error.filename else ""
        return f"{name}: {error.strerror or error}" if name else error.strerror or str(error)
    if isinstance(error, HybridxError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _summary(outcome: Outcome) -> str:
    report = outcome.report
    if report is None:
        return outcome.reason
    files = report.files
    changed = files.added + files.modified + files.removed + files.moved
    what = f"{plural(changed, 'file')} changed" if changed else "no change"
    failed = f", {plural(files.failed, 'file')} failed" if files.failed else ""
    return f"hybridx: {what}{failed} ({seconds(report.seconds.total)})"
