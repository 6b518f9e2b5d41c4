"""Words and vectors are asked side by side; an open index is read again only if it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hybridx.commit import Generation
from hybridx.errors import CorruptIndexError, UsageError
from hybridx.ranking import LEXICAL, ask, weights_for
from hybridx.store import Searching, VectorStore
from support import open_index, updated

if TYPE_CHECKING:
    from support import Tree


@pytest.fixture
def some(tree: Tree) -> Tree:
    for at in range(30):
        tree.write(f"src/m{at}.py", f"def parse_{at}(text):\n    return text.split({at})\n")
    return tree


def test_what_fails_beside_the_other_is_what_the_search_fails_with(
    some: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_index(some)
    updated(index)
    before = index.search("parse text").hits
    ended: list[str] = []

    def started(*_: Any, **__: Any) -> Searching:
        return Searching(lambda: [(1, 1.0)], lambda: ended.append("cancelled"))

    with monkeypatch.context() as patch:
        patch.setattr(VectorStore, "start", started)
        # A glob that is none fails before, and an id that no chunk has after words were asked.
        with pytest.raises(UsageError):
            index.search("parse text", paths=["a["])
        with pytest.raises(CorruptIndexError, match="does not have"):
            index.search("parse text")
        assert ended == []
        engine = index._search_engine()

        def failing(*_: Any) -> Any:
            raise CorruptIndexError("words")

        patch.setattr(engine, "_by_words", failing)
        with pytest.raises(CorruptIndexError, match="words"):
            index.search("parse text")
        assert ended == ["cancelled"]
    assert index.search("parse text").hits == before


def test_candidates_are_given_once(some: Tree) -> None:
    index = open_index(some)
    updated(index)
    searcher = index._search_engine().generation.searcher
    question = ask("parse text")
    weights = weights_for(question.kind)
    counted = {name: getattr(weights, name) for name in LEXICAL}
    candidates = searcher.candidates(question, weights=counted, pool=5)
    ids = searcher.ids()
    files, chunks = candidates.found(ids)
    assert len(chunks) == len(ids) >= 30
    assert {file for _, file, *_ in chunks} == set(range(len(files)))
    with pytest.raises(UsageError, match="once"):
        candidates.found(ids)


def test_an_open_index_is_read_again_only_when_it_changed(
    some: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, other = open_index(some), open_index(some)
    updated(index)
    opened: list[int] = []
    current = Generation.current

    def counted(*args: Any) -> Any:
        opened.append(1)
        return current(*args)

    monkeypatch.setattr(Generation, "current", counted)
    for _ in range(3):
        assert index.search("parse text").generation == 1
    assert len(opened) == 1
    some.write("src/new.py", "def fresh_word():\n    return 1\n")
    assert updated(other).generation == 2
    opened.clear()
    found = index.search("fresh_word")
    assert (found.generation, found.hits[0].path) == (2, "src/new.py")
    assert len(opened) == 1
