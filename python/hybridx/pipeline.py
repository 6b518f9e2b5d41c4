"""The steps between the scan and the commit, side by side: read, encode, embed, store.

Four steps run at once, joined by bounded queues: one thread takes batches of chunks from the core
(whose own threads read, chunk and analyse), one looks for vectors that are known and encodes the
other chunks, one embeds those, one writes both stores. A slow step fills its queue and so holds
back the ones before it; memory does not grow with the tree. A file that fails is a row of the
report; a step that fails ends the run.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from hybridx.observe import queues, workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hybridx import _core
    from hybridx.spans import Workers
    from hybridx.stages import Batch, EmbedStep, StoreStep
    from hybridx.tally import Tally

_T = TypeVar("_T")

TRANSFORMER_BATCH_BYTES = 256 << 10
"""Text of a batch for a transformer: some seconds of work on a CPU, not minutes."""

_WAITING = 16
"""Batches for a transformer that wait to be embedded: what lengths are sorted among."""


def sequentially(stream: _core.IngestStream, embed: EmbedStep, store: StoreStep) -> None:
    """Takes every batch through all steps before the next one is asked for."""
    with workers(embed.tally.observer, stream) as watching:
        while (source := _take(stream, embed.tally, watching)) is not None:
            batch = embed.prepare(source)
            embed.run([batch])
            store(batch)


async def side_by_side(stream: _core.IngestStream, embed: EmbedStep, store: StoreStep) -> None:
    """Runs the steps at once, each in a thread of its own."""
    ingested: asyncio.Queue[_core.IngestBatch | None] = asyncio.Queue(store.budget.queue)
    prepared: asyncio.Queue[Batch | None] = asyncio.Queue(1 if embed.model.terms else _WAITING)
    embedded: asyncio.Queue[Batch | None] = asyncio.Queue(store.budget.queue)

    async def read(executor: ThreadPoolExecutor) -> None:
        while True:
            source = await call(executor, _take, stream, embed.tally, watching)
            await ingested.put(source)
            if source is None:
                return

    async def prepare(executor: ThreadPoolExecutor) -> None:
        while (source := await ingested.get()) is not None:
            await prepared.put(await call(executor, embed.prepare, source))
        await prepared.put(None)

    async def compute(executor: ThreadPoolExecutor) -> None:
        more = True
        while more:
            window = [await prepared.get()]
            # What is there already, and no more: nothing waits for company.
            while window[-1] and not prepared.empty():
                if sum(batch.tokens for batch in window if batch) >= embed.window:
                    break
                window.append(prepared.get_nowait())
            more = window[-1] is not None
            batches = [batch for batch in window if batch]
            await call(executor, embed.run, batches)
            for batch in batches:
                await embedded.put(batch)
        await embedded.put(None)

    async def write(executor: ThreadPoolExecutor) -> None:
        # Loading LanceDB takes a second that the first batches can use.
        await call(executor, store.writer.open_vectors)
        while (batch := await embedded.get()) is not None:
            await call(executor, store, batch)

    observer = embed.tally.observer
    waiting = {"encode": ingested.qsize, "embed": prepared.qsize, "store": embedded.qsize}
    with (
        workers(observer, stream) as watching,
        queues(observer, waiting),
        ThreadPoolExecutor(1, "hybridx-read") as reading,
        ThreadPoolExecutor(1, "hybridx-encode") as encoding,
        ThreadPoolExecutor(1, "hybridx-embed") as embedding,
        ThreadPoolExecutor(1, "hybridx-write") as writing,
    ):
        try:
            async with asyncio.TaskGroup() as group:
                # What takes longest until it is ready begins first.
                group.create_task(write(writing))
                group.create_task(read(reading))
                group.create_task(prepare(encoding))
                group.create_task(compute(embedding))
        except BaseException as torn:
            # Or the threads that wait for the core's next batch, and for the model, would be
            # waited for.
            embed.stop()
            stream.close()
            if isinstance(torn, BaseExceptionGroup):
                raise _cause(torn) from torn
            raise


def _take(
    stream: _core.IngestStream, tally: Tally, watching: Workers | None
) -> _core.IngestBatch | None:
    """The next batch of the core, counted; `None` after the last one."""
    with tally.timed("ingest") as span:
        source = next(stream, None)
        if source is not None:
            tally.read(source)
        if source is not None and watching is not None:
            span.note(files=len(source.paths), chunks=len(source), bytes=source.bytes)
            watching.took(source)
    return source


async def call(executor: ThreadPoolExecutor, function: Callable[..., _T], *arguments: Any) -> _T:
    """Awaits a function that runs in the executor."""
    return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the run; what it tore down with it says nothing more."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
