"""One writer at a time; its lock dies with it; readers need none."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from hybridx import CancelToken
from hybridx.errors import Cancelled, IndexBusyError
from support import PROJECT, Tree, check_refused, open_index, run_cli, updated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys, time
from hybridx import _core
lock = _core.Lock.acquire(sys.argv[1])
print("held" if lock else "refused", flush=True)
time.sleep(60)
"""


@contextmanager
def held(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_writer_is_told_who_writes(project: Tree) -> None:
    index = open_index(project, lock_timeout=0.2)
    updated(index)
    project.write("src/new.py", "def new(): pass\n")
    with held(index._layout.lock) as holder:
        start = time.monotonic()
        with pytest.raises(IndexBusyError, match=rf"process {holder.pid}\b"):
            index.update()
        assert 0.2 <= time.monotonic() - start < 5
        with pytest.raises(IndexBusyError):
            index.clean()
        refused = run_cli("index", project.root, env={"HYBRIDX_LOCK_TIMEOUT": "0.1"})
        check_refused(refused, str(holder.pid), "HYBRIDX_LOCK_TIMEOUT")
        assert index.search("retry").hits, "a reader waits for the writer"
        assert index.diff().added == ["src/new.py"]
        holder.kill()
        holder.wait()
        assert updated(index).files.added == 1, "the lock of a killed process stays"


def test_waiting_for_the_lock_can_be_cancelled(project: Tree) -> None:
    index = open_index(project, lock_timeout=60.0)
    updated(index)
    token = CancelToken()
    with held(index._layout.lock):
        timer = Timer(0.2, token.cancel)
        timer.start()
        start = time.monotonic()
        with pytest.raises(Cancelled):
            index.update(cancel=token)
        assert time.monotonic() - start < 10
        timer.join()


def test_a_writer_that_waits_gets_the_lock(project: Tree) -> None:
    index = open_index(project, lock_timeout=30.0)
    index._layout.create()
    with held(index._layout.lock) as holder:
        timer = Timer(0.3, holder.kill)
        timer.start()
        assert updated(index).files.added == len(PROJECT) - 1
        timer.join()


def test_an_error_lets_go_of_the_lock(project: Tree) -> None:
    index = open_index(project, lock_timeout=0.0)

    def fail(_: object) -> None:
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        index.update(progress=fail)
    assert updated(index).files.added == len(PROJECT) - 1
