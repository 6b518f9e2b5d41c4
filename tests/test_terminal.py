"""What somebody at a terminal sees, and what a pipe does not."""

from __future__ import annotations

import io
import re
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hybridx import _core
from hybridx.cli._matches import Matches
from hybridx.cli._report import by_message
from hybridx.cli._stages import Stages, clock, layout
from hybridx.cli._terminal import wants_color
from hybridx.types import FileError, Progress
from support import Tree, json_of, open_index, run_cli, script, updated
from terminal import Shown, on_terminal

if TYPE_CHECKING:
    from pathlib import Path

STAGES = ("files", "chunks", "embeddings", "store")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A project that its index is true to."""
    files = {
        "src/merge.py": "class MergePolicy:\n    def pick(self, segments):\n        return None\n",
        "src/plan.py": "def merge_policy_of(name):\n    # a policy\n    return MERGED[name]\n",
        "src/odd.py": "ESCAPE = '\x1b[31m merge'\n" + "x = 1\n" * 3,
        "notes.md": "# Notes\n\nNothing here.\n",
    }
    tree = Tree(tmp_path_factory.mktemp("terminal") / "project", files)
    updated(open_index(tree))
    return tree


# Progress

SLOW = """
import sys, time, types
from hybridx.types import *
class Index:
    open = classmethod(lambda cls, path, *, settings=None: cls())
    __enter__ = lambda self: self
    __exit__ = lambda self, *_: None
    def update(self, *, progress, cancel, **_):
        for step in range(1, 13):
            if progress:
                progress(Progress(
                    "scan" if step == 1 else "index", step * 10, None if step == 1 else 120,
                    step * 1000, step * 30, step * 25, step / 10.0, None, step * 10, step * 40,
                    step * 5, 100.0, 10_000.0, 300.0, 3.0))
            if step in WARNED:
                print(f"hybridx: warning {step}", file=sys.stderr, flush=True)
            time.sleep(0.1)
        return IndexReport("/r", 3, "ab", "m", "cpu", FileCounts(seen=120, added=120),
            ChunkCounts(added=480, total=480, embedded=420, reused_vectors=60), ERRORS, 12000, 1,
            StageSeconds(total=1.8, scan=0.1, ingest=0.3, embed=1.0, store=0.2))
ERRORS, WARNED = (), (3, 6, 9)
module = types.ModuleType("hybridx.api")
module.Index = Index
sys.modules["hybridx.api"] = module
from hybridx.cli import main
"""


def slow(*args: str, errors: str = "()", warned: str = "(3, 6, 9)") -> list[str]:
    """The command of an update that only pretends, for a little more than a second."""
    code = f"{SLOW}\nERRORS, WARNED = {errors}, {warned}\nmain()"
    return [sys.executable, "-c", code, "index", *args]


def test_a_line_a_stage_is_drawn_in_place_and_warnings_stay_whole() -> None:
    shown = on_terminal(command=slow())
    assert shown.code == 0
    for stage in STAGES:
        assert len(re.findall(rf"\n?{stage} ", shown.text)) > 3, f"{stage} was not drawn"
    assert "120 of 120" in shown.text
    assert re.search(r"embeddings .*\d+, \d+ known", shown.text)
    assert "ETA 0:03" in shown.text
    left = [line for line in shown.screen() if line]
    assert left[:3] == [f"hybridx: warning {step}" for step in (3, 6, 9)], left
    assert not any("━" in line for line in left), "the lines were not cleared"
    assert shown.raw.count("\x1b[?25l") == shown.raw.count("\x1b[?25h") == 1


@pytest.mark.parametrize("width", [1, 7, 25, 50])
def test_lines_fit_terminals_of_any_width(width: int) -> None:
    shown = on_terminal(command=slow("--json", warned="()"), width=width)
    assert shown.code == 0
    drawn = shown.text.split('{\n  "root"')[0]
    assert "files"[: width - 1] in drawn
    assert max(map(len, re.split(r"[\r\n]+", drawn))) < width


def test_a_terminal_that_gets_narrower_loses_nothing_above_the_lines() -> None:
    widths = [("warning 3", 60), ("warning 6", 30)]
    shown = on_terminal(command=slow("--json"), width=100, widths=widths)
    assert shown.code == 0
    screen = shown.screen()
    for step in (3, 6, 9):
        assert f"hybridx: warning {step}" in screen, screen


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "true"}, {"TERM": "unknown"}], ids=str)
def test_nothing_is_drawn_where_it_could_not_be_drawn_over(env: dict[str, str]) -> None:
    shown = on_terminal(command=slow(), env=env)
    assert "\x1b" not in shown.raw
    assert "120 files: 120 added, 0 unchanged\n" in shown.text


def test_without_colours_the_lines_are_still_drawn() -> None:
    shown = on_terminal(command=slow(), env={"NO_COLOR": "1"})
    assert "store" in shown.text
    assert not re.search(r"\x1b\[[0-9;]*3\dm", shown.raw)


def test_a_pipe_gets_no_progress_and_pays_for_none() -> None:
    code = SLOW.replace("time.sleep(0.1)", "pass") + "sys.argv = ['hybridx', 'index']\n"
    # However the process ends.
    code += "import os\nleave = os._exit\ndef told(code):\n"
    code += "    print('rich' in sys.modules, flush=True)\n    leave(code)\nos._exit = told\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    told(end.code)\n"
    result = script(code)
    assert result.stdout.split() == ["False"]
    assert result.stderr.startswith("hybridx: warning 3\n")
    assert "120 files: 120 added, 0 unchanged\n480 chunks: 480 added" in result.stderr


def test_another_pass_is_told_and_its_rates_begin_anew() -> None:
    stages = Stages()
    stages.tell(Progress("scan"))
    stages.tell(Progress("index", 50, 100, seconds=5.0, files_read=100))
    assert "pass" not in [row.name for row in stages.rows()]
    stages.tell(Progress("scan", seconds=0.1))
    assert stages.rows()[0].name == "pass 2"
    stages.tell(Progress("index", 0, 100, seconds=1.0, files_read=10))
    rows = {row.name: row for row in stages.rows()}
    assert rows["files"].rate == "10/s"
    assert rows["files"].share == 0.1


def test_no_line_is_ever_as_wide_as_the_terminal() -> None:
    stages = Stages()
    stages.tell(Progress("scan"))
    stages.tell(
        Progress(
            "index", 10**7, 10**8, 10**13, 10**9, 10**9, 9.0, None, 10**8, 10**9, 10**9,
            eta_seconds=10**6,
        )
    )  # fmt: skip
    for width in range(1, 140):
        for line in layout(stages.rows(), width):
            assert sum(len(text) for text, _ in line) < width
    assert [clock(each) for each in (7.9, 760, 11_100)] == ["0:07", "12:40", "3:05:00"]


# The summary


def test_a_table_tells_what_a_run_did() -> None:
    shown = on_terminal(command=slow())
    left = "\n".join(shown.screen())
    for stage, count in (("scan", "120 files"), ("files", "120 added"), ("chunks", "480 added")):
        assert re.search(rf"^ *{stage} +{count}", left, re.MULTILINE), left
    assert re.search(r"^ *embeddings +420 embedded on cpu, 60 vectors reused +1.00 s", left, re.M)
    assert re.search(r"^ *generation 3 +6\.7 kB/s, 67 files/s +1\.80 s", left, re.MULTILINE)


def test_a_terminal_too_narrow_for_a_table_gets_the_lines_of_a_pipe() -> None:
    shown = on_terminal(command=slow(), width=40)
    assert "120 files: 120 added, 0 unchanged" in shown.text
    assert "generation 3 in 1.80 s" in shown.text
    assert "…" not in shown.text.split("120 files:")[1], "a table cut what it tells"


def test_an_update_without_changes_is_one_line_also_on_a_terminal(indexed: Tree) -> None:
    shown = on_terminal("index", indexed.root)
    [line] = [line for line in shown.screen() if line]
    assert line.startswith("up to date: 4 files; generation ")


def test_what_failed_is_told_by_stage_and_by_what_went_wrong() -> None:
    errors = [FileError(f"d/{n}.py", "read", "Permission denied") for n in range(5)]
    errors += [FileError(f"e/{n}.py", "parse", f"e/{n}.py: gave up after {n} s") for n in range(2)]
    errors += [FileError("f\n.py", "read", "Input/output error")]
    assert by_message(errors) == [
        "6 files failed in read:",
        "  5 × Permission denied: d/0.py, d/1.py, d/2.py and 2 more",
        "  1 × Input/output error: f\\x0a.py",
        "2 files failed in parse:",
        "  2 × e/0.py: gave up after 0 s: e/0.py, e/1.py",
    ]
    shown = on_terminal(command=slow(errors="(FileError('a.py', 'read', 'busy'),)"))
    assert shown.code == 1
    assert "  1 × busy: a.py" in shown.screen()


# Hits


def test_matched_terms_are_marked_in_whatever_way_they_are_written() -> None:
    line = "class MergePolicy(Merge): merge_policy = policies(submerge, MERGE)"
    found = [line[start:end] for start, end in Matches("merge policy").spans(line)]
    assert found == ["MergePolicy", "Merge", "merge", "policy", "MERGE"]
    whole = "mergePolicy merge_policy mergepolicy"
    spans = Matches("mergePolicy").spans(whole)
    assert {whole[start:end] for start, end in spans} >= {"mergePolicy", "mergepolicy"}
    assert Matches("how is the merge done").spans("how is the merge done") == [(11, 16)]
    assert Matches('"of the"').spans("of THE of them") == [(0, 6), (7, 13)]
    assert Matches("retr*").spans("retries Retry") == [(0, 7), (8, 13)]
    assert Matches("größe").spans("GRÖSSE Größe") == [(7, 12)]


def test_hits_are_coloured_numbered_and_marked_on_a_terminal(indexed: Tree) -> None:
    shown = on_terminal("search", "merge policy", indexed.root, "--mode", "lexical")
    assert shown.code == 0
    assert re.search(r"\x1b\[[0-9;]*91m(?:\x1b\[[0-9;]*m)?MergePolicy", shown.raw), shown.raw
    assert re.search(r"^   1  class MergePolicy:$", shown.text, re.MULTILINE)
    assert "\x1b[31m merge" not in shown.raw
    assert "\\x1b[31m" in shown.text


def test_a_pipe_gets_plain_text_unless_colours_are_asked_for(indexed: Tree) -> None:
    def raw(*args: str, **env: str) -> bytes:
        search = ("search", "merge policy", indexed.root, "--mode", "lexical")
        result = run_cli(*search, *args, env=env)
        assert result.returncode == 0
        return result.stdout

    plain = raw()
    assert b"\x1b" not in plain
    assert b"    class MergePolicy:\n" in plain
    assert raw("--color", "never", FORCE_COLOR="1") == plain
    assert b"\x1b[" in raw(FORCE_COLOR="1")
    # Colours add nothing and take nothing away.
    colored = raw("--color", "always", NO_COLOR="1", TERM="dumb")
    text = re.sub(rb"\x1b\[[0-9;]*m", b"", colored)
    assert text != colored
    numbered = [line[6:] for line in text.splitlines() if re.match(rb" +\d+  ", line)]
    assert [line for line in numbered if line] == [
        line[4:] for line in plain.splitlines() if line.startswith(b"    ")
    ]


@pytest.mark.parametrize(
    ("env", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"CLICOLOR": "0"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
    ],
)
def test_the_variables_about_colours_count(
    env: dict[str, str], terminal: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    assert wants_color(stream) is wanted
    assert wants_color(stream, "always") is True
    assert wants_color(stream, "never") is False


def test_a_terminal_that_wants_no_colours_gets_none(indexed: Tree) -> None:
    search = ("search", "merge policy", indexed.root, "--mode", "lexical")
    shown = on_terminal(*search, env={"NO_COLOR": "1"})
    assert "class MergePolicy" in shown.raw
    assert "\x1b" not in shown.raw


def test_long_lines_are_cut_around_what_matches(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "wide", {"a.py": f"x = [{'0, ' * 100}volcano, {'1, ' * 100}]\n"})
    updated(open_index(tree))
    shown = on_terminal("search", "volcano", tree.root, "--mode", "lexical", width=60)
    [line] = [line for line in shown.text.splitlines() if "volcano" in line]
    assert len(line) < 60
    assert line.endswith("…")


def test_paths_are_links_where_the_terminal_takes_them(indexed: Tree) -> None:
    only = (indexed.root, "-k", "1", "--mode", "lexical")

    def raw(**env: str) -> str:
        return on_terminal("search", "merge", *only, env=env).raw

    link = rf"\x1b\]8;[^;]*;file://[^/\x1b]*{re.escape(str(indexed.root))}/src/\w+\.py\x1b"
    assert re.search(link, raw(TERM_PROGRAM="WezTerm"))
    assert "\x1b]8" not in raw(TERM_PROGRAM="WezTerm", TMUX="/tmp/x")


# Hints

PATIENT = "from hybridx.cli import _hints, main\n_hints.BUDGET = 30.0\nmain()"
"""The program, where it is no matter how busy the machine is."""


def searched(tree: Tree, *args: str, code: str = PATIENT, **env: str) -> Shown:
    """A search at a terminal."""
    command = [sys.executable, "-c", code]
    return on_terminal(
        "search", "retry", tree.root, "--mode", "lexical", *args, command=command, env=env
    )


def test_after_a_search_a_terminal_is_told_that_the_index_is_stale(project: Tree) -> None:
    updated(open_index(project))
    assert "changed since" not in searched(project).text
    project.write("src/new.py", "def volcano(): pass\n")
    stale = searched(project)
    assert stale.screen()[-2:] == [
        "hybridx: 1 file changed since the index was made; run: hybridx index",
        "",
    ]
    for args in (["--quiet"], ["--format", "grep"]):
        assert "changed since" not in searched(project, *args).text
    assert run_cli("search", "retry", project.root, "--mode", "lexical").stderr == b""


def test_whoever_watches_keeps_the_index_fresh_and_no_hint_is_needed(project: Tree) -> None:
    index = open_index(project)
    updated(index)
    project.write("src/new.py", "def volcano(): pass\n")
    lock = _core.Lock.acquire(project.path(".hybridx/watching"))
    assert lock is not None
    assert "changed since" not in searched(project).text
    lock.release()
    assert "changed since" in searched(project).text


def test_a_hint_that_takes_too_long_is_not_waited_for(project: Tree) -> None:
    updated(open_index(project))
    code = "import time\nfrom hybridx import api\nfrom hybridx.cli import main\n"
    code += "api.Index.status = lambda self, check=True: time.sleep(60)\nmain()"
    before = time.monotonic()
    shown = searched(project, code=code)
    assert time.monotonic() - before < 30
    assert shown.code == 0
    assert "retry_with_backoff" in shown.text


def test_an_index_of_another_version_or_with_other_settings_is_told(project: Tree) -> None:
    updated(open_index(project))
    assert json_of(run_cli("status", "--json", project.root))["outdated"] is False
    env = {"HYBRIDX_REDACT_SECRETS": "0"}
    assert json_of(run_cli("status", "--json", project.root, env=env))["outdated"] is True
    said = "made by another version or with other settings; to make it anew: hybridx index"
    assert said in run_cli("status", project.root, env=env).stdout.decode()
    diff = run_cli("diff", project.root, env=env)
    assert diff.stderr.decode().startswith(f"hybridx: the index was {said}\n")
    other = "from hybridx import _core\nversions = {**_core.versions(), 'chunker': 999}\n"
    for shown in (
        searched(project, **env),
        searched(project, code=f"{other}_core.versions = lambda: versions\n{PATIENT}"),
    ):
        assert shown.code == 0
        assert "retry_with_backoff" in shown.text, "what there is is not served"
        assert f"the index was {said}" in shown.screen()[-2]


def test_status_says_that_the_model_was_removed(project: Tree, tmp_path: Path) -> None:
    import shutil
    from importlib import resources

    folder = tmp_path / "models" / "my@model"
    shutil.copytree(str(resources.files("hybridx.embed") / "bundled"), folder)
    assert run_cli("index", project.root, "--model", folder, "--full").returncode == 0
    assert json_of(run_cli("status", "--json", project.root))["model_error"] is None
    shutil.rmtree(folder)
    found = json_of(run_cli("status", "--json", project.root))
    assert str(folder) in found["model_error"]
    shown = run_cli("status", project.root).stdout.decode()
    assert "cannot be used: no model" in shown
    assert "--mode lexical" in shown
    assert run_cli("search", "retry", project.root, "--mode", "lexical").returncode == 0


def test_a_folder_with_an_at_in_its_name_is_added_and_removed(tmp_path: Path) -> None:
    import shutil
    from importlib import resources

    folder = tmp_path / "my@model"
    shutil.copytree(str(resources.files("hybridx.embed") / "bundled"), folder)
    env = {"HYBRIDX_CACHE_DIR": str(tmp_path / "cache")}
    assert run_cli("models", "add", folder, env=env).returncode == 0
    removed = run_cli("models", "remove", "my@model", env=env)
    assert removed.returncode == 0, removed.stderr
    assert b"my@model: removed" in removed.stderr
