"""How many instructions the core's hot loops take, under callgrind, against the counts kept.

python benches/instructions.py [--check | --update] [LOOP ...] [--keep FOLDER]

Builds `rust/core/benches/instructions.rs`, runs each of its loops in a process of its own below
`valgrind --tool=callgrind` and prints the counts beside those of `instructions.json`. `--check`
ends with 1 if a loop takes more than the tolerance above its count; `--update` keeps the new
counts. `--keep` keeps callgrind's files, for `callgrind_annotate`.

Counts are the same from run to run to within .1 % (threads wait for each other a little longer or
shorter) on any machine: valgrind 3.19 shows programs a processor with AVX2 and without AVX-512,
so code that looks at the processor first (BLAKE3, memchr) takes the same way wherever AVX2 is.
They depend on the compilers and the C library. Where these are others than the counts were made
with, the tolerance is a wider one, and the output says so. Without valgrind, or on another
architecture, nothing is checked, and one line says that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).with_suffix(".json")

TOLERANCE = 0.05
"""A loop may take so much more than its count, compilers and C library being the same: moving code
between files alone makes the compiler inline otherwise, which was seen to cost 3.5 %."""

WIDE = 0.15
"""The same where they are others: a guess, since no toolchain is pinned."""

MARK = "instructions::measured"


@dataclass(frozen=True)
class Compared:
    """One loop's count beside the one kept."""

    name: str
    count: int
    kept: int | None

    @property
    def ratio(self) -> float | None:
        """How many times as many instructions as were kept; None for a new loop."""
        return self.count / self.kept if self.kept else None

    def slower(self, tolerance: float) -> bool:
        """Whether there are more than `tolerance` allows; so are those of a loop nobody counted."""
        return self.ratio is None or self.ratio > 1 + tolerance

    def line(self) -> str:
        """The counts in one line."""
        if self.ratio is None:
            return f"{self.name:16} {self.count:>13,} and no count is kept: --update"
        return f"{self.name:16} {self.count:>13,} of {self.kept:>13,}  × {self.ratio:.3f}"


def main() -> None:
    """Counts, compares, and ends with 1 if a loop got slower."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("loops", nargs="*", metavar="LOOP")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    missing = unfit()
    if missing:
        print(f"instruction counts are not checked: {missing}")
        sys.exit(1 if asked.update else 0)
    program = build()
    names = asked.loops or run([program]).split()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            counts = dict(
                zip(names, pool.map(lambda it: count(program, it, folder), names), strict=True)
            )
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {"loops": {}, "made_with": {}}
    tools = toolchain()
    if asked.update:
        loops = counts if not asked.loops else {**kept["loops"], **counts}
        document = {"made_with": tools, "loops": loops}
        KEPT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    compared = [Compared(name, counts[name], kept["loops"].get(name)) for name in names]
    sys.exit(report(compared, kept["made_with"], tools) if asked.check else show(compared))


def show(compared: list[Compared]) -> int:
    """Prints all counts."""
    for each in compared:
        print(each.line())
    return 0


def report(compared: list[Compared], made_with: dict[str, Any], tools: dict[str, Any]) -> int:
    """Prints all counts and which are too high; returns the exit code."""
    show(compared)
    others = [f"{name} {made_with.get(name)} then, {now} now" for name, now in tools.items()
              if made_with.get(name) != now]  # fmt: skip
    tolerance = WIDE if others else TOLERANCE
    if others:
        print(f"the counts were made with other tools ({'; '.join(others)}), so up to"
              f" {tolerance:.0%} more are let pass")  # fmt: skip
    slower = [each for each in compared if each.slower(tolerance)]
    for each in slower:
        print(f"slower: {each.line()}, more than {1 + tolerance:.2f}", file=sys.stderr)
    faster = [each.name for each in compared if each.ratio and each.ratio < 1 - tolerance]
    if faster:
        print(f"fewer than were kept, `--update` keeps the gain: {', '.join(faster)}")
    return 1 if slower else 0


def unfit() -> str | None:
    """Why nothing can be counted here, in a few words."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return f"they are kept for x86-64, and this is {platform.machine()}"
    if shutil.which("valgrind") is None:
        return "there is no valgrind"
    return None


def toolchain() -> dict[str, str]:
    """What counts depend on beside the code."""
    compiler = os.environ.get("CC", "cc")
    return {
        "rustc": run(["rustc", "--version"]).split()[1],
        "cc": run([compiler, "-dumpfullversion"]).strip(),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": run(["valgrind", "--version"]).strip(),
    }


def build() -> Path:
    """Builds the loops for release and returns the program."""
    command = ["cargo", "build", "--release", "--package", "hybridx-core"]
    output = run([*command, "--bench", "instructions", "--message-format=json"])
    messages = [json.loads(line) for line in output.splitlines()]
    (program,) = [
        message["executable"]
        for message in messages
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "instructions"
    ]
    return Path(program)


def count(program: Path, name: str, folder: Path) -> int:
    """The instructions of one loop, all threads together."""
    out = folder / f"{name}.callgrind"
    for old in folder.glob(f"{out.name}*"):
        old.unlink()
    run(
        ["valgrind", "--tool=callgrind", f"--zero-before={MARK}", f"--dump-after={MARK}",
         f"--callgrind-out-file={out}", program, name]
    )  # fmt: skip
    # The first dump is of the loop, the last one of the process's end.
    text = out.with_name(f"{out.name}.1").read_text("utf-8")
    found = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{name}: callgrind tells no total")
    return int(found[1])


def run(command: list[str | Path]) -> str:
    """What a command prints; ends the program if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
