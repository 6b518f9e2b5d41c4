"""Makes a quality set in other languages out of source trees: queries whose one answer is known.

    python benches/known_items.py OUT TREE... [--each 40] [--seed 20]

TREE  a folder, or `NAME=FOLDER`: one package of the set. Test suites, documentation and
      dependencies are best left out.

Writes, in the format of `benches/quality.py`:

    OUT/corpus/NAME      the files of each tree that an index would hold
    OUT/{describe,name,split}.jsonl    queries (`id`, `package`, `language`, `text`) of three kinds:
        describe  the first sentence of what documents a definition, which is cut out of the corpus
        name      the name of a definition that is the only one of its name and is used elsewhere
        split     the words of such a name, in lower case
    OUT/queries.jsonl    all of them
    OUT/qrels.tsv        the file that holds the definition

There are at most `--each` queries of a kind for a tree, at most two of a file, none for files that
are tests, examples or not written by hand. A sentence has 5 to 20 words, occurs once, and has
neither the definition's name nor a word of its file's name. The same seed gives the same set.

Definitions are those of the chunks; sentences are taken by what comments look like, so that a few
are odd. Several files may answer a sentence or the words of a name as well as the one that counts:
compare such figures with each other, not with those of sets that people judged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hybridx import _core
from hybridx.ranking.paths import traits_of
from hybridx.ranking.question import ask, stem_terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = ("describe", "name", "split")
PER_FILE = 2
WORDS = range(5, 21)
LEAST_NAME = 5
"""A shorter name is often a word of something else."""
BETWEEN = 4
"""Lines from a comment to the name it documents: attributes, a type, or half a declaration."""

SLASHES = re.compile(r"^([ \t]*///(?!/).*\n)+", re.MULTILINE)
STARS = re.compile(r"^[ \t]*/\*\*(?![*/])(?:[^*]|\*(?!/))*\*/[ \t]*\n", re.MULTILINE)
LINES = re.compile(r"^([ \t]*//(?!go:|[ \t]*\+build).*\n)+", re.MULTILINE)
HASHES = re.compile(r"^([ \t]*#(?!!).*\n)+", re.MULTILINE)
EITHER = re.compile(f"{STARS.pattern}|{LINES.pattern}", re.MULTILINE)
STRING = re.compile(r'^[ \t]+[rR]?"""[^"]*(?:"{1,2}[^"]+)*"""[ \t]*\n', re.MULTILINE)
STYLES = {
    "c": STARS,
    "cpp": STARS,
    "csharp": SLASHES,
    "go": LINES,
    "java": STARS,
    "javascript": EITHER,
    "kotlin": STARS,
    "php": STARS,
    "python": STRING,
    "ruby": HASHES,
    "rust": SLASHES,
    "scala": STARS,
    "swift": SLASHES,
    "tsx": EITHER,
    "typescript": EITHER,
}
"""What documents a definition, by language: below it in Python, above it elsewhere."""

_MARKER = re.compile(r'^[ \t]*(?:/\*\*|\*/|\*(?!/)|///?|#|[rR]?""")?[ \t]?|(?:\*/|""")[ \t]*$')
_END = re.compile(r"^\s*(?:$|[@\\:#=+*-]|```|\w+:$|<p>)")
"""A line that ends the first paragraph."""
_MARKUP = re.compile(
    r"\{@\w+\s+([^}]*)\}|:\w+:`~?([^`]*)`|\[([^]]*)\](?:\([^)]*\))?|</?\w+/?>|[\\@]brief\s|`"
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WORD = re.compile(r"\w+")


@dataclass
class File:
    """A file of a tree: what it defines, and in which of its lines."""

    path: str
    language: str
    text: str
    definitions: list[tuple[range, list[str]]] = field(default_factory=list)
    """Lines of a chunk, counted from 0, and the names of the definitions that begin in it."""

    @property
    def names(self) -> list[str]:
        """Every definition's own name."""
        return [name for _, names in self.definitions for name in names]


@dataclass(frozen=True)
class Item:
    """Something to be found."""

    file: File
    name: str
    text: str
    span: tuple[int, int] = (0, 0)
    """Where in the file's text its documentation stands."""


def files_of(root: Path) -> list[File]:
    """The files that an index of `root` would hold, in path order."""
    paths = _core.scan(root).tree.paths()
    files: dict[str, File] = {}
    for batch in _core.ingest(root, paths):
        chunks: list[dict[str, Any]] = pa.record_batch(batch).to_pylist()
        for chunk in sorted(chunks, key=lambda chunk: (chunk["path"], chunk["start_line"])):
            path = chunk["path"]
            if path not in files:
                source = root / os.fsdecode(_core.decode_path(path))
                answers = not chunk["origin"] and not traits_of(path)
                files[path] = File(
                    path,
                    chunk["language"] if answers else "",
                    source.read_text("utf-8", errors="replace"),
                )
            names = [_WORD.findall(symbol) for symbol in chunk["symbols"].splitlines()]
            files[path].definitions.append(
                (
                    range(chunk["start_line"] - 1, chunk["end_line"]),
                    [parts[-1] for parts in names if parts],
                )
            )
    return [files[path] for path in sorted(files)]


def documented(file: File) -> Iterator[tuple[str, tuple[int, int]]]:
    """Names of definitions, and where the comments stand that document them."""
    lines = file.text.splitlines()
    style = STYLES[file.language]
    once = {name for name, count in Counter(file.names).items() if count == 1}
    first = {}
    for chunk, names in file.definitions:
        for name in once.intersection(names):
            word = re.compile(rf"\b{re.escape(name)}\b")
            for at in chunk:
                if word.search(lines[at]) and not lines[at].lstrip().startswith(("*", "/", "#")):
                    first[at] = name
                    break
    for match in style.finditer(file.text):
        start = file.text.count("\n", 0, match.start())
        if style is STRING:
            near = range(start - 1, max(start - 1 - BETWEEN, -1), -1)
        else:
            start += match[0].count("\n")
            near = range(start, min(start + BETWEEN, len(lines)))
        for at in near:
            if at in first:
                yield first[at], match.span()
            if at in first or not lines[at].strip():
                break


def sentence(comment: str, name: str) -> str:
    """The first sentence of a comment, without markup and without the name it may begin with."""
    taken: list[str] = []
    for line in comment.splitlines():
        bare = _MARKUP.sub(_inner, _MARKER.sub("", line))
        if taken and _END.match(bare):
            break
        if bare.strip():
            taken.append(bare.strip())
    text = re.sub(rf"^{re.escape(name)}(?:\(\))?\s*[-:–]*\s+", "", " ".join(taken))
    text = re.split(r"(?<=[.!?])\s|:\s|;\s", " ".join(text.split()), maxsplit=1)[0]
    return text.rstrip(".!?:; ")


def _inner(match: re.Match[str]) -> str:
    return match[1] or match[2] or match[3] or ""


def described(files: Sequence[File]) -> list[Item]:
    """What documentation says first."""
    every = [
        Item(file, name, sentence(file.text[slice(*span)], name), span)
        for file in files
        if file.language in STYLES
        for name, span in documented(file)
    ]
    counts = Counter(item.text.lower() for item in every)
    return [
        item
        for item in every
        if len(item.text.split()) in WORDS
        and re.match(r"[A-Za-z]", item.text)
        and counts[item.text.lower()] == 1
        and item.name.lower() not in _WORD.findall(item.text.lower())
        and ask(item.text).singulars.isdisjoint(stem_terms(item.file.path))
    ]


def named(files: Sequence[File]) -> list[Item]:
    """Names that are defined once, and used in another file."""
    defined = Counter(name for file in files for name in file.names)
    used: dict[str, set[str]] = defaultdict(set)
    for file in files:
        for word in set(_WORD.findall(file.text)):
            if defined[word] == 1:
                used[word].add(file.path)
    return [
        Item(file, name, name)
        for file in files
        if file.language in STYLES
        for name in file.names
        if len(name) >= LEAST_NAME and defined[name] == 1 and used[name] - {file.path}
    ]


def sampled(items: Sequence[Item], most: int, generator: random.Random) -> list[Item]:
    """At most `most` of the items, few of each file."""
    taken: list[Item] = []
    per_file: Counter[str] = Counter()
    for item in generator.sample(items, len(items)):
        if per_file[item.file.path] < PER_FILE and len(taken) < most:
            per_file[item.file.path] += 1
            taken.append(item)
    return taken


def write_tree(folder: Path, files: Sequence[File], described: Sequence[Item]) -> None:
    """Writes the files without the documentation that is asked for."""
    cuts = defaultdict(list)
    for item in described:
        cuts[item.file.path].append(item.span)
    for file in files:
        text = file.text
        for start, end in sorted(cuts[file.path], reverse=True):
            text = text[:start] + text[end:]
        path = folder / os.fsdecode(_core.decode_path(file.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="")


def main() -> None:
    """Reads the arguments, writes the set, prints its size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("trees", nargs="+", metavar="TREE")
    parser.add_argument("--each", type=int, default=40, help="queries of a kind for a tree")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    shutil.rmtree(options.out / "corpus", ignore_errors=True)
    rows: dict[str, list[dict[str, str]]] = {kind: [] for kind in KINDS}
    qrels = []
    for tree in options.trees:
        name, _, folder = tree.rpartition("=")
        name = name or Path(folder).resolve().name
        generator = random.Random(f"{options.seed} {name}")
        files = files_of(Path(folder))
        descriptions = sampled(described(files), options.each, generator)
        names = sampled(named(files), options.each, generator)
        splits = [
            Item(item.file, item.name, " ".join(parts).lower())
            for item in names
            if len(parts := _PARTS.findall(item.name)) > 1
        ]
        write_tree(options.out / "corpus" / name, files, descriptions)
        for kind, items in zip(KINDS, (descriptions, names, splits), strict=True):
            for number, item in enumerate(items):
                row = {"id": f"{kind}-{name}-{number}", "package": name}
                row |= {"language": item.file.language, "text": item.text}
                rows[kind].append(row)
                qrels.append(f"{row['id']}\t{name}/{item.file.path}\t1\n")
        counts = f"{len(descriptions):4} {len(names):4} {len(splits):4}"
        print(f"{name:28} {len(files):5} files  {counts}", flush=True)
    for kind in (*KINDS, "queries"):
        chosen = rows.get(kind) or [row for each in rows.values() for row in each]
        text = "".join(json.dumps(row) + "\n" for row in chosen)
        (options.out / f"{kind}.jsonl").write_text(text, "utf-8")
    (options.out / "qrels.tsv").write_text("".join(qrels), "utf-8")


if __name__ == "__main__":
    main()
