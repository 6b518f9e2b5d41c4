"""The models that were added: where they lie, under which names, and how they get there.

    <cache>/models/<name>/<revision>/        a model; `hybridx-source.json` in it says whence
    <cache>/models/.adding/<name>@<revision>/  one that is being added, and is none yet

`<revision>` is the hub's commit, or a digest of the content of what came from a local folder. What
is being added is made whole and run there first; then one rename makes a model of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from hybridx.embed.digests import file_digest
from hybridx.embed.layouts import is_setting
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD = "hybridx-source.json"
_FORMAT = 1

HUB_NAME = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?", re.ASCII
)


@dataclass(frozen=True)
class Known:
    """Where the hub holds a model that has a short name. Nothing else is known of it here."""

    repository: str
    """It holds the graph, in ONNX."""
    settings: str | None = None
    """The repository that holds its configuration, if that is another."""
    remark: str = "never run here"


KNOWN = {
    "all-MiniLM-L6-v2": Known(
        "sentence-transformers/all-MiniLM-L6-v2",
        remark="run here from its weights; the hub's own export never",
    ),
    "bge-small-en-v1.5": Known("BAAI/bge-small-en-v1.5"),
    "snowflake-arctic-embed-s": Known("Snowflake/snowflake-arctic-embed-s"),
    "jina-embeddings-v2-base-code": Known("jinaai/jina-embeddings-v2-base-code"),
    "CodeRankEmbed": Known("jalipalo/CodeRankEmbed-onnx", settings="nomic-ai/CodeRankEmbed"),
    "nomic-embed-text-v1.5": Known("nomic-ai/nomic-embed-text-v1.5"),
    "Qwen3-Embedding-0.6B": Known(
        "onnx-community/Qwen3-Embedding-0.6B-ONNX", settings="Qwen/Qwen3-Embedding-0.6B"
    ),
}
"""Short names. They stand for repositories and for no settings: those come from the files."""


@dataclass(frozen=True)
class Source:
    """Whence a model came: the content of its record."""

    name: str
    """The repository, or the name of the local folder."""
    source: str
    """`hub` or `folder`."""
    revision: str
    requested: str
    """The revision that was asked for, or the path of the local folder."""
    license: str | None
    repositories: dict[str, str]
    """The commit of each repository that a file is from."""
    added: float
    """Seconds since the epoch."""
    files: dict[str, str]
    """The SHA-256 digest of each file by its relative path."""


@dataclass(frozen=True)
class Added:
    """A model that was added."""

    folder: Path
    origin: Source

    @property
    def name(self) -> str:
        """The repository, or the name of the local folder."""
        return self.origin.name

    @property
    def source(self) -> str:
        """`hub` or `folder`."""
        return self.origin.source

    @property
    def remark(self) -> str:
        """What to know of it beside its settings."""
        return next((each.remark for each in KNOWN.values() if each.repository == self.name), "")


def models_folder(cache_dir: Path) -> Path:
    """Where models are."""
    return cache_dir / "models"


def list_added(cache_dir: Path) -> list[Added]:
    """The models that were added, by name, the one added last first."""
    found = []
    for record in models_folder(cache_dir).glob(f"[!.]*/[!.]*/{RECORD}"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(record.read_bytes())
            if content.pop("format") == _FORMAT:
                found.append(Added(record.parent, Source(**content)))
    return sorted(found, key=lambda each: (each.name, -each.origin.added))


def find_added(cache_dir: Path, name: str) -> Added | None:
    """The model called `name`: a repository, a short name or a local folder's; `@` a revision."""
    return next(iter(_called(cache_dir, name)), None)


def remove_added(cache_dir: Path, name: str) -> list[Added]:
    """Removes the models called `name`, all revisions unless one is named; what was removed.

    Raises:
        ModelError: there is none.
    """
    found = _called(cache_dir, name)
    if not found:
        raise ModelError(f"no model {name!r} was added: see hybridx models list")
    for each in found:
        # One rename: a model that is half removed would still look like one.
        gone = _adding(cache_dir) / f"removed.{os.getpid()}"
        gone.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(gone, ignore_errors=True)
        each.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        with contextlib.suppress(OSError):
            each.folder.parent.rmdir()
        _forget_torn(cache_dir, each.name)
    return found


def is_intact(added: Added) -> bool:
    """Whether its files are what they were when it was added."""
    try:
        return all(
            file_digest(added.folder / name).hex() == digest
            for name, digest in added.origin.files.items()
        )
    except OSError:
        return False


def explain_missing(name: str) -> str:
    """Why there is no model `name`, and what to do."""
    short = name.partition("@")[0]
    if short in KNOWN or (HUB_NAME.fullmatch(name) and not name.startswith(".")):
        return f"no model {name!r} here; to get it from the hub: hybridx models add {name}"
    lost = re.search(r"/models/([^/]+)--([^/]+)/[0-9a-f]{40}(?:#|$)", name)
    if lost:
        again = f"{lost[1]}/{lost[2]}"
        return f"no model {name!r} any more; to get it again: hybridx models add {again}"
    return f"no model {name!r}: give 'bundled', a folder that holds a model, or a name of the hub"


def staging(cache_dir: Path, name: str, revision: str) -> Path:
    """The folder in which a model is made before it is one."""
    return _adding(cache_dir) / f"{_key(name)}@{revision}"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other processes from making the same model meanwhile. Raises `ModelError`."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ModelError(f"another process is adding {folder.name} right now") from error
        yield


def put_in_place(staged: Path, cache_dir: Path, origin: Source) -> Added:
    """Makes a model of the files in `staged`; whoever looks sees all of it or nothing.

    To a model that is there already, files it lacks are added: graphs of another precision.
    """
    place = models_folder(cache_dir) / _key(origin.name) / origin.revision
    earlier = next((each for each in list_added(cache_dir) if each.folder == place), None)
    if earlier is not None and not is_intact(earlier):
        earlier = None
    if earlier is not None:
        origin = replace(origin, files={**origin.files, **earlier.origin.files})
    (staged / RECORD).write_text(json.dumps({"format": _FORMAT, **asdict(origin)}, indent=1))
    names = [name for name in (*origin.files, RECORD) if (staged / name).is_file()]
    for name in names:
        _sync(staged / name)
    if earlier is None:
        shutil.rmtree(place, ignore_errors=True)  # torn or damaged
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = staged.with_name(f"{staged.name}.whole")
        shutil.rmtree(fresh, ignore_errors=True)
        # Its own folder, without what else lies in the staging one.
        _move(staged, fresh, names)
        fresh.rename(place)
    else:
        # The graph comes last: without it its weights are nothing, and the record is a list.
        order = sorted(names, key=lambda name: (name == RECORD, name.endswith(".onnx")))
        _move(staged, place, [name for name in order if not is_setting(name)])
    _sync(place.parent)
    shutil.rmtree(staged, ignore_errors=True)
    _forget_torn(cache_dir, origin.name)
    return Added(place, origin)


def _called(cache_dir: Path, name: str) -> list[Added]:
    plain, _, revision = name.partition("@")
    if any(each.name == name for each in list_added(cache_dir)):
        plain, revision = name, ""  # the name of a folder may have an @ in it
    repository = KNOWN[plain].repository if plain in KNOWN else plain
    return [
        each
        for each in list_added(cache_dir)
        if each.name in {plain, repository}
        and (
            not revision
            or each.origin.requested == revision
            or (each.origin.revision.startswith(revision) and len(revision) >= 7)  # noqa: PLR2004
        )
    ]


def _key(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name.replace("/", "--")).lstrip(".") or "model"


def _adding(cache_dir: Path) -> Path:
    return models_folder(cache_dir) / ".adding"


def _forget_torn(cache_dir: Path, name: str) -> None:
    """Removes what failed attempts at a model left, unless somebody is at it."""
    for folder in _adding(cache_dir).glob(f"{_key(name)}@*"):
        with contextlib.suppress(OSError, ModelError), alone(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _move(source: Path, target: Path, names: list[str]) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
