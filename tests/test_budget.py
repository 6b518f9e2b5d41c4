"""A run keeps within its memory, however large the tree is."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridx import _core, budget
from hybridx.budget import MIB, Budget, anonymous_memory, memory_of_machine
from hybridx.store import VectorStore
from support import Tree, check_whole, open_index, updated

RUNTIME = 224 * MIB
"""What is there before anything is indexed; a limit below it cannot be kept."""


@given(limit=st.integers(1, 1 << 20), dimension=st.integers(1, 4096))
def test_the_parts_stay_within_the_whole(limit: int, dimension: int) -> None:
    parts = Budget.of(limit, dimension)
    rows = parts.flush_rows * dimension * 4
    # Batches between two steps: each has about 1 MiB of text, and as much of terms and vectors.
    queues = parts.queue * 2 * 4 * MIB
    most = parts.heap_bytes + rows + parts.ingest_bytes + queues
    assert parts.heap_bytes >= 15 * MIB, "Tantivy takes no less"
    assert parts.flush_rows >= 1024
    assert parts.queue >= 1
    if limit * MIB >= 2 * RUNTIME and dimension <= 1024:
        assert most + RUNTIME <= limit * MIB


def test_rows_that_wait_hold_nothing_of_their_batch_but_vectors(project: Tree) -> None:
    """A column of a batch keeps all of its memory, with the texts."""
    batch = pa.record_batch(next(_core.ingest(project.root, sorted(project.files()))))
    vectors = np.zeros((batch.num_rows, 8), np.float32)
    rows = VectorStore(project.root, 8).rows(batch, vectors)
    held = {buffer.address for column in rows.columns for buffer in column.buffers() if buffer}
    whole = {buffer.address for column in batch.columns for buffer in column.buffers() if buffer}
    assert whole
    assert not held & whole
    assert vectors.ctypes.data in held, "vectors are copied"
    names = rows.schema.names[:-1]
    assert rows.select(names).to_pylist() == batch.select(names).to_pylist()


def test_the_default_is_a_share_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for memory, limit in ((1 << 28, 512), (3 << 30, 768), (1 << 40, 1024)):
        monkeypatch.setattr(budget, "memory_of_machine", lambda memory=memory: memory)
        assert Budget.of(None, 256).limit == limit * MIB


def test_a_group_inside_a_group_counts(tmp_path: Path) -> None:
    """Of a control group and those above it the tightest limit counts; `max` is none."""
    inner = tmp_path / "user.slice" / "job"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (tmp_path / "user.slice" / "memory.max").write_text(f"{700 * MIB}\n")
    (tmp_path / "memory.max").write_text(f"{900 * MIB}\n")
    found = budget._group_limits(tmp_path, "/user.slice/job", "memory.max")
    assert sorted(found) == [700 * MIB, 900 * MIB]
    # A group as it is named outside of the container we are in.
    assert budget._group_limits(tmp_path, "/no/such/group", "memory.max") == [900 * MIB]


def test_what_is_measured_is_there() -> None:
    assert 0 < memory_of_machine() < 1 << 50
    if sys.platform == "linux":
        before = anonymous_memory()
        ballast = bytearray(64 * MIB)
        ballast[:: 1 << 12] = b"x" * len(ballast[:: 1 << 12])
        assert anonymous_memory() - before > 60 * MIB


def test_close_to_the_limit_a_run_commits_early_and_ends_well(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressure slows a run down; nothing fails, and what comes of it is the same."""
    for number in range(1200):
        tree.write(f"d{number % 9}/f{number}.py", f"def name_{number}():\n    return {number}\n")
    monkeypatch.setattr(Budget, "is_tight", lambda _: True)
    index = open_index(tree, jobs=2)
    report = updated(index)
    assert report.files.added == 1200
    assert report.generation > 1, "it waited for the end with its commit"
    check_whole(index)


def source(number: int) -> str:
    """A file of 12 kB unlike any other."""
    return "".join(
        f"def compute_{number}_{part}(left, right):\n"
        f"    value_{part} = left * {number} + right * {part}  # weighs item {number * part}\n"
        f"    return normalise(value_{part}, scale={number % 97}, offset='{number:x}{part:x}')\n\n"
        for part in range(60)
    )


def peak(root: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    """The highest anonymous memory of a run in bytes, and its report."""
    command = [sys.executable, "-m", "hybridx", "index", "--json", "--quiet", *flags, str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    highest = 0

    def watch() -> None:
        nonlocal highest
        while process.poll() is None:
            try:
                text = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            except OSError:
                return
            found = [line.split()[1] for line in text.splitlines() if line.startswith("RssAnon")]
            highest = max(highest, *(int(each) * 1024 for each in found), 0)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(output)
    return highest, report


def made(root: Path, files: int) -> Path:
    for number in range(files):
        path = root / f"d{number % 50}" / f"f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source(number), encoding="utf-8")
    return root


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is read from /proc")
def test_memory_does_not_grow_with_the_tree(tmp_path: Path) -> None:
    small, large = (made(tmp_path / str(files), files) for files in (5_000, 25_000))
    (few, one), (many, other) = peak(small), peak(large)
    files = other["files"]["seen"] - one["files"]["seen"]
    print(f"{few / MIB:.0f} MiB for 1, {many / MIB:.0f} MiB for 5 times as many files")
    assert many <= few * 1.2 + 300 * files


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is read from /proc")
def test_a_limit_is_kept(tmp_path: Path) -> None:
    root = made(tmp_path / "tree", 8_000)
    free, report = peak(root)
    tight, other = peak(root, "--full", "--memory-limit", "400")
    print(f"{free / MIB:.0f} MiB without a limit, {tight / MIB:.0f} MiB with one of 400 MiB")
    assert tight <= 400 * MIB
    assert other["merkle_root"] == report["merkle_root"]
