"""The program as a process: what it imports, and how it ends when it is stopped."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hybridx.cli._run import GRACE

HEAVY = ("lancedb", "onnxruntime", "pyarrow", "numpy", "rich", "platformdirs")
"""The last two are light by comparison, but `--help` needs none of them either."""

FAKE = """
import signal, sys, time, types
from types import SimpleNamespace
signal.signal(signal.SIGINT, signal.default_int_handler)
from hybridx.errors import Cancelled

class Index:
    @classmethod
    def open(cls, path, *, settings=None):
        return cls()
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    def update(self, *, progress, cancel, **_):
        from hybridx.types import Progress
        if progress:
            progress(Progress("index", 5, 10, 1000, 3, 2))
            time.sleep(0.3)
        print("working", file=sys.stderr, flush=True)
        while not (cancel.cancelled and MODE == "obeys"):
            time.sleep(0.01)
        raise Cancelled("cancelled")
    def diff(self):
        print("working", file=sys.stderr, flush=True)
        if MODE == "stuck":
            time.sleep(60)
        names = [f"file-{n}.py" for n in range(100_000 if MODE == "many" else 1)]
        changes = SimpleNamespace(added=names, modified=[], removed=[], moved=[])
        return SimpleNamespace(changes=changes, seconds=0.0)

module = types.ModuleType("hybridx.api")
module.Index = Index
sys.modules["hybridx.api"] = module
from hybridx.cli import main
main()
"""


def start(
    mode: str,
    *args: str,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    environ: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """The program over an API that works in the way of `mode`."""
    return subprocess.Popen(
        [sys.executable, "-c", f"MODE = {mode!r}\n{FAKE}", *args],
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(environ or {})},
    )


def await_work(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    assert process.stderr.readline() == b"working\n"


def module(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hybridx", *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "body",
    [
        "import hybridx.cli",
        "import hybridx.__main__",
        "from hybridx.cli import cli; cli.main(['--help'], standalone_mode=False)",
        "from hybridx.cli import cli; cli.main(['index', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported_for_help(body: str) -> None:
    code = f"import sys; {body}; print('loaded', *(n for n in {HEAVY!r} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1].strip() == "loaded"


def test_python_m_is_the_same_program(tmp_path: Path) -> None:
    done = module("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: hybridx ")
    for command in ("index", "search", "diff", "status", "models", "config", "clean"):
        assert f"\n  {command}" in done.stdout
    assert module("--version", cwd=tmp_path).stdout.startswith("hybridx 0.")


def test_usage_errors_of_the_process(tmp_path: Path) -> None:
    done = module("index", "--jbos", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1] == "  see hybridx index --help"


def test_config_show_of_no_folder_is_a_usage_error(tmp_path: Path) -> None:
    done = module("config", "show", "none", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "none: there is no such folder" in done.stderr


def test_config_show_reads_the_folder_given(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/hybridx.toml").write_text("jobs = 3\n")
    done = module("config", "show", "sub", cwd=tmp_path)
    assert done.returncode == 0
    assert ["jobs", "3", "hybridx.toml"] in [line.split() for line in done.stdout.splitlines()]


def test_ctrl_c_cancels_and_says_what_is_kept() -> None:
    process = start("obeys", "index")
    await_work(process)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - before < GRACE  # or the work was not asked, only left behind
    assert process.returncode == 130
    assert out == b""
    assert err == b"hybridx: interrupted; everything committed so far is kept\n"


def test_work_that_does_not_obey_is_left_behind_within_two_seconds() -> None:
    process = start("stubborn", "index")
    await_work(process)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - before < 2.5  # 2 and some for a busy machine
    assert process.returncode == 130
    assert err == b"hybridx: interrupted; everything committed so far is kept\n"


def test_a_second_ctrl_c_does_not_wait() -> None:
    process = start("stubborn", "index")
    await_work(process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - before < 1.0
    assert process.returncode == 130


def test_ctrl_c_ends_what_only_reads_at_once() -> None:
    process = start("stuck", "diff")
    await_work(process)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - before < 1.0
    assert process.returncode == 130
    assert err == b"hybridx: interrupted\n"


@pytest.mark.parametrize("mode", ["many", "one"])
def test_a_reader_that_goes_away_ends_it_quietly(mode: str) -> None:
    process = start(mode, "diff", "--quiet")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 141
    assert err == b"working\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        process = start("one", "diff", "--quiet", stdout=full.fileno())
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert err == b"working\nhybridx: No space left on device\n"


def test_a_name_the_locale_cannot_show_is_escaped() -> None:
    code = "from hybridx.cli import cli\nfrom hybridx.cli import clean\nimport click\n"
    code += "@cli.command()\ndef say():\n    click.echo('\\u03bb')\ncli.main(['say'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        timeout=60,
        check=True,
    )
    assert done.stdout == b"\\u03bb\n"


def on_terminal(mode: str, *args: str, **environ: str) -> str:
    """What the program writes to stderr if that is a terminal, stopped while it works."""
    ours, theirs = pty.openpty()
    # Nothing is drawn where CI is set.
    environ = {"TERM": "xterm", "COLUMNS": "120", "CI": "", **environ}
    process = start(mode, *args, stderr=theirs, environ=environ)
    os.close(theirs)
    written = b""
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor
        while True:
            try:
                data = terminal.read(65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not data:
                break
            written += data
            if b"working" in data:
                process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    return written.decode()


def test_progress_is_drawn_on_a_terminal_and_cleared() -> None:
    seen = on_terminal("obeys", "index")
    assert "5 of 10 files, 1.0 kB" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is back
    assert seen.rstrip().endswith("is kept")


def test_the_cursor_comes_back_even_if_the_work_is_left_behind() -> None:
    seen = on_terminal("stubborn", "index")
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")


def test_no_progress_when_quiet_or_on_a_dumb_terminal() -> None:
    assert "files" not in on_terminal("obeys", "index", "--quiet")
    assert "files" not in on_terminal("obeys", "index", TERM="dumb")


def test_no_colour_is_honoured() -> None:
    assert "\x1b[3" in on_terminal("obeys", "index")
    assert "\x1b[3" not in on_terminal("obeys", "index", NO_COLOR="1")
