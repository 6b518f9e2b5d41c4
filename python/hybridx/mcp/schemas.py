"""What the tools take: JSON Schema, with descriptions for the language models that fill it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybridx import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_HITS = 50
DEFAULT_HITS = 8
DEFAULT_TOKENS = 2000
LONGEST_QUERY = 20_000

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as clients see it."""

    name: str
    title: str
    description: str
    arguments: Schema
    result: Schema
    reads_only: bool = True


def instructions(names: Sequence[str]) -> str:
    """When to use which tool, for the model's system prompt."""
    several = (
        f" Several folders are served; `root` names one of them: {', '.join(names)}."
        if len(names) > 1
        else ""
    )
    return (
        "Code search over a local source tree, by words and by meaning at once, always kept up to "
        "date with the files. Use `search` first when you do not know where something is: ask in "
        "plain words, or give a name, an error message or an issue text. Use `outline` to see what "
        "a file defines, or what a folder holds, before reading files. Use `related` to find code "
        "like that at a known line: duplicates, siblings, other implementations. Then read the "
        "lines you need with your own file tools. For every occurrence of an exact string use "
        "grep. Results end with a line in brackets that says how fresh they are; `refresh` is only "
        "needed where that line says that files are not watched." + several
    )


def tools(names: Sequence[str]) -> list[ToolSchema]:
    """The tools of a server of the folders `names`."""
    root: Schema = {}
    if len(names) > 1:
        root["root"] = {
            "type": "string",
            "enum": list(names),
            "description": "Which of the served folders.",
        }
    filters = _filters()
    room: Schema = {
        "type": "integer",
        "minimum": 100,
        "maximum": 20_000,
        "default": DEFAULT_TOKENS,
        "description": "About how many tokens the answer may take at most.",
    }
    hits: Schema = {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_HITS,
        "default": DEFAULT_HITS,
        "description": "At most so many hits.",
    }
    detail: Schema = {
        "type": "string",
        "enum": ["places", "snippets", "full"],
        "default": "snippets",
        "description": "How much of each hit: its place alone, its best lines, or all of it.",
    }
    path: Schema = {"type": "string", "minLength": 1, "maxLength": 4096}
    return [
        ToolSchema(
            "search",
            "Search code",
            "Find code and docs by meaning and by words. `query` may be a question in plain words, "
            "a name (of a function, class, file), an error message, or a whole issue text. "
            "Answers with the best places, best first: path:lines, symbol, kind, code.",
            _object(
                {
                    "query": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": LONGEST_QUERY,
                        "description": 'What to find. "Quoted parts" must occur as they are.',
                    },
                    **root,
                    "k": hits,
                    "mode": {
                        "type": "string",
                        "enum": ["hybrid", "lexical", "semantic"],
                        "default": "hybrid",
                        "description": "Words and meaning, words alone, or meaning alone.",
                    },
                    **filters,
                    "changed_since": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 200,
                        "description": "Only files changed since: 90m, 2d, 2025-06-30, or a git "
                        "revision such as HEAD~3 or main.",
                    },
                    "detail": detail,
                    "max_tokens": room,
                    "cursor": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 64,
                        "description": "The next page: the cursor that an answer ended with, given "
                        "with the same other arguments.",
                    },
                },
                ["query", *root],
            ),
            _hits_schema(),
        ),
        ToolSchema(
            "related",
            "Find code like this",
            "Find code whose meaning is like that at a line of a file: duplicates, siblings, other "
            "implementations, tests of it. The place itself is left out.",
            _object(
                {
                    "path": {**path, "description": "A file, relative to the root."},
                    "line": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 10**9,
                        "description": "A line of it, counted from 1.",
                    },
                    **root,
                    "k": hits,
                    **filters,
                    "detail": detail,
                    "max_tokens": room,
                },
                ["path", "line", *root],
            ),
            _hits_schema(),
        ),
        ToolSchema(
            "outline",
            "Outline a file or folder",
            "Of a file: its definitions, nested, each with its lines and how it is declared, as "
            "the file is now. Of a folder: its files with their main definitions, and its folders.",
            _object(
                {
                    "path": {
                        **path,
                        "default": ".",
                        "description": "A file or folder, relative to the root; . is the root.",
                    },
                    **root,
                    "max_tokens": room,
                },
                list(root),
            ),
            _object(
                {
                    "path": {"type": "string"},
                    "kind": {"enum": ["file", "folder"]},
                    "language": {"type": "string"},
                    "lines": {"type": "integer"},
                    "symbols": {"type": "array", "items": {"type": "object"}},
                    "files": {"type": "array", "items": {"type": "object"}},
                    "folders": {"type": "object"},
                    "omitted": {"type": "integer"},
                    "freshness": _FRESHNESS,
                },
                ["path", "kind", "freshness"],
            ),
        ),
        ToolSchema(
            "status",
            "State of the index",
            "What the index holds (files, languages, model) and how fresh it is.",
            _object(root, []),
            _object(
                {"roots": {"type": "array", "items": {"type": "object"}}},
                ["roots"],
            ),
        ),
        ToolSchema(
            "refresh",
            "Bring the index up to date",
            "Index what changed now, and answer when it can be found. Rarely needed: changes are "
            "noticed by themselves within a second.",
            _object(root, []),
            _object(
                {"roots": {"type": "array", "items": {"type": "object"}}},
                ["roots"],
            ),
            reads_only=False,
        ),
    ]


def _filters() -> Schema:
    return {
        "paths": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 4096},
            "maxItems": 50,
            "description": "Only files that match one of these globs, as in .gitignore: src/**, "
            "*.py, tests.",
        },
        "languages": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 40},
            "maxItems": 50,
            "description": "Only these languages: python, rust, typescript, c++, markdown.",
        },
        "kinds": {
            "type": "array",
            "items": {"type": "string", "enum": _core.kinds()},
            "maxItems": 50,
            "description": "Only chunks of these kinds.",
        },
    }


def _object(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_FRESHNESS: Schema = {
    "type": "object",
    "properties": {
        "state": {
            "enum": ["fresh", "pending", "checking", "building", "followed", "unwatched", "failing"]
        },
        "generation": {"type": ["integer", "null"]},
        "pending": {"type": ["integer", "null"]},
        "coverage": {"type": ["number", "null"]},
        "error": {"type": ["string", "null"]},
    },
    "required": ["state", "generation", "pending"],
}


def _hits_schema() -> Schema:
    hit = _object(
        {
            "path": {"type": "string"},
            "start_line": {"type": "integer"},
            "end_line": {"type": "integer"},
            "symbol": {"type": "string"},
            "kind": {"type": "string"},
            "score": {"type": "number"},
            "text_line": {"type": "integer"},
            "text": {"type": "string"},
        },
        ["path", "start_line", "end_line", "symbol", "kind", "score"],
    )
    return _object(
        {
            "hits": {"type": "array", "items": hit},
            "cursor": {"type": ["string", "null"]},
            "freshness": _FRESHNESS,
        },
        ["hits", "cursor", "freshness"],
    )
