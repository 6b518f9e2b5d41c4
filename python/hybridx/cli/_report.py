"""What an update did: lines for logs and pipes, a table for a terminal."""

from __future__ import annotations

import math
import re
import shlex
from itertools import groupby
from typing import TYPE_CHECKING

import click

from hybridx.cli._terminal import columns, is_live
from hybridx.cli._text import plural, seconds, visible, visible_path
from hybridx.units import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hybridx.report import FileError, IndexReport, Secrets

_SHOWN = 3
"""Failed files shown of each stage, and of each message on a terminal."""
_MESSAGES = 5
"""Messages shown of each stage."""
_WIDE = 60
"""Columns of a terminal from which on a table can be read."""


def print_report(report: IndexReport) -> None:
    """Prints to stderr what a run did."""
    if is_live() and columns() >= _WIDE and report.files.changed:
        from hybridx.cli._tables import print_summary  # rich takes nearly a tenth of a second

        print_summary(rows(report), notes(report))
        print_digest(report.errors)
    else:
        for line in summary(report):
            click.echo(line, err=True)


def print_digest(errors: Sequence[FileError]) -> None:
    """Prints to stderr which files failed in which stage: on a terminal by what went wrong."""
    for line in by_message(errors) if is_live() else digest(errors):
        click.echo(line, err=True)


def summary(report: IndexReport) -> list[str]:
    """What a run did, in lines for people."""
    took = report.seconds.total
    skipped = f"; {report.files.skipped:,} skipped" if report.files.skipped else ""
    if not report.files.changed:
        first = "no change" if report.files.failed else "up to date"
        end = f"generation {report.generation} ({seconds(took)})"
        same = plural(report.files.unchanged, "file")
        return [f"{first}: {same}{skipped}; {end}", *unfinished(report), *digest(report.errors)]
    rate = _rate(report)
    return [
        f"{plural(report.files.changed, 'file')}: {_files(report)}{skipped}",
        f"{plural(report.chunks.total, 'chunk')}: {_chunks(report)}, {_vectors(report)}",
        f"generation {report.generation} in {seconds(took)}{f' ({rate})' if rate else ''}",
        *kept_out(report.secrets),
        *unfinished(report),
        *digest(report.errors),
    ]


def rows(report: IndexReport) -> list[tuple[str, str, str]]:
    """The same as rows of a stage, what it did, and how long it was at it.

    Stages run side by side: their times do not sum to that of the whole.
    """
    files, chunks, spent = report.files, report.chunks, report.seconds
    left_out = [f"{files.skipped:,} skipped"] if files.skipped else []
    left_out += [f"{files.failed:,} failed"] if files.failed else []
    found = [
        ("scan", ", ".join([f"{plural(files.seen, 'file')}", *left_out]), spent.scan),
        ("files", _files(report), spent.ingest),
        ("chunks", f"{_chunks(report)}, {chunks.total:,} in all", 0.0),
        ("embeddings", _vectors(report), spent.tokenize + spent.embed),
        ("store", size(report.bytes_read) + " of text", spent.store + spent.commit),
        (f"generation {report.generation}", _rate(report), spent.total),
    ]
    return [(name, what, seconds(took) if took else "") for name, what, took in found]


def notes(report: IndexReport) -> list[str]:
    """What is to be known beside the numbers."""
    return [*kept_out(report.secrets), *unfinished(report)]


def _files(report: IndexReport) -> str:
    files, unchanged = report.files, f"{report.files.unchanged:,} unchanged"
    return f"{files.told()}, {unchanged}" if files.changed else unchanged


def _chunks(report: IndexReport) -> str:
    return f"{report.chunks.added:,} added, {report.chunks.removed:,} removed"


def _vectors(report: IndexReport) -> str:
    chunks = report.chunks
    where = f" on {visible(report.device)}" if chunks.embedded else ""
    reused = plural(chunks.reused_vectors, "vector")
    return f"{chunks.embedded:,} embedded{where}, {reused} reused"


def _rate(report: IndexReport) -> str:
    took = report.seconds.total
    if took <= 0:
        return ""
    return f"{size(report.bytes_read / took)}/s, {report.files.changed / took:,.0f} files/s"


def kept_out(secrets: Secrets) -> list[str]:
    """What the index holds no secrets of, in a line for people; none if there was nothing."""
    parts = []
    if secrets.redactions:
        redacted = plural(secrets.redactions, "secret")
        parts.append(f"{redacted} redacted in {plural(secrets.files, 'file')}")
    if secrets.sensitive:
        parts.append(f"{plural(secrets.sensitive, 'sensitive file')} skipped")
    return [f"secrets: {', '.join(parts)} (`hybridx why FILE` says more)"] if parts else []


def unfinished(report: IndexReport) -> list[str]:
    """What is not done of another model's vectors, in a line for people."""
    found = report.upgrade
    if found is None:
        return []
    so_far = f"{visible(found.model)} has {math.floor(found.coverage * 100)}% of the vectors"
    if found.pid is not None:
        return [f"{so_far}; process {found.pid} is filling in the rest"]
    place, model = (shlex.quote(visible_path(each)) for each in (report.root, found.path))
    return [f"{so_far}; to go on: hybridx index {place} --model {model}"]


def digest(errors: Sequence[FileError]) -> list[str]:
    """The first failed files of every stage."""
    lines = []
    for stage, some in groupby(
        sorted(errors, key=lambda each: each.stage), lambda each: each.stage
    ):
        rows = list(some)
        lines.append(f"{plural(len(rows), 'file')} failed in {visible(stage)}:")
        lines += [f"  {visible_path(row.path)}: {visible(row.message)}" for row in rows[:_SHOWN]]
        if len(rows) > _SHOWN:
            lines.append(f"  and {len(rows) - _SHOWN:,} more (--json lists them all)")
    return lines


def by_message(errors: Sequence[FileError]) -> list[str]:
    """The failed files of every stage, those that failed alike together."""
    lines = []
    for stage, some in _grouped(errors, lambda each: each.stage):
        lines.append(f"{plural(len(some), 'file')} failed in {visible(stage)}:")
        alike = _grouped(some, _kind)
        for _, group in alike[:_MESSAGES]:
            names = ", ".join(visible_path(row.path) for row in group[:_SHOWN])
            more = f" and {len(group) - _SHOWN:,} more" if len(group) > _SHOWN else ""
            lines.append(f"  {len(group):,} × {visible(group[0].message)}: {names}{more}")
        left = sum(len(group) for _, group in alike[_MESSAGES:])
        if left:
            lines.append(f"  and {left:,} more (--json lists them all)")
    return lines


def _kind(error: FileError) -> str:
    """A message without what differs from file to file."""
    return re.sub(r"\d+", "#", error.message.replace(error.path, ""))


def _grouped(
    errors: Iterable[FileError], key: Callable[[FileError], str]
) -> list[tuple[str, list[FileError]]]:
    """The errors by `key`, the largest group first."""
    groups: dict[str, list[FileError]] = {}
    for each in errors:
        groups.setdefault(key(each), []).append(each)
    return sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
