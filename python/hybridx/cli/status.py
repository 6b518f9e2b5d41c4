"""`hybridx status`: what the index holds, and whether it is fresh."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from hybridx.cli._help import examples
from hybridx.cli._hints import OUTDATED
from hybridx.cli._options import index_options, json_option, opened, path_argument
from hybridx.cli._run import interruptible
from hybridx.cli._text import plural, print_columns, print_json, visible, visible_path
from hybridx.units import size

if TYPE_CHECKING:
    from hybridx.types import Status

_Skips = list[tuple[str, str, str]]


@click.command(
    epilog=examples("""
        hybridx status
        hybridx status --no-check          # without a look at the tree
        hybridx status --skipped           # every file that is left out, and why
        hybridx status ~/src/repo --json
    """)
)
@path_argument
@click.option("--skipped", "list_skipped", is_flag=True, help="List every skipped file and why.")
@click.option(
    "--check/--no-check",
    default=True,
    help="Whether to scan the tree for changes since the index; the default is to.",
)
@json_option
@index_options
def status(
    path: str, list_skipped: bool, check: bool, as_json: bool, quiet: bool, **flags: object
) -> None:
    """Show what the index of PATH holds, and whether it is fresh."""

    def work() -> tuple[Status, _Skips]:
        with opened(path, flags) as index:
            return index.status(check=check), index.skipped() if list_skipped else []

    found, skips = interruptible(work)
    if as_json:
        document = found.to_json()
        if list_skipped:
            keys = ("path", "reason", "detail")
            document["skipped_files"] = [dict(zip(keys, row, strict=True)) for row in skips]
        print_json(document)
    elif list_skipped:
        for name, reason, detail in skips:
            click.echo("\t".join((visible_path(name), visible(reason), visible(detail))).rstrip())
        if not quiet:
            click.echo(f"{plural(len(skips), 'file')} skipped", err=True)
    else:
        print_columns(table(found))


def table(found: Status) -> list[tuple[str, ...]]:
    """A status as rows of a name and a value."""
    vectors = "-" if found.vectors is None else f"{found.vectors:,}"
    rows: list[tuple[str, ...]] = [
        ("root", visible_path(found.root)),
        ("generation", f"{found.generation:,}"),
        ("merkle root", found.merkle_root),
        ("model", f"{visible(found.model.name)} ({found.model.dimension:,} dimensions)"),
        *_trouble(found),
        *_upgrade(found),
        ("files", f"{found.files:,}"),
        ("chunks", f"{found.chunks:,} ({found.documents:,} documents, {vectors} vectors)"),
        *_vector_index(found),
        ("freshness", _freshness(found)),
        *([("watched", f"by process {found.watcher}")] if found.watcher is not None else []),
    ]
    sizes = [f"{visible(part)} {size(count)}" for part, count in found.size_bytes.items()]
    rows.append(("size", ", ".join(sizes) or "-"))
    counts = sorted(found.languages.items(), key=lambda each: (-each[1].get("chunks", 0), each[0]))
    for at, (language, count) in enumerate(counts):
        files, chunks = count.get("files", 0), count.get("chunks", 0)
        said = f"{visible(language)}: {plural(files, 'file')}, {plural(chunks, 'chunk')}"
        rows.append(("languages" if at == 0 else "", said))
    skips = [f"{visible(reason)} {count:,}" for reason, count in sorted(found.skipped.items())]
    rows.append(("skipped", ", ".join(skips) or "0"))
    if found.secrets.redactions:
        secrets = plural(found.secrets.redactions, "secret")
        rows.append(("redacted", f"{secrets} in {plural(found.secrets.files, 'file')}"))
    if found.failed:
        rows.append(("failed", f"{found.failed:,} (each run tries them again)"))
    return rows


def _trouble(found: Status) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    if found.model_error is not None:
        rows += [
            ("", f"cannot be used: {visible(found.model_error)}"),
            ("", "until then: hybridx search --mode lexical, or hybridx index --model NAME"),
        ]
    if found.outdated:
        rows.append(("outdated", OUTDATED))
    return rows


def _upgrade(found: Status) -> list[tuple[str, ...]]:
    upgrade = found.upgrade
    if upgrade is None:
        return []
    by = f"by process {upgrade.pid}" if upgrade.pid is not None else "not running"
    share = math.floor(upgrade.coverage * 100)
    said = f"{upgrade.chunks:,} of {upgrade.total:,} chunks, {share}%, {by}"
    return [("upgrade", f"{visible(upgrade.model)}: {said}")]


def _vector_index(found: Status) -> list[tuple[str, ...]]:
    index = found.vector_index
    if index is None:
        return []
    since = f", and {index['uncovered']:,} written since" if index["uncovered"] else ""
    return [("vector index", f"of {plural(index['covered'], 'chunk')}{since}")]


def _freshness(found: Status) -> str:
    if found.fresh is None:
        return "not checked"
    if found.fresh:
        return "fresh"
    return f"{plural(found.pending or 0, 'file')} changed since; run: hybridx index"
