"""Mine what changelogs and manuals say of a definition: texts like the titles of issues.

A paragraph or item of a prose file that names a definition of its package, in code marks, with
parentheses or as a name that is no word, goes with the chunk in which that definition begins.
Reads WORK/chunks.npz, symbols.txt and terms.tsv; writes WORK/mentions.npz: `text` with
`text_starts`, term numbers; `chunk`, the chunk's number; `name`, the number of the name's term.

    python models/mentions.py CORPUS WORK
"""

from __future__ import annotations

import argparse
import gzip
import html
import multiprocessing
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chunks import paths_of
from hybridx import _core

#: Packages whose texts are about the code of another one; else the name says of which.
ABOUT = {
    "deb-python3.11": "python-library",
    "deb-python3.11-doc": "python-library",
    "deb-python-skimage-doc": "pip-scikit_image",
    "deb-python-pil-doc": "pip-pillow",
}
MANUAL = re.compile(r"deb-(?:python-)?(\w+)-doc")
PROSE = (".md", ".rst", ".rst.txt", ".rdoc", ".rst.gz")
NAMED = re.compile(r"change|news|history|release|readme|whatsnew|faq|todo", re.IGNORECASE)
CODE_SUFFIX = re.compile(r"\.(?:py|js|c|h|cc|go|rs|java|php|rb|ts|css|svg|json|po|mo)$")
MAX_TEXT = 20_000_000

ITEM = re.compile(r"\n\s*\n|\n\s*(?:[-*+•]|\d+\.)\s+|\n\s*(?=\.\. )|\n#+ |</li>|</p>|</dt>")
MARKUP = re.compile(
    r"<[^>]{0,300}>|\[([^\]]*)\]\([^)]*\)|:[a-z:]+:`|\.\. [a-z-]+::|https?://\S+"
    r"|(?:gh-issue|bpo|issue|closes:?|fixes|gh|PR)[- ]?#?\d+|#\d+|\([^()]{0,40}@[^()]*\)",
    re.IGNORECASE,
)
NAME = re.compile(r"[A-Za-z_][\w]*(?:(?:\.|::|#)[A-Za-z_]\w*)*(\(\))?")
WORDS = re.compile(r"[A-Za-z]{2,}")
MIN_WORDS, MAX_WORDS = 5, 60
MAX_DEFINITIONS = 3  # a name that more chunks define is not known by it
MAX_OF_CHUNK = 6
MAX_OF_TEXT = 2

Mention = tuple[str, str]


def read(path: Path) -> str:
    """The text of a prose file."""
    data = path.read_bytes()[:MAX_TEXT]
    if path.suffix == ".gz":
        data = gzip.decompress(data)[:MAX_TEXT]
    return data.decode("utf-8", "replace")


def is_prose(path: str) -> bool:
    """Whether a file holds sentences about code."""
    name = path.rsplit("/", 1)[-1]
    if path.endswith(PROSE) or (path.endswith((".html", ".html.gz")) and "whatsnew" in path):
        return True
    return bool(NAMED.search(name)) and not CODE_SUFFIX.search(name)


def items(text: str) -> Iterator[str]:
    """The paragraphs and items of a text, without their marks."""
    for item in ITEM.split(text):
        if len(item) > 4000:
            continue
        plain = html.unescape(MARKUP.sub(lambda m: f" {m.group(1) or ''} ", item))
        plain = " ".join(plain.split())
        if MIN_WORDS <= len(WORDS.findall(plain)) <= MAX_WORDS:
            yield plain


def names_in(text: str) -> Iterator[str]:
    """The names that cannot be mere words."""
    for found in NAME.finditer(text):
        name = found.group().removesuffix("()")
        last = re.split(r"[.:#]+", name)[-1].strip("_")
        before = text[found.start() - 1 : found.start()]
        telling = "_" in last or found.group(1) or before == "`" or name != last
        telling = telling or re.search(r"[a-z][A-Z]", last)
        if len(last) >= 4 and telling:
            yield last


def mine(task: tuple[Path, list[str], dict[str, list[int]]]) -> list[tuple[str, int, str]]:
    """(text, chunk, name) of all mentions in a package's prose."""
    folder, paths, chunks = task
    found: list[tuple[str, int, str]] = []
    of_chunk: Counter[int] = Counter()
    seen: set[str] = set()
    for path in paths:
        if not is_prose(path):
            continue
        for item in items(read(folder / path)):
            if item in seen:
                continue
            seen.add(item)
            known = {name: chunks[name] for name in names_in(item) if name in chunks}
            rare = sorted(known, key=lambda name: (len(known[name]), -len(name)))
            for name in rare[:MAX_OF_TEXT]:
                for chunk in known[name][:1]:
                    if of_chunk[chunk] < MAX_OF_CHUNK:
                        of_chunk[chunk] += 1
                        found.append((item, chunk, name))
    return found


def main() -> None:
    """Mine and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    args = parser.parse_args()
    defined: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    with (args.work / "symbols.txt").open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            package, symbols = line.rstrip("\n").split("\t", 1)
            for symbol in dict.fromkeys(symbols.split(" ")):
                name = re.split(r"[.:#/]+", symbol)[-1].strip("_")
                if name:
                    defined[package][name].append(number)
    rows = (args.work / "terms.tsv").read_text(encoding="utf-8").split("\n")[:-1]
    ids = {row.split("\t", 1)[0]: at for at, row in enumerate(rows)}
    tasks = []
    for folder in sorted(args.corpus.iterdir()):
        about = ABOUT.get(folder.name) or MANUAL.sub(r"pip-\1", folder.name)
        of_package = defined[about if about in defined else folder.name]
        known = {n: c for n, c in of_package.items() if len(c) <= MAX_DEFINITIONS}
        # Changelogs may be large, and manuals are wanted whole.
        tasks.append((folder, paths_of(folder, MAX_TEXT), known))
    text, starts = array("i"), array("q", [0])
    chunk, name = array("i"), array("i")
    with multiprocessing.Pool() as pool:
        for task, found in zip(tasks, pool.imap(mine, tasks), strict=True):
            for item, number, mentioned in found:
                terms = (term.removeprefix("+") for term in _core.analyze(item).split())
                text.extend([ids[term] for term in terms if term in ids])
                starts.append(len(text))
                chunk.append(number)
                name.append(ids.get(mentioned.lower(), -1))
            if found:
                print(f"{task[0].name:40} {len(found):6}  {found[len(found) // 2]}", flush=True)
    np.savez(
        args.work / "mentions.npz",
        text=np.array(text, np.int32),
        text_starts=np.array(starts, np.int64),
        chunk=np.array(chunk, np.int32),
        name=np.array(name, np.int32),
    )
    print(f"{len(chunk)} mentions")


if __name__ == "__main__":
    main()
