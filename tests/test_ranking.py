"""The ranking, signal by signal: pure functions over queries and candidates."""

from __future__ import annotations

import dataclasses
import time
from textwrap import indent
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridx import _core
from hybridx.ranking import LEXICAL, Candidate, File, Weights, ask, effects, rank, weights_for
from hybridx.ranking.candidates import candidates_of
from hybridx.ranking.paths import ASKED_BY, TRAITS, mentions_in, traits_of
from hybridx.ranking.question import MAX_NAMES, STOP_WORDS, kind_of
from hybridx.ranking.signals import OF_CHUNK, OF_FILE
from hybridx.ranking.weights import BASE, FACTORS
from support import Tree, open_index, updated

if TYPE_CHECKING:
    from pathlib import Path

TRACE = """Traceback (most recent call last):
  File "/srv/app/net/pool.py", line 12, in take
    raise Timeout(host)
"""
ISSUE = "Retries are lost\n\n" + "When the pool is closed while it waits, they are lost.\n" * 20


def candidate(number: int = 1, path: str = "src/a.py", **evidence: Any) -> Candidate:
    return Candidate(number, File(path, traits=traits_of(path)), **evidence)


def order(query: str, *candidates: Candidate, weights: Weights | None = None) -> list[int]:
    question = ask(query)
    weights = weights or weights_for(question.kind)
    return [each.candidate.id for each in rank(question, candidates, weights)]


# What a query is


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("connect_timeout", "name"),
        ("Pool.take()", "name"),
        ("std::vec::Vec", "name"),
        ("#readFile", "name"),
        ("größe", "name"),
        ("src/net/pool.py", "path"),
        ("pool.py", "path"),
        ("net\\pool.cs", "path"),
        ("src/pool.rs:12:4", "path"),
        ("TypeError: unsupported operand", "error"),
        ("thread 'main' panicked at src/main.rs:4", "error"),
        ("a.c:3:5: error: expected ';'", "error"),
        (TRACE, "error"),
        (ISSUE, "text"),
        (TRACE + ISSUE, "text"),
        ("where is the connection pool closed", "words"),
        ("why does read_file lose the last line", "code"),
        ("Foo::bar is slow", "code"),
        ("", "words"),
    ],
)
def test_the_kind_of_a_query(query: str, kind: str) -> None:
    assert kind_of(query) == kind


def test_a_query_is_analysed_as_chunks_are() -> None:
    assert set(ask("readFile in größe_Max").terms) == {
        *("readfile", "read", "file", "in", "größe_max", "größe", "max"),
    }


@given(st.text(st.sampled_from('aBz_9é語 *"/.:\n'), max_size=200))
def test_every_term_of_a_short_query_is_one_of_the_analyzer(query: str) -> None:
    question = ask(query)
    terms = {term.removeprefix("+") for term in _core.analyze(query.replace("*", " ")).split()}
    if question.kind != "text":
        assert set(question.terms) <= terms
    assert all(weight > 0 for weight in question.terms.values())


def test_the_first_line_of_a_text_counts_more_and_stop_words_nothing() -> None:
    terms = ask(ISSUE).terms
    assert STOP_WORDS.isdisjoint(terms)
    assert terms["retries"] > 1.0
    assert terms["lost"] > terms["closed"]


def test_a_few_words_are_also_read_as_one_name() -> None:
    spelled = ["flash_bag", "FLASH_BAG", "FlashBag", "flashBag"]
    assert ask("Flash bag").names == spelled
    assert ask("where is the flash bag class").names == spelled
    assert {"to_part", "toPart"} <= set(ask("to part").names)
    assert ask("why is the flash bag lost between one request and the next").names == []
    assert ask("class").names == ["class"]


def test_quotes_and_stars() -> None:
    mixed = ask('slow "connection refused" conn*')
    assert (mixed.phrases, mixed.only_phrases) == (["connection refused"], False)
    assert set(mixed.prefixes) == {"conn"}
    assert "refused" in mixed.terms
    assert "conn" not in mixed.terms
    assert ask('"raise Timeout(host)"').only_phrases
    assert not ask(ISSUE + '"x y"' + "a*").phrases


@pytest.mark.parametrize(
    "query",
    ["a" * 100_000, "/" * 100_000, "a." * 50_000, "a/" * 50_000, "-" * 99_999, "a_" * 50_000],
)
def test_reading_a_hostile_query_takes_no_time(query: str) -> None:
    start = time.perf_counter()
    question = ask(query)
    question.mentions.strength("a/b/c.py")
    assert time.perf_counter() - start < 1.0
    assert len(question.names) <= MAX_NAMES


def test_names_of_a_text_come_before_its_words() -> None:
    words = "Title\n" + " ".join(f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200))
    names = ask(f"{words}\nsee real_culprit and readFile and the").names
    assert names[:2] == ["real_culprit", "readFile"]
    assert "the" not in names


@pytest.mark.parametrize("query", ["save!", "valid?", "my-component", "foldl'"])
def test_names_of_other_languages_are_names(query: str) -> None:
    assert kind_of(query) == "name"


def test_a_text_asks_for_tests_only_in_its_first_line() -> None:
    assert "test" not in ask(ISSUE + "I ran the test").asked
    assert "test" in ask("A test fails\n" + ISSUE).asked


# What a path says


@pytest.mark.parametrize(
    ("text", "path", "strength"),
    [
        ("see src/net/pool.py", "src/net/pool.py", 1.0),
        ('File "/srv/app/src/net/pool.py", line 12', "src/net/pool.py", 1.0),
        (r"C:\app\net\pool.py", "src/net/pool.py", 0.7),
        ("pool.py is wrong", "src/net/pool.py", 0.5),
        ("app.net.pool.Pool.take hangs", "src/app/net/pool.py", 0.6),
        ("app.net.pool.Pool.take hangs", "src/other/pool.py", 0.0),
        ("in __init__.py", "src/net/__init__.py", 0.0),
        ("net/__init__.py", "src/net/__init__.py", 0.7),
        ("the pool is slow", "src/net/pool.py", 0.0),
    ],
)
def test_how_clearly_a_file_is_meant(text: str, path: str, strength: float) -> None:
    assert mentions_in(text).strength(path) == strength


@pytest.mark.parametrize(
    ("path", "traits"),
    [
        ("tests/test_a.py", {"test"}),
        ("src/pool_test.go", {"test"}),
        ("src/PoolTest.java", {"test"}),
        ("web/pool.spec.ts", {"test"}),
        ("src/latest.py", set()),
        ("src/contest/a.py", set()),
        ("examples/a.rs", {"example"}),
        ("Tests/Helpers.swift", {"test"}),
        ("Examples/a.swift", {"example"}),
        ("src/compat.py", {"legacy"}),
        ("types/a.d.ts", {"stub"}),
        ("src/pool.py", set()),
    ],
)
def test_what_kind_of_file_a_path_is(path: str, traits: set[str]) -> None:
    assert traits_of(path) == traits


def test_where_a_file_comes_from_is_a_trait() -> None:
    assert traits_of("a.js", "minified") == traits_of("a.js", "generated") == {"generated"}
    assert traits_of("a.js", "vendored") == {"vendored"}


_PARTS = """
a test Tests test_a a_test.c conftest.py ATest.java demo demo-x.c old _compat compat_a a.d.ts
package-info package-info.java b.spec.x
"""


@given(st.lists(st.sampled_from(_PARTS.split()), min_size=1, max_size=4).map("/".join))
def test_what_a_path_says_is_what_its_folder_and_its_name_say(path: str) -> None:
    assert traits_of(path) == {name for name, (it, _) in TRAITS.items() if it.search(path)}


# What is added up


@pytest.mark.parametrize("signal", [*OF_CHUNK, *OF_FILE])
def test_each_signal_alone_decides(signal: str) -> None:
    """Of two candidates that differ in one signal, the weight's sign says which is first."""
    weight = getattr(BASE, signal) or 1.0
    weights = dataclasses.replace(
        Weights(**dict.fromkeys(Weights.__slots__, 0.0)), **{signal: weight}
    )
    plain, other = candidate(2), candidate(1 if weight < 0 else 3, "src/b.py")
    if signal in OF_CHUNK:
        setattr(other, OF_CHUNK[signal], 0.5)
    elif signal == "file":
        other.file.body = 0.5
    elif signal in ASKED_BY:
        other.file.traits = frozenset({signal})
    elif signal == "mention":
        other = candidate(3, "src/pool.py")
    elif signal == "stem_share":
        other = candidate(3, "src/pools.py")
    else:
        setattr(other.file, signal, 0.5)
    expected = [3, 2] if weight > 0 else [2, 1]
    assert order("why is pool.py slow", plain, other, weights=weights) == expected
    none = weights.without([signal])
    assert order("why is pool.py slow", plain, other, weights=none) == expected[::-1]


@pytest.mark.parametrize("trait", ASKED_BY)
def test_a_kind_of_file_that_is_asked_for_is_not_set_back(trait: str) -> None:
    usual, other = candidate(2, body=0.5), candidate(1, "src/b.py", body=0.5)
    other.file.traits = frozenset({trait})
    assert order("slow pool", usual, other) == [2, 1]
    for word in ASKED_BY[trait]:
        assert order(f"slow pool {word}", usual, other) == [1, 2], word


def test_further_chunks_of_a_file_are_set_back() -> None:
    file = File("src/a.py")
    many = [Candidate(number, file, body=1.0) for number in (1, 2, 3)]
    other = candidate(9, "src/b.py", body=0.9)
    ranked = rank(ask("slow pool"), [*many, other], Weights())
    assert [each.candidate.id for each in ranked] == [1, 9, 2, 3]
    assert [each.set_back for each in ranked] == [0.0, 0.0, 1.5, 3.0]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(-1, 1), st.sampled_from("abc")), max_size=20))
def test_effects_sum_to_the_score_and_the_order_is_that_of_scores(
    rows: list[tuple[float, float, str]],
) -> None:
    files = {name: File(f"{name}.py", body=0.3) for name in "abc"}
    candidates = [
        Candidate(number, files[name], body=body, similarity=similarity)
        for number, (body, similarity, name) in enumerate(rows)
    ]
    question = ask("slow pool")
    ranked = rank(question, candidates, BASE)
    assert sorted(each.candidate.id for each in ranked) == list(range(len(rows)))
    scores = [each.score for each in ranked]
    assert scores == sorted(scores, reverse=True)
    for each in ranked:
        assert each.score == pytest.approx(sum(effects(question, each, BASE).values()))


@pytest.mark.parametrize("path", ["src/a.py", "tests/test_pool.py", "examples/slow.d.ts"])
def test_signals_that_are_passed_over_would_have_added_nothing(path: str) -> None:
    found = Candidate(1, File(path, body=0.3, folders=0.1, traits=traits_of(path)), body=0.7)
    for query in ("slow pool", "tests of the pool", "src/a.py"):
        ranked = rank(ask(query), [found], BASE)[0]
        plain = sum(getattr(BASE, name) * getattr(found, each) for name, each in OF_CHUNK.items())
        for name, signal in OF_FILE.items():
            plain += getattr(BASE, name) * signal(ask(query), found.file)
        assert ranked.score == pytest.approx(plain, abs=1e-12)


def test_a_name_is_found_where_it_is_defined_and_not_where_it_is_used() -> None:
    used = candidate(1, body=1.0, symbol=0.6, similarity=0.9)
    defined = candidate(2, "src/b.py", body=0.5, name=1.0, similarity=0.1)
    assert order("connect_timeout", used, defined) == [2, 1]


@pytest.mark.parametrize("name", ["flash_bag", "FlashBag", "flashBag", "FLASH_BAG"])
def test_the_words_of_a_name_find_its_definition(tmp_path: Path, name: str) -> None:
    used = f"flash(bag, {name}())\n" * 5
    tree = Tree(tmp_path / "tree", {"store.py": f"def {name}(key):\n    return 2 * key\n"})
    for number in range(4):
        tree.write(f"bag_{number}.py", f"def bag_flash_{number}(bag):\n" + indent(used, "    "))
    index = open_index(tree)
    updated(index)
    hits = index.search("flash bag", 5).hits
    assert hits[0].path == "store.py", [hit.effects for hit in hits]


def test_meaning_counts_more_where_there_is_no_name_of_code() -> None:
    by_words = candidate(1, body=1.2, similarity=0.1)
    by_meaning = candidate(2, "src/b.py", body=0.5, similarity=0.6)
    assert order("how do I keep a line open", by_words, by_meaning) == [2, 1]
    assert order("how does keep_alive() open a line", by_words, by_meaning) == [1, 2]


def test_what_nobody_measured_is_no_nearer_than_the_farthest_that_was_found() -> None:
    files = [(path, "written", 0.0, 0.0, 0.0, 0.0) for path in ("a.py", "b.py")]
    chunks = [(number, number // 3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) for number in (1, 2, 3)]
    first, second, third = candidates_of((files, chunks), {1: 0.9, 2: 0.5})
    assert (first.similarity, second.similarity, third.similarity) == (0.9, 0.5, 0.5)
    assert (first.by_meaning, third.by_meaning) == (True, False)
    assert first.file is second.file


def test_weights_name_signals_and_nothing_else() -> None:
    assert set(Weights.__slots__) == {*OF_CHUNK, *OF_FILE, "spread"}
    assert set(LEXICAL) < set(Weights.__slots__)
    for factors in FACTORS.values():
        assert set(factors) <= set(Weights.__slots__)
