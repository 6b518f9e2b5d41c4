"""Tries every way into hybridx as a new user would: from an empty environment with a built wheel.

    python3 tasks.py doors                                # the wheel in dist/, built if missing
    python3 tasks.py doors --wheel FILE --only watch,mcp  # another one; some doors
    python3 tasks.py doors --list

Everything happens in a folder of its own that goes afterwards: an environment into which pip
installs the wheel and what it demands, an empty home, and a git repository of real source. A line
a door says whether it opens; the exit code is 1 if any does not. Doors run in order, since a user
indexes before searching, but each can be tried alone.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from newcomer import ROOT, DoorError, Newcomer, built_wheel, demand, until

Door = Callable[[Newcomer], None]
DOORS: dict[str, Door] = {}


def door(function: Door) -> Door:
    """Registers a door; its first line of documentation is what `--list` shows."""
    DOORS[function.__name__.removesuffix("_").replace("_", "-")] = function
    return function


# --- the program -------------------------------------------------------------------------------


@door
def program(user: Newcomer) -> None:
    """The program, `python -m hybridx`, their version and help."""
    said = user.hybridx("--version").stdout
    demand(re.fullmatch(r"hybridx \d+\.\d+\.\d+\S*\n", said), said)
    again = user.run(user.bin / "python", "-m", "hybridx", "--version").stdout
    demand(again == said, again)
    listed = user.hybridx("--help").stdout
    commands = (
        "index",
        "search",
        "watch",
        "mcp",
        "hook",
        "doctor",
        "completion",
        "status",
        "verify",
    )
    for command in commands:
        demand(re.search(rf"^ +{command}\b", listed, re.MULTILINE), command, "is not in --help")
        demand("Usage: hybridx" in user.hybridx(command, "--help").stdout, command)
    user.hybridx("serach", code=2)


@door
def doctor(user: Newcomer) -> None:
    """`doctor` finds nothing wrong with a fresh installation."""
    demand(user.json("doctor"), "no findings")
    user.hybridx("doctor")


@door
def hints(user: Newcomer) -> None:
    """Who searches before indexing is told what to do."""
    shutil.rmtree(user.project / ".hybridx", ignore_errors=True)
    said = user.hybridx("search", "retry", ".", code=2).stderr
    demand("hybridx index" in said, said)


@door
def index(user: Newcomer) -> None:
    """`index` builds, and with nothing to do says so."""
    shutil.rmtree(user.project / ".hybridx", ignore_errors=True)
    first = user.json("index", ".")
    demand(first["files"]["added"] > 100 and not first["errors"], first["files"], first["errors"])
    demand(first["chunks"]["total"] > first["files"]["added"], first["chunks"])
    second = user.json("index", ".")
    demand(second["generation"] == first["generation"], "an update changed something")
    demand(not user.git("status", "--porcelain"), "git sees the index")
    user.hybridx("index", ".")


@door
def search(user: Newcomer) -> None:
    """`search` in its modes and formats, with its exit codes."""
    indexed(user)
    hits = user.json("search", "pause and try again after an error that passes", ".")["hits"]
    demand("rust/core/src/retry.rs" in paths(hits), *paths(hits))
    for mode in ("lexical", "semantic", "hybrid"):
        hits = user.json("search", "GitignoreBuilder", ".", "--mode", mode, "-k", "3")["hits"]
        demand(0 < len(hits) <= 3, mode, *paths(hits))
    text = user.hybridx("search", "parse a configuration", ".", "--lang", "python").stdout
    demand(re.match(r"\S+\.py:\d+-\d+ ", text), text[:300])
    grep = user.hybridx("search", '"class Settings"', ".", "--format", "grep").stdout
    demand(re.search(r"^python/hybridx/config\.py:\d+:.*class Settings", grep, re.MULTILINE), grep)
    user.hybridx("search", '"quite certainly nowhere to be found at all"', ".", code=1)
    user.hybridx("search", "retry", ".", "--explain")


@door
def diff(user: Newcomer) -> None:
    """`diff` tells exactly what changed, and nothing once that is indexed."""
    indexed(user)
    user.write("added.py", "def doorvolcano():\n    return 1\n")
    user.write("CONTRIBUTING.md", "# Changed\n")
    (user.project / "ARCHITECTURE.md").unlink()
    (user.project / "tests/zoo.py").rename(user.project / "tests/menagerie.py")
    said = user.json("diff", ".")
    demand(said["added"] == ["added.py"], said)
    demand(said["modified"] == ["CONTRIBUTING.md"], said)
    demand(said["removed"] == ["ARCHITECTURE.md"], said)
    demand(said["moved"] == [{"from": "tests/zoo.py", "to": "tests/menagerie.py"}], said)
    demand(not user.json("status", ".")["fresh"], "status calls a changed tree fresh")
    user.hybridx("index", ".")
    said = user.json("diff", ".")
    demand(not any(said[what] for what in ("added", "modified", "removed", "moved")), said)
    demand(user.found("doorvolcano") == ["added.py"], *user.found("doorvolcano"))
    user.commit("Changed")


@door
def status(user: Newcomer) -> None:
    """`status` and `why`."""
    indexed(user)
    said = user.json("status", ".")
    demand(said["fresh"] and said["documents"] == said["vectors"] == said["chunks"], said)
    user.hybridx("status", ".", "--skipped")
    user.write("noise.log", "ignored\n")
    said = user.hybridx("why", "noise.log", code=1).stdout
    demand(".gitignore:1" in said, said)
    user.hybridx("why", "tests/conftest.py")


@door
def verify(user: Newcomer) -> None:
    """`verify` finds all well, and finds damage and mends it."""
    indexed(user)
    user.hybridx("verify", ".")
    snapshots = [
        path for path in (user.project / ".hybridx").rglob("*") if "snapshots" in path.parts
    ]
    newest = max(
        (path for path in snapshots if path.is_file()), key=lambda path: path.stat().st_mtime
    )
    newest.write_bytes(newest.read_bytes()[:-40])
    user.hybridx("verify", ".", code=1)
    user.hybridx("verify", ".", "--repair")
    user.hybridx("verify", ".")


@door
def config(user: Newcomer) -> None:
    """`config show` tells where a value came from; a misspelt key is an error with a hint."""
    file = user.write("hybridx.toml", "max_file_bytes = 100000\n")
    said = user.hybridx("config", "show", ".", HYBRIDX_CACHE_MB="7").stdout
    demand(re.search(r"max_file_bytes\b.*100000.*hybridx\.toml", said), said)
    demand(re.search(r"cache_mb\b.*\b7\b.*HYBRIDX_CACHE_MB", said), said)
    file.write_text("max_file_byte = 100000\n")
    wrong = user.hybridx("config", "show", ".", code=2).stderr
    demand("max_file_bytes" in wrong, wrong)
    file.unlink()


@door
def models(user: Newcomer) -> None:
    """`models list` shows the bundled one."""
    demand("hybridx-static" in user.hybridx("models", "list").stdout, "no bundled model")


@door
def completion(user: Newcomer) -> None:
    """`completion`: a shell completes commands."""
    for shell in ("bash", "zsh", "fish"):
        demand("_HYBRIDX_COMPLETE" in user.hybridx("completion", shell).stdout, shell)
    script = "source <(hybridx completion bash) && COMP_WORDS=(hybridx sea) COMP_CWORD=1 && "
    said = user.run(
        "bash", "-c", f'{script}_hybridx_completion hybridx && echo "${{COMPREPLY[@]}}"'
    ).stdout
    demand("search" in said.split(), said)


@door
def observed(user: Newcomer) -> None:
    """`--profile` and `--metrics`: a trace and Prometheus' text."""
    trace, metrics = user.folder / "trace.json", user.folder / "hybridx.prom"
    user.hybridx("index", ".", "--full", "--profile", trace, "--metrics", metrics)
    content = json.loads(trace.read_text())
    events = content["traceEvents"] if isinstance(content, dict) else content
    lanes = {(event["pid"], event["tid"]) for event in events if event["ph"] in "XB"}
    demand(len(lanes) > 2, "only", len(lanes), "lanes in the trace")
    lines = metrics.read_text().splitlines()
    series = [line for line in lines if line and not line.startswith("#")]
    demand(len(series) > 10, *lines)
    for line in series:
        demand(
            re.fullmatch(
                r"hybridx_\w+(\{.*\})? [-+\d.eE]+|hybridx_\w+(\{.*\})? [+-]?(Inf|NaN)", line
            ),
            line,
        )


# --- in the background -------------------------------------------------------------------------


@door
def watch(user: Newcomer) -> None:
    """`watch`: what is saved is found, what is deleted is not; it ends at SIGTERM and Ctrl-C."""
    indexed(user)
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        watched(user, f"quokka{number.name.lower()}", number, code)
    demand(user.json("status", ".")["fresh"], "not fresh after a watch")


def watched(user: Newcomer, word: str, number: signal.Signals, code: int) -> None:
    """Saves and deletes a file that holds `word` under a watch, which a signal then ends."""
    with user.running("watch", ".") as process:
        until(lambda: "watching" in running_log(user), "watch does not say that it watches")
        path = user.write(f"{word}.py", f"def {word}():\n    return 1\n")
        until(lambda: user.found(word) == [path.name], "what was saved is not found", 15)
        path.unlink()
        until(lambda: user.found(word) == [], "what was deleted is found", 15)
        demand(process.poll() is None, "watch ended")
        ended = user.stopped(process, number)
        demand(ended == code, f"{number.name} ends it with {ended}")


AGENT = """
import asyncio, json, sys
from mcp import Client, StdioServerParameters

async def main(program, root):
    server = StdioServerParameters(command=program, args=["mcp", root])
    async with Client(server) as one, Client(server) as two:
        for client in (one, two):
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"search", "related", "outline", "status", "refresh"} <= names, names
        async def call(client, name, **arguments):
            result = await client.call_tool(name, arguments)
            assert not result.is_error, (name, result.content)
            return " ".join(part.text for part in result.content if hasattr(part, "text"))
        said = await call(one, "search", query="pause and try again after an error that passes")
        assert "rust/core/src/retry.rs" in said, said
        assert "Settings" in await call(two, "outline", path="python/hybridx/config.py")
        await call(two, "related", path="python/hybridx/config.py", line=30)
        await call(one, "status")
        with open(root + "/doornarwhal.py", "w") as file:
            file.write("def doornarwhal():\\n    return 1\\n")
        await call(two, "refresh")
        said = await call(one, "search", query='"doornarwhal"', k=3)
        assert "doornarwhal.py" in said, said
        result = await one.call_tool("outline", {"path": "../../etc/passwd"})
        assert result.is_error, result.content

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


@door
def mcp(user: Newcomer) -> None:
    """`mcp`: two agents at once over stdio, all tools, and no way out of the root."""
    indexed(user)
    user.python(AGENT, user.bin / "hybridx", user.project)
    (user.project / "doornarwhal.py").unlink()


@door
def hook(user: Newcomer) -> None:
    """`hook install`: commits and checkouts reach the index; `uninstall` leaves nothing."""
    indexed(user)
    hooks = user.project / ".git/hooks"
    before = sorted(path.name for path in hooks.iterdir())
    user.hybridx("hook", "install")
    user.write("doorwombat.py", "def doorwombat():\n    return 1\n")
    user.commit("A wombat")
    until(lambda: user.found("doorwombat") == ["doorwombat.py"], "the commit is not found")
    user.git("checkout", "--quiet", "HEAD~1")
    until(lambda: user.found("doorwombat") == [], "what the checkout removed is found")
    user.git("checkout", "--quiet", "main")
    until(
        lambda: user.found("doorwombat") == ["doorwombat.py"],
        "what the checkout brought is not found",
    )
    user.hybridx("hook", "uninstall")
    after = sorted(path.name for path in hooks.iterdir())
    demand(after == before, "left behind:", set(after) ^ set(before))


@door
def pre_commit(user: Newcomer) -> None:
    """pre-commit with the hook `hybridx-system`."""
    indexed(user)
    user.pip("install", "--quiet", "pre-commit")
    published = user.folder / "published"
    published.mkdir(exist_ok=True)
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", published)
    user.run("git", "init", "--quiet", cwd=published)
    user.run("git", "add", "--all", cwd=published)
    identity = ("-c", "user.name=A Publisher", "-c", "user.email=publisher@example.org")
    user.run("git", *identity, "commit", "--quiet", "--message", "Hooks", cwd=published)
    revision = user.run("git", "rev-parse", "HEAD", cwd=published).stdout.strip()
    user.write(
        ".pre-commit-config.yaml",
        f"repos:\n- repo: {published}\n  rev: {revision}\n  hooks:\n  - id: hybridx-system\n",
    )
    user.run(user.bin / "pre-commit", "install")
    user.write("doornumbat.py", "def doornumbat():\n    return 1\n")
    said = user.commit("A numbat")
    demand(re.search(r"hybridx.*Passed", said), said)
    until(lambda: user.found("doornumbat") == ["doornumbat.py"], "the commit is not found")
    (user.project / "doornumbat.py").unlink()
    user.commit("No numbat")
    until(lambda: user.found("doornumbat") == [], "a deleted file is found")
    user.run(user.bin / "pre-commit", "uninstall")


# --- Python ------------------------------------------------------------------------------------

API = """
import sys
import hybridx

seen = []
with hybridx.Index.open(sys.argv[1]) as index:
    report = index.update(progress=seen.append)
    result = index.search("where are settings read", k=5, languages=["python"])
    assert 0 < len(result.hits) <= 5 and all(hit.path.endswith(".py") for hit in result.hits)
    assert index.status().fresh
    assert not index.diff().added
    assert index.outline("python/hybridx/config.py")
    assert index.related("python/hybridx/config.py", 30)
tree = hybridx.MerkleTree.from_path(sys.argv[1])
assert tree.root == report.merkle_root
assert seen, "no progress was told"
with hybridx.Index.open(sys.argv[2]) as nothing:
    try:
        nothing.search("x")
    except hybridx.HybridxError:
        sys.exit()
sys.exit("a search without an index raises nothing")
"""

ASYNC_API = """
import asyncio, sys
import hybridx

async def main():
    async with await hybridx.AsyncIndex.open(sys.argv[1]) as index:
        await index.update()
        queries = ("retry", "parse", "lock")
        results = await asyncio.gather(*(index.search(query) for query in queries))
        assert all(result.hits for result in results)

asyncio.run(main())
"""


@door
def python(user: Newcomer) -> None:
    """The Python API, sync and async."""
    user.python(API, user.project, user.home)
    user.python(ASYNC_API, user.project)


# How each example is called; a project stands for itself.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "context": (".", "how is a busy file tried again"),
    "follow": (".",),
    "merkle": ("python", "rust"),
    "own_model": (".", "bundled", "read the file"),
    "progress": (".",),
    "search": (".", "how is a busy file tried again"),
}


@door
def examples(user: Newcomer) -> None:
    """Every file of examples/ runs."""
    found = {path.stem: path for path in (ROOT / "examples").glob("[!_]*.py")}
    demand(found.keys() == EXAMPLES.keys(), "others than these:", *found)
    for name, arguments in EXAMPLES.items():
        demand(user.run(user.bin / "python", found[name], *arguments).stdout, name, "says nothing")


@door
def readme(user: Newcomer) -> None:
    """What the package's page shows is the README, and its licences are there."""
    script = "from importlib.metadata import files; print(*files('hybridx'), sep='\\n')"
    there = user.python(script)
    for name in ("licenses/LICENSE", "licenses/THIRD_PARTY_LICENSES", "py.typed"):
        demand(name in there, name, "is not installed")


@door
def clean(user: Newcomer) -> None:
    """`clean` removes the index, `pip uninstall` the rest."""
    indexed(user)
    user.hybridx("clean", ".")
    demand(not (user.project / ".hybridx").exists(), "the index is still there")


# -----------------------------------------------------------------------------------------------


def indexed(user: Newcomer) -> None:
    """Sees to it that there is an index and that it is fresh."""
    user.hybridx("index", ".", "--quiet")


def paths(hits: list[dict[str, str]]) -> list[str]:
    """Where hits are, in their order."""
    return [hit["path"] for hit in hits]


def running_log(user: Newcomer) -> str:
    """What the program in the background has said so far."""
    return (user.folder / "running.log").read_text(encoding="utf-8")


def main() -> None:
    """Tries the doors that are wanted."""
    parser = argparse.ArgumentParser(description="Tries every way into hybridx.")
    parser.add_argument("--wheel", metavar="FILE", help="by default the one in dist/")
    parser.add_argument("--only", metavar="DOORS", help="some of them, separated by commas")
    parser.add_argument("--keep", action="store_true", help="leave the folder, and say where it is")
    parser.add_argument("--list", action="store_true", help="say which doors there are")
    arguments = parser.parse_args()
    if arguments.list:
        for name, function in DOORS.items():
            print(f"{name:12} {(function.__doc__ or '').splitlines()[0]}")
        return
    wanted = arguments.only.split(",") if arguments.only else list(DOORS)
    if unknown := [name for name in wanted if name not in DOORS]:
        parser.error(f"no such door: {', '.join(unknown)} (--list shows them)")
    wheel = built_wheel(arguments.wheel)
    folder = Path(tempfile.mkdtemp(prefix="hybridx-doors-"))
    try:
        failed = tried(wheel, folder, wanted)
    finally:
        if arguments.keep:
            print(f"left in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


def tried(wheel: Path, folder: Path, wanted: list[str]) -> int:
    """Installs the wheel and tries doors; how many did not open."""
    user = Newcomer(folder)

    def install(user: Newcomer) -> None:
        user.pip("install", "--quiet", wheel)
        user.pip("check")
        user.make_project()

    print(wheel.name)
    if not opens("install", install, user):
        return 1
    failed = sum(not opens(name, DOORS[name], user) for name in wanted)
    print(f"{len(wanted) - failed} of {len(wanted)} doors open")
    return failed


def opens(name: str, function: Door, user: Newcomer) -> bool:
    """Tries one door and says whether it opens, in a line; what went wrong follows, indented."""
    start = time.monotonic()
    wrong = None
    try:
        function(user)
    except DoorError as error:
        wrong = str(error)
    except (OSError, ValueError, KeyError, TypeError) as error:
        # What came out is not of the form that was promised.
        wrong = f"{type(error).__name__}: {error}"
    print(
        f"{'FAILED' if wrong else 'ok':6}  {name:12} {time.monotonic() - start:6.1f} s", flush=True
    )
    if wrong:
        print("\n".join(f"        {line}" for line in wrong.splitlines()), flush=True)
    return wrong is None


if __name__ == "__main__":
    main()
