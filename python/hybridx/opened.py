"""What an open index keeps from call to call, and does for several of its calls.

`api.Index` is what programs use: it says what each call takes, gives and raises, and checks what it
is given. What is shared by its calls is here: one search engine for the newest generation, the
models, the way to run an update from wherever it is called.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from hybridx import _core
from hybridx.arguments import check_work
from hybridx.errors import IndexBusyError, ModelError, NotIndexedError, UsageError
from hybridx.layout import Layout
from hybridx.models import Models, model_info
from hybridx.scan import scan_tree

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from hybridx.commit import Generation
    from hybridx.config import Settings
    from hybridx.embed.model import Model
    from hybridx.indexer import Request
    from hybridx.kept import Kept
    from hybridx.observer import Observer
    from hybridx.search import SearchEngine
    from hybridx.types import IndexReport, ProgressCallback, Status, Verification
    from hybridx.watch import Watcher

_T = TypeVar("_T")


class OpenIndex:
    """What an open index keeps from call to call, and what several of its calls do."""

    def __init__(self, root: Path, settings: Settings) -> None:
        """Use `Index.open`."""
        self.root = root
        self.settings = settings
        self._layout = Layout.of(
            root, index_dir=settings.index_dir, index_parent=settings.index_parent
        )
        self._engine: SearchEngine | None = None
        self._commit: object = None
        self._models = Models(self._layout, settings)
        self._lock = threading.Lock()
        self._watcher: weakref.ref[Watcher] | None = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    def close(self) -> None:
        """Lets go of what searches keep open; the next search opens it again."""
        self._engine = None
        self._models.release()

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
            # Before it is opened: a commit in between is seen the next time.
            commit = self._layout.commit()
            kept = self._engine
            if kept and commit and commit == self._commit and kept.generation.lease:
                return kept
            generation = self._generation()
            self._commit = commit
            if kept is None or kept.generation.manifest != generation.manifest:
                load_model = partial(self._models.of, generation.manifest)
                engine = SearchEngine(generation, self.settings, load_model)
                if kept is not None:
                    engine.take_over(kept)
                self._engine = kept = engine
            return kept

    def _pending(self, generation: Generation, cancel: _core.CancelToken | None) -> int:
        scan = scan_tree(self._layout, self.settings, cancel=cancel)
        changes = scan.tree.diff(generation.snapshot.tree)
        alone = (changes.added, changes.modified, changes.removed)
        return sum(map(len, alone)) + len(changes.moved)

    def _status(self, check: bool, cancel: _core.CancelToken | None) -> Status:
        from hybridx.report import Secrets
        from hybridx.types import Status
        from hybridx.upgrade import unfinished

        generation = self._generation()
        manifest, totals = generation.manifest, generation.snapshot.totals()
        pending = self._pending(generation, cancel) if check else None
        model, missing = None, None
        try:
            model = self._models.of(manifest)
        except ModelError as error:
            missing = str(error.__cause__ or error)
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
            watcher=self._layout.watcher(),
            model_error=missing,
            outdated=self._is_outdated(generation, model),
            vector_index=manifest.coverage,
        )

    def _is_outdated(self, generation: Generation, model: Model | None) -> bool:
        from hybridx.indexer import fingerprint_with

        found = generation.manifest.model_fingerprint
        # The bundled model comes with the version; any other is the user's to change.
        if model is not None and model.source == "bundled":
            found = model.fingerprint
        wanted = self._layout.epoch(fingerprint_with(found, self.settings))
        return not generation.epoch.is_twin_of(wanted)

    def _update(
        self,
        request: Request,
        progress: ProgressCallback | None,
        cancel: _core.CancelToken | None,
        kept: Kept | None = None,
        observer: Observer | None = None,
    ) -> IndexReport:
        self._check_process()
        check_work(progress, cancel, observer)
        if observer is None:
            return self._updated(request, progress, cancel, kept)
        with observer.run(self.root) as done:
            report = self._updated(request, progress, cancel, kept, observer)
            done(report)
        return report

    def _updated(
        self,
        request: Request,
        progress: ProgressCallback | None,
        cancel: _core.CancelToken | None,
        kept: Kept | None,
        observer: Observer | None = None,
    ) -> IndexReport:
        from hybridx.indexer import SupersededError
        from hybridx.upgrade import Updating

        layout, token = self._layout, cancel or _core.CancelToken()
        while True:
            current = layout.current()
            model = self._models.wanted()
            serving = self._models.serving() if request.repair or not model.terms else None
            run = Updating(
                layout, self.settings, model, request, current, serving, progress, token, kept
            )
            run.observer = observer
            # While this waited for the lock another model's vectors may have been completed.
            with layout.explained(), contextlib.suppress(SupersededError):
                return _run(run.run(), token)

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

    def _clean(self, cancel: _core.CancelToken | None) -> int:
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
            watching = self._layout.take_watching(1.0)
            if watching is None:
                filling.release()
                raise IndexBusyError(
                    f"process {self._layout.watcher()} watches {self.root} and would make the "
                    "index anew: end it first"
                )
            size = self._layout.size()["total"]
            self._layout.remove()
            watching.release()
            filling.release()
        finally:
            lock.release()
        return size

    def _watching(
        self, progress: ProgressCallback | None, observer: Observer | None, **more: Any
    ) -> Watcher:
        """A watcher that keeps this index up to date; `more` is for the watcher itself."""
        self._check_process()
        from hybridx.indexer import Request
        from hybridx.kept import Kept
        from hybridx.watch import Watcher

        kept, request = Kept(resident=True), Request(serving=True)

        def update(token: _core.CancelToken) -> IndexReport:
            return self._update(request, progress, token, kept, observer)

        def warm_up() -> None:
            kept.warm_up(self._models.serving() or self._models.wanted(), self.settings)

        watcher = Watcher(
            self._layout,
            lambda: self.settings,
            update,
            reload=self._reload,
            warm_up=warm_up,
            deaf=observer.paths if observer else (),
            **more,
        )
        if observer is not None:
            observer.measure("pending_files", lambda: watcher.state().pending)
        self._watcher = weakref.ref(watcher)
        return watcher

    def _reload(self) -> None:
        """Reads the settings anew where they came from, unless a program made them."""
        settings = self.settings.reloaded(self.root)
        place = Layout.of(
            self.root, index_dir=settings.index_dir, index_parent=settings.index_parent
        )
        if place != self._layout:
            raise UsageError(f"the index is to lie in {place.folder} from now on: start anew")
        if settings != self.settings:
            self.settings, self._models = settings, Models(self._layout, settings)


def _run(work: Coroutine[Any, Any, _T], cancel: _core.CancelToken) -> _T:
    """Runs a coroutine to its end, also where an event loop is running in this thread."""
    import asyncio  # 15 ms that a search does not need
    from concurrent.futures import ThreadPoolExecutor

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
