"""The exception tree.

    HybridxError
    ├── UsageError            an argument, a setting or a configuration file makes no sense
    ├── NotIndexedError       there is no index where one is needed
    ├── IndexBusyError        another process is writing the index
    ├── CorruptIndexError     a file of the index does not hold what it should
    ├── IndexFormatError      the index was written by another version of hybridx
    ├── ModelError            a model is missing, incomplete or wrong
    ├── StoreError            one of the two stores failed
    ├── TooManyErrorsError    more files failed than allowed
    └── Cancelled             the work was asked to stop

Trouble with files and folders is the built-in `OSError` with its usual subclasses. A single file
that cannot be indexed is never an exception: it is a row of the report.
"""

from __future__ import annotations

__all__ = [
    "Cancelled",
    "CorruptIndexError",
    "HybridxError",
    "IndexBusyError",
    "IndexFormatError",
    "ModelError",
    "NotIndexedError",
    "StoreError",
    "TooManyErrorsError",
    "UsageError",
]


class HybridxError(Exception):
    """Everything hybridx raises by itself."""


class UsageError(HybridxError, ValueError):
    """An argument, a setting or a configuration file makes no sense."""


class NotIndexedError(HybridxError):
    """There is no index where one is needed."""


class IndexBusyError(HybridxError):
    """Another process is writing the index."""


class CorruptIndexError(HybridxError):
    """A file of the index does not hold what its own checksum or format promises."""


class IndexFormatError(HybridxError):
    """The index was written by another version of hybridx."""


class ModelError(HybridxError):
    """A model is missing, incomplete or wrong."""


class StoreError(HybridxError):
    """One of the two stores failed."""


class TooManyErrorsError(HybridxError):
    """More files failed than `max_errors` allows; what was committed before is kept."""

    failed: tuple[tuple[str, str, str], ...] = ()
    """Path, stage and message of each file that failed until then."""


class Cancelled(HybridxError):
    """The work was asked to stop; what was committed before is kept."""


def said(error: BaseException) -> str:
    """What an error says, for people: of the system's errors the file and the reason."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        return f"{name}: {error.strerror}" if isinstance(name, str) else error.strerror
    return str(error) or type(error).__name__
