"""Another model is another set of stores: built beside the old one, which serves meanwhile."""

from __future__ import annotations

import contextlib
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faults import Faults, kill, middle
from hybridx import Index, Settings
from hybridx.errors import HybridxError, ModelError
from support import (
    MODES,
    PROJECT,
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
    from hybridx.types import Progress


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    """A model that differs from the bundled one in nothing but its name."""
    folder = tmp_path / "other-model"
    shutil.copytree(Path(str(resources.files("hybridx.embed") / "bundled")), folder)
    config = folder / "hybridx.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "name": "other"}))
    return folder


def test_another_model_builds_a_new_epoch_and_then_switches(
    project: Tree, other_model: Path
) -> None:
    old = open_index(project)
    updated(old)
    before, first = chunks(old), generation(old)
    serving: list[str] = []

    def look(now: Progress) -> None:
        # The last word comes once it serves.
        if now.stage != "done":
            serving.append(check_whole(old).manifest.model)

    new = open_index(project, model=str(other_model))
    report = updated(new, progress=look)
    assert report.model == "other"
    assert report.files.added == len(PROJECT) - 1, "a new epoch is built whole"
    assert report.chunks.embedded == report.chunks.total
    assert serving
    assert set(serving) == {first.manifest.model}, "it switched before the build was done"
    assert chunks(new) == before, "the same text has other ids"
    assert new.status().model.name == "other"
    epoch = first.epoch
    assert generation(new).epoch != epoch
    for mode in MODES:
        assert new.search("retry", mode=mode).hits
    assert updated(new).generation == report.generation
    assert epoch.folder.exists(), "somebody was reading it"
    del first
    updated(new)
    assert not epoch.folder.exists(), "the old epoch stays for ever"


def test_an_index_keeps_the_model_it_was_made_with(project: Tree, other_model: Path) -> None:
    """Which model made the index is known to the index; no setting has to repeat it."""
    updated(open_index(project, model=str(other_model)))
    plain = open_index(project)
    project.write("src/new.py", "def new(): pass\n")
    assert updated(plain).files.added == 1, "a setting left at its default changed the model"
    for mode in MODES:
        assert plain.search("retry", mode=mode).hits


def test_a_model_that_is_gone_is_said_and_lexical_still_works(
    project: Tree, other_model: Path
) -> None:
    updated(open_index(project, model=str(other_model)))
    shutil.rmtree(other_model)
    index = open_index(project)
    assert index.search("retry", mode="lexical").hits
    with pytest.raises(ModelError, match="other-model"):
        index.search("retry", mode="semantic")
    with pytest.raises(ModelError, match="other-model"):
        index.update()
    check_refused(run_cli("search", "retry", project.root), "model")


def test_a_torn_switch_leaves_the_old_epoch_serving(
    project: Tree, other_model: Path, faults: Faults
) -> None:
    old = open_index(project)
    updated(old)
    before = chunks(old)
    twin = Tree(project.root.with_name("twin"), project.files())
    updated(open_index(twin))
    flags = ("index", "--model", other_model)
    whole = faults.run(twin.root / ".hybridx", *flags, twin.root)
    late = kill(middle(whole, "commit: lexical files"))
    assert faults.run(project.root / ".hybridx", *flags, project.root, plan=late).killed
    assert check_whole(old).manifest.model_source == "bundled"
    assert chunks(old) == before
    assert old.search("retry", mode="semantic").hits
    new = open_index(project, model=str(other_model))
    assert updated(new).model == "other"
    assert chunks(new) == before


def test_some_paths_alone_never_replace_a_whole_index(project: Tree, other_model: Path) -> None:
    """As when a hook names one file after the program was updated."""
    updated(open_index(project))
    new = open_index(project, model=str(other_model))
    updated(new, paths=["src/retry.py"])
    assert {chunk[0] for chunk in chunks(new).values()} >= {"src/retry.py", "web/app.js"}
    assert not new.diff()


def test_going_back_and_forth_ends_equal(project: Tree, other_model: Path) -> None:
    # Said, not left at its default: an index keeps the model it was made with.
    bundled = Settings.load(project.root, {"model": "bundled"})
    index = Index.open(project.root, settings=bundled)
    other = open_index(project, model=str(other_model))
    updated(index)
    for number in range(2):
        project.write("src/new.py", f"def round_{number}(): pass\n")
        assert updated(other).model == "other"
        project.write("web/new.js", f"function round_{number}() {{}}\n")
        assert updated(index).model != "other"
    clean = open_index(Tree(project.root.with_name("clean"), project.files()))
    updated(clean)
    check_same(index, clean)


def test_a_damaged_stat_cache_heals_silently(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    cache = index._layout.stat_cache
    whole = cache.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b"x" * 99):
        cache.write_bytes(damaged)
        result = run_cli("index", project.root, "--json") if damaged == b"" else None
        if result is not None:
            assert json_of(result)["generation"] == 1
            assert result.stderr == b""
        report = updated(index)
        assert (report.generation, report.files.unchanged) == (1, len(PROJECT) - 1)
        assert cache.read_bytes() != damaged, "a damaged cache stays"


DAMAGES = ["gone", "empty", "cut", "flipped"]


def damage(path: Path, how: str) -> None:
    """Damages a file."""
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0x55]) + whole[middle + 1 :])


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_snapshot_is_said_and_a_full_build_heals(project: Tree, how: str) -> None:
    index = open_index(project)
    updated(index)
    before = chunks(index)
    seen = generation(index)
    damage(seen.epoch.snapshots / seen.manifest.snapshot, how)
    for command in (["index"], ["status"], ["diff"]) if how == "cut" else ([["status"]]):
        check_refused(run_cli(*command, project.root), "snapshot", "hybridx verify --repair")
    assert index.search("retry").hits, "a search needs no snapshot"
    assert updated(index, full=True).generation == 1
    assert chunks(index) == before


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", ["CURRENT", "root", "bm25/meta.json", "vectors"])
def test_damage_is_an_error_in_words_or_heals(project: Tree, file: str, how: str) -> None:
    index = open_index(project)
    updated(index)
    before = chunks(index)
    epoch = generation(index).epoch
    if file == "vectors":
        victims = [path for path in epoch.vectors.rglob("*") if path.is_file()]
        assert victims
        for path in victims:
            damage(path, how)
    else:
        damage(epoch.folder / file if "/" in file else index._layout.folder / file, how)
    index.close()
    for work in (
        lambda: index.search("retry", mode="lexical"),
        lambda: index.search("retry", mode="semantic"),
        index.status,
        index.update,
    ):
        # Either it heals or it is said in words of ours; anything else fails the test.
        with contextlib.suppress(HybridxError, OSError):
            work()
    index.update(full=True)
    assert chunks(index) == before
