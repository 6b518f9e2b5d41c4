"""What a run may take of the machine's memory, and what each part of it gets."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20

_RUNTIME = 224 * MIB
"""What LanceDB, ONNX Runtime, the bundled model and the interpreter take by themselves."""

_ROW_BYTES = 96
"""What a row of the vector store takes beside its vector, on average: path, digest, id."""

_ROW_COPIES = 2
"""Times a row is in memory while it waits to be written and is written."""

_DEFAULT_SHARE = 4
_DEFAULT_MOST = 1024 * MIB
_DEFAULT_LEAST = 512 * MIB

_PRESSURE = 0.9


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes for the parts of a run; together they stay below `limit`, if that is possible."""

    limit: int
    heap_bytes: int
    """The lexical writer's buffers."""
    flush_rows: int
    """Vectors that wait to be written."""
    ingest_bytes: int
    """Files that are worked on: text, syntax trees, chunks."""
    queue: int
    """Batches that wait between two steps."""
    others: int = 0
    """What the process held before, beyond what a run loads: it is not the run's to save."""

    @classmethod
    def of(cls, limit_mb: int | None, dimension: int) -> Budget:
        """Shares `limit_mb` MiB out; `None` is a quarter of the memory, 512 to 1,024 MiB."""
        if limit_mb is None:
            share = memory_of_machine() // _DEFAULT_SHARE
            limit = min(max(share, _DEFAULT_LEAST), _DEFAULT_MOST)
        else:
            limit = limit_mb * MIB
        spare = max(limit - _RUNTIME, 32 * MIB)
        rows = spare // 10 // (row_bytes(dimension) * _ROW_COPIES)
        return cls(
            limit=limit,
            heap_bytes=min(max(spare // 5, 15 * MIB), 64 * MIB),
            flush_rows=min(max(rows, 1024), 32_768),
            ingest_bytes=min(max(spare // 8, 8 * MIB), 128 * MIB),
            queue=3 if spare >= 256 * MIB else 1,
            others=max(anonymous_memory() - _RUNTIME, 0),
        )

    def is_tight(self) -> bool:
        """Whether the process has come close to the limit."""
        return anonymous_memory() - self.others > self.limit * _PRESSURE


def row_bytes(dimension: int) -> int:
    """Bytes of a row of the vector store, on average."""
    return dimension * 4 + _ROW_BYTES


def memory_of_machine() -> int:
    """Bytes this process may use: the machine's, or less in a control group."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    limits = [pages * size]
    with contextlib.suppress(OSError, ValueError):
        group = Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace")
        for line in group.splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                limits += _group_limits(Path("/sys/fs/cgroup"), path, "memory.max")
            elif "memory" in controllers.split(","):
                top = Path("/sys/fs/cgroup/memory")
                limits += _group_limits(top, path, "memory.limit_in_bytes")
    return min(limits)


def _group_limits(top: Path, path: str, name: str) -> list[int]:
    """The limits of a control group and those above it."""
    found = []
    group = top / path.lstrip("/")
    for each in (group, *group.parents):
        with contextlib.suppress(OSError, ValueError):
            # `max` is no number: no limit.
            found.append(int((each / name).read_text(encoding="ascii")))
        if each == top:
            break
    return found


def anonymous_memory() -> int:
    """Bytes this process has allocated and touched, mapped files not counted; 0 if unknown."""
    try:
        with Path("/proc/self/status").open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
