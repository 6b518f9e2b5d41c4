"""A real corpus: the interpreter's own standard library, and what is found in it."""

from __future__ import annotations

import json
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import check_sum, check_whole, open_index

if TYPE_CHECKING:
    from hybridx import Index
    from hybridx.types import Mode

QUESTIONS = json.loads(
    Path(__file__).with_name("data").joinpath("stdlib_questions.json").read_text()
)["questions"]

NAMES = [
    ("ArgumentParser", "argparse.py", "class", "ArgumentParser"),
    ("TarFile", "tarfile.py", "class", "TarFile"),
    ("lru_cache", "functools.py", "function", "lru_cache"),
    ("JSONEncoder.iterencode", "json/encoder.py", "method", "JSONEncoder.iterencode"),
    ("get_close_matches", "difflib.py", "function", "get_close_matches"),
    ("copytree()", "shutil.py", "function", "copytree"),
]


@pytest.fixture(scope="session")
def stdlib(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The index of the standard library."""
    root = tmp_path_factory.mktemp("stdlib") / "lib"
    leave_out = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "config-*")
    shutil.copytree(
        sysconfig.get_path("stdlib"), root, ignore=leave_out, ignore_dangling_symlinks=True
    )
    index = open_index(root)
    report = index.update()
    check_sum(report)
    assert report.errors == ()
    took = report.seconds.total
    print(f"\nstandard library: {report.files.added} files, {report.chunks.total} chunks, {took} s")
    return index


def rank(index: Index, question: dict[str, object], mode: Mode) -> int | None:
    """The rank of the first hit in a right file among the best ten."""
    right = question["files"]
    assert isinstance(right, list)
    hits = index.search(str(question["text"]), 10, mode=mode)
    return next((hit.rank for hit in hits if hit.path in right), None)


def test_the_standard_library_is_indexed_whole(stdlib: Index) -> None:
    totals = check_whole(stdlib).snapshot.totals()
    assert totals.files > 500
    assert totals.languages["python"][0] > 500
    assert totals.failed == 0
    assert not stdlib.diff()


def test_questions_find_the_right_file(stdlib: Index) -> None:
    modes: tuple[Mode, ...] = ("lexical", "semantic", "hybrid")
    table = {each["text"]: [rank(stdlib, each, mode) for mode in modes] for each in QUESTIONS}
    rates = [sum(ranks[at] is not None for ranks in table.values()) for at in range(len(modes))]
    lines = [
        f"{'/'.join(str(each or '-') for each in ranks):>9}  {q}" for q, ranks in table.items()
    ]
    shown = f"rank of the right file ({'/'.join(modes)}), found {rates} of {len(table)}\n"
    shown += "\n".join(lines)
    print("\n" + shown)
    assert rates[1] >= 8, shown
    assert rates[2] >= 8, shown


@pytest.mark.parametrize(("name", "path", "kind", "symbol"), NAMES)
def test_a_name_finds_its_definition_first(
    stdlib: Index, name: str, path: str, kind: str, symbol: str
) -> None:
    first = stdlib.search(name, 1, mode="lexical")[0]
    assert (first.path, first.kind, first.symbol) == (path, kind, symbol)
    assert name.rstrip("()").rsplit(".", 1)[-1] in first.text
