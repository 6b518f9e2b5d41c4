"""The compiled core. All of it is thread-safe; all real work runs without the GIL.

Paths given to or returned by these functions are `/`-separated and relative to the root, spelled
as `encode_path` spells them. Digests are 64 hexadecimal digits.
"""

from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from typing import Protocol, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Bm25Searcher",
    "Bm25Writer",
    "CancelToken",
    "Candidates",
    "Changes",
    "Draft",
    "Encoded",
    "Encoder",
    "Explanation",
    "IngestBatch",
    "IngestStream",
    "Inventory",
    "Lease",
    "Lock",
    "MerkleTree",
    "Padded",
    "PaddedPairs",
    "PairEncoder",
    "Scan",
    "Snapshot",
    "StatCache",
    "StoredChunk",
    "Totals",
    "analyze",
    "decode_path",
    "encode_path",
    "explain",
    "ingest",
    "kinds",
    "language",
    "languages",
    "map_large_blocks",
    "outline",
    "path_patterns",
    "redact",
    "release_memory",
    "scan",
    "versions",
]

_Path: TypeAlias = str | PathLike[str]

@final
class CancelToken:
    """A flag that asks a running scan or ingest to end with `Cancelled`, within milliseconds."""

    def __new__(cls) -> CancelToken: ...
    def cancel(self) -> None: ...
    @property
    def cancelled(self) -> bool: ...

@final
class MerkleTree:
    """One BLAKE3 digest for every text file and every folder of a tree.

    A folder's digest covers the names, kinds and digests of its children in the order of their
    names: equal digests mean equal trees, whatever the machine and the order of the walk.
    """

    @staticmethod
    def from_path(
        path: _Path,
        *,
        jobs: int = 0,
        max_file_bytes: int = ...,
        default_excludes: bool = True,
    ) -> MerkleTree:
        """Walks and digests the folder at `path` as `hybridx index` would.

        `jobs` is a number of threads, 0 for one a core; files beyond `max_file_bytes` (4 MiB) are
        left out. Raises `OSError` if the folder itself cannot be listed.
        """

    @property
    def root(self) -> str:
        """The digest of the whole tree."""

    def diff(self, old: MerkleTree) -> Changes:
        """What happened from `old` to this tree."""

    def digest(self, path: str) -> str | None:
        """The digest of the file or folder at `path`; `""` is the root."""

    def paths(self) -> list[str]:
        """Every file, in path order."""

    def __contains__(self, path: str, /) -> bool: ...
    def __len__(self) -> int: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Changes:
    """What happened between two trees. False when nothing did. Lists are in path order."""

    @property
    def added(self) -> list[str]: ...
    @property
    def modified(self) -> list[str]: ...
    @property
    def removed(self) -> list[str]: ...
    @property
    def moved(self) -> list[tuple[str, str]]:
        """Files of equal content under another name: `(old path, new path)`."""

    def __bool__(self) -> bool: ...
    def __eq__(self, value: object, /) -> bool: ...

@final
class StatCache:
    """Digests of files by path, valid while size, times and inode are the same."""

    @staticmethod
    def load(path: _Path) -> StatCache:
        """Reads a cache; an absent or damaged one is empty."""

    def save(self, path: _Path) -> None:
        """Writes the cache atomically."""

@final
class Scan:
    """What a scan found."""

    @property
    def tree(self) -> MerkleTree: ...
    @property
    def cache(self) -> StatCache | None:
        """What the next scan may reuse; `None` if that is what this one was given."""

    @property
    def fresh(self) -> int:
        """Files of which the cache knew nothing, or something else: all, under other rules."""

    @property
    def bytes_hashed(self) -> int: ...
    @property
    def skipped(self) -> list[tuple[str, str, str]]:
        """`(path, reason, detail)` of everything seen and left out, in path order."""

def scan(
    root: _Path,
    *,
    jobs: int = 0,
    max_file_bytes: int = ...,
    exclude: Sequence[_Path] = ...,
    default_excludes: bool = True,
    redact_secrets: bool = True,
    secrets_allow: Sequence[str] = ...,
    clock_folder: _Path | None = None,
    cache: StatCache | None = None,
    only: Sequence[str] | None = None,
    cancel: CancelToken | None = None,
) -> Scan:
    """Walks and digests the tree at `root`.

    `exclude` are absolute paths of files and folders never looked into; `clock_folder` is a
    writable folder whose file system's time decides which files are too fresh to trust their times.
    Raises `OSError` if `root` cannot be listed and `Cancelled`; anything wrong below `root` is a
    skip, and so is a file of more than `max_file_bytes` (4 MiB). With `redact_secrets`, so is one
    whose name says that it holds secrets, unless a pattern of `secrets_allow` matches it. Raises
    `UsageError` for a pattern that does not parse. With `only`, spellings of files and folders,
    nothing else is looked at; all else is taken to be as `cache` has it.
    """

@final
class Explanation:
    """What a scan would make of one path, as if it were a file where nothing is."""

    @property
    def stands(self) -> str:
        """What is there: `file`, `folder`, `symlink`, `special`, `nothing` or `unknown`."""

    @property
    def decided_at(self) -> str:
        """The path that decided: the one asked for, or a folder above it."""

    @property
    def cause(self) -> str | None:
        """Why a scan passes over `decided_at`; `None` if it does not.

        One of `rule`, `index`, `vcs`, `default_exclude`, `virtual_environment`.
        """

    @property
    def rule(self) -> tuple[str, int | None, str] | None:
        """`(file, line, pattern)` of the ignore rule that leaves out `decided_at`.

        Without a `cause`: of the rule that re-includes it. The file is relative to the root if it
        lies below; the line counts from 1 and is `None` if the file changed meanwhile.
        """

    @property
    def skip(self) -> tuple[str, str] | None:
        """`(reason, detail)` of the row that `decided_at` would get in the skip ledger."""

    @property
    def digest(self) -> str | None:
        """The digest of the file if it is text."""

    @property
    def language(self) -> str | None:
        """The language of the file if it is text."""

def explain(
    root: _Path,
    path: str,
    *,
    max_file_bytes: int = ...,
    exclude: Sequence[_Path] = ...,
    default_excludes: bool = True,
    redact_secrets: bool = True,
    secrets_allow: Sequence[str] = ...,
) -> Explanation:
    """Explains one path below `root`, by the rules of `scan`.

    Raises `OSError` if there is no such root and `UsageError` if the path is not below it.
    """

def outline(
    root: _Path,
    path: str,
    *,
    max_file_bytes: int = ...,
    redact_secrets: bool = True,
    secrets_allow: Sequence[str] = ...,
    cancel: CancelToken | None = None,
) -> tuple[str, int, list[tuple[str, str, int, int, str]]]:
    """What the file at `path` defines as it is now: `(language, lines, definitions)`.

    A definition is `(qualified name, kind, first line, last line, signature)`; lines count from 1,
    the last one is included, and the signature is on one line. They are in the order in which they
    begin. Secrets are redacted first; rules that leave files out are not asked. Raises `UsageError`
    for what is no text, with the reason, and `Cancelled`.
    """

@final
class Snapshot:
    """What one generation of an index holds: indexed, skipped and failed files."""

    def __new__(cls) -> Snapshot:
        """The snapshot of an empty index."""

    @staticmethod
    def load(path: _Path) -> tuple[Snapshot, str] | None:
        """The snapshot and the digest of its file; `None` if there is none.

        Raises `CorruptIndexError` or `IndexFormatError`.
        """

    def save(self, path: _Path, vector_files: Inventory) -> str:
        """Writes the snapshot durably, with `vector_files`; returns the digest of its file."""

    @property
    def vector_files(self) -> Inventory:
        """The files of the vector store when this was saved."""

    def with_vector_files(self, files: Inventory) -> Snapshot:
        """The same, as if it had been saved with these."""

    @property
    def tree(self) -> MerkleTree:
        """The tree of the indexed files."""

    def recomputed_root(self) -> str:
        """What the tree's root ought to be, computed from the digests of the files alone."""

    @property
    def skipped(self) -> list[tuple[str, str, str]]:
        """`(path, reason, detail)`."""

    @property
    def failed(self) -> list[tuple[str, str, str]]:
        """`(path, stage, message)`."""

    def paths(self) -> list[str]: ...
    def chunk_counts(self) -> list[tuple[str, int]]:
        """`(path, number of chunks)` of every indexed file, in path order."""

    def file(self, path: str) -> tuple[str, int, int, str, str | None, dict[str, int]] | None:
        """`(digest, bytes, chunks, language, decoded_as, redactions)` of an indexed file.

        `decoded_as` names the encoding where it is not UTF-8; `redactions` counts the secrets taken
        out of its text by the rule that found them.
        """

    def totals(self) -> Totals: ...
    def __len__(self) -> int: ...
    def __eq__(self, value: object, /) -> bool:
        """Whether both tell of the same files, skipped files and failures."""

    def __hash__(self) -> int: ...

@final
class Totals:
    """Totals of a snapshot."""

    @property
    def files(self) -> int: ...
    @property
    def chunks(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def languages(self) -> dict[str, tuple[int, int]]:
        """`(files, chunks)` by language."""

    @property
    def skipped(self) -> dict[str, int]:
        """Files by reason."""

    @property
    def redacted_files(self) -> int:
        """Indexed files that had a secret in them."""

    @property
    def redactions(self) -> dict[str, int]:
        """Redacted secrets by rule."""

@final
class Draft:
    """The next snapshot in the making: the current one's files, with what was written since."""

    def __new__(cls, current: Snapshot) -> Draft: ...
    def record(self, batch: IngestBatch, failed: Sequence[tuple[str, str, str]] = ...) -> None:
        """Takes what became of the files of `batch`; `failed` overrules it for some of them."""

    def skip(self, scan: Scan) -> None:
        """Takes the skip ledger of a scan, but for files that are still in the index."""

    def fail(self, failed: Sequence[tuple[str, str, str]]) -> None:
        """Takes failures: `(path, stage, message)`."""

    def remove(self, paths: Sequence[str]) -> None:
        """Forgets files that are no longer there."""

    def is_unchanged(self) -> bool:
        """Whether the snapshot would hold the same as the one this began with."""

    def finish(self) -> Snapshot:
        """The snapshot of everything recorded so far."""

@final
class IngestBatch:
    """All chunks of some files. `pyarrow.record_batch(batch)` shares its memory.

    Columns: `id` uint64, `path`, `language` string, `origin` uint8 (0 written, 1 generated, 2
    minified, 3 vendored), `kind`, `symbol` string, `symbols` string (those of
    the definitions that begin in the chunk, a line each), `start_line`, `end_line` uint32 (from 1,
    inclusive), `offset` uint64 (of the first byte in the text of the file), `context` (signatures
    of the definitions around it), `text` string, `terms` (of context and text), `signature`, `doc`
    string (encoded terms), `text_digest` fixed_size_binary(16) (of context and text).
    """

    @property
    def paths(self) -> list[str]:
        """All files of the batch, those without chunks included."""

    @property
    def indexed(self) -> int:
        """How many of the files were chunked."""

    @property
    def skipped(self) -> list[str]: ...
    @property
    def failed(self) -> list[tuple[str, str, str]]:
        """`(path, stage, message)`."""

    @property
    def bytes(self) -> int:
        """Bytes read."""

    @property
    def spans(self) -> list[tuple[int, str, int, int, str | None, int, int]]:
        """What the thread that made it did since its last batch; see `spans` of `ingest`.

        Each is `(worker, step, start, end, path, bytes, chunks)`. Times are nanoseconds on the
        stream's clock. Steps are `file`, which alone has the last three, and within it `read`,
        `redact` and `chunk`; `wait` for memory and `send`, a wait for room in the queue.
        """

    def __len__(self) -> int:
        """The number of chunks."""

    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...

@final
class IngestStream:
    """An iterator over batches, in no particular order."""

    def __iter__(self) -> IngestStream: ...
    def __next__(self) -> IngestBatch: ...
    @property
    def clock_ns(self) -> int:
        """Nanoseconds since it was started."""

    def close(self) -> None:
        """Stops the threads behind the stream; a thread that waits for a batch gets none."""

def ingest(
    root: _Path,
    paths: Sequence[str],
    *,
    jobs: int = 0,
    max_file_bytes: int = ...,
    batch_bytes: int = ...,
    queue: int = 4,
    memory_bytes: int = ...,
    redact_secrets: bool = True,
    secrets_allow: Sequence[str] = ...,
    spans: bool = False,
    cancel: CancelToken | None = None,
) -> IngestStream:
    """Reads, chunks and analyses files in parallel, their secrets redacted.

    Files that match a pattern of `secrets_allow` are taken as they are, and with `redact_secrets`
    false all are. Raises `UsageError` for a pattern that does not parse.

    At most `queue` batches of about `batch_bytes` (1 MiB) wait to be read; files of more than
    `max_file_bytes` (4 MiB) are skipped. Files that are worked on at once take about
    `memory_bytes` (256 MiB) together; one that needs more is worked on alone. With `spans` batches
    tell what the threads did when.
    """

@final
class Encoded:
    """Texts as tokens, not padded yet."""

    def __len__(self) -> int:
        """Rows of the input, those that were left out among them."""

    @property
    def tokens(self) -> int:
        """Tokens in all rows; for a term vocabulary the different terms of each row."""

    @staticmethod
    def pad(parts: Sequence[Encoded], budget: int) -> list[Padded]:
        """Padded batches of at most `budget` cells, of rows of like length, the widest first.

        Rows are numbered through all `parts`: those of the second go on where the first one ends.
        """

@final
class Padded:
    """One padded batch of a model's inputs, of `n` rows and `w` columns."""

    @property
    def rows(self) -> NDArray[np.uint32]:
        """Shape `(n,)`: which inputs these are."""

    @property
    def input_ids(self) -> NDArray[np.int64]:
        """Shape `(n, w)`."""

    @property
    def attention_mask(self) -> NDArray[np.int64]:
        """Shape `(n, w)`: 0 for padding; for a term vocabulary how often the term occurs."""

@final
class Encoder:
    """Turns texts into the inputs of one model."""

    @staticmethod
    def terms(path: _Path, max_length: int, *, buckets: int = 0) -> Encoder:
        """Reads a vocabulary of the analyzer's terms, one a line. Raises `ModelError`.

        The n-grams of names that are not in it share `buckets` ids behind its own.
        """

    @staticmethod
    def subwords(path: _Path, max_length: int, *, prefix: str = "") -> Encoder:
        """Reads a Hugging Face `tokenizer.json`; chunks, but not queries, begin with `prefix`.

        Raises `ModelError`.
        """

    def encode(self, batch: object, *, skip: NDArray[np.bool_] | None = None) -> Encoded:
        """Encodes an Arrow batch of chunks, except rows marked in `skip`."""

    def encode_texts(self, texts: Sequence[str]) -> Encoded:
        """Encodes free texts, such as queries."""

@final
class PaddedPairs:
    """One padded batch of a cross-encoder's inputs, of `n` pairs and `w` columns."""

    @property
    def rows(self) -> NDArray[np.uint32]:
        """Shape `(n,)`: which passages these are."""

    @property
    def input_ids(self) -> NDArray[np.int64]:
        """Shape `(n, w)`."""

    @property
    def attention_mask(self) -> NDArray[np.int64]:
        """Shape `(n, w)`: 0 for padding."""

    @property
    def token_type_ids(self) -> NDArray[np.int64]:
        """Shape `(n, w)`: which text a token is of, as the tokenizer's own template says."""

@final
class PairEncoder:
    """Turns a query and passages into the inputs of a cross-encoder.

    Reads a Hugging Face `tokenizer.json`; raises `ModelError`. A pair is cut to `max_length`
    tokens, the longer text first; `padding` is the id that fills up shorter pairs.
    """

    def __new__(cls, path: _Path, max_length: int, *, padding: int = 0) -> PairEncoder: ...
    def encode(
        self, query: str, passages: Sequence[str], *, budget: int = 4096
    ) -> list[PaddedPairs]:
        """Encodes the query beside each passage, longest first.

        Pairs of like length share a batch of at most `budget` cells.
        """

@final
class Bm25Writer:
    """The one writer of a lexical index. Nothing is seen before `commit`.

    Its `threads` share a buffer of `heap_bytes` (64 MiB).
    """

    def __new__(cls, folder: _Path, *, threads: int = 1, heap_bytes: int = ...) -> Bm25Writer: ...
    def delete(self, paths: Sequence[str]) -> None:
        """Deletes the chunks of these files that were added before this call."""

    def add(self, batch: object) -> None:
        """Adds the chunks of an Arrow batch."""

    def flush(self) -> None:
        """Writes to files what waits in memory: the `commit` that follows has less to do."""

    def commit(self, payload: str) -> None:
        """Makes everything since the last commit visible and durable at once."""

    def close(self) -> None:
        """Waits for merges and closes the index."""

    def abandon(self) -> None:
        """Closes the index without waiting; what was not committed is forgotten."""

@final
class StoredChunk:
    """What is stored of a chunk."""

    @property
    def id(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def origin(self) -> str:
        """`written`, `generated`, `minified` or `vendored`."""

    @property
    def kind(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def symbols(self) -> str:
        """The qualified names of the definitions that begin in it, a line each."""

    @property
    def context(self) -> str:
        """Signatures of the definitions around it, a line each."""

    @property
    def start_line(self) -> int: ...
    @property
    def end_line(self) -> int: ...
    @property
    def place(self) -> int:
        """Its place in the store.

        Of chunks of one file that have neighbouring places, the first ends where the second
        begins, but for empty lines.
        """

    @property
    def text(self) -> str: ...

class _Question(Protocol):
    """What is looked for."""

    @property
    def terms(self) -> Mapping[str, float]:
        """Terms of the analyzer with what each counts."""

    @property
    def prefixes(self) -> Mapping[str, float]:
        """Beginnings of terms, likewise."""

    @property
    def names(self) -> list[str]:
        """Names as they are written, for chunks that define one of them."""

    @property
    def phrases(self) -> list[str]:
        """Texts to be found as they are, but for case and the length of white space."""

    @property
    def only_phrases(self) -> bool:
        """Whether a chunk must hold every phrase."""

_FoundFile: TypeAlias = tuple[str, str, float, float, float, float]
_FoundChunk: TypeAlias = tuple[int, int, float, float, float, float, float, float]

@final
class Candidates:
    """The candidates for a question, and the evidence of all other chunks."""

    def found(self, also: Sequence[int] = ...) -> tuple[list[_FoundFile], list[_FoundChunk]]:
        """The candidates, and after them those of `also` that are not among them.

        Files first, in tuples, as attributes of hundreds of objects take as long as the ranking:
        path; origin (`written`, `generated`, `minified` or `vendored`); BM25 of the whole text, of
        the folders and of the name; BM25 of the second best chunk at a half and of the third best
        at a quarter. Then chunks: id; the number of its file among these; BM25 of text, symbol,
        signature and doc; 1 if it alone defines a name of the question, `1 / sqrt(n)` if `n` chunks
        do; the share of the question's phrases that it holds.

        `also` are ids; what the question's filters do not let through is left out. They are given
        once: raises `UsageError` from then on.
        """

@final
class Bm25Searcher:
    """A view of one commit of a lexical index."""

    @staticmethod
    def open(folder: _Path) -> Bm25Searcher | None:
        """Opens the last commit; `None` if there is no index."""

    @property
    def payload(self) -> str | None: ...
    def candidates(
        self,
        question: _Question,
        *,
        weights: Mapping[str, float],
        pool: int,
        languages: Sequence[str] = ...,
        kinds: Sequence[str] = ...,
        paths: Sequence[str] = ...,
        only: Collection[str] | None = None,
    ) -> Candidates:
        """The candidates for a question, with the evidence that words give.

        They are the `pool` best, further chunks of a file being set back. Empty filters do not
        filter; `only` are paths as they are.
        `weights` are `body`, `symbol`, `signature`, `doc`, `name`, `phrase`, `file`, `coherence`,
        `folders`, `stem` and `spread`. Evidence is BM25 in units of what the 16 most telling terms
        of the question could be worth together; of more than 48 terms the rest is left out.
        """

    def fetch(self, ids: Sequence[int]) -> list[StoredChunk]:
        """The chunks with these ids, in this order; unknown ids are left out.

        Raises `CorruptIndexError` if a chunk is not what was stored under its id.
        """

    def chunks_of(self, path: str) -> list[StoredChunk]:
        """The chunks of the file at `path`, in their order; none if it has none.

        Raises as `fetch` does.
        """

    def rows(self) -> list[object]:
        """Every chunk, in Arrow batches, in no particular order.

        Columns: `id` uint64, `path` string, `text_digest` fixed_size_binary(16), and `sound` bool,
        whether the chunk is what was stored under its id.
        """

    def damaged(self) -> list[tuple[str, str]]:
        """`(name, what is wrong)` of files that do not hold what was written."""

    def ids(self) -> list[int]:
        """The ids of all chunks, ascending."""

    def terms(self) -> list[tuple[str, str]]:
        """Every `(field, term)` of the text fields, those of deleted chunks included."""

    def texts(self) -> list[tuple[str, str]]:
        """Every stored `(field, text)`, those of deleted chunks included."""

    def __len__(self) -> int: ...

@final
class Lock:
    """The writer's lock; the operating system releases it if its process dies."""

    @staticmethod
    def acquire(
        path: _Path, *, timeout: float = 0.0, cancel: CancelToken | None = None
    ) -> Lock | None:
        """Waits up to `timeout` seconds; `None` if somebody else held the lock all that time."""

    @staticmethod
    def holder(path: _Path) -> tuple[int, int] | None:
        """Process id of who took the lock last, and when, in seconds since the epoch."""

    def release(self) -> None: ...

@final
class Lease:
    """A reader's shared lock on a file; it ends with its process at the latest."""

    @staticmethod
    def take(path: _Path) -> Lease | None:
        """A lease on the file; `None` if there is no such file, or no longer."""

    @staticmethod
    def remove_unless_held(path: _Path) -> bool:
        """Removes the file unless somebody holds a lease on it; whether it is gone."""

    def release(self) -> None: ...

@final
class Inventory:
    """The files of a folder of write-once files, each with its size and digest."""

    def __new__(cls) -> Inventory: ...
    def sync(self, folder: _Path, *, rewritten: Sequence[str] = ...) -> int:
        """Records what the folder holds by now; returns how many files are new.

        New files, and their names, have reached the disk when this returns. So have files with
        the names `rewritten`, which are not write-once and so are not recorded.
        """

    @staticmethod
    def load(snapshot: _Path) -> tuple[Inventory, str] | None:
        """The inventory in a snapshot's file, with that file's digest; `None` if there is none."""

    def damaged(self, folder: _Path) -> list[tuple[str, str]]:
        """`(name, what is wrong)` of files that are there and not as they were recorded."""

    def suspect(self, folder: _Path, *, known: Inventory | None = None) -> list[tuple[str, str]]:
        """The same, of files of which the size or the last 256 KiB are wrong: a quick look.

        Of files that are recorded alike in `known` only the size is looked at.
        """

    @property
    def bytes(self) -> int:
        """The bytes of all files."""

    def __len__(self) -> int: ...

def analyze(text: str) -> str:
    """The encoded terms of a text: separated by spaces, compounds marked by a leading `+`."""

def redact(path: str, text: str) -> tuple[str, list[tuple[int, str]]]:
    """The text of the file at `path` without its secrets, and `(line, rule)` of each.

    Lines are counted from 1 and stay what they are.
    """

def map_large_blocks() -> None:
    """Has large blocks go back to the operating system as soon as they are freed.

    Of smaller ones every pool keeps some megabytes for the next ones. It is a setting of the
    whole process, made for good.
    """

def release_memory() -> None:
    """Returns freed memory to the operating system, where the allocator keeps it otherwise."""

def kinds() -> list[str]:
    """The name of every kind of chunk."""

def language(name: str) -> str | None:
    """The name of the language called `name`, in any case, or by an alias; `None` if unknown."""

def languages() -> list[str]:
    """The names of all languages."""

def path_patterns(paths: Sequence[str]) -> list[str]:
    """Regular expressions that match whole paths exactly as these globs do."""

def encode_path(path: bytes) -> str:
    r"""The spelling of a path: as it is, but for bytes that are not UTF-8, written `\xNN`."""

def decode_path(text: str) -> bytes:
    """The bytes that a spelling stands for."""

def versions() -> dict[str, int]:
    """Version numbers of everything in the core that decides what is stored."""
