"""An index that is updated again and again stays as small as one that is built at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from hybridx.commit import FOLD_EVERY, Generation
from support import Tree, check_same, check_whole, open_index, updated

if TYPE_CHECKING:
    from hybridx import Index

MOST = 1.3
"""Times the size of a fresh build that an index may have."""


def source(name: int, edits: int) -> str:
    """A file of a few chunks, different for each name and after each edit."""
    functions = (
        f"def handle_{name}_{part}(request, attempts={edits % 7}):\n"
        f'    """Handles part {part} of request {name}, in its form {edits}."""\n'
        f"    for attempt in range(attempts + {part}):\n"
        f"        if request.send(part={part}, name={name}, attempt=attempt):\n"
        f"            return request.answer(timeout={name * part + edits})\n"
        f"    raise TimeoutError(f'{{request}} {name} {part}')\n\n\n"
        for part in range(30)
    )
    return "".join(functions)


def pieces(index: Index) -> dict[str, int]:
    """How many files of each kind the stores consist of."""
    generation = Generation.current(index._layout)
    assert generation is not None
    epoch = generation.epoch
    tables = list(epoch.vectors.iterdir())
    found = {"tables": len(tables), "snapshots": sum(1 for _ in epoch.snapshots.iterdir())}
    for part in tables[-1].iterdir():
        if part.is_dir():
            found[part.name] = sum(1 for _ in part.iterdir())
    found["segments"] = len({path.stem for path in epoch.bm25.glob("*.store")})
    return found


def soak(tree: Tree, files: int, updates: int) -> list[float]:
    """Indexes and updates; the seconds that each update took."""
    for name in range(files):
        tree.write(f"pkg{name % 5}/file_{name}.py", source(name, 0))
    index = open_index(tree)
    updated(index)
    took = []
    most: dict[str, int] = {}
    for number in range(1, updates + 1):
        name = number * 7 % files
        path = f"pkg{name % 5}/file_{name}.py"
        if number % 10 == 0:
            tree.delete(path)
        else:
            tree.write(path, source(name, number))
        if number % 6 == 0:
            other = (name + 1) % files
            tree.write(f"pkg{other % 5}/file_{other}.py", source(other, number))
        start = time.perf_counter()
        index.update()
        took.append(time.perf_counter() - start)
        for kind, count in pieces(index).items():
            most[kind] = max(count, most.get(kind, 0))
    print("at most", most)
    assert most["tables"] == 1, "a table that nobody reads stays"
    assert most["snapshots"] <= 2, "snapshots that nobody reads stay"
    assert most["segments"] <= 32, "segments are not merged"
    assert most["data"] <= 3 * FOLD_EVERY + files, "fragments are not folded"
    check_whole(index)
    fresh = open_index(Tree(tree.root.with_name("fresh"), tree.files()))
    updated(fresh)
    check_same(index, fresh)
    sizes = [each.status(check=False).size_bytes["total"] for each in (index, fresh)]
    print(f"{sizes[0]:,} bytes after {updates} updates, {sizes[1]:,} when built at once")
    assert sizes[0] <= MOST * sizes[1], f"the index is {sizes[0] / sizes[1]:.2f} times too large"
    return took


def test_many_small_updates_leave_no_more_than_one_build(tree: Tree) -> None:
    soak(tree, files=60, updates=70)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_small_updates_leave_no_more_than_one_build(tree: Tree) -> None:
    took = sorted(soak(tree, files=400, updates=1000))
    half, late = took[len(took) // 2], took[len(took) * 99 // 100]
    print(f"an update took {half * 1000:.0f} ms in the middle, p99 {late * 1000:.0f} ms")
    # Generous, for machines that do other work as well; `benches/upkeep.py` gives the figures.
    assert late < 8 * half + 0.5, "some updates are slow"
