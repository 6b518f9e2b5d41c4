"""A watch: everything that is saved can be found soon, whatever happens to events and processes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hybridx
from hybridx.errors import IndexBusyError, UsageError
from hybridx.indexer import Update
from hybridx.watch import alarm, watcher
from soaking import SAMPLES, settle, soak
from support import PROJECT, Tree, check_whole, open_index, run_cli, updated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hybridx.types import IndexReport

SECONDS = 30.0
"""How long anything may take on a machine that is busy with other things."""

SOAK_SECONDS = float(os.environ.get("HYBRIDX_SOAK_SECONDS", "600"))
SOAK_OPERATIONS = int(os.environ.get("HYBRIDX_SOAK_OPERATIONS", "10000"))

LONGEST = 2.5
"""Seconds a process may go on after a signal: two, and some for a machine that is busy."""


def until(what: Callable[[], object], seconds: float = SECONDS) -> None:
    """Waits until `what` is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.02)


def finds(index: hybridx.Index, word: str) -> set[str]:
    """The files in which a search finds a word."""
    hits = index.search(word, 2000, mode="lexical")
    return {hit.path for hit in hits.hits if word in hit.text}


def finds_just(index: hybridx.Index, word: str, paths: set[str]) -> bool:
    return finds(index, word) == paths


class Watched:
    """A tree under a watch, and what the watch said."""

    def __init__(self, tree: Tree, **settings: Any) -> None:
        self.tree = tree
        self.index = open_index(tree, **settings)
        self.reports: list[IndexReport] = []
        self.errors: list[Exception] = []
        self.notes: list[str] = []
        self.watcher = self.index.watcher(
            on_report=self.reports.append,
            on_error=self.errors.append,
            on_note=self.notes.append,
        )

    def settle(self) -> None:
        settle(self.index, self.watcher, SECONDS)

    def is_true(self) -> bool:
        """Whether the index holds the tree as it is now."""
        return not self.index.diff()


@contextmanager
def watched(tree: Tree, **settings: Any) -> Iterator[Watched]:
    """A tree that is watched in this process, from when the index is up to date."""
    found = Watched(tree, **settings)
    with found.watcher:
        assert found.watcher.refresh(SECONDS)
        yield found
    assert not [each for each in threading.enumerate() if each.name == "hybridx-watch"]


def process(root: Path, *args: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hybridx", "watch", str(root), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


@contextmanager
def running(root: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """`hybridx watch`, once it has the index up to date; it prints JSON."""
    with process(root, "--json", *args) as found:
        try:
            assert found.stdout is not None
            assert json.loads(found.stdout.readline())["generation"] >= 1
            yield found
        finally:
            found.kill()


def git(root: Path, *args: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@e", "-C", str(root), *args]
    subprocess.run(command, check=True, capture_output=True)


def test_what_is_saved_can_be_found(project: Tree) -> None:
    other = open_index(project)
    with watched(project) as it:
        assert it.watcher.state().role == "watching"
        project.write("src/new.py", "def freshly_written(): pass\n")
        until(lambda: finds(other, "freshly_written") == {"src/new.py"})
        project.write("src/new.py", "def written_again(): pass\n")
        until(lambda: finds(other, "written_again"))
        assert not finds(other, "freshly_written")
        project.delete("src/new.py")
        until(lambda: not finds(other, "written_again"))
        it.settle()
        check_whole(it.index)
        assert it.watcher.state().batches == len(it.reports) >= 4
        assert it.index.search("retry").stale_files == 0


def test_atomic_saves_of_editors(project: Tree) -> None:
    """Vim renames the old file away and writes another; most others rename a new one over it."""
    with watched(project) as it:
        path = project.path("src/retry.py")
        beside = path.with_name(".retry.py.tmp1")
        beside.write_text("def saved_by_renaming(): pass\n")
        beside.replace(path)
        until(lambda: finds(it.index, "saved_by_renaming") == {"src/retry.py"})
        probe = path.with_name("4913")
        probe.write_text("")
        probe.unlink()
        path.rename(path.with_name("retry.py~"))
        path.write_text("def saved_like_vim(): pass\n")
        path.with_name("retry.py~").unlink()
        until(lambda: finds(it.index, "saved_like_vim") == {"src/retry.py"})
        it.settle()
        assert not finds(it.index, "saved_by_renaming")


def test_a_folder_that_is_renamed_and_one_that_is_moved_in(project: Tree, tmp_path: Path) -> None:
    outside = Tree(tmp_path / "outside", {"deep/er/thing.py": "def came_from_outside(): pass\n"})
    with watched(project) as it:
        project.move("src/http", "src/transport")
        until(lambda: finds(it.index, "HttpClient") == {"src/transport/client.py"})
        it.settle()
        # What is in a folder under its new name is heard of, too.
        project.write("src/transport/client.py", "def under_its_new_name(): pass\n")
        until(lambda: finds(it.index, "under_its_new_name"))
        outside.path("deep").rename(project.path("deep"))
        until(lambda: finds(it.index, "came_from_outside") == {"deep/er/thing.py"})
        project.write("deep/er/thing.py", "def written_inside(): pass\n")
        until(lambda: finds(it.index, "written_inside"))
        assert not it.errors


def test_a_branch_switch_of_thousands_of_files(tree: Tree) -> None:
    for at in range(40):
        tree.write(f"keep/k{at}.py", f"def kept_{at}(): pass\n")
    git(tree.root, "init", "-q", "-b", "one")
    git(tree.root, "add", "-A")
    git(tree.root, "commit", "-qm", "one")
    git(tree.root, "checkout", "-qb", "two")
    for at in range(2000):
        tree.write(f"d{at % 30}/f{at}.txt", f"branch_word_{at}\n")
    git(tree.root, "add", "-A")
    git(tree.root, "commit", "-qm", "two")
    git(tree.root, "checkout", "-q", "one")
    with watched(tree) as it:
        git(tree.root, "checkout", "-q", "two")
        it.settle()
        status = it.index.status()
        assert (status.files, status.fresh) == (2040, True)
        git(tree.root, "checkout", "-q", "one")
        it.settle()
        assert it.index.status().files == 40


def test_ignored_files_and_the_index_itself_cause_no_update(project: Tree) -> None:
    project.write(".gitignore", "*.log\nbuild/\n")
    git(project.root, "init", "-q")
    for folder in ("build", "node_modules/x", "src"):
        project.write(f"{folder}/first.py", "first = 1\n")
    with watched(project) as it:
        it.settle()
        time.sleep(0.3)
        before = it.watcher.state().last
        project.write("src/noise.log", "much noise\n")
        for at in range(5):
            project.write(f"build/out{at}.py", "out = 1\n")
            project.write(f"node_modules/x/{at}.js", "x()\n")
            project.write(f".git/objects/pack{at}", "x")
            project.write(f".hybridx/stray{at}", "x")
            time.sleep(0.08)
        time.sleep(0.5)
        state = it.watcher.state()
        assert state.last is before, "an update ran for what is not indexed"
        assert state.pending == 0
        # It was not deaf meanwhile.
        project.write("src/loud.py", "def heard(): pass\n")
        until(lambda: finds(it.index, "heard"))


def test_an_update_is_not_the_cause_of_another(project: Tree) -> None:
    """Also where what an update writes lies in the tree: the index, and the vector cache."""
    with watched(project, cache_dir=project.path("cache"), index_dir=project.path("ix")) as it:
        project.write("src/new.py", "def only_once(): pass\n")
        until(lambda: finds(it.index, "only_once"))
        it.settle()
        time.sleep(0.4)
        last = it.watcher.state().last
        time.sleep(0.8)
        assert it.watcher.state().last is last


def test_a_change_of_the_rules(project: Tree) -> None:
    with watched(project) as it:
        assert finds(it.index, "renderUserTable")
        project.write(".gitignore", "web/\n")
        until(lambda: not finds(it.index, "renderUserTable"))
        project.delete(".gitignore")
        until(lambda: finds(it.index, "renderUserTable"))
        project.write(".hybridxignore", "*.js\n.hybridxignore\n")
        until(lambda: not finds(it.index, "renderUserTable"))


def test_a_change_of_the_projects_settings(project: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[str] = []
    index = hybridx.Index.open(project.root)
    with index.watcher(on_error=lambda error: errors.append(str(error))) as found:
        assert found.refresh(SECONDS)
        project.write("long.py", "def in_a_long_file(): pass\n" + "# padding\n" * 400)
        until(lambda: finds(index, "in_a_long_file"))
        project.write("hybridx.toml", "max_file_bytes = 2000\n")
        until(lambda: not finds(index, "in_a_long_file"))
        project.write("hybridx.toml", "max_file_byte = 2000\n")
        until(lambda: errors)
        assert "did you mean max_file_bytes" in errors[0]
        # The last settings that made sense are in force.
        project.write("short.py", "def still_watched(): pass\n")
        until(lambda: finds(index, "still_watched"))
        assert not finds(index, "in_a_long_file")
        project.delete("hybridx.toml")
        until(lambda: finds(index, "in_a_long_file"))


@pytest.mark.parametrize("repetitions", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_hundred_files_at_once_can_all_be_found(project: Tree, repetitions: int) -> None:
    other = open_index(project)
    with watched(project) as it:
        for number in range(repetitions):
            for at in range(100):
                name = f"many/d{at % 7}/f{at}.py"
                text = f"def every_{number}_one():\n    return part_{number}_{at}\n"
                if at % 3:
                    project.write(name, text)
                else:
                    project.write(f"{name}.tmp", text)
                    project.move(f"{name}.tmp", name)
            want = {f"many/d{at % 7}/f{at}.py" for at in range(100)}
            word = f"every_{number}_one"
            until(partial(finds_just, other, word, want))
            if number:
                assert not finds(other, f"every_{number - 1}_one"), "old content is still found"
        assert not it.errors


def test_more_changes_than_are_kept_become_a_look_at_everything(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm, "KEPT_PATHS", 20)
    bell = alarm.Alarm(
        project.root, deaf=[], concerns=lambda _: True, polling=True, tell=lambda _: None
    )
    bell._heard({(1, f"{project.root}/f{at}") for at in range(21)})
    assert bell.pending is None
    batch = bell.wait(SECONDS)
    assert batch is not None
    assert batch.everything
    assert not batch.paths
    with watched(project) as it:
        for at in range(60):
            project.write(f"many/f{at}.py", f"def one_of_many(): return {at}\n")
        until(lambda: len(finds(it.index, "one_of_many")) == 60)


def test_a_batch_waits_for_quiet_but_not_for_ever(tmp_path: Path) -> None:
    bell = alarm.Alarm(
        tmp_path, deaf=[], concerns=lambda _: True, polling=True, tell=lambda _: None
    )
    stop = time.monotonic() + 3.0

    def write() -> None:
        while time.monotonic() < stop:
            bell._heard({(2, f"{tmp_path}/log")})
            time.sleep(0.02)

    start = time.monotonic()
    thread = threading.Thread(target=write)
    thread.start()
    assert bell.wait(SECONDS)
    assert alarm.LONGEST_SECONDS - 0.1 <= time.monotonic() - start < alarm.LONGEST_SECONDS + 0.8
    thread.join()
    assert bell.wait(SECONDS), "what came after the batch is lost"
    bell._heard({(2, f"{tmp_path}/log")})
    start = time.monotonic()
    assert bell.wait(SECONDS)
    assert 0.07 <= time.monotonic() - start < 1.0
    assert bell.wait(0.01) is None


def test_a_flood_of_ignored_files_holds_up_nothing(tmp_path: Path) -> None:
    """As of a build: there are always some that nobody has looked at yet."""
    stop = threading.Event()

    def concerns(path: str) -> bool:
        time.sleep(0.0022)
        return path == "a.py"

    bell = alarm.Alarm(tmp_path, deaf=[], concerns=concerns, polling=True, tell=lambda _: None)

    def build() -> None:
        at = 0
        while not stop.is_set():
            bell._heard({(1, f"{tmp_path}/out/{at + each}.o") for each in range(10)})
            at += 10
            time.sleep(0.02)

    bell.ring()
    assert bell.wait(SECONDS)
    thread = threading.Thread(target=build)
    thread.start()
    try:
        start = time.monotonic()
        assert bell.wait(0.3) is None, "ignored files made a batch"
        assert time.monotonic() - start < 3.0, "the watch cannot be stopped meanwhile"
        bell._heard({(2, f"{tmp_path}/a.py")})
        start = time.monotonic()
        batch = bell.wait(SECONDS)
        assert batch is not None
        assert "a.py" in batch.paths
        assert time.monotonic() - start < alarm.LONGEST_SECONDS + 3.0
    finally:
        stop.set()
        thread.join()


def test_a_missed_change_is_noticed_among_ignored_ones(tmp_path: Path) -> None:
    bell = alarm.Alarm(
        tmp_path, deaf=[], concerns=lambda _: False, polling=True, tell=lambda _: None
    )
    bell._heard({(2, f"{tmp_path}/ignored.log")})
    assert bell.wait(0.01) is None
    bell.ring(told=False)
    batch = bell.wait(SECONDS)
    assert batch is not None
    assert not batch.told, "of what changed nobody told"


@pytest.mark.skipif(not Path("/proc/sys/fs/inotify").is_dir(), reason="Linux's notifications")
def test_when_the_systems_queue_overflows_nothing_is_lost(tree: Tree) -> None:
    """A process that does not run reads no events; there are more of them than the queue holds."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 20_000:
        pytest.skip(f"the queue holds {limit:,} events")
    tree.write("first.py", "def first(): pass\n")
    index = open_index(tree)
    with running(tree.root) as found:
        found.send_signal(signal.SIGSTOP)
        # Each is at least created, written and closed.
        for at in range(limit // 3 + 200):
            (tree.root / f"f{at}.txt").write_text("x\n")
        tree.write("late/folder/last.py", "def after_the_overflow(): pass\n")
        found.send_signal(signal.SIGCONT)
        until(lambda: finds(index, "after_the_overflow"), 60)
        until(lambda: not index.diff(), 60)
        # The folder was made while nobody could hear of it.
        time.sleep(alarm.SETTLE_SECONDS + 0.5)
        tree.write("late/folder/last.py", "def heard_in_the_new_folder(): pass\n")
        until(lambda: finds(index, "heard_in_the_new_folder"), 20)


def test_events_that_never_come_only_delay(project: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "RESCAN_SECONDS", 0.5)
    heard = alarm.Alarm._heard
    opened: list[object] = []
    open_ears = alarm.Alarm._open

    def count(self: alarm.Alarm) -> object:
        opened.append(self)
        return open_ears(self)

    monkeypatch.setattr(alarm.Alarm, "_heard", lambda *_: None)
    monkeypatch.setattr(alarm.Alarm, "_open", count)
    with watched(project) as it:
        # Something was missed: from then on it listens with other ears.
        for number in range(50):
            project.write("src/new.py", f"def nobody_told_of_it_{number}(): pass\n")
            until(partial(finds, it.index, f"nobody_told_of_it_{number}"))
            if len(opened) > 1:
                break
            time.sleep(0.1)
        else:
            pytest.fail("it never noticed")
        monkeypatch.setattr(alarm.Alarm, "_heard", heard)


class Refusing:
    """The system's notifications, where there are none to be had."""

    def __init__(self, *_: object) -> None:
        raise OSError("OS file watch limit reached. about []")


def test_at_the_systems_limit_it_says_so_once_and_looks_from_time_to_time(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", Refusing)
    monkeypatch.setattr(watcher, "POLL_SECONDS", 0.2)
    with watched(project) as it:
        for at in range(3):
            project.write("src/new.py", f"def found_by_looking_{at}(): pass\n")
            until(partial(finds, it.index, f"found_by_looking_{at}"))
        assert len(it.notes) == 1
        assert "limit" in it.notes[0]
        assert "looking for changes every 0.2 s" in it.notes[0]
        assert it.watcher.state().polling is not None


def test_at_a_real_limit(project: Tree) -> None:
    """In a user namespace the limit can be lowered, for everything in it."""
    command = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    lower = "echo 3 > /proc/sys/user/max_inotify_watches"
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare")
    if subprocess.run([*command, lower], capture_output=True, check=False).returncode:
        pytest.skip("no limit can be set here")
    index = open_index(project)
    run = f"{lower} && exec {sys.executable} -m hybridx watch {project.root}"
    with subprocess.Popen([*command, run], stderr=subprocess.PIPE, text=True) as found:
        try:
            until((project.root / ".hybridx/CURRENT").exists)
            project.write("src/new.py", "def found_all_the_same(): pass\n")
            until(lambda: finds(index, "found_all_the_same"))
        finally:
            found.terminate()
            _, said = found.communicate(timeout=SECONDS)
    assert found.returncode == 0, said
    told = [line for line in said.splitlines() if "system's limit" in line]
    assert len(told) == 1, said
    assert "looking for changes" in told[0]


def test_polling_can_be_asked_for(project: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", None)
    with watched(project, watch_polling=True) as it:
        project.write("src/new.py", "def on_a_network(): pass\n")
        until(lambda: finds(it.index, "on_a_network"))
        assert not it.notes


def test_a_name_that_is_no_text_stops_nothing(project: Tree) -> None:
    """`watchfiles` fails on it."""
    with watched(project) as it:
        odd = os.fsencode(project.root) + b"/caf\xe9.py"
        Path(os.fsdecode(odd)).write_text("def in_a_file_of_no_name(): pass\n")
        until(lambda: any("no_name" in hit.text for hit in it.index.search("in_a_file_of_no_name")))
        project.write("src/new.py", "def and_afterwards(): pass\n")
        until(lambda: finds(it.index, "and_afterwards"))
        assert it.watcher.state().polling is None


def test_a_killed_watcher_is_succeeded(project: Tree) -> None:
    index = open_index(project)
    with running(project.root) as first, process(project.root, "--json") as second:
        assert second.stderr is not None
        assert f"process {first.pid} watches" in second.stderr.readline()
        assert index.status().watcher == first.pid
        first.kill()
        first.wait()
        project.write("src/new.py", "def saved_in_between(): pass\n")
        until(lambda: finds(index, "saved_in_between"))
        assert index.status().watcher == second.pid
        project.write("src/new.py", "def saved_afterwards(): pass\n")
        until(lambda: finds(index, "saved_afterwards"))
        second.terminate()
        assert second.wait(SECONDS) == 0
    assert index.status().watcher is None


def test_the_one_that_waits_tells_its_role(project: Tree) -> None:
    with watched(project) as first:
        second = Watched(project)
        with second.watcher:
            until(lambda: second.notes)
            state = second.watcher.state()
            assert (state.role, state.pid, state.pending) == ("standby", os.getpid(), None)
            assert not second.watcher.refresh(1)
            project.write("src/new.py", "def by_the_first(): pass\n")
            until(lambda: finds(second.index, "by_the_first"))
            assert not second.reports
            first.watcher.stop()
            until(lambda: second.watcher.state().role == "watching")
            assert second.watcher.refresh(SECONDS)
            assert len(second.reports) == 1


def test_an_index_that_is_removed_is_made_again(project: Tree) -> None:
    with watched(project) as it:
        project.path(".hybridx").rename(project.root.with_name("old-index"))
        until(project.path(".hybridx/CURRENT").exists)
        it.settle()
        assert finds(it.index, "retry_with_backoff")
        assert it.watcher.state().role == "watching"


def test_clean_says_who_watches(project: Tree) -> None:
    with running(project.root) as found:
        result = run_cli("clean", project.root)
        assert result.returncode == 2
        assert f"process {found.pid}" in result.stderr.decode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly(project: Tree, number: int, code: int) -> None:
    with running(project.root) as found:
        start = time.monotonic()
        found.send_signal(number)
        out, err = found.communicate(timeout=SECONDS)
        assert time.monotonic() - start < LONGEST
        assert found.returncode == code, err
        assert not out
        assert "Traceback" not in err
        lines = err.splitlines()
        assert len(lines) == (1 if code == 0 else 2), err
        assert lines[0].startswith(f"watching {project.root}: ")
    updated(open_index(project))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_a_first_build(tree: Tree, number: int, code: int) -> None:
    for at in range(1500):
        tree.write(
            f"d{at % 9}/f{at}.py",
            "".join(f"def f_{at}_{line}(x):\n    return x + {line}\n\n" for line in range(100)),
        )
    with process(tree.root) as found:
        try:
            until(lambda: (tree.root / ".hybridx/epochs").is_dir() or found.poll() is not None)
            time.sleep(0.3)
            start = time.monotonic()
            found.send_signal(number)
            _, err = found.communicate(timeout=SECONDS)
        finally:
            # Started by a shell in the background it does not hear Ctrl-C, and would be waited for.
            found.kill()
        assert time.monotonic() - start < LONGEST
        assert found.returncode == code, err
        assert "Traceback" not in err


def test_while_another_writes_it_waits_and_loses_nothing(project: Tree) -> None:
    with watched(project, lock_timeout=0.1) as it:
        lock = it.index._layout.take_lock(SECONDS, hybridx.CancelToken())
        project.write("src/new.py", "def saved_meanwhile(): pass\n")
        until(lambda: it.errors)
        until(lambda: it.watcher._failures > 1)
        state = it.watcher.state()
        assert state.error is not None
        assert "is being written by" in state.error
        # Unknown if it was also time to look at everything.
        assert state.pending != 0
        lock.release()
        until(lambda: finds(it.index, "saved_meanwhile"))
        it.settle()
        assert [type(each) for each in it.errors] == [IndexBusyError], "it was said again and again"
        assert it.watcher.state().error is None


def test_an_update_that_fails_is_tried_again(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(project) as it:
        locked = Update._locked
        tries = 0

        async def full(self: Update, executor: Any) -> IndexReport:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.layout.folder))
            return await locked(self, executor)

        monkeypatch.setattr(Update, "_locked", full)
        project.write("src/new.py", "def there_is_room_again(): pass\n")
        until(lambda: finds(it.index, "there_is_room_again"))
        assert tries == 3
        assert len(it.errors) == 1
        assert "stays at its last generation" in str(it.errors[0])


def test_who_asks_for_an_update_does_not_wait_for_the_next_try(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_RETRY_SECONDS", 2 * SECONDS)
    monkeypatch.setattr(watcher, "_LONGEST_RETRY", 2 * SECONDS)
    with watched(project) as it:
        locked = Update._locked

        async def fails_once(self: Update, executor: Any) -> IndexReport:
            if not it.errors:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return await locked(self, executor)

        monkeypatch.setattr(Update, "_locked", fails_once)
        project.write("src/new.py", "def there_is_room_again(): pass\n")
        until(lambda: it.errors)
        assert it.watcher.refresh(SECONDS)
        assert finds(it.index, "there_is_room_again")


def test_what_is_saved_during_an_update_is_ingested(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event comes when the scan is over already."""
    with watched(project) as it:
        carry_out = Update._carry_out

        async def slowly(self: Update, *args: Any) -> Any:
            if not finds(it.index, "during_the_update"):
                project.write("src/new.py", "def during_the_update(): pass\n")
            return await carry_out(self, *args)

        monkeypatch.setattr(Update, "_carry_out", slowly)
        project.write("src/new.py", "def before_the_update(): pass\n")
        until(lambda: finds(it.index, "during_the_update"))
        it.settle()


def test_files_that_come_and_go_all_the_time(project: Tree) -> None:
    with watched(project) as it:
        stop = time.monotonic() + 2.0
        at = 0
        while time.monotonic() < stop:
            at += 1
            project.write(f"brief/f{at % 50}.py", f"def brief_{at}(): pass\n" * 30)
            if at % 2:
                project.delete(f"brief/f{(at * 7) % 50}.py")
            if at % 40 == 0:
                project.delete("brief")
        it.settle()
        check_whole(it.index)
        assert not it.errors


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_root_that_goes_ends_the_watch(project: Tree, how: str) -> None:
    index = open_index(project)
    with index.watch() as reports:
        next(reports)
        away = project.root.with_name("away")
        project.root.rename(away)
        if how == "removed":
            shutil.rmtree(away)
        elif how == "replaced":
            shutil.copytree(away, project.root)
        with pytest.raises(FileNotFoundError, match="removed or moved"):
            list(reports)
        assert reports.watcher.state().role == "stopped"


def test_a_watch_can_be_stopped_while_it_starts(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server begins it in one thread, and its client goes away in another."""
    begin = threading.Thread.start

    def begin_slowly(thread: threading.Thread) -> None:
        if thread.name == "hybridx-watch":
            begun.set()
            time.sleep(0.3)
        begin(thread)

    begun = threading.Event()
    monkeypatch.setattr(threading.Thread, "start", begin_slowly)
    watch = open_index(project).watcher()
    starting = threading.Thread(target=watch.start)
    starting.start()
    assert begun.wait(SECONDS)
    assert watch.stop(SECONDS)
    starting.join(SECONDS)
    assert watch.state().role == "stopped"


def test_a_root_that_goes_is_not_made_anew(project: Tree) -> None:
    """What stays, a server or an editor, goes on to call; a folder in the way bars the way back."""
    index = open_index(project)
    updated(index)
    aside = project.root.with_name("aside")
    project.root.rename(aside)
    for _ in range(2):
        with pytest.raises(FileNotFoundError) as error:
            index.refresh()
        assert error.value.filename == str(project.root)
    assert not project.root.exists()
    aside.rename(project.root)
    assert index.refresh().files.unchanged


def test_a_root_that_goes_is_one_line_and_code_2(project: Tree) -> None:
    with running(project.root) as found:
        project.root.rename(project.root.with_name("away"))
        _, err = found.communicate(timeout=SECONDS)
        assert found.returncode == 2
        assert err.splitlines()[-1].startswith(f"hybridx: {project.root}: the folder was removed")
        assert "Traceback" not in err


def test_a_panic_ends_the_watch_and_is_told(project: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the extension is no `Exception`; silence would look like an end that was asked for."""

    class Panic(BaseException):
        pass

    async def panics(self: Update, executor: Any) -> IndexReport:
        raise Panic

    index = open_index(project)
    with index.watch() as reports:
        next(reports)
        monkeypatch.setattr(Update, "_locked", panics)
        project.write("src/new.py", "def never_found(): pass\n")
        with pytest.raises(Panic):
            next(reports)


def test_ears_outlive_whoever_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(_: str) -> None:
        raise RuntimeError

    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", lambda *_: 1 / 0)
    bell = alarm.Alarm(
        tmp_path,
        deaf=[],
        concerns=lambda _: True,
        polling=False,
        tell=raises,
        poll_seconds=lambda: 0.01,
    )
    with bell:
        assert bell.polling
        assert bell.wait(SECONDS)


def test_the_iterator_ends_when_it_is_cancelled(project: Tree) -> None:
    cancel = hybridx.CancelToken()
    reports = open_index(project).watch(cancel=cancel)
    assert next(reports).files.added == len(PROJECT) - 1
    threading.Timer(0.2, cancel.cancel).start()
    assert list(reports) == []
    assert reports.watcher.state().role == "stopped"


def test_watches_leave_nothing_behind(project: Tree) -> None:
    index = open_index(project)
    counts = []
    for number in range(6):
        with index.watch() as reports:
            next(reports)
            project.write("src/new.py", f"def number_{number}(): pass\n")
            until(partial(finds, index, f"number_{number}"))
            reports.watcher.state()
        index.close()
        names = {each.name for each in threading.enumerate()}
        assert not names & {"hybridx-watch", "hybridx-hear"}
        if Path("/proc/self/fd").is_dir():
            counts.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
    # One more each time would be one too many; a search keeps some until the next.
    assert not counts or min(counts[3:]) <= max(counts[:3]), f"open files: {counts}"


def test_the_async_iterator(project: Tree) -> None:
    async def main() -> None:
        async with await hybridx.AsyncIndex.open(project.root) as index:
            seen: list[int] = []

            async def follow() -> None:
                async for report in index.watch():
                    seen.append(report.generation)  # noqa: PERF401 - seen while it goes on

            task = asyncio.ensure_future(follow())
            await asyncio.to_thread(until, lambda: seen)
            project.write("src/new.py", "def heard_of_it(): pass\n")
            await asyncio.to_thread(until, lambda: len(seen) > 1)
            task.cancel()
            start = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - start < LONGEST
            # The lock is free: nothing goes on behind.
            assert (await index.status()).watcher is None

    asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert "hybridx-watch" not in {each.name for each in threading.enumerate()}


def test_a_fork_has_no_watch(project: Tree) -> None:
    with watched(project) as it:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                it.watcher.state()
            except UsageError:
                code = 0 if not it.watcher.stop() else 2
            os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert it.watcher.state().role == "watching"


def test_the_command_line_tells_a_line_for_each_batch(project: Tree) -> None:
    with process(project.root) as found:
        assert found.stderr is not None
        first = found.stderr.readline()
        assert first.startswith(f"watching {project.root}: {len(PROJECT) - 1} files: ")
        project.write("src/new.py", "def one_more(): pass\n")
        assert "1 file: 1 added; generation 2 in " in found.stderr.readline()
        found.terminate()
        assert found.communicate(timeout=SECONDS)[0] == ""
    with running(project.root, "--quiet") as found:
        assert found.stdout is not None
        project.write("src/new.py", "def another(): pass\n")
        assert json.loads(found.stdout.readline())["files"]["modified"] == 1
        found.terminate()
        assert found.communicate(timeout=SECONDS) == ("", "")


def test_a_watch_with_a_closed_stdout_goes_on(project: Tree) -> None:
    updated(open_index(project))
    command = ["sh", "-c", 'exec "$0" -m hybridx watch --json "$1" >&-', sys.executable]
    with subprocess.Popen([*command, project.root], stderr=subprocess.PIPE, text=True) as found:
        try:
            assert found.stderr is not None
            assert "up to date" in found.stderr.readline()
            found.terminate()
            assert found.wait(LONGEST) == 0
        finally:
            found.kill()


def test_a_watch_of_nothing_is_refused(tmp_path: Path) -> None:
    result = run_cli("watch", tmp_path / "nowhere")
    assert result.returncode == 2
    assert b"nowhere" in result.stderr
    assert b"Traceback" not in result.stderr


def test_a_model_that_is_missing_ends_it(project: Tree) -> None:
    result = run_cli("watch", project.root, env={"HYBRIDX_MODEL": "./nothing-here"})
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_random_work_leaves_the_index_true(tree: Tree) -> None:
    outcome = soak(tree, 300, 4.0, seed=7)
    assert outcome.operations == 300
    assert outcome.errors == []
    assert outcome.batches > 2


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_ten_minutes_of_random_work(tree: Tree) -> None:
    """At the end nothing is missing, nothing is damaged, and memory is as it was."""
    outcome = soak(tree, SOAK_OPERATIONS, SOAK_SECONDS)
    assert outcome.errors == []
    assert len(outcome.samples) >= SAMPLES
    assert outcome.growth_mb < 16, [each.anonymous_mb for each in outcome.samples]
    assert outcome.more_descriptors <= 4, [each.descriptors for each in outcome.samples]
