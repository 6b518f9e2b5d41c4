"""Results that a client asks for one page after the other.

A cursor names a result and the hit at which its next page begins. A result is kept for a while, so
that pages belong together whatever is committed meanwhile; where it is gone it is searched for
again, which gives the same hits as long as the generation is the same.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybridx.types import SearchResult

_KEPT = 16
_CURSOR = re.compile(r"(\d{1,10})-([0-9a-f]{8})-(\d{1,4})")
_PAGING = ("cursor", "k", "max_tokens", "detail")
"""Arguments that may differ from page to page."""


def digest_of(arguments: Mapping[str, Any]) -> str:
    """A short digest of what decides which hits a search has, and in which order."""
    asked = {name: value for name, value in arguments.items() if name not in _PAGING}
    text = json.dumps(asked, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


class Pages:
    """The last results, by what was asked and the generation. Safe for several threads."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._results: OrderedDict[tuple[int, str], SearchResult] = OrderedDict()
        self._guard = threading.Lock()

    def cursor(self, result: SearchResult, asked: str, at: int) -> str | None:
        """The cursor of the page that begins at hit `at`; `None` if there is no such hit."""
        if at >= len(result):
            return None
        with self._guard:
            self._results[result.generation, asked] = result
            self._results.move_to_end((result.generation, asked))
            while len(self._results) > _KEPT:
                self._results.popitem(last=False)
        return f"{result.generation}-{asked}-{at}"

    def resume(
        self, cursor: str, asked: str, generation: int | None
    ) -> tuple[SearchResult | None, int]:
        """The kept result and the hit at which a cursor's page begins.

        The result is `None` if it is gone, but can be searched for again.

        Raises:
            UsageError: it is no cursor, it is of another search, or the index has changed.
        """
        parsed = _CURSOR.fullmatch(cursor)
        if parsed is None:
            raise UsageError(f"{cursor!r} is no cursor: give one that an answer ended with")
        made, of, at = int(parsed[1]), parsed[2], int(parsed[3])
        if of != asked:
            raise UsageError(
                "the cursor belongs to another search: give the same query and filters with it"
            )
        with self._guard:
            kept = self._results.get((made, asked))
        if kept is None and made != generation:
            raise UsageError(
                f"the cursor is of generation {made}, and the index is at {generation} by now: "
                "search again without it"
            )
        return kept, at
