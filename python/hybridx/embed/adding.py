"""Adding a model: fetched or copied, run once, and only then put where models are."""

from __future__ import annotations

import errno
import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybridx.embed.added import (
    Added,
    Source,
    alone,
    is_intact,
    list_added,
    put_in_place,
    staging,
)
from hybridx.embed.digests import file_digest
from hybridx.embed.layouts import (
    TOKENIZER,
    files_in,
    find_graph,
    is_setting,
    precisions,
    read_json,
    weights_of,
)
from hybridx.embed.model import BUNDLED, Model, load_folder, load_model
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hybridx.config import Settings
    from hybridx.embed.hub import Offer, Progress

_SAMPLES = ("def read_file(path): return open(path).read()", "close the socket")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_RESERVE = 1 << 20
"""Bytes that a full disk keeps."""


@dataclass(frozen=True)
class Addition:
    """What became of a request to add a model."""

    model: Model
    origin: Added
    fresh: bool
    """Whether it was not there before."""


def add_model(name: str, settings: Settings, progress: Progress | None = None) -> Addition:
    """Adds the model in the folder `name`, or that of the hub.

    Of a model of the hub, the graph for the precision and the device of `settings` is fetched; of
    a folder, all graphs are copied, unless a precision is set. A folder is copied rather than
    referred to, so that an index keeps its model whatever becomes of the folder.

    Raises:
        ModelError: there is no such model, it cannot be had, or it does not work. Nothing is
            added; what was downloaded is kept if it is whole as far as it goes.
        OSError: the disk does not take it; the same holds.
    """
    if name == BUNDLED:
        raise ModelError(f"{BUNDLED!r} is the model that is always there")
    if not name.strip():
        raise ModelError("no model has an empty name: the working directory is '.'")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _from_folder(folder.resolve(), settings)
    from hybridx.embed.hub import look_up

    offer = look_up(name, precision=settings.precision, device=settings.device)
    return _from_hub(offer, settings, progress)


def _from_hub(offer: Offer, settings: Settings, progress: Progress | None) -> Addition:
    from hybridx.embed.hub import fetch, missing_bytes

    wanted = {each.name for each in offer.files}
    there = _existing(settings, offer.name, offer.commit, wanted)
    if there is not None:
        return Addition(_loaded(there, settings, offer.precision), there, fresh=False)
    staged = staging(settings.cache_dir, offer.name, offer.commit)
    with alone(staged):
        try:
            _check_room(staged, missing_bytes(offer, staged))
            digests = fetch(offer, staged, progress)
        except OSError as error:
            raise _explained(error, staged) from error
        added = _put(
            staged,
            settings,
            [offer.precision],
            Source(
                name=offer.name,
                source="hub",
                revision=offer.commit,
                requested=offer.requested,
                license=offer.license,
                repositories=offer.repositories,
                added=time.time(),
                files=digests,
            ),
        )
    return Addition(_loaded(added, settings, offer.precision), added, fresh=True)


def _from_folder(folder: Path, settings: Settings) -> Addition:
    found = _files_of(folder, settings.precision)
    if folder.name == BUNDLED:
        raise ModelError(f"{folder}: {BUNDLED!r} is another model's name; rename the folder")
    try:
        digests = {name: file_digest(folder / name).hex() for name in found.names}
    except OSError as error:
        raise ModelError(f"{folder}: {error}") from error
    content = "".join(f"{name}\0{digest}\n" for name, digest in sorted(digests.items()))
    revision = hashlib.sha256(content.encode()).hexdigest()[:40]
    there = _existing(settings, folder.name, revision, set(digests))
    if there is not None:
        return Addition(_loaded(there, settings, settings.precision), there, fresh=False)
    staged = staging(settings.cache_dir, folder.name, revision)
    with alone(staged):
        try:
            _check_room(staged, sum((folder / name).stat().st_size for name in digests))
            for name, digest in digests.items():
                _copy(folder / name, staged / name, digest)
        except OSError as error:
            shutil.rmtree(staged, ignore_errors=True)
            raise _explained(error, staged) from error
        added = _put(
            staged,
            settings,
            found.precisions,
            Source(
                name=folder.name,
                source="folder",
                revision=revision,
                requested=str(folder),
                license=None,
                repositories={},
                added=time.time(),
                files=digests,
            ),
        )
    return Addition(_loaded(added, settings, settings.precision), added, fresh=True)


@dataclass(frozen=True)
class _Files:
    names: tuple[str, ...]
    precisions: tuple[str, ...]


def _files_of(folder: Path, precision: str) -> _Files:
    """The files of the model in `folder` that are to be copied."""
    if (folder / "hybridx.json").exists():
        load_model(str(folder))
        config = read_json(folder / "hybridx.json")
        parts = (str(config["model"]), str(config["vocabulary"]))
        if any(Path(each).name != each for each in parts):
            raise ModelError(f"{folder}: its files do not all lie in it")
        return _Files(("hybridx.json", *parts), ("auto",))
    names = files_in(folder)
    load_folder(folder, folder.name, precision=precision)
    wanted = precisions(names) if precision == "auto" else [precision]
    graphs = [graph[1] for each in wanted if (graph := find_graph(names, each, "cpu"))]
    weights = [weight for graph in graphs for weight in weights_of(graph, names)]
    settings = [name for name in names if is_setting(name)]
    chosen = dict.fromkeys([*settings, TOKENIZER, *weights, *graphs])
    return _Files(tuple(chosen), tuple(wanted))


def _existing(settings: Settings, name: str, revision: str, files: set[str]) -> Added | None:
    """The model of this revision if it is there with these files, undamaged."""
    for each in list_added(settings.cache_dir):
        if (each.name, each.origin.revision) == (name, revision):
            return each if files <= set(each.origin.files) and is_intact(each) else None
    return None


def _loaded(added: Added, settings: Settings, precision: str) -> Model:
    return load_model(str(added.folder), cache_dir=settings.cache_dir, precision=precision)


def _put(staged: Path, settings: Settings, wanted: Iterable[str], origin: Source) -> Added:
    """Runs what is in `staged` and makes a model of it; removes it if it does not work."""
    try:
        for precision in wanted:
            _check(load_folder(staged, origin.name, precision=precision))
    except Exception:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    try:
        return put_in_place(staged, settings.cache_dir, origin)
    except OSError as error:
        raise _explained(error, staged) from error


def _check(model: Model) -> None:
    """Embeds two texts. Raises `ModelError`."""
    from hybridx.embed.embedder import Embedder  # heavy

    vectors = Embedder(model, device="cpu").embed_queries(_SAMPLES)
    if vectors.shape != (len(_SAMPLES), model.dimension) or not np.isfinite(vectors).all():
        raise ModelError(f"model {model.name}: what it gives is no vector")
    if np.array_equal(vectors[0], vectors[1]):
        raise ModelError(f"model {model.name}: it gives different texts the same vector")


def _copy(source: Path, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    if file_digest(target).hex() != digest:
        raise ModelError(f"{source} changes while it is copied")


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _RESERVE > free:
        raise ModelError(
            f"{folder}: {needed / 1e6:,.0f} MB are needed there, and {free / 1e6:,.0f} MB are free"
        )


def _explained(error: OSError, folder: Path) -> Exception:
    """The error with its place; of a full disk also that nothing is lost."""
    if error.errno in _NO_ROOM:
        kept = "; what was fetched so far serves the next attempt" if folder.exists() else ""
        return ModelError(f"{folder}: {error.strerror or error}{kept}")
    if error.filename is None and error.errno is not None:
        return OSError(error.errno, error.strerror, str(folder))
    return error
