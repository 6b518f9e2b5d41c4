"""The hooks for pre-commit, run by pre-commit itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hybridx
from hybridx import _core
from repositories import GIT, Repository
from support import PROJECT, chunks, run_cli

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / ".pre-commit-hooks.yaml"

pytest.importorskip("pre_commit", reason="pre-commit is not installed")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH with a `hybridx` of this Python, and a cache of pre-commit's own."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "hybridx"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m hybridx "$@"\n')
    program.chmod(0o755)
    return {
        **GIT,
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
    }


@pytest.fixture
def manifest(tmp_path: Path) -> Repository:
    """A repository with the manifest as it is in this working tree."""
    return Repository.made(
        tmp_path / "manifest", {MANIFEST.name: MANIFEST.read_text(), "README.md": "# Hooks\n"}
    )


def run(
    *args: str | Path, cwd: Path, env: Mapping[str, str], timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", *args],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done


def with_hook(
    path: Path,
    source: str | Path,
    revision: str,
    env: Mapping[str, str],
    hook: str = "hybridx-system",
    stages: tuple[str, ...] = ("pre-commit",),
) -> Repository:
    """An indexed repository whose pre-commit calls `hook` of `source`."""
    repository = Repository.made(path, PROJECT)
    repository.env = env
    config = "repos:\n- repo: {}\n  rev: {}\n  hooks:\n  - id: {}\n    verbose: true\n"
    repository.write(".pre-commit-config.yaml", config.format(source, revision, hook))
    repository.commit("pre-commit")
    with hybridx.Index.open(path) as index:
        index.update()
    run("install", *(f"--hook-type={stage}" for stage in stages), cwd=path, env=env)
    return repository


def head(repository: Repository) -> str:
    return repository.git("rev-parse", "HEAD").stdout.strip()


def pending(root: Path) -> list[str]:
    with hybridx.Index.open(root) as index:
        changes = index.diff().changes
    return [*changes.added, *changes.modified, *changes.removed, *(new for _, new in changes.moved)]


def texts(root: Path) -> str:
    with hybridx.Index.open(root) as index:
        return "\n".join(each[-1] for each in chunks(index).values())


def test_pre_commit_takes_the_manifest(tmp_path: Path, environment: dict[str, str]) -> None:
    run("validate-manifest", MANIFEST, cwd=tmp_path, env=environment)


def test_added_changed_moved_and_deleted_files_are_indexed_by_a_commit(
    tmp_path: Path, manifest: Repository, environment: dict[str, str]
) -> None:
    repository = with_hook(tmp_path / "repo", manifest.root, head(manifest), environment)
    repository.write("new.py", "def added():\n    return 1\n")
    repository.write("src/retry.py", "def changed():\n    return 2\n")
    repository.move("docs/guide.md", "docs/moved.md")
    repository.delete("web/app.js")
    done = repository.commit("all of it")
    assert "Passed" in done.stderr + done.stdout
    assert pending(repository.root) == []
    # Nothing but a deletion: no file name is passed then.
    repository.delete("config.toml")
    repository.commit("a deletion")
    assert pending(repository.root) == []


def test_what_is_staged_is_indexed_while_unstaged_edits_are_held_back(
    tmp_path: Path, manifest: Repository, environment: dict[str, str]
) -> None:
    repository = with_hook(tmp_path / "repo", manifest.root, head(manifest), environment)
    repository.write("src/retry.py", "def as_it_is_staged():\n    return 1\n")
    repository.git("add", "src/retry.py")
    repository.write("src/retry.py", "def as_it_is_on_disk():\n    return 2\n")
    repository.write("docs/guide.md", "# Not staged at all\n")
    repository.write("untracked.py", "def untracked():\n    return 3\n")
    repository.delete("config.toml")
    repository.git("commit", "-q", "-m", "some of it")
    found = texts(repository.root)
    assert "as_it_is_staged" in found
    assert "as_it_is_on_disk" not in found
    assert "Not staged" not in found
    assert "port = 8080" in found, "the deletion is not staged, so the file was there"
    # Those are no unstaged edits: pre-commit leaves them where they are.
    assert "untracked" in found
    left = ["config.toml", "docs/guide.md", "src/retry.py"]
    assert sorted(pending(repository.root)) == left
    assert (repository.root / "src/retry.py").read_text().startswith("def as_it_is_on_disk")
    assert run_cli("hook", "run", cwd=repository.root).returncode == 0
    assert pending(repository.root) == []
    found = texts(repository.root)
    assert "as_it_is_on_disk" in found
    assert "as_it_is_staged" not in found


def test_no_commit_fails_because_the_index_is_busy_or_absent(
    tmp_path: Path, manifest: Repository, environment: dict[str, str]
) -> None:
    repository = with_hook(tmp_path / "repo", manifest.root, head(manifest), environment)
    lock = _core.Lock.acquire(repository.root / ".hybridx/lock")
    assert lock is not None
    repository.write("new.py", "def new():\n    return 1\n")
    done = repository.commit("busy", timeout=60)
    assert "the next run catches up" in done.stderr + done.stdout
    lock.release()
    assert pending(repository.root) == ["new.py"]
    shutil.rmtree(repository.root / ".hybridx")
    repository.write("new.py", "def newer():\n    return 2\n")
    done = repository.commit("absent")
    assert "hybridx index" in done.stderr + done.stdout
    assert not (repository.root / ".hybridx").exists()


def test_a_real_clone_of_this_repository_serves_other_stages_too(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    here = Repository(ROOT)
    here.env = {**environment, "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git repository")
    clone = Repository(tmp_path / "clone")
    here.git("clone", "-q", "--no-local", "--depth=1", f"file://{ROOT}", clone.root)
    stages = ("post-checkout", "post-merge")
    path = tmp_path / "repo"
    repository = with_hook(path, clone.root, head(clone), environment, stages=stages)
    repository.write("new.py", "def new():\n    return 1\n")
    repository.commit("new")
    assert pending(path) == ["new.py"], "which hook was that?"
    repository.git("checkout", "-q", "-b", "side", "HEAD~1")
    assert pending(path) == []
    repository.git("merge", "-q", "main")
    assert pending(path) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_pre_commit_builds_the_program_from_this_repository(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """Minutes: the wheel is compiled, and what it needs comes from the package index."""
    here = Repository(ROOT)
    here.env = {**environment, "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    clone = Repository(tmp_path / "clone")
    here.git("clone", "-q", "--no-local", "--depth=1", f"file://{ROOT}", clone.root)
    # The program of these tests is neither to be found nor to be imported.
    built = {**environment, "PATH": os.environ["PATH"], "PYTHONPATH": ""}
    path = tmp_path / "repo"
    repository = with_hook(path, clone.root, head(clone), built, hook="hybridx")
    run("install-hooks", cwd=path, env=built, timeout=3000)
    repository.write("new.py", "def new():\n    return 1\n")
    repository.delete("web/app.js")
    done = repository.commit("new")
    assert "2 files changed" in done.stderr + done.stdout
    assert pending(path) == []
