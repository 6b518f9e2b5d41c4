"""A file that cannot be embedded is a row of the report, whole or absent; others are indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hybridx import _core
from hybridx.embed.lane import Lane
from hybridx.embed.model import load_model
from hybridx.errors import TooManyErrorsError
from support import ALL, MODES, Tree, check_whole, chunks, open_index, updated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BAD = "def fine():\n    return 1\n\n\n" * 30 + "def poison():\n    return 'poison'\n"
GOOD = {f"src/good_{n}.py": f"def good_{n}():\n    return {n}\n" for n in range(20)}


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fails on every text with the word `poison`, as a runtime may on odd input."""
    model = load_model("bundled")
    encoder = _core.Encoder.terms(model.tokenizer, model.max_length)

    def ids_of(word: str) -> set[int]:
        (padded,) = _core.Encoded.pad([encoder.encode_texts([word])], 64)
        return set(padded.input_ids.flatten().tolist())

    bad = ids_of("poison") - ids_of("zebra")
    assert bad, "the model does not know the word"
    inner = Lane.run

    def run(self: Lane, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        if bad & set(ids[mask > 0].tolist()):
            raise RuntimeError("cannot run this\nand more that nobody wants to read")
        return inner(self, ids, mask)

    monkeypatch.setattr(Lane, "run", run)


@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("sequential", [False, True])
def test_a_failed_file_is_absent_and_told(tree: Tree, sequential: bool) -> None:
    for path, content in {**GOOD, "bad.py": BAD}.items():
        tree.write(path, content)
    index = open_index(tree)
    report = updated(index, sequential=sequential)
    assert (report.files.added, report.files.failed) == (len(GOOD), 1)
    assert [(e.path, e.stage, e.message) for e in report.errors] == [
        ("bad.py", "embed", "cannot run this")
    ]
    assert {chunk[0] for chunk in chunks(index).values()} == set(GOOD)
    seen = check_whole(index)
    assert seen.snapshot.failed == [("bad.py", "embed", "cannot run this")]
    assert index.status().failed == 1
    for mode in MODES:
        paths = {hit.path for hit in index.search("fine", ALL, mode=mode)}
        assert "bad.py" not in paths, "half of a failed file is found"


@pytest.mark.usefixtures("poison")
def test_a_failed_file_is_tried_again_and_heals(tree: Tree) -> None:
    tree.write("good.py", "def good(): pass\n")
    tree.write("bad.py", BAD)
    index = open_index(tree)
    updated(index)
    again = updated(index)
    assert (again.files.failed, again.files.unchanged) == (1, 1)
    assert len(again.errors) == 1
    tree.write("bad.py", BAD.replace("poison", "honey"))
    healed = updated(index)
    assert (healed.files.failed, healed.files.added, healed.errors) == (0, 1, ())
    assert index.status().failed == 0


@pytest.mark.usefixtures("poison")
def test_an_edit_that_fails_takes_the_old_text_away(tree: Tree) -> None:
    tree.write("a.py", "def before(): pass\n")
    tree.write("b.py", "def other(): pass\n")
    index = open_index(tree)
    updated(index)
    tree.write("a.py", BAD)
    report = updated(index)
    assert (report.files.failed, report.files.modified, report.chunks.removed) == (1, 0, 1)
    assert {chunk[0] for chunk in chunks(index).values()} == {"b.py"}
    tree.delete("a.py")
    assert updated(index).files.failed == 0
    assert check_whole(index).snapshot.failed == []


@pytest.mark.usefixtures("poison")
def test_too_many_failures_end_the_run(tree: Tree) -> None:
    for path, content in GOOD.items():
        tree.write(path, content)
    for number in range(5):
        tree.write(f"bad_{number}.py", BAD)
    assert updated(open_index(tree, max_errors=5)).files.failed == 5
    with pytest.raises(TooManyErrorsError, match=r"more than 4 files failed.*bad_\d\.py"):
        open_index(tree, max_errors=4).update()
    index = open_index(tree)
    check_whole(index)
    assert index.search("good").hits
