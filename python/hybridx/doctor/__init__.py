"""An examination: of the machine, of what is installed, of the model, and of one index.

Whatever is broken, it ends with a list of findings: each probe is by itself, within a time, and
those that load native code are processes of their own, since a processor that lacks an instruction
ends the process that tries it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.doctor import machine, software
from hybridx.doctor.findings import Finding, failed, guarded, private

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Finding", "examine"]

_SECONDS = 10.0
"""For a probe."""
_INNER_SECONDS = 60.0
"""For one that loads a model, from a slow disk."""
_AT_ONCE = 2
_INNER = ("core", "vector store", "runtime", "model", "index")


def examine(path: str, index_dir: str | None = None) -> list[Finding]:
    """Everything that can be found out about hybridx on this machine and about the index of `path`.

    Nothing is written, but to a temporary folder. Never raises for what it finds.
    """
    root = Path(os.path.realpath(path))
    with ThreadPoolExecutor(_AT_ONCE, "hybridx-doctor") as executor:
        inner = {name: executor.submit(_inner, name, root, index_dir or "") for name in _INNER}
        near: list[tuple[str, Callable[[], list[Finding]]]] = [
            ("system", machine.system),
            ("processor", machine.cpu),
            ("cores", machine.cores),
            ("memory", machine.memory),
            ("open files", machine.open_files),
            ("versions", software.versions),
            ("settings", partial(_settings, root)),
            ("git", partial(software.git, root)),
            ("disk", partial(_disks, root, index_dir)),
            ("watches", partial(_watches, root, index_dir)),
        ]
        found = [each for name, probe in near for each in guarded(name, probe, _SECONDS)]
        for name in _INNER:
            found += inner[name].result()
    return [private(each) for each in found]


def _settings(root: Path) -> list[Finding]:
    from hybridx.errors import UsageError

    try:
        return software.settings(root)
    except (UsageError, OSError) as error:
        return [Finding("settings", "problem", str(error), "correct it; see hybridx config show")]


def _places(root: Path, index_dir: str | None) -> tuple[Path, Path]:
    """The folder of the index, or the one it would be made in, and the caches'."""
    from hybridx.config import Settings
    from hybridx.errors import UsageError

    try:
        settings = Settings.load(root, {"index_dir": index_dir})
    except (UsageError, OSError):  # told by the row of the settings
        settings = Settings()
    return settings.index_dir or settings.index_parent or root / ".hybridx", settings.cache_dir


def _disks(root: Path, index_dir: str | None) -> list[Finding]:
    folder, cache = _places(root, index_dir)
    return [
        *machine.disk(
            "index folder", folder, instead="set HYBRIDX_INDEX_DIR to a folder on a local disk"
        ),
        *machine.disk(
            "cache folder", cache, instead="set HYBRIDX_CACHE_DIR to a folder on a local disk"
        ),
    ]


def _watches(root: Path, index_dir: str | None) -> list[Finding]:
    return machine.watches(root, _places(root, index_dir)[0])


def _inner(name: str, root: Path, index_dir: str) -> list[Finding]:
    """What a probe finds in a process of its own."""
    # -P: a tree that is examined may be a stranger's, and Python would import what lies in it.
    command = [
        sys.executable or "python3",
        "-P",
        "-m",
        "hybridx.doctor.inner",
        name,
        os.fspath(root),
        index_dir,
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_INNER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [failed(name, f"no answer within {_INNER_SECONDS:g} s")]
    except OSError as error:
        return [failed(name, str(error))]
    if done.returncode < 0:
        return [_died(name, -done.returncode)]
    try:
        rows = json.loads(done.stdout.splitlines()[-1])
        return [
            Finding(row["name"], row["state"], row["value"], row["advice"] or "") for row in rows
        ]
    except (IndexError, ValueError, KeyError, TypeError):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return [Finding(name, "problem", said[-1] if said else f"ended with {done.returncode}")]


def _died(name: str, number: int) -> Finding:
    try:
        what = signal.Signals(number).name
    except ValueError:
        what = f"signal {number}"
    advice = "report it, with this list"
    if number == signal.SIGILL:
        advice = "the processor lacks an instruction that a library was built for; see processor"
    elif number == signal.SIGKILL:
        advice = "probably there was too little memory; see memory"
    return Finding(name, "problem", f"its process was ended by {what}", advice)
