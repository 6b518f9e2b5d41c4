"""The index for programs that run an event loop: `Index`, awaitable."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from hybridx import _core
from hybridx.api import Index

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Sequence

    from hybridx.config import Settings
    from hybridx.observer import Observer
    from hybridx.results import FileResults
    from hybridx.types import (
        DiffReport,
        FileResult,
        IndexReport,
        Mode,
        Outline,
        ProgressCallback,
        SearchResult,
        Status,
        Verification,
        Why,
    )

_T = TypeVar("_T")


class AsyncIndex:
    """`Index`, awaitable: the same methods, none of which blocks the event loop.

    Cancelling the task that awaits one, `asyncio.timeout` included, cancels the work. What writes
    or locks (`update`, `updates`, `verify`, `clean`) has ended by the time the task is cancelled.
    """

    def __init__(self, index: Index) -> None:
        """Use `AsyncIndex.open`."""
        self._index = index
        self.root = index.root
        self.settings = index.settings

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    async def update(
        self,
        *,
        full: bool = False,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        sequential: bool = False,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> IndexReport:
        """See `Index.update`. `progress` is called from another thread than the loop's."""
        token = _token(cancel)
        work = partial(
            self._index.update,
            full=full,
            paths=paths,
            sequential=sequential,
            progress=progress,
            observer=observer,
            cancel=token,
        )
        return await _ended(work, token)

    async def refresh(
        self,
        *,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> IndexReport:
        """See `Index.refresh`. `progress` is called from another thread than the loop's."""
        token = _token(cancel)
        work = partial(self._index.refresh, progress=progress, observer=observer, cancel=token)
        return await _ended(work, token)

    def updates(
        self,
        *,
        full: bool = False,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        sequential: bool = False,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> AsyncFileResults:
        """See `Index.updates`.

        async with index.updates() as results:
            async for done in results:
                print(done.change, done.path)
        """
        results = self._index.updates(
            full=full,
            paths=paths,
            sequential=sequential,
            progress=progress,
            observer=observer,
            cancel=cancel,
        )
        return AsyncFileResults(results)

    async def watch(
        self,
        *,
        on_error: Callable[[Exception], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> AsyncIterator[IndexReport]:
        """See `Index.watch`. Cancelling the task, or leaving the loop, stops the watch.

        The functions are called from threads of the watch, not from the event loop.
        """
        token = cancel or _core.CancelToken()
        reports = await asyncio.to_thread(
            self._index.watch,
            on_error=on_error,
            on_note=on_note,
            progress=progress,
            observer=observer,
            cancel=token,
        )
        # A thread of its own: it waits for as long as nothing changes.
        with ThreadPoolExecutor(1, "hybridx-reports") as executor:
            loop = asyncio.get_running_loop()
            try:
                while True:
                    report = await loop.run_in_executor(executor, next, reports, None)
                    if report is None:
                        return
                    yield report
            finally:
                token.cancel()
                # The index stays locked until its thread has ended.
                await asyncio.shield(loop.run_in_executor(None, reports.close))

    async def diff(self, *, cancel: _core.CancelToken | None = None) -> DiffReport:
        """See `Index.diff`."""
        token = _token(cancel)
        return await _left(partial(self._index.diff, cancel=token), token)

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
        cancel: _core.CancelToken | None = None,
    ) -> SearchResult:
        """See `Index.search`."""
        token = _token(cancel)
        work = partial(
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
            cancel=token,
        )
        return await _left(work, token)

    async def related(
        self,
        path: str | os.PathLike[str],
        line: int,
        k: int = 10,
        *,
        languages: Sequence[str] = (),
        paths: Sequence[str] = (),
        kinds: Sequence[str] = (),
        max_tokens: int | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> SearchResult:
        """See `Index.related`. Cancelling the task sets the token."""
        token = _token(cancel)
        work = partial(
            self._index.related,
            path,
            line,
            k,
            languages=languages,
            paths=paths,
            kinds=kinds,
            max_tokens=max_tokens,
            cancel=token,
        )
        return await _left(work, token)

    async def outline(
        self,
        path: str | os.PathLike[str] = "",
        *,
        max_tokens: int | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Outline:
        """See `Index.outline`."""
        token = _token(cancel)
        work = partial(self._index.outline, path, max_tokens=max_tokens, cancel=token)
        return await _left(work, token)

    async def status(
        self, *, check: bool = True, cancel: _core.CancelToken | None = None
    ) -> Status:
        """See `Index.status`."""
        token = _token(cancel)
        return await _left(partial(self._index.status, check=check, cancel=token), token)

    async def skipped(self) -> list[tuple[str, str, str]]:
        """See `Index.skipped`."""
        return await asyncio.to_thread(self._index.skipped)

    async def why(self, path: str | os.PathLike[str]) -> Why:
        """See `Index.why`."""
        return await asyncio.to_thread(self._index.why, path)

    async def verify(
        self,
        *,
        repair: bool = False,
        progress: ProgressCallback | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Verification:
        """See `Index.verify`."""
        token = _token(cancel)
        work = partial(self._index.verify, repair=repair, progress=progress, cancel=token)
        return await _ended(work, token)

    async def clean(self, *, cancel: _core.CancelToken | None = None) -> int:
        """See `Index.clean`."""
        token = _token(cancel)
        return await _ended(partial(self._index.clean, cancel=token), token)

    def close(self) -> None:
        """See `Index.close`."""
        self._index.close()


class AsyncFileResults:
    """`FileResults` for `async for`.

    Leaving its `async with` block, or cancelling the task that takes from it, cancels the update
    and waits for it to end. A bare `break` only cancels it once nothing refers to this any more.
    """

    def __init__(self, results: FileResults) -> None:
        """Use `AsyncIndex.updates`."""
        # Waiting would hold the loop.
        results.joins = False
        self._results = results

    @property
    def report(self) -> IndexReport | None:
        """What the update did; `None` until all files were taken."""
        return self._results.report

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FileResult:
        if self._results.ready:
            return next(self._results)
        try:
            taken = await _ended(self._take, self._results)
        except asyncio.CancelledError:
            await self.close()
            raise
        if taken is None:
            raise StopAsyncIteration
        return taken

    def _take(self) -> FileResult | None:
        return next(self._results, None)

    async def close(self) -> None:
        """See `FileResults.close`."""
        await asyncio.to_thread(self._results.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _token(cancel: _core.CancelToken | None) -> _core.CancelToken:
    """One that can be set here; what is no token is refused by whoever gets it."""
    return _core.CancelToken() if cancel is None else cancel


async def _left(work: Callable[[], _T], token: _core.CancelToken) -> _T:
    """What `work` returns, from a thread. If the task is cancelled, `work` is told and left."""
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        token.cancel()
        raise


async def _ended(work: Callable[[], _T], token: _core.CancelToken | FileResults) -> _T:
    """What `work` returns, from a thread. If the task is cancelled, `work` has ended, too."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        # The index stays locked until its thread has ended.
        token.cancel()
        while not running.done():
            # Whoever cancels once more has to wait, too.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            # Looked at, or the loop would complain that nobody did.
            running.exception()
        raise
