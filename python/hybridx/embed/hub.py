"""Models from a hub, by the client of Hugging Face: what is needed, checked, resumable.

`HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` and the client's cache (`HF_HOME`) count. The client's
own download function is not used: it throws away what it has when it is interrupted, and cannot
be told what a file must be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from hybridx.embed.added import HUB_NAME, KNOWN, Known
from hybridx.embed.layouts import TOKENIZER, find_graph, is_setting, precisions, weights_of
from hybridx.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from hybridx.types import Device

    Progress: TypeAlias = Callable[[str, int, int | None], None]
    """Called with a file's name, its bytes so far, and its size."""

_T = TypeVar("_T")

PAUSES = (0.3, 1.0)
"""Seconds before each new attempt, after trouble that may pass."""
_TIMEOUT = 10.0
"""Seconds without a byte."""
_STEP = 1 << 20
"""Bytes that make an attempt worth another one."""
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHA256_LENGTH = 64


@dataclass(frozen=True)
class Remote:
    """A file of a repository, and what the hub says of it."""

    repository: str
    commit: str
    name: str
    size: int | None
    sha256: str | None
    """Of large files."""
    blob: str | None
    """The identity that git gives the content of all others."""

    def check(self, path: Path) -> str | None:
        """What is wrong with the content at `path`, if anything."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"it has {size:,} bytes instead of {self.size:,}"
        if self.sha256 is not None:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != self.sha256:
                    return "its content is not what the hub says it is"
        elif self.blob is not None:
            digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
            digest.update(path.read_bytes())
            if digest.hexdigest() != self.blob:
                return "its content is not what the hub says it is"
        return None


@dataclass(frozen=True)
class Offer:
    """What the hub has of a model, and which of it is wanted."""

    name: str
    commit: str
    requested: str
    license: str | None
    precision: str
    files: tuple[Remote, ...]

    @property
    def repositories(self) -> dict[str, str]:
        """The commit of each repository that a file is from."""
        return {each.repository: each.commit for each in self.files}


def look_up(name: str, *, precision: str, device: Device) -> Offer:
    """What to fetch of the model `name`: `owner/repository`, or a short name; `@` a revision.

    Raises:
        ModelError: there is no such model or no way to it, or it has no graph to run.
    """
    short, _, revision = name.partition("@")
    known = KNOWN.get(short)
    if known is None:
        found = HUB_NAME.fullmatch(name)
        if found is None:
            raise ModelError(f"{name!r} is neither a folder nor a name of the hub (owner/name)")
        known = Known(found["repository"])
    with _explained(known.repository, revision):
        commit, license_, files = _listed(known.repository, revision or None)
    if known.settings is not None:
        with _explained(known.settings, ""):
            # Settings from where the model was published, and the graph from who exported it.
            _, others_license, others = _listed(known.settings, None)
        license_ = license_ or others_license
        settings = {each.name: each for each in others.values() if is_setting(each.name)}
        files = {**files, **settings}
    return _wanted(known.repository, commit, revision or "main", license_, files, precision, device)


def _wanted(
    repository: str,
    commit: str,
    requested: str,
    license_: str | None,
    files: dict[str, Remote],
    precision: str,
    device: Device,
) -> Offer:
    graph = find_graph(files, precision, device)
    if graph is None:
        there = precisions(files)
        if there:
            said = f"a graph in {precision}, only in {' and '.join(there)}"
        else:
            said = "an ONNX graph (model.onnx or onnx/model.onnx)"
        raise ModelError(f"{repository} does not have {said}")
    for needed in ("config.json", TOKENIZER):
        if needed not in files:
            raise ModelError(f"{repository} does not have {needed}")
    names = [name for name in files if is_setting(name)]
    names += [TOKENIZER, *weights_of(graph[1], files), graph[1]]
    chosen = tuple(files[each] for each in names)
    return Offer(repository, commit, requested, license_, graph[0], chosen)


def fetch(offer: Offer, folder: Path, progress: Progress | None = None) -> dict[str, str]:
    """Brings all files of `offer` into `folder`; their SHA-256 digests by their relative paths.

    What is there already, whole or in part, is not fetched again.

    Raises:
        ModelError: the hub does not give what it offers.
        OSError: the disk does not take it; what is there is kept.
    """
    digests = {}
    for remote in offer.files:
        path = folder / remote.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.exists() and remote.check(path) is None):
            _obtain(remote, path, progress)
        with path.open("rb") as file:
            digests[remote.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def missing_bytes(offer: Offer, folder: Path) -> int:
    """How many bytes `fetch` has to bring into `folder`, as far as the hub tells."""
    missing = 0
    for remote in offer.files:
        if remote.size is not None and not (folder / remote.name).exists():
            part = _part(folder / remote.name)
            missing += max(0, remote.size - (part.stat().st_size if part.exists() else 0))
    return missing


def _listed(repository: str, revision: str | None) -> tuple[str, str | None, dict[str, Remote]]:
    """The commit, the licence and the files of a repository."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return _listed_offline(repository, revision)
    info = _retried(
        lambda: HfApi(library_name="hybridx").model_info(
            repository, revision=revision, files_metadata=True, timeout=_TIMEOUT
        )
    )
    commit = info.sha
    if not isinstance(commit, str) or len(commit) < 7 or not commit.isalnum():  # noqa: PLR2004
        raise ValueError("no commit")
    files = {}
    for each in info.siblings or ():
        name = each.rfilename
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or not {"", ".", ".."}.isdisjoint(parts):
            continue  # would lead out of the model's folder
        large = each.lfs
        files[name] = Remote(
            repository,
            commit,
            name,
            size=each.size if large is None else large.size,
            sha256=None if large is None else large.sha256,
            blob=each.blob_id if large is None else None,
        )
    card = info.card_data
    said = None if card is None else card.get("license")
    return commit, said if isinstance(said, str) else None, files


def _listed_offline(
    repository: str, revision: str | None
) -> tuple[str, str | None, dict[str, Remote]]:
    """The same from the client's cache alone."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, "config.json", revision=revision)
    if not isinstance(found, str):
        raise ModelError(
            f"HF_HUB_OFFLINE is set, and {repository} is not in the cache of the hub's client"
        )
    snapshot = Path(found).parent
    files = {}
    for path in sorted(snapshot.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(snapshot).as_posix()
        # The cache calls contents by their digests and links to them.
        content = path.resolve().name
        large = len(content) == _SHA256_LENGTH
        files[name] = Remote(
            repository,
            snapshot.name,
            name,
            size=path.stat().st_size,
            sha256=content if large else None,
            blob=content if not large and path.is_symlink() else None,
        )
    return snapshot.name, None, files


def _obtain(remote: Remote, path: Path, progress: Progress | None) -> None:
    from huggingface_hub import constants, try_to_load_from_cache

    part = _part(path)
    cached = try_to_load_from_cache(remote.repository, remote.name, revision=remote.commit)
    if isinstance(cached, str) and remote.check(Path(cached)) is None:
        shutil.copyfile(cached, part)
    elif constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"HF_HUB_OFFLINE is set, and {remote.name} of {remote.repository} "
            "is damaged in the cache of the hub's client"
        )
    else:
        with _explained(remote.repository, remote.commit):
            _download(remote, part, progress)
        wrong = remote.check(part)
        if wrong is not None:
            part.unlink()
            raise ModelError(f"{remote.name} of {remote.repository}: {wrong}")
    part.replace(path)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _download(remote: Remote, part: Path, progress: Progress | None) -> None:
    """Appends to `part` until it has all bytes, over as many connections as it takes."""
    pauses = iter(PAUSES)
    while True:
        before = part.stat().st_size if part.exists() else 0
        if remote.size is not None and before > remote.size:
            part.unlink()
            before = 0
        if before == remote.size:
            part.touch()
            return
        try:
            _append(remote, part, before, progress)
        except _Restart:
            part.unlink()
        except Exception as error:
            if not _may_pass(error):
                raise
            # A connection that brought us further is no failed attempt.
            if part.exists() and part.stat().st_size >= before + _STEP:
                pauses = iter(PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def _append(
    remote: Remote,
    part: Path,
    start: int,
    progress: Progress | None,
) -> None:
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import hf_raise_for_status

    url = hf_hub_url(remote.repository, remote.name, revision=remote.commit)
    headers = build_hf_headers(library_name="hybridx")
    headers["Accept-Encoding"] = "identity"  # sizes and ranges are those of the file
    if start:
        headers["Range"] = f"bytes={start}-"
    with get_session().stream(
        "GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True
    ) as response:
        if start and response.status_code == 416:  # noqa: PLR2004 - there is no such range
            raise _Restart
        hf_raise_for_status(response)
        span = response.headers.get("Content-Range", "")
        if start and not (response.status_code == 206 and span.startswith(f"bytes {start}-")):  # noqa: PLR2004
            start = 0  # it does not resume
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            done = start
            # As they come: what a larger block would wait for is lost when the connection breaks.
            for block in response.iter_bytes():
                file.write(block)
                file.flush()
                done += len(block)
                if remote.size is not None and done > remote.size:
                    return  # the check says what is wrong
                if progress is not None:
                    progress(remote.name, done, remote.size)


class _Restart(Exception):  # noqa: N818 - nothing is wrong yet
    """What was downloaded before is of no use."""


def _retried(call: Callable[[], _T]) -> _T:
    for pause in PAUSES:
        try:
            return call()
        except Exception as error:
            if not _may_pass(error):
                raise
        time.sleep(pause)
    return call()


def _may_pass(error: Exception) -> bool:
    """Whether another attempt may go well: the network, or a hub that is busy."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _TRANSIENT
    return isinstance(error, _http_errors())


def _http_errors() -> tuple[type[Exception], ...]:
    """What the client's HTTP library raises; which library that is differs between its versions."""
    from huggingface_hub.errors import HfHubHTTPError

    base = next(each for each in HfHubHTTPError.__mro__ if each.__name__ == "HTTPError")
    library = sys.modules[base.__module__.partition(".")[0]]
    return base, library.InvalidURL


@contextlib.contextmanager
def _explained(repository: str, revision: str) -> Iterator[None]:
    """Turns what the client raises into one line."""
    _check_endpoint()
    # It tells the hub what runs it, and asks the hub which programs that could be.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import constants, errors
    from huggingface_hub.utils import logging

    logging.get_logger("huggingface_hub").setLevel("ERROR")  # what goes wrong is said here
    hub = str(constants.ENDPOINT)
    try:
        yield
    except ModelError:
        raise
    except errors.OfflineModeIsEnabled as error:
        raise ModelError("HF_HUB_OFFLINE is set: nothing can be fetched") from error
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{repository} is gated: accept its terms at {hub}/{repository} and set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no model {repository} at {hub}, or it is private: then set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"{repository} has no revision {revision}") from error
    except errors.HFValidationError as error:
        raise ModelError(f"{repository} is no name of the hub (owner/name)") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        said = {401: "wants a valid HF_TOKEN for", 403: "does not allow", 404: "does not have"}
        what = said.get(status, f"fails ({status}) at")
        raise ModelError(f"{hub} {what} {repository}") from error
    except _http_errors() as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{hub} cannot be reached or breaks off: {reason}; try again") from error
    except OSError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{hub} gives no description of {repository}: is HF_ENDPOINT a hub?"
        ) from error


def _check_endpoint() -> None:
    """Before the client is loaded, which prints what it thinks of it."""
    given = os.environ.get("HF_ENDPOINT", "")
    try:
        parts = urlsplit(given)
        wrong = bool(given) and (parts.scheme not in {"http", "https"} or not parts.hostname)
        wrong = wrong or parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise ModelError(f"HF_ENDPOINT is {given!r}, which is no address of a hub")
