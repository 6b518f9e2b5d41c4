"""The MCP server, spoken to by the SDK's own client over stdio: the real program, real stores."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from hybridx._core import CancelToken, Lock
from hybridx.errors import Cancelled, UsageError
from hybridx.mcp.arguments import checked
from hybridx.mcp.schemas import tools
from hybridx.mcp.served import Served
from support import PROJECT, Tree, json_of, open_index, run_cli, updated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from mcp_types import CallToolResult

    import hybridx

SOON = 20.0
"""Seconds that what takes less than one may take on a busy machine."""


def parameters(*args: str | Path, cwd: Path | None = None) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "hybridx", "mcp", *map(str, args)],
        env=dict(os.environ),
        cwd=cwd,
    )


@contextlib.asynccontextmanager
async def connected(*args: str | Path, cwd: Path | None = None) -> AsyncIterator[ClientSession]:
    async with (
        stdio_client(parameters(*args, cwd=cwd)) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


def talk(
    work: Callable[[ClientSession], Awaitable[None]], *args: str | Path, cwd: Path | None = None
) -> None:
    """Runs `work` with a client of a server with these arguments."""

    async def run() -> None:
        async with connected(*args, cwd=cwd) as session:
            await work(session)

    anyio.run(run)


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert content.type == "text"
    return content.text


async def answer(session: ClientSession, tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """The text and the structure of a call that succeeds."""
    result = await session.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return text_of(result), result.structured_content


async def refused(session: ClientSession, tool: str, **arguments: Any) -> str:
    """The one line that a call is refused with."""
    result = await session.call_tool(tool, arguments)
    said = text_of(result)
    assert result.is_error, said
    assert "\n" not in said
    assert "Traceback" not in said
    assert "internal error" not in said, said
    return said


async def until(
    session: ClientSession, good: Callable[[dict[str, Any]], bool], tool: str, **arguments: Any
) -> dict[str, Any]:
    """The structure of the first answer that is `good`."""
    deadline = time.monotonic() + SOON
    while True:
        _, found = await answer(session, tool, **arguments)
        if good(found):
            return found
        assert time.monotonic() < deadline, f"it did not come: {found}"
        await anyio.sleep(0.05)


def finds(path: str) -> Callable[[dict[str, Any]], bool]:
    return lambda found: any(hit["path"] == path for hit in found["hits"])


def lacks(path: str) -> Callable[[dict[str, Any]], bool]:
    return lambda found: not finds(path)(found)


def is_settled(found: dict[str, Any]) -> bool:
    """Whether all roots of a status are up to date, as far as is known."""
    return {row["freshness"]["state"] for row in found["roots"]} <= {"fresh", "followed"}


def is_fresh(found: dict[str, Any]) -> bool:
    return bool(found["freshness"]["state"] == "fresh")


@pytest.fixture
def indexed(project: Tree) -> Tree:
    updated(open_index(project))
    return project


def test_every_tool_answers_in_text_and_in_structure(indexed: Tree) -> None:
    async def work(session: ClientSession) -> None:
        listed = await session.list_tools()
        found = {each.name: each for each in listed.tools}
        assert list(found) == ["search", "related", "outline", "status", "refresh"]
        for each in listed.tools:
            jsonschema.Draft202012Validator.check_schema(each.input_schema)
            assert each.input_schema["additionalProperties"] is False
            assert "root" not in each.input_schema["properties"], "one root needs no name"
            for name, one in each.input_schema["properties"].items():
                assert one["description"], f"{each.name}: {name} is not described"
            assert each.annotations
            assert each.annotations.read_only_hint == (each.name != "refresh")

        text, structure = await answer(session, "search", query="retry after a failure")
        first = structure["hits"][0]
        assert first["path"] == "src/retry.py"
        assert first["symbol"] == "retry_with_backoff"
        assert text.startswith(f"src/retry.py:{first['start_line']}-{first['end_line']}  retry_")
        assert "time.sleep(2**attempt)" in text
        assert re.search(r"^\[generation 1; .*\]$", text, re.MULTILINE)

        _, structure = await answer(session, "related", path="src/http/pool.py", line=1)
        assert structure["hits"]
        assert not finds("src/http/pool.py")(structure), "the place itself is no relative"
        scores = [hit["score"] for hit in structure["hits"]]
        assert scores == sorted(scores, reverse=True)

        text, structure = await answer(session, "outline", path="src/http/client.py")
        rows = [(each["symbol"], each["depth"]) for each in structure["symbols"]]
        assert rows == [("HttpClient", 0), ("HttpClient.__init__", 1), ("HttpClient.send", 1)]
        assert "  7-9 def send(self, request)" in text
        text, structure = await answer(session, "outline")
        assert "src/http/client.py  9 lines: HttpClient" in text
        assert "logo.bin" not in text

        text, structure = await answer(session, "status")
        (row,) = structure["roots"]
        assert row["index"]["files"] == len(PROJECT) - 1
        assert str(indexed.root) in text
        text, structure = await answer(session, "refresh")
        assert structure["roots"][0]["freshness"]["state"] == "fresh"
        assert "up to date" in text

    talk(work, indexed.root)


def test_pages_follow_each_other_and_a_cursor_that_is_void_says_so(tree: Tree) -> None:
    for n in range(30):
        tree.write(f"f{n}.py", f"def parser_{n}():\n    return 'parse a token {n}'\n")
    updated(open_index(tree))

    async def work(session: ClientSession) -> None:
        _, whole = await answer(session, "search", query="parse a token", k=50, max_tokens=9000)
        wanted = [(hit["path"], hit["start_line"]) for hit in whole["hits"]]
        assert len(wanted) == 30
        assert whole["cursor"] is None
        seen: list[tuple[str, int]] = []
        cursors: list[str] = []
        for k in (3, 7, 50):
            more = {"cursor": cursors[-1]} if cursors else {}
            text, page = await answer(
                session, "search", query="parse a token", k=k, max_tokens=9000, **more
            )
            seen += [(hit["path"], hit["start_line"]) for hit in page["hits"]]
            if page["cursor"]:
                cursors.append(page["cursor"])
                assert page["cursor"] in text
        assert seen == wanted
        said = await refused(session, "search", query="something else", cursor=cursors[0])
        assert "another search" in said
        assert "no cursor" in await refused(session, "search", query="x", cursor="what?")

        # What was kept is still one list, whatever is committed meanwhile; the rest is void.
        tree.write("new.py", "def parser_new():\n    return 'parse a token'\n")
        await until(session, finds("new.py"), "search", query="parser_new")
        _, page = await answer(session, "search", query="parse a token", k=50, cursor=cursors[0])
        assert [hit["path"] for hit in page["hits"]] == [path for path, _ in wanted[3:]][
            : len(page["hits"])
        ]
        gone = re.sub(r"^\d+", "1", cursors[0])
        for n in range(20):
            await answer(session, "search", query=f"parse a token {n}", k=1)
        said = await refused(session, "search", query="parse a token", cursor=gone)
        assert "generation 1, and the index is at" in said

    talk(work, tree.root)


def test_an_answer_keeps_within_its_tokens(tree: Tree) -> None:
    body = "".join(f"    value_{n} = compute(argument_{n}, other)\n" for n in range(60))
    for n in range(40):
        tree.write(f"d/f{n}.py", f"class Thing{n}:\n    def act(self):\n    {body}\n" + body * 2)
    updated(open_index(tree))

    async def work(session: ClientSession) -> None:
        for budget in (100, 300, 1500):
            for tool, arguments in (
                ("search", {"query": "compute value", "k": 50, "detail": "full"}),
                ("search", {"query": "compute value", "k": 50}),
                ("search", {"query": "compute value", "k": 50, "detail": "places"}),
                ("related", {"path": "d/f1.py", "line": 3, "k": 50}),
                ("outline", {"path": "d"}),
                ("outline", {"path": "d/f1.py"}),
            ):
                text, structure = await answer(session, tool, max_tokens=budget, **arguments)
                # As answer.py counts them, which is on the high side for code.
                assert len(text.encode()) / 3 <= budget * 1.1, f"{tool} {arguments}: {text}"
                assert structure.get("hits", True), "the first hit is shown in any case"

    talk(work, tree.root)


def test_filters_hold_and_absolute_paths_are_understood(indexed: Tree) -> None:
    root = indexed.root

    async def paths(session: ClientSession, **filters: Any) -> set[str]:
        arguments = {"query": "open a connection or draw users", "k": 50, "max_tokens": 20_000}
        _, found = await answer(session, "search", **arguments, **filters)
        return {hit["path"] for hit in found["hits"]}

    async def work(session: ClientSession) -> None:
        assert await paths(session, languages=["JS"]) == {"web/app.js"}
        assert await paths(session, paths=["src/http"]) == {
            "src/http/client.py",
            "src/http/pool.py",
        }
        assert await paths(session, paths=[f"{root}/src/http"]) == await paths(
            session, paths=["/src/http"]
        )
        assert await paths(session, paths=["/etc/**", "../**"]) == set()
        assert await paths(session, kinds=["class"]) == {"src/http/client.py"}
        assert await paths(session, changed_since="2d") >= {"web/app.js"}
        said = await refused(session, "search", query="x", changed_since="HEAD")
        assert said.startswith("changed_since HEAD")
        _, found = await answer(session, "outline", path=f"{root}/src/retry.py")
        assert found["path"] == "src/retry.py"
        _, found = await answer(session, "outline", path="./src/")
        assert found["kind"] == "folder"

    talk(work, root)


def test_bad_arguments_are_one_line_that_helps(indexed: Tree) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("search", {}, "query is missing"),
        ("search", {"query": "x", "pathes": []}, "did you mean paths?"),
        ("search", {"query": "x", "k": 0}, "at least 1"),
        ("search", {"query": "x", "k": "3"}, "a whole number"),
        ("search", {"query": "x", "k": True}, "a whole number"),
        ("search", {"query": "x", "mode": "fuzzy"}, "hybrid, lexical, semantic"),
        ("search", {"query": "x", "languages": "python"}, "a list"),
        ("search", {"query": "x", "languages": ["pyton"]}, "did you mean python?"),
        ("search", {"query": "x", "kinds": ["klass"]}, "class"),
        ("search", {"query": "x", "paths": ["a["]}, "a["),
        ("search", {"query": "  "}, "empty"),
        ("search", {"query": "x" * 20_001}, "at most 20,000"),
        ("related", {"path": "src/retry.py", "line": 1000}, "lines 1 to 10"),
        ("related", {"path": "src/none.py", "line": 1}, "nothing of src/none.py"),
        ("outline", {"path": "lib/retry.py"}, "there is src/retry.py"),
        ("outline", {"path": "logo.bin"}, "binary"),
        ("status", {"verbose": 1}, "no argument 'verbose'"),
        ("explode", {}, "there is no tool"),
    ]

    async def work(session: ClientSession) -> None:
        for tool, arguments, word in cases:
            said = await refused(session, tool, **arguments)
            assert word in said, f"{tool} {arguments}: {said}"
        _, found = await answer(session, "search", query="retry")
        assert found["hits"], "the server goes on"

    talk(work, indexed.root)


def test_no_path_leads_out_of_the_served_folders(tmp_path: Path) -> None:
    outside = Tree(tmp_path / "outside", {"secret.py": "def outside_secret(): pass\n"})
    one = Tree(
        tmp_path / "one", {"a.py": "def of_one(): pass\n", ".env": "PASSWORD=hunter2hunter\n"}
    )
    two = Tree(tmp_path / "two", {"b.py": "def of_two(): pass\n"})
    (one.root / "link.py").symlink_to(outside.path("secret.py"))
    (one.root / "linked").symlink_to(outside.root)
    one.write("inner/c.py", "def inner(): pass\n")
    (one.root / "inner" / "up").symlink_to(one.root)
    for tree in (one, two):
        updated(open_index(tree))
    escapes = [
        "../outside/secret.py",
        "inner/../../outside/secret.py",
        "inner/../a.py",
        "..",
        str(outside.path("secret.py")),
        str(two.path("b.py")),
        f"{one.root}/../two/b.py",
        f"{one.root}2/a.py",
        "link.py",
        "linked",
        "linked/secret.py",
        "inner/up/a.py",
        "two/b.py",
        "/etc/passwd",
        "~/.ssh/id_rsa",
        "a.py\0.txt",
        ".env",
        ".hybridx/root",
        "\\x2e\\x2e/outside/secret.py",
        "./../outside/secret.py",
        "a.py/../../outside/secret.py",
    ]

    async def work(session: ClientSession) -> None:
        for path in escapes:
            for tool, more in (("outline", {}), ("related", {"line": 1})):
                said = await refused(session, tool, path=path, root="one", **more)
                assert "outside_secret" not in said, path
                assert "hunter2" not in said, path
        _, found = await answer(session, "search", query="outside_secret hunter2", root="one")
        assert {hit["path"] for hit in found["hits"]} <= {"a.py", "inner/c.py"}
        _, found = await answer(session, "search", query="of_two", root="two")
        assert finds("b.py")(found)
        assert "root is missing" in await refused(session, "search", query="of_two")
        assert "one, two" in await refused(session, "search", query="x", root="three")
        _, found = await answer(session, "status")
        assert [row["name"] for row in found["roots"]] == ["one", "two"]

    talk(work, one.root, two.root)


def test_two_clients_see_a_change_and_one_process_writes(indexed: Tree) -> None:
    async def run() -> None:
        async with connected(indexed.root) as one, connected(indexed.root) as two:
            both = (one, two)
            for session in both:
                await until(session, is_settled, "status")
            states = [(await answer(each, "status"))[1]["roots"][0] for each in both]
            kinds = sorted(each["freshness"]["state"] for each in states)
            assert kinds == ["followed", "fresh"], "one of them watches, the other one follows"
            indexed.write("src/fresh.py", "def freshly_written_function():\n    pass\n")
            for session in both:
                query = "freshly_written_function"
                found = await until(session, finds("src/fresh.py"), "search", query=query)
                assert found["freshness"]["generation"] == 2, "a second process wrote it, too"
            indexed.delete("src/fresh.py")
            await answer(two, "refresh")
            for session in both:
                gone = lacks("src/fresh.py")
                await until(session, gone, "search", query="freshly_written_function")

    anyio.run(run)


def test_without_an_index_it_says_how_far_it_is_and_then_answers(tmp_path: Path) -> None:
    text = "".join(f"def name_{n}():\n    return compute({n})\n\n" for n in range(150))
    tree = Tree(tmp_path / "tree", {f"d{n % 9}/f{n}.py": text for n in range(700)})
    tree.write("d0/last.py", "def needle_in_it():\n    pass\n")

    async def work(session: ClientSession) -> None:
        start = time.monotonic()
        text, first = await answer(session, "search", query="needle_in_it")
        assert time.monotonic() - start < SOON
        if not first["hits"]:
            assert first["freshness"]["state"] == "building"
            assert "nothing can be found yet" in text
        # What a file defines needs no index.
        _, found = await answer(session, "outline", path="d0/last.py")
        assert [each["symbol"] for each in found["symbols"]] == ["needle_in_it"]
        await until(session, finds("d0/last.py"), "search", query="needle_in_it")
        await until(session, is_fresh, "search", query="needle_in_it")

    talk(work, tree.root)


def test_an_index_that_is_built_anew_meanwhile_goes_on_answering(indexed: Tree) -> None:
    async def work(session: ClientSession) -> None:
        done = threading.Event()

        def rebuild() -> None:
            try:
                for _ in range(2):
                    assert run_cli("index", "--full", indexed.root).returncode == 0
            finally:
                done.set()

        with ThreadPoolExecutor(1) as executor:
            running = executor.submit(rebuild)
            count = 0
            while not done.is_set():
                _, found = await answer(session, "search", query="retry_with_backoff")
                assert finds("src/retry.py")(found)
                count += 1
            running.result()
        assert count > 3

    talk(work, indexed.root)


def test_without_a_watch_refresh_is_what_finds_a_change(indexed: Tree) -> None:
    async def work(session: ClientSession) -> None:
        indexed.write("src/late.py", "def came_late():\n    pass\n")
        text, found = await answer(session, "search", query="came_late")
        assert not finds("src/late.py")(found)
        assert found["freshness"]["state"] == "unwatched"
        assert "not watched" in text
        _, status = await answer(session, "status")
        assert status["roots"][0]["index"]["pending"] == 1
        told: list[tuple[float, float | None, str | None]] = []

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            told.append((progress, total, message))

        result = await session.call_tool("refresh", {}, progress_callback=tell)
        assert "1 added" in text_of(result)
        assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
        await until(session, finds("src/late.py"), "search", query="came_late")

    talk(work, "--no-watch", indexed.root)


def test_a_cancelled_call_ends_and_the_next_one_works(tmp_path: Path) -> None:
    text = "".join(f"def name_{n}():\n    return compute({n})\n\n" for n in range(200))
    tree = Tree(tmp_path / "tree", {f"d{n % 9}/f{n}.py": text for n in range(1500)})

    async def work(session: ClientSession) -> None:
        # An update of some seconds, of which the client soon has enough.
        with anyio.move_on_after(1.0) as scope:
            await session.call_tool("refresh", {})
        assert scope.cancelled_caught, "the update was over before it could be cancelled"
        # It let go of the lock, and the next call is answered.
        start = time.monotonic()
        assert "no index" in await refused(session, "search", query="compute")
        assert run_cli("clean", tree.root, "--lock-timeout", "10").returncode in (0, 2)
        assert time.monotonic() - start < SOON
        for n in range(20):
            with anyio.move_on_after(0.001 * n):
                await session.call_tool("outline", {"path": f"d0/f{n * 9}.py"})
        _, found = await answer(session, "outline", path="d0/f0.py")
        assert found["symbols"]

    talk(work, "--no-watch", tree.root)


def test_a_cancelled_refresh_waits_no_longer_for_the_watch(tree: Tree) -> None:
    """Calls that wait in vain would take the places of others."""
    tree.write("a.py", "def f(): pass\n")
    served = Served("tree", open_index(tree), tree.root, pytest.fail)
    with ThreadPoolExecutor(1) as executor, locked(served.index):
        # The watch cannot update while somebody else writes.
        served.start()
        while served.freshness().state != "building":
            time.sleep(0.01)
        token = CancelToken()
        waiting = executor.submit(served.refresh, lambda _: None, token)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        token.cancel()
        with pytest.raises(Cancelled):
            waiting.result(timeout=SOON)
    report = served.refresh(lambda _: None, CancelToken())
    assert report is not None
    assert served.index.search("f").hits
    assert served.stop(SOON)


@contextlib.contextmanager
def locked(index: hybridx.Index) -> Iterator[None]:
    """Keeps every writer away."""
    index._layout.create()
    lock = Lock.acquire(index._layout.lock)
    assert lock is not None
    try:
        yield
    finally:
        lock.release()


class Raw:
    """The program with pipes, for what a client that keeps to the protocol does not do."""

    def __init__(self, *args: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hybridx", "mcp", *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.stderr = self.process.stderr

    def send(self, *messages: dict[str, Any]) -> None:
        for each in messages:
            self.stdin.write(json.dumps({"jsonrpc": "2.0", **each}).encode() + b"\n")
        self.stdin.flush()

    def call(self, number: int, name: str, **arguments: Any) -> None:
        params = {"name": name, "arguments": arguments}
        self.send({"id": number, "method": "tools/call", "params": params})

    def answer(self) -> dict[str, Any]:
        found = json.loads(self.stdout.readline())
        assert isinstance(found, dict)
        return found

    def begin(self) -> dict[str, Any]:
        client = {"name": "test", "version": "1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self.send({"id": 0, "method": "initialize", "params": params})
        found = self.answer()
        self.send({"method": "notifications/initialized"})
        return found

    def end(self) -> tuple[int, bytes, str]:
        """The exit code, and what was written since to stdout and to stderr."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        code = self.process.wait(SOON)
        out = b"" if self.stdout.closed else self.stdout.read()
        return code, out, self.stderr.read().decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def test_the_first_answer_comes_soon_after_the_start(indexed: Tree) -> None:
    start = time.monotonic()
    with Raw(indexed.root) as server:
        begun = server.begin()
        assert "`search`" in begun["result"]["instructions"]
        server.call(1, "search", query="retry")
        found = server.answer()
        assert time.monotonic() - start < SOON
        stat = Path(f"/proc/{server.process.pid}/stat")
        if stat.exists():
            ticks = stat.read_text().rpartition(")")[2].split()[11:13]
            spent = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            # Two cores that do nothing else take less than that.
            assert spent < 3.0, f"{spent} s of CPU time until the first answer"
        assert found["result"]["structuredContent"]["hits"]
        assert server.end() == (0, b"", "")


@pytest.mark.parametrize("when", ["at once", "after an answer", "before an answer"])
def test_a_client_that_goes_away_ends_the_server(indexed: Tree, when: str) -> None:
    with Raw(indexed.root) as server:
        if when != "at once":
            server.begin()
            server.call(1, "search", query="retry")
        if when == "after an answer":
            server.answer()
        elif when == "before an answer":
            server.stdout.close()
        assert server.end() == (0, b"", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_what_is_committed_stays(
    indexed: Tree, number: signal.Signals, code: int
) -> None:
    with Raw(indexed.root) as server:
        server.begin()
        server.call(1, "status")
        server.answer()
        server.process.send_signal(number)
        # The client still holds the pipe open.
        assert server.process.wait(SOON) == code
        _, out, err = server.end()
        assert (out, err) == (b"", "")
    assert open_index(indexed).status().files == len(PROJECT) - 1


def test_only_the_protocol_is_on_stdout(
    indexed: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever prints, from Python, from C or from a child, and whenever."""
    noise = tmp_path / "noise" / "sitecustomize.py"
    noise.parent.mkdir()
    noise.write_text(
        "import os, sys, threading, time\n"
        "def shout():\n"
        "    while True:\n"
        "        if 'hybridx.api' in sys.modules:\n"
        "            print('a stray print', flush=True)\n"
        "            os.write(1, b'a stray write\\n')\n"
        "            os.system('echo a stray child')\n"
        "        time.sleep(0.05)\n"
        "threading.Thread(target=shout, daemon=True).start()\n"
    )
    path = os.pathsep.join(filter(None, (str(noise.parent), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    with Raw(indexed.root) as server:
        server.begin()
        for n in range(1, 6):
            server.call(n, "search", query=f"retry {n}")
        assert {server.answer()["id"] for _ in range(5)} == {1, 2, 3, 4, 5}
        server.stdin.write(b"this is no JSON\n\xff\xfe\n")
        server.call(9, "status")
        while (found := server.answer()).get("id") != 9:
            assert found["jsonrpc"] == "2.0"
        code, out, err = server.end()
    assert code == 0
    assert all(json.loads(line)["jsonrpc"] for line in out.splitlines())
    for said in ("a stray print", "a stray write", "a stray child"):
        assert said in err, "nothing was printed: the test tests nothing"


def test_a_root_that_goes_is_told_and_not_made_anew(indexed: Tree) -> None:
    with Raw(indexed.root) as server:
        server.begin()
        server.call(1, "refresh")
        server.answer()
        indexed.root.rename(indexed.root.with_name("aside"))
        deadline = time.monotonic() + SOON
        text = ""
        while "no longer watched" not in text:
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
            server.call(2, "status")
            text = server.answer()["result"]["content"][0]["text"]
        assert f"{indexed.root}: the folder was removed or moved" in text
        assert "Errno" not in text
        server.call(3, "refresh")
        answer = server.answer()
        assert answer["id"] == 3
        found = answer["result"]
        assert found["isError"], found
        assert found["content"][0]["text"] == f"{indexed.root}: No such file or directory"
        assert not indexed.root.exists()


@pytest.mark.parametrize(("closed", "code"), [("<&-", 2), (">&-", 2), ("2>&-", 0)])
def test_descriptors_that_are_closed(indexed: Tree, closed: str, code: int) -> None:
    """Some start it without standard error, whose number must not become the wire's."""
    hello = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "n", "version": "1"},
            },
        }
    )
    command = f'exec "$0" -c "$1" mcp "$2" {closed}'
    program = (
        "import os, sys, hybridx.mcp.wire as wire\n"
        "claim = wire.Wire.claim.__func__\n"
        "def claimed(cls):\n"
        "    found = claim(cls)\n"
        "    assert min(found.incoming.fileno(), found.outgoing.fileno()) > 2\n"
        "    return found\n"
        "wire.Wire.claim = classmethod(claimed)\n"
        "from hybridx.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, program, indexed.root],
        input=f"{hello}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=SOON,
    )
    assert done.returncode == code, done.stderr
    if code:
        assert "is closed" in done.stderr
        assert done.stderr.count("\n") == 1
    else:
        assert json.loads(done.stdout)["id"] == 1


def test_the_command_line(indexed: Tree, tmp_path: Path) -> None:
    printed = json_of(run_cli("mcp", "--print-config", indexed.root))
    assert printed["mcpServers"]["hybridx"] == {
        "command": "hybridx",
        "args": ["mcp", str(indexed.root)],
    }
    result = run_cli("mcp", tmp_path / "nowhere")
    assert result.returncode == 2
    assert result.stdout == b""
    assert "nowhere" in result.stderr.decode()
    home = {"HOME": str(tmp_path)}
    result = run_cli("mcp", cwd=tmp_path, env=home)
    assert result.returncode == 2
    assert "give a PATH" in result.stderr.decode()
    assert b"--print-config" in run_cli("mcp", "--help").stdout


SEARCH = tools(["one", "two"])[0].arguments
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 30_000),
    st.sampled_from([0.5, 3.0, 60.0]),
    st.text(max_size=5),
    st.sampled_from(["one", "hybrid", "full", "class"]),
    st.lists(st.sampled_from(["class", "a", "", 3, None]), max_size=3),
)


@given(st.dictionaries(st.sampled_from([*SEARCH["properties"], "stranger"]), VALUES))
def test_arguments_are_judged_as_the_schema_says(arguments: dict[str, Any]) -> None:
    arguments.setdefault("query", "words")
    arguments.setdefault("root", "one")
    valid = jsonschema.Draft202012Validator(SEARCH).is_valid(arguments)
    if not valid:
        with pytest.raises(UsageError):
            checked(SEARCH, arguments)
        return
    values = checked(SEARCH, arguments)
    jsonschema.validate(values, SEARCH)
    assert values["k"] == arguments.get("k", 8)
