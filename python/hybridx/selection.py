"""Which of the changes that a scan found an update is to ingest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from hybridx import _core


@dataclass(frozen=True)
class Selection:
    """The changes that were asked for."""

    added: list[str]
    modified: list[str]
    removed: list[str]
    moved: list[tuple[str, str]]

    @classmethod
    def of(cls, changes: _core.Changes, only: Collection[str] | None) -> Selection:
        """All changes, or those of the files and folders named by `only`."""
        added, modified, removed = changes.added, changes.modified, changes.removed
        moved = changes.moved
        if only is None:
            return cls(added, modified, removed, moved)

        def asked(path: str) -> bool:
            while path:
                if path in only:
                    return True
                path = path.rpartition("/")[0]
            return "" in only

        # Half a move is an addition or a removal.
        added = added + [new for old, new in moved if not asked(old)]
        removed = removed + [old for old, new in moved if not asked(new)]
        return cls(
            [path for path in added if asked(path)],
            [path for path in modified if asked(path)],
            [path for path in removed if asked(path)],
            [(old, new) for old, new in moved if asked(old) and asked(new)],
        )

    def sparing(self, busy: Collection[str]) -> Selection:
        """The same, without removing what is at these paths, or below them: nobody could look."""
        if not busy:
            return self
        places = frozenset(busy)

        def is_known(path: str) -> bool:
            while path and path not in places:
                path = path.rpartition("/")[0]
            return not path

        removed = [path for path in self.removed if is_known(path)]
        return Selection(self.added, self.modified, removed, self.moved)

    def mending(self, paths: Collection[str], tree: _core.MerkleTree) -> Selection:
        """These changes, and all that there is of `paths` made anew."""
        wrong = frozenset(paths)
        whole = [pair for pair in self.moved if wrong.isdisjoint(pair)]
        halves = [pair for pair in self.moved if not wrong.isdisjoint(pair)]
        added = [*self.added, *(new for _, new in halves)]
        there = {path for path in wrong if path in tree}
        return Selection(
            [path for path in added if path not in wrong],
            sorted({*self.modified, *there}),
            sorted({*self.removed, *(old for old, _ in halves), *(wrong - there)}),
            whole,
        )

    def __contains__(self, path: str) -> bool:
        return path in self._named

    @cached_property
    def _named(self) -> frozenset[str]:
        moved = (path for pair in self.moved for path in pair)
        return frozenset((*self.added, *self.modified, *self.removed, *moved))

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.removed or self.moved)
