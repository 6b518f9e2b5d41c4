"""Values that know their JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


class Value:
    """A value whose JSON is its fields."""

    def to_json(self) -> dict[str, Any]:
        """A dictionary that `json.dumps` takes as it is."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {each.name: _plain(getattr(self, each.name)) for each in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.to_json()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value
