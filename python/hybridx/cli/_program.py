"""What becomes of errors, of Ctrl-C and of a reader that goes away: the one way out.

An error is one or two lines on stderr, what is wrong and what to do, and exit code 2; a traceback
is shown with `--debug` only.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

from hybridx.cli._help import COMMANDS, write_commands
from hybridx.cli._text import visible, visible_path
from hybridx.errors import (
    Cancelled,
    CorruptIndexError,
    HybridxError,
    IndexBusyError,
    IndexFormatError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FAILED = 2
INTERRUPTED = 130
READER_GONE = 141
"""What a shell reports for a program that SIGPIPE ended."""

_HINTS: tuple[tuple[type[Exception], str], ...] = (
    (IndexBusyError, "wait for it, or longer: --lock-timeout SECONDS (also HYBRIDX_LOCK_TIMEOUT)"),
    (CorruptIndexError, "see what is wrong: hybridx verify; mend it: hybridx verify --repair"),
    (IndexFormatError, "another version of hybridx made it; build it anew: hybridx index --full"),
)
_KEPT = "interrupted; everything committed so far is kept"
_LONGEST = 600
"""Characters of an error that are shown; some libraries quote whole queries."""


class Interrupted(Exception):  # noqa: N818 - a wish, no error
    """Ctrl-C.

    `running` tells that a thread is still at work and must not be waited for, `kept` that the
    work was of the kind that commits as it goes.
    """

    def __init__(self, *, running: bool, kept: bool) -> None:
        super().__init__()
        self.running = running
        self.kept = kept


@dataclass(slots=True)
class State:
    """What all commands of one call share, as `Context.obj`."""

    debug: bool
    running: bool = False
    """Whether a thread is still at work that must not be waited for."""


class Program(click.Group):
    """The group of all commands, with our own ending."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command; ends the process with its exit code unless `standalone_mode` is off."""
        # Or NumPy starts threads that spin, for products of matrices that nobody here asks for.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        state = State(debug=os.environ.get("HYBRIDX_DEBUG", "") not in ("", "0"))
        extra.setdefault("obj", state)
        # A name that stdout's encoding cannot show is escaped, never an error.
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

        def run() -> Any:
            return super(Program, self).main(
                args,
                prog_name,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )

        if not standalone_mode:
            return run()
        code = _ended(run, state)
        if state.running:
            leave(code)
        sys.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted({*COMMANDS, *self._others})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, whose file is only loaded now; `None` if there is none."""
        if cmd_name in COMMANDS:
            return self.load(cmd_name)
        return self._others.get(cmd_name)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Adds a command that has no file of its own."""
        self._others[name or cmd.name or ""] = cmd

    @property
    def commands(self) -> dict[str, click.Command]:
        """All commands by name. All files are loaded for it: nothing that runs one asks for it."""
        return {**{name: self.load(name) for name in COMMANDS}, **self._others}

    @commands.setter
    def commands(self, given: Mapping[str, click.Command]) -> None:
        """What click begins with: nothing."""
        self._others = dict(given)

    @staticmethod
    def load(name: str) -> click.Command:
        """The command of that name; there is one."""
        from importlib import import_module

        command: click.Command = getattr(import_module(f"hybridx.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands by what they are for."""
        names = self.list_commands(ctx)
        found = ((name, self.get_command(ctx, name)) for name in names)
        write_commands(formatter, [(name, each) for name, each in found if each is not None])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command of `ctx`; what it returns is no exit code."""
        try:
            super().invoke(ctx)
        except BrokenPipeError as error:
            # click would make it exit code 1, which means something else here.
            raise _ReaderGone from error


class _ReaderGone(Exception):  # noqa: N818 - nothing is wrong
    pass


def _ended(run: Any, state: State) -> int:
    """The exit code of `run`, after saying what went wrong."""
    code = FAILED
    try:
        try:
            code = run() or 0
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except (_ReaderGone, BrokenPipeError):
        _drop_stdout()
        return READER_GONE
    except Interrupted as stop:
        complain(_KEPT if stop.kept else "interrupted")
        if stop.running:
            leave(INTERRUPTED)
        return INTERRUPTED
    except (Cancelled, click.Abort, KeyboardInterrupt) as stop:
        complain(_KEPT if isinstance(stop, Cancelled) else "interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        _explain_usage(error)
        return FAILED
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - the last resort; a panic is no Exception
        if state.debug:
            traceback.print_exc()
        else:
            _explain(error)
        if isinstance(error, OSError):
            _drop_stdout()  # in case it was stdout that failed: Python flushes it once more
        return FAILED
    return code


def complain(message: str, hint: str = "") -> None:
    """Writes one or two lines to stderr: what is wrong, and what to do."""
    message = " ".join(message.split())
    if len(message) > _LONGEST:
        message = message[:_LONGEST] + " …"
    with contextlib.suppress(OSError):
        click.echo(visible(f"hybridx: {message}"), err=True)
        if hint:
            click.echo(visible(f"  {hint}"), err=True)


def _explain(error: BaseException) -> None:
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        name = error.filename
        # The name of a file may be anything; a number is a descriptor and says nothing.
        known = isinstance(name, (str, bytes)) and name
        complain(f"{visible_path(os.fsdecode(name))}: {reason}" if known else reason)
    elif isinstance(error, HybridxError):
        hint = next((text for kind, text in _HINTS if isinstance(error, kind)), "")
        complain(str(error) or type(error).__name__, hint)
    else:
        name = type(error).__name__
        complain(
            f"internal error: {name}: {error}", "run it again with --debug and report what it shows"
        )


def _explain_usage(error: click.ClickException) -> None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"see {context.command_path} --help" if context is not None else ""
    complain(error.format_message(), hint)


def _drop_stdout() -> None:
    """Points stdout nowhere, or Python would try, and complain, once more while it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def end(code: int) -> NoReturn:
    """Ends the process as `sys.exit`, but for taking Python's modules and libraries apart.

    That is a tenth of a second where LanceDB is loaded. All work is done and all files are closed.
    """
    if sys.gettrace() or sys.getprofile() or sys.flags.inspect or _has_threads():
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - or os._exit would skip them
    leave(code)


def _has_threads() -> bool:
    """Whether Python would wait for threads before it ends."""
    main = threading.main_thread()
    return any(each is not main and not each.daemon for each in threading.enumerate())


def leave(code: int) -> NoReturn:
    """Ends the process now. Safe at any moment: a run that is cut short loses no commit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)
