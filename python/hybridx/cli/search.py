"""`hybridx search`: find chunks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from hybridx.cli import _complete as complete
from hybridx.cli._filters import kinds_of, languages_of
from hybridx.cli._help import examples
from hybridx.cli._hints import hint_within_budget
from hybridx.cli._hits import print_grep, print_text
from hybridx.cli._options import (
    index_options,
    json_option,
    observing,
    opened,
    path_argument,
    profile_option,
)
from hybridx.cli._program import complain
from hybridx.cli._run import interruptible
from hybridx.cli._terminal import is_live, is_terminal, wants_color
from hybridx.cli._text import plural, print_json
from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridx.cli._paint import Painter
    from hybridx.cli._terminal import Color
    from hybridx.observer import Observer
    from hybridx.types import Mode, SearchResult

NO_HITS = 1
_MOST = 10_000


@click.command(
    epilog=examples("""
        hybridx search "where are retries configured"
        hybridx search mergePolicy --kind function --lang python,rust
        hybridx search '"connection reset by peer"' --path 'src/**'
        hybridx search "parse a date" ~/src/repo --changed-since 2d
        hybridx search "open a socket" --format grep -k 30
        hybridx search retry --json --max-tokens 4000
    """)
)
@click.argument("query")
@path_argument
@click.option(
    "-k", type=click.IntRange(1, _MOST), default=10, metavar="N", help="At most N hits; 10."
)
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "lexical", "semantic"]),
    default="hybrid",
    help="Ask BM25 and vectors (the default), BM25 alone, or vectors alone.",
)
@click.option(
    "--lang",
    multiple=True,
    metavar="NAMES",
    shell_complete=complete.languages,
    help="Only these languages: python,rust.",
)
@click.option("--path", "globs", multiple=True, metavar="GLOB", help="Only paths like 'src/**'.")
@click.option(
    "--kind",
    multiple=True,
    metavar="NAMES",
    shell_complete=complete.kinds,
    help="Only these kinds: function,class.",
)
@click.option(
    "--changed-since",
    metavar="WHEN",
    help="Only files changed since WHEN: 90m, 2d, a date, or a git revision.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Hits of about N tokens at most; the last one may be cut.",
)
@click.option(
    "--rerank",
    metavar="MODEL",
    shell_complete=complete.folders,
    help="Order the best candidates by the cross-encoder in the folder MODEL; none for none.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "grep", "json", "jsonl"]),
    help="text for reading (the default), grep for path:line:text, or JSON.",
)
@click.option(
    "--explain", is_flag=True, help="Show what each score is made of, and what took how long."
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colours in text; auto is on a terminal, unless NO_COLOR is set or FORCE_COLOR says so.",
)
@click.option("--check", is_flag=True, help="Scan the tree and say how stale the index is.")
@profile_option
@json_option
@index_options
@click.pass_context
def search(
    context: click.Context,
    /,
    query: str,
    path: str,
    k: int,
    mode: Mode,
    lang: Sequence[str],
    globs: Sequence[str],
    kind: Sequence[str],
    changed_since: str | None,
    max_tokens: int | None,
    form: str | None,
    explain: bool,
    color: Color,
    check: bool,
    profile: str | None,
    as_json: bool,
    quiet: bool,
    **flags: object,
) -> None:
    """Find the chunks in the index of PATH that QUERY is about: words, names or a question.

    Exit code 0: there are hits. 1: there are none. 2: an error.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} do not go together")
    if not query.strip():
        raise UsageError("the query is empty; say what to look for")
    languages, kinds = languages_of(lang), kinds_of(kind)

    def work(observer: Observer | None) -> SearchResult:
        with opened(path, flags) as index:
            return index.search(
                query,
                k,
                mode=mode,
                languages=languages,
                paths=globs,
                kinds=kinds,
                changed_since=changed_since,
                max_tokens=max_tokens,
                check=check,
                observer=observer,
            )

    with observing(profile) as observer:
        result = interruptible(lambda: work(observer))
    form = "json" if as_json else form or "text"
    painter = _painter(query, path, color) if form == "text" and result.hits else None
    _show(result, form, painter, explain=explain)
    if not quiet:
        _remark(result)
        if form == "text" and not check and is_terminal(sys.stdout) and is_live():
            hint_within_budget(context, path, flags)
    if not result.hits:
        context.exit(NO_HITS)


def _painter(query: str, root: str, color: Color) -> Painter | None:
    if not wants_color(sys.stdout, color):
        return None
    from hybridx.cli._paint import Painter  # nearly a tenth of a second

    return Painter(query, root)


def _show(
    result: SearchResult, form: str, painter: Painter | None = None, *, explain: bool
) -> None:
    if form == "json":
        print_json(_json(result, explain=explain))
    elif form == "jsonl":
        for hit in _json(result, explain=explain)["hits"]:
            print_json(hit, indent=None)
    elif form == "grep":
        print_grep(result)
    else:
        print_text(result, explain=explain, painter=painter)


def _json(result: SearchResult, *, explain: bool) -> dict[str, Any]:
    """The result; how it came about only if that was asked for."""
    document = result.to_json()
    if not explain:
        del document["stages_ms"]
        for hit in document["hits"]:
            del hit["effects"]
    return document


def _remark(result: SearchResult) -> None:
    if result.stale_files:
        changed = plural(result.stale_files, "file")
        complain(f"{changed} changed since the index was made; run: hybridx index")
    if not result.hits:
        complain("no hits")
