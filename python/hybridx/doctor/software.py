"""The software around: versions, settings, git. Nothing native is loaded here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib import metadata
from typing import TYPE_CHECKING

from hybridx.config import Settings, unknown_variables
from hybridx.doctor.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PACKAGES = ("hybridx", "lancedb", "pyarrow", "numpy", "click", "rich", "huggingface_hub")
_RUNTIMES = ("onnxruntime-gpu", "onnxruntime")
"""Two distributions of one package: whichever was installed last has overwritten the other."""

_HOOKS = ("post-checkout", "post-merge", "post-commit", "post-rewrite", "pre-commit")
_GIT_SECONDS = 5.0


def versions() -> list[Finding]:
    """The versions of hybridx and of what it is made of."""
    there = {name: _version(name) for name in (*_PACKAGES, *_RUNTIMES)}
    runtimes = [name for name in _RUNTIMES if there[name]]
    missing = [name for name in _PACKAGES if not there[name]]
    missing += [] if runtimes else ["onnxruntime"]
    said = ", ".join(f"{name} {version}" for name, version in there.items() if version)
    if missing:
        advice = "install hybridx anew: pip install --force-reinstall hybridx"
        return [Finding("versions", "problem", f"{said}; missing: {', '.join(missing)}", advice)]
    if len(runtimes) > 1:
        advice = "the two overwrite each other: pip uninstall both, then reinstall the one you want"
        return [Finding("versions", "warning", said, advice)]
    return [Finding("versions", "ok", said)]


def settings(root: Path, environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """The settings that are not as they come, and variables that nothing reads."""
    found = [
        Finding("settings", "warning", f"{name} is set but is no setting{near}", f"unset {name}")
        for name, near in unknown_variables(environ)
    ]
    loaded = Settings.load(root, {}, environ=environ)
    changed = [
        f"{key} = {getattr(loaded, key)} ({loaded.origin(key)})"
        for key in Settings.keys()  # noqa: SIM118 - a method of its own
        if loaded.origin(key) != "default"
    ]
    return [Finding("settings", "ok", "; ".join(changed) or "all defaults"), *found]


def git(root: Path) -> list[Finding]:
    """Which git there is, and which hooks of the repository call hybridx."""
    program = shutil.which("git")
    if program is None:
        return [Finding("git", "ok", "not installed; only --changed-since REVISION needs it")]
    said = _asked(program, root, "--version").removeprefix("git version ")
    # `--git-path` knows of worktrees and core.hooksPath.
    hooks = _asked(program, root, "rev-parse", "--git-path", "hooks")
    if not hooks:
        return [Finding("git", "ok", f"{said}; {root} is in no repository")]
    installed = [name for name in _HOOKS if _calls_us(root / hooks / name)]
    what = f"hooks: {', '.join(installed)}" if installed else "no hook of the repository calls it"
    return [Finding("git", "ok", f"{said}; {what}")]


def _calls_us(hook: Path) -> bool:
    try:
        return b"hybridx" in hook.read_bytes() and os.access(hook, os.X_OK)
    except OSError:
        return False


def _asked(program: str, root: Path, *arguments: str) -> str:
    """What git prints; empty if it does not like it."""
    done = subprocess.run(  # noqa: S603 - the arguments are ours
        [program, "-C", os.fspath(root), *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_GIT_SECONDS,
        check=False,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
    )
    said = done.stdout.decode(errors="replace").strip()
    return re.sub(r"\s+", " ", said) if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
