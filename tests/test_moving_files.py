"""Files that change under our feet: what is indexed of them is what their digest says."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hybridx import _core
from hybridx.cli import cli
from hybridx.indexer import Update
from support import Tree, check_same, check_sum, check_whole, chunks, open_index, updated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from hybridx import Index, IndexReport

    Change = Callable[[Tree], object]

SECRET = "outside the root\n"
LIMIT = 200_000
PATIENCE = 60.0
"""Seconds after which an update counts as hung."""


def version(number: int, lines: int = 300) -> str:
    """A text without blank lines, so that its chunks are the whole of it."""
    return f"value_{number} = compute({number})\n" * lines


@pytest.fixture
def moving(tree: Tree, tmp_path: Path) -> Tree:
    """A tree, and beside it what must not be read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/f.py").write_text(SECRET)
    tree.write("sub/f.py", version(1))
    tree.write("sub/other.py", version(2))
    tree.write("calm.py", version(3))
    return tree


def update_while(
    index: Index, monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]
) -> IndexReport:
    """Updates; `change` happens after the scan and before any file is read for its chunks."""
    scan = Update._scan

    def changing(self: Update, only: Collection[str] | None) -> _core.Scan:
        found = scan(self, only)
        change()
        return found

    done: list[IndexReport] = []
    with monkeypatch.context() as patch:
        patch.setattr(Update, "_scan", changing)
        thread = threading.Thread(target=lambda: done.append(index.update()), daemon=True)
        thread.start()
        thread.join(PATIENCE)
    assert not thread.is_alive(), "the update hangs"
    assert done, "the update failed"
    return done[0]


def check_digests(index: Index, scratch: Path) -> None:
    """Asserts that each digest of the snapshot is that of the very bytes whose chunks are held."""
    seen = check_whole(index)
    held: dict[str, list[tuple[int, str]]] = {}
    for path, _, _, _, start, _, text in chunks(seen).values():
        held.setdefault(path, []).append((start, text))
    shutil.rmtree(scratch, ignore_errors=True)
    digests: dict[str, set[str | None]] = {}
    for end in ("\n", ""):
        whole = Tree(scratch / (end and "ended"))
        for path, pieces in held.items():
            whole.write(path, "\n".join(text for _, text in sorted(pieces)) + end)
        tree = _core.scan(whole.root, default_excludes=False).tree
        for path in held:
            digests.setdefault(path, set()).add(tree.digest(path))
    for path in seen.snapshot.paths():
        if path in held:
            assert seen.snapshot.tree.digest(path) in digests[path], f"{path}: other bytes"
    assert SECRET.strip() not in "".join(row[-1] for row in chunks(seen).values())


def check_settled(index: Index, tree: Tree, fresh: Path) -> None:
    """Asserts that one more update ends where a clean build does."""
    updated(index)
    clean = open_index(tree, index_dir=fresh, max_file_bytes=LIMIT)
    updated(clean)
    check_same(index, clean)
    settled = index.status().generation
    assert index.update().generation == settled, "an unchanged tree is indexed again"


def replaced(tree: Tree, path: str, make: Callable[[Path], object]) -> None:
    tree.delete(path)
    make(tree.path(path))


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def out_of_the_root(tree: Tree) -> None:
    shutil.rmtree(tree.path("sub"))
    tree.path("sub").symlink_to(tree.root.parent / "outside")


def swap(tree: Tree) -> None:
    tree.move("sub/f.py", "x")
    tree.move("sub/other.py", "sub/f.py")
    tree.move("x", "sub/other.py")


def dated(tree: Tree, content: str, when: float) -> None:
    tree.write("sub/f.py", content)
    os.utime(tree.path("sub/f.py"), (when, when))


def same_size_and_time(tree: Tree) -> None:
    before = tree.path("sub/f.py").stat()
    tree.path("sub/f.py").write_text(version(8))
    os.utime(tree.path("sub/f.py"), ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Change] = {
    "changed": lambda tree: tree.write("sub/f.py", version(9)),
    "truncated": lambda tree: os.truncate(tree.path("sub/f.py"), 700),
    "emptied": lambda tree: os.truncate(tree.path("sub/f.py"), 0),
    "grown": lambda tree: tree.write("sub/f.py", version(1) + version(4)),
    "grown beyond the limit": lambda tree: tree.write("sub/f.py", version(1, 20_000)),
    "made binary": lambda tree: tree.write("sub/f.py", b"\0" * 100),
    "deleted": lambda tree: tree.delete("sub/f.py"),
    "a folder": lambda tree: replaced(tree, "sub/f.py", Path.mkdir),
    "a link out": lambda tree: replaced(
        tree, "sub/f.py", lambda path: path.symlink_to(tree.root.parent / "outside/f.py")
    ),
    "a link to itself": lambda tree: replaced(
        tree, "sub/f.py", lambda path: path.symlink_to(path.name)
    ),
    "a fifo": lambda tree: replaced(tree, "sub/f.py", os.mkfifo),
    "a socket": lambda tree: replaced(tree, "sub/f.py", bind),
    "its folder deleted": lambda tree: tree.delete("sub"),
    "its folder a file": lambda tree: tree.write("sub", "sub = 1\n"),
    "its folder a link out": out_of_the_root,
    "its folder a link to itself": lambda tree: replaced(
        tree, "sub", lambda path: path.symlink_to("sub")
    ),
    "renamed by case": lambda tree: tree.move("sub/f.py", "sub/F.py"),
    "swapped": swap,
    "time set back": lambda tree: dated(tree, version(6), 1.0),
    "before the epoch": lambda tree: dated(tree, version(6), -1e9),
    "in the future": lambda tree: dated(tree, version(6), time.time() + 1e8),
    "same size and time": same_size_and_time,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("first", [True, False], ids=["first build", "update"])
def test_a_change_between_scan_and_read(
    moving: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, first: bool
) -> None:
    index = open_index(moving, max_file_bytes=LIMIT)
    if not first:
        updated(index)
        moving.write("sub/f.py", version(5))
    report = update_while(index, monkeypatch, lambda: CHANGES[change](moving))
    check_sum(report)
    assert report.errors == ()
    check_digests(index, tmp_path / "scratch")
    check_settled(index, moving, tmp_path / "fresh")
    check_digests(index, tmp_path / "scratch")
    calm = [row[-1] for row in chunks(index).values() if row[0] == "calm.py"]
    assert len(calm) > 1, "a file that nobody touched is lost"


def test_files_rewritten_all_the_time(moving: Tree, tmp_path: Path) -> None:
    """Readers of a file that is being written see some state of it, and tell of that state."""
    index = open_index(moving, max_file_bytes=LIMIT)
    updated(index)
    stop = threading.Event()

    def write() -> None:
        number = 10
        while not stop.is_set():
            number += 1
            moving.path("sub/f.py").write_text(version(number))  # in place
            other = moving.path("sub/new")
            other.write_text(version(number))
            other.replace(moving.path("sub/other.py"))
            moving.path(f"sub/n{number % 7}.py").unlink(missing_ok=True)
            moving.path(f"sub/n{number % 5}.py").write_text(version(number, 3))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(4):
            report = index.update()
            check_sum(report)
            assert report.errors == ()
            check_digests(index, tmp_path / "scratch")
    finally:
        stop.set()
        writer.join()
    check_settled(index, moving, tmp_path / "fresh")


@pytest.mark.parametrize("change", ["time set back", "in the future", "same size and time"])
def test_times_that_lie_hide_no_change(moving: Tree, tmp_path: Path, change: str) -> None:
    index = open_index(moving, max_file_bytes=LIMIT)
    updated(index)
    CHANGES[change](moving)
    report = updated(index)
    assert (report.files.modified, report.files.unchanged) == (1, 2), "a change was not seen"
    check_settled(index, moving, tmp_path / "fresh")


def test_a_rename_by_case_alone_is_a_move(moving: Tree, tmp_path: Path) -> None:
    index = open_index(moving, max_file_bytes=LIMIT)
    updated(index)
    moving.move("sub/f.py", "sub/F.py")
    report = updated(index)
    assert (report.files.moved, report.chunks.embedded) == (1, 0)
    check_settled(index, moving, tmp_path / "fresh")


@contextmanager
def leases() -> Iterator[Callable[[Path], None]]:
    """Makes files busy: whoever opens one without waiting is told to come again later."""
    fcntl = pytest.importorskip("fcntl")
    if not hasattr(fcntl, "F_SETLEASE"):
        pytest.skip("no leases here")
    held: list[int] = []
    # The holder is told by a signal that ends a process which does not heed it.
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)

    def take(path: Path) -> None:
        held.append(os.open(path, os.O_RDWR))
        try:
            fcntl.fcntl(held[-1], fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            pytest.skip(f"no leases on this file system: {error}")

    try:
        yield take
    finally:
        for each in held:
            os.close(each)
        signal.signal(signal.SIGIO, before)


def test_a_busy_file_fails_alone_is_tried_by_every_run_and_heals(
    moving: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index = open_index(moving, max_file_bytes=LIMIT)
    with leases() as lease:
        started = time.monotonic()
        report = update_while(index, monkeypatch, lambda: lease(moving.path("sub/f.py")))
        assert time.monotonic() - started < PATIENCE / 2
        assert [(each.path, each.stage) for each in report.errors] == [("sub/f.py", "read")]
        assert "unavailable" in report.errors[0].message
        assert (report.files.added, report.files.failed) == (2, 1), "it stalled the others"
        check_digests(index, tmp_path / "scratch")
        assert index.why("sub/f.py").reason == "busy"
        again = updated(index)
        assert again.errors == report.errors, "it was not tried again, or says something else"
        assert again.generation == report.generation, "a generation for nothing new"
    why = index.why("sub/f.py")
    assert (why.verdict, why.stage, why.next) == ("failed", "read", "retry")
    check_settled(index, moving, tmp_path / "fresh")
    assert index.status().failed == 0


def test_what_is_busy_when_the_tree_is_scanned_keeps_its_rows(moving: Tree, tmp_path: Path) -> None:
    index = open_index(moving, max_file_bytes=LIMIT)
    updated(index)
    before = chunks(index)
    moving.write("sub/f.py", version(7))
    with leases() as lease:
        lease(moving.path("sub/f.py"))
        report = index.update()
        assert (report.files.removed, report.files.skipped) == (0, 1)
        check_whole(index)
        assert chunks(index) == before, "rows of a file that nobody could look at are gone"
        assert index.why("sub/f.py").verdict == "indexed"
    check_settled(index, moving, tmp_path / "fresh")
    assert chunks(index) != before


def test_a_hopeless_run_ends(
    moving: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--max-errors` ends it with code 1 and tells path, stage and message."""
    scan = Update._scan
    with leases() as lease:

        def busy(self: Update, only: Collection[str] | None) -> _core.Scan:
            found = scan(self, only)
            for path in ("sub/f.py", "calm.py"):
                lease(moving.path(path))
            return found

        monkeypatch.setattr(Update, "_scan", busy)
        with pytest.raises(SystemExit) as end:
            cli.main(["index", str(moving.root), "--max-errors", "1", "--sequential"], "hybridx")
    said = capsys.readouterr().err
    assert end.value.code == 1, said
    assert "more than 1 file" in said, said
    assert "read" in said, said
    assert "unavailable" in said, said
