"""Faults beneath the program: what it does to its files is recorded, torn or made to fail.

The library in `rust/faults` sees every system call by which a process changes a file below the
index's folder. A server process, which has loaded what takes long to load, forks a child for each
run; the child installs the library and is from then on `hybridx ARGS...` and nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

OPS = (
    "create",
    "open",
    "truncate",
    "write",
    "sync",
    "rename",
    "link",
    "unlink",
    "mkdir",
    "rmdir",
    "lock",
    "unlock",
)
"""As in `rust/faults/src/log.rs`."""

KILL_BEFORE, KILL_INSIDE, KILL_AFTER, FAIL = 1, 2, 3, 4

NEEDS_SPACE = ("create", "truncate", "write", "mkdir", "link", "sync")
"""What fails on a full disk or over a quota; what exists can still be removed and renamed."""
CHANGES = (*NEEDS_SPACE, "open", "rename", "unlink", "rmdir")
"""What fails where nothing may be written."""

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Plan:
    """What goes wrong, at the `at`-th change made under the writer's lock (0: nothing)."""

    at: int = 0
    action: int = 0
    error: int = 0
    ops: Sequence[str] = ()
    """What fails from then on."""
    once: bool = False
    """Only the first of them fails."""
    everywhere: bool = False
    """Changes made without the lock count too."""
    after: str = ""
    """If given, `at` is counted from the first change of this kind on."""


def kill(at: int, action: int = KILL_BEFORE, *, after: str = "") -> Plan:
    """The process is killed at that change."""
    return Plan(at, action, after=after)


def fail(at: int, error: int, *, once: bool = False, everywhere: bool = False) -> Plan:
    """That change and all later ones of its kind fail with an error number."""
    ops = NEEDS_SPACE if error in (errno.ENOSPC, errno.EDQUOT) else CHANGES
    return Plan(at, FAIL, error, ops, once, everywhere)


@dataclass(frozen=True)
class Change:
    """One line of the record."""

    line: int
    count: int
    """Its number among the changes under the lock; 0 for what is none."""
    op: str
    result: int | None
    """What the kernel said; `None` if the process did not live to hear it."""
    path: str
    """Relative to the index's folder."""
    other: str
    """The second path of a rename or a link."""

    @property
    def done(self) -> bool:
        return self.result is not None and self.result >= 0


@dataclass
class Run:
    """What became of one run of the program."""

    code: int
    """The exit code; minus the signal that ended it."""
    stdout: str
    stderr: str
    changes: list[Change]
    keep: Path | None
    """Holds, by the number of its line, what a file held when it reached the disk."""

    @property
    def killed(self) -> bool:
        """It died in the middle of things.

        By `SIGSYS` it dies, once in thousands of runs, where a thread that blocks all signals
        changes a file: that cannot be carried out for it, and is as sudden a death as any.
        """
        return self.code in (-signal.SIGKILL, -signal.SIGSYS)

    @property
    def counted(self) -> list[Change]:
        """The changes under the lock."""
        return [change for change in self.changes if change.count]


STEPS = (
    "lock and scan",
    "old epochs removed",
    "folders",
    "lexical files",
    "torn vectors removed",
    "vectors: data",
    "vectors: manifest",
    "commit: vectors made durable",
    "commit: vectors folded",
    "commit: vectors rewritten",
    "commit: snapshot",
    "commit: lexical files",
    "commit: meta.json",
    "commit: what it supersedes removed",
    "commit: CURRENT",
    "stat cache",
)
"""The steps of a run that a kill may fall into, in order."""


def steps(changes: Iterable[Change]) -> list[str]:
    """The step that each counted change of a run belongs to."""
    found = []
    # A commit goes from the first thing made durable for it to the end of its cleaning up.
    stage, fresh = "", ""
    for change in changes:
        if not change.count:
            continue
        name = change.other or change.path
        part = name.split("/")[2:3] if name.startswith("epochs/") else []
        if stage == "committed" and part == ["vectors"] and change.op == "create":
            stage = ""
        if stage == "commit" and change.op == "mkdir" and name.endswith(".lance"):
            fresh = name  # a new table, into which the rows of the old one go
        ordering = part == ["vectors"] and change.op != "sync" and "_hint" not in name
        if stage == "commit" and ordering:
            into = fresh and name.startswith(fresh)
            found.append("commit: vectors rewritten" if into else "commit: vectors folded")
        else:
            found.append(_step(change, name, part, stage))
        if (part, change.op) in _FIRST_OF_COMMIT and stage != "committed":
            stage = "commit"
        elif name.endswith("/bm25/meta.json") and change.done and stage:
            stage = "committed"
    return found


_FIRST_OF_COMMIT = ((["vectors"], "sync"), (["snapshots"], "create"))


def _step(change: Change, name: str, part: list[str], stage: str) -> str:
    top = name.split("/", maxsplit=1)[0]
    if top.startswith("stat-cache"):
        return "stat cache"
    if top.startswith("CURRENT") or (name == "." and stage == "committed"):
        return "commit: CURRENT"
    if top != "epochs":
        return "lock and scan"
    if change.op in ("unlink", "rmdir"):
        # LanceDB removes the temporary files of what it writes.
        if stage == "committed" or part != ["vectors"]:
            return "commit: what it supersedes removed" if stage else "old epochs removed"
        if ".tmp" not in name and "#" not in name:
            return "torn vectors removed"
    if change.op == "mkdir" and len(name.split("/")) < 4:
        return "folders"
    if part == ["vectors"] and change.op == "sync":
        return "commit: vectors made durable"
    if part == ["vectors"]:
        manifest = "_versions" in name or "_transactions" in name
        return "vectors: manifest" if manifest else "vectors: data"
    if part == ["snapshots"]:
        return "commit: snapshot"
    if stage and (name.endswith("/bm25") or "/bm25/meta." in name):
        return "commit: meta.json"
    return "commit: lexical files" if stage == "commit" else "lexical files"


def middle(run: Run, step: str) -> int:
    """The number of the change in the middle of a step."""
    names = steps(run.changes)
    numbers = [
        change.count for change, name in zip(run.counted, names, strict=True) if name == step
    ]
    assert numbers, f"there is no {step!r} in {sorted(set(names))}"
    return numbers[len(numbers) // 2]


def histogram(names: Iterable[str]) -> str:
    """How often each step was hit, as a table for people."""
    counts = Counter(names)
    order = [*STEPS, *sorted(counts.keys() - set(STEPS))]
    width = max(map(len, order))
    rows = [f"  {name:{width}} {counts[name]:5}" for name in order if counts[name]]
    return "\n".join([f"{sum(counts.values())} kills by step:", *rows])


def library() -> Path:
    """The library, built if need be; skips the test where it cannot work."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("faults are injected by seccomp, on Linux on x86-64 only")
    built = subprocess.run(
        ["cargo", "build", "--release", "--quiet", "-p", "hybridx-faults"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, f"rust/faults does not build: {built.stderr}"
    target = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT_ROOT / "target"))
    return target / "release" / "libhybridx_faults.so"


def _own() -> dict[str, str]:
    """Variables that are another test's in the server, which was started earlier."""
    return {name: value for name, value in os.environ.items() if name.startswith("HYBRIDX_")}


@dataclass
class Faults:
    """Runs the program with faults beneath it. A context manager: it owns a server process."""

    place: Path
    """A folder for records, outside of every index."""
    _server: subprocess.Popen[str] = field(init=False, repr=False)
    _runs: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, str(library())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != {"ready": True}:
            pytest.skip("this machine lets no process filter its own system calls")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.communicate(timeout=60)

    def run(
        self,
        index: Path,
        *args: str | Path,
        plan: Plan | None = None,
        env: Mapping[str, str] | None = None,
        keep: bool = False,
        kill_after: float | None = None,
        constants: Mapping[str, Any] | None = None,
    ) -> Run:
        """Runs `hybridx ARGS...`, whose index lies in the folder `index`.

        `constants` are values of the program, `module.NAME`, that are others in this run.

        With `kill_after` the process is killed from outside, that many seconds after it took the
        writer's lock, wherever it is then.
        """
        self._runs += 1
        here = self.place / f"run-{self._runs}"
        kept = here / "kept"
        kept.mkdir(parents=True)
        request = {
            "index": str(index),
            "args": [str(each) for each in args],
            "here": str(here),
            "log": str(here / "log"),
            "keep": str(kept) if keep else None,
            "plan": asdict(plan or Plan()),
            "env": {**_own(), **(env or {})},
            "kill_after": kill_after,
            "constants": dict(constants or {}),
        }
        assert self._server.stdin is not None
        for _ in range(3):
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            code = self._answer()["code"]
            if code is not None or "\tlock\t" in (here / "log").read_text():
                break
            # LanceDB calls itself experimental where it is forked: its threads may never start.
        assert code is not None, f"it hung, after {read_log(here / 'log')[-3:]}"
        return Run(
            code,
            (here / "stdout").read_text("utf-8", "replace"),
            (here / "stderr").read_text("utf-8", "replace"),
            read_log(here / "log"),
            kept if keep else None,
        )

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the server of forks has died"
        answer: dict[str, Any] = json.loads(line)
        return answer


def read_log(path: Path) -> list[Change]:
    """The record of a run."""
    found = []
    if not path.exists():
        return []
    for number, line in enumerate(path.read_text("utf-8", "surrogateescape").splitlines()):
        count, op, result, one, two = line.split("\t")
        assert op in OPS, line
        found.append(
            Change(number, int(count), op, None if result == "!" else int(result), one, two)
        )
    return found


class _Plan(ctypes.Structure):
    _fields_ = (
        ("at", ctypes.c_uint64),
        ("action", ctypes.c_uint32),
        ("error", ctypes.c_uint32),
        ("ops", ctypes.c_uint32),
        ("once", ctypes.c_uint32),
        ("everywhere", ctypes.c_uint32),
        ("after", ctypes.c_uint32),
    )


def install(faults: ctypes.CDLL, request: Mapping[str, Any]) -> int:
    """Watches this process from now on; 0, or an error number."""
    plan = request["plan"]
    ops = sum(1 << OPS.index(op) for op in plan["ops"])
    after = 1 << OPS.index(plan["after"]) if plan["after"] else 0
    there = _Plan(
        plan["at"], plan["action"], plan["error"], ops, plan["once"], plan["everywhere"], after
    )
    keep = request["keep"]
    result: int = faults.hybridx_faults_install(
        os.fsencode(request["index"]),
        os.fsencode(request["log"]),
        None if keep is None else os.fsencode(keep),
        ctypes.byref(there),
    )
    return result


def _serve(path: str) -> None:
    """The server: a child for each line on stdin."""
    # What the program loads when it runs, so that a child need not. None of it has done anything
    # yet, and LanceDB knows how to be forked in that state.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: F401
    import pyarrow as pa  # noqa: F401

    import hybridx.api
    import hybridx.cli
    import hybridx.embed.embedder
    import hybridx.indexer
    import hybridx.search  # noqa: F401
    from hybridx.lance import load_lancedb

    load_lancedb()
    faults = ctypes.CDLL(path)
    trial = os.fork()
    if trial == 0:
        plan = asdict(Plan())
        nowhere = {"index": "/nowhere", "log": os.devnull, "keep": None, "plan": plan}
        os._exit(install(faults, nowhere))
    _say(ready=_end_of(trial, 10) == 0)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(faults, request)
        if request["kill_after"] is not None:
            _kill(pid, Path(request["log"]), request["kill_after"])
        _say(code=_end_of(pid, 60))


def _ended(pid: int) -> bool:
    """Whether a child has ended. It is not reaped by this: its number stays its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_of(pid: int, patience: float) -> int | None:
    """How a child ended; `None` if it had to be killed after so many seconds."""
    deadline = time.monotonic() + patience
    hung = False
    while not _ended(pid):
        if time.monotonic() > deadline:
            hung = True
            os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.0005)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if hung else code


def _kill(pid: int, log: Path, delay: float) -> None:
    """Kills a child that many seconds after it took the lock, if it still lives."""
    while not _ended(pid):
        if log.exists() and "\tlock\t" in log.read_text("utf-8", "surrogateescape"):
            break
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)


def _become(faults: ctypes.CDLL, request: Mapping[str, Any]) -> None:
    """Turns a fork of the server into the program."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(f"{request['here']}/{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.environ.update(request["env"])
    code = 99
    try:
        sys.argv = ["hybridx", *request["args"]]
        for name, value in request["constants"].items():
            module, _, attribute = name.rpartition(".")
            assert hasattr(sys.modules[module], attribute), name
            setattr(sys.modules[module], attribute, value)
        if install(faults, request) == 0:
            from hybridx.cli import main

            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 98
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
