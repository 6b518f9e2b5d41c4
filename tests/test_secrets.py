"""No secret reaches a store, a cache, a hit or a message; without redaction every one does."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from hybridx import _core
from hybridx.cli import cli
from hybridx.config import Settings
from hybridx.embed.lane import Lane
from planted import Maker, Planted, pem, plant, sensitive
from support import (
    MODES,
    Tree,
    check_same,
    chunks,
    generation,
    open_index,
    run_cli,
    updated,
    vectors,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import hybridx

LONG = 6
"""Shorter terms may be parts of ordinary words."""


def grow(root: Path, seed: int) -> tuple[Tree, list[Planted]]:
    """A tree of planted files, with some that hold no secret."""
    files = [*plant(seed), *sensitive(seed)]
    tree = Tree(root, {each.path: each.content for each in files})
    tree.write("src/plain.py", "def plain():\n    return 'nothing to hide'\n")
    tree.write("conf/.env.example", "DATABASE_URL=\nAPI_KEY=your-key-here\n")
    tree.write("src/secrets.rs", "pub fn secrets() -> usize {\n    0\n}\n")
    return tree, files


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[hybridx.Index, list[Planted]]:
    tree, files = grow(tmp_path_factory.mktemp("planted") / "tree", 1)
    index = open_index(tree)
    updated(index)
    return index, files


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[hybridx.Index, list[Planted]]:
    """The same files, with redaction switched off."""
    tree, files = grow(tmp_path_factory.mktemp("bare") / "tree", 1)
    index = open_index(tree, redact_secrets=False)
    updated(index)
    return index, files


def secrets_of(files: Iterable[Planted]) -> list[str]:
    return [secret for each in files for secret in each.secrets]


def stored_texts(index: hybridx.Index) -> Iterator[str]:
    """Every text that both stores and the snapshot hold, decoded, deleted chunks included."""
    seen = generation(index)
    for _, text in seen.searcher.texts():
        yield text
    store = seen.vectors()
    assert store is not None
    assert store._table.count_rows() == len(seen.searcher)
    yield from vector_rows(index._layout.folder)
    snapshot = seen.snapshot
    yield from snapshot.paths()
    for row in (*snapshot.skipped, *snapshot.failed):
        yield from row
    yield from snapshot.totals().redactions


def vector_rows(folder: Path) -> Iterator[str]:
    """Every value, but for the vectors, of every version of every vector table below `folder`."""
    import lancedb

    tables = sorted(path for path in folder.rglob("*.lance") if (path / "_versions").is_dir())
    assert tables, "there is no vector store where one was"
    for path in tables:
        table: Any = lancedb.connect(path.parent).open_table(path.stem)
        versions = table.list_versions()
        assert versions
        for version in versions:
            table.checkout(version["version"])
            rows = table.search().limit(None).to_arrow()
            for name in set(rows.column_names) - {"vector"}:
                yield from map(str, rows.column(name).to_pylist())


def stored_terms(index: hybridx.Index) -> set[str]:
    """Every term of every field of the lexical store."""
    found = generation(index).searcher.terms()
    assert {field for field, _ in found} >= {"body", "path_terms"}
    return {term for _, term in found}


def terms_of(text: str) -> set[str]:
    return {term.removeprefix("+") for term in _core.analyze(text).split()}


def telling_terms(files: list[Planted]) -> dict[str, str]:
    """Terms that only secrets have, and the secret of each."""
    secrets = secrets_of(files)
    found = {}
    for secret in secrets:
        for term in terms_of(secret):
            if len(term) >= LONG and any(char.isdigit() for char in term):
                found[term] = secret
    assert len(found) >= len(secrets), "secrets are analysed in another way now"
    return found


def raw_files(index: hybridx.Index) -> dict[str, bytes]:
    folder = index._layout.folder
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def leaks(index: hybridx.Index, files: list[Planted]) -> dict[str, set[str]]:
    """Secrets by where they are found in an index."""
    secrets = secrets_of(files)
    whole = "\0".join(stored_texts(index))
    terms = stored_terms(index)
    raw = b"\0".join(raw_files(index).values())
    return {
        "texts": {secret for secret in secrets if secret in whole},
        "terms": {secret for term, secret in telling_terms(files).items() if term in terms},
        "bytes": {
            secret
            for secret in secrets
            if any(form in raw for form in (secret.encode(), secret.encode("utf-16-le")))
        },
    }


def test_the_corpus_is_worth_looking_through() -> None:
    files = plant(1)
    secrets = secrets_of(files)
    assert len(files) >= 35
    assert len(set(secrets)) == len(secrets) >= 480
    for each in files:
        encoding = {"wide": "utf-16", "old": "cp1252"}.get(each.path.split("/")[0], "utf-8")
        text = each.content.decode(encoding)
        assert all(secret in text for secret in each.secrets), each.path
    other = plant(2)
    assert [each.path for each in other] == [each.path for each in files]
    assert not set(secrets_of(other)) & set(secrets)


def test_no_store_and_no_file_of_the_index_holds_a_secret(
    planted: tuple[hybridx.Index, list[Planted]],
) -> None:
    index, files = planted
    assert leaks(index, files) == {"texts": set(), "terms": set(), "bytes": set()}


def test_without_redaction_every_secret_is_found(bare: tuple[hybridx.Index, list[Planted]]) -> None:
    index, files = bare
    found = leaks(index, files)
    missing = set(secrets_of(files)) - found["texts"]
    assert not missing, f"the check for texts does not see {len(missing)} secrets"
    # What is written right before a secret (`\n`, `-p`) is part of its first word.
    escaped = {"json/account.json", "nb/key.ipynb", "c/key.c", "k8s/config", "sh/run.sh"}
    plain = [each for each in files if each.path not in escaped]
    analysed = set(telling_terms(plain).values())
    assert analysed - found["terms"] == set(), "the check for terms does not see all secrets"
    fields = {field for field, _ in generation(index).searcher.terms()}
    assert fields >= {"body", "name", "symbol_terms", "path_terms", "path"}
    # Texts are stored compressed: that some show in the bytes is all that can be expected.
    assert index.status().secrets.redactions == 0
    assert "sensitive" not in index.status().skipped


def test_what_surrounds_a_secret_is_still_there(
    planted: tuple[hybridx.Index, list[Planted]],
    bare: tuple[hybridx.Index, list[Planted]],
) -> None:
    index, files = planted
    named = {each.path for each in sensitive(1)}
    for each in files:
        if each.path not in named:
            mine = [c for c in chunks(index).values() if c[0] == each.path]
            theirs = [c for c in chunks(bare[0]).values() if c[0] == each.path]
            # The last line of the last chunk: no line is lost, whatever was redacted before it.
            assert max(c[5] for c in mine) == max(c[5] for c in theirs), each.path
            assert any("[redacted]" in c[6] for c in mine), each.path
    assert any(hit.symbol == "connect" or "connect" in hit.text for hit in index.search("connect"))
    for name in ("step_399", "after", "plain", "load"):
        hits = index.search(name, mode="lexical").hits
        assert any(f"def {name}(" in hit.text for hit in hits), f"{name} is gone"


def test_no_query_brings_a_secret_back(planted: tuple[hybridx.Index, list[Planted]]) -> None:
    index, files = planted
    secrets = secrets_of(files)
    # Of the file with hundreds of them, a few stand for all.
    many = next(each for each in files if each.path == "py/many.py").secrets
    for secret in [each for each in secrets if each not in many[8:]]:
        for mode in MODES:
            for hit in index.search(secret, 20, mode=mode):
                shown = hit.text + hit.symbol + hit.path
                assert not any(each in shown for each in secrets), (mode, hit.path)


def test_another_secret_in_its_place_gives_the_same_index(tmp_path: Path) -> None:
    one = open_index(grow(tmp_path / "one", 1)[0])
    other = open_index(grow(tmp_path / "other", 2)[0])
    for index in (one, other):
        updated(index)
    check_same(one, other)
    assert all((vectors(one)[key] == vector).all() for key, vector in vectors(other).items())
    assert stored_terms(one) == stored_terms(other)
    # Of two rules that know the same secret, the value may decide which one it is counted for.
    assert one.status().secrets.files == other.status().secrets.files
    assert one.status().secrets.redactions == other.status().secrets.redactions


def test_redactions_and_sensitive_files_are_counted(
    planted: tuple[hybridx.Index, list[Planted]],
) -> None:
    index, files = planted
    found = index.status().secrets
    assert found.files == len(plant(1))
    assert found.redactions == sum(found.rules.values()) >= 430
    assert {"github-pat", "private-key", "assigned-password", "url-password"} <= set(found.rules)
    skips = {path: (reason, detail) for path, reason, detail in index.skipped()}
    names = {each.path for each in sensitive(1)}
    assert names == {path for path, (reason, _) in skips.items() if reason == "sensitive"}
    assert all(detail for _, detail in skips.values())
    assert index.status().skipped == {"sensitive": len(names)}
    indexed = set(generation(index).snapshot.paths())
    assert {"conf/.env.example", "src/secrets.rs", "src/plain.py", "py/.npmrc"} <= indexed
    assert not {each.path for each in files} & names & indexed


def test_a_secret_that_comes_and_goes_leaves_nothing(tmp_path: Path) -> None:
    maker = Maker(5)
    tree = Tree(tmp_path / "tree", {"a.py": "def a():\n    return 1\n"})
    index = open_index(tree)
    updated(index)
    lines = maker.pem_lines()
    secrets = [maker.github(), maker.password(), maker.key(), *lines]
    text = (
        f'GITHUB = "{secrets[0]}"\npassword = "{secrets[1]}"\n'
        f'def a(api_key="{secrets[2]}"):\n    """{pem(lines)}"""\n'
    )
    tree.write("a.py", text)
    tree.write(".env", f"X={secrets[2]}\n")
    files = [Planted("a.py", text.encode(), secrets)]
    for sequential in (False, True):
        updated(index, sequential=sequential)
        assert not any(leaks(index, files).values())
    assert index.status().secrets.redactions == 4
    tree.move("a.py", "b.py")
    updated(index)
    assert not any(leaks(index, files).values())
    tree.write("b.py", "def a():\n    return 1\n")
    updated(index)
    assert not any(leaks(index, files).values())
    assert index.status().secrets.redactions == 0
    assert index.status().skipped == {"sensitive": 1}


def test_no_command_prints_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, files = grow(tmp_path / "tree", 3)
    monkeypatch.chdir(tree.root)
    secrets = secrets_of(files)
    said = []
    for command in (
        ["index", "--json"],
        ["status", "--json", "--skipped"],
        ["status"],
        ["search", "token password key", "-k", "50", "--json"],
        ["search", "connect secret", "-k", "50"],
        ["diff", "--json"],
        ["search", "connect secret", "-k", "50", "--explain"],
        ["verify"],
        ["why", "py/cloud.py"],
        ["why", "py/many.py", "--json"],
        ["why", ".env"],
    ):
        where = [str(tree.root)] if command[0] not in {"search", "why"} else []
        result = CliRunner().invoke(cli, [*command, *where], prog_name="hybridx")
        assert result.exit_code in (0, 1), result.output
        said.append(result.output.encode())
    tree.write("py/cloud.py", tree.path("py/cloud.py").read_bytes() + b"\nX = 1\n")
    process = run_cli("diff", tree.root)
    said.append(process.stdout + process.stderr)
    whole = b"\n".join(said).decode()
    assert b"[redacted]" in said[3]
    assert not [secret for secret in secrets if secret in whole]
    assert json.loads(said[1])["secrets"]["redactions"] > 400
    assert json.loads(said[0])["secrets"] == json.loads(said[1])["secrets"]
    assert json.loads(said[0])["secrets"]["sensitive"] == len(sensitive(3))
    assert b"redacted: 2 secrets (aws-access-token, aws-secret-access-key)" in said[8]
    assert sum(json.loads(said[9])["redactions"].values()) == 400
    assert b"skipped, sensitive: an environment file" in said[10]
    assert b'secrets_allow = ["/.env"]' in said[10]
    assert b"redacted" in said[2]
    assert b"sensitive" in said[2]


def test_a_failure_tells_no_secret(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = Maker(7)
    secret = maker.github()
    tree.write("a.py", f'def a():\n    return "{secret}"\n')

    def run(self: Lane, ids: object, mask: object) -> object:
        raise RuntimeError(f"cannot run {ids} of {mask}")

    monkeypatch.setattr(Lane, "run", run)
    index = open_index(tree)
    report = index.update()
    assert report.files.failed == 1
    found = [Planted("a.py", b"", [secret])]
    raw = b"".join(raw_files(index).values())
    assert secret.encode() not in raw
    assert not any(each.secrets[0] in str(report.to_json()) for each in found)


def test_a_change_of_the_settings_rebuilds(tmp_path: Path) -> None:
    maker = Maker(11)
    secrets = [maker.github(), maker.key()]
    tree = Tree(
        tmp_path / "tree",
        {"tests/a.py": f"x = '{secrets[0]}'\n", "src/b.py": f"api_key = '{secrets[1]}'\n"},
    )
    tree.write("tests/server.key", "not much of a key\n")
    files = [Planted("tests/a.py", b"", secrets[:1]), Planted("src/b.py", b"", secrets[1:])]
    updated(open_index(tree))
    allowed = open_index(tree, secrets_allow=("/tests/",))
    assert allowed.diff().added == ["tests/server.key"]
    report = updated(allowed)
    assert report.files.added == 3, "another policy keeps the old texts"
    assert leaks(allowed, files)["texts"] == {secrets[0]}
    assert allowed.status().skipped == {}
    assert allowed.status().secrets.files == 1
    off = open_index(tree, redact_secrets=False)
    updated(off)
    assert leaks(off, files)["texts"] == set(secrets)
    # Back on: what is kept of the old epochs for their readers goes with the next update.
    again = open_index(tree)
    updated(again)
    updated(again)
    assert not any(leaks(again, files).values())


def test_allowing_what_why_says_lets_a_file_in(tmp_path: Path) -> None:
    secret = Maker(13).github()
    tree = Tree(tmp_path / "tree", {"a.py": f"x = '{secret}'\n", "odd [1]*.env": "A=1\n"})
    index = open_index(tree)
    report = updated(index)
    assert (report.secrets.redactions, report.secrets.sensitive) == (1, 1)
    assert index.why("a.py").redactions == {"github-pat": 1}
    assert index.why("odd [1]*.env").reason == "sensitive"
    said = run_cli("why", tree.path("odd [1]*.env")).stdout.decode()
    line = next(line for line in said.splitlines() if "secrets_allow" in line)
    (tree.root / "hybridx.toml").write_text(line.partition(" in hybridx.toml")[0].strip() + "\n")
    result = run_cli("index", tree.root)
    assert b"1 secret redacted in 1 file (" in result.stderr, result.stderr
    assert run_cli("why", tree.path("odd [1]*.env")).returncode == 0


def test_settings_of_secrets(tmp_path: Path) -> None:
    def load(environ: dict[str, str] | None = None) -> Settings:
        return Settings.load(tmp_path, {}, environ=environ or {})

    assert (load().redact_secrets, load().secrets_allow) == (True, ())
    environ = {"HYBRIDX_SECRETS_ALLOW": "tests/*.pem, /certs/", "HYBRIDX_REDACT_SECRETS": "no"}
    assert load(environ).secrets_allow == ("tests/*.pem", "/certs/")
    assert load(environ).redact_secrets is False
    assert load({"HYBRIDX_SECRETS_ALLOW": "a,b\nc\n"}).secrets_allow == ("a,b", "c")
    (tmp_path / "hybridx.toml").write_text('secrets_allow = ["tests/data/"]\n')
    assert load().secrets_allow == ("tests/data/",)
    assert load().origin("secrets_allow") == "hybridx.toml"
    assert hash(load()) == hash(Settings(secrets_allow=("tests/data/",)))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("redact_secrets = false", "not for a project"),
        ('secrets_allow = "a"', "a list of texts"),
        ("secrets_allow = [1]", "1 is none"),
        ('secrets_allow = [""]', "is none"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, line: str, word: str) -> None:
    (tmp_path / "hybridx.toml").write_text(line + "\n")
    (tmp_path / "a.py").write_text("x = 1\n")
    result = run_cli("index", tmp_path)
    assert result.returncode == 2
    assert word in result.stderr.decode()


def test_a_pattern_that_does_not_parse_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    result = run_cli("index", tmp_path, env={**os.environ, "HYBRIDX_SECRETS_ALLOW": "[z-a]"})
    assert result.returncode == 2
    assert "secrets_allow" in result.stderr.decode()
    assert "Traceback" not in result.stderr.decode()
    shown = run_cli("config", "show", tmp_path, env={**os.environ, "HYBRIDX_SECRETS_ALLOW": "a,b"})
    assert b'["a", "b"]' in shown.stdout
