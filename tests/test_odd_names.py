"""Any name a file may have: indexed, found, shown so that it can be given back; and odd places."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx import MerkleTree
from hybridx._core import decode_path, encode_path
from support import (
    MODES,
    Tree,
    check_refused,
    check_whole,
    chunks,
    json_of,
    open_index,
    run_cli,
    run_unprivileged,
    updated,
)

if TYPE_CHECKING:
    from hybridx import Index

NAMES = (
    b"with space.py",
    b" leading and trailing ",
    b"new\nline.py",
    b"tab\tand\rreturn.py",
    b"caf\xe9-latin.py",
    b"\xff\xfe\xfd",
    b"caf\\xe9-escaped.py",
    b"back\\slash.py",
    b"\\x5c",
    "späte Straße.py".encode(),
    "日本語.rs".encode(),
    "e\u0301-combining.py".encode(),
    "\u202eright-to-left.py".encode(),
    b"'quote' OR 1=1 --.py",
    b'"double".py',
    b"$(touch pwned).py",
    b"-k",
    b"--help",
    b"*.py",
    b"[a].py",
    b"%s%n.py",
    b"\x01\x1b[31m.py",
    b"a" * 255,
    b"deep/" * 40 + b"end.py",
    b".hidden.py",
    b"...",
)


def write(root: Path, name: bytes, content: str) -> None:
    """Writes a file of any name."""
    path = os.path.join(os.fsencode(root), name)  # noqa: PTH118 - bytes
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(content)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index of files with odd names; file `n` holds the word `needle<n>`."""
    root = tmp_path_factory.mktemp("odd") / "tree"
    root.mkdir()
    for number, name in enumerate(NAMES):
        write(root, name, f"needle{number} = 'common'\n")
    index = open_index(root)
    report = updated(index)
    assert report.files.added == len(NAMES), report
    return index


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_a_file_of_any_name_is_found_under_its_name(odd: Index, number: int) -> None:
    for mode in ("lexical", "hybrid"):
        hit = odd.search(f"needle{number}", 1, mode=mode)[0]
        assert f"needle{number} " in hit.text
        assert decode_path(hit.path) == NAMES[number]
        hit.path.encode()
    spelled = encode_path(NAMES[number])
    assert check_whole(odd).snapshot.tree.digest(spelled)
    semantic = odd.search("common", 100, mode="semantic")
    assert spelled in {hit.path for hit in semantic}


def test_names_in_json_can_be_given_back(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for number, name in enumerate(NAMES):
        write(root, name, f"needle{number} = 'common'\n")
    json_of(run_cli("index", "--json", root))
    found = json_of(run_cli("search", "common", root, "-k", "100", "--json"))
    spelled = {hit["path"] for hit in found["hits"]}
    assert {decode_path(path) for path in spelled} == set(NAMES)
    grep = run_cli("search", "common", root, "-k", "100", "--format", "grep")
    assert len(grep.stdout.splitlines()) == len(NAMES), "a name breaks a line"
    assert b"\x1b" not in grep.stdout, "a name reaches the terminal"

    for number, name in enumerate(NAMES):
        write(root, name, f"thread{number} = 'common'\n")
    changed = json_of(run_cli("diff", root, "--json"))["modified"]
    assert set(changed) == spelled
    # By their bytes, relative to the working directory …
    listed = b"\0".join(NAMES[:13]) + b"\0"
    report = json_of(run_cli("index", "--json", "--files-from", "-", cwd=root, stdin=listed))
    assert report["files"]["modified"] == 13
    # … one by one …
    bytes_flags = [b"--file=" + name for name in NAMES[13:20]]
    report = json_of(run_cli("index", "--json", *bytes_flags, cwd=root))
    assert report["files"]["modified"] == 7
    # … and as hybridx spells them.
    flags = [f"--file={encode_path(name)}" for name in NAMES[20:]]
    report = json_of(run_cli("index", "--json", *flags, cwd=root))
    assert report["files"]["modified"] == len(NAMES) - 20
    assert json_of(run_cli("diff", root, "--json"))["modified"] == []


@pytest.mark.parametrize("name", NAMES[:13])
def test_one_file_of_an_odd_name_is_updated_alone(tmp_path: Path, name: bytes) -> None:
    index = open_index(Tree(tmp_path / "tree", {"other.py": "x = 1\n"}))
    updated(index)
    write(index.root, name, "y = 2\n")
    (index.root / "other.py").write_text("x = 3\n")
    report = updated(index, paths=[encode_path(name)])
    assert (report.files.added, report.files.modified) == (1, 0)
    (index.root / "other.py").write_text("x = 1\n")
    os.unlink(os.path.join(os.fsencode(index.root), name))  # noqa: PTH108, PTH118
    assert updated(index).files.removed == 1
    assert {chunk[0] for chunk in chunks(index).values()} == {"other.py"}


@settings(max_examples=200)
@given(st.binary(max_size=40))
def test_a_spelling_stands_for_one_name(name: bytes) -> None:
    spelled = encode_path(name)
    spelled.encode()
    assert decode_path(spelled) == name


RESERVED = {b".", b"..", b".git", b".gitignore", b".ignore", b".hybridxignore", b".hybridx"}
names = st.binary(min_size=1, max_size=30).map(lambda raw: raw.translate(None, b"/\0"))


@settings(max_examples=15)
@given(st.sets(names.filter(lambda name: name and name not in RESERVED), min_size=1, max_size=12))
def test_random_names_are_indexed_as_they_are(some: set[bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for name in some:
            write(root, name, "word = 1\n")
        index = open_index(root)
        updated(index)
        for mode in MODES:
            paths = {hit.path for hit in index.search("word", 100, mode=mode)}
            assert {decode_path(path) for path in paths} == some
        index.close()


def test_an_empty_folder_is_an_empty_index(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    assert updated(index).files.seen == 0
    assert updated(index).generation == 1
    for mode in MODES:
        assert not index.search("anything", mode=mode).hits
    assert run_cli("search", "anything", tmp_path).returncode == 1
    (tmp_path / "a.py").write_text("anything = 1\n")
    assert updated(index).files.added == 1
    for mode in MODES:
        assert index.search("anything", mode=mode).hits


def test_places_that_are_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("x = 1\n")
    for command in (["index"], ["search", "x"], ["status"], ["diff"], ["clean"]):
        check_refused(run_cli(*command, tmp_path / "nowhere"), "nowhere")
        check_refused(run_cli(*command, tmp_path / "file.py"), "file.py")


def test_what_is_no_file_neither_hangs_nor_hides_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path / "tree", {"a.py": "x = 1\n", "sub/b.py": "y = 2\n"})
    os.mkfifo(tree.path("pipe"))
    tree.path("loop").symlink_to("loop")
    tree.path("sub/up").symlink_to("..")
    tree.path("outside").symlink_to("/etc")
    tree.path("dangling").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as server:
        # The whole path would be too long for a socket.
        monkeypatch.chdir(tree.root)
        server.bind("socket")
        index = open_index(tree)
        report = updated(index)
        assert report.files.added == 2
        reasons = {path: reason for path, reason, _ in index.skipped()}
        assert reasons == {
            "pipe": "special",
            "socket": "special",
            "loop": "symlink",
            "sub/up": "symlink",
            "outside": "symlink",
            "dangling": "symlink",
        }
        assert report.files.skipped == len(reasons)
        assert updated(index, paths=["pipe"]).generation == 1
        assert MerkleTree.from_path(tree.root).paths() == ["a.py", "sub/b.py"]


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o500])
def test_a_folder_without_permission_is_said(tmp_path: Path, mode: int) -> None:
    root, closed = tmp_path / "root", tmp_path / "closed"
    for folder in (root, closed):
        folder.mkdir()
    (root / "a.py").write_text("x = 1\n")
    closed.chmod(0)
    root.chmod(mode)
    try:
        check_refused(run_unprivileged(closed, "index", root), "root", "ermission denied")
        result = run_unprivileged(closed, "search", "x", root)
        check_refused(result)
    finally:
        root.chmod(0o700)
        closed.chmod(0o700)


def test_what_cannot_be_read_is_a_skip_and_the_rest_is_indexed(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", {"a.py": "x = 1\n", "shut/b.py": "y = 2\n", "shut.py": "z\n"})
    tree.path("shut").chmod(0)
    tree.path("shut.py").chmod(0)
    try:
        result = run_unprivileged(tree.path("shut"), "index", tree.root, "--json")
        report = json_of(result)
        files = report["files"]
        assert (files["added"], files["skipped"], files["failed"]) == (1, 2, 0)
        status = json_of(
            run_unprivileged(tree.path("shut"), "status", tree.root, "--json", "--skipped")
        )
        assert status["skipped"] == {"unreadable": 2}
        rows = {row["path"]: row["reason"] for row in status["skipped_files"]}
        assert rows == {"shut": "unreadable", "shut.py": "unreadable"}
        assert b"Traceback" not in result.stderr
    finally:
        tree.path("shut").chmod(0o700)
        tree.path("shut.py").chmod(0o600)
    index = open_index(tree)
    assert updated(index).files.added == 2, "what can be read again is not indexed"
