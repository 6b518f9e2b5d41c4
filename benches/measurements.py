"""How the rows of the table are measured.

A measurement fills one row or several, since some come of the same runs. Each calls the script
that is made for it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import against_semble
import end_to_end
import sizes
import threads
from target import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Place:
    """Where and how to measure."""

    cache: Path
    """What `corpora.py` filled."""
    runs: int
    whole_runs: int
    """Runs over the whole tree of 1.3 GB."""
    results: Path
    semble: str | None = None
    """A Python with semble."""
    model: Path | None = None
    """A model for it."""

    @property
    def kernel(self) -> Path:
        """90 MB of C."""
        return self.cache / "kernel"

    @property
    def whole(self) -> Path:
        """1.3 GB of C."""
        return self.cache / "kernel-whole"

    def keep(self, name: str, document: Any) -> None:
        """Keeps what a plot is drawn of."""
        self.results.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=2) + "\n"
        (self.results / f"{name}.json").write_text(text, encoding="utf-8")


class NotHere(Exception):  # noqa: N818 - it is no fault
    """What a measurement needs is not on this machine."""


@dataclass(frozen=True)
class Measurement:
    """Fills rows."""

    rows: tuple[str, ...]
    """Their names."""
    measure: Callable[[Place], dict[str, Measured]]
    """Gives the measured values by the names of the rows."""


def cargo_bench(name: str, *arguments: str | int | Path) -> dict[str, Any]:
    """Runs a bench of the core that prints one JSON document."""
    command = ["cargo", "bench", "--quiet", "--package", "hybridx-core", "--bench", name, "--"]
    found: dict[str, Any] = _json([*command, *map(str, arguments)])
    return found


def script(
    name: str, *arguments: str | int | Path, environment: Mapping[str, str] | None = None
) -> Any:
    """Runs a script of this folder that prints one JSON document."""
    command = [sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)]
    return _json(command, environment)


def _json(command: list[str], environment: Mapping[str, str] | None = None) -> Any:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}")
    return json.loads(done.stdout)


def parse_rate(tree: Path, runs: int) -> float:
    """MB of C that tree-sitter alone parses in a CPU second."""
    found = cargo_bench("parse", tree, runs)
    return float(found["bytes"] / 1e6 / found["parse_cpu_seconds"])


def cold(place: Place) -> dict[str, Measured]:
    """A cold index of 90 MB against semble's."""
    if place.semble is None or place.model is None:
        raise NotHere("--semble and --model say where semble is")
    rate = parse_rate(place.kernel, min(place.runs, 3))
    found = against_semble.compare(place.kernel, place.semble, place.model, place.runs, None)
    theirs, ours = found["semble"], found["hybridx"]
    command = (
        "python benches/against_semble.py CACHE/kernel --semble PYTHON --model FOLDER"
        f" --runs {place.runs}"
    )
    details = {
        "semble": theirs["report"],
        "cpu_seconds": {"semble": theirs["cpu_seconds"], "hybridx": ours["cpu_seconds"]},
        "stages": ours["stages"],
        "files": ours["files"],
        "chunks": ours["chunks"],
        "megabytes": end_to_end.tree_bytes(place.kernel) / 1e6,
        "parse_mb_per_cpu_second": rate,
        "others": max(run["others"] for run in (*theirs["runs"], *ours["runs"])),
        "seconds": {name: [run["seconds"] for run in side["runs"]]
                    for name, side in (("semble", theirs), ("hybridx", ours))},
    }  # fmt: skip
    bound = details["megabytes"] / rate / _cores()
    stages = threads.medians([threads.measure(place.kernel) for _ in range(place.runs)])
    place.keep("stages", stages)
    mib = 1.048576
    return {
        "cold": Measured(ours["seconds"], theirs["seconds"], place.runs, command, bound, details),
        "cold-memory": Measured(
            ours["tree_peak_mib"] * mib, theirs["tree_peak_mib"] * mib, place.runs, command,
            details={"others": details["others"]},
        ),
    }  # fmt: skip


def whole(place: Place) -> dict[str, Measured]:
    """A cold index of 1.3 GB against one of 90 MB, and all sizes between for the plot."""
    if not place.whole.exists():
        raise NotHere("corpora.py CACHE --kernel-whole fetches the whole tree")
    found = sizes.measure(place.cache, place.runs, place.whole_runs)
    place.keep("sizes", found)
    by_name = {each["name"]: each for each in found}
    small, large = by_name["90 MB"], by_name["1.3 GB"]
    rate = parse_rate(place.whole, min(place.runs, 3))
    command = f"python benches/sizes.py CACHE --runs {place.runs} --whole-runs {place.whole_runs}"
    others = max(run["others"] for each in (small, large) for run in each["each"])

    def per_mb(each: dict[str, Any]) -> float:
        return float(each["seconds"] / each["megabytes"] * 1000)

    details = {"others": others, "seconds": large["seconds"], "files": large["files"],
               "megabytes": large["megabytes"], "cpu_seconds": large["cpu_seconds"],
               "chunks": large["chunks"]}  # fmt: skip
    bound = 1000 / rate / _cores()
    runs = place.whole_runs
    return {
        "whole": Measured(per_mb(large), per_mb(small), runs, command, bound, details),
        "whole-memory": Measured(
            large["peak_mb"], small["peak_mb"], runs, command, details={"others": others}
        ),
    }


def sequential(place: Place) -> dict[str, Measured]:
    """The default against `--sequential`, in turn, over the same copy of the tree."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name).resolve()
        tree = work / place.kernel.name
        shutil.copytree(place.kernel, tree, symlinks=True)
        bench = end_to_end.Bench(tree, work)
        default, alone = [], []
        for _ in range(place.runs):
            default.append(bench.cold("default"))
            alone.append(bench.cold("sequential", "--sequential"))
        same = bench.chunk_ids("default") == bench.chunk_ids("sequential")
    seconds, one_by_one = ([run["seconds"] for run in each] for each in (default, alone))
    figure, reference = statistics.median(seconds), statistics.median(one_by_one)
    details = {
        "same_chunks": float(same),
        "others": max(run["others"] for run in (*default, *alone)),
        "seconds": {"default": seconds, "sequential": one_by_one},
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in default),
    }
    command = f"python benches/end_to_end.py CACHE/kernel --sequential --runs {place.runs}"
    bound = reference / _cores()
    return {"sequential": Measured(figure, reference, place.runs, command, bound, details)}


def whole_commands(place: Place) -> dict[str, Measured]:
    """Whole commands over the tree of 78,000 files, and what they are compared with, in turn."""
    if not place.whole.exists():
        raise NotHere("corpora.py CACHE --kernel-whole fetches the whole tree")
    found = script("scan.py", place.whole, "--runs", place.runs)
    command = f"python benches/scan.py CACHE/kernel-whole --runs {place.runs}"

    def row(what: str, against: str | None, *, bound: str | None = None) -> Measured:
        seconds = {name: cost["seconds"] for name, cost in found["rows"].items()}
        reference = None if against is None else seconds[against]
        least = None if bound is None else seconds[bound]
        details = {"files": found["files"], "cpu_seconds": found["rows"][what]["cpu_seconds"]}
        if what == "resident update, one path":
            details["whole_scan_seconds"] = seconds["resident update, whole scan"]
        return Measured(seconds[what], reference, place.runs, command, least, details)

    return {
        "scan": row("walk and hash", "b3sum"),
        "no-op": row("index, no change", "git status"),
        "one-changed": row("index, one changed file", "import lancedb"),
        "one-changed-inside": row("resident update, one path", None),
        "search-cold": row("search, hybrid", "import lancedb"),
        "search-cold-lexical": row("search, lexical", None, bound="Python alone"),
        "import": row("import hybridx.Index", "Python alone", bound="Python alone"),
    }


def queries(place: Place) -> dict[str, Measured]:
    """Warm queries in the default mode, and what of an exact search's chunks the index finds."""
    if not place.whole.exists():
        raise NotHere("corpora.py CACHE --kernel-whole fetches the whole tree")
    rows = {}
    for name, tree in (("query-100k", place.kernel), ("query-1.3M", place.whole)):
        with tempfile.TemporaryDirectory() as scratch:
            places = {"HYBRIDX_INDEX_DIR": scratch, "HYBRIDX_CACHE_DIR": f"{scratch}/cache"}
            index = [sys.executable, "-m", "hybridx", "index", str(tree), "--quiet"]
            subprocess.run(index, env={**os.environ, **places}, check=True)
            found = script("queries.py", tree, "--runs", place.runs, environment=places)
        command = f"python benches/queries.py CACHE/{tree.name} --runs {place.runs}"
        details = {
            "recall_at_10": found["vectors"]["recall_at_10"],
            **{key: found[key] for key in ("chunks", "queries", "lexical", "semantic", "hybrid")},
            "vectors": found["vectors"],
        }
        figure = found["hybrid"]["p50"]
        rows[name] = Measured(figure, None, place.runs, command, details=details)
    return rows


def bm25_write(place: Place) -> dict[str, Measured]:
    """The lexical index's writer against Tantivy alone."""
    found = cargo_bench("bm25_rate", place.kernel, place.runs)
    command = f"cargo bench -p hybridx-core --bench bm25_rate -- CACHE/kernel {place.runs}"
    ours, alone = found["writer"], found["tantivy_alone"]
    rates = ours["mb_per_second"], alone["mb_per_second"]
    details = {"chunks": found["chunks"], "writer": ours, "tantivy_alone": alone}
    return {"bm25-write": Measured(*rates, place.runs, command, details=details)}


def vector_write(place: Place) -> dict[str, Measured]:
    """The vector store's writes against LanceDB alone."""
    found = script("vector_write.py", "--runs", place.runs)
    command = f"python benches/vector_write.py --runs {place.runs}"
    ours, alone = (found["rows_per_second"][name] / 1000 for name in ("store", "lancedb"))
    details = {"rows": found["rows"], "cpu_ratio": found["cpu_ratio"]}
    return {"vector-write": Measured(ours, alone, place.runs, command, details=details)}


def chunking(place: Place) -> dict[str, Measured]:
    """Chunking, with the fields of the chunks, against parsing, in one thread."""
    found = cargo_bench("parse", place.kernel, place.runs)
    command = f"cargo bench -p hybridx-core --bench parse -- CACHE/kernel {place.runs}"
    megabytes = found["bytes"] / 1e6
    parsed = found["parse_cpu_seconds"]
    figure, reference = found["chunk_and_fields_cpu_seconds"], parsed
    details = {"megabytes": megabytes, "chunk_alone_cpu_seconds": found["chunk_cpu_seconds"]}
    return {"chunking": Measured(figure, reference, place.runs, command, parsed, details)}


def _cores() -> int:
    return len(os.sched_getaffinity(0))


MEASUREMENTS: tuple[Measurement, ...] = (
    Measurement(("cold", "cold-memory"), cold),
    Measurement(("whole", "whole-memory"), whole),
    Measurement(
        (
            "scan",
            "no-op",
            "one-changed",
            "one-changed-inside",
            "search-cold",
            "search-cold-lexical",
            "import",
        ),
        whole_commands,
    ),
    Measurement(("query-100k", "query-1.3M"), queries),
    Measurement(("sequential",), sequential),
    Measurement(("bm25-write",), bm25_write),
    Measurement(("vector-write",), vector_write),
    Measurement(("chunking",), chunking),
)
"""One for every row."""
