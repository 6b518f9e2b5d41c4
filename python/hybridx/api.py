"""The Python API: `Index`, and `AsyncIndex`, which is the same, awaitable."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from hybridx import _core
from hybridx.arguments import as_text, resolved, spelled, tidy
from hybridx.config import Settings
from hybridx.errors import IndexBusyError, NotIndexedError, UsageError
from hybridx.layout import Layout
from hybridx.models import Models, model_info
from hybridx.observe import watched
from hybridx.scan import scan_tree
from hybridx.types import DiffReport, Secrets, Status

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from types import TracebackType

    from hybridx.commit import Generation
    from hybridx.indexer import Request
    from hybridx.observe import Observer
    from hybridx.search import SearchEngine
    from hybridx.types import (
        IndexReport,
        Mode,
        ProgressCallback,
        SearchResult,
        Verification,
        Why,
    )

__all__ = ["DiffReport", "Index"]

_T = TypeVar("_T")


class Index:
    """The index of a source tree.

    Opening is cheap and needs no index to exist; `update` makes one. Searches see the newest
    generation, always a whole one, also while another process writes. Safe for several threads.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        """Use `Index.open`."""
        self.root = root
        self.settings = settings
        self._layout = Layout.of(
            root, index_dir=settings.index_dir, index_parent=settings.index_parent
        )
        self._engine: SearchEngine | None = None
        self._models = Models(self._layout, settings)
        self._lock = threading.Lock()
        self._pid = os.getpid()

    @classmethod
    def open(cls, path: str | os.PathLike[str] = ".", *, settings: Settings | None = None) -> Self:
        """Opens the index of the folder at `path`.

        Raises:
            OSError: there is no such folder, or it cannot be read.
            UsageError: `path` is a file, or a setting makes no sense.
        """
        given = Path(path)
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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    def close(self) -> None:
        """Lets go of what searches keep open; the next search opens it again."""
        self._engine = None
        self._models.release()

    def update(
        self,
        *,
        full: bool = False,
        paths: Sequence[str] | None = None,
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
            progress: called some ten times a second, from one of the update's threads.
            observer: what writes a trace and metrics of it; its files are not indexed by this.
            cancel: a token that ends the update with `Cancelled` when set.

        Raises:
            IndexBusyError: another process writes it for longer than `lock_timeout`.
            Cancelled: the token was set; what was committed is kept.
            HybridxError, OSError: as they say; what was committed is kept.
        """
        from hybridx.indexer import Request

        only = None if paths is None else frozenset(map(tidy, spelled(paths)))
        request = Request(full=full, paths=only, sequential=sequential)
        if observer is None:
            return self._update(request, progress, cancel)
        with observer.run(self.root) as done:
            report = self._update(request, progress, cancel, observer)
            done(report)
        return report

    def _update(
        self,
        request: Request,
        progress: ProgressCallback | None,
        cancel: _core.CancelToken | None,
        observer: Observer | None = None,
    ) -> IndexReport:
        self._check_process()
        from hybridx.indexer import SupersededError
        from hybridx.upgrade import Updating

        layout, token = self._layout, cancel or _core.CancelToken()
        while True:
            current = layout.current()
            model = self._models.wanted()
            serving = self._models.serving() if request.repair or not model.terms else None
            run = Updating(
                layout, self.settings, model, request, current, serving, progress, token, observer
            )
            # While this waited for the lock another model's vectors may have been completed.
            with layout.explained(), contextlib.suppress(SupersededError):
                return _run(run.run(), token)

    def diff(self) -> DiffReport:
        """What changed since the index's generation; nothing is written.

        Raises:
            NotIndexedError: there is no index.
        """
        start = time.perf_counter()
        generation = self._generation()
        scan = scan_tree(self._layout, self.settings)
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
    ) -> SearchResult:
        """The best `k` chunks for `query`.

        Filters hold for every hit: an empty one does not filter, one that nothing satisfies
        gives no hits. `paths` are globs as in .gitignore files. `changed_since` is a time that
        passed (`2d`), a date, or a revision that git knows. With `max_tokens` there are no more
        hits than a language model reads as about so many tokens; the last one may be cut. `check`
        scans the tree and says in `stale_files` how many files changed since it was indexed.
        `rerank` is a folder that holds a cross-encoder, which puts the best candidates in order,
        or `none`; where it is not given, the setting counts. `observer` gets the stages' times for
        its trace.

        Raises:
            NotIndexedError: there is no index.
            UsageError: an argument makes no sense.
            ModelError: a model cannot be loaded, or failed.
        """
        from hybridx.search import Scope

        with watched(observer, "search", "open the index"):
            engine = self._search_engine()
        query = as_text(query)
        for name, values in (("languages", languages), ("paths", paths), ("kinds", kinds)):
            if isinstance(values, str):
                raise UsageError(f"{name} is {values!r}: give a list of them")
        only = None
        if changed_since is not None:
            from hybridx.since import changed_since as changed

            only = changed(self.root, engine.generation.snapshot.paths(), changed_since)
        scope = Scope(resolved(languages), spelled(paths), kinds, only)
        result = engine.search(
            query,
            k,
            mode=mode,
            scope=scope,
            max_tokens=max_tokens,
            reranker=self._models.reranker(self.settings.rerank if rerank is None else rerank),
            observer=observer,
        )
        if check:
            result = dataclasses.replace(result, stale_files=self._pending(engine.generation))
        return result

    def status(self, *, check: bool = True) -> Status:
        """What the index holds; `check` scans the tree to see whether it is still true.

        Raises:
            NotIndexedError: there is no index.
        """
        from hybridx.upgrade import unfinished

        generation = self._generation()
        manifest, totals = generation.manifest, generation.snapshot.totals()
        pending = self._pending(generation) if check else None
        return Status(
            root=str(self.root),
            generation=manifest.generation,
            merkle_root=manifest.merkle_root,
            model=model_info(manifest),
            files=totals.files,
            chunks=totals.chunks,
            documents=len(generation.searcher),
            # Counted from the snapshot: asking LanceDB would cost a second; `verify` does.
            vectors=totals.chunks,
            languages={
                name: {"files": files, "chunks": chunks}
                for name, (files, chunks) in totals.languages.items()
            },
            size_bytes=self._layout.size(),
            fresh=None if pending is None else pending == 0,
            pending=pending,
            skipped=totals.skipped,
            failed=totals.failed,
            secrets=Secrets.of(totals),
            upgrade=unfinished(self._layout, totals.chunks),
        )

    def skipped(self) -> list[tuple[str, str, str]]:
        """Every file that was seen and left out: `(path, reason, detail)`, in path order."""
        return self._generation().snapshot.skipped

    def why(self, path: str) -> Why:
        """Why the file or folder at `path`, relative to the root, is in the index or is not.

        Without an index it says what the first run would make of it. `""` is the root.

        Raises:
            UsageError: the path is not below the root.
        """
        self._check_process()
        from hybridx.commit import Generation
        from hybridx.why import explain

        generation = Generation.current(self._layout)
        return explain(self._layout, self.settings, generation, tidy(*spelled([path])))

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
            IndexBusyError, OSError: as `update` does.
        """
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

    def _verify(self, cancel: _core.CancelToken | None) -> Verification:
        self._check_process()
        from hybridx.verify import verify

        # Nothing is made in a folder that is no index, not even a lock.
        if (self._layout.folder / "epochs").is_dir():
            with self._locked(cancel):
                found = verify(self._layout)
            if found is not None:
                return found
        raise NotIndexedError(f"no index for {self.root}; run: hybridx index {self.root}")

    @contextlib.contextmanager
    def _locked(self, cancel: _core.CancelToken | None) -> Iterator[None]:
        """Keeps writers away, unless nobody could write anyway."""
        if not os.access(self._layout.folder, os.W_OK):
            yield
            return
        token = cancel or _core.CancelToken()
        lock = self._layout.take_lock(self.settings.lock_timeout, token)
        try:
            yield
        finally:
            lock.release()

    def clean(self, *, cancel: _core.CancelToken | None = None) -> int:
        """Removes the index and returns how many bytes that freed.

        Args:
            cancel: a token that ends the wait for the lock when set.

        Raises:
            IndexBusyError: another process writes it for longer than `lock_timeout`.
            Cancelled: the token was set; nothing was removed.
            UsageError: the folder set as `index_dir` is no index of this root.
        """
        self._check_process()
        self.close()
        if not self._layout.folder.exists():
            return 0
        self._layout.create()
        token = cancel or _core.CancelToken()
        lock = self._layout.take_lock(self.settings.lock_timeout, token)
        try:
            # Not at once: whoever asks who has it holds it for a moment.
            filling = self._layout.take_filling(1.0)
            if filling is None:
                raise IndexBusyError(
                    f"{self._layout.who_fills()} is filling in another model's vectors for "
                    f"{self.root}: end it first"
                )
            size = self._layout.size()["total"]
            self._layout.remove()
            filling.release()
        finally:
            lock.release()
        return size

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise UsageError(
                "this index was opened before a fork: open it again in the child process"
            )

    def _generation(self) -> Generation:
        self._check_process()
        from hybridx.commit import Generation

        generation = Generation.current(self._layout)
        if generation is None:
            raise NotIndexedError(f"no index for {self.root}; run: hybridx index {self.root}")
        return generation

    def _search_engine(self) -> SearchEngine:
        """The engine over the newest generation; kept while there is no newer one."""
        from hybridx.search import SearchEngine

        # Before the lock: a fork may have copied it while another thread held it.
        self._check_process()
        with self._lock:
            generation = self._generation()
            kept = self._engine
            if kept is None or kept.generation.manifest != generation.manifest:
                load_model = partial(self._models.of, generation.manifest)
                engine = SearchEngine(generation, self.settings, load_model)
                if kept is not None:
                    engine.take_over(kept)
                self._engine = kept = engine
            return kept

    def _pending(self, generation: Generation) -> int:
        changes = scan_tree(self._layout, self.settings).tree.diff(generation.snapshot.tree)
        alone = (changes.added, changes.modified, changes.removed)
        return sum(map(len, alone)) + len(changes.moved)


def _run(work: Coroutine[Any, Any, _T], cancel: _core.CancelToken) -> _T:
    """Runs a coroutine to its end, also where an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, "hybridx-update") as executor:
        running = executor.submit(asyncio.run, work)
        try:
            return running.result()
        except BaseException:
            # Ctrl-C ends the wait, not the thread.
            cancel.cancel()
            raise
