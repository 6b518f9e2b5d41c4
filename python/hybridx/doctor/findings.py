"""What an examination finds, and how a probe is kept from doing harm."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable


State = Literal["ok", "warning", "problem"]
"""`problem`: hybridx, or a large part of it, does not work here; `warning`: it works, but not well,
or not for long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: what was looked at, what there is, and what to do about it."""

    name: str
    state: State
    value: str
    advice: str = ""
    """Empty if there is nothing to do."""

    def to_json(self) -> dict[str, Any]:
        """The JSON of `hybridx doctor --json`."""
        return {
            "name": self.name,
            "state": self.state,
            "value": self.value,
            "advice": self.advice or None,
        }


def guarded(name: str, probe: Callable[[], list[Finding]], seconds: float) -> list[Finding]:
    """What `probe` finds; that it failed, or took too long, is a finding itself."""
    found: list[Finding] = []

    def work() -> None:
        try:
            found.extend(probe())
        except BaseException as error:  # noqa: BLE001 - whatever is broken is to be told
            found.append(failed(name, f"{type(error).__name__}: {error}"))

    # A daemon: a file system that hangs is not waited for, not even in the end.
    thread = threading.Thread(target=work, name=f"hybridx-doctor-{name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return [failed(name, f"no answer within {seconds:g} s")]
    return found


def failed(name: str, why: str) -> Finding:
    """That something could not be looked at."""
    return Finding(name, "warning", f"could not be looked at: {' '.join(why.split())[:300]}")


def private(finding: Finding) -> Finding:
    """The finding without the name of the user's home: people paste these into issues."""
    return replace(finding, value=_tilde(finding.value), advice=_tilde(finding.advice))


def _tilde(text: str) -> str:
    for home in sorted(_homes(), key=len, reverse=True):
        text = re.sub(rf"(?<![\w.~-]){re.escape(home)}(?![\w.-])", "~", text)
    return text


def _homes() -> set[str]:
    home = os.path.expanduser("~")  # noqa: PTH111 - never fails, unlike Path.home
    homes = {each.rstrip("/") for each in (home, os.path.realpath(home))}
    # Where there is no home, or it is the root, everything would be in it.
    return {each for each in homes if each.startswith("/")}
