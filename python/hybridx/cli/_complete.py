"""What the shell is offered for a value that is half typed.

Whatever goes wrong here, the shell is offered nothing: a message would land in the middle of what
is being typed.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click


def folders(_c: click.Context, _p: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders; the shell knows them best."""
    return [CompletionItem(incomplete, type="dir")]


def files(_c: click.Context, _p: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files."""
    return [CompletionItem(incomplete, type="file")]


def languages(_c: click.Context, _p: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The next name in a comma-separated list of languages."""
    with contextlib.suppress(Exception):
        from hybridx._core import languages as known  # loads the extension

        return _listed(known(), incomplete)
    return []


def kinds(_c: click.Context, _p: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The next name in a comma-separated list of kinds."""
    with contextlib.suppress(Exception):
        from hybridx._core import kinds as known  # loads the extension

        return _listed(known(), incomplete)
    return []


def models(_c: click.Context, _p: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models that are here; a path completes as a folder."""
    return _models(incomplete, here=True, known=False) or folders(_c, _p, incomplete)


def added_models(_c: click.Context, _p: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models that were added, and so can be removed."""
    return _models(incomplete, here=False, known=False)


def known_models(_c: click.Context, _p: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Short names that can be added; a path completes as a folder."""
    return _models(incomplete, here=False, known=True) or folders(_c, _p, incomplete)


def _models(incomplete: str, *, here: bool, known: bool) -> list[CompletionItem]:
    with contextlib.suppress(Exception):
        from hybridx.config import Settings
        from hybridx.embed.added import KNOWN, list_added

        if known:
            return _starting(KNOWN, incomplete)
        names = {each.name for each in list_added(Settings.load(".", {}).cache_dir)}
        short = {name for name, each in KNOWN.items() if each.repository in names}
        return _starting([*(["bundled"] if here else []), *sorted(names | short)], incomplete)
    return []


def _listed(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    done, comma, last = incomplete.rpartition(",")
    taken = set(done.split(","))
    return [
        CompletionItem(f"{done}{comma}{name}")
        for name in names
        if name.startswith(last) and name not in taken
    ]


def _starting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
