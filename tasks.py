"""The task runner: `python3 tasks.py TASK`. It needs Python 3.11, pip and a Rust toolchain.

    test    build, then run the tests of both languages (arguments go to pytest)
    lint    rustfmt, clippy, ruff, mypy and the stub check; changes nothing
    format  rustfmt and ruff, in place
    count   no hot loop of the core takes more instructions than before (arguments go to
            benches/instructions.py; without valgrind nothing is checked)
    ci      lint, count, then test: what has to pass before a change lands
    slow    the tests that take minutes
    bench   the criterion benches of the core (arguments go to cargo bench); `bench --table CACHE`
            and what benches/table.py takes: every row of the table of benches/README.md anew
    model   make the bundled model anew (arguments go to models/make.sh)
    wheel   build a wheel for this machine into dist/
    wheels  what is published, into dist/: manylinux wheels for x86_64 and aarch64, and the sdist
    notes   the release notes of a version, from CHANGELOG.md
    release may the version in Cargo.toml go out? Licences and changelog, then `wheels`
    doors   try every way in as a new user would, with the wheel in dist/

All but `count`, `wheel`, `notes` and `doors` work in `.venv`, which is made when it is missing.
Cargo always builds for release, so that extension, tests and lints share one build of every
dependency.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")


def run(*command: str | Path) -> None:
    """Runs a command at the root, with the tools of `.venv` first; ends with its exit code."""
    print("+", *command, file=sys.stderr, flush=True)
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(VENV),
        "PYO3_PYTHON": str(PYTHON),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def make_venv() -> None:
    """Makes `.venv`, if it is missing."""
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)


def setup() -> None:
    """Builds hybridx and its development tools into `.venv`."""
    make_venv()
    run(PYTHON, "-m", "pip", "install", "--quiet", "--editable", ".[dev]")


def test(*arguments: str) -> None:
    """Runs all fast tests."""
    setup()
    run("cargo", "test", "--release", "--quiet", "--package", "hybridx-core")
    workers = min(os.cpu_count() or 1, 8)
    # A file's tests stay together: they share what they have built.
    run(PYTHON, "-m", "pytest", f"--numprocesses={workers}", "--dist=loadfile", *arguments)


def lint() -> None:
    """Checks everything that can be checked without running the product."""
    setup()
    run("cargo", "fmt", "--all", "--check")
    run("cargo", "clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings")
    run(PYTHON, "-m", "ruff", "check")
    run(PYTHON, "-m", "ruff", "format", "--check")
    run(PYTHON, "-m", "mypy")
    run(PYTHON, "-m", "mypy.stubtest", "hybridx._core")
    run(PYTHON, "tools/licences.py", "--check")


def format_() -> None:
    """Formats both languages."""
    setup()
    run("cargo", "fmt", "--all")
    run(PYTHON, "-m", "ruff", "check", "--fix")
    run(PYTHON, "-m", "ruff", "format")


def count(*arguments: str) -> None:
    """Counts instructions."""
    run(sys.executable, "benches/instructions.py", *(arguments or ["--check"]))


def ci() -> None:
    """Lint, count, then test."""
    lint()
    count()
    test()


def slow() -> None:
    """Runs the tests that take minutes."""
    test("-m", "slow", "--numprocesses=0")


def bench(*arguments: str) -> None:
    """Runs the core's benches, or fills the table."""
    if arguments[:1] == ("--table",):
        setup()
        run(PYTHON, "benches/table.py", *arguments[1:])
        return
    run("cargo", "bench", "--package", "hybridx-core", *arguments)


def model(*arguments: str) -> None:
    """Makes the bundled model."""
    setup()
    run(PYTHON, "-m", "pip", "install", "--quiet", "--requirement", "models/requirements.txt")
    run("sh", "models/make.sh", *arguments)


def wheel() -> None:
    """Builds a wheel."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "dist", ".")


def wheels(*arguments: str) -> None:
    """Builds what is published."""
    import tomllib  # an older Python gets as far as the message about it

    make_venv()
    with (ROOT / "pyproject.toml").open("rb") as file:
        tools = tomllib.load(file)["project"]["optional-dependencies"]["release"]
    run(PYTHON, "-m", "pip", "install", "--quiet", *tools)
    run(PYTHON, "tools/wheels.py", *arguments)


def notes(*arguments: str) -> None:
    """Prints the release notes."""
    run(sys.executable, "tools/notes.py", *arguments)


def release() -> None:
    """Builds a release, if nothing speaks against it."""
    notes("--check")
    run(sys.executable, "tools/licences.py", "--check")
    wheels()


def doors(*arguments: str) -> None:
    """Tries every way in."""
    run(sys.executable, "tools/doors.py", *arguments)


TASKS = {
    "test": test,
    "lint": lint,
    "format": format_,
    "count": count,
    "ci": ci,
    "slow": slow,
    "bench": bench,
    "model": model,
    "wheel": wheel,
    "wheels": wheels,
    "notes": notes,
    "release": release,
    "doors": doors,
}


def main() -> None:
    """Runs the task named on the command line."""
    name, *arguments = sys.argv[1:] or ["help"]
    task = TASKS.get(name)
    if task is None:
        print(__doc__)
        sys.exit(0 if name in {"help", "--help", "-h"} else 2)
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever python3 is
        sys.exit("hybridx needs Python 3.11 or later")
    task(*arguments)


if __name__ == "__main__":
    main()
