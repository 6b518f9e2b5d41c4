"""Filters hold for every hit, in every mode, before the best are cut off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridx.errors import UsageError
from support import ALL, MODES, Tree, chunks, open_index, updated

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import Index
    from hybridx.types import Mode

QUERY = "connection request parse date user table retry host port name"

ODD_PATHS = (
    "a.py",
    "src/a.py",
    "src/b.js",
    "src/deep/er/a.py",
    "src.py",
    "lib/src/x.rs",
    "été/café.py",
    "日本/語.py",
    "a b/c d.py",
    "x[1].py",
    "x{2}.py",
    "new\nline.py",
    "dot.d/a.py",
    "back\\slash.py",
    "quote'd.py",
    "star*.py",
    "UPPER.PY",
)

SIGNS = ["*", "?", "**", "/", "[ab]", "[!a]", "[é]", "{a,src}", "\\", "[", "{", "-", "."]
WORDS = ["a", "src", ".py", "b", "é", "café", "語", "x", "line", "'", " ", "deep", "\n", "lib"]
pieces = st.sampled_from([*SIGNS, *WORDS])
globs = st.lists(pieces, min_size=1, max_size=5).map("".join)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index whose every file has one chunk with the same word."""
    root = tmp_path_factory.mktemp("odd") / "tree"
    files = {path: f"common = {number}\n" for number, path in enumerate(ODD_PATHS)}
    index = open_index(Tree(root, files))
    updated(index)
    return index


def allowed(index: Index, mode: Mode, **filters: list[str]) -> set[tuple[str, str, str]]:
    """`(path, language, kind)` of everything a search may return."""
    hits = index.search(QUERY, ALL, mode=mode, **filters)  # type: ignore[arg-type]
    return {(hit.path, hit.language, hit.kind) for hit in hits}


def paths_of(index: Index, mode: Mode, globs: list[str]) -> set[str]:
    return {hit.path for hit in index.search("common", ALL, mode=mode, paths=globs)}


@pytest.mark.parametrize("mode", MODES)
def test_nothing_outside_a_filter_is_ever_found(shared: Index, mode: Mode) -> None:
    everything = allowed(shared, mode)
    languages = {row[1] for row in everything}
    kinds = {row[2] for row in everything}
    assert len(languages) > 3
    assert len(kinds) > 2
    for language in languages:
        expected = {row for row in everything if row[1] == language}
        assert allowed(shared, mode, languages=[language]) == expected
    for kind in kinds:
        expected = {row for row in everything if row[2] == kind}
        assert allowed(shared, mode, kinds=[kind]) == expected
    for glob, prefix in (("src/**", "src/"), ("web", "web/"), ("engine/*/lib.rs", "engine/")):
        expected = {row for row in everything if row[0].startswith(prefix)}
        assert expected
        assert allowed(shared, mode, paths=[glob]) == expected
    both = allowed(shared, mode, languages=["python", "rust"], paths=["src/http/**"])
    assert both == {row for row in everything if row[0].startswith("src/http/")}


@pytest.mark.parametrize("mode", MODES)
def test_a_filter_that_nothing_satisfies_gives_no_hits(shared: Index, mode: Mode) -> None:
    for filters in (
        {"languages": ["cobol"]},
        {"languages": ["no such language"]},
        {"languages": ["it's"]},
        {"kinds": ["no-kind"]},
        {"paths": ["no/such/folder/**"]},
        {"paths": ["it's.py"]},
        {"languages": ["python"], "paths": ["web/**"]},
    ):
        assert allowed(shared, mode, **filters) == set(), filters


@pytest.mark.parametrize("mode", MODES)
def test_filters_come_before_the_cut(tmp_path: Path, mode: Mode) -> None:
    body = "def connect_timeout():\n    return 'the connect timeout of a connection pool'\n"
    files: dict[str, str | bytes] = {f"many/file_{n}.py": body for n in range(300)}
    files["rare/notes.md"] = "# Other\n\nA timeout is named once here, beside much else.\n"
    index = open_index(Tree(tmp_path / "tree", files))
    updated(index)
    question = "connect timeout of a connection pool"
    assert index.search(question, 1, mode=mode)[0].path.startswith("many/")
    for filters in ({"paths": ["rare/**"]}, {"languages": ["markdown"]}, {"kinds": ["section"]}):
        hits = index.search(question, 1, mode=mode, **filters)  # type: ignore[arg-type]
        assert [hit.path for hit in hits] == ["rare/notes.md"], f"{filters} is applied too late"


@pytest.mark.parametrize("glob", ["[", "a[", "{a", "a{b,c", "[b-a]"])
def test_a_glob_that_is_none_is_refused_by_every_mode(shared: Index, glob: str) -> None:
    for mode in MODES:
        with pytest.raises(UsageError, match="path filter"):
            shared.search("request", mode=mode, paths=[glob])


@given(globs)
@example("é*")
@example("café.py")
@example("[é]t[é]/**")
@example("new?line.py")
@example("**/*.py")
@example("src")
@example("?.py")
@example("日本/?.py")
@example("x[[]1].py")
def test_all_modes_agree_on_what_a_glob_admits(odd: Index, glob: str) -> None:
    try:
        lexical = paths_of(odd, "lexical", [glob])
    except UsageError:
        with pytest.raises(UsageError):
            paths_of(odd, "semantic", [glob])
        return
    assert paths_of(odd, "semantic", [glob]) == lexical, f"{glob!r} means two things"
    assert paths_of(odd, "hybrid", [glob]) == lexical


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("a.py", {"a.py", "src/a.py", "src/deep/er/a.py", "dot.d/a.py"}),
        ("/a.py", {"a.py"}),
        ("src/*", {"src/a.py", "src/b.js", "src/deep/er/a.py"}),
        ("src/*.py", {"src/a.py"}),
        ("src", {"src/a.py", "src/b.js", "src/deep/er/a.py", "lib/src/x.rs"}),
        ("./src/", {"src/a.py", "src/b.js", "src/deep/er/a.py", "lib/src/x.rs"}),
        ("**/*.rs", {"lib/src/x.rs"}),
        ("café.py", {"été/café.py"}),
        ("été/", {"été/café.py"}),
        ("語.*", {"日本/語.py"}),
        ("?.py", {"a.py", "src/a.py", "src/deep/er/a.py", "dot.d/a.py", "日本/語.py"}),
        ("quote'd.py", {"quote'd.py"}),
        ("new*", {"new\nline.py"}),
        ("**", set(ODD_PATHS)),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_what_globs_mean(odd: Index, mode: Mode, glob: str, expected: set[str]) -> None:
    assert paths_of(odd, mode, [glob]) == expected


def test_several_globs_are_any_of_them(odd: Index) -> None:
    for mode in MODES:
        assert paths_of(odd, mode, ["*.rs", "*.js"]) == {"lib/src/x.rs", "src/b.js"}


def test_filtering_does_not_change_the_order(shared: Index) -> None:
    assert re.search("python", " ".join(chunk[1] for chunk in chunks(shared).values()))
    for mode in MODES:
        free = [hit for hit in shared.search(QUERY, ALL, mode=mode) if hit.language == "python"]
        kept = shared.search(QUERY, ALL, mode=mode, languages=["python"])
        one, other = ([hit.text for hit in hits] for hits in (free, kept))
        assert sorted(one) == sorted(other)
        if mode != "hybrid":
            assert one == other, f"{mode}: a filter reorders what it keeps"


DEFINED = {
    "src/pool.py": "class ConnectionPool:\n    # Keeps connections.\n    size = 3\n",
    "src/use.py": "from pool import ConnectionPool\n\nconnection_pool = ConnectionPool()\n",
    "web/pool.js": "function open() {\n  return new ConnectionPool(3);\n}\n",
    "docs/pool.md": "# Pools\n\nA ConnectionPool keeps connections.\n",
}


@pytest.fixture(scope="module")
def defined(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """A name that is defined in one file and used in files of other languages and folders."""
    index = open_index(Tree(tmp_path_factory.mktemp("defined") / "tree", DEFINED))
    updated(index)
    return index


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", ["ConnectionPool", "ConnectionPool()", "src/pool.py", "pool.py"])
def test_no_definition_and_no_file_name_gets_past_a_filter(
    defined: Index, mode: Mode, query: str
) -> None:
    """What is searched for by name is not searched for outside the filter."""
    if mode != "semantic":
        assert defined.search(query, 1, mode=mode)[0].path == "src/pool.py"
    for filters, admitted in (
        ({"languages": ["javascript"]}, {"web/pool.js"}),
        ({"languages": ["markdown"]}, {"docs/pool.md"}),
        ({"paths": ["web/**"]}, {"web/pool.js"}),
        ({"paths": ["src/use.py"]}, {"src/use.py"}),
        ({"kinds": ["section"]}, {"docs/pool.md"}),
        ({"languages": ["no such language"]}, set()),
        ({"languages": ["javascript"], "paths": ["src/**"]}, set()),
    ):
        hits = defined.search(query, ALL, mode=mode, **filters)  # type: ignore[arg-type]
        assert {hit.path for hit in hits} <= admitted, filters
        if admitted and query.startswith("Connection"):
            assert hits, filters


def test_languages_go_by_their_aliases_too(defined: Index) -> None:
    for alias in ("js", "JavaScript"):
        assert {hit.language for hit in defined.search("pool", languages=[alias])} == {"javascript"}


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_query_that_is_only_quoted_is_found_as_it_is(defined: Index, mode: Mode) -> None:
    found = {hit.path for hit in defined.search('"new ConnectionPool(3)"', ALL, mode=mode)}
    assert found == {"web/pool.js"}
    assert not defined.search('"ConnectionPool new"', ALL, mode=mode).hits
    both = defined.search('"keeps   CONNECTIONS"', ALL, mode=mode)
    assert {hit.path for hit in both} == {"src/pool.py", "docs/pool.md"}
    assert not defined.search('"keeps connections"', mode=mode, languages=["rust"]).hits


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_starred_word_finds_what_starts_with_it(defined: Index, mode: Mode) -> None:
    first = defined.search("connectionp*", ALL, mode=mode).hits
    assert {hit.path for hit in first} >= {"src/pool.py", "src/use.py", "web/pool.js"}
    if mode == "lexical":
        assert not defined.search("connectionp", ALL, mode=mode).hits


def test_a_quotation_is_found_however_many_chunks_have_its_words(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"many/{n}.txt": "beta alpha\n" for n in range(2_300)}
    files["one/a.txt"] = "alpha   BETA, once, beside so many other words that tell nothing\n"
    index = open_index(Tree(tmp_path / "tree", files))
    updated(index)
    found = index.search('"alpha beta".', ALL, mode="lexical").hits
    assert [hit.path for hit in found] == ["one/a.txt"]
    exact = index.search('"beta, once"', ALL, mode="lexical").hits
    assert [hit.path for hit in exact] == ["one/a.txt"]


def test_scores_do_not_remember_what_was_deleted(tmp_path: Path) -> None:
    text = "def connect_timeout():\n    return read_setting('timeout')\n"
    tree = Tree(tmp_path / "tree", {"a.py": text, "b.py": "def other():\n    return 1\n"})
    index = open_index(tree)
    updated(index)
    before = index.search("connect_timeout", 1, mode="lexical")[0].effects["name"]
    for number in range(3):
        tree.write("a.py", text + f"# {number}\n")
        updated(index)
    after = index.search("connect_timeout", 1, mode="lexical")[0].effects["name"]
    assert after == before, "the only definition counts as if there were several"


def test_a_word_that_every_chunk_has_does_not_drown_the_rest(tmp_path: Path) -> None:
    body = "".join(f"    value_{n} = pool.take({n})\n" for n in range(600))
    tree = Tree(tmp_path / "tree", {"a.py": f"def huge(pool):\n{body}", "b.py": "x = 1\n"})
    index = open_index(tree)
    updated(index)
    hit = index.search("how is huge computed", 1)[0]
    assert all(abs(effect) < 15 for effect in hit.effects.values()), hit.effects
