"""`why`: it says of every file what the index does with it, and by which rule."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybridx
from hybridx.errors import UsageError
from hybridx.types import Rule
from support import (
    Tree,
    check_refused,
    generation,
    json_of,
    open_index,
    run_cli,
    run_unprivileged,
    updated,
)

if TYPE_CHECKING:
    from hybridx import Index, Why


def reasons(index: Index, *paths: str) -> dict[str, str]:
    """What each path is, and by what."""
    found = [index.why(path) for path in paths]
    return {why.path: f"{why.verdict} {why.reason or why.cause or ''}".strip() for why in found}


def test_each_file_is_explained_as_the_index_has_it(tree: Tree) -> None:
    tree.write("a.py", "x = 1\n")
    tree.write("latin.txt", b"caf\xe9\n")
    tree.write("logo.bin", b"\0")
    tree.write("big.txt", "word " * 100)
    tree.write("node_modules/m/index.js", "x")
    tree.write("my-env/pyvenv.cfg", "")
    tree.write("my-env/lib/x.py", "x = 1\n")
    tree.write("build/x.py", "x = 1\n")
    tree.write(".gitignore", "# made\n\nbuild/\n*.log\n!keep.log\n")
    tree.write("x.log", "")
    tree.write("keep.log", "kept\n")
    tree.path("link").symlink_to("a.py")
    os.mkfifo(tree.path("pipe"))
    index = open_index(tree, max_file_bytes=200)
    everything = {
        "latin.txt": "indexed",
        "logo.bin": "skipped binary",
        "big.txt": "skipped too_large",
        "link": "skipped symlink",
        "pipe": "skipped special",
        "node_modules/m/index.js": "ignored default_exclude",
        "my-env/lib/x.py": "ignored virtual_environment",
        "build/x.py": "ignored rule",
        "x.log": "ignored rule",
        "keep.log": "indexed",
        ".hybridx/lock": "ignored index",
        "none.py": "missing",
        "none.log": "missing rule",
        "a.py/below": "missing",
    }
    before = {path: said.replace("indexed", "new") for path, said in everything.items()}
    before[".hybridx/lock"] = "missing index"
    assert reasons(index, *everything) == before, "without an index"
    updated(index)
    assert reasons(index, *everything) == everything
    for path, reason, detail in index.skipped():
        why = index.why(path)
        assert (why.reason, why.detail) == (reason, detail), "the ledger says something else"

    latin = index.why("latin.txt")
    assert (latin.language, latin.chunks, latin.bytes) == ("text", 1, 5)
    assert (latin.decoded_as, latin.next, latin.generation) == ("windows-1252", "nothing", 1)
    assert latin.digest == generation(index).snapshot.tree.digest("latin.txt")
    above = index.why("build/x.py")
    assert (above.decided_at, above.rule) == ("build", Rule(".gitignore", 3, "build/"))
    assert index.why("x.log").rule == Rule(".gitignore", 4, "*.log")
    assert index.why("keep.log").rule == Rule(".gitignore", 5, "!keep.log")
    folder = index.why("")
    assert folder.verdict == "folder"
    assert folder.below is not None
    assert folder.below["indexed"] == len(generation(index).snapshot)
    assert folder.below["symlink"] == 1
    assert index.why("node_modules/m").in_index is False


def test_what_the_next_run_would_do(tree: Tree) -> None:
    for name in ("changed", "gone", "binary", "ignored", "same"):
        tree.write(f"{name}.py", "x = 1\n")
    index = open_index(tree)
    updated(index)
    tree.write("changed.py", "x = 2\n")
    tree.delete("gone.py")
    tree.write("binary.py", b"\0")
    tree.write(".ignore", "ignored.py\n")
    tree.write("new.py", "x = 3\n")
    paths = ("changed.py", "gone.py", "binary.py", "ignored.py", "same.py", "new.py")
    found = {path: index.why(path) for path in paths}
    assert [why.next for why in found.values()] == [
        "index",
        "remove",
        "remove",
        "remove",
        "nothing",
        "index",
    ]
    assert [why.verdict for why in found.values()] == ["indexed"] * 5 + ["new"]
    report = updated(index)
    assert (report.files.modified, report.files.removed) == (1, 3)
    assert report.files.added == 2  # and .ignore


def test_a_failed_file_is_explained(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    from hybridx.embed.lane import Lane

    tree.write("a.py", "x = 1\n")

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(Lane, "run", fail)
    index = open_index(tree)
    index.update()
    why = index.why("a.py")
    assert (why.verdict, why.stage, why.message, why.next) == ("failed", "embed", "no", "retry")


def test_rules_above_the_root_and_of_the_user_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path / "repo" / "project", {"a.py": "", "b.tmp": "", "c.out": "", "d.own": ""})
    tree.write("../../.gitignore", "*\n")  # above the repository: no word about it
    tree.write("../.gitignore", "*.tmp\n")
    tree.write("../.git/info/exclude", "# git's\n*.out\n")
    config = tmp_path / "config"
    Tree(config, {"git/ignore": "/d.own\n"})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    index = open_index(tree)
    assert updated(index).files.added == 1
    named = {path: index.why(path).rule for path in ("b.tmp", "c.out", "d.own")}
    assert named == {
        "b.tmp": Rule(str(tmp_path / "repo/.gitignore"), 1, "*.tmp"),
        "c.out": Rule(str(tmp_path / "repo/.git/info/exclude"), 2, "*.out"),
        "d.own": Rule(str(config / "git/ignore"), 1, "/d.own"),
    }
    # Whose working directory does not matter.
    monkeypatch.chdir("/")
    assert index.why("d.own").cause == "rule"
    assert updated(index).files.seen == 1


def test_rules_end_where_another_repository_begins(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "repo", {".gitignore": "*.gen\n", "a.gen": "", "b/c.gen": ""})
    tree.write(".git/HEAD", "")
    tree.write("module/.git", "gitdir: ../.git/modules/module\n")
    tree.write(".git/modules/module/info/exclude", "excluded\n")
    tree.write("module/d.gen", "")
    tree.write("module/excluded", "")
    index = open_index(tree)
    updated(index)
    assert reasons(index, "a.gen", "b/c.gen", "module/d.gen", "module/excluded", "module/.git") == {
        "a.gen": "ignored rule",
        "b/c.gen": "ignored rule",
        "module/d.gen": "indexed",
        "module/excluded": "ignored rule",
        "module/.git": "ignored vcs",
    }


def git_says(root: Path, path: str) -> tuple[str, int, str] | None:
    """The rule by which git ignores a path, if it does."""
    command = ["git", "check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"]
    asked = os.fsencode(path) + b"\0"
    result = subprocess.run(command, cwd=root, input=asked, capture_output=True, check=False)
    file, line, pattern, _ = result.stdout.decode().split("\0")[:4]
    return (file, int(line), pattern) if file and not pattern.startswith("!") else None


def test_git_names_the_same_rules(tree: Tree) -> None:
    subprocess.run(["git", "init", "--quiet", tree.root], check=True)
    tree.write(".git/info/exclude", "*.tmp\n")
    tree.write(".gitignore", "*.log\n!keep.log\n/top\ndocs/*.html\n**/gen/\nfo?o\n[ab].c\n\\!odd\n")
    tree.write("docs/.gitignore", "!index.html\n/private/**\nspaced\\ \n# c\n\\#hash\n*.log\n")
    files = ["a.log", "keep.log", "top", "docs/top", "docs/a.html", "docs/index.html", "x.tmp"]
    files += ["docs/private/p/q", "docs/spaced ", "docs/#hash", "docs/keep.log", "deep/gen/x.py"]
    files += ["gen", "foxo", "fo/o", "a.c", "c.c", "!odd", "docs/!odd", "docs/a.tmp"]
    for file in files:
        tree.write(file, "text\n")
    index = open_index(tree)
    ignored = 0
    for file in files:
        why = index.why(file)
        theirs = git_says(tree.root, file)
        ours = why.rule if why.cause else None
        assert (theirs is None) == (ours is None), f"{file}: git {theirs}, hybridx {ours}"
        if theirs and ours:
            ignored += 1
            assert (ours.file, ours.line, ours.pattern) == theirs, file
    assert ignored > 10


@pytest.fixture
def hierarchy(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "outer", {"a.py": "", "inner/b.py": "", "inner/deep/c.py": ""})
    updated(open_index(tree))
    return tree


def asked(cwd: Path, *arguments: str | Path) -> tuple[int, str, str]:
    result = run_cli("why", "--json", *arguments, cwd=cwd)
    found = json_of(result, result.returncode)
    return result.returncode, found["path"], found["verdict"]


def test_the_nearest_index_above_the_file_is_asked(hierarchy: Tree, tmp_path: Path) -> None:
    inner = hierarchy.path("inner")
    assert asked(inner / "deep", "c.py") == (0, "inner/deep/c.py", "indexed")
    assert asked(tmp_path, "outer/inner/b.py") == (0, "inner/b.py", "indexed")
    assert asked(inner, ".") == (0, "inner", "folder")
    assert asked(inner, "..") == (0, "", "folder")
    assert asked(inner, "../none") == (1, "none", "missing")
    updated(open_index(inner))
    assert asked(inner / "deep", "c.py") == (0, "deep/c.py", "indexed")
    assert asked(inner / "deep", "c.py", "--root", hierarchy.root)[1] == "inner/deep/c.py"
    (tmp_path / "way").symlink_to(inner)
    assert asked(tmp_path, "way/b.py") == (0, "b.py", "indexed")
    check_refused(run_cli("why", "/etc/passwd", "--root", inner), "passwd", "below")
    check_refused(run_cli("why", "x", "--root", tmp_path / "nowhere"), "nowhere")


def test_an_index_elsewhere_is_found(tree: Tree, tmp_path: Path) -> None:
    tree.write("sub/a.py", "x = 1\n")
    parent, place = {"HYBRIDX_INDEX_DIR": str(tmp_path / "all")}, tmp_path / "one"
    json_of(run_cli("index", "--json", tree.root, env=parent))
    result = run_cli("why", "--json", "a.py", cwd=tree.path("sub"), env=parent)
    assert json_of(result)["path"] == "sub/a.py"
    json_of(run_cli("index", "--json", tree.root, "--index-dir", place))
    result = run_cli("why", "--json", "a.py", "--index-dir", place, cwd=tree.path("sub"))
    assert json_of(result)["path"] == "sub/a.py"
    # Without either there is no index, and the folder of the file stands for the root.
    result = run_cli("why", "--json", "a.py", cwd=tree.path("sub"))
    assert (json_of(result, 1)["path"], json_of(result, 1)["generation"]) == ("a.py", None)


def test_people_are_told_in_words(hierarchy: Tree) -> None:
    hierarchy.write("inner/.gitignore", "*.log\nout/\n")
    hierarchy.write("inner/out/x\x1b.py", "")
    hierarchy.write("inner/b.py", "changed = 1\n")

    def said(file: str, code: int) -> str:
        result = run_cli("why", file, cwd=hierarchy.path("inner"))
        assert (result.returncode, result.stderr) == (code, b"")
        return result.stdout.decode()

    assert "inner/.gitignore:2: out/" in said("out/x\x1b.py", 1)
    assert "leaves out the folder inner/out" in said("out/x\x1b.py", 1)
    assert "\x1b" not in said("out/x\x1b.py", 1)
    assert "the next run indexes it again" in said("b.py", 0)
    assert "no such file" in said("none.log", 1)
    assert "inner/.gitignore:1: *.log" in said("none.log", 1)
    assert "below it: indexed 2" in said(".", 0)


def test_an_unreadable_folder_is_the_reason(tree: Tree) -> None:
    tree.write("shut/b.py", "y = 2\n")
    tree.write("shut.py", "y = 2\n")
    tree.path("shut").chmod(0)
    tree.path("shut.py").chmod(0)
    try:
        for file, at in (("shut/b.py", "shut"), ("shut.py", "shut.py")):
            flags = ("--json", "--root", tree.root)
            result = run_unprivileged(tree.path("shut"), "why", tree.path(file), *flags)
            found = json_of(result, 1)
            assert (found["verdict"], found["reason"]) == ("skipped", "unreadable")
            assert found["decided_at"] == at
    finally:
        tree.path("shut").chmod(0o700)


def test_places_outside_are_refused(hierarchy: Tree) -> None:
    index = open_index(hierarchy)
    for path in ("..", "../x", "inner/../../x"):
        with pytest.raises(UsageError, match="leads out of the root"):
            index.why(path)


names = st.sampled_from(["a", "b", "c.py", "x y", "d.log", ".e", "ü", "#f", "!g", "node_modules"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
patterns = st.one_of(
    paths, st.sampled_from(["*", "*.py", "!*.py", "a/", "!a", "/b", "**/c.py", "a/**", "!/a/b", ""])
)
rules = st.lists(patterns, max_size=4).map("\n".join)
kinds = st.sampled_from([".gitignore", ".ignore", ".hybridxignore"])


@settings(max_examples=25)
@given(
    files=st.sets(paths, min_size=1, max_size=10),
    ignores=st.dictionaries(
        st.tuples(st.sampled_from(["", "a/", "b/", "a/b/"]), kinds), rules, max_size=4
    ),
    later=st.dictionaries(kinds, rules, max_size=1),
)
def test_the_index_holds_what_why_says(
    files: set[str], ignores: dict[tuple[str, str], str], later: dict[str, str]
) -> None:
    with TemporaryDirectory() as place:
        tree = Tree(Path(place) / "tree")
        for path in files:
            if not tree.path(path).is_dir():
                tree.write(path, "text\n")
        for (folder, kind), content in ignores.items():
            tree.write(folder + kind, content)
        index = open_index(tree)
        check_agreement(index, tree, indexed="new")
        updated(index)
        check_agreement(index, tree, indexed="indexed")
        for kind, content in later.items():
            tree.write(kind, content)
        said = {path: index.why(path) for path in tree.files()}
        updated(index)
        held = set(generation(index).snapshot.paths())
        for path, why in said.items():
            will = why.next == "index" or (why.verdict == "indexed" and why.next == "nothing")
            assert will == (path in held), f"{path}: said {why}"


def check_agreement(index: Index, tree: Tree, *, indexed: str) -> None:
    scan = hybridx.MerkleTree.from_path(tree.root)
    for path in tree.files():
        why: Why = index.why(path)
        assert (why.verdict == indexed) == (path in scan), f"{path}: {why}"
        assert (why.verdict == "ignored") == (path not in scan), f"{path}: {why}"
        assert not why.cause or why.cause == "default_exclude" or why.rule


def test_a_link_to_itself_is_a_link_and_no_root(tree: Tree) -> None:
    tree.path("loop").symlink_to("loop")
    updated(open_index(tree))
    for name, below in (("loop", ""), ("loop/x", "loop is ")):
        told = run_cli("why", name, cwd=tree.root)
        assert told.returncode == 1, told.stderr
        assert f"  {below}skipped, symlink: loop" in told.stdout.decode()
    for command in (["index"], ["status"], ["search", "x"], ["verify"], ["clean"]):
        check_refused(run_cli(*command, "loop", cwd=tree.root), "loop", "symbolic links")
