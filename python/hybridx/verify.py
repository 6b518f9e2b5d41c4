"""The cross-check of a generation: snapshot, lexical store and vector store, id by id.

Readers notice most damage as they go: sealed files carry their digests, the manifest counts the
chunks of both stores, and a chunk's id is a digest of all that a hit shows of it. What they cannot
see at a glance, this reads in full: every file of both stores against its checksum, every row of
each store against the other and against the snapshot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybridx.commit import Generation
from hybridx.errors import CorruptIndexError, HybridxError, IndexFormatError
from hybridx.types import Problem, Verification

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from hybridx.layout import Layout

ROWS = ("missing", "ghost", "duplicate", "damaged")
"""How rows can be wrong: such problems name the source file that is to be indexed again."""


def verify(layout: Layout) -> Verification | None:
    """Checks the generation that readers see; `None` if there is no index.

    Reads everything: about a second for 400 MB of stores. The caller keeps writers away.
    """
    audit = _Audit(layout.folder)
    epoch = layout.current()
    if epoch is None:
        if not any((layout.folder / "epochs").glob("*/bm25/meta.json")):
            return None
        audit.problem("current", "CURRENT", "it names no index, though there is one")
        return audit.result()
    try:
        generation = Generation.of(epoch, trusting=True)
        if generation is None:
            raise CorruptIndexError(f"{epoch.bm25} has no commit")
    except (HybridxError, OSError) as error:
        audit.problem("manifest", audit.name(epoch.bm25), _said(error))
        return audit.result()
    audit.check(generation)
    return audit.result()


def rows_to_mend(problems: Iterable[Problem]) -> list[str] | None:
    """The files whose rows are to be made anew; `None` if that is not enough."""
    paths = set()
    for problem in problems:
        how, _, what = problem.kind.partition("_")
        if how not in ROWS or what not in ("chunk", "vector"):
            return None
        paths.add(problem.path)
    return sorted(paths)


@dataclass
class _Audit:
    """Problems found so far."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)

    def result(self) -> Verification:
        order = sorted(self.problems, key=lambda each: (each.kind, each.path))
        return Verification(not order, tuple(order), self.checked)

    def problem(self, kind: str, path: str, detail: str) -> None:
        self.problems.append(Problem(kind, path, detail))

    def name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def check(self, generation: Generation) -> None:
        epoch, manifest = generation.epoch, generation.manifest
        self.checked["generation"] = manifest.generation
        counts: dict[str, int] | None = None
        files = 0
        try:
            snapshot = generation.snapshot
            counts = dict(snapshot.chunk_counts())
            self.checked["files"] = len(counts)
            if snapshot.recomputed_root() != manifest.merkle_root:
                self.problem("snapshot", manifest.snapshot, "its tree is not the committed one")
            recorded = snapshot.vector_files
            files += len(recorded)
            for name, detail in recorded.damaged(epoch.vectors):
                self.problem("vector_store", f"{self.name(epoch.vectors)}/{name}", detail)
        except (HybridxError, OSError) as error:
            path = epoch.snapshots / manifest.snapshot
            self.problem("snapshot", self.name(path), _said(error))
        chunks = self._chunks(generation)
        vectors = self._vectors(generation)
        files += sum(1 for _ in epoch.bm25.iterdir())
        self.checked["store_files"] = files
        if chunks is not None:
            self.checked["chunks"] = chunks.num_rows
            self._compare_with_snapshot(chunks, counts)
        if vectors is not None:
            self.checked["vectors"] = vectors.num_rows
        if chunks is not None and vectors is not None:
            self._compare(chunks, vectors)

    def _chunks(self, generation: Generation) -> pa.Table | None:
        import pyarrow as pa

        folder = generation.epoch.bm25
        try:
            for name, detail in generation.searcher.damaged():
                self.problem("lexical_store", f"{self.name(folder)}/{name}", detail)
            batches = [pa.record_batch(each) for each in generation.searcher.rows()]
        except (HybridxError, OSError) as error:
            self.problem("lexical_store", self.name(folder), _said(error))
            return None
        return pa.Table.from_batches(batches, schema=None if batches else _no_rows())

    def _vectors(self, generation: Generation) -> pa.Table | None:
        try:
            store = generation.vectors(trusting=True)
            if store is None:
                return _no_rows().empty_table()
            if generation.manifest.covered:
                store.check_index()
            return store.checked_rows()
        except (HybridxError, OSError) as error:
            self.problem("vector_store", self.name(generation.epoch.vectors), _said(error))
            return None

    def _compare_with_snapshot(self, chunks: pa.Table, counts: Mapping[str, int] | None) -> None:
        """Every file has as many chunks as the snapshot says, and no other file has any."""
        if counts is None:
            return
        found = Counter(chunks.column("path").to_pylist())
        for path in found.keys() | counts.keys():
            has, should = found[path], counts.get(path)
            if should is None:
                self.problem("ghost_chunk", path, f"{has} chunks of a file that is not indexed")
            elif has != should:
                kind = "missing_chunk" if has < should else "ghost_chunk"
                self.problem(kind, path, f"{has} chunks, not {should}")

    def _compare(self, chunks: pa.Table, vectors: pa.Table) -> None:
        """Every chunk is once in each store, and is the same in both."""
        import numpy as np

        sides = {"chunk": _Side(chunks), "vector": _Side(vectors)}
        for what, side in sides.items():
            self._report(f"damaged_{what}", side, np.flatnonzero(~side.sound))
            self._report(f"duplicate_{what}", side, side.duplicates())
        lexical, semantic = sides["chunk"], sides["vector"]
        self._report("missing_vector", lexical, lexical.not_in(semantic))
        self._report("ghost_vector", semantic, semantic.not_in(lexical))
        _, left, right = np.intersect1d(lexical.ids, semantic.ids, return_indices=True)
        same = (lexical.digests[left] == semantic.digests[right]) & (
            lexical.paths[left] == semantic.paths[right]
        )
        self._report("damaged_vector", semantic, right[~same])
        # Where the paths differ, the rows of both files are to be made anew.
        moved = lexical.paths[left] != semantic.paths[right]
        self._report("damaged_chunk", lexical, left[moved])

    def _report(self, kind: str, side: _Side, rows: NDArray[np.int64]) -> None:
        for path, count in Counter(side.paths[rows].tolist()).items():
            self.problem(kind, path, f"{count} of its rows")


class _Side:
    """The rows of one store as arrays of equal length."""

    def __init__(self, table: pa.Table) -> None:

        self.ids: NDArray[np.uint64] = table.column("id").to_numpy()
        self.paths: NDArray[np.object_] = table.column("path").to_numpy()
        self.digests: NDArray[np.object_] = table.column("text_digest").to_numpy()
        self.sound: NDArray[np.bool_] = table.column("sound").to_numpy()

    def duplicates(self) -> NDArray[np.int64]:
        """The rows whose id a row before them has."""
        import numpy as np

        again = np.ones(len(self.ids), dtype=np.bool_)
        again[np.unique(self.ids, return_index=True)[1]] = False
        return np.flatnonzero(again)

    def not_in(self, other: _Side) -> NDArray[np.int64]:
        """The rows whose id no row of `other` has."""
        import numpy as np

        return np.flatnonzero(~np.isin(self.ids, other.ids))


def _no_rows() -> pa.Schema:
    import pyarrow as pa

    columns = {"id": pa.uint64(), "path": pa.string(), "text_digest": pa.binary(16)}
    return pa.schema([*columns.items(), ("sound", pa.bool_())])


def _said(error: Exception) -> str:
    if isinstance(error, IndexFormatError):
        return f"{error} (written by another version of hybridx)"
    return (str(error).splitlines() or [type(error).__name__])[0]
