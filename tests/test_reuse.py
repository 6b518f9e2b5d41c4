"""A transformer embeds nothing twice: what the vector cache saves, and that it changes nothing."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hybridx
from faults import Faults, kill, middle
from hybridx import Settings
from support import (
    PROJECT,
    Tree,
    check_same,
    check_whole,
    chunks,
    json_of,
    open_index,
    run_cli,
    updated,
    vectors,
)
from test_models import make_transformer

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx.types import IndexReport


def git(tree: Tree, *args: str) -> None:
    author = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run(["git", "-C", str(tree.root), *author, *args], check=True, capture_output=True)


@pytest.fixture
def repository(project: Tree) -> Tree:
    """The project as a repository, with a branch `other` on which two files differ."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git(project, "init", "-qb", "main")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "one")
    git(project, "checkout", "-qb", "other")
    project.write("src/http/pool.py", "def open_many(hosts):\n    return list(map(dial, hosts))\n")
    project.write("web/new.js", "function drawNothing() {\n  return null;\n}\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "two")
    git(project, "checkout", "-q", "main")
    return project


@pytest.fixture
def transformer(tmp_path: Path) -> str:
    """The folder of a model whose vectors are worth keeping."""
    make_transformer(tmp_path / "transformer")
    return str(tmp_path / "transformer")


def opened(tree: Tree | Path, cache: Path, model: str, **settings: Any) -> hybridx.Index:
    return open_index(tree, cache_dir=cache, model=model, **settings)


def counts(report: IndexReport) -> tuple[int, int]:
    """Chunks added, and embedded."""
    return report.chunks.added, report.chunks.embedded


def check_clean(index: hybridx.Index, place: Path) -> None:
    """Asserts that the index is what a build without any cache makes of the same files."""
    tree = Tree(place, Tree(index.root).files())
    clean = open_index(tree, cache_mb=0, model=index.settings.model)
    report = updated(clean, full=True)
    assert report.chunks.cached == 0
    check_same(index, clean)
    shutil.rmtree(place)


def check_equal(one: hybridx.Index, other: hybridx.Index) -> None:
    """Asserts that two indexes have the same vectors, to the last bit."""
    left, right = vectors(one), vectors(other)
    assert left.keys() == right.keys()
    assert all(left[each].tobytes() == right[each].tobytes() for each in left)


def test_a_branch_switch_and_back_embeds_only_what_neither_branch_had(
    repository: Tree, tmp_path: Path, transformer: str
) -> None:
    cache = tmp_path / "c"
    index = opened(repository, cache, transformer)
    first = updated(index)
    assert counts(first) == (first.chunks.total, first.chunks.total)
    git(repository, "checkout", "-q", "other")
    assert counts(updated(index)) == (2, 2)
    for branch in ("main", "other", "main"):
        git(repository, "checkout", "-q", branch)
        report = updated(index)
        assert report.files.modified == 1
        assert report.chunks.embedded == 0, f"{branch} was embedded again"
        assert report.chunks.cached == report.chunks.added
    check_clean(index, tmp_path / "clean")


def test_a_second_worktree_and_a_moved_root_embed_nothing(
    repository: Tree, tmp_path: Path, transformer: str
) -> None:
    cache = tmp_path / "c"
    whole = updated(opened(repository, cache, transformer)).chunks.total
    git(repository, "worktree", "add", "-q", str(tmp_path / "second"), "other")
    second = opened(tmp_path / "second", cache, transformer)
    report = updated(second)
    assert report.chunks.embedded == 2, "only what the branch has of its own"
    assert report.chunks.cached == report.chunks.total - 2
    check_clean(second, tmp_path / "clean")
    moved = tmp_path / "moved"
    shutil.copytree(repository.root, moved, ignore=shutil.ignore_patterns(".hybridx"))
    shutil.rmtree(repository.root)
    assert counts(updated(opened(moved, cache, transformer))) == (whole, 0)


def test_a_full_build_embeds_nothing_and_is_equal_to_the_last_bit(
    project: Tree, tmp_path: Path, transformer: str
) -> None:
    index = opened(project, tmp_path / "c", transformer)
    whole = updated(index).chunks.total
    other = opened(Tree(tmp_path / "other", project.files()), tmp_path / "c", transformer)
    assert counts(updated(other)) == (whole, 0)
    assert counts(updated(index, full=True)) == (whole, 0)
    check_equal(index, other)
    sequential = opened(Tree(tmp_path / "third", project.files()), tmp_path / "c", transformer)
    assert counts(updated(sequential, sequential=True)) == (whole, 0)
    check_equal(index, sequential)
    check_clean(index, tmp_path / "clean")


def test_another_model_and_back_embeds_nothing(project: Tree, tmp_path: Path) -> None:
    cache, models = tmp_path / "c", [tmp_path / "one", tmp_path / "two"]
    for folder, pooling in zip(models, ("mean", "cls"), strict=True):
        make_transformer(folder, pooling)
    indexes = [opened(project, cache, str(folder)) for folder in models]
    built = [updated(index) for index in indexes]
    assert [report.chunks.embedded for report in built] == [built[0].chunks.total] * 2
    for index in indexes:
        # The second run finds the epoch that serves, and removes the other one.
        assert [updated(index).chunks.embedded for _ in range(2)] == [0, 0]
    for index in indexes:
        report = updated(index)
        assert counts(report) == (report.chunks.total, 0), "a model's vectors were made again"
        assert report.chunks.cached == report.chunks.total
        check_clean(index, tmp_path / "clean")
        updated(index)


def test_equal_texts_of_one_run_are_embedded_once(
    tree: Tree, tmp_path: Path, transformer: str
) -> None:
    for number in range(40):
        tree.write(f"a/f{number}.py", f"def same():\n    return {number // 20}\n")
    off = opened(tree, tmp_path / "off", transformer, cache_mb=0)
    report = updated(off, full=True)
    assert (report.chunks.added, report.chunks.embedded) == (40, 2), "within one batch"
    # Files of other kinds come in other batches.
    for number in range(3):
        tree.write(f"f{number}.{'abc'[number]}txt", "one text that is there more than once\n")
    on = opened(Tree(tmp_path / "again", tree.files()), tmp_path / "on", transformer)
    report = updated(on, full=True, sequential=True)
    assert (report.chunks.added, report.chunks.embedded) == (43, 3)
    assert report.chunks.reused_vectors == 40
    check_clean(on, tmp_path / "clean")


def test_texts_that_cannot_be_embedded_fail_wherever_they_stand(tree: Tree, tmp_path: Path) -> None:
    make_transformer(tmp_path / "m")
    path = tmp_path / "m" / "tokenizer.json"
    path.write_text(path.read_text().replace('"read": 4', '"poison": 999, "read": 4'))
    for number in range(5):
        tree.write(f"good_{number}.txt", f"read the file {number}\n")
    for name in ("a", "b", "c"):
        tree.write(f"{name}.txt", "poison\n")
    index = opened(tree, tmp_path / "c", str(tmp_path / "m"))
    for _ in range(2):
        report = updated(index)
        assert {error.path for error in report.errors} == {"a.txt", "b.txt", "c.txt"}
    assert report.chunks.total == 5
    assert np.isfinite(next(iter(vectors(index).values()))).all()


def test_what_a_killed_run_embedded_is_not_embedded_again(
    project: Tree, tmp_path: Path, faults: Faults, transformer: str
) -> None:
    """Also what it embedded for an epoch that is thrown away."""
    folder = project.root / ".hybridx"
    options = ("index", "--full", "--json", "--quiet", "--model", transformer)
    flags = (*options, project.root)
    trial = Tree(tmp_path / "trial", project.files())
    whole = faults.run(trial.root / ".hybridx", *options, trial.root)
    env = {"HYBRIDX_CACHE_DIR": str(tmp_path / "c")}
    late = kill(middle(whole, "commit: CURRENT"))
    assert faults.run(folder, *flags, env=env, plan=late).killed
    shutil.rmtree(folder)
    report = json_of(run_cli(*flags, env=env))
    assert report["chunks"]["embedded"] == 0, report["chunks"]
    assert report["chunks"]["cached"] == report["chunks"]["total"]


def test_a_static_model_neither_reads_nor_writes_the_cache(project: Tree, tmp_path: Path) -> None:
    """What it does not embed again are the files that the last generation held."""
    index = open_index(project, cache_dir=tmp_path / "c")
    first = updated(index)
    assert counts(first) == (first.chunks.total, first.chunks.total)
    project.move("src/http/pool.py", "src/pool.py")
    moved = updated(index)
    assert moved.chunks.added == moved.chunks.reused_vectors > 0
    full = updated(index, full=True)
    assert counts(full) == (full.chunks.total, full.chunks.total)
    assert full.chunks.cached == 0
    assert not list((tmp_path / "c").glob("vectors-*")), "it wrote the cache"


@pytest.mark.parametrize("damage", ["file", "folder", "gone"])
def test_no_damage_to_the_cache_fails_a_run(
    project: Tree, tmp_path: Path, damage: str, transformer: str
) -> None:
    env = {"HYBRIDX_CACHE_DIR": str(tmp_path / "c"), "HYBRIDX_MODEL": transformer}
    first = run_cli("index", "--full", project.root, "--json", env=env)
    assert json_of(first)["chunks"]["embedded"]
    [path] = (tmp_path / "c").glob("vectors-*.sqlite")
    if damage == "file":
        path.write_bytes(path.read_bytes()[:5000] + b"?" * 99_000)
    elif damage == "folder":
        shutil.rmtree(tmp_path / "c")
        (tmp_path / "c").write_text("a file\n")
    else:
        path.unlink()
    result = run_cli("index", "--full", project.root, "--json", env=env)
    report = json_of(result)
    assert report["chunks"]["embedded"] == report["chunks"]["total"]
    said = result.stderr.decode().splitlines()
    assert len(said) == (damage != "gone"), said
    assert all("vector cache" in line for line in said)
    check_whole(open_index(project))


def test_clean_leaves_the_cache_and_clean_cache_the_index(
    project: Tree, tmp_path: Path, transformer: str
) -> None:
    env = {"HYBRIDX_CACHE_DIR": str(tmp_path / "c"), "HYBRIDX_MODEL": transformer}
    whole = json_of(run_cli("index", "--full", project.root, "--json", env=env))["chunks"]["total"]
    assert json_of(run_cli("clean", project.root, "--json", env=env))["freed_bytes"] > 0
    again = json_of(run_cli("index", "--full", project.root, "--json", env=env))
    assert again["chunks"]["cached"] == whole
    held = chunks(open_index(project))
    cleared = json_of(run_cli("clean", "--cache", project.root, "--json", env=env))
    assert cleared == {"cache": str(tmp_path / "c"), "freed_bytes": cleared["freed_bytes"]}
    assert cleared["freed_bytes"] > 0
    assert chunks(open_index(project)) == held
    assert json_of(run_cli("clean", "--cache", "--json", env=env))["freed_bytes"] == 0
    full = json_of(run_cli("index", "--full", project.root, "--json", env=env))
    assert full["chunks"]["embedded"] == whole


def test_a_setting_bounds_the_cache_and_is_not_the_projects(project: Tree, tmp_path: Path) -> None:
    assert Settings.load(project.root, {}, environ={"HYBRIDX_CACHE_MB": "0"}).cache_mb == 0
    project.write("hybridx.toml", "cache_mb = 5\n")
    with pytest.raises(hybridx.HybridxError, match="HYBRIDX_CACHE_MB"):
        Settings.load(project.root, {}, environ={})


def test_the_project_has_texts_of_its_own() -> None:
    """The counts above need that."""
    texts = [content for content in PROJECT.values() if content]
    assert len(set(texts)) == len(texts)
