"""`Index` and `AsyncIndex` are the same, but for `await`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hybridx import AsyncFileResults, AsyncIndex, FileResults, Index

PAIRS = [(Index, AsyncIndex), (FileResults, AsyncFileResults)]

ONLY_SYNC: dict[type, set[str]] = {
    # A resident object with threads of its own; what the command line asks about, and a property,
    # which cannot be awaited: `status` tells it, too.
    Index: {"watcher", "wanted_model", "generation"},
    # How the asynchronous one is made of it.
    FileResults: {"cancel", "ready"},
}


def members(kind: type) -> dict[str, Any]:
    """Public methods, properties and class methods by name."""
    return {
        name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")
    }


@pytest.mark.parametrize(("sync", "other"), PAIRS)
def test_both_have_the_same_methods(sync: type, other: type) -> None:
    assert len(members(sync)) > 2
    assert members(other).keys() == members(sync).keys() - ONLY_SYNC[sync]


@pytest.mark.parametrize(("sync", "other"), PAIRS)
def test_both_take_the_same_arguments(sync: type, other: type) -> None:
    for name in members(other):
        one, two = getattr(sync, name), getattr(other, name)
        if isinstance(one, property):
            assert isinstance(two, property), name
            continue
        mine, theirs = inspect.signature(one), inspect.signature(two)
        assert list(mine.parameters.values()) == list(theirs.parameters.values()), name
        returned, awaited = mine.return_annotation, theirs.return_annotation
        pairs = {kind.__name__: twin.__name__ for kind, twin in PAIRS}
        if not is_asynchronous_iterator(awaited):
            assert pairs.get(returned, returned) == awaited, name


def is_asynchronous_iterator(annotation: str) -> bool:
    return annotation.startswith(("AsyncIterator", "AsyncGenerator"))


@pytest.mark.parametrize(("sync", "other"), PAIRS)
def test_what_can_block_is_awaited(sync: type, other: type) -> None:
    """Or gives an iterator that is."""
    for name in members(other):
        two = getattr(other, name)
        if isinstance(two, property) or (sync, name) == (Index, "close"):
            continue
        annotation = inspect.signature(two).return_annotation
        waits = inspect.iscoroutinefunction(two) or inspect.isasyncgenfunction(two)
        assert waits or annotation == "AsyncFileResults" or is_asynchronous_iterator(annotation), (
            name
        )


def test_both_are_what_their_loops_take() -> None:
    assert issubclass(FileResults, Iterator)
    assert issubclass(AsyncFileResults, AsyncIterator)


@pytest.mark.parametrize("kind", [kind for pair in PAIRS for kind in pair])
def test_everything_public_is_described(kind: type) -> None:
    for name, member in members(kind).items():
        text = inspect.getdoc(getattr(member, "__func__", member)) or ""
        assert len(text.split()) >= 2, f"{kind.__name__}.{name} is not described"


def test_errors_are_told_of_every_method() -> None:
    for name, member in members(Index).items():
        text = inspect.getdoc(getattr(member, "__func__", member)) or ""
        if name not in {"close", *ONLY_SYNC[Index]}:
            assert "Raises:" in text, f"Index.{name} does not say what it raises"
