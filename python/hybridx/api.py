"""The Python API: `Index`. `AsyncIndex` is the same, awaitable."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hybridx import _core
from hybridx.arguments import (
    as_folder,
    as_globs,
    as_languages,
    as_number,
    as_path,
    as_paths,
    as_query,
    as_text,
    as_words,
    check_cancel,
    check_observer,
    check_work,
)
from hybridx.config import Settings
from hybridx.errors import UsageError
from hybridx.observe import watched
from hybridx.opened import OpenIndex
from hybridx.scan import scan_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from hybridx.embed.model import Model
    from hybridx.indexer import Request
    from hybridx.observer import Observer
    from hybridx.results import FileResults
    from hybridx.types import (
        DiffReport,
        IndexReport,
        Mode,
        OnFiles,
        Outline,
        ProgressCallback,
        SearchResult,
        Status,
        Verification,
        Why,
    )
    from hybridx.watch import Reports, Watcher


class Index(OpenIndex):
    """The index of a source tree.

    Opening is cheap and needs no index to exist; `update` makes one. Searches see the newest
    generation, always a whole one, also while another process writes. Safe for several threads.
    """

    @classmethod
    def open(cls, path: str | os.PathLike[str] = ".", *, settings: Settings | None = None) -> Self:
        """Opens the index of the folder at `path`.

        Raises:
            OSError: there is no such folder, or it cannot be read.
            UsageError: `path` is a file or no path at all, or a setting makes no sense.
        """
        given = as_folder(path)
        if settings is not None and not isinstance(settings, Settings):
            raise UsageError(f"settings is {settings!r}: give Settings")
        # Resolved, so that one folder has one index however it is named.
        root = Path(os.path.realpath(given, strict=True))
        if not root.is_dir():
            raise UsageError(f"{given} is a file: give the folder that is to be searched")
        return cls(root, settings if settings is not None else Settings.load(root, {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def generation(self) -> int | None:
        """The number of the generation that a search sees now; `None` if there is no index.

        Raises:
            CorruptIndexError: the index is damaged.
            IndexFormatError: another version of hybridx wrote it.
        """
        self._check_process()
        from hybridx.commit import Generation

        found = Generation.current(self._layout)
        return found.manifest.generation if found else None

    def update(
        self,
        *,
        full: bool = False,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        sequential: bool = False,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> IndexReport:
        """Brings the index up to date with the tree; the first run builds it.

        Args:
            full: build everything anew beside what is there, then switch.
            paths: only these files and folders, relative to the root.
            sequential: one step at a time, for debugging; the result is the same.
            progress: called some ten times a second, from one of the update's threads. What it
                raises ends the update, and is raised.
            observer: what writes a trace and metrics of it; its files are not indexed by this.
            cancel: a token that ends the update with `Cancelled` when set.

        Raises:
            IndexBusyError: another process writes it for longer than `lock_timeout`.
            Cancelled: the token was set.
            UsageError: an argument makes no sense.
            ModelError: the model cannot be loaded, or fails on most files.
            TooManyErrorsError: more files failed than `max_errors` allows.
            CorruptIndexError, IndexFormatError, StoreError: what is there cannot be gone on from.
            OSError: the tree or the index cannot be read or written.

        Whatever it raises, and whatever ends the process, what was committed is kept.
        """
        request = _request(full, paths, sequential)
        return self._update(request, progress, cancel, observer=observer)

    def updates(
        self,
        *,
        full: bool = False,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        sequential: bool = False,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> FileResults:
        """An update whose files can be taken one by one, as they are stored.

            with index.updates() as results:
                for done in results:
                    print(done.change, done.path)
            print(results.report.generation)

        Only files that changed come: those that are gone first, the others in no particular order,
        failed ones among them. A file that comes is stored, and can be found after the next
        commit: as soon as `search` answers from the generation that `FileResult.generation` names.
        Arguments are those of `update`; closing the iterator before its end sets `cancel`. Where a
        slow model is filled in beside the index, each file comes once a pass.

        Raises:
            UsageError: an argument makes no sense. All else that `update` raises comes from the
                iterator.
        """
        from hybridx.results import FileResults

        self._check_process()
        check_work(progress, cancel, observer)
        token = cancel or _core.CancelToken()
        # Checked now and not in the thread that runs it.
        request = _request(full, paths, sequential)

        def run(on_files: OnFiles, tell: ProgressCallback | None) -> IndexReport:
            asked = dataclasses.replace(request, on_files=on_files)
            return self._update(asked, tell, token, observer=observer)

        return FileResults(run, token, progress)

    def refresh(
        self,
        *,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> IndexReport:
        """Brings the index up to date under the model that serves, whatever is configured.

        It is what a watch does again and again: unlike `update` it never begins with the vectors of
        a slower model.

        Args:
            progress: as in `update`, as are the others.
            observer: what writes a trace and metrics of it.
            cancel: a token that ends it.

        Raises:
            HybridxError, OSError: as `update` does.
        """
        from hybridx.indexer import Request

        return self._update(Request(serving=True), progress, cancel, observer=observer)

    def watch(
        self,
        *,
        on_error: Callable[[Exception], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Reports:
        """Keeps the index up to date with the tree, and iterates over what that does.

        The first report is that of the update it begins with, each other one that of a batch of
        changes which was ingested: what it tells of can be found. The iterator ends when `cancel`
        is set; leaving it as a context manager, or closing it, stops the watch. See `Watcher`, its
        attribute `watcher`, for what happens where several processes watch.

        Args:
            on_error: called with what an update failed of; it is tried again by itself.
            on_note: called with a sentence if the tree must be looked at from time to time.
            progress: of each update, as in `update`.
            observer: what writes a trace and metrics, for as long as the watch runs.
            cancel: a token that ends the watch when set.

        Raises:
            OSError: while iterating: the root was removed or moved.
            HybridxError: while iterating: the first update failed for good.
        """
        from hybridx.watch import Reports

        def make(on_report: Callable[[IndexReport], None]) -> Watcher:
            return self.watcher(
                on_report=on_report,
                on_error=on_error,
                on_note=on_note,
                progress=progress,
                observer=observer,
                cancel=cancel,
            )

        return Reports(make)

    def watcher(
        self,
        *,
        on_report: Callable[[IndexReport], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        progress: ProgressCallback | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Watcher:
        """What keeps the index up to date in the background, once it is started.

        All functions are called from the watcher's threads: `on_report` with what each batch of
        changes did, the others as `watch` says.
        """
        check_work(progress, cancel, observer)
        return self._watching(
            progress,
            observer,
            on_report=on_report,
            on_error=on_error,
            on_note=on_note,
            cancel=cancel,
        )

    def diff(self, *, cancel: _core.CancelToken | None = None) -> DiffReport:
        """What changed since the index's generation; nothing is written.

        Args:
            cancel: a token that ends the scan with `Cancelled` when set.

        Raises:
            NotIndexedError: there is no index.
            Cancelled: the token was set.
            CorruptIndexError, IndexFormatError: the index cannot be read.
            OSError: the tree cannot be listed.
        """
        from hybridx.types import DiffReport

        check_cancel(cancel)
        start = time.perf_counter()
        generation = self._generation()
        scan = scan_tree(self._layout, self.settings, cancel=cancel)
        changes = scan.tree.diff(generation.snapshot.tree)
        old = generation.manifest.merkle_root
        return DiffReport(old, scan.tree.root, changes, time.perf_counter() - start)

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        languages: Sequence[str] = (),
        paths: Sequence[str] = (),
        kinds: Sequence[str] = (),
        changed_since: str | None = None,
        max_tokens: int | None = None,
        check: bool = False,
        rerank: str | None = None,
        observer: Observer | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> SearchResult:
        """The best `k` chunks for `query`.

        Args:
            query: words, names, quotations, code; all of it is text, nothing is an operator.
            k: hits, 1 to 10,000.
            mode: `hybrid`, `lexical` (words alone) or `semantic` (vectors alone).
            languages: names or extensions, as `python`, `py`. Filters hold for every hit: an
                empty one does not filter, one that nothing satisfies gives no hits.
            paths: globs as in .gitignore files.
            kinds: of chunks, as `function`, `class`, `section`.
            changed_since: a time that passed (`2d`), a date, or a revision that git knows.
            max_tokens: no more text than a language model reads as about so many tokens, at
                least 1; the last hit may be cut.
            check: scan the tree, and say in `stale_files` how many files changed since it was
                indexed.
            rerank: a folder that holds a cross-encoder, which puts the best candidates in order,
                or `none`; where it is not given, the setting counts.
            observer: what shows the search's stages in its trace.
            cancel: a token that ends the search with `Cancelled` when set.

        Raises:
            NotIndexedError: there is no index.
            UsageError: an argument makes no sense.
            ModelError: a model cannot be loaded, or failed.
            Cancelled: the token was set.
            CorruptIndexError, IndexFormatError, StoreError: the index cannot be read.
            OSError: it cannot be opened; or, with `check`, the tree cannot be listed.
        """
        from hybridx.search import Scope

        check_cancel(cancel)
        check_observer(observer)
        query, k = as_query(query), as_number("k", k)
        budget = None if max_tokens is None else as_number("max_tokens", max_tokens)
        chosen = self.settings.rerank if rerank is None else as_text("rerank", rerank)
        since = None if changed_since is None else as_text("changed_since", changed_since)
        scope = Scope(as_languages(languages), as_globs(paths), as_words("kinds", kinds))
        with watched(observer, "search", "open the index"):
            engine = self._search_engine()
        if since is not None:
            from hybridx.since import changed_since as changed

            only = changed(self.root, engine.generation.snapshot.paths(), since)
            scope = dataclasses.replace(scope, only=only)
        result = engine.search(
            query,
            k,
            mode=mode,
            scope=scope,
            max_tokens=budget,
            reranker=self._models.reranker(chosen),
            cancel=cancel,
            observer=observer,
        )
        if check:
            stale = self._pending(engine.generation, cancel)
            result = dataclasses.replace(result, stale_files=stale)
        elif self._watcher is not None and (watcher := self._watcher()) is not None:
            # As far as it was heard of, which costs nothing.
            result = dataclasses.replace(result, stale_files=watcher.state().pending)
        return result

    def related(
        self,
        path: str | os.PathLike[str],
        line: int,
        k: int = 10,
        *,
        languages: Sequence[str] = (),
        paths: Sequence[str] = (),
        kinds: Sequence[str] = (),
        max_tokens: int | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> SearchResult:
        """The `k` chunks that are most like the one at `line` of the file at `path`.

        Likeness is the cosine similarity of their vectors, -1 to 1, which is the score of each hit.
        The chunk at the place, and other pieces of its definition, are none of the hits.

        Args:
            path: relative to the root.
            line: counted from 1.
            k: at most so many hits, 1 to 10,000.
            languages: as in `search`, as are the next three.
            paths: globs.
            kinds: of chunks.
            max_tokens: about how many a language model may have to read.
            cancel: a token that ends it with `Cancelled` when set.

        Raises:
            NotIndexedError: there is no index.
            UsageError: the place is in no chunk of the index, or an argument makes no sense.
            Cancelled: the token was set.
            CorruptIndexError, IndexFormatError, StoreError: the index cannot be read.
            OSError: it cannot be opened.
        """
        from hybridx.related import related
        from hybridx.search import Scope

        check_cancel(cancel)
        place, line, k = as_path(path), as_number("line", line), as_number("k", k)
        budget = None if max_tokens is None else as_number("max_tokens", max_tokens)
        scope = Scope(as_languages(languages), as_globs(paths), as_words("kinds", kinds))
        engine = self._search_engine()
        return related(engine, place, line, k, scope=scope, max_tokens=budget, cancel=cancel)

    def outline(
        self,
        path: str | os.PathLike[str] = "",
        *,
        max_tokens: int | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Outline:
        """What the file at `path` defines, or what the folder at `path` holds.

        Definitions have lines, counted from 1 and read from the file as it is now; which files a
        folder holds is what the generation says.

        Args:
            path: relative to the root; `""` is the root.
            max_tokens: no more than a language model reads as about so many tokens: the deepest
                definitions and the last files are left out, and counted in `omitted`.
            cancel: a token that ends it with `Cancelled` when set.

        Raises:
            NotIndexedError: `path` is a folder, and there is no index.
            UsageError: there is nothing at `path`, it is not below the root, or the rules that
                leave files out of the index leave it out.
            Cancelled: the token was set.
            CorruptIndexError, IndexFormatError: the index cannot be read.
            OSError: the root is gone.
        """
        self._check_process()
        from hybridx.commit import Generation
        from hybridx.outline import outline

        check_cancel(cancel)
        place = as_path(path)
        budget = None if max_tokens is None else as_number("max_tokens", max_tokens)
        generation = Generation.current(self._layout)
        return outline(self._layout, self.settings, generation, place, budget, cancel)

    def status(self, *, check: bool = True, cancel: _core.CancelToken | None = None) -> Status:
        """What the index holds.

        Args:
            check: scan the tree to see whether it is still true.
            cancel: a token that ends the scan with `Cancelled` when set.

        Raises:
            NotIndexedError: there is no index.
            Cancelled: the token was set.
            CorruptIndexError, IndexFormatError: the index cannot be read.
            OSError: the tree cannot be listed.
        """
        check_cancel(cancel)
        return self._status(check, cancel)

    def wanted_model(self) -> Model:
        """The model that the next update takes.

        Raises:
            ModelError: it is not there, or a part of it is missing or wrong.
        """
        return self._models.wanted()

    def skipped(self) -> list[tuple[str, str, str]]:
        """Every file that was seen and left out: `(path, reason, detail)`, in path order.

        Raises:
            NotIndexedError: there is no index.
            CorruptIndexError, IndexFormatError: it cannot be read.
        """
        return self._generation().snapshot.skipped

    def why(self, path: str | os.PathLike[str]) -> Why:
        """Why the file or folder at `path`, relative to the root, is in the index or is not.

        Without an index it says what the first run would make of it. `""` is the root.

        Raises:
            UsageError: the path is not below the root.
            CorruptIndexError, IndexFormatError: the index cannot be read.
            OSError: the root is gone.
        """
        self._check_process()
        from hybridx.commit import Generation
        from hybridx.why import explain

        generation = Generation.current(self._layout)
        return explain(self._layout, self.settings, generation, as_path(path))

    def verify(
        self,
        *,
        repair: bool = False,
        progress: ProgressCallback | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Verification:
        """Cross-checks both stores against each other and the snapshot, id by id.

        It reads every file of the index and keeps writers away meanwhile.

        Args:
            repair: mend what is wrong: files whose rows are wrong are indexed again; where a
                store itself is damaged the index is built anew beside it. The result then tells
                how the index is afterwards, and what was mended.
            progress: of the repair, as in `update`.
            cancel: a token that ends the wait for the lock, and the repair, with `Cancelled`.

        Raises:
            NotIndexedError: there is no index.
            Cancelled: the token was set.
            IndexBusyError, OSError: as `update` does; with `repair`, so are the others.
        """
        check_work(progress, cancel)
        found = self._verify(cancel)
        if found.ok or not repair:
            return found
        from hybridx.indexer import Request
        from hybridx.verify import rows_to_mend

        self.close()
        mend = rows_to_mend(found.problems)
        if mend is not None:
            request = Request(paths=mend, mend=mend, repair=True)
        else:
            # A pointer that was lost is found again by any update.
            lost = {each.kind for each in found.problems} == {"current"}
            request = Request(full=not lost, repair=True)
        self._update(request, progress, cancel)
        return dataclasses.replace(self._verify(cancel), repaired=found.problems)

    def clean(self, *, cancel: _core.CancelToken | None = None) -> int:
        """Removes the index and returns how many bytes that freed.

        Args:
            cancel: a token that ends the wait for the lock when set.

        Raises:
            IndexBusyError: another process writes it for longer than `lock_timeout`, or watches it.
            Cancelled: the token was set; nothing was removed.
            UsageError: the folder set as `index_dir` is no index of this root.
        """
        check_cancel(cancel)
        return self._clean(cancel)


def _request(
    full: bool,
    paths: Sequence[str | os.PathLike[str]] | None,
    sequential: bool,
) -> Request:
    from hybridx.indexer import Request

    only = None if paths is None else frozenset(as_paths(paths))
    return Request(full=full, paths=only, sequential=sequential)
