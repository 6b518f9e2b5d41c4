"""Every command and program in the README and in docs/ runs, and prints what the page shows.

`pages.py` says how blocks are read. Each page has a home of its own with a small tree in it, one
shell and one vector cache; its blocks run in their order.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from hybridx.cli import cli
from hybridx.config import Settings
from pages import LANGUAGES, Block, Page, Shell, fits, programs, split
from support import PROJECT, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [Page(ROOT, path) for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))]
LINKED = [
    *PAGES,
    *(
        Page(ROOT, ROOT / name)
        for name in (
            "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "benches/README.md",
            "models/README.md",
        )
    ),
]  # fmt: skip
EVERY = [block for page in PAGES for block in page.blocks]

NOT_RUN = {
    "builds hybridx": 2,
    "needs a package index": 1,
    "needs the hub": 3,
    "needs a GPU": 1,
    "needs systemd": 3,
    "needs another program": 3,
}
"""Why a block may be marked as not run, and how many may be."""

SHARE = 0.9
"""At least this part of the blocks of shell and Python is run."""


LANES = 2
"""Pages that run side by side."""


def make_home(folder: Path) -> Path:
    """A home like that of a new user, who uses git."""
    (folder / ".config").mkdir(parents=True)
    (folder / ".gitconfig").write_text(
        "[user]\nname = You\nemail = you@example.org\n[init]\ndefaultBranch = main\n"
    )
    return folder


def environment(home: Path) -> dict[str, str]:
    """What a new user's shell has."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HYBRIDX_")}
    bin_ = programs(home / ".local/bin")
    return kept | {
        "HOME": str(home),
        "PATH": f"{bin_}{os.pathsep}{kept.get('PATH', '')}",
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
    }


def place(page: Page, home: Path, env: dict[str, str]) -> Path:
    """The folder that a page begins in."""
    if page.name == "docs/tutorial.md":
        return home
    if page.name == "README.md":
        root = home / "hybridx"
        copy_repository(root)
    else:
        root = Tree(home / "project", PROJECT).root
    script = "git init -q . && git add . && git commit -q -m 'First commit'"
    subprocess.run(["bash", "-c", script], cwd=root, env=env, check=True)
    return root


def copy_repository(root: Path) -> None:
    """Copies the sources, without this documentation: what it shows is to be found elsewhere."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:  # not a clone
        outside = shutil.ignore_patterns(".*", "target", "dist", "*.so", "__pycache__", "docs")
        shutil.copytree(ROOT, root, ignore=outside)
        return
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not name.startswith("docs/") and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)


def run(page: Page, folder: Path) -> None:
    """Runs what is on a page, in order; `AssertionError` where it is not as the page says."""
    home = make_home(folder / "home")
    env = environment(home)
    log = folder / "log"
    log.mkdir()
    shell = Shell(place(page, home, env), env, log)
    try:
        steps = list(page.steps())
        code = 0
        for step, after in zip(steps, [*steps[1:], None], strict=True):
            code, said = shell.run(step.command, after=code)
            where = f"{page.name}:{step.line}: {step.command}"
            told = after is not None and after.command.strip() == "echo $?"
            assert code == 0 or told, f"{where}\nended with {code}:\n{said}"
            assert "Traceback" not in said, f"{where}\nprinted:\n{said}"
            if step.shown is not None:
                exactly = step.command.startswith("echo ")
                same = step.shown == said if exactly else fits(step.shown, said)
                assert same, f"{where}\nprinted:\n{said}\nand not:\n{step.shown}"
    finally:
        shell.close()


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """All pages that are asked for. Two at once take little more than half of the time."""
    by_name = {page.name: page for page in PAGES}
    asked = [
        by_name[item.callspec.id]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_a_page_runs"
    ]
    with ThreadPoolExecutor(LANES) as lanes:
        yield {
            page.name: lanes.submit(run, page, tmp_path_factory.mktemp("page")) for page in asked
        }
        lanes.shutdown(cancel_futures=True)


def test_there_are_pages() -> None:
    assert len(PAGES) > 25
    assert sum(len(list(page.steps())) for page in PAGES) > 150


@pytest.mark.parametrize("page", [page for page in PAGES if list(page.steps())], ids=str)
def test_a_page_runs(page: Page, runs: dict[str, Future[None]]) -> None:
    runs[page.name].result()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_blocks_have_a_language_and_are_fenced(page: Page) -> None:
    for block in page.blocks:
        assert block.language in LANGUAGES, f"{block}: what is {block.language!r}?"
    within = False
    before = ""
    for at, line in enumerate(page.text.splitlines(), start=1):
        within ^= line.lstrip().startswith("```")
        indented = line.startswith("    ") and not before.strip()
        assert within or not indented, f"{page.name}:{at}: fence this block, or nobody runs it"
        before = line


def test_what_is_not_run_is_little_and_has_a_reason() -> None:
    reasons: dict[str, list[str]] = {}
    for block in EVERY:
        if block.not_run:
            reasons.setdefault(block.not_run, []).append(str(block))
    assert reasons.keys() <= NOT_RUN.keys(), (
        f"these are no reasons: {reasons.keys() - NOT_RUN.keys()}"
    )
    for reason, blocks in reasons.items():
        assert len(blocks) <= NOT_RUN[reason], f"{reason}: {blocks}"
    programs_ = [block for block in EVERY if block.language in {"sh", "console", "python"}]
    run = [block for block in programs_ if not block.not_run]
    assert len(run) >= SHARE * len(programs_), f"only {len(run)} of {len(programs_)} blocks are run"


@pytest.mark.parametrize("block", [block for block in EVERY if block.not_run], ids=str)
def test_what_is_not_run_is_at_least_valid(block: Block) -> None:
    if block.language == "python":
        compile(block.text, str(block), "exec")
    elif block.language in {"sh", "console"}:
        text = block.text
        if block.language == "console":
            lines = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
            text = "\n".join(lines) + "\n"
        block = Block(block.page, block.line, "sh", text)
        for _, command in split(block):
            check_commands(command, str(block))
    else:
        check_commands(block.text, str(block))


@pytest.mark.parametrize(
    "block", [block for block in EVERY if block.language in {"toml", "json", "yaml"}], ids=str
)
def test_files_are_valid(block: Block, tmp_path: Path) -> None:
    if block.language == "toml":
        tables = tomllib.loads(block.text)
        name = "pyproject.toml" if "tool" in tables else "hybridx.toml"
        (tmp_path / name).write_text(block.text)
        settings = Settings.load(tmp_path, {}, environ={})
        assert settings.origins, f"{block} sets nothing"
    elif block.language == "json":
        check_started(json.loads(block.text), str(block))
    else:
        yaml = pytest.importorskip("yaml", reason="pre-commit brings it")
        manifest = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
        there = {hook["id"] for hook in manifest}
        named = [
            hook["id"]
            for repository in yaml.safe_load(block.text)["repos"]
            for hook in repository["hooks"]
        ]
        assert named
        assert set(named) <= there, f"{block}: hooks are {there}"


def check_started(document: object, where: str) -> None:
    """Asserts that the hybridx which a program's settings start is there."""
    if isinstance(document, dict):
        if document.get("command") == "hybridx":
            check_commands(shlex.join(["hybridx", *document.get("args", [])]), where)
        for value in document.values():
            check_started(value, where)
    elif isinstance(document, list):
        for value in document:
            check_started(value, where)


def test_examples_of_help_exist() -> None:
    shown = [block for block in EVERY if block.text.startswith("Examples:")]
    assert len(shown) > 10
    for block in shown:
        check_commands(block.text, str(block))


@pytest.mark.parametrize("page", LINKED, ids=str)
def test_commands_named_in_the_text_exist(page: Page) -> None:
    for at, span in page.spans():
        if span.startswith("hybridx "):
            check_commands(span, f"{page.name}:{at}")


CALLED = re.compile(r"(?:^|[\s;&|(=/\"'])hybridx((?: +[^\s;|&<>#)]+)*)", re.MULTILINE)


def check_commands(text: str, where: str) -> None:
    """Asserts that every command of hybridx in `text`, and every option given to it, exists."""
    for found in CALLED.finditer(text.replace("\\\n", " ")):
        words = [word.strip("[]`'\",…") for word in found[1].split()]
        words = [word for word in words if word]
        command: click.Command = cli
        while words and isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", words[0]):
            if words[0].startswith("-"):
                break
            inner = command.commands.get(words[0])
            assert inner is not None, f"{where}: there is no command `{found[0].strip()}`"
            command = inner
            words.pop(0)
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        known |= {"--help", "-h"}
        for word in words:
            if word.startswith("-") and word.strip("-"):
                name = word.partition("=")[0]
                assert name in known, f"{where}: `hybridx {command.name}` has no option {name}"


@pytest.mark.parametrize("page", LINKED, ids=str)
def test_links_lead_somewhere(page: Page) -> None:
    for at, target in page.links():
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.path.parent / path).resolve() if path else page.path
        assert there.exists(), f"{page.name}:{at}: there is no {path}"
        if anchor:
            anchors = Page(ROOT, there).anchors()
            assert anchor in anchors, f"{page.name}:{at}: {there.name} has no heading #{anchor}"


def test_every_page_can_be_reached() -> None:
    reached: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        path = todo.pop()
        if path in reached or path.suffix != ".md" or not path.exists():
            continue
        reached.add(path)
        targets = (target.partition("#")[0] for _, target in Page(ROOT, path).links())
        todo += [(path.parent / target).resolve() for target in targets if ":" not in target]
    lost = [page.name for page in PAGES if page.path not in reached]
    assert not lost, f"no link leads to {lost}"
