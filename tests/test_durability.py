"""Power loss: what a commit names is on the disk before the commit, and the commit before clean-up.

A kill proves nothing about this: the kernel keeps what a dead process wrote. Here the record of a
run is played back, and the folder is made as a disk would hold it if the power went at some point:
files as they were when they were last made durable, names as they were when their folder was.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from hybridx.commit import Generation
from hybridx.errors import CorruptIndexError
from hybridx.store import VectorStore
from support import (
    ALL,
    PROJECT,
    Tree,
    check_same,
    check_whole,
    chunks,
    open_index,
    updated,
)
from test_crash import change

if TYPE_CHECKING:
    from pathlib import Path

    from faults import Change, Faults, Run
    from support import Chunk


@dataclass(eq=False)
class File:
    """A file on the disk."""

    durable: bytes | None = b""
    """What it holds for certain; `None` if that is not known."""
    pending: bool = False
    """Whether it was written since."""


@dataclass(eq=False)
class Folder:
    """A folder on the disk: its names for certain, and its names as processes see them."""

    durable: dict[str, File | Folder] = field(default_factory=dict)
    now: dict[str, File | Folder] = field(default_factory=dict)


class Disk:
    """A folder of which a record is played back, as it is and as it is for certain."""

    def __init__(self, run: Run, start: Path | None) -> None:
        self.run = run
        self.top = Folder()
        if start is not None:
            self._load(self.top, start)

    def _load(self, folder: Folder, path: Path) -> None:
        for each in path.iterdir():
            there: File | Folder
            if each.is_dir():
                there = Folder()
                self._load(there, each)
            else:
                there = File(each.read_bytes())
            folder.now[each.name] = folder.durable[each.name] = there

    def _find(self, path: str) -> tuple[Folder, str]:
        folder = self.top
        *above, name = path.split("/")
        for part in above:
            below = folder.now[part]
            assert isinstance(below, Folder)
            folder = below
        return folder, name

    def at(self, path: str) -> File | Folder:
        """What stands at a path now."""
        if path == ".":
            return self.top
        folder, name = self._find(path)
        return folder.now[name]

    def play(self, change: Change) -> None:
        """Carries out one change of the record."""
        if not change.done or change.op in ("open", "lock", "unlock"):
            return
        if change.op == "sync":
            self._sync(change)
            return
        if change.path == ".":
            return  # the folder itself was made
        if change.op in ("write", "truncate"):
            there = self.at(change.path)
            assert isinstance(there, File)
            there.pending = True
            return
        folder, name = self._find(change.path)
        if change.op == "create":
            folder.now[name] = File()
        elif change.op == "mkdir":
            folder.now[name] = Folder()
        elif change.op in ("unlink", "rmdir"):
            del folder.now[name]
        elif change.op in ("rename", "link"):
            target, other = self._find(change.other)
            target.now[other] = folder.now[name]
            if change.op == "rename":
                del folder.now[name]

    def _sync(self, change: Change) -> None:
        there = self.at(change.path)
        if isinstance(there, Folder):
            there.durable = dict(there.now)
        else:
            assert self.run.keep is not None
            there.durable = (self.run.keep / str(change.line)).read_bytes()
            there.pending = False

    def write(self, to: Path, *, names: str) -> None:
        """The folder after the power went.

        With `names` "durable" a name is there if its folder was made durable since; with "now"
        the disk had got hold of all names and of no content but what was made durable, as file
        systems do that log names alone. A file that was never made durable is then empty.
        """
        self._write(self.top, to, names)

    def _write(self, folder: Folder, to: Path, names: str) -> None:
        to.mkdir(parents=True)
        entries = folder.durable if names == "durable" else folder.now
        for name, there in entries.items():
            if isinstance(there, Folder):
                self._write(there, to / name, names)
            else:
                (to / name).write_bytes(there.durable or b"")


@dataclass
class Cut:
    """A run that was recorded, with the tree it ran over."""

    tree: Tree
    run: Run
    start: Path | None
    """The index before it."""
    old: dict[int, Chunk]
    new: dict[int, Chunk]


def record(place: Path, faults: Faults, what: str) -> Cut:
    """Records an update, a first build or a full build of a project."""
    tree = Tree(place / "tree", PROJECT)
    folder = tree.root / ".hybridx"
    start, old, flags = None, {}, []
    if what != "first build":
        updated(open_index(tree))
        old = chunks(open_index(tree))
        change(tree)
        start = place / "start"
        shutil.copytree(folder, start)
        flags = ["--full"] if what == "full build" else []
    run = faults.run(folder, "index", "--quiet", *flags, tree.root, keep=True)
    assert run.code == 0, run.stderr
    return Cut(tree, run, start, old, chunks(open_index(tree)))


@pytest.fixture(params=["update", "first build", "full build"])
def cut(request: pytest.FixtureRequest, tmp_path: Path, faults: Faults) -> Cut:
    return record(tmp_path, faults, request.param)


def named_by(meta: dict[str, object], bm25: Path) -> set[str]:
    """The files of the lexical store that a commit names."""
    segments = meta["segments"]
    assert isinstance(segments, list)
    prefixes = {segment["segment_id"].replace("-", "") for segment in segments}
    return {path.name for path in bm25.iterdir() if path.name[:32] in prefixes}


def test_what_a_commit_names_is_durable_before_it(cut: Cut) -> None:
    disk = Disk(cut.run, cut.start)
    commits = 0
    for each in cut.run.changes:
        if each.op == "rename" and each.other.endswith("/bm25/meta.json"):
            held = disk.at(each.path)
            assert isinstance(held, File)
            assert held.durable is not None
            assert not held.pending, "meta.json itself is not durable before it gets its name"
            meta = json.loads(held.durable)
            if meta.get("payload"):
                commits += 1
                check_durable(disk, cut, each, meta)
        disk.play(each)
    assert commits >= 1, "the run committed nothing"


def check_durable(disk: Disk, cut: Cut, commit: Change, meta: dict[str, object]) -> None:
    epoch = commit.other.removesuffix("/bm25/meta.json")
    folder = cut.tree.root / ".hybridx" / epoch
    manifest = json.loads(str(meta["payload"]))
    names = {f"{epoch}/bm25/{name}" for name in named_by(meta, folder / "bm25")}
    assert names, "the commit names no segment"
    names.add(f"{epoch}/snapshots/{manifest['snapshot']}")
    assert manifest["vectors_version"] > 0
    table = folder / "vectors" / f"chunks-{manifest['vectors_table']}.lance"
    version = (1 << 64) - 1 - manifest["vectors_version"]
    names.add(f"{epoch}/vectors/{table.name}/_versions/{version}.manifest")
    vectors = {
        path.relative_to(cut.tree.root / ".hybridx").as_posix()
        for part in ("data", "_deletions", "_transactions")
        for path in (table / part).glob("*")
    }
    assert vectors, "the table has no data"
    for name in sorted(names | vectors):
        there = disk.at(name)
        assert isinstance(there, File)
        assert not there.pending, f"{name} was written and not made durable before the commit"
        above = name
        while "/" in above:
            parent, _, last = above.rpartition("/")
            holder = disk.at(parent)
            assert isinstance(holder, Folder)
            assert last in holder.durable, f"the name {above} is not durable before the commit"
            above = parent
        assert above in disk.top.durable, f"the name {above} is not durable before the commit"


def test_a_commit_is_durable_before_anything_is_removed_or_switched(cut: Cut) -> None:
    waiting = ""
    commits = 0
    for each in cut.run.changes:
        if each.op == "rename" and each.done and each.other.endswith("/meta.json"):
            waiting, commits = each.other.rpartition("/")[0], commits + 1
        elif each.op == "sync" and each.done and each.path == waiting:
            waiting = ""
        elif waiting:
            gone = each.op in ("unlink", "rmdir") or "CURRENT" in each.path
            assert not gone, f"{each} before the commit in {waiting} is durable"
    assert commits
    assert not waiting, "the last commit is never made durable"
    switched = [each for each in cut.run.changes if each.other == "CURRENT"]
    for switch in switched:
        after = cut.run.changes[switch.line + 1 :]
        assert any(each.op == "sync" and each.path == "." for each in after)


@pytest.mark.parametrize("names", ["durable", "now"])
def test_without_power_a_whole_generation_is_left(cut: Cut, names: str, tmp_path: Path) -> None:
    """At every change that moves, removes or makes durable something, and at the end."""
    disk = Disk(cut.run, cut.start)
    points = [each.line for each in cut.run.changes if each.op in ("rename", "unlink", "rmdir")]
    commits = [
        each.line
        for each in cut.run.changes
        if each.op == "rename" and each.other.endswith(("/meta.json", "CURRENT", ".snapshot"))
    ]
    # All around the commits, and a sample of the rest.
    wanted = {line + more for line in commits for more in (-1, 0, 1, 2)}
    wanted |= set(points[::7]) | {len(cut.run.changes) - 1}
    root = cut.tree.root
    shutil.rmtree(root / ".hybridx")
    seen_kinds = set()
    for each in cut.run.changes:
        disk.play(each)
        if each.line not in wanted:
            continue
        disk.write(root / ".hybridx", names=names)
        label = f"after {each}, names {names}"
        index = open_index(root)
        seen = Generation.current(index._layout)
        if seen is None:
            assert cut.start is None, f"{label}: the index is gone"
            seen_kinds.add("none")
        else:
            check_whole(seen)
            held = chunks(seen)
            assert held in (cut.old, cut.new), f"{label}: neither generation"
            seen_kinds.add("new" if held == cut.new else "old")
            texts = {hit.text for hit in index.search("a ghost chunk", ALL, mode="semantic")}
            assert texts == {row[6] for row in held.values()}, label
        updated(index)
        assert chunks(index) == cut.new, f"{label}: the next run does not mend it"
        shutil.rmtree(root / ".hybridx")
    assert "new" in seen_kinds, "no cut was after the commit"
    assert len(seen_kinds) > 1, "no cut was before the commit"
    # What a run has reported is kept, wherever the power goes afterwards.
    disk.write(root / ".hybridx", names="durable")
    assert chunks(open_index(root)) == cut.new
    assert not open_index(root).diff()


def test_a_disk_that_forgets_is_noticed(tmp_path: Path, faults: Faults) -> None:
    """The other way round: without the record's last syncs the index is not whole."""
    cut = record(tmp_path, faults, "first build")
    disk = Disk(cut.run, None)
    for each in cut.run.changes:
        if each.op == "sync" and "/bm25/" in each.path and not each.path.endswith(".json"):
            continue
        disk.play(each)
    root = cut.tree.root
    shutil.rmtree(root / ".hybridx")
    disk.write(root / ".hybridx", names="now")
    with pytest.raises(Exception, match=r"."):
        check_whole(open_index(root))


@pytest.mark.parametrize("how", ["empty", "half", "zeros"])
@pytest.mark.parametrize("hint", ["", '{"version":1}', '{"version":99}'])
@pytest.mark.parametrize("place", ["plain", "a name: 100 %"])
def test_a_version_that_was_never_committed_may_be_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, hint: str, place: str
) -> None:
    """LanceDB makes no version durable, and opens the newest on the way to any other."""
    views = tmp_path / place
    views.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(views))
    tree = Tree(tmp_path / "tree", PROJECT)
    updated(open_index(tree))
    held = chunks(open_index(tree))
    seen = Generation.current(open_index(tree)._layout)
    assert seen is not None
    store = VectorStore(seen.epoch.vectors, seen.manifest.dimension, seen.manifest.vectors_table)
    store.open()
    store.delete(["src/retry.py"])
    assert store.version > seen.manifest.vectors_version
    versions = store._table_folder / "_versions"
    newest = min(versions.glob("*.manifest"))
    whole = newest.read_bytes()
    newest.write_bytes({"empty": b"", "half": whole[: len(whole) // 2]}.get(how, bytes(len(whole))))
    (versions / "latest_version_hint.json").write_text(hint)
    index = open_index(tree)
    with contextlib.suppress(CorruptIndexError):
        VectorStore(store.folder, store.dimension, store.number).open()
        assert how == "zeros", "a torn version could be opened: this tests nothing"
    check_whole(index)
    hits = index.search("call again after a failure", ALL, mode="semantic").hits
    assert {hit.text for hit in hits} == {row[6] for row in held.values()}
    assert index.verify().ok
    tree.write("src/retry.py", "def once():\n    return 1\n")
    updated(index)
    assert index.verify().ok
    clean = open_index(Tree(tmp_path / "clean", tree.files()))
    updated(clean)
    check_same(index, clean)
    del index, seen, store
    gc.collect()
    assert not list(views.iterdir()), "what was opened aside is still there"


def test_nothing_escapes_the_record(tmp_path: Path, faults: Faults) -> None:
    """What strace sees below the index's folder, the record has."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace")
    tree = Tree(tmp_path / "tree", PROJECT)
    updated(open_index(tree))
    change(tree)
    twin = Tree(tmp_path / "twin")
    shutil.copytree(tree.root, twin.root, dirs_exist_ok=True)
    calls = tmp_path / "calls"
    strace = ["strace", "-f", "-y", "-qq", "-s", "300", "-e", "trace=%file,%desc,%memory"]
    # One thread writes one segment: how many would share the chunks depends on the moment.
    args = ["index", "--quiet", "--jobs", "1"]
    program = [sys.executable, "-m", "hybridx", *args, str(tree.root)]
    watched = subprocess.run(
        [*strace, "-o", str(calls), *program],
        capture_output=True,
        timeout=120,
        check=False,
    )
    if not calls.exists() or "PTRACE" in watched.stderr.decode() or not calls.stat().st_size:
        pytest.skip(f"strace may not trace here: {watched.stderr.decode()}")
    assert watched.returncode == 0, watched.stderr.decode()
    run = faults.run(twin.root / ".hybridx", *args, twin.root)
    assert run.code == 0, run.stderr
    ours = f"{tree.root}/.hybridx"
    seen: dict[str, int] = {}
    for line in calls.read_text("utf-8", "replace").splitlines():
        found = re.match(r"\d+ +(\w+)\((.*)", line)
        if found is None or ours not in line:
            continue
        name, rest = found.groups()
        if name == "mmap":
            assert "MAP_SHARED" not in rest or "PROT_WRITE" not in rest, f"unseen writes: {line}"
            continue
        if name in READING or (name in ("open", "openat") and not WRITING.search(rest)):
            continue
        assert name in RECORDED, f"the record knows nothing of {line}"
        seen[RECORDED[name]] = seen.get(RECORDED[name], 0) + 1
    have: dict[str, int] = {}
    for each in run.changes:
        kind = "open" if each.op in ("create", "open") else each.op
        have[kind] = have.get(kind, 0) + 1
    # Whether a merge is over by the end varies a little what a run does.
    assert seen.keys() <= {*have, "flock"}
    for kind in ("rename", "link", "sync", "write"):
        assert 0.85 <= seen[kind] / have[kind] <= 1.2, (kind, seen, have)


WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")

READING = frozenset(
    [
        "access",
        "faccessat",
        "faccessat2",
        "stat",
        "lstat",
        "fstat",
        "newfstatat",
        "statx",
        "statfs",
        "fstatfs",
        "readlink",
        "readlinkat",
        "read",
        "pread64",
        "readv",
        "preadv",
        "lseek",
        "getdents64",
        "close",
        "fcntl",
        "dup",
        "dup2",
        "dup3",
        "fadvise64",
        "chdir",
        "fchdir",
        "getcwd",
        "ioctl",
        "munmap",
        "madvise",
        "mprotect",
        "poll",
        "epoll_ctl",
        "execve",
        "getxattr",
        "lgetxattr",
        "inotify_add_watch",
        "readahead",
    ]
)

RECORDED = {
    "open": "open",
    "openat": "open",
    "write": "write",
    "pwrite64": "write",
    "writev": "write",
    "ftruncate": "truncate",
    "fsync": "sync",
    "fdatasync": "sync",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "link": "link",
    "linkat": "link",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "mkdir": "mkdir",
    "mkdirat": "mkdir",
    "rmdir": "rmdir",
    "flock": "flock",
}
