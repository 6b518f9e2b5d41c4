"""A hub on this machine: what the client of Hugging Face asks for, and all that can go wrong.

It answers the description of a model, and its files: small ones at once, large ones by a redirect
to a "content network", which is the same server under another name.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

HTML = b"<!doctype html><html><body><h1>Please log in to the hotel's network</h1></body></html>"


@dataclass(frozen=True)
class Asked:
    """A request."""

    path: str
    range: str | None
    token: str | None
    host: str


@dataclass
class Repository:
    """A model at the hub."""

    files: dict[str, bytes]
    commit: str = "c0ffee" * 6 + "beef"
    license: str | None = "apache-2.0"
    gated: bool = False
    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    """Commits by other names; `main` is `commit`."""

    @classmethod
    def of(cls, folder: Path, **more: Any) -> Repository:
        """With the files of a folder."""
        found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return cls(
            {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}, **more
        )

    def describe(self, name: str) -> dict[str, Any]:
        """The hub's description."""
        siblings = []
        for path, content in self.files.items():
            entry: dict[str, Any] = {"rfilename": path, "size": len(content)}
            if is_large(path):
                entry["blobId"] = "0" * 40  # of the pointer
                sha256 = etag(path, content)
                entry["lfs"] = {"size": len(content), "sha256": sha256, "pointerSize": 134}
            else:
                entry["blobId"] = etag(path, content)
            siblings.append(entry)
        card = {"license": self.license} if self.license else {}
        return {"id": name, "sha": self.commit, "siblings": siblings, "cardData": card}


def is_large(path: str) -> bool:
    """Whether the hub keeps it apart from git."""
    return ".onnx" in path


def etag(path: str, content: bytes) -> str:
    """What the hub calls a content: git's name of it, or for large ones their SHA-256 digest."""
    if is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Hub:
    """The server; a context manager."""

    repositories: dict[str, Repository]
    token: str = ""
    """Who has it may see what is gated or private."""
    faults: dict[str, str] = field(default_factory=dict)
    """What goes wrong, by the name of a file; `api` is the description."""
    asked: list[Asked] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set when a file that stalls has sent half of what it has."""

    def __enter__(self) -> Self:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.over = threading.Event()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def port(self) -> int:
        port: int = self.server.server_address[1]
        return port

    @property
    def url(self) -> str:
        """For `HF_ENDPOINT`."""
        return f"http://127.0.0.1:{self.port}"

    def bodies(self, name: str) -> list[Asked]:
        """The requests that the content of a file was sent for."""
        return [each for each in self.asked if each.path.endswith(f"/{name}")]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        host = (self.headers.get("Host") or "").partition(":")[0]
        self.hub.asked.append(Asked(path, self.headers.get("Range"), token, host))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        elif parts[0] == "api":
            self._fail(404, "")
        elif parts[0] == "content":
            self._send_content(self._find("/".join(parts[1:3])), "/".join(parts[3:]))
        else:
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), token)

    def _find(self, name: str) -> Repository:
        return self.hub.repositories[name]

    def _refuses(self, name: str, token: str | None) -> bool:
        repository = self.hub.repositories.get(name)
        welcome = bool(self.hub.token) and token == self.hub.token
        if repository is None or (repository.private and not welcome):
            # As the hub does: who may not see it is not told that it exists.
            self._fail(404 if token else 401, "RepoNotFound")
            return True
        if repository.gated and not welcome:
            self._fail(403 if token else 401, "GatedRepo")
            return True
        return False

    def _describe(self, name: str, revision: str) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if self._fault("api") or self._refuses(name, token):
            return
        repository = self._find(name)
        known = {"main": repository.commit, repository.commit: repository.commit}
        if revision not in known | repository.branches:
            self._fail(404, "RevisionNotFound")
            return
        document = repository.describe(name)
        document["sha"] = (known | repository.branches)[revision]
        self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _resolve(self, name: str, commit: str, path: str, token: str | None) -> None:
        if self._refuses(name, token):
            return
        repository = self._find(name)
        commit = {"main": repository.commit, **repository.branches}.get(commit, commit)
        if path not in repository.files:
            self._fail(404, "EntryNotFound")
        elif is_large(path):
            # Another host's name for the same server: no token may follow there.
            place = f"http://localhost:{self.hub.port}/content/{name}/{path}"
            size = len(repository.files[path])
            headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(size), "Location": place}
            headers["X-Linked-ETag"] = f'"{etag(path, repository.files[path])}"'
            self._send(302, b"", headers)
        else:
            self._send_content(repository, path)

    def _send_content(self, repository: Repository, path: str) -> None:
        content = repository.files[path]
        fault = self.hub.faults.get(path, "")
        if self._fault(path):
            return
        if fault == "other":
            content = bytes(byte ^ 1 for byte in content)
        if fault == "longer":
            content += b"more"
        start = 0
        span = self.headers.get("Range")
        if span and fault != "no ranges":
            start = int(span.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self._send(416, b"", {})
                return
        headers = {"ETag": f'"{etag(path, content)}"', "X-Repo-Commit": repository.commit}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        self.send_response(206 if start else 200)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        if fault in {"breaks off", "breaks off once", "no ranges", "stalls"}:
            if fault == "breaks off once":
                del self.hub.faults[path]
            self.wfile.write(body[:half])
            self.wfile.flush()
            if fault == "stalls":
                self.hub.stalled.set()
                self.hub.over.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _fault(self, name: str) -> bool:
        """Answers wrongly, if that is wanted."""
        fault = self.hub.faults.get(name, "")
        kind, _, rest = fault.partition(" ")
        if kind == "html":
            self._send(200, HTML, {"Content-Type": "text/html"})
        elif kind == "json":
            self._send(200, rest.encode(), {"Content-Type": "application/json"})
        elif kind == "bytes":
            self._send(200, bytes(range(256)) * 9, {"Content-Type": "application/json"})
        elif kind.isdigit():
            if rest == "once":
                del self.hub.faults[name]
            self._fail(int(kind), "")
        else:
            return False
        return True

    def _fail(self, status: int, code: str) -> None:
        self._send(status, b"no\n", {"X-Error-Code": code} if code else {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
