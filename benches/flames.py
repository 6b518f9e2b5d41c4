"""A flame graph of each stage, as SVG in `benches/figures`: where its CPU time goes.

python benches/flames.py CACHE [--only STAGE ...] [--tree FOLDER] [--frequency HZ]

Needs `perf` and, once, `cargo install inferno`. Builds the extension with the symbols that a
wheel is stripped of, and samples three programs of its own: a cold index of CACHE/kernel, whose
threads bear the names of their stages, a walk of that tree again and again, and searches of it.
Stacks come of the unwind tables, so nothing has to be built with frame pointers. Frames of less
than .3 % are left out, and so are those that only hand work over (Rayon, closures, std, the
interpreter).
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import threads

ROOT = Path(__file__).resolve().parent.parent
FIGURES = Path(__file__).with_name("figures")

SMALLEST = 0.3
"""Frames of a smaller share, in per cent, are not drawn."""

BY_THREAD = ("ingest", "bm25", "embed", "store")
"""The stages that are threads of a cold index."""

SCAN = """
import sys, time
from hybridx import _core
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    _core.MerkleTree.from_path(sys.argv[1])
"""

SEARCH = """
import itertools, sys, time
from hybridx import Index
until = time.monotonic() + float(sys.argv[2])
index = Index.open(sys.argv[1])
asked = ("read_folio", "how is a page written back to disk", "struct super_block", "mutex lock",
         "allocate memory for a socket", "tcp congestion window", "inode hash", "rcu grace period")
for text in itertools.cycle(asked):
    index.search(text)
    if time.monotonic() > until:
        break
"""

TITLES = {
    "scan": "scan: walk and digests, nothing remembered",
    "ingest": "ingest: read, redact, parse, chunk, analyse (all its threads)",
    "bm25": "bm25: Tantivy's threads",
    "embed": "embed: look up, encode, run the model",
    "store": "store: the thread that writes, and LanceDB's",
    "search": "search: warm, hybrid",
}

PLUMBING = re.compile(
    r"^(rayon|rayon_core|std|core|crossbeam\w*|alloc|<core|<alloc|<std|<rayon\w*)::"
    r"|^(entry_SYSCALL_64\w*|do_syscall_64|asm_exc_page_fault|__rust_\w+|_start|start_thread|pythread_wrapper|thread_run|clone3?|__clone3?|\[unknown\]|__libc_start\w*)$"
    r"|^pyo3::|^(_?Py[A-Z_]|cfunction_|method_vectorcall|slot_tp_|object_vacall|import_|exec_|builtin_)"
    r"|FnOnce|\{\{closure\}\}$|\{closure#\d+\}$"
)
"""Frames that only hand work over, the interpreter's among them."""


def main() -> None:
    """Builds, samples and draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--only", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--tree", type=Path, help="instead of CACHE/kernel")
    parser.add_argument("--frequency", type=int, default=199, metavar="HZ")
    parser.add_argument("--seconds", type=int, default=10, help="of scans and of searches")
    asked = parser.parse_args()
    missing = [name for name in ("perf", "inferno-flamegraph", "inferno-collapse-perf")
               if shutil.which(name) is None]  # fmt: skip
    if missing:
        sys.exit(f"not found: {', '.join(missing)} (`cargo install inferno` gives the latter two)")
    tree = (asked.tree or asked.cache / "kernel").resolve()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(tree, Path(name), asked.frequency)
        if set(asked.only) & {*BY_THREAD, "search"}:
            folded = bench.cold()
            for stage in set(asked.only).intersection(BY_THREAD):
                draw(stage, [line for line in folded if stage_of(line) == stage])
        if "scan" in asked.only:
            draw("scan", bench.watched(SCAN, asked.seconds, after=1))
        if "search" in asked.only:
            draw("search", bench.watched(SEARCH, asked.seconds, after=8))


class Bench:
    """Programs of hybridx with symbols, and samples of them."""

    def __init__(self, tree: Path, work: Path, frequency: int) -> None:
        """Builds the extension and puts the package together in `work`."""
        self.tree, self.work = tree, work
        package = work / "package"
        source = ROOT / "python" / "hybridx"
        left_out = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(source, package / "hybridx", ignore=left_out)
        shutil.copy(build(), package / "hybridx" / "_core.abi3.so")
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(package),
            "HYBRIDX_INDEX_DIR": str(work / "index"),
            "HYBRIDX_CACHE_DIR": str(work / "cache"),
        }
        self.data = work / "perf.data"
        self.record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(frequency)]
        self.record += ["--call-graph", "dwarf,32768", "-o", str(self.data)]

    def cold(self) -> list[str]:
        """The folded stacks of a cold index."""
        command = [sys.executable, "-c", threads.PROGRAM, "index", str(self.tree), "--quiet"]
        subprocess.run([*self.record, *command], env=self.environment, check=True)
        return self.folded()

    def watched(self, program: str, seconds: int, after: float) -> list[str]:
        """The folded stacks of some seconds of a program that is `after` its start."""
        command = [sys.executable, "-c", program, str(self.tree), str(after + seconds)]
        delayed = [*self.record, "-D", str(int(after * 1000))]
        subprocess.run([*delayed, *command], env=self.environment, check=True)
        return self.folded()

    def folded(self) -> list[str]:
        """Stacks with their numbers, a line each; the first frame is the thread's name."""
        script = ["perf", "script", "--no-inline", "-i", str(self.data)]
        with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as perf:
            done = subprocess.run(
                ["inferno-collapse-perf", "-q"], stdin=perf.stdout, capture_output=True,
                check=True, text=True,
            )  # fmt: skip
        self.data.unlink()
        return done.stdout.splitlines()


def build() -> Path:
    """Builds the extension and returns the library, which still has its symbols."""
    command = ["cargo", "build", "--quiet", "--release", "--package", "hybridx-py"]
    environment = {**os.environ, "PYO3_PYTHON": sys.executable}
    subprocess.run(
        [*command, "--features", "pyo3/abi3-py311"], cwd=ROOT, env=environment, check=True
    )
    return ROOT / "target" / "release" / "lib_core.so"


def stage_of(stack: str) -> str:
    """The stage of a stack: the lexical writer's calls are bm25 in whichever thread they are."""
    return "bm25" if "hybridx_core::bm25" in stack else threads.stage(stack)


def without_plumbing(folded: list[str]) -> list[str]:
    """The same stacks, shorter, and their milliseconds.

    Threads that do the same have one name, and only frames that say something are left, without
    hashes and type parameters.
    """
    counts: dict[str, int] = defaultdict(int)
    for line in folded:
        stack, number = line.rsplit(" ", 1)
        thread, *frames = stack.split(";")
        frames = [short(frame) for frame in frames if not PLUMBING.search(frame)]
        # Libraries without symbols are one frame after another of the same name.
        frames = [name for name, _ in itertools.groupby(frames)]
        name = threads.group(thread).rstrip("-")
        counts[";".join([name, *(frames or ["(waiting, starting, not resolved)"])])] += int(number)
    # Samples of the clock weigh what they stand for, in nanoseconds.
    return [f"{stack} {number // 1_000_000}" for stack, number in sorted(counts.items())]


def short(frame: str) -> str:
    """A frame's name without hash and type parameters."""
    frame = re.sub(r"::h[0-9a-f]{16}$", "", frame)
    before = None
    while before != frame:
        # From the innermost out, but for what the name itself begins with: `<Type as Trait>::name`.
        before, frame = frame, re.sub(r"(?<!^)<[^<>]*>", "", frame)
    frame = re.sub(r"^<(.*?)(?: as .*)?>::", r"\1::", frame)
    return frame.removeprefix("&").replace("::::", "::")[:120] or "?"


def draw(stage: str, folded: list[str]) -> None:
    """Writes the stage's flame graph."""
    lines = without_plumbing(folded)
    if not lines:
        sys.exit(f"{stage}: no samples: are the threads' names others now?")
    milliseconds = sum(int(line.rsplit(" ", 1)[1]) for line in lines)
    command = ["inferno-flamegraph", "-q", "--deterministic", "--colors", "rust", "--width", "1200"]
    command += ["--minwidth", str(SMALLEST), "--fontsize", "11", "--height", "14"]
    command += ["--countname", "ms of CPU time", "--title", TITLES[stage]]
    done = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / f"flame-{stage}.svg"
    path.write_text(done.stdout, encoding="utf-8")
    size = len(done.stdout) // 1000
    print(f"{path.relative_to(ROOT)}: {milliseconds / 1000:.1f} CPU seconds, {size} kB")


if __name__ == "__main__":
    main()
