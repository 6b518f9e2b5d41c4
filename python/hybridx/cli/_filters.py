"""Languages and kinds as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridx.config import suggestion
from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

ALIASES = {
    "asm": "assembly",
    "bat": "batch",
    "c#": "csharp",
    "c++": "cpp",
    "clj": "clojure",
    "cs": "csharp",
    "cxx": "cpp",
    "docker": "dockerfile",
    "ex": "elixir",
    "golang": "go",
    "hs": "haskell",
    "js": "javascript",
    "jsx": "javascript",
    "kt": "kotlin",
    "makefile": "make",
    "md": "markdown",
    "ml": "ocaml",
    "objc": "objectivec",
    "pl": "perl",
    "proto": "protobuf",
    "ps1": "powershell",
    "py": "python",
    "rb": "ruby",
    "rs": "rust",
    "sh": "bash",
    "shell": "bash",
    "tex": "latex",
    "tf": "hcl",
    "ts": "typescript",
    "txt": "text",
    "yml": "yaml",
}

KINDS = (
    "module",
    "function",
    "method",
    "class",
    "struct",
    "enum",
    "interface",
    "trait",
    "impl",
    "namespace",
    "macro",
    "type",
    "constant",
    "property",
    "section",
    "table",
    "key",
    "rule",
    "target",
    "resource",
    "text",
)


def languages_of(lists: Iterable[str]) -> list[str]:
    """The names in comma-separated lists, aliases resolved; `UsageError` for an unknown one."""
    words = _words(lists)
    if not words:
        return []
    from hybridx._core import languages  # loads the extension

    known = set(languages())
    names = [word if word in known else ALIASES.get(word, word) for word in words]
    for name in names:
        if name not in known:
            raise UsageError(
                f"--lang: there is no language {name}{suggestion(name, [*known, *ALIASES])}"
            )
    return list(dict.fromkeys(names))


def kinds_of(lists: Iterable[str]) -> list[str]:
    """The kinds in comma-separated lists; `UsageError` for an unknown one."""
    words = _words(lists)
    for word in words:
        if word not in KINDS:
            near = suggestion(word, KINDS) or f"; there are {', '.join(KINDS)}"
            raise UsageError(f"--kind: there is no kind {word}{near}")
    return words


def _words(lists: Iterable[str]) -> list[str]:
    words = (word.strip().lower() for each in lists for word in each.split(","))
    return list(dict.fromkeys(word for word in words if word))
