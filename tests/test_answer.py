"""What of the hits is shown: joined pieces, a budget of tokens, files that changed."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridx.answer import Piece, joined, tokens, within
from hybridx.errors import UsageError
from hybridx.types import Hit
from support import ALL, Tree, check_refused, json_of, open_index, run_cli, updated

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import Index


LINE = "é = call()"


def hit(rank: int, start: int, end: int, **fields: Any) -> Hit:
    text = "\n".join(LINE for _ in range(start, end + 1))
    values = {"path": "a.py", "language": "python", "kind": "function", "symbol": "long"} | fields
    return Hit(rank, start_line=start, end_line=end, score=1.0 / rank, text=text, **values)


def piece(rank: int, start: int, end: int, **fields: Any) -> Piece:
    """A hit whose chunk is the one of its file that its first line says, by tens."""
    return Piece(hit(rank, start, end, **fields), start // 10, start // 10)


def test_pieces_of_one_definition_that_follow_each_other_are_one_hit() -> None:
    pieces = [piece(1, 40, 49), piece(2, 1, 9, symbol="o"), piece(3, 30, 39), piece(4, 50, 58)]
    first, second = (each.hit for each in joined(pieces))
    assert (first.rank, first.start_line, first.end_line, first.score) == (1, 30, 58, 1.0)
    assert first.best_line == 40
    assert first.text == "\n".join([LINE] * 29)
    assert (second.rank, second.symbol) == (2, "o")


def test_what_joins_two_pieces_makes_one_of_three() -> None:
    [whole] = joined([piece(1, 10, 19), piece(2, 30, 39), piece(3, 20, 29)])
    assert (whole.hit.start_line, whole.hit.end_line, whole.hit.rank) == (10, 39, 1)


def test_empty_lines_between_pieces_are_kept() -> None:
    [whole] = joined([piece(1, 10, 17), piece(2, 20, 21)])
    assert whole.hit.text == "\n".join([*[LINE] * 8, "", "", LINE, LINE])
    assert (whole.hit.start_line, whole.hit.end_line) == (10, 21)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_long_function_is_one_hit_whose_best_piece_is_shown(tmp_path: Path, end: str) -> None:
    lines = ["def collect(pool):", *(f"    value_{n} = pool.take({n})" for n in range(300))]
    lines[150:150] = ["    ", ""]
    tree = Tree(tmp_path / "tree", {"long.py": end.join(lines) + end})
    index = open_index(tree)
    updated(index)
    [found] = index.search("value_250", 5, mode="lexical")
    assert (found.start_line, found.end_line) == (1, 303)
    assert found.text.split("\n")[found.best_line - 1].strip().startswith("value_")
    [cut] = index.search("value_250", 1, mode="lexical", max_tokens=400)
    assert cut.truncated
    assert cut.start_line == found.best_line > 1
    assert "value_250" in found.text.split("\n", found.best_line - 1)[-1]


@pytest.mark.parametrize(
    "other",
    [
        piece(2, 30, 39),
        piece(2, 20, 29, symbol="other"),
        piece(2, 20, 29, path="b.py"),
        piece(2, 20, 29, kind="class"),
        Piece(hit(2, 19, 19), 2, 2),
    ],
)
def test_other_hits_stay_apart(other: Piece) -> None:
    assert joined([piece(1, 10, 19), other]) == [piece(1, 10, 19), other]


@given(
    st.lists(st.text(st.sampled_from("aé\n "), max_size=80), min_size=1, max_size=8),
    st.integers(1, 200),
)
def test_an_answer_keeps_within_its_budget(texts: list[str], budget: int) -> None:
    hits = [hit(rank, 1, text.count("\n") + 1) for rank, text in enumerate(texts, 1)]
    kept = within(hits, budget)
    assert [each.rank for each in kept] == list(range(1, len(kept) + 1))
    assert kept, "the best hit is never left out"
    for each, whole in zip(kept, hits, strict=False):
        assert whole.text.startswith(each.text)
        assert each.truncated == (each.text != whole.text) or len(kept) == 1
    assert all(not each.truncated for each in kept[:-1])
    if len(kept) > 1:
        assert sum(tokens(each.text) for each in kept) <= budget


def test_the_budget_holds_on_the_command_line(shared: Index) -> None:
    arguments = ("search", "connection pool retry", str(shared.root), "--json")
    everything = json_of(run_cli(*arguments))
    some = json_of(run_cli(*arguments, "--max-tokens", "200"))
    assert 0 < len(some["hits"]) < len(everything["hits"])
    assert sum(tokens(each["text"]) for each in some["hits"]) <= 200
    check_refused(run_cli(*arguments, "--max-tokens", "0"), "max-tokens")


@pytest.fixture
def aged(tmp_path: Path) -> Index:
    """Files of three ages."""
    tree = Tree(tmp_path / "tree", {f"{name}.py": "common = 1\n" for name in ("old", "new", "é")})
    for name, days in (("old", 30), ("new", 1), ("é", 3)):
        moment = time.time() - days * 86_400
        os.utime(tree.root / f"{name}.py", (moment, moment))
    index = open_index(tree)
    updated(index)
    return index


def found(index: Index, when: str) -> set[str]:
    sets = [
        {each.path for each in index.search("common", ALL, mode=mode, changed_since=when)}
        for mode in ("lexical", "hybrid")
    ]
    assert sets[0] == sets[1]
    return sets[0]


def test_files_changed_since_a_time(aged: Index) -> None:
    assert found(aged, "2d") == {"new.py"}
    assert found(aged, "1w") == {"new.py", "é.py"}
    assert found(aged, "2000-01-01") == {"new.py", "old.py", "é.py"}
    assert found(aged, "1s") == set()


def test_files_changed_since_a_revision(aged: Index) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", aged.root, *identity, *arguments], check=True)

    git("init", "-q")
    git("add", "old.py", "é.py")
    git("commit", "-q", "-m", "one")
    assert found(aged, "HEAD") == {"new.py"}
    (aged.root / "é.py").write_text("common = 2\n")
    assert found(aged, "HEAD") == {"new.py", "é.py"}
    for wrong in ("no-such-revision", "--output=x", "HEAD:old.py", "9" * 400 + "d"):
        with pytest.raises(UsageError, match="no time"):
            aged.search("common", changed_since=wrong)
    with pytest.raises(UsageError, match="give a text"):
        aged.search("common", changed_since="")


def test_a_revision_without_git_is_refused(shared: Index) -> None:
    with pytest.raises(UsageError, match="no time"):
        shared.search("common", changed_since="HEAD")
