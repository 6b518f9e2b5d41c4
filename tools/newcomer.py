"""A new user's machine in a folder: an empty environment, an empty home, a git repository.

Nothing of the caller's reaches the programs that run there but the way to them: no variables of
Python, git or hybridx, no configuration, no cache but pip's downloads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent

# What the repository is made of: this project's own source in several languages.
# Not of tools/, where the words stand that are searched for once they were saved.
SOURCE = ("python", "rust", "tests", "benches", "models", "ARCHITECTURE.md", "CONTRIBUTING.md")
NOT_SOURCE = shutil.ignore_patterns("*.so", "__pycache__", ".hybridx", "*.onnx", "target")

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


class DoorError(Exception):
    """A door did not open; the arguments, as a text, say what was seen."""

    def __str__(self) -> str:
        """All arguments."""
        return " ".join(str(each) for each in self.args)


def demand(truth: object, *seen: object) -> None:
    """Raises DoorError, with what was seen, unless `truth` holds."""
    if not truth:
        raise DoorError(*seen)


class Newcomer:
    """The machine; `project` is a git repository with one commit."""

    def __init__(self, folder: Path) -> None:
        """Makes all of it but the project in `folder`, which is empty."""
        self.folder = folder
        self.home = folder / "home"
        self.venv = folder / "venv"
        self.bin = self.venv / "bin"
        self.project = folder / "project"
        self.home.mkdir()
        venv.create(self.venv, with_pip=True)
        self.variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.variables |= {
            name: each for name, each in os.environ.items() if name.startswith("PIP_")
        }
        self.variables["PATH"] = f"{self.bin}{os.pathsep}{self.variables.get('PATH', os.defpath)}"
        self.variables |= {
            "HOME": str(self.home),
            "VIRTUAL_ENV": str(self.venv),
            "TERM": "dumb",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache/pip")),
        }

    def make_project(self) -> None:
        """Makes the repository."""
        self.project.mkdir()
        for name in SOURCE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.project / name, ignore=NOT_SOURCE)
            else:
                shutil.copy(source, self.project)
        (self.project / ".gitignore").write_text("*.log\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "A Newcomer")
        self.git("config", "user.email", "newcomer@example.org")
        self.commit("First")

    def write(self, path: str, text: str) -> Path:
        """Writes a file of the project."""
        target = self.project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def run(
        self,
        *command: str | Path,
        code: int = 0,
        cwd: Path | None = None,
        timeout: float = 300,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program in the project; raises DoorError if it ends with anything but `code`."""
        line = [str(part) for part in command]
        try:
            done = subprocess.run(
                line,
                cwd=cwd or self.project,
                env={**self.variables, **(variables or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DoorError(shown(line), f"did not end within {timeout:.0f} s") from None
        output = f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
        if done.returncode != code:
            raise DoorError(shown(line), f"ended with {done.returncode}, not {code}:\n{output}")
        demand("Traceback (most recent call last)" not in done.stderr, shown(line), output)
        return done

    def hybridx(
        self, *arguments: str | Path, code: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs the installed program."""
        return self.run(self.bin / "hybridx", *arguments, code=code, variables=variables)

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        """Runs the program with `--json` and returns what it says."""
        return json.loads(self.hybridx(*arguments, "--json", code=code).stdout)

    def python(self, script: str, *arguments: str | Path, code: int = 0) -> str:
        """Runs a script with the installed package; returns what it prints."""
        return self.run(self.bin / "python", "-c", script, *arguments, code=code).stdout

    def pip(self, *arguments: str | Path) -> None:
        """Runs pip of the environment."""
        self.run(self.bin / "python", "-m", "pip", *arguments, cwd=self.folder, timeout=900)

    def git(self, *arguments: str) -> str:
        """Runs git in the project."""
        return self.run("git", *arguments).stdout

    def commit(self, message: str) -> str:
        """Commits all there is; returns what git and its hooks said."""
        self.git("add", "--all")
        done = self.run("git", "commit", "--quiet", "--message", message)
        return done.stdout + done.stderr

    def found(self, word: str) -> list[str]:
        """The paths of what a search for a quoted word finds now."""
        line = ["search", f'"{word}"', ".", "--mode", "lexical", "--json"]
        command = [str(self.bin / "hybridx"), *line]
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        demand(done.returncode in (0, 1), shown(line), done.stderr)
        return [hit["path"] for hit in json.loads(done.stdout)["hits"]]

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The program as a process that goes on until the block ends; killed if it then lives."""
        log = self.folder / "running.log"
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                [str(self.bin / "hybridx"), *arguments],
                cwd=self.project,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
            )
            try:
                yield process
            except DoorError as error:
                raise DoorError(error, "\n", log.read_text(encoding="utf-8")[-1500:]) from None
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()

    def stopped(self, process: subprocess.Popen[str], number: signal.Signals) -> int:
        """Sends a signal and returns the exit code."""
        process.send_signal(number)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            raise DoorError(f"still runs 20 s after {number.name}") from None


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> float:
    """Waits for a condition; returns the seconds it took, raises DoorError if it never holds."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise DoorError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - start


def shown(line: list[str]) -> str:
    """A command as one would type it."""
    return " ".join(
        [Path(line[0]).name, *(part if "\n" not in part else "..." for part in line[1:])]
    )


def built_wheel(named: str | None) -> Path:
    """The wheel to try: the one named, or the newest for this machine in dist/.

    One is built if there is none.
    """
    if named is not None:
        path = Path(named).resolve()
        if not path.is_file():
            sys.exit(f"doors: there is no {path}")
        return path
    machine = os.uname().machine
    pattern = f"hybridx-*linux*_{machine}.whl"
    if not any((ROOT / "dist").glob(pattern)):
        subprocess.run([sys.executable, "tasks.py", "wheel"], cwd=ROOT, check=True)
    wheels = sorted((ROOT / "dist").glob(pattern), key=lambda path: path.stat().st_mtime)
    if not wheels:
        sys.exit(f"doors: no wheel for {machine} came into dist/")
    return wheels[-1]
