"""Checks a call's arguments against the tool's schema, and says what is wrong in one line.

The part of JSON Schema that the tools use, each keyword as the standard has it: a test compares the
verdicts with a validator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridx.config import suggestion
from hybridx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybridx.mcp.schemas import Schema

_KNOWN = frozenset(
    {"type", "enum", "minimum", "maximum", "minLength", "maxLength", "items", "maxItems"}
)
_TOLD = frozenset({"default", "description"})
_NAMES = {"string": "a string", "integer": "a whole number", "array": "a list"}
_SHOWN = 60


def checked(schema: Schema, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with defaults filled in.

    Raises:
        UsageError: one is missing, unknown, of the wrong type or out of bounds.
    """
    properties = schema["properties"]
    for name in arguments:
        if name not in properties:
            near = suggestion(name, properties) or f"; there are {', '.join(properties)}"
            raise UsageError(f"there is no argument {name!r}{near if properties else ''}")
    for name in schema["required"]:
        if name not in arguments:
            raise UsageError(f"{name} is missing: {properties[name].get('description', '')}")
    found = {name: each["default"] for name, each in properties.items() if "default" in each}
    for name, value in arguments.items():
        found[name] = _checked(name, properties[name], value)
    return found


def _checked(name: str, schema: Schema, value: Any) -> Any:
    unknown = schema.keys() - _KNOWN - _TOLD
    if unknown:
        raise ValueError(f"a tool's schema has keywords that nobody checks: {unknown}")
    kind = schema["type"]
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not _is_a(value, kind):
        raise UsageError(f"{name} is {_shown(value)}: give {_NAMES[kind]}")
    choices = schema.get("enum")
    if choices is not None and value not in choices:
        raise UsageError(f"{name} is {_shown(value)}: give one of {', '.join(choices)}")
    if kind == "integer":
        _check_bounds(name, value, schema.get("minimum"), schema.get("maximum"), "")
    elif kind == "string":
        low, high = schema.get("minLength"), schema.get("maxLength")
        _check_bounds(f"the length of {name}", len(value), low, high, " characters")
    else:
        most = schema.get("maxItems")
        _check_bounds(f"the length of {name}", len(value), None, most, " items")
        value = [_checked(f"each of {name}", schema["items"], each) for each in value]
    return value


def _is_a(value: Any, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str if kind == "string" else list)


def _check_bounds(name: str, value: int, low: int | None, high: int | None, unit: str) -> None:
    if low is not None and value < low:
        raise UsageError(f"{name} is {value}: give at least {low}{unit}")
    if high is not None and value > high:
        raise UsageError(f"{name} is {value}: give at most {high:,}{unit}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
