"""A tree of hostile files is indexed: each costs only itself, and the same each time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import zoo
from hybridx import _core
from support import (
    ALL,
    MODES,
    Tree,
    check_same,
    check_sum,
    check_whole,
    chunks,
    open_index,
    updated,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hybridx import Index, IndexReport

Made = dict[bytes, bytes | None]

SLOWEST = 10.0
"""Seconds any animal may take on one busy core; most take a few hundredths."""

SLOW_BYTE = 0.5e-6
"""Seconds for a byte that make an animal worth blowing up; real source takes a tenth."""

SMALL = 20
"""How much smaller than full size the animals are in the tests that are not slow. Brackets still
nest deeper than the parser is trusted with."""

LIMIT = zoo.LIMIT // SMALL


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, Made]:
    """The zoo with small animals, not indexed."""
    tree = Tree(tmp_path_factory.mktemp("zoo") / "tree")
    return tree, zoo.make(tree.root, small=SMALL)


@pytest.fixture(scope="module")
def indexed(animals: tuple[Tree, Made]) -> tuple[Index, IndexReport]:
    """The zoo, indexed with eight threads on however many cores there are."""
    index = open_index(animals[0], jobs=8, max_file_bytes=LIMIT)
    return index, index.update()


def test_every_animal_has_one_outcome(
    animals: tuple[Tree, Made], indexed: tuple[Index, IndexReport]
) -> None:
    made, (index, report) = animals[1], indexed
    check_sum(report)
    assert report.errors == ()
    seen = check_whole(index)
    held, left = seen.snapshot.paths(), [path for path, _, _ in index.skipped()]
    paths = {_core.encode_path(path) for path in made}
    assert sorted(held + left) == sorted(paths), "a file is lost, or told twice"
    assert report.files.seen == len(paths)
    reasons = {path: reason for path, reason, _ in index.skipped()}
    for path, content in made.items():
        spelled = _core.encode_path(path)
        if content is None:
            assert reasons[spelled] in ("symlink", "special"), spelled
        elif len(content) > LIMIT:
            assert reasons[spelled] == "too_large", spelled
        else:
            assert reasons.get(spelled) in (None, "binary"), spelled
        why = index.why(spelled)
        assert (why.verdict, why.reason) == (
            ("skipped", reasons[spelled]) if spelled in reasons else ("indexed", None)
        )
    expected = {"encodings/" + name for name in ("utf-32.py", "utf-16 le.py", "nul at 7999.txt")}
    expected |= {"lies/elf.py", "lies/gzip.txt", "lies/png.svg", "encodings/random.bin"}
    assert expected <= {path for path, reason in reasons.items() if reason == "binary"}
    for text in ("encodings/late nul.py", "encodings/nul at 8000.txt", "sizes/at the limit.txt"):
        assert text in held, text


def test_no_digest_is_of_other_bytes(
    animals: tuple[Tree, Made], indexed: tuple[Index, IndexReport]
) -> None:
    """What is stored of a file is its text: every line, and nothing else."""
    texts: dict[str, list[str]] = {}
    for spelled, *_, text in chunks(indexed[0]).values():
        texts.setdefault(spelled, []).append(text)
    for path, content in animals[1].items():
        spelled = _core.encode_path(path)
        if content is None or indexed[0].why(spelled).verdict != "indexed":
            continue
        try:
            whole = content.removeprefix(b"\xef\xbb\xbf").decode()
        except UnicodeDecodeError:
            continue
        if not whole.startswith("\ufeff"):
            held = "".join("".join(text.split()) for text in texts.get(spelled, []))
            assert len(held) == len("".join(whole.split())), f"{spelled}: text is lost or twice"


def test_ordinary_files_are_indexed_as_if_they_were_alone(
    tmp_path: Path, indexed: tuple[Index, IndexReport]
) -> None:
    alone = open_index(Tree(tmp_path / "alone", dict(zoo.ORDINARY)))
    updated(alone)
    among = {key: row for key, row in chunks(indexed[0]).items() if row[0] in zoo.ORDINARY}
    assert len(among) >= len(zoo.ORDINARY)
    assert among == chunks(alone)
    for mode in MODES:
        found = {hit.path for hit in indexed[0].search("retry a call later", ALL, mode=mode)}
        assert "ordinary/retry.py" in found


def test_chunks_do_not_depend_on_how_busy_the_machine_is(
    tmp_path: Path, animals: tuple[Tree, Made], indexed: tuple[Index, IndexReport]
) -> None:
    code = "while True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
    try:
        again = open_index(animals[0], index_dir=tmp_path / "again", jobs=1, max_file_bytes=LIMIT)
        report = again.update(sequential=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert report.merkle_root == indexed[1].merkle_root
    check_same(again, indexed[0])
    assert again.update().generation == report.generation, "an unchanged zoo is indexed again"


@pytest.mark.slow
def test_no_animal_takes_long(tmp_path: Path) -> None:
    """Neither at full size nor, where that is slow for its size, as large as a file may be."""
    took: dict[tuple[bytes, int], float] = {}

    def measure(path: bytes, content: bytes) -> float:
        file = tmp_path / os.fsdecode(path).rpartition("/")[2]
        file.write_bytes(content)
        start = time.process_time()
        stream = _core.ingest(tmp_path, [_core.encode_path(os.fsencode(file.name))], jobs=1)
        assert sum(len(batch.failed) for batch in stream) == 0, path
        file.unlink()
        return took.setdefault((path, len(content)), time.process_time() - start)

    for path, maker in zoo.zoo().items():
        content = maker()
        if measure(path, content) > 0.02 + len(content) * SLOW_BYTE:
            measure(path, (content * (zoo.LIMIT // len(content) + 1))[: zoo.LIMIT])
    slowest = sorted(took, key=lambda each: -took[each])[:20]
    for path, size in slowest:
        print(f"{took[path, size]:.2f} s  {size / 1e6:.2f} MB  {path!r}")
    assert zoo.LIMIT in {size for _, size in took}, "nothing was slow: look at SLOW_BYTE"
    assert took[slowest[0]] < SLOWEST, f"{slowest[0]} took {took[slowest[0]]:.1f} s"


PEAK = """
import sys
from hybridx import Index
from hybridx.config import Settings
index = Index.open(sys.argv[1], settings=Settings(max_file_bytes=int(sys.argv[2]), jobs=2))
report = index.update()
assert not report.errors, report.errors
print(report.files.added, report.files.skipped, report.peak_rss_bytes >> 20)
"""


@pytest.mark.slow
def test_files_of_a_hundred_megabytes(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", {"a.py": "x = 1\n"})
    for path, maker in zoo.zoo(full=True).items():
        if path.startswith(b"huge/"):
            tree.write(path.decode(), maker())
    place = str(tree.root)

    def run(limit: int) -> tuple[int, int, int]:
        command = [sys.executable, "-c", PEAK, place, str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        added, skipped, peak = map(int, done.stdout.split())
        return added, skipped, peak

    added, skipped, peak = run(zoo.LIMIT)
    assert (added, skipped) == (1, 2)
    assert peak < 700, f"skipped files cost {peak} MiB"
    added, skipped, peak = run(1 << 30)
    assert (added, skipped) == (2, 0)
    print(f"100 MB in one line, 110 MB of lines: {peak} MiB")
    assert peak < 4_000
