"""What the tests share: a tree of files, a look into both stores, and the program as a process."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hybridx
from hybridx.commit import Generation
from hybridx.config import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hybridx.types import IndexReport, Mode

PROJECT: dict[str, str | bytes] = {
    "src/retry.py": (
        "import time\n\n\n"
        "def retry_with_backoff(call, attempts):\n"
        '    """Call again after a failure, waiting longer each time."""\n'
        "    for attempt in range(attempts):\n"
        "        try:\n            return call()\n"
        "        except OSError:\n            time.sleep(2**attempt)\n"
    ),
    "src/http/client.py": (
        "class HttpClient:\n"
        '    """Sends requests over a pool of connections."""\n\n'
        "    def __init__(self, pool):\n        self.pool = pool\n\n"
        "    def send(self, request):\n"
        "        connection = self.pool.acquire()\n"
        "        return connection.transmit(request)\n"
    ),
    "src/http/pool.py": (
        "def open_connection(host, port):\n    return socket.create_connection((host, port))\n"
    ),
    "web/app.js": (
        "// Draws the table of users.\n"
        "function renderUserTable(users) {\n  return users.map((user) => user.name);\n}\n"
    ),
    "engine/src/lib.rs": (
        "/// Parses a date such as 2024-02-29.\n"
        "pub fn parse_date(text: &str) -> Option<Date> {\n    Date::from_str(text).ok()\n}\n"
    ),
    "docs/guide.md": (
        "# Guide\n\nHow to install the program.\n\n## Colours\n\nThemes are named by colour.\n"
    ),
    "config.toml": '[server]\nport = 8080\nhost = "localhost"\n',
    "empty.py": "",
    "logo.bin": b"\x00\x01\x02binary",
}
"""A small project of several languages; `logo.bin` is skipped, all others are indexed."""

MODES: tuple[Mode, ...] = ("lexical", "semantic", "hybrid")

ALL = 1000
"""More hits than any test's index has chunks."""


class Tree:
    """A folder of files; paths are relative to it."""

    def __init__(self, root: Path, files: Mapping[str, str | bytes] | None = None) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        for path, content in (files or {}).items():
            self.write(path, content)

    def path(self, path: str) -> Path:
        return self.root / path

    def write(self, path: str, content: str | bytes) -> None:
        """Writes a file; whatever stands in its way goes."""
        target = self.root / path
        for above in target.relative_to(self.root).parents:
            if (self.root / above).is_file():
                (self.root / above).unlink()
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def delete(self, path: str) -> None:
        """Deletes a file or a folder, if it is there."""
        target = self.root / path
        if target.is_dir():
            shutil.rmtree(target)
        elif target.is_file():
            target.unlink()

    def move(self, old: str, new: str) -> None:
        target = self.root / new
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / old).rename(target)

    def files(self) -> dict[str, bytes]:
        """Every file of the tree with its content, without the index."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            if ".hybridx" in folders:
                folders.remove(".hybridx")
            for name in names:
                path = Path(folder) / name
                found[path.relative_to(self.root).as_posix()] = path.read_bytes()
        return found


def open_index(tree: Tree | Path, **settings: Any) -> hybridx.Index:
    """The index of a tree, of given settings and defaults alone.

    Each tree has a vector cache of its own, so that two are never equal for the cache's sake.
    """
    root = tree.root if isinstance(tree, Tree) else tree
    if "cache_dir" not in settings and "HYBRIDX_CACHE_DIR" in os.environ:
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        settings["cache_dir"] = Path(os.environ["HYBRIDX_CACHE_DIR"]) / name
    return hybridx.Index.open(root, settings=Settings(**settings))


def generation(index: hybridx.Index) -> Generation:
    """The generation that readers of `index` see."""
    found = Generation.current(index._layout)
    assert found is not None, f"{index} has no generation"
    return found


def ids(index: hybridx.Index | Generation) -> tuple[list[int], list[int]]:
    """The ids of all chunks in the lexical and in the vector store."""
    seen = generation(index) if isinstance(index, hybridx.Index) else index
    vectors = seen.vectors()
    return seen.searcher.ids(), [] if vectors is None else vectors.ids()


def check_whole(index: hybridx.Index | Generation) -> Generation:
    """Asserts that stores, snapshot and manifest tell of the same files and chunks."""
    seen = generation(index) if isinstance(index, hybridx.Index) else index
    lexical, semantic = ids(seen)
    assert len(set(lexical)) == len(lexical), "a chunk is twice in the lexical store"
    assert len(set(semantic)) == len(semantic), "a chunk is twice in the vector store"
    only = set(lexical) ^ set(semantic)
    assert lexical == semantic, f"{len(only)} chunks are in one store only"
    totals = seen.snapshot.totals()
    assert totals.chunks == len(lexical), "the snapshot counts other chunks than the stores hold"
    assert len(seen.searcher) == len(lexical), "the lexical store counts deleted chunks"
    root = seen.snapshot.tree.root
    assert root == seen.manifest.merkle_root, "the manifest names another Merkle root"
    stored = {chunk.path for chunk in seen.searcher.fetch(lexical)}
    strangers = stored - set(seen.snapshot.paths())
    assert not strangers, f"chunks of files the snapshot does not name: {strangers}"
    return seen


Chunk = tuple[str, str, str, str, int, int, str]


def chunks(index: hybridx.Index | Generation) -> dict[int, Chunk]:
    """Everything the lexical store holds, by id."""
    seen = generation(index) if isinstance(index, hybridx.Index) else index
    return {
        each.id: (
            each.path,
            each.language,
            each.kind,
            each.symbol,
            each.start_line,
            each.end_line,
            each.text,
        )
        for each in seen.searcher.fetch(seen.searcher.ids())
    }


def vectors(index: hybridx.Index | Generation) -> dict[int, NDArray[np.float32]]:
    """Every vector by its chunk's id."""
    seen = generation(index) if isinstance(index, hybridx.Index) else index
    store = seen.vectors()
    if store is None:
        return {}
    rows = store._table.search().select(["id", "vector"]).limit(None).to_arrow()
    matrix = rows.column("vector").combine_chunks().flatten().to_numpy()
    matrix = matrix.reshape(-1, store.dimension)
    return dict(zip(rows.column("id").to_pylist(), matrix, strict=True))


def check_same(one: hybridx.Index, other: hybridx.Index) -> None:
    """Asserts that two indexes hold the same chunks and the same vectors."""
    left, right = chunks(one), chunks(other)
    only_left = [left[each] for each in left.keys() - right.keys()]
    only_right = [right[each] for each in right.keys() - left.keys()]
    assert left == right, f"chunks differ: only left {only_left}, only right {only_right}"
    mine, theirs = vectors(one), vectors(other)
    assert mine.keys() == theirs.keys()
    for each, vector in mine.items():
        # Which chunks share a batch may move the last bit of a sum.
        assert abs(vector - theirs[each]).max() <= 1e-6, f"the vector of {left[each]} differs"


def check_sum(report: IndexReport) -> None:
    """Asserts that every file that was seen is counted once."""
    files = report.files
    changed = (files.added, files.modified, files.moved)
    parts = (*changed, files.unchanged, files.skipped, files.failed)
    assert files.seen == sum(parts), f"the counts do not add up: {files}"
    assert min(*parts, files.removed) >= 0, f"a count is negative: {files}"
    counts = report.chunks
    if not files.failed:
        assert counts.embedded + counts.reused_vectors == counts.added, f"vectors: {counts}"


def updated(index: hybridx.Index, **arguments: Any) -> IndexReport:
    """Updates, and asserts what holds after every update."""
    report = index.update(**arguments)
    check_sum(report)
    seen = check_whole(index)
    assert report.generation == seen.manifest.generation
    assert report.chunks.total == len(seen.searcher)
    if arguments.get("paths") is None:
        left = index.diff().changes
        failed = report.files.failed
        assert failed or not left, f"after an update: {left.added} {left.modified} {left.removed}"
    return report


def run_cli(
    *args: str | bytes | Path,
    cwd: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[bytes]:
    """Runs `hybridx` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "hybridx", *args],
        cwd=cwd,
        input=stdin,
        env={**os.environ, **(env or {})},
        capture_output=True,
        timeout=timeout,
        check=False,
    )


def json_of(result: subprocess.CompletedProcess[bytes], code: int = 0) -> Any:
    """The JSON document on stdout of a run that ended with `code`."""
    assert result.returncode == code, (result.returncode, result.stderr.decode())
    return json.loads(result.stdout)


def check_refused(result: subprocess.CompletedProcess[bytes], *words: str) -> None:
    """Asserts exit code 2 with one or two lines that name `words`, and no traceback."""
    said = result.stderr.decode(errors="backslashreplace")
    assert result.returncode == 2, (result.returncode, said)
    assert "Traceback" not in said, said
    assert "internal error" not in said, said
    assert result.stdout == b"", "an error printed data"
    assert 1 <= len(said.strip().splitlines()) <= 2, f"more than two lines: {said}"
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"


def script(code: str, *args: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


UNPRIVILEGED = """
import ctypes, os, runpy, sys

class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

class Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32),
                ("inheritable", ctypes.c_uint32)]

# Root without capabilities is bound by the permissions of files, and still owns the interpreter's.
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() == 0 and libc.capset(ctypes.byref(Header(0x20080522, 0)), (Data * 2)()):
    sys.exit(77)
try:
    os.listdir(sys.argv.pop(1))
    sys.exit(77)
except PermissionError:
    pass
sys.argv[0] = "hybridx"
runpy.run_module("hybridx", run_name="__main__")
"""


def run_unprivileged(closed: Path, *args: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Runs the program as somebody who may not list the folder `closed`."""
    command = [sys.executable, "-c", UNPRIVILEGED, closed, *args]
    result = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if result.returncode == 77:
        pytest.skip("the privileges of this process cannot be dropped here")
    return result


def lines_of(text: str) -> Sequence[str]:
    """Lines as the index counts them: only a line feed ends one."""
    return text.removesuffix("\n").split("\n")
