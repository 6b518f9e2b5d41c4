"""The vector store: one LanceDB table, one row a chunk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hybridx import nearest
from hybridx.errors import Cancelled, CorruptIndexError, StoreError
from hybridx.lance import load_lancedb

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Collection, Iterator, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from hybridx import _core
    from hybridx.compact import CompactRows

_FRAGMENT_SHIFT = 32
"""A row's id in LanceDB is the number of its fragment, shifted by this, plus its place in it."""
_COPIED = ("id", "path", "language", "kind", "text_digest")

_PATHS_PER_FILTER = 1000
"""Paths in one SQL filter: its parser is recursive and its text is bounded."""

_PLAIN = re.compile(r"[A-Za-z0-9_/ .,+@=~-]+")

_VERSIONS = "_versions"
_INDEXES = "_indices"
_LAST_VERSION = (1 << 64) - 1

_ROWS_A_SEARCH = 4096
"""So many rows are read in the time that having them in memory spares a search."""
_MOST_COMPACT = 1 << 30
"""Bytes of vectors that are kept in memory for searches, at most."""

_ONE_FRAGMENT = 8192
"""Fewer rows are written as one fragment."""

_UNIT = 1e-3
"""How far the length of a vector may be from one; a float32 sum of squares is closer by far."""
_ROUNDED = 0.05
"""The same of a similarity that was computed with one byte a number."""

_MACHINE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "EMFILE", "ENFILE")
}
"""Errors of the machine: they say nothing about the table."""


@dataclass(frozen=True, slots=True)
class Searching:
    """A search of a store that goes on beside whatever else is done."""

    result: Callable[[], list[tuple[int, float]]]
    """Waits for it: what `VectorStore.search` returns."""
    cancel: Callable[[], object]
    """Ends it, if nobody is to wait for it."""


@dataclass(eq=False)
class VectorStore:
    """Table `number` in `folder`. LanceDB is loaded when it is first needed."""

    folder: Path
    dimension: int
    number: int = 1
    beyond: int = 0
    """Fragments from this one on are not covered by the index of the vectors, if there is one."""
    rewritten_files: ClassVar = ("latest_version_hint.json",)
    """What LanceDB writes again and again; all its other files are written once."""
    _table: Any = field(default=None, init=False, repr=False)
    _searches: int = field(default=0, init=False, repr=False)
    """Which the index of the vectors answered."""
    _reading: concurrent.futures.Future[CompactRows] | None = field(
        default=None, init=False, repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    """Held to decide whether rows are read into memory."""

    @cached_property
    def _database(self) -> Any:
        return load_lancedb().connect(self._address(self.folder))

    def _address(self, place: Path) -> str:
        """The folder as LanceDB can take it.

        It reads paths as URLs here and there, and only in UTF-8. Where that could mean something
        else than the folder, it is named through a descriptor, which stays open with this store.
        """
        folder = str(place)
        if _PLAIN.fullmatch(folder) or not Path("/proc/self/fd").is_dir():
            return folder
        descriptor = os.open(place, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        return f"/proc/self/fd/{descriptor}"

    def open(self, version: int | None = None) -> None:
        """Opens the table, made if there is none, at its newest or the given version.

        Raises:
            CorruptIndexError: the table or that version of it cannot be opened.
        """
        self._forget()
        with _translated(self.folder, "opened", CorruptIndexError):
            # Not by a list of tables, for which LanceDB loads the models of its catalogues.
            if self._table_folder.is_dir():
                self._table = self._opened(version)
            elif version is None:
                self._table = self._database.create_table(self._name, schema=self._schema)
            else:
                raise CorruptIndexError(f"{self.folder}: the table of vectors is missing")

    def _opened(self, version: int | None) -> Any:
        try:
            table = self._database.open_table(self._name)
            if version is not None:
                table.checkout(version)
        except Exception:
            if version is None or not self._manifest(version).is_file():
                raise
            return self._opened_alone(version)
        return table

    def _opened_alone(self, version: int) -> Any:
        """The table as if `version` were its newest.

        LanceDB opens the newest version on the way to any other. It makes none durable: without
        power one that was never committed may be left as an empty file.
        """
        place = Path(tempfile.mkdtemp(prefix="hybridx-"))
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        table, view = self._table_folder, place / self._table_folder.name
        (view / _VERSIONS).mkdir(parents=True)
        for part in table.iterdir():
            if part.name != _VERSIONS:
                (view / part.name).symlink_to(part.absolute(), target_is_directory=True)
        manifest = self._manifest(version)
        shutil.copyfile(manifest, view / _VERSIONS / manifest.name)
        return load_lancedb().connect(self._address(place)).open_table(self._name)

    @property
    def _table_folder(self) -> Path:
        return self.folder / f"{self._name}.lance"

    def _manifest(self, version: int) -> Path:
        """The file of a version. They are numbered downwards, so that the newest sorts first."""
        return self._table_folder / _VERSIONS / f"{_LAST_VERSION - version:020}.manifest"

    def restore(self, version: int) -> None:
        """Goes back to the rows of `version`; a torn write after it is forgotten.

        Version 0 is the table before its first commit: empty.
        """
        with _translated(self.folder, "restored", StoreError):
            if version == 0:
                self._database.drop_table(self._name, ignore_missing=True)
                self._table = self._database.create_table(self._name, schema=self._schema)
                return
            last = self._manifest(version)
            if not last.is_file():
                raise CorruptIndexError(f"{self.folder}: {last.name} is missing")
            # Not by LanceDB: without power they may be empty, or zeros, and could not be opened.
            for path in last.parent.glob(f"*{last.suffix}"):
                if path.name < last.name:
                    path.unlink()
            self.open()

    @property
    def _name(self) -> str:
        return f"chunks-{self.number}"

    @property
    def version(self) -> int:
        """The version that is open."""
        return int(self._table.version)

    def add(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Adds the rows of batches made by `rows`, as one version."""
        import pyarrow as pa

        with _translated(self.folder, "written", StoreError):
            rows = pa.Table.from_batches(batches)
            # Few rows are one fragment: so it is known which those of the last few adds are. More
            # are written in less time if LanceDB divides them as it likes.
            parts = 1 if rows.num_rows < _ONE_FRAGMENT else None
            self._table.add(rows, write_parallelism=parts)

    def delete(self, paths: Sequence[str]) -> None:
        """Deletes the rows of these files."""
        with _translated(self.folder, "deleted", StoreError):
            for some in _portions(paths):
                self._table.delete(_any_path(some))

    def rows(self, batch: pa.RecordBatch, vectors: NDArray[np.float32]) -> pa.RecordBatch:
        """The rows of a batch of chunks with their vectors, shape `(n, dimension)`."""
        import numpy as np
        import pyarrow as pa

        # Not `pa.array`, for which pyarrow loads a part of NumPy that takes longer than all this.
        flat = pa.Array.from_buffers(
            pa.float32(), vectors.size, [None, pa.py_buffer(np.ascontiguousarray(vectors))]
        )
        column = pa.FixedSizeListArray.from_arrays(flat, self.dimension)
        # Copies: a column holds all the memory of the batch that it came with, texts and all, and
        # these wait until there are enough of them.
        columns = [pa.concat_arrays([batch.column(name)]) for name in _COPIED]
        return pa.RecordBatch.from_arrays([*columns, column], schema=self._schema)

    def vectors_of(self, paths: Sequence[str]) -> dict[bytes, NDArray[np.float32]]:
        """The vectors of these files' chunks by the digest of their text."""
        found: dict[bytes, NDArray[np.float32]] = {}
        with _translated(self.folder, "read", StoreError):
            for some in _portions(paths):
                query = self._table.search().where(_any_path(some))
                rows = query.select(["text_digest", "vector"]).limit(None).to_arrow()
                matrix = self._matrix(rows.column("vector").combine_chunks())
                found.update(zip(rows.column("text_digest").to_pylist(), matrix, strict=True))
        return found

    def vector_of(self, path: str, chunk: int) -> NDArray[np.float32] | None:
        """The vector of the chunk of that id in the file at `path`, of unit length or zeros.

        `None` if there is no such chunk.
        """
        with _translated(self.folder, "read", StoreError):
            query = self._table.search().where(_any_path([path]))
            rows = query.select(["id", "vector"]).limit(None).to_arrow()
        ids = rows.column("id").to_pylist()
        if chunk not in ids:
            return None
        matrix = self._matrix(rows.column("vector").combine_chunks())
        vector: NDArray[np.float32] = matrix[ids.index(chunk)]
        return vector

    def _matrix(self, column: pa.FixedSizeListArray) -> NDArray[np.float32]:
        """Vectors as rows. `flatten` would load pyarrow's functions, a tenth of a small update."""
        if column.null_count:
            raise ValueError("a vector is missing")
        flat = column.values.slice(column.offset * self.dimension, len(column) * self.dimension)
        matrix: NDArray[np.float32] = flat.to_numpy().reshape(-1, self.dimension)
        return matrix

    def search(
        self,
        vector: NDArray[np.float32],
        limit: int,
        where: str | None,
        *,
        exact: bool = False,
    ) -> list[tuple[int, float]]:
        """`(id, cosine similarity)` of the `limit` nearest rows that satisfy `where`.

        An `exact` search compares every row; any other may use the index of the vectors, and then
        misses some rows, and is off by some thousandths at most.
        """
        return self.start(vector, limit, where, exact=exact).result()

    def start(
        self,
        vector: NDArray[np.float32],
        limit: int,
        where: str | None,
        *,
        exact: bool = False,
    ) -> Searching:
        """Starts what `search` does, which goes on beside whatever the caller does meanwhile."""
        rest = None if exact or where else self._rest
        with _translated(self.folder, "searched", StoreError):
            covered = None if exact else self.coverage
            alone = rest is not None
            compact = None
            if covered is not None and not where and (alone or not covered.uncovered):
                compact = self._compact(covered)
            running = nearest.start(
                nearest.search(
                    self._table,
                    vector,
                    limit,
                    where,
                    covered,
                    alone=alone,
                    guessed=compact is not None,
                )
            )

        def result() -> list[tuple[int, float]]:
            batches, by_index = self._waited(running, vector, limit, where, covered)
            if not by_index:
                return self._ordered(*_compared(batches), limit, _UNIT)
            if compact is None:
                ids, similarities = _compared(batches)
            else:
                ids, similarities = self._recalled(compact, batches, vector)
            if rest is not None:
                ids = ids + rest[0]
                similarities = similarities + (rest[1] @ vector).tolist()
            return self._ordered(ids, similarities, limit, _UNIT if compact is None else _ROUNDED)

        return Searching(result, running.cancel)

    def _ordered(
        self, ids: list[int], similarities: list[float], limit: int, slack: float
    ) -> list[tuple[int, float]]:
        # Written so that NaN fails.
        if not all(abs(similarity) <= 1.0 + slack for similarity in similarities):
            raise CorruptIndexError(f"{self.folder}: a vector is not what was stored")
        pairs = list(zip(ids, similarities, strict=True))
        # LanceDB orders equal distances by chance.
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def _recalled(
        self, compact: CompactRows, batches: Sequence[pa.RecordBatch], vector: NDArray[np.float32]
    ) -> tuple[list[int], list[float]]:
        """Ids and similarities of rows that the index named."""
        import numpy as np

        named = [batch.column("_rowid").to_numpy() for batch in batches]
        try:
            return compact.compared(np.concatenate([np.empty(0, np.uint64), *named]), vector)
        except KeyError:
            raise CorruptIndexError(
                f"{self.folder}: the index names rows that are not there"
            ) from None

    @cached_property
    def _rest(self) -> tuple[list[int], NDArray[np.float32]] | None:
        """Ids and vectors of the rows that the index does not cover; `None`: LanceDB sees to them.

        That is: if there are none, or too many, or if it is not known which they are.
        """
        covered = self.coverage
        if covered is None or not self.beyond or not 0 < covered.uncovered <= nearest.MOST_BESIDE:
            return None
        with _translated(self.folder, "searched", StoreError):
            young = self._table.search().where(f"_rowid >= {self.beyond << _FRAGMENT_SHIFT}")
            rows = young.select(["id", "vector"]).limit(None).to_arrow()
        if rows.num_rows != covered.uncovered:
            return None
        matrix = self._matrix(rows.column("vector").combine_chunks())
        return rows.column("id").to_pylist(), matrix

    def _waited(
        self,
        running: concurrent.futures.Future[list[pa.RecordBatch]],
        vector: NDArray[np.float32],
        limit: int,
        where: str | None,
        covered: nearest.Coverage | None,
    ) -> tuple[list[pa.RecordBatch], bool]:
        """What was found, and whether it is what was asked for, and not by comparing every row."""
        with _translated(self.folder, "searched", StoreError):
            try:
                return nearest.wait(running), covered is not None
            except Exception as error:
                if covered is None or _machine_error(error) is not None:
                    raise
                # The rows are there, whatever became of the index.
                by_rows = nearest.search(self._table, vector, limit, where, None)
                found = nearest.wait(nearest.start(by_rows))
                self._let_go()
                self.__dict__["coverage"] = self.__dict__["_rest"] = None
                return found, False

    def _compact(self, covered: nearest.Coverage) -> CompactRows | None:
        """The rows in memory; `None` if they are not there, or not yet.

        They spare a search half of its time, once all of them have been read: which is begun when
        as much time has been spent on not having done it, and goes on beside searches.
        """
        with self._lock:
            self._searches += 1
            reading = self._reading
            if reading is None:
                enough = self._searches > covered.covered // _ROWS_A_SEARCH
                if enough and covered.covered * self.dimension <= _MOST_COMPACT:
                    self._reading = nearest.start_reading(self._table, self.dimension)
                    # Nobody is left to wait for it once this store is gone.
                    weakref.finalize(self, self._reading.cancel)
                return None
        if not reading.done() or reading.cancelled() or reading.exception() is not None:
            return None
        return reading.result()

    @cached_property
    def coverage(self) -> nearest.Coverage | None:
        """What the index of the vectors covers; `None` if there is none."""
        with _translated(self.folder, "searched", StoreError):
            return nearest.coverage(self._table)

    def build_index(self, cancel: _core.CancelToken | None = None) -> None:
        """Builds the index of the vectors, or builds it anew, as the next version.

        Raises:
            StoreError: it cannot be built, or does not answer as it should.
            Cancelled: the token was set meanwhile.
        """
        with _translated(self.folder, "indexed", StoreError):
            nearest.build(self._table, self.dimension, cancel)
        self._forget()
        self.check_index()

    def _forget(self) -> None:
        """What is known of another version is not of this one."""
        for name in ("coverage", "_rest"):
            self.__dict__.pop(name, None)
        self._let_go()

    def _let_go(self) -> None:
        """Keeps no rows in memory; whether to read them is decided anew."""
        with self._lock:
            if self._reading is not None:
                self._reading.cancel()
            self._reading, self._searches = None, 0

    def check_index(self) -> None:
        """Asks the index of the vectors for some of them.

        Raises `StoreError` if it is missing, or does not answer as it should.
        """
        with _translated(self.folder, "asked for the nearest", StoreError):
            nearest.check(self._table, self.dimension)

    def drop_stray_indexes(self) -> None:
        """Removes the files of indexes that are not this version's; nobody may read another."""
        folder = self._table_folder / _INDEXES
        if not folder.is_dir():
            return
        with _translated(self.folder, "read", StoreError):
            used = {str(each.index_uuid) for each in self._table.list_indices()}
        for each in folder.iterdir():
            if each.name not in used:
                shutil.rmtree(each, ignore_errors=True)

    def ids(self) -> list[int]:
        """The ids of all rows, ascending."""
        with _translated(self.folder, "read", StoreError):
            rows = self._table.search().select(["id"]).limit(None).to_arrow()
        return sorted(rows.column("id").to_pylist())

    def checked_rows(self) -> pa.Table:
        """`id`, `path` and `text_digest` of all rows, and whether each vector is `sound`."""
        import numpy as np
        import pyarrow as pa

        columns = ["id", "path", "text_digest"]
        batches = []
        with _translated(self.folder, "read", StoreError):
            for batch in self._table.search().select([*columns, "vector"]).limit(None).to_batches():
                matrix = batch.column("vector").flatten().to_numpy().reshape(-1, self.dimension)
                lengths = np.linalg.norm(matrix, axis=1)
                # A text without a term that the model knows has a vector of zeros.
                sound = (np.abs(lengths - 1) <= _UNIT) | (lengths == 0)
                kept = [batch.column(name) for name in columns]
                names = [*columns, "sound"]
                batches.append(pa.RecordBatch.from_arrays([*kept, pa.array(sound)], names=names))
        schema = pa.schema(
            [
                *(self._schema.field(name).with_nullable(True) for name in columns),
                pa.field("sound", pa.bool_()),
            ]
        )
        return pa.Table.from_batches([each.cast(schema) for each in batches], schema=schema)

    def __len__(self) -> int:
        return int(self._table.count_rows())

    def read_back(self, version: int, rows: int, *, adds: int | None = None) -> None:
        """Reads `version` as another process would; there must be so many rows.

        LanceDB does not hear of an error in the last bytes of a file, and goes on with one that
        was cut short. Every file of rows is opened, and all ids are read: ten milliseconds for a
        million of them. Where it is known that all but the last `adds` was read back before, a row
        of each of those is, and what is deleted.

        Raises:
            StoreError: it cannot be read.
            CorruptIndexError: the number of rows is another.
        """
        fresh = VectorStore(self.folder, self.dimension, self.number)
        try:
            fresh.open(version)
            with _translated(self.folder, "read", CorruptIndexError):
                if adds is None:
                    # A filter, or LanceDB would answer from its manifest alone.
                    found = fresh._table.count_rows("id >= 0")
                else:
                    found = fresh._read_young(adds)
        except (CorruptIndexError, StoreError) as error:
            raise StoreError(
                f"{self.folder}: what was written cannot be read back; is the disk full or failing?"
            ) from error
        if found != rows:
            raise CorruptIndexError(f"{self.folder} holds {found} rows, not {rows}")

    def _read_young(self, adds: int) -> int:
        """Reads which rows are deleted, and a row of the last `adds`; the number of all rows."""
        firsts = [number << _FRAGMENT_SHIFT for number in range(self.next_fragment(0))]
        if not firsts:
            return 0
        # Whether a row is there LanceDB can only tell by the file of its fragment's deletions.
        self._table.take_row_ids(firsts).select(["_rowid"]).with_row_id().to_arrow()
        if adds:
            self._table.take_row_ids(firsts[-adds:]).to_arrow()
        return len(self)

    def fold(self, first: int) -> int:
        """Writes the rows of fragment `first` and all later ones as one fragment.

        A fragment is what one `add` wrote. Unlike `rewritten` this leaves the others alone, so it
        costs what the small ones hold. Returns how many rows that were.
        """
        with _translated(self.folder, "folded", StoreError):
            young = f"_rowid >= {first << _FRAGMENT_SHIFT}"
            rows = self._table.search().where(young).limit(None).to_arrow()
            self._table.delete(young)
            if rows.num_rows:
                self._table.add(rows)
        return int(rows.num_rows)

    def index_paths(self) -> None:
        """Makes rows found by their path, as another version of the table.

        Rows that are added later are looked through one by one, so it is made anew now and then.
        """
        from lancedb.index import BTree

        with _translated(self.folder, "indexed", StoreError):
            self._table.create_index("path", config=BTree(), replace=True)

    def next_fragment(self, first: int) -> int:
        """The number that follows the last fragment's; no later one is below `first`."""
        with _translated(self.folder, "read", StoreError):
            # Rows come in the order of their fragments, and LanceDB skips those before an offset.
            last = self._table.search().with_row_id(True).select(["id"])
            rows = last.offset(max(len(self) - 1, 0)).limit(1).to_arrow().column("_rowid")
        return max(first, (int(rows[0].as_py()) >> _FRAGMENT_SHIFT) + 1) if len(rows) else first

    def rewritten(self) -> VectorStore:
        """A new table with the rows of this one, and with nothing that was deleted.

        LanceDB's own clean-up goes by the clock and by files' ages; a new table needs neither,
        and the old one serves its readers until it is dropped as a whole.
        """
        import pyarrow as pa

        fresh = VectorStore(self.folder, self.dimension, self.number + 1)
        fresh.restore(0)
        with _translated(self.folder, "rewritten", StoreError):
            schema = self._schema
            rows = self._table.search().limit(None).to_batches()
            batches = (batch.select(schema.names).cast(schema) for batch in rows)
            fresh._table.add(pa.RecordBatchReader.from_batches(schema, batches))
        return fresh

    def drop_others(self, keep: Collection[int]) -> None:
        """Drops every table but this one and those numbered in `keep`."""
        kept = {f"chunks-{number}" for number in {self.number, *keep}}
        for folder in self.folder.glob("chunks-*.lance"):
            if folder.stem not in kept:
                # Not by LanceDB: what a torn run left may be no whole table.
                shutil.rmtree(folder)

    @cached_property
    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        columns: dict[str, pa.DataType] = {
            "id": pa.uint64(),
            "path": pa.string(),
            "language": pa.string(),
            "kind": pa.string(),
            "text_digest": pa.binary(16),
            "vector": pa.list_(pa.float32(), self.dimension),
        }
        fields = [pa.field(name, kind, nullable=False) for name, kind in columns.items()]
        return pa.schema(fields)


def where(
    languages: Sequence[str],
    kinds: Sequence[str],
    path_patterns: Sequence[str],
    only: Collection[str] | None = None,
) -> str | None:
    """The SQL of a filter; `path_patterns` are regular expressions, one of which must match.

    With `only`, the path must also be one of these.
    """
    parts = [
        f"{column} IN ({', '.join(map(_quote, names))})"
        for column, names in (("language", languages), ("kind", kinds))
        if names
    ]
    if path_patterns:
        matches = (f"regexp_like(path, {_quote(pattern)})" for pattern in path_patterns)
        parts.append(f"({' OR '.join(matches)})")
    if only is not None:
        parts.append(_any_path(sorted(only)) if only else "false")
    return " AND ".join(parts) or None


def _any_path(paths: Sequence[str]) -> str:
    return f"path IN ({', '.join(map(_quote, paths))})"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _portions(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _PATHS_PER_FILTER):
        yield paths[start : start + _PATHS_PER_FILTER]


def _compared(batches: Sequence[pa.RecordBatch]) -> tuple[list[int], list[float]]:
    """Ids and similarities of rows that LanceDB compared."""
    ids: list[int] = []
    similarities: list[float] = []
    for batch in batches:
        ids += batch.column("id").to_pylist()
        similarities += (1.0 - batch.column("_distance").to_numpy().astype("float64")).tolist()
    return ids, similarities


@contextlib.contextmanager
def _translated(folder: Path, done: str, error_type: type[Exception]) -> Iterator[None]:
    """LanceDB raises whatever its layers raise; here it becomes one of ours."""
    try:
        yield
    except (StoreError, CorruptIndexError, Cancelled):
        raise
    except Exception as error:
        number = _machine_error(error)
        if number is not None:
            raise OSError(number, os.strerror(number), str(folder)) from error
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise error_type(f"{folder} cannot be {done}: {first}") from error


def _machine_error(error: Exception) -> int | None:
    """The error number of the operating system, which LanceDB quotes, if it is the machine's."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    number = int(found[1]) if found else getattr(error, "errno", None)
    return number if number in _MACHINE else None
