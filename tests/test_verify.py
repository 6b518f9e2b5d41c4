"""`verify` finds whatever is wrong in an index, `--repair` mends it, and no answer is false."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hybridx import _core
from hybridx.commit import Generation, Writer
from hybridx.errors import CorruptIndexError, HybridxError, NotIndexedError
from support import (
    ALL,
    MODES,
    Chunk,
    Tree,
    check_refused,
    check_same,
    check_whole,
    chunks,
    generation,
    json_of,
    open_index,
    run_cli,
    updated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hybridx import Index
    from hybridx.types import Mode, Verification

HARMLESS = ("lock", ".gitignore", "CACHEDIR.TAG", "stat-cache", ".lock", "root", "_transactions")
"""Parts of names of files that no answer depends on."""

DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "gone": lambda _content, _chance: None,
    "empty": lambda _content, _chance: b"",
    "cut": lambda content, _chance: content[: len(content) // 2],
    "flipped": lambda content, chance: _flipped(content, chance.randrange(len(content))),
}


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << (at % 8))]) + content[at + 1 :]


@pytest.fixture
def index(project: Tree) -> Index:
    """An index of several generations, with deletions in both stores."""
    index = open_index(project)
    updated(index)
    project.write("src/more.py", "def more_of_it():\n    return 'some more words'\n")
    project.write("src/retry.py", "def retry_again(call):\n    return call()\n")
    updated(index)
    project.delete("web/app.js")
    updated(index)
    return index


def kinds(found: Verification) -> set[str]:
    return {each.kind for each in found.problems}


def answers(index: Index) -> dict[Mode, list[tuple[str, int, int, str]]]:
    """What a search for anything gives, by mode, in no order."""
    return {
        mode: sorted((hit.path, hit.start_line, hit.end_line, hit.text) for hit in found)
        for mode in MODES
        for found in [index.search("call retry words server connection", ALL, mode=mode)]
    }


def test_a_whole_index_is_well(index: Index) -> None:
    found = index.verify()
    assert found.ok, found.problems
    assert found.problems == found.repaired == ()
    assert found.checked["chunks"] == found.checked["vectors"] == len(chunks(index))
    assert found.checked["files"] == index.status().files
    assert found.checked["generation"] == 3
    assert found.checked["store_files"] > 5


def test_an_index_of_nothing_is_well(tmp_path: Path) -> None:
    index = open_index(Tree(tmp_path / "empty"))
    updated(index)
    assert index.verify().ok


def test_without_an_index_it_says_so_and_makes_none(project: Tree) -> None:
    with pytest.raises(NotIndexedError):
        open_index(project).verify()
    check_refused(run_cli("verify", project.root), "hybridx index")
    assert not project.path(".hybridx").exists()


@pytest.mark.parametrize("how", DAMAGES)
def test_every_damaged_file_is_found_and_mended_and_nothing_false_is_said(
    index: Index, how: str
) -> None:
    """Every file of the index in turn; a reader may answer rightly or not at all."""
    folder = index._layout.folder
    whole = folder.with_name("whole")
    true = answers(index)
    before = chunks(index)
    index.close()
    shutil.copytree(folder, whole)
    chance = random.Random(how)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert len(files) > 20
    for name in files:
        content = (whole / name).read_bytes()
        if not content and how != "gone":
            continue
        for _ in range(2 if how == "flipped" else 1):
            shutil.rmtree(folder)
            shutil.copytree(whole, folder)
            damaged = DAMAGES[how](content, chance)
            if damaged is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(damaged)
            check_damaged(open_index(index.root), str(name), how, true, before)


def check_damaged(
    index: Index,
    name: str,
    how: str,
    true: Mapping[Mode, Sequence[object]],
    before: Mapping[int, Chunk],
) -> None:
    said = []
    try:
        told = answers(index)
    except (HybridxError, OSError) as error:
        told = None
        said.append(str(error))
    index.close()
    found = index.verify()
    if told is not None and told != true:
        assert not found.ok, f"{name}: wrong answers, and verify finds nothing"
        # Damage in a vector can only move a chunk up or down, or out of the first thousand.
        for mode, hits in told.items():
            strangers = set(hits) - set(true[mode])
            assert not strangers, f"{name}: {mode} shows what is not in the tree: {strangers}"
    if said:
        assert not found.ok, f"{name}: {said}, and verify finds nothing"
    if found.ok:
        assert told == true
        needless = any(part in name for part in HARMLESS)
        # Files of superseded versions, which nobody reads; footers that tell Tantivy's version.
        assert needless or "chunks-" in name or ".managed" in name or how == "flipped", (
            f"{name}: damage is not found"
        )
    mended = index.verify(repair=True)
    assert mended.ok, f"{name}: {mended.problems}"
    assert mended.repaired == found.problems
    assert chunks(index) == before, f"{name}: mended to something else"
    assert index.update().files.modified == 0


def test_flips_in_a_segment_are_found_wherever_they_are(index: Index) -> None:
    """A checksum covers each file of the lexical store; the footer guards itself."""
    folder = generation(index).epoch.bm25
    chance = random.Random(3)
    for path in sorted(folder.glob("*.*")):
        content = path.read_bytes()
        if path.name.startswith(".") or path.name == "meta.json":
            continue
        for _ in range(20):
            # The footer's own text tells Tantivy's version, which decides nothing.
            at = chance.randrange(max(1, len(content) - 200))
            path.write_bytes(_flipped(content, at))
            found = open_index(index.root).verify()
            assert kinds(found) & {"lexical_store", "manifest"}, f"{path.name} at {at}"
        path.write_bytes(content)
    assert index.verify().ok


def writer(seen: Generation) -> Writer:
    """A writer on a generation, for rows that no update would write."""
    files = seen.snapshot.vector_files
    return Writer(seen.epoch, seen.manifest, files, threads=1, heap_bytes=20 << 20, flush_rows=1000)


def batch_of(tree: Tree, path: str) -> object:
    import pyarrow as pa

    return pa.record_batch(next(_core.ingest(tree.root, [path])))


def break_rows(index: Index, project: Tree, how: str) -> None:
    """Commits rows that are wrong in one way."""
    seen = generation(index)
    unit = np.zeros((9, seen.manifest.dimension), dtype=np.float32)
    unit[:, 0] = 1
    broken = writer(seen)
    vectors = broken.open_vectors()
    rows = batch_of(project, "src/more.py")
    snapshot = seen.snapshot
    if how == "missing_vector":
        vectors.delete(["src/more.py"])
    elif how == "missing_chunk":
        broken._bm25.delete(["src/more.py"])
    elif how == "ghost_vector":
        project.write("src/ghost.py", "def ghost(): pass\n")
        vectors.add([vectors.rows(batch_of(project, "src/ghost.py"), unit[:1])])
        project.delete("src/ghost.py")
    elif how == "ghost_chunk":
        project.write("src/ghost.py", "def ghost(): pass\n")
        broken._bm25.add(batch_of(project, "src/ghost.py"))
        project.delete("src/ghost.py")
    elif how == "duplicate_vector":
        vectors.add([vectors.rows(rows, unit[: rows.num_rows])])  # type: ignore[attr-defined]
    elif how == "duplicate_chunk":
        broken._bm25.add(rows)
    elif how == "damaged_vector":
        vectors.delete(["src/more.py"])
        long = unit[: rows.num_rows] * 3  # type: ignore[attr-defined]
        vectors.add([vectors.rows(rows, long)])
    broken.changed = True
    with pytest.MonkeyPatch.context() as patch:
        # It would see that the number of rows is wrong.
        patch.setattr(vectors, "read_back", lambda *_args, **_more: None)
        broken.commit(snapshot)
    broken.close()


@pytest.mark.parametrize(
    "how",
    [
        "missing_vector",
        "missing_chunk",
        "ghost_vector",
        "ghost_chunk",
        "duplicate_vector",
        "duplicate_chunk",
        "damaged_vector",
    ],
)
def test_wrong_rows_are_named_and_only_their_file_is_indexed_again(
    index: Index, project: Tree, how: str
) -> None:
    """The stores' own checksums hold: only comparing id by id can tell."""
    before = chunks(index)
    epoch = generation(index).epoch
    break_rows(index, project, how)
    index.close()
    if how != "damaged_vector":
        with pytest.raises(CorruptIndexError):
            index.search("some words")
    found = open_index(project).verify()
    assert how in kinds(found), found
    wrong = {each.path for each in found.problems}
    assert wrong == {"src/ghost.py" if "ghost" in how else "src/more.py"}
    result = json_of(run_cli("verify", "--json", project.root), code=1)
    assert {each["kind"] for each in result["problems"]} == kinds(found)
    again = open_index(project)
    mended = again.verify(repair=True)
    assert mended.ok, mended.problems
    assert mended.repaired == found.problems
    assert chunks(again) == before
    assert generation(again).epoch == epoch, "everything was built anew for one file"
    check_whole(again)
    clean = open_index(Tree(project.root.with_name("clean"), project.files()))
    updated(clean)
    check_same(again, clean)


def test_the_command_tells_and_mends(index: Index, project: Tree) -> None:
    good = run_cli("verify", project.root)
    assert good.returncode == 0, good.stderr
    assert b"all is well" in good.stderr
    assert good.stdout == b""
    seen = generation(index)
    path = seen.epoch.snapshots / seen.manifest.snapshot
    path.write_bytes(path.read_bytes()[:-1])
    bad = run_cli("verify", project.root)
    assert bad.returncode == 1
    assert b"snapshot" in bad.stdout
    assert b"--repair" in bad.stderr
    mended = run_cli("verify", "--repair", project.root)
    assert mended.returncode == 0, mended.stderr
    assert json_of(run_cli("verify", "--json", project.root))["ok"] is True


def test_it_waits_for_the_writer(index: Index, project: Tree) -> None:
    lock = _core.Lock.acquire(index._layout.lock)
    assert lock is not None
    result = run_cli("verify", project.root, env={"HYBRIDX_LOCK_TIMEOUT": "0.1"})
    check_refused(result, "is being written by process")
    lock.release()
    assert index.verify().ok
