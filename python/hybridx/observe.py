"""What the steps of a run call: where there is no observer it does nothing, and loads nothing."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from hybridx import _core
    from hybridx.observer import Observer
    from hybridx.spans import Span, Workers


class _Nothing:
    """A span that nobody watches."""

    def note(self, **_args: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()

AnySpan: TypeAlias = "Span | _Nothing"


def watched(observer: Observer | None, stage: str, name: str | None = None, **args: Any) -> AnySpan:
    """A span of `observer`, or what does nothing where there is none."""
    return _NOTHING if observer is None else observer.span(stage, name, **args)


def operation(observer: Observer | None, store: str, what: str, **args: Any) -> AnySpan:
    """The same for an operation of a store, whose latencies are metrics."""
    return _NOTHING if observer is None else observer.operation(store, what, **args)


def queues(
    observer: Observer | None, sizes: Mapping[str, Callable[[], int]]
) -> AbstractContextManager[object]:
    """Has queues watched while the block runs; each is named by the stage that takes from it."""
    return nullcontext() if observer is None else observer.queues(sizes)


def workers(
    observer: Observer | None, stream: _core.IngestStream
) -> AbstractContextManager[Workers | None]:
    """Gives what takes the spans of the threads behind `stream`, while the block runs."""
    return nullcontext() if observer is None else observer.workers(stream)
