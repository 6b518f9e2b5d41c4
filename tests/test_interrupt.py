"""Ctrl-C at any moment: over within two seconds, one line, and nothing that was committed is lost.

What `test_cli_process.py` shows with an API that only pretends, here the real program does.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from hybridx.commit import Generation
from hybridx.verify import verify
from support import Tree, check_same, check_whole, chunks, json_of, open_index, run_cli, updated

if not Path("/proc/self/fd").is_dir():
    pytest.skip("nobody can see when a process has the lock", allow_module_level=True)

FILES = 240

KEPT = "hybridx: interrupted; everything committed so far is kept\n"
STOPPED = "hybridx: interrupted\n"

LONGEST = 2.5
"""Seconds a process may go on: two, and some for a machine that is busy with other things."""

ENV = {"HYBRIDX_COMMIT_FILES": "10"}


@dataclass
class End:
    """How a process ended after a signal."""

    code: int
    seconds: float
    """From the signal on."""
    out: str
    err: str


def started(root: Path, *args: str | Path) -> subprocess.Popen[str]:
    """The program, once it has the writer's lock of the index, or is over."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hybridx", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **ENV},
        text=True,
    )
    lock = str(root / ".hybridx" / "lock")
    there = Path(f"/proc/{process.pid}/fd")
    while process.poll() is None:
        with contextlib.suppress(OSError):
            if any(str(each.readlink()) == lock for each in there.iterdir()):
                break
        time.sleep(0.002)
    return process


def signalled(delay: float, number: int, root: Path, command: str) -> End | None:
    """Sends the program a signal so many seconds after it took the lock; `None` if it was over."""
    process = started(root, command, "--quiet", root)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        before = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return End(process.returncode, time.monotonic() - before, out, err)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return None


def content(file: int, number: int) -> str:
    line = f"    value = compute_{file}(first_argument, second_argument, {number})  # some words\n"
    return f"def name_{file}():\n{line * 120}"


def edit(tree: Tree, number: int) -> None:
    for file in range(FILES):
        tree.write(f"d{file % 7}/f{file}.py", content(file, number))


def pending(tree: Tree) -> int:
    """How many files an update has yet to do."""
    index = open_index(tree)
    if Generation.current(index._layout) is None:
        return FILES
    changes = index.diff().changes
    return len(changes.added) + len(changes.modified)


def duration(root: Path, command: str) -> float:
    """How long an undisturbed run has the lock."""
    process = started(root, command, "--quiet", root)
    before = time.monotonic()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return time.monotonic() - before


def was_over(end: End, number: int) -> bool:
    """Whether the signal came so late that the process was over, or Python taking itself down.

    It is then Python's way to die of a Ctrl-C; a shell says 130 of that too.
    """
    codes = (0, -number) if number == signal.SIGINT else (0,)
    return end.code in codes and (end.out, end.err) == ("", "")


def check_left(tree: Tree, label: str) -> None:
    """What is left is a whole generation, if there is one."""
    layout = open_index(tree)._layout
    seen = Generation.current(layout)
    if seen is not None:
        check_whole(seen)
        found = verify(layout)
        assert found is not None
        assert found.ok, f"{label}: {found.problems}"


def interrupt_updates(tree: Tree, times: int, number: int) -> list[float]:
    """Interrupts a first build and updates so often; how long each took to end."""
    edit(tree, 0)
    whole = duration(tree.root, "index")
    shutil.rmtree(tree.root / ".hybridx")
    chance = random.Random(number)
    took: list[float] = []
    edits, resumed, runs = 0, 0, 0
    while len(took) < times:
        runs += 1
        assert runs < 3 * times + 9, f"only {len(took)} of {runs} runs could be interrupted"
        left = pending(tree)
        if not left:
            edits += 1
            edit(tree, edits)
            left = FILES
        delay = chance.uniform(0, 1) * whole
        end = signalled(delay, number, tree.root, "index")
        if end is None:
            assert pending(tree) == 0
            continue
        label = f"{signal.Signals(number).name} after {delay:.2f} s"
        if was_over(end, number):
            assert pending(tree) == 0, label
            continue
        took.append(end.seconds)
        assert end.out == "", label
        if number == signal.SIGINT:
            assert (end.code, end.err) == (130, KEPT), f"{label}: {end}"
        else:
            assert (end.code, end.err) == (-number, ""), f"{label}: {end}"
        assert end.seconds < LONGEST, f"{label}: it went on for {end.seconds:.2f} s"
        check_left(tree, label)
        now = pending(tree)
        assert now <= left, f"{label}: {left} files were left to do, and now {now}"
        resumed += now < left
    left = pending(tree)
    report = json_of(run_cli("index", "--json", tree.root))
    assert report["files"]["unchanged"] == FILES - left, "what was committed is done again"
    assert report["files"]["added"] + report["files"]["modified"] == left
    clean = open_index(Tree(tree.root.with_name("clean"), tree.files()))
    updated(clean)
    check_same(open_index(tree), clean)
    print(
        f"\n{signal.Signals(number).name}: {times} times in {runs} runs of {whole:.1f} s, of which"
        f" {resumed} had committed something and {edits} were updates anew;"
        f" the end came within {max(took):.2f} s, mostly {sorted(took)[times // 2]:.2f} s"
    )
    return took


@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 4), (signal.SIGTERM, 2)])
def test_interrupted_at_random_moments_it_keeps_what_is_committed(
    tree: Tree, number: int, times: int
) -> None:
    interrupt_updates(tree, times, number)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 40), (signal.SIGTERM, 20)])
def test_interrupted_many_times_it_keeps_what_is_committed(
    tree: Tree, number: int, times: int
) -> None:
    interrupt_updates(tree, times, number)


@pytest.mark.parametrize("command", ["verify", "clean"])
def test_interrupted_while_it_verifies_or_removes(tree: Tree, command: str) -> None:
    edit(tree, 0)
    index = open_index(tree)
    updated(index)
    want = chunks(index)
    place = tree.root / ".hybridx"
    kept = tree.root.with_name("kept")
    shutil.copytree(place, kept)
    whole = duration(tree.root, command)
    chance = random.Random(5)
    took = []
    # On a busy machine most signals come late.
    for _ in range(6 if command == "clean" else 24):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(kept, place)
        delay = chance.uniform(0, 0.6) * whole if command == "verify" else 0
        end = signalled(delay, signal.SIGINT, tree.root, command)
        if end is not None and not was_over(end, signal.SIGINT):
            took.append(end.seconds)
            assert (end.code, end.out, end.err) == (130, "", STOPPED), end
            assert end.seconds < LONGEST
        seen = Generation.current(open_index(tree)._layout)
        if seen is None:
            assert command == "clean"
        else:
            assert chunks(check_whole(seen)) == want
            check_left(tree, command)
        if len(took) == 3:
            break
    # A removal that has begun is done sooner than it could be stopped.
    assert took or command == "clean", f"{command} was never interrupted"
    print(f"\n{command}: {len(took)} times, the end came within {max(took, default=0):.2f} s")
    report = json_of(run_cli("index", "--json", tree.root))
    assert report["chunks"]["total"] == len(want)
    assert open_index(tree).verify().ok
