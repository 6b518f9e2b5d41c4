"""Which files changed since a moment or a revision."""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import datetime
from typing import TYPE_CHECKING

from hybridx import _core
from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,5})\s*([smhdw])")


def changed_since(root: Path, paths: Iterable[str], when: str) -> set[str]:
    """Those of `paths`, relative to `root`, that changed since `when`.

    `when` is a time that passed (`90m`, `2d`, `1w`), a date or time as in ISO 8601 (local unless it
    says otherwise), both by the files' modification times; or a revision that git knows: then the
    files that differ from it, untracked ones among them.

    Raises:
        UsageError: `when` is none of these.
    """
    moment = _moment(when.strip())
    if moment is None:
        changed = _differ_from(root, when.strip())
        return changed.intersection(paths)
    found = set()
    for path in paths:
        try:
            file = root / os.fsdecode(_core.decode_path(path))
            if file.stat().st_mtime >= moment:
                found.add(path)
        except OSError:
            continue
    return found


def _moment(when: str) -> float | None:
    """Seconds since the epoch; `None` if `when` is no time."""
    duration = _DURATION.fullmatch(when)
    if duration:
        return time.time() - int(duration[1]) * _UNITS[duration[2]]
    try:
        return datetime.fromisoformat(when).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _differ_from(root: Path, revision: str) -> set[str]:
    said = f"--changed-since {revision}: no time (2d, 2026-01-31) and no revision"
    if not revision or revision.startswith("-"):
        raise UsageError(said)
    commit = _git(root, said, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    revision = commit.decode("ascii", "replace").strip()
    changed = _git(root, said, "diff", "--name-only", "-z", "--relative", revision, "--")
    untracked = _git(root, said, "ls-files", "--others", "--exclude-standard", "-z")
    return {_core.encode_path(path) for path in (changed + untracked).split(b"\0") if path}


def _git(root: Path, said: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and a revision is no option
            ["git", "-C", root, *arguments],  # noqa: S607 - that of the user
            capture_output=True,
            check=True,
            timeout=60,
        )
    except FileNotFoundError as error:
        raise UsageError(f"{said}: git is not installed") from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"{said} ({last[0] if last else 'git failed'})") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError("--changed-since: git did not answer within a minute") from error
    return done.stdout
