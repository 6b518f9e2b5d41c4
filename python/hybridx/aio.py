"""The index for programs that run an event loop: `Index`, awaitable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from hybridx import _core
from hybridx.api import Index

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from hybridx.config import Settings
    from hybridx.observe import Observer
    from hybridx.types import (
        DiffReport,
        IndexReport,
        Mode,
        ProgressCallback,
        SearchResult,
        Status,
        Verification,
        Why,
    )


class AsyncIndex:
    """`Index`, awaitable: the same methods, none of which blocks the event loop."""

    def __init__(self, index: Index) -> None:
        """Use `AsyncIndex.open`."""
        self._index = index
        self.root = index.root

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str] = ".", *, settings: Settings | None = None
    ) -> Self:
        """See `Index.open`."""
        return cls(await asyncio.to_thread(Index.open, path, settings=settings))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._index.close()

    async def update(
        self,
        *,
        full: bool = False,
        paths: Sequence[str] | None = None,
        sequential: bool = False,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> IndexReport:
        """See `Index.update`. Cancelling the task cancels the update."""
        token = cancel or _core.CancelToken()
        work = asyncio.to_thread(
            self._index.update,
            full=full,
            paths=paths,
            sequential=sequential,
            progress=progress,
            observer=observer,
            cancel=token,
        )
        running = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The index stays locked until its thread has ended.
            token.cancel()
            await asyncio.wait([running])
            raise

    async def diff(self) -> DiffReport:
        """See `Index.diff`."""
        return await asyncio.to_thread(self._index.diff)

    async def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        languages: Sequence[str] = (),
        paths: Sequence[str] = (),
        kinds: Sequence[str] = (),
        changed_since: str | None = None,
        max_tokens: int | None = None,
        check: bool = False,
        rerank: str | None = None,
        observer: Observer | None = None,
    ) -> SearchResult:
        """See `Index.search`."""
        return await asyncio.to_thread(
            self._index.search,
            query,
            k,
            mode=mode,
            languages=languages,
            paths=paths,
            kinds=kinds,
            changed_since=changed_since,
            max_tokens=max_tokens,
            check=check,
            rerank=rerank,
            observer=observer,
        )

    async def status(self, *, check: bool = True) -> Status:
        """See `Index.status`."""
        return await asyncio.to_thread(self._index.status, check=check)

    async def skipped(self) -> list[tuple[str, str, str]]:
        """See `Index.skipped`."""
        return await asyncio.to_thread(self._index.skipped)

    async def why(self, path: str) -> Why:
        """See `Index.why`."""
        return await asyncio.to_thread(self._index.why, path)

    async def verify(self, *, repair: bool = False) -> Verification:
        """See `Index.verify`."""
        return await asyncio.to_thread(self._index.verify, repair=repair)

    async def clean(self, *, cancel: _core.CancelToken | None = None) -> int:
        """See `Index.clean`."""
        return await asyncio.to_thread(self._index.clean, cancel=cancel)

    def close(self) -> None:
        """See `Index.close`."""
        self._index.close()
