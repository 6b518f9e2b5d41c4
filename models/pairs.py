"""Mine (question, code) pairs: a definition's documentation against the rest of it.

The question is the first sentence of the docstring or of the comment above the definition; the
code is the definition with its names, and every second time with what follows the first sentence.
Writes WORK/pairs.jsonl, one [question, code] a line, duplicates of either side removed.

    python models/pairs.py CORPUS… --out WORK
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import random
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from corpus import source_files

MAX_CODE_CHARS = 2000
MAX_PER_PACKAGE = 25_000
SEED = 20240607

Pair = tuple[str, str, str]  # first sentence, rest of the documentation, code

#: By language: what starts a line comment, and what a definition's head holds.
COMMENTED = {
    "rust": ("///", re.compile(r"\b(?:fn|struct|enum|trait)\s+\w")),
    "go": ("//", re.compile(r"^(?:func|type)\b")),
    "java": ("", re.compile(r"\w\s*\(|\b(?:class|interface|enum|record)\s+\w")),
    "javascript": ("", re.compile(r"\w\s*\(|\bclass\s+\w|=>")),
    "php": ("", re.compile(r"\bfunction\b|\b(?:class|interface|trait)\s+\w")),
    "c": ("//", re.compile(r"\w\s*\(|\b(?:class|struct|enum)\s+\w")),
    "ruby": ("#", re.compile(r"^\s*(?:def|class|module)\s")),
}
HEAD_LINES = 8  # a head longer than this is none
BODY_LINES = 80
CONTROL = re.compile(r"\s*(?:\}?\s*else|if|for|while|switch|do|return|case|try)\b")
ATTRIBUTE = ("@", "#[", "[", "template", "#pragma")

TAG = re.compile(r"\{@\w+\s+([^}]*)\}|<[^>]+>|:\w+:|[`*|]")
SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z@])|\n\s*\n|\n\s*(?=[@:\\>-])")
LEGAL = re.compile(
    r"copyright|licen[sc]e|generated|deprecated|todo|fixme|eslint|nolint", re.IGNORECASE
)
KERNEL_DOC = re.compile(r"^(?:struct |enum |\w+ )?\w+(?:\(\))?\s+-\s+|^\w+\(\):?\s+")


def sentences(comment: str) -> tuple[str, str]:
    """The first sentence of a documentation text, and the rest."""
    text = TAG.sub(lambda m: m.group(1) or " ", comment.strip())
    pieces = SENTENCE.split(text, maxsplit=1)
    first = KERNEL_DOC.sub("", " ".join(pieces[0].split()))
    return first.strip(), " ".join(pieces[1].split()) if len(pieces) > 1 else ""


def python_pairs(text: str) -> Iterator[Pair]:
    """Functions and classes with a docstring."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return
    lines = text.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        doc = ast.get_docstring(node)
        if not doc or len(node.body) < 2:
            continue
        string = node.body[0]
        code = (
            lines[node.lineno - 1 : string.lineno - 1] + lines[string.end_lineno : node.end_lineno]
        )
        yield *sentences(doc), "\n".join(code)


def comment_at(lines: list[str], at: int, mark: str) -> tuple[str, int]:
    """The comment that starts at a line, and the line after it; no text if there is none."""
    start = at
    first = lines[at].lstrip()
    if first.startswith("/*") and mark not in ("#", "///"):
        while at < len(lines) and "*/" not in lines[at]:
            at += 1
        at += 1
    elif mark and first.startswith(mark):
        while at < len(lines) and lines[at].lstrip().startswith(mark):
            at += 1
    bare = (line.strip().strip("/*#!").removesuffix("*/") for line in lines[start:at])
    return "\n".join(line.removeprefix(" ") for line in bare), max(at, start + 1)


def definition_at(lines: list[str], start: int, language: str) -> list[str]:
    """The definition whose head starts at a line; nothing if there is none."""
    ruby = language == "ruby"
    for at in range(start, min(start + HEAD_LINES, len(lines))):
        line = lines[at].rstrip()
        if not line or (line.endswith((";", ",")) and at == start) or line.lstrip()[0] in "/*":
            return []
        if "{" in line or ruby:
            break
    else:
        return []
    head = "\n".join(lines[start : at + 1])
    if ";" in head.split("{")[0] or CONTROL.match(head) or not COMMENTED[language][1].search(head):
        return []
    indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
    closing = indent + ("end" if ruby else "}")
    end = at + 1
    while end < min(at + BODY_LINES, len(lines)) and not lines[end].startswith(closing):
        end += 1
    return lines[start : end + 1]


def commented_pairs(text: str, language: str) -> Iterator[Pair]:
    """Definitions with a comment right above them."""
    mark = COMMENTED[language][0]
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        comment, at = comment_at(lines, at, mark)
        if not comment.strip():
            continue
        while at < len(lines) and lines[at].lstrip().startswith(ATTRIBUTE):
            at += 1
        code = definition_at(lines, at, language) if at < len(lines) else []
        if code:
            yield *sentences(comment), "\n".join(code)


def useful(question: str, code: str) -> bool:
    """Whether a pair can teach: a real sentence and a real body."""
    words = re.findall(r"[A-Za-z]{2,}", question)
    if not 3 <= len(words) <= 40 or LEGAL.search(question) or question[0] == "@":
        return False
    return len(code) >= 40 and len(re.findall(r"[A-Za-z_]\w+", code)) >= 8


def mine(file: tuple[str, str, str]) -> list[tuple[str, str, str]]:
    """All useful pairs of a file, as (package, question, code)."""
    path, language, text = file
    package = path.split("/")[0]
    pairs = []
    found = python_pairs(text) if language == "python" else commented_pairs(text, language)
    for question, rest, code in found:
        if useful(question, code):
            if rest and zlib.crc32(question.encode()) % 2:
                pairs.append((package, question, f"{rest[:400]}\n{code}"[:MAX_CODE_CHARS]))
            else:
                pairs.append((package, question, code[:MAX_CODE_CHARS]))
    return pairs


def main() -> None:
    """Mine and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with multiprocessing.Pool() as pool:
        mined = pool.imap(mine, source_files(args.corpus), chunksize=64)
        pairs = [pair for found in mined for pair in found]
    random.Random(SEED).shuffle(pairs)
    packages: Counter[str] = Counter()
    seen: set[str] = set()
    with (args.out / "pairs.jsonl").open("w", encoding="utf-8") as file:
        for package, question, code in pairs:
            if packages[package] >= MAX_PER_PACKAGE or question in seen or code in seen:
                continue
            seen.update((question, code))
            packages[package] += 1
            file.write(json.dumps([question, code]) + "\n")
    print(f"{packages.total()} pairs; most from {packages.most_common(12)}")


if __name__ == "__main__":
    main()
