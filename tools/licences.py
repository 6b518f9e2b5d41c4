"""Collects the licences of everything that is compiled into the extension.

    python3 tools/licences.py            # writes THIRD_PARTY_LICENSES
    python3 tools/licences.py --check    # ends with 1 if that file is not what would be written

Cargo says which crates the published wheels link and under which terms; the texts are those that
lie in the crates themselves, each once. A licence that is not allowed, or a crate without a text,
is an error: it goes into `ALLOWED` or `WITHOUT_TEXT` with a reason, or the crate goes.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
COLLECTED = ROOT / "THIRD_PARTY_LICENSES"
LINKED_INTO = "hybridx-py"
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")

# Permissive all. Where a crate offers several, the first of these that it ships a text of counts.
ALLOWED = (
    "MIT", "Apache-2.0", "BSD-3-Clause", "BSD-2-Clause", "ISC", "Zlib", "BSL-1.0", "Unicode-3.0",
    "Unlicense", "CC0-1.0", "MIT-0", "0BSD", "Apache-2.0 WITH LLVM-exception",
)  # fmt: skip

# What gives a text away. A text that matches none is kept with the crate, whatever it says.
TELLING = {
    "MIT": "Permission is hereby granted, free of charge, to any person obtaining a copy",
    "Apache-2.0": "Apache License Version 2.0",
    "BSD-3-Clause": "Neither the name of",
    "BSD-2-Clause": "Redistribution and use in source and binary forms",
    "Zlib": "provided 'as-is', without any express or implied warranty",
    "BSL-1.0": "Boost Software License",
    "Unicode-3.0": "UNICODE LICENSE V3",
    "Unlicense": "This is free and unencumbered software",
    "CC0-1.0": "CC0 1.0 Universal",
    "ISC": "Permission to use, copy, modify, and/or distribute this software",
}
TEXTS = re.compile(r"(licen[sc]e|copying|copyright|notice|authors|unlicense)", re.IGNORECASE)
NOT_LINKED = {"node_modules", "tests", "benches", "examples", "target"}


class Without(NamedTuple):
    """Why a crate ships no text, and what stands for it: a holder of the MIT licence, or a crate.

    `holder` is the copyright line of the LICENSE in the crate's repository, `like` a crate of the
    same repository, and with neither the crate is taken under Apache-2.0, which demands no line.
    """

    holder: str | None = None
    like: str | None = None


# Checked against the LICENSE that the same project publishes with its Python package.
WITHOUT_TEXT = {
    "htmlescape": Without(),
    "pyo3-arrow": Without(),
    "ownedbytes": Without(like="tantivy"),
    "tantivy-bitpacker": Without(like="tantivy"),
    "tantivy-columnar": Without(like="tantivy"),
    "tantivy-common": Without(like="tantivy"),
    "tantivy-query-grammar": Without(like="tantivy"),
    "tantivy-sstable": Without(like="tantivy"),
    "tantivy-stacker": Without(like="tantivy"),
    "tantivy-tokenizer-api": Without(like="tantivy"),
    "tree-sitter-cpp": Without("2014 Max Brunsfeld"),
    "tree-sitter-html": Without("2014 Max Brunsfeld"),
    "tree-sitter-java": Without("2017 Ayman Nadeem"),
    "tree-sitter-json": Without("2014 Max Brunsfeld"),
    "tree-sitter-julia": Without("2018 Max Brunsfeld, GitHub"),
    "tree-sitter-kotlin-ng": Without("2024 Amaan Qureshi <amaanq12@gmail.com>"),
    "tree-sitter-lua": Without("2021 Munif Tanjim"),
    "tree-sitter-make": Without("2021 Alexandre A. Muller"),
    "tree-sitter-md": Without("2021 Matthias Deiml"),
    "tree-sitter-ruby": Without("2016 Rob Rix"),
    "tree-sitter-sequel": Without("2021 Derek Stride"),
    "tree-sitter-svelte-ng": Without("2024 Amaan Qureshi <amaanq12@gmail.com>"),
    "tree-sitter-toml-ng": Without("Ika <ikatyang@gmail.com> (https://github.com/ikatyang)"),
    "tree-sitter-typescript": Without("2017 Max Brunsfeld"),
    "tree-sitter-zig": Without("2024 Amaan Qureshi <amaanq12@gmail.com>"),
}

HEAD = """\
Software by others in hybridx

The extension module (hybridx/_core) contains the Rust crates and grammars listed here, each under
the terms named first; their texts follow, each once. It also contains the Rust standard library,
Copyright (c) The Rust Project Contributors, under the MIT licence or the Apache licence 2.0, whose
texts are among them, and may contain parts of the zig and LLVM runtimes (MIT; Apache-2.0 WITH
LLVM-exception).

Two parts of the package have licence files of their own: the bundled model
(embed/bundled/LICENSE) and the rules that find secrets (LICENSE.betterleaks).

tools/licences.py makes this file from Cargo.lock.
"""


class LicenceError(Exception):
    """A licence is not allowed or a text is missing; the message is for the user."""


class Crate(NamedTuple):
    """A crate that is linked, and what was found in it."""

    name: str
    version: str
    offered: str
    repository: str
    texts: tuple[str, ...]


def main() -> None:
    """Writes the collection, or compares it."""
    parser = argparse.ArgumentParser(description="Collects the licences of the extension.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    try:
        text = collection(linked_crates())
    except LicenceError as error:
        sys.exit(f"licences: {error}")
    if not check:
        COLLECTED.write_text(text, encoding="utf-8")
        return
    old = COLLECTED.read_text(encoding="utf-8") if COLLECTED.exists() else ""
    if old != text:
        lines = difflib.unified_diff(old.splitlines(), text.splitlines(), "is", "should be", n=0)
        print("\n".join(list(lines)[:20]))
        sys.exit(f"{COLLECTED.name} is out of date: run python3 tools/licences.py")


def linked_crates() -> list[Crate]:
    """Every crate of others that a published extension links, by name.

    Build scripts, macros and tests do not get into the extension.
    """
    found: dict[str, Crate] = {}
    for target in TARGETS:
        command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform"]
        done = subprocess.run([*command, target], cwd=ROOT, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise LicenceError(f"cargo metadata ended with {done.returncode}")
        metadata = json.loads(done.stdout)
        packages = {package["id"]: package for package in metadata["packages"]}
        nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        waiting = [id_ for id_, package in packages.items() if package["name"] == LINKED_INTO]
        seen = set(waiting)
        while waiting:
            id_ = waiting.pop()
            if packages[id_]["source"] is not None and id_ not in found:
                found[id_] = crate(packages[id_])
            for dependency in nodes[id_]["deps"]:
                linked = any(each["kind"] is None for each in dependency["dep_kinds"])
                child = dependency["pkg"]
                if linked and child not in seen and not is_macro(packages[child]):
                    seen.add(child)
                    waiting.append(child)
    return sorted(found.values(), key=lambda each: (each.name, each.version))


def is_macro(package: dict[str, Any]) -> bool:
    """Whether a package runs in the compiler and is not linked."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def crate(package: dict[str, Any]) -> Crate:
    """A package of Cargo's metadata with the licence texts in its folder."""
    folder = Path(package["manifest_path"]).parent
    texts = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if NOT_LINKED.isdisjoint(inner.parts) and TEXTS.match(path.name) and path.is_file():
            texts.append(tidy(path.read_text(encoding="utf-8", errors="replace")))
    return Crate(
        package["name"],
        package["version"],
        package["license"] or "",
        package["repository"] or "",
        tuple(dict.fromkeys(texts)),
    )


def tidy(text: str) -> str:
    """A text without what differs between copies of it: ends of lines and outer blank lines."""
    lines = [line.rstrip() for line in text.expandtabs().splitlines()]
    return "\n".join(lines).strip("\n")


def collection(crates: list[Crate]) -> str:
    """The whole file."""
    by_name = {each.name: each for each in crates}
    if stale := sorted(WITHOUT_TEXT.keys() - by_name.keys()):
        raise LicenceError(f"WITHOUT_TEXT names crates that are not linked: {', '.join(stale)}")
    apache = standard(crates, "Apache-2.0")
    mit = standard(crates, "MIT")
    mit = mit[mit.index(TELLING["MIT"][:20]) :]
    rows: list[tuple[str, str, str]] = []
    users: dict[str, list[str]] = {}
    same: dict[str, str] = {}
    for each in crates:
        without = WITHOUT_TEXT.get(each.name)
        if (without is None) != bool(each.texts):
            wrong = "ships a text after all" if each.texts else "ships no licence text"
            raise LicenceError(f"{each.name} {each.version} {wrong}: see WITHOUT_TEXT")
        if without is None:
            terms, texts = taken(each, each.texts)
        elif without.like is not None:
            terms, texts = taken(each, by_name[without.like].texts)
        elif without.holder is not None:
            terms, texts = taken(each, (f"Copyright (c) {without.holder}\n\n{mit}",))
        else:
            terms, texts = taken(each, (apache,))
        rows.append((f"{each.name} {each.version}", terms, each.repository))
        for text in texts:
            # Copies that are broken into lines elsewhere are one text.
            first = same.setdefault(" ".join(text.split()), text)
            users.setdefault(first, []).append(each.name)
    return "\n".join(written(rows, users))


def standard(crates: Iterable[Crate], licence: str) -> str:
    """The text of a licence as most crates ship it."""
    texts = [text for each in crates for text in each.texts if kind(text) == licence]
    if not texts:
        raise LicenceError(f"no crate ships the text of {licence}")
    return max(sorted(set(texts)), key=texts.count)


def taken(crate_: Crate, texts: tuple[str, ...]) -> tuple[str, list[str]]:
    """Under which terms a crate is taken, and the texts that belong to them."""
    there = {kind(text) for text in texts}
    offers = alternatives(crate_.offered)
    allowed = [offer for offer in offers if offer <= set(ALLOWED)]
    if not allowed:
        raise LicenceError(
            f"{crate_.name} {crate_.version} is under {crate_.offered or 'no licence'}"
        )
    best = min(allowed, key=lambda offer: (not offer <= there, sorted(map(ALLOWED.index, offer))))
    spare = set().union(*offers) - best
    kept = [text for text in texts if kind(text) not in spare] or list(texts)
    return " AND ".join(sorted(best)), kept


def kind(text: str) -> str | None:
    """Which licence a text is, if it is one that is known."""
    plain = " ".join(text.split())
    for licence, telling in TELLING.items():
        if telling.lower() in plain.lower():
            return licence
    return None


def alternatives(expression: str) -> list[frozenset[str]]:
    """The sets of licences of which an SPDX expression demands one, whole.

    >>> alternatives("(Apache-2.0 OR MIT) AND BSD-3-Clause") == [
    ...     frozenset({"Apache-2.0", "BSD-3-Clause"}), frozenset({"MIT", "BSD-3-Clause"})]
    True
    """
    # A slash is an older way to write OR.
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    tokens += ["", ""]

    def either() -> list[frozenset[str]]:
        found = both()
        while tokens[0] == "OR":
            tokens.pop(0)
            found = found + both()
        return found

    def both() -> list[frozenset[str]]:
        found = one()
        while tokens[0] == "AND":
            tokens.pop(0)
            more = one()
            found = [left | right for left in found for right in more]
        return found

    def one() -> list[frozenset[str]]:
        token = tokens.pop(0)
        if token == "(":
            found = either()
            tokens.pop(0)
            return found
        if tokens[0] == "WITH":
            token = f"{token} WITH {tokens.pop(1)}"
            tokens.pop(0)
        return [frozenset({token})]

    return either()


def written(rows: list[tuple[str, str, str]], users: dict[str, list[str]]) -> Iterator[str]:
    """The lines of the file."""
    yield HEAD
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, terms, repository in rows:
        yield f"{name:{widths[0]}}  {terms:{widths[1]}}  {repository}".rstrip()
    for text, names in sorted(users.items(), key=lambda item: (item[1][0], item[0])):
        yield "\n" + "=" * 80
        yield from wrapped(list(dict.fromkeys(names)))
        yield "-" * 80 + "\n"
        yield text
    yield ""


def wrapped(names: list[str]) -> Iterator[str]:
    """Names, separated by commas, in lines of at most 80 characters."""
    line = ""
    for name in names:
        if line and len(line) + len(name) + 3 > 80:
            yield f"{line},"
            line = name
        else:
            line = f"{line}, {name}" if line else name
    yield line


if __name__ == "__main__":
    main()
