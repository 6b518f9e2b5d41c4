"""What a tree holds, read as the settings say: all of it for a run, one path for `why`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from hybridx import _core

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from hybridx.config import Settings
    from hybridx.layout import Layout


class _Rules(TypedDict):
    """What decides about a file whoever asks."""

    max_file_bytes: int
    exclude: Sequence[Path]
    default_excludes: bool
    redact_secrets: bool
    secrets_allow: Sequence[str]


def _rules(layout: Layout, settings: Settings) -> _Rules:
    return {
        "max_file_bytes": settings.max_file_bytes,
        "exclude": [layout.folder],
        "default_excludes": settings.default_excludes,
        "redact_secrets": settings.redact_secrets,
        "secrets_allow": settings.secrets_allow,
    }


def scan_tree(
    layout: Layout,
    settings: Settings,
    *,
    jobs: int | None = None,
    clock_folder: Path | None = None,
    besides: Sequence[Path] = (),
    cache: _core.StatCache | None = None,
    only: Collection[str] | None = None,
    cancel: _core.CancelToken | None = None,
) -> _core.Scan:
    """Scans the tree, helped by the stat cache. It writes nothing but to `clock_folder`.

    Args:
        layout: of the index; its own folder is left out.
        settings: what is left out besides.
        jobs: threads, if not as the settings say.
        clock_folder: see `_core.scan`; without one no new stat cache comes of it.
        besides: files that are left out too.
        cache: the stat cache, if it was read before.
        only: the files and folders that are looked at, as the index spells them; all others are
            taken to be as the stat cache has them.
        cancel: ends it with `Cancelled` when set.

    Raises:
        OSError: the root cannot be listed.
    """
    rules = _rules(layout, settings)
    rules["exclude"] = [*rules["exclude"], *besides]
    return _core.scan(
        layout.root,
        jobs=settings.jobs if jobs is None else jobs,
        clock_folder=clock_folder,
        cache=cache or _core.StatCache.load(layout.stat_cache),
        only=None if only is None else list(only),
        cancel=cancel,
        **rules,
    )


def explain_path(layout: Layout, settings: Settings, path: str) -> _core.Explanation:
    """What a scan would make of the file or folder at `path`, relative to the root.

    Raises:
        UsageError: it is not below the root.
        OSError: there is no such root.
    """
    return _core.explain(layout.root, path, **_rules(layout, settings))


def size_of(root: Path, paths: Iterable[str]) -> int:
    """Bytes of the files at `paths`, as the index spells them; those that are gone have none.

    Two seconds for a million files: nothing to be done for nobody's sake.
    """
    folder = os.fsencode(root)
    total = 0
    for path in paths:
        try:
            total += os.lstat(os.path.join(folder, _core.decode_path(path))).st_size  # noqa: PTH118
        except OSError:
            continue
    return total
