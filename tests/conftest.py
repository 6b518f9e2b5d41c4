"""Fixtures: trees, and indexes that tests which only read share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import hypothesis
import pytest

from faults import Faults
from support import PROJECT, Tree, open_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import hybridx

# Files are written and stores are opened: what an example takes depends on the machine.
hypothesis.settings.register_profile(
    "files",
    deadline=None,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)
hypothesis.settings.load_profile("files")


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting, ignore rule or cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("HYBRIDX_"):
                patch.delenv(name)
        home = tmp_path_factory.mktemp("home")
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test had embedded, no other finds."""
    monkeypatch.setenv("HYBRIDX_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty folder."""
    return Tree(tmp_path / "tree")


@pytest.fixture
def project(tmp_path: Path) -> Tree:
    """A small project, not indexed."""
    return Tree(tmp_path / "project", PROJECT)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> hybridx.Index:
    """The index of a small project, for tests that change neither."""
    index = open_index(Tree(tmp_path_factory.mktemp("shared") / "project", PROJECT))
    index.update()
    return index


@pytest.fixture(scope="session")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """Runs the program with faults beneath it; skips where that cannot be."""
    with Faults(tmp_path_factory.mktemp("faults")) as running:
        yield running
