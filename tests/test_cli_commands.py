"""The commands over a stand-in for the API: what they ask of it, print, and end with."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result

from hybridx import _core
from hybridx.cli import cli
from hybridx.cli._filters import kinds_of, languages_of
from hybridx.config import Settings
from hybridx.errors import (
    Cancelled,
    CorruptIndexError,
    IndexBusyError,
    NotIndexedError,
    TooManyErrorsError,
    UsageError,
)
from hybridx.types import (
    ChunkCounts,
    FileCounts,
    FileError,
    Hit,
    IndexReport,
    ModelInfo,
    SearchResult,
    StageSeconds,
    Status,
)


def hit(rank: int = 1, **fields: Any) -> Hit:
    values: dict[str, Any] = {
        "rank": rank,
        "path": "src/retry.py",
        "start_line": 10,
        "end_line": 12,
        "language": "python",
        "kind": "method",
        "symbol": "Policy.delay",
        "score": 0.5,
        "text": "@cached\n# delay, in words\ndef delay(self):\n    return 1\n",
        "scores": {"bm25": 3.25, "vector": 0.5},
    }
    return Hit(**{**values, **fields})


def found(*hits: Hit, stale_files: int | None = None) -> SearchResult:
    return SearchResult("delay", "hybrid", 3, 1.5, stale_files, hits)


def report(**fields: Any) -> IndexReport:
    values: dict[str, Any] = {
        "root": "/repo",
        "generation": 4,
        "merkle_root": "ab" * 32,
        "model": "bundled",
        "device": "cpu",
        "files": FileCounts(seen=7, added=2, unchanged=4, skipped=1),
        "chunks": ChunkCounts(added=5, total=20, embedded=4, reused_vectors=1),
        "errors": (),
        "bytes_read": 2_000_000,
        "peak_rss_bytes": 1,
        "seconds": StageSeconds(total=2.0),
    }
    return IndexReport(**{**values, **fields})


STATUS = Status(
    root="/repo",
    generation=4,
    merkle_root="ab" * 32,
    model=ModelInfo("terms", "bundled", 256, "f", "/m"),
    files=6,
    chunks=20,
    documents=20,
    vectors=20,
    languages={"python": {"files": 5, "chunks": 18}, "rust": {"files": 1, "chunks": 2}},
    size_bytes={"total": 2_500_000},
    fresh=False,
    pending=2,
    skipped={"binary": 1},
)


class FakeIndex:
    """Remembers what it was asked; gives or raises what a test has put into `answers`."""

    answers: dict[str, Any]
    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]]
    opened: list[tuple[str, Any]]

    @classmethod
    def open(cls, path: str = ".", *, settings: Any = None) -> FakeIndex:
        cls.opened.append((path, settings))
        if "open" in cls.answers:
            raise cls.answers["open"]
        return cls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append((name, args, kwargs))
            answer = self.answers[name]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[FakeIndex]:
    module = ModuleType("hybridx.api")
    module.Index = FakeIndex  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hybridx.api", module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYBRIDX_DEBUG", raising=False)
    FakeIndex.answers, FakeIndex.asked, FakeIndex.opened = {}, [], []
    return FakeIndex


def run(*args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin, prog_name="hybridx")


# index


def test_index_asks_for_what_the_flags_say(api: type[FakeIndex]) -> None:
    api.answers["update"] = report()
    result = run(
        *[
            "index",
            "sub",
            "--full",
            "--sequential",
            "--jobs",
            "3",
            "--memory-limit",
            "900",
            "--device",
            "cpu",
        ],
        *["--model", "./m", "--max-errors", "5", "--index-dir", "ix"],
    )
    assert result.exit_code == 0, result.stderr
    [(path, settings)] = api.opened
    assert path == "sub"
    assert (settings.jobs, settings.memory_limit_mb, settings.max_errors) == (3, 900, 5)
    assert settings.origin("memory_limit_mb") == "--memory-limit"
    assert settings.model == str(Path.cwd() / "m")
    assert settings.index_dir == Path.cwd() / "ix"
    assert settings.origin("require_gpu") == "default"
    [(_, _, asked)] = api.asked
    assert asked["full"] is True
    assert asked["sequential"] is True
    assert asked["paths"] is None
    assert asked["progress"] is None  # nobody looks at a pipe
    assert asked["cancel"].cancelled is False


def test_index_says_on_stderr_what_it_did(api: type[FakeIndex]) -> None:
    api.answers["update"] = report()
    result = run("index")
    assert result.stdout == ""
    assert "2 files: 2 added, 4 unchanged; 1 skipped" in result.stderr
    assert "20 chunks: 5 added, 0 removed, 4 embedded on cpu, 1 vector reused" in result.stderr
    assert "generation 4 in 2.00 s (1.0 MB/s, 1 files/s)" in result.stderr


def test_index_without_changes_is_one_line(api: type[FakeIndex]) -> None:
    api.answers["update"] = report(
        files=FileCounts(seen=4, unchanged=4), seconds=StageSeconds(total=0.0)
    )
    assert run("index").stderr == "up to date: 4 files; generation 4 (0.00 s)\n"


def test_index_json_is_one_document_and_nothing_else(api: type[FakeIndex]) -> None:
    api.answers["update"] = report()
    result = run("index", "--json")
    assert json.loads(result.stdout) == api.answers["update"].to_json()
    assert result.stderr == ""


def test_index_quiet(api: type[FakeIndex]) -> None:
    api.answers["update"] = report()
    assert run("index", "-q").output == ""


def test_failed_files_are_exit_code_1_and_told_by_stage(api: type[FakeIndex]) -> None:
    errors = [FileError(f"a{n}.py", "ingest", "gone") for n in range(5)]
    errors.append(FileError("new\nline.py", "embed", "bad\x1b[31m"))
    api.answers["update"] = report(
        files=FileCounts(seen=8, added=2, failed=6), errors=tuple(errors)
    )
    result = run("index")
    assert result.exit_code == 1
    assert "5 files failed in ingest:\n  a0.py: gone\n" in result.stderr
    assert "and 2 more" in result.stderr
    assert "1 file failed in embed:\n  new\\x0aline.py: bad\\x1b[31m\n" in result.stderr
    assert run("index", "--json").exit_code == 1


def test_files_are_spelled_relative_to_the_root(api: type[FakeIndex], tmp_path: Path) -> None:
    api.answers["update"] = report()
    (tmp_path / "repo/sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "repo")
    (tmp_path / "repo/sub/new\nline").write_text("")
    result = run(
        *("index", "repo", "--file", "repo/sub/a.py", "--file", "./repo/gone.py"),
        *("--file", "link/b.py", "--file", str(tmp_path / "repo/c.py"), "--file", "repo/sub/"),
        *("--file", "repo/sub/../d.py", "--file", "repo/sub/new\\x0aline"),
        *("--file", "repo/gone.py", "--files-from", "-"),
        stdin=b"repo/e.py\n\nrepo/f\xff.py\r\n",
    )
    assert result.exit_code == 0, result.stderr
    assert api.asked[0][2]["paths"] == [
        *("sub/a.py", "gone.py", "b.py", "c.py", "sub", "d.py", "sub/new\nline"),
        *("e.py", "f\\xff.py"),
    ]


def test_a_list_with_nul_may_hold_any_name(api: type[FakeIndex]) -> None:
    api.answers["update"] = report()
    Path("list").write_bytes(b"a\nb.py\0c\r\0")
    assert run("index", "--files-from", "list").exit_code == 0
    assert api.asked[0][2]["paths"] == ["a\nb.py", "c\r"]


def test_an_empty_list_is_no_file_and_not_every_file(api: type[FakeIndex]) -> None:
    api.answers["update"] = report()
    run("index", "--files-from", "-", stdin="")
    assert api.asked[0][2]["paths"] == []


@pytest.mark.parametrize("name", [".", "..", "repo", "../elsewhere.py", "/etc/passwd", "repo2/a"])
def test_a_file_outside_the_root_is_refused(api: type[FakeIndex], name: str) -> None:
    Path("repo").mkdir()
    result = run("index", "repo", "--file", name)
    assert result.exit_code == 2
    assert name in result.stderr
    assert "repo" in result.stderr
    assert not api.asked


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Cancelled("cancelled"), 130, "interrupted; everything committed so far is kept"),
        (IndexBusyError("busy"), 2, "HYBRIDX_LOCK_TIMEOUT"),
        (CorruptIndexError("x is damaged"), 2, "hybridx verify --repair"),
        (
            FileNotFoundError(2, "No such file or directory", "/no\nwhere"),
            2,
            "/no\\x0awhere: No such",
        ),
        (RuntimeError("boom\n" * 900), 2, "internal error: RuntimeError: boom boom"),
        (MemoryError(), 2, "internal error: MemoryError"),
    ],
)
def test_errors_are_one_or_two_lines(
    api: type[FakeIndex], error: Exception, code: int, said: str
) -> None:
    api.answers["update"] = error
    result = run("index", "--json")
    assert result.exit_code == code
    assert result.stdout == ""
    assert said in result.stderr
    assert 1 <= len(result.stderr.splitlines()) <= 2
    assert len(result.stderr) < 1000
    assert "Traceback" not in result.stderr


def test_a_run_that_gave_up_lists_what_failed(api: type[FakeIndex]) -> None:
    error = TooManyErrorsError("more than 1 files failed")
    error.failed = (("a\nb.py", "read", "busy"), ("c.py", "embed", "boom"))
    api.answers["update"] = error
    result = run("index")
    assert (result.exit_code, result.stdout) == (1, "")
    for said in ("hybridx: more than 1 files failed", "a\\x0ab.py: busy", "c.py: boom", "embed"):
        assert said in result.stderr
    result = run("index", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["errors"] == [
        {"path": path, "stage": stage, "message": message} for path, stage, message in error.failed
    ]


@pytest.mark.parametrize("args", [["--debug", "index"], ["index", "--debug"]])
def test_debug_shows_the_traceback(api: type[FakeIndex], args: list[str]) -> None:
    api.answers["update"] = RuntimeError("boom")
    result = run(*args)
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "RuntimeError: boom" in result.stderr


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_the_variable_for_debug(
    api: type[FakeIndex], monkeypatch: pytest.MonkeyPatch, value: str, shown: bool
) -> None:
    api.answers["update"] = RuntimeError("boom")
    monkeypatch.setenv("HYBRIDX_DEBUG", value)
    assert ("Traceback" in run("index").stderr) is shown


# search


def test_search_asks_for_what_the_flags_say(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit())
    result = run(
        *("search", "where is it", "sub", "-k", "3", "--mode", "lexical", "--lang", "py,Rust"),
        *("--lang", "c++", "--path", "src/**", "--path", "*.py", "--kind", "function,class"),
        *("--check", "--changed-since", "2d", "--max-tokens", "500"),
    )
    assert result.exit_code == 0, result.stderr
    assert api.opened[0][0] == "sub"
    [(_, args, asked)] = api.asked
    assert args == ("where is it", 3)
    assert asked == {
        "mode": "lexical",
        "languages": ["python", "rust", "cpp"],
        "paths": ("src/**", "*.py"),
        "kinds": ["function", "class"],
        "changed_since": "2d",
        "max_tokens": 500,
        "check": True,
        "observer": None,
    }


def test_text_shows_place_symbol_kind_score_and_code(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit(), hit(2, symbol="", path="b.md"))
    result = run("search", "delay")
    assert result.stdout == (
        "src/retry.py:10-12  Policy.delay  method  0.5\n"
        "    @cached\n    # delay, in words\n    def delay(self):\n        return 1\n"
        "\n"
        "b.md:10-12  method  0.5\n"
        "    @cached\n    # delay, in words\n    def delay(self):\n        return 1\n"
    )
    assert result.stderr == ""


def test_text_cuts_long_chunks(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit(text="\n".join(map(str, range(30)))))
    assert "    11\n    … 18 more\n" in run("search", "delay").stdout


def test_explain_shows_the_parts_of_the_score(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit())
    assert "    bm25 3.25  vector 0.5\n" in run("search", "delay", "--explain").stdout


def test_grep_points_at_the_line_it_shows(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit(), hit(2, symbol="", text="\n\n  first\nsecond"))
    lines = run("search", "delay", "--format", "grep").stdout.splitlines()
    assert lines == ["src/retry.py:12:def delay(self):", "src/retry.py:12:  first"]


@pytest.mark.parametrize("form", ["text", "grep"])
def test_a_path_or_code_never_breaks_a_line_or_reaches_the_terminal(
    api: type[FakeIndex], form: str
) -> None:
    api.answers["search"] = found(hit(path="a\nb\x1b[2J\u202e.py", text="x = '\x1b[31m'\r\n"))
    out = run("search", "delay", "--format", form).stdout
    assert "a\\x0ab\\x1b[2J\\xe2\\x80\\xae.py:10" in out
    assert "x = '\\x1b[31m'\n" in out
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", out)


def test_json_keeps_everything_as_it_is(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit(path="ä\n\x1b.py", text="λ\x1b"), stale_files=2)
    for args in (["--json"], ["--format", "json"], ["--json", "--format", "json"]):
        result = run("search", "delay", *args, "--explain")
        assert json.loads(result.stdout) == api.answers["search"].to_json()
        assert "λ" in result.stdout


def test_how_an_answer_came_about_is_told_only_if_asked_for(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit(effects={"body": 2.5, "spread": -1.5}))
    document = json.loads(run("search", "delay", "--json").stdout)
    assert "stages_ms" not in document
    assert "effects" not in document["hits"][0]
    shown = run("search", "delay", "--explain").stdout
    assert "= body +2.50  spread -1.50" in shown
    assert shown.startswith("query: words   ms: ")
    assert "spread" not in run("search", "delay").stdout


def test_jsonl_is_one_hit_a_line(api: type[FakeIndex]) -> None:
    hits = (hit(), hit(2, path="new\nline.py"))
    api.answers["search"] = found(*hits)
    lines = run("search", "delay", "--format", "jsonl", "--explain").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [each.to_json() for each in hits]


def test_no_hits_are_exit_code_1(api: type[FakeIndex]) -> None:
    api.answers["search"] = found()
    result = run("search", "delay")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "hybridx: no hits\n")
    result = run("search", "delay", "--json", "--quiet")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["hits"] == []
    assert result.stderr == ""


def test_a_stale_index_is_said(api: type[FakeIndex]) -> None:
    api.answers["search"] = found(hit(), stale_files=2)
    assert "2 files changed" in run("search", "delay", "--check").stderr


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["search"], "QUERY"),
        (["search", "  "], "empty"),
        (["search", "x", "--lang", "pyton"], "did you mean python?"),
        (["search", "x", "--kind", "func"], "did you mean function?"),
        (["search", "x", "-k", "0"], "-k"),
        (["search", "x", "--mode", "fuzzy"], "--mode"),
        (["search", "x", "--format", "xml"], "--format"),
        (["search", "x", "--json", "--format", "grep"], "--format grep"),
        (["index", "--jobs", "-1"], "--jobs"),
        (["index", "--jobs", "many"], "--jobs"),
        (["index", "--device", "gpu"], "--device"),
        (["index", "--require-gpu", "--device", "cpu"], "--device"),
        (["index", "--full", "--file", "a"], "--full"),
        (["index", "--files-from", "nowhere"], "nowhere"),
        (["index", "a", "b"], "unexpected extra argument"),
        (["index", "--jbos", "1"], "--jobs"),
        (["idnex"], "idnex"),
    ],
)
def test_usage_errors_are_exit_code_2(api: type[FakeIndex], args: list[str], named: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert named in result.stderr
    assert 1 <= len(result.stderr.splitlines()) <= 2
    assert not api.asked


@pytest.mark.parametrize(
    ("args", "method"),
    [(["search", "x"], "search"), (["status"], "status"), (["diff"], "diff")],
)
def test_without_an_index_the_way_to_one_is_said(
    api: type[FakeIndex], args: list[str], method: str
) -> None:
    api.answers[method] = NotIndexedError("whatever")
    result = run(*args, "my repo")
    assert result.exit_code == 2
    assert result.stderr == "hybridx: no index for my repo; run: hybridx index 'my repo'\n"
    assert "--index-dir ix" in run(*args, "--index-dir", "ix").stderr


def test_languages_go_by_their_aliases_too() -> None:
    assert languages_of(["py,C++", "js, py"]) == ["python", "cpp", "javascript"]
    with pytest.raises(UsageError, match="there is no language pyhton; did you mean python"):
        languages_of(["pyhton"])


def test_every_kind_of_the_core_is_a_kind() -> None:
    assert kinds_of([",".join(_core.kinds())]) == _core.kinds()
    assert {"function", "class", "section"} <= set(_core.kinds())
    with pytest.raises(UsageError, match="there is no kind functoin"):
        kinds_of(["functoin"])


# diff, status, clean, models


def test_diff_lists_changes_by_path(api: type[FakeIndex]) -> None:
    changes = SimpleNamespace(
        added=["c.py", "new\nline"], modified=["a.py"], removed=["d.py"], moved=[("z.py", "b.py")]
    )
    api.answers["diff"] = SimpleNamespace(
        changes=changes, seconds=0.25, to_json=lambda: {"added": ["c.py"]}
    )
    api.answers["status"] = STATUS
    result = run("diff")
    assert result.exit_code == 0
    assert result.stdout == ("M  a.py\nR  z.py -> b.py\nA  c.py\nD  d.py\nA  new\\x0aline\n")
    assert result.stderr == "5 files changed (0.25 s)\n"
    assert json.loads(run("diff", "--json").stdout) == {"added": ["c.py"]}


def test_status(api: type[FakeIndex]) -> None:
    api.answers["status"] = STATUS
    result = run("status")
    assert result.exit_code == 0
    assert re.search(r"^freshness +2 files changed since", result.stdout, re.MULTILINE)
    assert re.search(r"^languages +python: 5 files, 18 chunks$", result.stdout, re.MULTILINE)
    assert re.search(r"^size +total 2.5 MB$", result.stdout, re.MULTILINE)
    assert json.loads(run("status", "--json").stdout) == STATUS.to_json()
    run("status", "--no-check")
    assert [asked["check"] for _, _, asked in api.asked] == [True, True, False]


def test_status_lists_skipped_files(api: type[FakeIndex]) -> None:
    api.answers["status"] = STATUS
    api.answers["skipped"] = [("a\n.bin", "binary", ""), ("b", "secret", "a key")]
    result = run("status", "--skipped")
    assert result.stdout == "a\\x0a.bin\tbinary\nb\tsecret\ta key\n"
    document = json.loads(run("status", "--skipped", "--json").stdout)
    assert document["skipped_files"][1] == {"path": "b", "reason": "secret", "detail": "a key"}
    assert document["generation"] == 4


def test_clean(api: type[FakeIndex]) -> None:
    api.answers["clean"] = 2_500_000
    result = run("clean")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == ".: removed, 2.5 MB freed\n"
    document = json.loads(run("clean", "--json").stdout)
    assert document == {"root": str(Path.cwd()), "freed_bytes": 2_500_000}
    api.answers["clean"] = 0
    assert "no index to remove" in run("clean").stderr


def test_models(api: type[FakeIndex], monkeypatch: pytest.MonkeyPatch) -> None:
    terms = ModelInfo("terms", "bundled", 256, "f1", "/models/terms")
    other = ModelInfo("other", "folder", 384, "f2", "/models/other")
    embed = ModuleType("hybridx.embed")
    embed.list_models = lambda settings: (  # type: ignore[attr-defined]
        [terms] if settings.model == "bundled" else [terms, other]
    )
    by_name = {"bundled": terms, "/models/other": other}
    contract = {
        "precision": "int8",
        "full_dimension": 384,
        "max_length": 256,
        "pooling": "mean",
        "query_prefix": "",
        "passage_prefix": "",
    }

    def load(name: str, **choices: object) -> SimpleNamespace:
        return SimpleNamespace(info=by_name[name], **contract)

    embed.load_model = load  # type: ignore[attr-defined]
    embed.load_configured = lambda settings: load(settings.model)  # type: ignore[attr-defined]
    added = ModuleType("hybridx.embed.added")
    added.list_added = lambda cache_dir: []  # type: ignore[attr-defined]
    added.KNOWN = {  # type: ignore[attr-defined]
        "short": SimpleNamespace(repository="owner/short", remark="never run here")
    }
    monkeypatch.setitem(sys.modules, "hybridx.embed", embed)
    monkeypatch.setitem(sys.modules, "hybridx.embed.added", added)
    lines = run("models", "list").stdout.splitlines()
    assert lines[0].split(maxsplit=5) == [
        "*",
        "terms",
        "bundled",
        "256",
        "dimensions",
        "/models/terms",
    ]
    assert lines[1].endswith("not added       owner/short (never run here)")
    monkeypatch.setenv("HYBRIDX_MODEL", "/models/other")
    lines = run("models", "list").stdout.splitlines()
    assert [line[0] for line in lines] == [" ", "*", " "]
    shown = json.loads(run("models", "show", "terms", "--json").stdout)
    assert shown == terms.to_json() | contract
    assert json.loads(run("models", "show", "--json").stdout) == other.to_json() | contract
    assert re.search(r"^dimension +384$", run("models", "show").stdout, re.MULTILINE)


# config


def test_config_show(api: type[FakeIndex], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("hybridx.toml").write_text('max_errors = 3\nmodel = "org/name"\n')
    monkeypatch.setenv("HYBRIDX_JOBS", "2")
    monkeypatch.setenv("HYBRIDX_JOB", "2")
    result = run("config", "show")
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in result.stdout.splitlines()}
    assert rows["max_errors"] == ["3", "hybridx.toml"]
    assert rows["model"] == ["org/name", "hybridx.toml"]
    assert rows["jobs"] == ["2", "HYBRIDX_JOBS"]
    assert rows["require_gpu"] == ["false", "default"]
    assert rows["memory_limit_mb"] == ["-", "default"]
    assert result.stderr == (
        "hybridx: HYBRIDX_JOB is set but is no setting; did you mean HYBRIDX_JOBS?\n"
    )
    document = json.loads(run("config", "show", "--json").stdout)
    assert document["settings"]["jobs"] == {"value": 2, "origin": "HYBRIDX_JOBS"}
    assert document["settings"]["index_dir"] == {"value": None, "origin": "default"}


def test_a_broken_configuration_is_exit_code_2(api: type[FakeIndex]) -> None:
    Path("hybridx.toml").write_text("jbos = 3\n")
    for args in (["config", "show"], ["index"], ["search", "x"]):
        result = run(*args)
        assert result.exit_code == 2
        assert "hybridx.toml: there is no setting jbos; did you mean jobs?" in result.stderr


def test_settings_are_described() -> None:
    said = run("config", "describe", "commit_files", "preset").output
    assert "commit_files\n  Files between two commits" in said
    assert "large: 50000" in said
    assert "one of small, medium, large" in said
    assert "HYBRIDX_PRESET, --preset, a project's file" in said
    found = json.loads(run("config", "describe", "--json").output)["settings"]
    assert [each["key"] for each in found] == list(Settings.keys())
    wrong = run("config", "describe", "commit_file")
    assert wrong.exit_code == 2
    assert "did you mean commit_files?" in wrong.stderr
