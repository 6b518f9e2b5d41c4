"""Whatever is passed to the API, what comes back is an answer or a documented exception."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

import hybridx
from hybridx import AsyncIndex, CancelToken, Index, Settings, errors
from hybridx.errors import Cancelled, HybridxError, UsageError
from support import Tree, open_index, updated

ODD: list[Any] = [
    None,
    0,
    -1,
    3,
    2**100,
    2.5,
    float("nan"),
    True,
    "",
    " ",
    "x",
    "\0",
    "\udcff",
    "\ud800",
    "x" * 5000,
    "../..",
    b"src",
    b"\xff",
    [],
    ["src", 1],
    [b"src"],
    ["\ud800"],
    ["\udcff"],
    ["\0"],
    ["[", "{a", "!"],
    {"a": 1},
    object(),
    print,
    Path("src"),
    [Path("src")],
]

CALLS: dict[str, dict[str, Any]] = {
    # Whatever is true or false is taken for it, as everywhere in Python.
    "update": {"paths": [], "progress": None, "observer": None, "cancel": None},
    "updates": {"paths": [], "progress": None, "observer": None, "cancel": None},
    "diff": {"cancel": None},
    "search": {
        "query": "retry",
        "k": 3,
        "mode": "lexical",
        "languages": (),
        "paths": (),
        "kinds": (),
        "changed_since": None,
        "max_tokens": None,
        "rerank": None,
        "observer": None,
        "cancel": None,
    },
    "related": {
        "path": "src/retry.py",
        "line": 4,
        "k": 3,
        "languages": (),
        "paths": (),
        "kinds": (),
        "max_tokens": None,
        "cancel": None,
    },
    "outline": {"path": "src", "max_tokens": None, "cancel": None},
    "refresh": {"progress": None, "observer": None, "cancel": None},
    "status": {"cancel": None},
    "skipped": {},
    "why": {"path": "src"},
    "verify": {"progress": None, "cancel": None},
    "clean": {"cancel": None},
}
"""The arguments that are tried, with values that are right."""

BOOLEAN = {"full", "sequential", "check", "repair"}


def test_every_method_and_argument_is_tried() -> None:
    for name, member in inspect.getmembers(Index, inspect.isfunction):
        if name.startswith("_") or name == "close":
            continue
        if name not in CALLS:
            # They run until they are ended, or take nothing.
            assert name in {"watch", "watcher", "generation", "wanted_model"}, name
            continue
        known = inspect.signature(member).parameters.keys() - {"self"}
        assert known - BOOLEAN == CALLS[name].keys(), name


def attempt(index: Index, method: str, argument: str, value: Any) -> BaseException | None:
    """What the call raises, if that is documented; else it comes through."""
    try:
        found = getattr(index, method)(**{**CALLS[method], argument: value})
        if method == "updates":
            list(found)
    except (HybridxError, OSError) as error:
        return error
    return None


@pytest.mark.parametrize(
    ("method", "argument"),
    [(method, each) for method, values in CALLS.items() for each in values if method != "clean"],
)
def test_odd_arguments_are_answered_or_refused(shared: Index, method: str, argument: str) -> None:
    raised = [attempt(shared, method, argument, value) for value in ODD]
    assert any(isinstance(each, UsageError) for each in raised), "nothing is too odd for it"
    assert attempt(shared, method, argument, CALLS[method][argument]) is None
    assert not shared.diff(), "an odd argument changed the index"


def test_clean_refuses_what_is_no_token(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    for value in ODD[1:]:
        with pytest.raises(UsageError):
            index.clean(cancel=value)
    assert index.status().fresh


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value).partition(" at 0x")[0])
def test_odd_folders_and_settings(project: Tree, value: Any) -> None:
    refused = (UsageError, OSError)
    if value not in ("../..",):
        with pytest.raises(refused):
            Index.open(value)
    if value is not None:
        with pytest.raises(UsageError):
            Index.open(project.root, settings=value)
        with pytest.raises(refused):
            Settings.load(project.root, {"commit_files": value, "model": 1})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 2.0}, "k is 2.0: give a whole number"),
        ({"k": True}, "k is True: give a whole number"),
        ({"mode": "fuzzy"}, "mode is 'fuzzy': choose hybrid, lexical or semantic"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"max_tokens": "many"}, "max_tokens is 'many'"),
        ({"languages": "python"}, "languages is 'python': give a list"),
        ({"paths": [b"src/*"]}, "paths has b'src/*' in it"),
        ({"kinds": 3}, "kinds is 3: give a list"),
        ({"query": b"retry"}, "query is b'retry': give a text"),
        ({"changed_since": 3}, "changed_since is 3"),
        ({"rerank": ""}, "rerank is ''"),
        ({"cancel": "now"}, "cancel is 'now': give a CancelToken"),
        ({"observer": "t.json"}, "observer is 't.json': give an Observer"),
    ],
)
def test_messages_say_what_to_give(shared: Index, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        shared.search(**{"query": "retry", **arguments})
    assert words in str(caught.value)

    async def main() -> None:
        index = AsyncIndex(shared)
        with pytest.raises(UsageError, match=str(caught.value)[:10].replace("(", ".")):
            await index.search(**{"query": "retry", **arguments})

    asyncio.run(main())


def test_paths_are_below_the_root(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    project.write("src/retry.py", "x = 1\n")
    with pytest.raises(UsageError, match="leads out"):
        index.update(paths=["src/../../x"])
    with pytest.raises(UsageError, match="leads out"):
        index.why("../x")
    with pytest.raises(UsageError, match="NUL"):
        index.why("a\0b")
    assert index.update(paths=[Path("src") / "retry.py"]).files.modified == 1
    assert index.why(Path("src/retry.py")).verdict == "indexed"


def test_tokens_are_heeded_by_all_that_takes_them(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    token = CancelToken()
    token.cancel()
    project.write("src/new.py", "x = 1\n")
    for work in (
        lambda: index.update(cancel=token),
        lambda: list(index.updates(cancel=token)),
        lambda: index.diff(cancel=token),
        lambda: index.search("retry", cancel=token),
        lambda: index.search("retry", check=True, cancel=token),
        lambda: index.status(cancel=token),
    ):
        with pytest.raises(Cancelled):
            work()
    assert index.status().pending == 1


def test_timeouts_end_what_is_awaited(project: Tree) -> None:
    """Also where a lock is waited for, whose thread has ended by then."""
    held = open_index(project)
    updated(held)
    lock = held._layout.take_lock(1.0, CancelToken())

    async def main() -> None:
        index = await AsyncIndex.open(project.root, settings=Settings(lock_timeout=60))
        for work in (index.update, index.verify, index.clean):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await work()
        assert (await index.search("retry")).hits

    try:
        asyncio.run(main())
    finally:
        lock.release()
    updated(held)


def test_the_tree_of_exceptions_is_exported_and_drawn() -> None:
    names = [name for name in errors.__all__ if name != "HybridxError"]
    assert len(names) >= 9
    for name in names:
        assert issubclass(getattr(hybridx.errors, name), HybridxError)
        assert f"── {name} " in (errors.__doc__ or ""), f"{name} is not in the drawing"
