"""Results as language models read them: first what matters, and no token for what does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hybridx.answer import tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hybridx.mcp.served import Freshness
    from hybridx.types import Hit, Outline, OutlinedFile, Status, Symbol

SNIPPET_LINES = 10
_FOOTER = 40
"""Tokens of what stands below the hits."""
_WORD = re.compile(r"[^\W_]{3,}")
_LONGEST_LINE = 200


class Shown:
    """A hit with the lines of it that are shown."""

    def __init__(self, hit: Hit, line: int, lines: Sequence[str]) -> None:
        """`lines` are shown, of which the first has the number `line`."""
        self.hit = hit
        self.line = line
        self.lines = [
            each if len(each) <= _LONGEST_LINE else f"{each[:_LONGEST_LINE]}…" for each in lines
        ]

    def text(self) -> str:
        """The hit for reading."""
        hit = self.hit
        head = f"{hit.path}:{hit.start_line}-{hit.end_line}"
        if self.lines and self.line > hit.start_line:
            head += f" @{self.line}"
        head = "  ".join(filter(None, (head, hit.symbol, hit.kind)))
        return "\n".join((head, *self.lines))

    def to_json(self) -> dict[str, Any]:
        """The hit for programs."""
        hit = self.hit
        row: dict[str, Any] = {
            "path": hit.path,
            "start_line": hit.start_line,
            "end_line": hit.end_line,
            "symbol": hit.symbol,
            "kind": hit.kind,
            "score": round(hit.score, 4),
        }
        if self.lines:
            row |= {"text_line": self.line, "text": "\n".join(self.lines)}
        return row


def page(hits: Sequence[Hit], words: str, detail: str, budget: int) -> list[Shown]:
    """The first hits that fit into `budget` tokens, at least one; of that what fits."""
    wanted = {each.lower() for each in _WORD.findall(words)}
    shown: list[Shown] = []
    left = budget - _FOOTER
    for hit in hits:
        each = _shown(hit, wanted, detail)
        left -= tokens(each.text())
        if left < 0 and shown:
            break
        shown.append(each)
        if left < 0:
            while len(each.lines) > 1 and tokens(each.text()) > budget - _FOOTER:
                each.lines.pop()
            break
    return shown


def _shown(hit: Hit, wanted: set[str], detail: str) -> Shown:
    lines = hit.text.split("\n")
    if detail == "places":
        return Shown(hit, hit.start_line, [])
    if detail == "full" or len(lines) <= SNIPPET_LINES:
        return Shown(hit, hit.start_line, [each.rstrip() for each in lines])
    at = max(hit.best_line - hit.start_line, 0) or _best(lines, wanted)
    some = [each.rstrip() for each in lines[at : at + SNIPPET_LINES]]
    while some and not some[-1]:
        some.pop()
    return Shown(hit, hit.start_line + at, some)


def _best(lines: Sequence[str], wanted: set[str]) -> int:
    """Where the lines begin that have most of the wanted words; the first of equals."""
    # A word counts once, so that a line that repeats it is no better than one that has it.
    found = [{word for word in wanted if word in line.lower()} for line in lines]
    last = max(len(lines) - SNIPPET_LINES, 0)

    def count(at: int) -> int:
        return len(set().union(*found[at : at + SNIPPET_LINES]))

    most = max(map(count, range(last + 1)))
    if count(0) == most:
        return 0
    at = next(at for at in range(last + 1) if count(at) == most)
    # The window that ends with the last of them: it may begin with the first.
    while at < last and count(at + 1) == most and not found[at]:
        at += 1
    return at


def footer(freshness: Freshness, *notes: str) -> str:
    """The line below a result: how fresh it is, and how to go on."""
    number = "" if freshness.generation is None else f"generation {freshness.generation}"
    return f"[{'; '.join(filter(None, (number, freshness.note, *notes)))}]"


def outlined(outline: Outline) -> str:
    """An outline for reading."""
    if outline.kind == "file":
        head = f"{outline.path}  {outline.language}, {outline.lines:,} lines"
        return "\n".join([head, *map(_symbol, outline.symbols)])
    skipped = len(outline.path) + 1 if outline.path else 0
    rows = [f"{name[skipped:]}/  {count:,} files" for name, count in outline.folders.items()]
    rows += [_file(each, each.path[skipped:]) for each in outline.files]
    return "\n".join([f"{outline.path or '.'}/", *rows])


def _symbol(symbol: Symbol) -> str:
    place = str(symbol.start_line)
    if symbol.end_line > symbol.start_line:
        place += f"-{symbol.end_line}"
    said = symbol.signature.rstrip(" :{=") or f"{symbol.kind} {symbol.symbol}"
    return f"{'  ' * symbol.depth}{place} {said}"


def _file(file: OutlinedFile, name: str) -> str:
    row = f"{name}  {file.lines:,} lines" if file.language else name
    if file.symbols:
        more = f", +{file.more}" if file.more else ""
        row += f": {', '.join(file.symbols)}{more}"
    return row


def outline_json(outline: Outline) -> dict[str, Any]:
    """An outline for programs, without what it does not have."""
    document = outline.to_json()
    del document["generation"]
    return {name: value for name, value in document.items() if value not in ("", [], {}, 0)} | {
        "path": outline.path
    }


def status(name: str, found: Status | None, freshness: Freshness, root: str) -> str:
    """An index for reading."""
    rows = [f"{name}: {root}" if name != root else root]
    if found is not None:
        languages = sorted(found.languages.items(), key=lambda item: -item[1]["files"])
        most = ", ".join(f"{language} {each['files']:,}" for language, each in languages[:8])
        rows.append(f"  {found.files:,} files, {found.chunks:,} chunks; {most}")
        rows.append(f"  model {found.model.name}; {found.size_bytes['total'] / 1e6:.1f} MB")
        left_out = _counted([("failed", found.failed), *found.skipped.items()])
        if left_out:
            rows.append(f"  left out: {left_out}")
        if found.pending is not None:
            rows.append(f"  {found.pending} files changed since, as of now")
        if found.upgrade is not None:
            rows.append(
                f"  {found.upgrade.coverage:.0%} of the vectors of {found.upgrade.model} are made"
            )
    rows.append(f"  {footer(freshness)}")
    return "\n".join(rows)


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts if count)
