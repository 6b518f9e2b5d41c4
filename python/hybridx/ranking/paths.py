"""What a path says: whether a query names it, and what kind of file it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

KNOWN_PATHS = 1 << 15
"""Of so many paths is kept what they say, at some 600 bytes each: a search of a large tree comes
upon hundreds of files, and on others than the one before."""

_MAX_MENTIONS = 200
_MAX_PARTS = 8

# A query may be long and hostile: nothing is read twice, neither from a second start nor by going
# back.
_WITH_SLASH = re.compile(r"(?<![\w.@+~/\\-])[\w.@+~-]*+(?:[/\\]++[\w.@+~-]++)++")
_DOTTED = re.compile(r"(?<![\w.-])[^\W\d][\w-]*+(?:\.\w[\w-]*+)++")

_COMMON_NAMES = frozenset(
    {"__init__.py", "index.js", "index.ts", "mod.rs", "lib.rs", "main.rs", "main.py", "main.go"}
)
"""Names that so many files have that they say nothing."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """Files and modules that a query names, in lower case."""

    paths: frozenset[str]
    """Every end of every path, at its slashes."""
    modules: frozenset[str]
    """Every piece of every dotted name that has two parts or more, written with slashes."""

    def strength(self, path: str) -> float:
        """How clearly `path` is meant, from 0 to 1."""
        if not self.paths and not self.modules:
            return 0.0
        path = path.lower()
        found = _longest_end(path.split("/"), self.paths)
        if found == 1 and path.rsplit("/", 1)[-1] in _COMMON_NAMES:
            found = 0
        strength = 1.0 if found == path.count("/") + 1 else (0.0, 0.5, 0.7, 1.0)[min(found, 3)]
        if strength < 0.6 and self.modules:  # noqa: PLR2004 - what a module is worth
            module = path.rsplit(".", 1)[0].removesuffix("/__init__")
            if _longest_end(module.split("/"), self.modules) > 1:
                strength = 0.6
        return strength


def _longest_end(parts: list[str], ends: frozenset[str]) -> int:
    found = 0
    for count in range(1, min(len(parts), _MAX_PARTS) + 1):
        if "/".join(parts[-count:]) in ends:
            found = count
    return found


def mentions_in(text: str) -> Mentions:
    """The files and modules that `text` names."""
    text = text.lower()
    paths: set[str] = set()
    for match in list(dict.fromkeys(_WITH_SLASH.findall(text)))[:_MAX_MENTIONS]:
        parts = [part for part in re.split(r"[/\\]+", match.rstrip(".")) if part not in ("", ".")]
        paths.update(
            "/".join(parts[-count:]) for count in range(1, min(len(parts), _MAX_PARTS) + 1)
        )
    modules: set[str] = set()
    for name in list(dict.fromkeys(_DOTTED.findall(text)))[:_MAX_MENTIONS]:
        parts = name.split(".")[:_MAX_PARTS]
        for start in range(len(parts) - 1):
            for end in range(start + 2, len(parts) + 1):
                modules.add("/".join(parts[start:end]))
        if len(parts) > 1:
            paths.add(name)
    return Mentions(frozenset(paths), frozenset(modules))


TRAITS: dict[str, tuple[re.Pattern[str], frozenset[str]]] = {
    "test": (
        re.compile(
            r"(?i:(?:^|/)(?:tests?|testing|testdata|__tests__|spec|specs|e2e|fixtures|mocks?|__mocks__)/)"
            r"|(?:^|/)(?:test_|conftest\.)[^/]*$|[_.-](?:tests?|spec|e2e|bench)\.[^/]*$"
            r"|[a-z](?:Test|Tests|Spec|IT)\.[^/]*$"
        ),
        frozenset({"test", "tests", "testing", "spec", "fixture", "fixtures", "conftest"}),
    ),
    "example": (
        re.compile(
            r"(?i:(?:^|/)(?:examples?|demos?|samples?|tutorials?|docs_src|benchmarks?|benches|"
            r"playground|cookbook)/)|(?:^|/)(?:example|demo|bench)[_-][^/]*$"
        ),
        frozenset(
            {
                "example",
                "examples",
                "demo",
                "sample",
                "tutorial",
                "benchmark",
                "benchmarks",
                "bench",
            }
        ),
    ),
    "legacy": (
        re.compile(
            r"(?:^|/)_?(?:legacy|compat|compatibility|deprecated|old|obsolete|attic|py2)(?:/|[._-])"
        ),
        frozenset({"legacy", "compat", "compatibility", "deprecated", "obsolete"}),
    ),
    "stub": (
        re.compile(r"\.d\.[cm]?ts$|\.pyi$|(?:^|/)package-info\.java$"),
        frozenset({"stub", "stubs", "declaration", "declarations", "pyi"}),
    ),
}
"""Kinds of files that are seldom meant: what their paths look like, and the words that ask for
them."""


_OF_ANY = re.compile("|".join(f"(?:{pattern.pattern})" for pattern, _ in TRAITS.values()))
"""What a path of any of them looks like."""


ORIGINS = {"generated": "generated", "minified": "generated", "vendored": "vendored"}
"""The traits of files that nobody wrote here, by their stored origin."""

ASKED_BY: dict[str, frozenset[str]] = {
    **{name: words for name, (_, words) in TRAITS.items()},
    "generated": frozenset({"generated", "minified", "lockfile", "protobuf", "pb2"}),
    "vendored": frozenset({"vendor", "vendored", "extern"}),
}
"""Words of a query that ask for files of a kind."""


@lru_cache(KNOWN_PATHS)
def traits_of(path: str, origin: str = "written") -> frozenset[str]:
    """What kind of file the one at `path` is."""
    # What speaks of a path is one of its folders or its name: so folders are looked at but once.
    folder, slash, name = path.rpartition("/")
    traits = _traits_of_folder(folder + slash)
    if _OF_ANY.search(name):
        traits |= _traits_in(name)
    return traits | {ORIGINS[origin]} if origin in ORIGINS else traits


@lru_cache(KNOWN_PATHS)
def _traits_of_folder(folder: str) -> frozenset[str]:
    return _traits_in(folder)


def _traits_in(part: str) -> frozenset[str]:
    return frozenset(name for name, (pattern, _) in TRAITS.items() if pattern.search(part))
