"""Git hooks that keep the index up to date: put among those that are there, and taken out again.

A hook that is a shell script gets a marked block below its first line, where no `exit` further
down keeps it from running. Any other hook (of another language, a link, one that is switched off)
is moved aside as it is and called by ours. Either way it does what it did, and is byte by byte what
it was once the block is taken out.

The block starts `hybridx hook run` in the background and is done: git waits for nothing and hears
of no failure.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hybridx.errors import HybridxError, UsageError

HOOKS = ("post-checkout", "post-merge", "post-commit", "post-rewrite")
"""After each of them files may have changed. `git stash`, `git reset` and `git am` call none."""

KEPT = ".before-hybridx"
"""What follows the name of a hook that was moved aside."""

_LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
"""What git tells its hooks of one repository (`git rev-parse --local-env-vars`)."""

_BEGIN = b"# >>> hybridx >>>\n"
_END = b"# <<< hybridx <<<\n"
_BLOCK = re.compile(re.escape(_BEGIN) + b".*?" + re.escape(_END), re.DOTALL)
_OWN = b"#!/bin/sh\n# Made by `hybridx hook install`.\n"
_CALL_KEPT = f"""\
if [ -x "$0{KEPT}" ]; then exec "$0{KEPT}" "$@"; fi
""".encode()

_SHELL = re.compile(rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-S[ \t]*)?)?(?:\S*/)?(?:ba|da|z|k|a)?sh\b")

_BODY = """\
# Brings the search index up to date; `hybridx hook uninstall` takes these lines out.
(
{unless}  if [ -x {python} ]; then exec {python} -P -m hybridx hook run{options}; fi
  exec hybridx hook run{options}
) {ending}
"""
_BACKGROUND = "</dev/null >/dev/null 2>&1 &"
_FOREGROUND = "</dev/null || :"

_UNLESS = {
    # In a rebase of many commits it would run once for each; `post-rewrite` follows.
    "post-commit": """\
  if [ -d "$(git rev-parse --git-dir)/rebase-merge" ]; then exit 0; fi
""",
    # `post-commit` went before.
    "post-rewrite": """\
  if [ "$1" = amend ]; then exit 0; fi
""",
}


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of the hooks of a repository."""

    folder: Path
    hooks: tuple[str, ...]
    """Those that were written or taken out."""
    beside: tuple[str, ...]
    """Those of them that are there besides ours."""


def install(path: Path, *, hooks_path: bool = False, foreground: bool = False) -> Installed:
    """Puts the hooks into the repository that `path` lies in, or makes those of ours anew.

    Args:
        path: a folder of the working tree.
        hooks_path: also where `core.hooksPath` says, which other repositories may share.
        foreground: git waits until the index is up to date, and shows what is said.

    Raises:
        UsageError: there is no repository, no working tree, or something is in the way.
        OSError: a hook cannot be written.
    """
    folder = hooks_folder(path, hooks_path=hooks_path)
    plans = [(folder / name, _planned(folder / name)) for name in HOOKS]
    folder.mkdir(parents=True, exist_ok=True)
    beside = []
    for hook, way in plans:
        block = _block(hook.name, foreground=foreground)
        if way == "aside":
            hook.rename(_kept(hook))
        if way in ("new", "aside"):
            _write(hook, _OWN + block + (_CALL_KEPT if way == "aside" else b""), 0o755)
        else:
            content = hook.read_bytes()
            if _BLOCK.search(content):
                changed = _BLOCK.sub(lambda _: block, content, count=1)  # noqa: B023 - used at once
            else:
                first, newline, rest = content.partition(b"\n")
                changed = first + newline + block + rest
            _write(hook, changed, stat.S_IMODE(hook.stat().st_mode))
        if _BLOCK.sub(b"", hook.read_bytes(), count=1) != _OWN:
            beside.append(hook.name)
    return Installed(folder, HOOKS, tuple(beside))


def uninstall(path: Path, *, hooks_path: bool = False) -> Installed:
    """Takes the hooks out again; what else was there is as it was.

    Raises:
        UsageError: there is no repository or no working tree.
        OSError: a hook cannot be written.
    """
    folder = hooks_folder(path, hooks_path=hooks_path)
    gone, beside = [], []
    for name in HOOKS:
        hook = folder / name
        if not hook.is_file() or not _BLOCK.search(content := hook.read_bytes()):
            continue
        rest = _BLOCK.sub(b"", content, count=1)
        if rest == _OWN + _CALL_KEPT and os.path.lexists(_kept(hook)):
            _kept(hook).replace(hook)
            beside.append(name)
        elif rest in (_OWN, _OWN + _CALL_KEPT):
            hook.unlink()
        else:
            _write(hook, rest, stat.S_IMODE(hook.stat().st_mode))
            beside.append(name)
        gone.append(name)
    return Installed(folder, tuple(gone), tuple(beside))


def hooks_folder(path: Path, *, hooks_path: bool) -> Path:
    """The folder of the hooks; all worktrees of a repository share it."""
    inside = _git(path, "rev-parse", "--is-inside-work-tree")
    if inside != "true":
        raise UsageError(f"{path} is in no working tree: there are no files to be indexed")
    configured = _git(path, "config", "--get", "core.hooksPath", optional=True)
    if configured and not hooks_path:
        raise UsageError(
            f"core.hooksPath is {configured}, which other programs or repositories may use: "
            "call `hybridx hook run` there, or use --hooks-path to install there all the same"
        )
    top = _git(path, "rev-parse", "--show-toplevel")
    # Relative to the top, where git runs hooks.
    return Path(top, _git(Path(top), "rev-parse", "--git-path", "hooks"))


def _without_local_variables(environment: dict[str, str]) -> dict[str, str]:
    """An environment in which git finds the repository by the folder it runs in."""
    return {key: value for key, value in environment.items() if key not in _LOCAL_VARIABLES}


def _git(path: Path, *arguments: str, optional: bool = False) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            ["git", "-C", path, *arguments],  # noqa: S607 - the user's git
            env=_without_local_variables(dict(os.environ)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise HybridxError("there is no git on the PATH") from error
    if done.returncode and not optional:
        said = os.fsdecode(done.stderr).strip().removeprefix("fatal: ")
        raise UsageError(f"{path}: git says: {said.splitlines()[0] if said else 'nothing'}")
    return os.fsdecode(done.stdout).removesuffix("\n")


def _planned(hook: Path) -> str:
    """How ours gets in: `new`, `block`, or `aside` for one that is called by ours."""
    if not os.path.lexists(hook):
        return "new"
    if hook.is_dir():
        raise UsageError(f"{hook} is a folder")
    regular = not hook.is_symlink() and hook.is_file()
    if regular:
        content = hook.read_bytes()
        if _BLOCK.search(content):
            return "block"
        first, newline, _ = content.partition(b"\n")
        is_script = bool(newline) and not first.endswith(b"\r") and _SHELL.match(first)
        if is_script and os.access(hook, os.X_OK):
            return "block"
    if os.path.lexists(_kept(hook)):
        raise UsageError(f"{_kept(hook)} is in the way: it was moved aside before")
    return "aside"


def _kept(hook: Path) -> Path:
    return hook.with_name(hook.name + KEPT)


def _block(name: str, *, foreground: bool) -> bytes:
    # An absolute path: a graphical git client may know no PATH but the system's.
    body = _BODY.format(
        unless=_UNLESS.get(name, ""),
        python=shlex.quote(sys.executable),
        options=" --quiet" if foreground else " --quiet --wait 60",
        ending=_FOREGROUND if foreground else _BACKGROUND,
    )
    return _BEGIN + os.fsencode(body) + _END


def _write(path: Path, content: bytes, mode: int) -> None:
    """Writes a hook at once, so that git never runs half of one."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        aside.write_bytes(content)
        aside.chmod(mode)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
