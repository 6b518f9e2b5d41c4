"""What a file defines, what a folder holds, and what is like a place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import hybridx
from hybridx.errors import Cancelled, NotIndexedError, UsageError
from support import Tree, open_index, updated

if TYPE_CHECKING:
    from pathlib import Path

TWINS = {
    "a/read.py": "def read_settings(path):\n    text = path.read_text()\n    return parse(text)\n",
    "b/load.py": "def load_settings(path):\n    text = path.read_text()\n    return parse(text)\n",
    "c/draw.js": "function drawCircle(canvas, radius) {\n  canvas.arc(0, 0, radius);\n}\n",
}


def test_definitions_are_nested_and_as_the_file_is_now(shared: hybridx.Index) -> None:
    found = shared.outline("src/http/client.py")
    assert (found.kind, found.language, found.lines) == ("file", "python", 9)
    rows = [(each.symbol, each.kind, each.start_line, each.end_line) for each in found.symbols]
    assert rows == [
        ("HttpClient", "class", 1, 9),
        ("HttpClient.__init__", "method", 4, 5),
        ("HttpClient.send", "method", 7, 9),
    ]
    assert [each.depth for each in found.symbols] == [0, 1, 1]
    assert found.symbols[2].signature == "def send(self, request):"


def test_a_file_needs_no_index_and_changes_are_seen_at_once(project: Tree) -> None:
    index = open_index(project)
    project.write("src/retry.py", "def entirely_new():\n    pass\n")
    found = index.outline("src/retry.py")
    assert [each.symbol for each in found.symbols] == ["entirely_new"]
    assert found.generation is None
    with pytest.raises(NotIndexedError):
        index.outline("src")


def test_a_folder_holds_what_the_generation_says(shared: hybridx.Index) -> None:
    found = shared.outline("src")
    assert [each.path for each in found.files] == [
        "src/http/client.py",
        "src/http/pool.py",
        "src/retry.py",
    ]
    assert found.files[0].symbols == ("HttpClient",)
    assert {each.path for each in shared.outline().files} >= {"web/app.js", "empty.py"}
    assert "logo.bin" not in {each.path for each in shared.outline().files}


def test_a_large_folder_lists_its_folders(tree: Tree) -> None:
    for n in range(60):
        tree.write(f"d{n % 3}/f{n}.py", f"def f{n}(): pass\n")
    tree.write("top.py", "def top(): pass\n")
    index = open_index(tree)
    updated(index)
    found = index.outline()
    assert dict(found.folders) == {"d0": 20, "d1": 20, "d2": 20}
    assert [each.path for each in found.files] == ["top.py"]


def test_where_there_is_little_room_the_outermost_stays_and_the_rest_is_counted(tree: Tree) -> None:
    members = "".join(f"    def method_{n}(self): ...\n" for n in range(30))
    tree.write("a.py", "".join(f"class C{n}:\n{members}\n" for n in range(5)))
    index = open_index(tree)
    whole = index.outline("a.py")
    assert len(whole.symbols) == 155
    last = 0
    for room in (1, 60, 200, 800, 100_000):
        found = index.outline("a.py", max_tokens=room)
        assert len(found.symbols) + found.omitted == 155
        assert last < len(found.symbols)
        depths = {each.depth for each in found.symbols}
        outermost = sum(each.depth == 0 for each in found.symbols)
        assert depths == {0} or outermost == 5, "methods came before classes"
        last = len(found.symbols)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../x.py", ".."),
        ("gone/retry.py", "there is src/retry.py"),
        ("logo.bin", "binary"),
        (".hybridx", "index of hybridx"),
        ("nothing", "there is no nothing"),
    ],
)
def test_what_has_no_outline_is_said(shared: hybridx.Index, path: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        shared.outline(path)
    assert said in str(raised.value)


def test_an_outline_shows_no_secret_and_no_ignored_file(tree: Tree) -> None:
    tree.write(".gitignore", "private.py\n")
    tree.write("private.py", "def f(): pass\n")
    tree.write("a.py", 'def f(token="ghp_' + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zA7bC" + '"): pass\n')
    index = open_index(tree)
    with pytest.raises(UsageError, match="an ignore rule"):
        index.outline("private.py")
    assert "ghp_" not in str(index.outline("a.py"))
    assert "ghp_" in str(open_index(tree, redact_secrets=False).outline("a.py"))


def test_an_outline_can_be_cancelled(shared: hybridx.Index) -> None:
    token = hybridx.CancelToken()
    token.cancel()
    for path in ("src/retry.py", "src"):
        with pytest.raises(Cancelled):
            shared.outline(path, cancel=token)
    with pytest.raises(Cancelled):
        shared.related("src/retry.py", 4, cancel=token)


def test_what_is_alike_comes_first_and_the_place_itself_never(tmp_path: Path) -> None:
    index = open_index(Tree(tmp_path / "tree", TWINS))
    updated(index)
    found = index.related("a/read.py", 2)
    assert [hit.path for hit in found] == ["b/load.py", "c/draw.js"]
    assert found[0].score > 0.9 > found[1].score
    assert found[0].scores == {"vector": found[0].score}
    assert [hit.path for hit in index.related("a/read.py", 2, languages=["js"])] == ["c/draw.js"]
    assert [hit.path for hit in index.related("a/read.py", 2, paths=["b"])] == ["b/load.py"]
    assert not index.related("a/read.py", 2, paths=["a"]).hits
    assert len(index.related("a/read.py", 2, 1)) == 1
    for line in (0, 4):
        with pytest.raises(UsageError, match="lines 1 to 3"):
            index.related("a/read.py", line)

    async def awaited() -> None:
        async with await hybridx.AsyncIndex.open(index.root, settings=index.settings) as same:
            assert (await same.related("a/read.py", 2)).hits == found.hits
            assert await same.outline("a") == index.outline("a")

    asyncio.run(awaited())
