"""Git hooks: they keep the index true, leave others' hooks alone, and never stand in git's way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hybridx
from hybridx import _core, git_hooks, hook
from hybridx.config import Settings
from repositories import Repository
from support import PROJECT, check_refused, check_whole, generation, json_of, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHELL = '#!/bin/sh\necho "shell $*" >> ran\n'
EXISTING: dict[str, bytes] = {
    "shell": SHELL.encode(),
    "shell that ends early": (SHELL + "exit 0\n").encode(),
    "shell that becomes another program": (SHELL + "exec true\n").encode(),
    "no newline at the end": SHELL.strip().encode(),
    "env bash": b'#!/usr/bin/env bash\nset -eu\necho "bash $*" >> ran\n',
    "python": b'#!/usr/bin/env python3\nimport sys\nopen("ran", "a").write(f"{sys.argv[1:]}\\n")\n',
    "no first line": b'echo "none $*" >> ran\n',
    "only a first line": b"#!/bin/sh",
    "bytes that are no text": b'#!/bin/sh\n# \xff\xfe\necho "bytes $*" >> ran\n',
}
SILENT = {"only a first line"}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.made(tmp_path / "repo", PROJECT)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the hooks of this test call instead of Python, and a look at how they called it."""
    log, program = tmp_path / "calls", tmp_path / "the python's"
    program.write_text(f'#!/bin/sh\necho "$PWD: $*" >> "{log}"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    def seen() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    return seen


def put(repository: Repository, name: str, content: bytes, mode: int = 0o755) -> Path:
    path = repository.root / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def seen_of(path: Path) -> tuple[object, ...]:
    """All there is to see of the files of a folder."""
    found = []
    for each in sorted(path.iterdir()):
        link = each.readlink() if each.is_symlink() else None
        found.append((each.name, link, each.lstat().st_mode, each.read_bytes()))
    return tuple(found)


def pending(root: Path) -> list[str]:
    """Files whose index is not what they are."""
    with hybridx.Index.open(root) as index:
        changes = index.diff().changes
    return [*changes.added, *changes.modified, *changes.removed, *(new for _, new in changes.moved)]


def indexed(root: Path) -> int:
    with hybridx.Index.open(root) as index:
        return index.update().generation


def generation_of(root: Path) -> int:
    with hybridx.Index.open(root) as index:
        return check_whole(index).manifest.generation


@pytest.mark.parametrize("kind", EXISTING)
def test_hooks_that_are_there_run_as_before_and_stay_byte_by_byte(
    repository: Repository, calls: Callable[[], list[str]], kind: str
) -> None:
    put(repository, "post-commit", EXISTING[kind])
    folder = repository.root / ".git/hooks"
    before = seen_of(folder)
    done = git_hooks.install(repository.root, foreground=True)
    assert done.beside == ("post-commit",)
    installed = seen_of(folder)
    git_hooks.install(repository.root, foreground=True)
    assert seen_of(folder) == installed, "installing twice is not installing once"
    repository.commit("one")
    expected = f"{repository.root}: -P -m hybridx hook run --quiet"
    assert calls() == [expected]
    ran = repository.root / "ran"
    assert ran.exists() == (kind not in SILENT), "the hook that was there did not run"
    ran.unlink(missing_ok=True)
    git_hooks.uninstall(repository.root)
    assert seen_of(folder) == before
    repository.commit("two")
    assert not calls()
    assert ran.exists() == (kind not in SILENT)
    assert git_hooks.uninstall(repository.root).hooks == ()
    assert seen_of(folder) == before


def test_a_hook_that_is_switched_off_stays_off(
    repository: Repository, calls: Callable[[], list[str]]
) -> None:
    put(repository, "post-commit", SHELL.encode(), mode=0o644)
    before = seen_of(repository.root / ".git/hooks")
    git_hooks.install(repository.root, foreground=True)
    repository.commit("one")
    assert len(calls()) == 1
    assert not (repository.root / "ran").exists()
    git_hooks.uninstall(repository.root)
    assert seen_of(repository.root / ".git/hooks") == before


@pytest.mark.parametrize("relative", [True, False])
def test_what_a_link_leads_to_is_not_touched(
    repository: Repository, tmp_path: Path, calls: Callable[[], list[str]], relative: bool
) -> None:
    shared = tmp_path / "shared-hook"
    shared.write_bytes(SHELL.encode())
    shared.chmod(0o755)
    link = repository.root / ".git/hooks/post-commit"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(Path("../../..") / shared.name if relative else shared)
    before = seen_of(link.parent)
    git_hooks.install(repository.root, foreground=True)
    repository.commit("one")
    assert len(calls()) == 1
    assert (repository.root / "ran").exists()
    assert shared.read_bytes() == SHELL.encode()
    git_hooks.uninstall(repository.root)
    assert seen_of(link.parent) == before


@pytest.mark.parametrize("script", [b"#!/bin/sh\n", b"#!/usr/bin/env perl\n"])
def test_arguments_input_and_status_reach_the_hook_that_was_there(
    repository: Repository, calls: Callable[[], list[str]], script: bytes
) -> None:
    perl = b"perl" in script
    rewrite = (
        b'open(F, ">>ran"); print F "@ARGV ", <STDIN>;\n' if perl else b'echo "$*" $(cat) >> ran\n'
    )
    put(repository, "post-rewrite", script + rewrite)
    put(repository, "post-checkout", script + b"exit 3;\n")
    git_hooks.install(repository.root, foreground=True)
    repository.git("commit", "-q", "--amend", "--allow-empty", "-m", "other")
    said = (repository.root / "ran").read_text()
    assert said.startswith("amend ")
    assert len(said) > 80, "what git says on stdin did not arrive"
    # It becomes git's own.
    repository.git("checkout", "-q", "-b", "side", code=1)
    assert len(calls()) == 2


def test_what_somebody_adds_to_our_hook_stays(repository: Repository) -> None:
    git_hooks.install(repository.root)
    path = repository.root / ".git/hooks/post-commit"
    path.write_text(path.read_text() + "echo mine\n")
    git_hooks.uninstall(repository.root)
    assert path.read_text().endswith("\necho mine\n")
    assert "hybridx hook run" not in path.read_text()
    assert not (path.parent / "post-merge").exists()


def test_a_rebase_of_many_commits_starts_few_updates(
    repository: Repository, calls: Callable[[], list[str]]
) -> None:
    repository.git("checkout", "-q", "-b", "side")
    for number in range(20):
        repository.write("new.txt", f"{number}\n")
        repository.commit(f"number {number}")
    repository.git("checkout", "-q", "main")
    repository.write("other.txt", "other\n")
    repository.commit("other")
    repository.git("checkout", "-q", "side")
    git_hooks.install(repository.root, foreground=True)
    repository.git("rebase", "-q", "main")
    assert 1 <= len(calls()) <= 2
    repository.git("rebase", "-q", "-i", "--exec", "true", "HEAD~10")
    assert len(calls()) <= 2
    repository.write("new.txt", "amended\n")
    repository.git("commit", "-q", "-a", "--amend", "--no-edit")
    assert len(calls()) == 1


@pytest.mark.parametrize("scope", ["--local", "--global"])
def test_hooks_that_others_share_are_refused(
    repository: Repository, tmp_path: Path, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    config = tmp_path / "gitconfig"
    config.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    repository.git(
        "config", scope, "core.hooksPath", shared, env={"GIT_CONFIG_GLOBAL": str(config)}
    )
    check_refused(run_cli("hook", "install", repository.root), "core.hooksPath", str(shared))
    assert not list(shared.iterdir())
    assert run_cli("hook", "install", "--hooks-path", repository.root).returncode == 0
    assert {each.name for each in shared.iterdir()} == set(git_hooks.HOOKS)
    assert run_cli("hook", "uninstall", "--hooks-path", repository.root).returncode == 0
    assert not list(shared.iterdir())


def test_what_cannot_be_installed_is_one_line(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    check_refused(run_cli("hook", "install", tmp_path / "plain"), "not a git repository")
    repository.git("clone", "-q", "--bare", repository.root, tmp_path / "bare.git")
    check_refused(run_cli("hook", "install", tmp_path / "bare.git"), "no working tree")
    check_refused(run_cli("hook", "install", repository.root / ".git"), "no working tree")
    empty = {"PATH": str(tmp_path / "plain")}
    check_refused(run_cli("hook", "install", repository.root, env=empty), "no git")
    put(repository, "post-merge", EXISTING["python"])
    put(repository, "post-merge.before-hybridx", b"kept\n")
    before = seen_of(repository.root / ".git/hooks")
    check_refused(run_cli("hook", "install", repository.root), "post-merge.before-hybridx")
    assert seen_of(repository.root / ".git/hooks") == before, "half of the hooks were installed"


def test_the_index_follows_git(repository: Repository) -> None:
    root = repository.root
    indexed(root)
    said = run_cli("hook", "install", "--foreground", cwd=root / "src")
    assert said.returncode == 0, said.stderr
    repository.write("src/retry.py", "def from_a_subfolder():\n    return 1\n")
    repository.delete("web/app.js")
    repository.git("add", "-A")
    # As git itself does it, and as a script within a hook might.
    repository.git("commit", "-q", "-m", "one", cwd=root / "src")
    assert pending(root) == [], "after a commit"
    repository.git("checkout", "-q", "-b", "side", "HEAD~1")
    assert pending(root) == [], "after a checkout"
    repository.write("side.py", "def side():\n    return 2\n")
    repository.commit("side")
    repository.git("rebase", "-q", "main")
    assert pending(root) == [], "after a rebase"
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "side")
    assert pending(root) == [], "after a merge"
    repository.write("side.py", "def stashed():\n    return 3\n")
    repository.git("stash", "-q")
    repository.git("stash", "pop", "-q")
    assert pending(root) == ["side.py"], "git calls no hook for a stash; has that changed?"
    repository.commit("the next commit catches up")
    assert pending(root) == []


def test_git_does_not_wait_for_the_background(repository: Repository) -> None:
    root = repository.root
    before = indexed(root)
    assert run_cli("hook", "install", root).returncode == 0
    lock = _core.Lock.acquire(root / ".hybridx/lock")
    assert lock is not None
    repository.write("new.py", "def new():\n    return 1\n")
    # It returns although nobody can write, and with pipes that a background process would hold.
    said = repository.commit("one", timeout=20)
    assert said.stdout == said.stderr == ""
    assert generation_of(root) == before
    lock.release()
    deadline = time.monotonic() + 60
    while pending(root):
        assert time.monotonic() < deadline, "the update in the background never came"
        time.sleep(0.05)
    # Its process may still be about to end: the folder is removed after this.
    taken = _core.Lock.acquire(root / ".hybridx/lock", timeout=30)
    assert taken is not None
    taken.release()


def test_many_hooks_at_once_do_little_and_miss_nothing(repository: Repository) -> None:
    root = repository.root
    before = indexed(root)
    lock = _core.Lock.acquire(root / ".hybridx/lock")
    assert lock is not None
    command = [sys.executable, "-m", "hybridx", "hook", "run", "--json", "--wait", "60"]
    running = []
    for number in range(6):
        repository.write(f"new{number}.py", f"def new{number}():\n    return {number}\n")
        running.append(subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE))
    ended = 0
    deadline = time.monotonic() + 60
    while ended < 5 and time.monotonic() < deadline:
        ended = sum(each.poll() is not None for each in running)
        time.sleep(0.02)
    lock.release()
    said = [b"another hook" in each.communicate(timeout=60)[0] for each in running]
    assert ended == 5, "more than one hook waits for the writer"
    assert sorted(said) == [False, *[True] * 5]
    assert pending(root) == []
    assert generation_of(root) == before + 1


def test_a_watcher_is_left_the_work(repository: Repository) -> None:
    root = repository.root
    before = indexed(root)
    repository.write("new.py", "def new():\n    return 1\n")
    watching = _core.Lock.acquire(root / ".hybridx/watching")
    assert watching is not None
    said = json_of(run_cli("hook", "run", "--json", cwd=root))
    assert not said["updated"]
    assert "watches" in said["reason"]
    assert generation_of(root) == before
    watching.release()
    assert json_of(run_cli("hook", "run", "--json", cwd=root))["report"]["files"]["added"] == 1


def test_files_are_named_from_the_working_directory(repository: Repository) -> None:
    root = repository.root
    indexed(root)
    repository.write("src/retry.py", "def again():\n    return 1\n")
    repository.write("docs/guide.md", "# Another\n")
    repository.delete("src/http/pool.py")
    repository.delete("config.toml")
    done = run_cli("hook", "run", "retry.py", "http/pool.py", cwd=root / "src")
    assert done.returncode == 0, done.stderr
    assert sorted(pending(root)) == ["config.toml", "docs/guide.md"]
    done = run_cli("hook", "run", "/etc/hostname", "config.toml", cwd=root)
    assert done.returncode == 0
    assert b"/etc/hostname" in done.stderr
    assert pending(root) == ["docs/guide.md"]
    assert run_cli("hook", "run", cwd=root / "src").returncode == 0
    assert pending(root) == []


def check_says_a_line(done: subprocess.CompletedProcess[bytes], *words: str) -> None:
    said = done.stderr.decode()
    assert done.returncode == 0, (done.returncode, said)
    assert len(said.splitlines()) == 1, said
    assert "Traceback" not in said
    for word in words:
        assert word in said, said


def broken(root: Path) -> Iterator[None]:
    for meta in root.glob(".hybridx/epochs/*/bm25/meta.json"):
        meta.write_bytes(b"{")
    yield


def busy(root: Path) -> Iterator[None]:
    lock = _core.Lock.acquire(root / ".hybridx/lock")
    assert lock is not None
    yield
    lock.release()


def absent(root: Path) -> Iterator[None]:
    shutil.rmtree(root / ".hybridx")
    yield


def of_another_version(root: Path) -> Iterator[None]:
    (root / "hybridx.toml").write_text('secrets_allow = ["example"]\n')
    yield


def no_folder(root: Path) -> Iterator[None]:
    shutil.rmtree(root / ".hybridx/epochs")
    (root / ".hybridx/epochs").write_text("no folder\n")
    yield


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (absent, "hybridx index"),
        (busy, "the next run catches up"),
        (broken, "not up to date"),
        (of_another_version, "other settings"),
        (no_folder, "hybridx index"),
    ],
)
def test_nothing_stops_git(
    repository: Repository, state: Callable[[Path], Iterator[None]], word: str
) -> None:
    root = repository.root
    indexed(root)
    git_hooks.install(root, foreground=True)
    repository.write("new.py", "def new():\n    return 1\n")
    during = state(root)
    next(during)
    # Said again, but never in git's way.
    check_says_a_line(run_cli("hook", "run", "--wait", "0.2", cwd=root), word)
    start = time.monotonic()
    said = repository.commit("one")
    assert time.monotonic() - start < 30
    assert len(said.stderr.splitlines()) <= 1, said.stderr
    next(during, None)


def test_without_the_program_git_goes_on(repository: Repository, tmp_path: Path) -> None:
    shim = tmp_path / "python"
    shim.symlink_to(sys.executable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(shim))
        git_hooks.install(repository.root, foreground=True)
    shim.unlink()
    # A PATH with git and a shell, and without what is installed beside this Python.
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "sh"):
        (programs / name).symlink_to(shutil.which(name) or "")
    done = repository.git("commit", "-q", "--allow-empty", "-m", "one", env={"PATH": str(programs)})
    assert "hybridx: not found" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_modules_of_the_repository_are_not_run(repository: Repository) -> None:
    root = repository.root
    indexed(root)
    git_hooks.install(root, foreground=True)
    for name in ("click.py", "hybridx.py", "lancedb.py", "numpy.py"):
        repository.write(name, "raise SystemExit('this is not for you')\n")
    repository.commit("one")
    assert pending(root) == []


def test_gits_variables_confuse_nobody(repository: Repository, tmp_path: Path) -> None:
    root = repository.root
    indexed(root)
    other = Repository.made(tmp_path / "other", {"a.py": "a = 1\n"})
    indexed(other.root)
    repository.write("new.py", "def new():\n    return 1\n")
    other.write("new.py", "def other():\n    return 1\n")
    variables = {
        "GIT_DIR": str(other.root / ".git"),
        "GIT_WORK_TREE": str(other.root),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_PREFIX": "src/",
    }
    assert run_cli("hook", "install", cwd=root, env=variables).returncode == 0
    assert (root / ".git/hooks/post-commit").exists()
    assert not (other.root / ".git/hooks/post-commit").exists()
    assert run_cli("hook", "run", cwd=root, env=variables).returncode == 0
    assert pending(root) == []
    assert pending(other.root) == ["new.py"]


def test_each_worktree_has_its_index(repository: Repository, tmp_path: Path) -> None:
    root, side = repository.root, tmp_path / "side"
    before = indexed(root)
    assert run_cli("hook", "install", "--foreground", root).returncode == 0
    repository.git("worktree", "add", "-q", "-b", "side", side)
    assert not (side / ".hybridx").exists(), "an index nobody asked for"
    indexed(side)
    (side / "new.py").write_text("def new():\n    return 1\n")
    repository.git("add", "-A", cwd=side)
    repository.git("commit", "-q", "-m", "side", cwd=side)
    assert pending(side) == []
    assert generation_of(root) == before, "the commit was another worktree's"
    # The hooks are those of the repository, whichever of its worktrees is named.
    assert run_cli("hook", "uninstall", side).returncode == 0
    assert not (root / ".git/hooks/post-commit").exists()


def test_a_submodule_belongs_to_the_index_above_it(repository: Repository, tmp_path: Path) -> None:
    library = Repository.made(
        tmp_path / "library", {"library.py": "def library():\n    return 1\n"}
    )
    repository.git("submodule", "--quiet", "add", library.root, "library")
    repository.commit("submodule")
    root, inner = repository.root, Repository(repository.root / "library")
    indexed(root)
    with hybridx.Index.open(root) as index:
        assert "library/library.py" in generation(index).snapshot.paths()
    assert run_cli("hook", "install", "--foreground", inner.root).returncode == 0
    assert not (root / ".git/hooks/post-commit").exists()
    inner.write("library.py", "def changed():\n    return 2\n")
    inner.commit("inner")
    assert pending(root) == []
    # One of its own is nearer.
    indexed(inner.root)
    inner.write("library.py", "def again():\n    return 3\n")
    inner.commit("again")
    assert pending(inner.root) == []
    assert pending(root) == ["library/library.py"]


def test_an_index_is_made_where_that_is_asked(repository: Repository) -> None:
    root = repository.root
    assert run_cli("hook", "run", "--create", cwd=root / "src").returncode == 0
    assert pending(root) == []


def test_a_hook_begins_with_no_other_model(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is configured: that is hours of work, or one that is not there."""
    root = repository.root
    indexed(root)
    repository.write("new.py", "def new():\n    return 1\n")
    monkeypatch.setenv("HYBRIDX_MODEL", str(root / "no-such-model"))
    outcome = hook.run(root, Settings.load(root, {}))
    assert outcome.report is not None
    assert outcome.report.files.added == 1
