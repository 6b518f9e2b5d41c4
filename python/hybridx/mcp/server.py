"""The protocol's side, by the official SDK: one session over stdin and stdout, and its end."""

from __future__ import annotations

import functools
import logging
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from hybridx._core import CancelToken
from hybridx.errors import Cancelled, HybridxError, said
from hybridx.mcp.schemas import instructions
from hybridx.mcp.tools import Tools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio import AsyncFile, CancelScope
    from mcp.server.context import ServerRequestContext
    from mcp_types import (
        CallToolRequestParams,
        CallToolResult,
        ListToolsResult,
        PaginatedRequestParams,
    )

    from hybridx.mcp.served import Served
    from hybridx.mcp.wire import Wire
    from hybridx.types import Progress

CALLS = 8
"""Calls that are worked on at once; more wait, and one that is cancelled meanwhile never begins."""
STOP_SECONDS = 1.5
"""How long an update under way may take to end; then it is left behind, and loses no commit."""
INTERRUPTED = 130
_TELL_SECONDS = 0.2
_LONGEST = 600
"""Characters of an error that are shown."""


def serve(served: Sequence[Served], wire: Wire, version: str) -> int:
    """Serves until the client goes away or a signal comes; the exit code.

    What searches need is loaded, and the folders' watches begin, while the client and the SDK get
    ready. Threads that wait for something may be left when this returns.
    """
    for each in served:
        threading.Thread(target=_begin, args=(each,), name="hybridx-warm", daemon=True).start()
    # Half a second of imports, beside those of the searches.
    import anyio

    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    session = _Session(Tools(served), [each.name for each in served], wire, version)
    try:
        anyio.run(session.run)
    except* (BrokenPipeError, ConnectionError):
        # The client reads no more: that is how some go away.
        pass
    _end(served)
    return session.code


def _begin(served: Served) -> None:
    # First what the first answer needs: the update that a watch begins with can wait for it.
    served.warm()
    served.start()


def _end(served: Sequence[Served]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    for each in served:
        each.cancel()
    for each in served:
        each.stop(max(deadline - time.monotonic(), 0.0))


class _Session:
    """One client."""

    def __init__(self, tools: Tools, names: Sequence[str], wire: Wire, version: str) -> None:
        from mcp.server.lowlevel import Server

        self.code = 0
        self._wire = wire
        self._calls = _Calls(tools)
        self._server: Server[Any] = Server(
            "hybridx",
            version=version,
            instructions=instructions(names),
            on_list_tools=self._calls.list_tools,
            on_call_tool=self._calls.call_tool,
        )

    async def run(self) -> None:
        """Returns when the client is gone, or a signal came."""
        import anyio

        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, group.cancel_scope)
            await self._serve()
            group.cancel_scope.cancel()

    async def _listen(self, scope: CancelScope) -> None:
        import anyio

        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                self.code = INTERRUPTED if number == signal.SIGINT else 0
                self._calls.cancel()
                scope.cancel()
                return

    async def _serve(self) -> None:
        import anyio
        from mcp.server.stdio import stdio_server

        wire, server = self._wire, self._server
        outgoing = anyio.wrap_file(wire.outgoing)
        async with stdio_server(cast("AsyncFile[str]", wire.lines()), outgoing) as (read, write):
            await server.run(read, write, server.create_initialization_options())


class _Calls:
    """The SDK's requests, each worked on in a thread."""

    def __init__(self, tools: Tools) -> None:
        import anyio

        self._tools = tools
        self._limiter = anyio.CapacityLimiter(CALLS)
        self._tokens: set[CancelToken] = set()

    def cancel(self) -> None:
        """Asks all calls to end."""
        for token in self._tokens:
            token.cancel()

    async def list_tools(
        self, _: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """The tools with their schemas."""
        from mcp_types import ListToolsResult, Tool, ToolAnnotations

        return ListToolsResult(
            tools=[
                Tool(
                    name=each.name,
                    title=each.title,
                    description=each.description,
                    input_schema=each.arguments,
                    output_schema=each.result,
                    annotations=ToolAnnotations(
                        read_only_hint=each.reads_only,
                        destructive_hint=False,
                        idempotent_hint=True,
                        open_world_hint=False,
                    ),
                )
                for each in self._tools.schemas.values()
            ]
        )

    async def call_tool(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult:
        """The answer of a tool; what goes wrong is an answer too, of one line."""
        import anyio

        token = CancelToken()
        self._tokens.add(token)
        try:
            async with anyio.create_task_group() as group:
                tell, told = _progress(context)
                group.start_soon(told)
                work = functools.partial(
                    self._answer, params.name, params.arguments or {}, tell, token
                )
                # A thread cannot be ended; it is told to, and nobody waits for it.
                result = await anyio.to_thread.run_sync(
                    work, abandon_on_cancel=True, limiter=self._limiter
                )
                group.cancel_scope.cancel()
            return result
        finally:
            token.cancel()
            self._tokens.discard(token)

    def _answer(
        self,
        name: str,
        arguments: dict[str, Any],
        tell: Callable[[Progress], None],
        token: CancelToken,
    ) -> CallToolResult:
        from mcp_types import CallToolResult, TextContent

        try:
            answer = self._tools.call(name, arguments, tell, token)
        except Exception as error:  # noqa: BLE001 - the model is told, whatever it is
            text = _one_line(error)
            return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
        return CallToolResult(
            content=[TextContent(type="text", text=_encodable(answer.text))],
            structured_content=_plain(answer.structured),
        )


def _progress(
    context: ServerRequestContext[Any],
) -> tuple[Callable[[Progress], None], Callable[[], Any]]:
    """A function that takes progress in any thread, and the task that tells the client of it."""
    import anyio

    last: list[Progress] = []

    async def told() -> None:
        files = -1
        while True:
            await anyio.sleep(_TELL_SECONDS)
            # The protocol wants each number to be higher than the one before.
            if last and last[-1].files_done > files:
                seen = last[-1]
                files = seen.files_done
                message = f"{seen.stage}: {seen.files_done:,} files, {seen.chunks_done:,} chunks"
                await context.session.report_progress(files, seen.files_total, message)

    def tell(progress: Progress) -> None:
        last[:] = [progress]

    return tell, told


def _one_line(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, Cancelled):
        return "cancelled"
    if isinstance(error, (HybridxError, OSError)):
        text = said(error)
    else:
        text = f"internal error: {type(error).__name__}: {error}"
    text = _encodable(" ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _encodable(text: str) -> str:
    """A text that can be written: names of files may hold bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
