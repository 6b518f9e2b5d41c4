"""Work that Ctrl-C can stop at once: it runs in a thread, and the main thread only waits."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

from hybridx.cli._program import Interrupted
from hybridx.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybridx._core import CancelToken

_T = TypeVar("_T")

GRACE = 1.4
"""Seconds that cancelled work has to end; then it is left behind.

Python may take half a second more to end itself, and the promise is two.
"""

_TICK = 0.5
"""Seconds between looks at the clock; not every system wakes a waiting thread for a signal."""


def interruptible(
    work: Callable[[], _T], cancel: CancelToken | None = None, *, kept: bool = False
) -> _T:
    """Returns or raises what `work` does.

    On Ctrl-C sets `cancel` and waits a little for `work` to end by itself; a second Ctrl-C, or
    having no `cancel`, ends the wait at once. Raises `Interrupted`, which tells whether the work is
    of the kind that commits as it goes (`kept`).
    """
    results: list[_T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            errors.append(error)
        finally:
            done.set()

    # A daemon, since nobody waits for it once it was left behind.
    thread = threading.Thread(target=body, name="hybridx-work", daemon=True)
    try:
        thread.start()
        while not done.wait(_TICK):
            pass
    except KeyboardInterrupt:
        _stop(done, cancel, kept=kept)
    if errors:
        if isinstance(errors[0], (Cancelled, KeyboardInterrupt)):
            raise Interrupted(running=False, kept=kept) from errors[0]
        raise errors[0]
    return results[0]


def _stop(done: threading.Event, cancel: CancelToken | None, *, kept: bool) -> None:
    """Returns if the work has ended by itself, else raises `Interrupted`."""
    with contextlib.suppress(KeyboardInterrupt):
        if cancel is not None:
            cancel.cancel()
            if done.wait(GRACE):
                return
    raise Interrupted(running=True, kept=kept)
