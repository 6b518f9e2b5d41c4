"""Git repositories for tests: real ones, made by the real git, with no settings of the machine."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from support import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_EDITOR": "true",
    # Submodules of a test lie on the same disk.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "protocol.file.allow",
    "GIT_CONFIG_VALUE_0": "always",
}


class Repository(Tree):
    """A working tree under git."""

    env: Mapping[str, str] = {}

    @classmethod
    def made(cls, root: Path, files: Mapping[str, str | bytes] | None = None) -> Repository:
        """A new one on branch `main`; `files` are its first commit."""
        repository = cls(root, files)
        repository.git("init", "-q", "-b", "main")
        repository.git("config", "commit.gpgsign", "false")
        repository.commit("first")
        return repository

    def git(
        self,
        *args: str | Path,
        code: int = 0,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Runs git, which must end with `code`."""
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or self.root,
            env={**os.environ, **GIT, **self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done

    def commit(self, message: str, **arguments: object) -> subprocess.CompletedProcess[str]:
        """Commits all there is."""
        self.git("add", "-A")
        return self.git("commit", "-q", "--allow-empty", "-m", message, **arguments)  # type: ignore[arg-type]
