"""Cut the corpus as the product does, and keep of every chunk what pairs are made of.

The product's own chunker reads every file of the corpus, in all its languages. A chunk's text is a
bag of terms to the model, so terms are all that is kept, as numbers into one vocabulary of the
whole corpus. Writes into OUT:

    chunks.npz   `passage`, `doc`, `name`, `error`, `code`: term numbers of all chunks, one after
                 the other, each with its `*_starts`; `package`, `document`, `language`: numbers
    symbols.txt  a line a chunk: package, a tab, the qualified names that begin in it
    terms.tsv    a line a term: the term, its words if it is a compound, its occurrences, in how
                 many files it is, and how useful it is (see `vocabulary.py`)

`passage` is what is embedded of a chunk, `doc` what documents its definitions, `name` their names,
`error` its messages: quoted texts of several words.

    python models/chunks.py CORPUS --out OUT
"""

from __future__ import annotations

import argparse
import math
import os
import re
from array import array
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import EXCLUDED, MAX_FILE_BYTES
from hybridx import _core

FIELDS = ("passage", "doc", "name", "error")
MESSAGE = re.compile(r"\"((?:[^\"\\\n]|\\.){16,200})\"|'((?:[^'\\\n]|\\.){16,200})'")
WORDS = re.compile(r"[A-Za-z]{2,}")
MIN_MESSAGE_WORDS = 4
MIN_TERMS = 12
#: What is mostly data, or written in many tongues: the model is to know code and English.
DATA = frozenset(["csv", "html", "json", "kconfig", "less", "svg", "text", "toml", "xml", "yaml"])
WRITTEN = 0  # the origin of chunks that a person wrote


def paths_of(folder: Path, most: int = MAX_FILE_BYTES) -> list[str]:
    """Every file of at most `most` bytes that may be read, sorted, relative to the folder."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name.lower() not in EXCLUDED)
        for name in sorted(names):
            path = Path(root, name)
            if path.is_symlink() or not path.is_file() or path.stem.lower() in EXCLUDED:
                continue
            if path.stat().st_size <= most:
                found.append(path.relative_to(folder).as_posix())
    return found


def split_of(compound: str, encoded: str) -> str:
    """The words of a compound, as they follow its first occurrence in encoded terms."""
    at = encoded.index(f"+{compound} ") + len(compound) + 2
    letters = len(compound.replace("_", ""))
    words = []
    while letters > 0 and at < len(encoded):
        end = encoded.index(" ", at)
        words.append(encoded[at:end])
        letters -= end - at
        at = end + 1
    return " ".join(words)


class Terms(dict[str, int]):
    """Numbers of terms by their encoded spelling; a term gets one when it is first asked for."""

    def __init__(self) -> None:
        """None yet."""
        self.names: list[str] = []
        self.splits: dict[int, str] = {}
        self._encoded = ""

    def __missing__(self, spelling: str) -> int:
        """Numbers a new term, a compound and a plain word of the same letters alike."""
        bare = spelling.removeprefix("+")
        other = bare if bare is not spelling else f"+{bare}"
        number = self.get(other, len(self.names))
        if number == len(self.names):
            self.names.append(bare)
            if bare is not spelling:
                self.splits[number] = split_of(bare, self._encoded)
        elif bare is spelling:
            self.splits.pop(number, None)
        self[spelling] = number
        return number

    def numbers(self, encoded: str) -> list[int]:
        """The numbers of encoded terms, in order."""
        self._encoded = encoded
        return [self[spelling] for spelling in encoded.split()]


class Column:
    """Lists of term numbers, one after the other."""

    def __init__(self) -> None:
        """None yet."""
        self.numbers = array("i")
        self.starts = array("q", [0])

    def append(self, numbers: list[int]) -> None:
        """Adds a list."""
        self.numbers.extend(numbers)
        self.starts.append(len(self.numbers))


def messages(text: str) -> str:
    """The quoted texts of several words."""
    found = (a or b for a, b in MESSAGE.findall(text))
    return "\n".join(each for each in found if len(WORDS.findall(each)) >= MIN_MESSAGE_WORDS)


def last_names(symbols: str) -> str:
    """The unqualified names."""
    return " ".join(re.split(r"[.:#/]+", line)[-1] for line in symbols.splitlines())


class Chunks:
    """What is kept of the chunks read so far."""

    def __init__(self) -> None:
        """None yet."""
        self.terms = Terms()
        self.columns = {field: Column() for field in FIELDS}
        self.numbers = {name: array("i") for name in ("package", "document", "language")}
        self.languages: dict[str, int] = {}
        self.symbols: list[str] = []
        self.occurrences: Counter[int] = Counter()
        self.files: Counter[int] = Counter()
        self.useful: defaultdict[int, float] = defaultdict(float)

    def read(self, root: Path, number: int) -> int:
        """Takes in the package of that number; returns how many files it has."""
        paths = paths_of(root)
        documents = {path: at for at, path in enumerate(paths)}
        held: defaultdict[int, set[int]] = defaultdict(set)
        # One thread, so that chunks have the same order every time.
        for batch in _core.ingest(root, paths, jobs=1, redact_secrets=False):
            for row in pa.record_batch(batch).to_pylist():
                if row["origin"] == WRITTEN and row["language"] not in DATA:
                    document = documents[row["path"]]
                    held[document].update(self._add(row, number, document))
        found: Counter[int] = Counter()
        for terms in held.values():
            found.update(terms)
        self.files.update(found)
        for term, n in found.items():
            self.useful[term] += math.log1p(n)
        return len(paths)

    def _add(self, row: dict[str, Any], package: int, document: int) -> list[int]:
        passage = self.terms.numbers(row["terms"])
        self.occurrences.update(passage)
        if len(passage) >= MIN_TERMS:
            self.columns["passage"].append(passage)
            self.columns["doc"].append(self.terms.numbers(row["doc"]))
            names = _core.analyze(last_names(row["symbols"]))
            self.columns["name"].append(self.terms.numbers(names))
            quoted = _core.analyze(messages(row["text"]))
            self.columns["error"].append(self.terms.numbers(quoted))
            language = self.languages.setdefault(row["language"], len(self.languages))
            for name, value in (
                ("package", package),
                ("document", document),
                ("language", language),
            ):
                self.numbers[name].append(value)
            self.symbols.append(f"{package}\t{row['symbols'].replace(chr(10), ' ')}")
        return passage

    def write(self, out: Path, packages: list[str]) -> None:
        """Writes the files that the module's documentation lists."""
        arrays: dict[str, Any] = {
            name: np.array(values, np.int32) for name, values in self.numbers.items()
        }
        for name, column in self.columns.items():
            arrays[name] = np.array(column.numbers, np.int32)
            arrays[f"{name}_starts"] = np.array(column.starts, np.int64)
        np.savez(out / "chunks.npz", **arrays)
        with (out / "symbols.txt").open("w", encoding="utf-8") as file:
            for line in self.symbols:
                package, names = line.split("\t", 1)
                file.write(f"{packages[int(package)]}\t{names}\n")
        with (out / "terms.tsv").open("w", encoding="utf-8") as file:
            for number, name in enumerate(self.terms.names):
                split = self.terms.splits.get(number, "")
                counts = f"{self.occurrences[number]}\t{self.files[number]}"
                file.write(f"{name}\t{split}\t{counts}\t{self.useful[number]:.3f}\n")


def main() -> None:
    """Read and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    packages = sorted(path.name for path in args.corpus.iterdir())
    chunks = Chunks()
    for number, package in enumerate(packages):
        files = chunks.read(args.corpus / package, number)
        print(f"{package:40} {files:6} files", flush=True)
    chunks.write(args.out, packages)
    print(f"{len(chunks.symbols)} chunks, {len(chunks.terms.names)} terms")


if __name__ == "__main__":
    main()
