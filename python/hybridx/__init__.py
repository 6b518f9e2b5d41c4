"""hybridx: hybrid code search over a source tree, kept true by a Merkle diff.

    with hybridx.Index.open("path/to/repo") as index:
        index.update()
        for hit in index.search("where are retries configured"):
            print(hit.path, hit.start_line, hit.symbol)

Importing this loads neither LanceDB nor ONNX Runtime: what is heavy is loaded by what needs it.
"""

from __future__ import annotations

from hybridx import errors
from hybridx.errors import HybridxError

TYPE_CHECKING = False
"""What type checkers take for true. Importing `typing` would take longer than all else here."""

if TYPE_CHECKING:
    from hybridx._core import CancelToken, Changes, MerkleTree
    from hybridx.aio import AsyncFileResults, AsyncIndex
    from hybridx.api import Index
    from hybridx.config import Settings
    from hybridx.observer import Observer
    from hybridx.results import FileResults
    from hybridx.types import (
        DiffReport,
        FileResult,
        Hit,
        IndexReport,
        Progress,
        SearchResult,
        Status,
        Why,
    )

    __version__: str

__all__ = [
    "AsyncFileResults",
    "AsyncIndex",
    "CancelToken",
    "Changes",
    "DiffReport",
    "FileResult",
    "FileResults",
    "Hit",
    "HybridxError",
    "Index",
    "IndexReport",
    "MerkleTree",
    "Observer",
    "Progress",
    "SearchResult",
    "Settings",
    "Status",
    "Why",
    "__version__",
    "errors",
]

_HOMES = {
    "AsyncFileResults": "aio",
    "AsyncIndex": "aio",
    "CancelToken": "_core",
    "Changes": "_core",
    "DiffReport": "types",
    "FileResult": "report",
    "FileResults": "results",
    "Hit": "found",
    "Index": "api",
    "IndexReport": "report",
    "MerkleTree": "_core",
    "Observer": "observer",
    "Progress": "report",
    "SearchResult": "found",
    "Settings": "config",
    "Status": "types",
    "Why": "types",
}


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used."""
    home = _HOMES.get(name)
    value: object
    if home is not None:
        from importlib import import_module

        value = getattr(import_module(f"hybridx.{home}"), name)
    elif name == "__version__":
        from importlib.metadata import version  # 25 ms that hardly anybody needs

        value = version("hybridx")
    else:
        raise AttributeError(f"module 'hybridx' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
