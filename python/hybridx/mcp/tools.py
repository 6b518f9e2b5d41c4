"""What each tool does: checked arguments in, a text for models and the same for programs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from hybridx import _core
from hybridx.config import suggestion
from hybridx.errors import Cancelled, NotIndexedError, UsageError
from hybridx.mcp import present
from hybridx.mcp.arguments import checked
from hybridx.mcp.pages import Pages, digest_of
from hybridx.mcp.schemas import MOST_HITS, ToolSchema, tools

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybridx._core import CancelToken
    from hybridx.mcp.served import Freshness, Served
    from hybridx.types import IndexReport, Progress, SearchResult, Status

Tell = Callable[["Progress"], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gives back."""

    text: str
    structured: dict[str, Any]


class Tools:
    """The tools over the folders that are served. Safe for several threads."""

    def __init__(self, served: Sequence[Served]) -> None:
        """Tools over at least one folder."""
        self._served = {each.name: each for each in served}
        self.schemas: dict[str, ToolSchema] = {each.name: each for each in tools([*self._served])}
        self._pages = Pages()
        self._calls: dict[str, Callable[[dict[str, Any], Tell, CancelToken], Answer]] = {
            "search": self._search,
            "related": self._related,
            "outline": self._outline,
            "status": self._status,
            "refresh": self._refresh,
        }

    def call(
        self, name: str, arguments: Mapping[str, Any], progress: Tell, cancel: CancelToken
    ) -> Answer:
        """Calls the tool `name`.

        Raises:
            UsageError: there is no such tool, or an argument makes no sense.
            Cancelled: `cancel` was set.
            HybridxError, OSError: as the index does.
        """
        if name not in self.schemas:
            raise UsageError(f"there is no tool {name!r}; there are {', '.join(self.schemas)}")
        values = checked(self.schemas[name].arguments, arguments)
        _check(cancel)
        return self._calls[name](values, progress, cancel)

    def _of(self, values: Mapping[str, Any]) -> Served:
        return self._served[values.get("root", next(iter(self._served)))]

    def _search(self, values: dict[str, Any], _: Tell, cancel: CancelToken) -> Answer:
        served = self._of(values)
        if not values["query"].strip():
            raise UsageError("the query is empty: say what to look for")
        filters = _filters(values, served)
        asked = digest_of(values)
        try:
            served.ready(cancel)
        except NotIndexedError as error:
            return _not_yet(served, error)
        _check(cancel)
        result, at = None, 0
        if "cursor" in values:
            result, at = self._pages.resume(values["cursor"], asked, served.index.generation)
        if result is None:
            try:
                result = served.index.search(
                    values["query"],
                    # As many for every page, so that pages are of one list.
                    MOST_HITS,
                    mode=values["mode"],
                    changed_since=values.get("changed_since"),
                    cancel=cancel,
                    **filters,
                )
            except UsageError as error:
                # It is an argument here, and no option.
                raise UsageError(str(error).replace("--changed-since", "changed_since")) from error
        _check(cancel)
        return self._page(served, result, at, values, asked)

    def _page(
        self, served: Served, result: SearchResult, at: int, values: Mapping[str, Any], asked: str
    ) -> Answer:
        hits = result.hits[at : at + values["k"]]
        shown = present.page(hits, result.query, values["detail"], values["max_tokens"])
        after = at + len(shown)
        cursor = self._pages.cursor(result, asked, after) if shown else None
        freshness = served.freshness(result.generation)
        rest = ""
        if cursor is not None:
            rest = f"hits {at + 1}-{after} of {len(result)}; more with cursor {cursor}"
        elif at and shown:
            rest = f"hits {at + 1}-{after} of {len(result)}"
        return _hits(shown, freshness, cursor, rest)

    def _related(self, values: dict[str, Any], _: Tell, cancel: CancelToken) -> Answer:
        served = self._of(values)
        path, filters = served.path_of(values["path"]), _filters(values, served)
        try:
            served.ready(cancel)
        except NotIndexedError as error:
            return _not_yet(served, error)
        _check(cancel)
        result = served.index.related(path, values["line"], values["k"], cancel=cancel, **filters)
        shown = present.page(result.hits, "", values["detail"], values["max_tokens"])
        rest = f"{len(result) - len(shown)} more did not fit" if len(shown) < len(result) else ""
        return _hits(shown, served.freshness(result.generation), None, rest)

    def _outline(self, values: dict[str, Any], _: Tell, cancel: CancelToken) -> Answer:
        served = self._of(values)
        path = served.path_of(values["path"])
        if not (served.root / path).is_file():
            served.ready(cancel)
        found = served.index.outline(path, max_tokens=values["max_tokens"] - 40, cancel=cancel)
        freshness = served.freshness(found.generation)
        rest = f"{found.omitted} more did not fit" if found.omitted else ""
        text = f"{present.outlined(found)}\n{present.footer(freshness, rest)}"
        return Answer(text, present.outline_json(found) | {"freshness": freshness.to_json()})

    def _status(self, values: dict[str, Any], _: Tell, cancel: CancelToken) -> Answer:
        texts, rows = [], []
        for served in self._chosen(values):
            _check(cancel)
            found = _status_of(served, cancel)
            freshness = served.freshness(found.generation if found else None)
            texts.append(present.status(served.name, found, freshness, str(served.root)))
            row = {"name": served.name, "root": str(served.root), "freshness": freshness.to_json()}
            if found is not None:
                row["index"] = found.to_json()
            rows.append(row)
        return Answer("\n".join(texts), {"roots": rows})

    def _refresh(self, values: dict[str, Any], progress: Tell, cancel: CancelToken) -> Answer:
        texts, rows = [], []
        for served in self._chosen(values):
            _check(cancel)
            report = served.refresh(progress, cancel)
            freshness = served.freshness()
            row = {"name": served.name, "root": str(served.root), "freshness": freshness.to_json()}
            did = ""
            if report is not None:
                did = _did(report)
                row["files"] = report.files.to_json()
            texts.append(f"{served.name}: {did}\n{present.footer(freshness)}")
            rows.append(row)
        return Answer("\n".join(texts), {"roots": rows})

    def _chosen(self, values: Mapping[str, Any]) -> Sequence[Served]:
        return [self._of(values)] if "root" in values else [*self._served.values()]


def _check(cancel: CancelToken) -> None:
    if cancel.cancelled:
        raise Cancelled("cancelled")


class _Filters(TypedDict):
    languages: list[str]
    paths: list[str]
    kinds: list[str]


def _filters(values: Mapping[str, Any], served: Served) -> _Filters:
    languages = []
    for word in values.get("languages", ()):
        name = _core.language(word.strip())
        if name is None:
            known = _core.languages()
            near = suggestion(word, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"there is no language {word!r}{near}")
        languages.append(name)
    paths = [served.glob_of(each) for each in values.get("paths", ())]
    return {"languages": languages, "paths": paths, "kinds": list(values.get("kinds", ()))}


def _hits(
    shown: Sequence[present.Shown], freshness: Freshness, cursor: str | None, rest: str
) -> Answer:
    texts = [each.text() for each in shown] or ["no hits"]
    # A blank line between hits that have lines; places alone are a list.
    between = "\n\n" if any(each.lines for each in shown) else "\n"
    text = f"{between.join(texts)}\n{present.footer(freshness, rest)}"
    structured = {
        "hits": [each.to_json() for each in shown],
        "cursor": cursor,
        "freshness": freshness.to_json(),
    }
    return Answer(text, structured)


def _not_yet(served: Served, error: NotIndexedError) -> Answer:
    """No error where the index is being built: to ask again, or to look elsewhere, is enough."""
    freshness = served.freshness()
    if freshness.state != "building":
        raise error
    text = "nothing can be found yet: try again soon, or use other tools meanwhile"
    structured: dict[str, Any] = {"hits": [], "cursor": None, "freshness": freshness.to_json()}
    return Answer(f"{text}\n{present.footer(freshness)}", structured)


def _status_of(served: Served, cancel: CancelToken) -> Status | None:
    state = served.freshness().state
    # Whoever watches knows; else the files are looked at.
    check = state in {"followed", "unwatched", "failing"}
    try:
        return served.index.status(check=check, cancel=cancel)
    except NotIndexedError:
        return None


def _did(report: IndexReport) -> str:
    files = report.files
    done = files.told("failed")
    return f"{done or 'nothing changed'}; {files.seen:,} files in {report.seconds.total:.1f} s"
