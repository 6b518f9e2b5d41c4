"""Cold indexing by semble and by hybridx in turn, each in a fresh process, on one tree.

python benches/against_semble.py FOLDER --semble PYTHON --model FOLDER [--runs N] [--tries N]

`--semble` is an interpreter with semble installed, `--model` a folder made by
`model2vec_folder.py`. Neither tool finds anything of an earlier run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import measured


def semble(python: str, model: Path, folder: Path) -> tuple[measured.Run, dict[str, Any]]:
    """One cold run of semble."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            "SEMBLE_MODEL_NAME": str(model.resolve()),
            "SEMBLE_CACHE_LOCATION": cache,
            "HF_HUB_OFFLINE": "1",
        }
        program = Path(__file__).with_name("semble_index.py")
        run = measured.run([python, str(program), str(folder)], environment, tree=True)
    report = json.loads(run.output)
    assert not report["loaded"], "semble found an index"
    return run, report


def hybridx(folder: Path) -> tuple[measured.Run, dict[str, Any]]:
    """One cold run of hybridx."""
    command = [sys.executable, "-m", "hybridx", "index", str(folder), "--json", "--quiet"]
    with tempfile.TemporaryDirectory() as index:
        places = {"HYBRIDX_INDEX_DIR": index, "HYBRIDX_CACHE_DIR": f"{index}/cache"}
        run = measured.run(command, places, tree=True)
    return run, json.loads(run.output)


def _others(done: tuple[measured.Run, dict[str, Any]]) -> float:
    return done[0].others


def summary(runs: list[measured.Run]) -> dict[str, Any]:
    """Medians, and the runs they are of."""
    fields = ("seconds", "cpu_seconds", "peak_mib", "tree_peak_mib")
    values = {name: statistics.median(getattr(run, name) for run in runs) for name in fields}
    listed = [{**dataclasses.asdict(run), "output": None} for run in runs]
    for run in listed:
        del run["output"]
    return {**values, "runs": listed}


def compare(folder: Path, python: str, model: Path, runs: int, tries: int | None) -> dict[str, Any]:
    """Runs both in turn."""
    theirs: list[measured.Run] = []
    ours: list[measured.Run] = []
    their_report: dict[str, Any] = {}
    our_report: dict[str, Any] = {}
    for _ in range(runs):
        run, their_report = measured.quietly(lambda: semble(python, model, folder), _others, tries)
        theirs.append(run)
        run, our_report = measured.quietly(lambda: hybridx(folder), _others, tries)
        ours.append(run)
        for name, each in (("semble", theirs[-1]), ("hybridx", ours[-1])):
            print(f"{name}: {each.seconds:.1f} s, others {each.others:.0%}", file=sys.stderr)
    semble_side = {"report": their_report, **summary(theirs)}
    hybridx_side = {
        "files": our_report["files"]["added"],
        "chunks": our_report["chunks"]["total"],
        "stages": our_report["seconds"],
        **summary(ours),
    }
    return {
        "semble": semble_side,
        "hybridx": hybridx_side,
        "times_faster": semble_side["seconds"] / hybridx_side["seconds"],
        "times_less_cpu": semble_side["cpu_seconds"] / hybridx_side["cpu_seconds"],
        "times_less_memory": semble_side["tree_peak_mib"] / hybridx_side["tree_peak_mib"],
    }


def main() -> None:
    """Compares and prints one JSON document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--semble", required=True, metavar="PYTHON")
    parser.add_argument("--model", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tries", type=int, help="for a run without others")
    asked = parser.parse_args()
    measured.keep_bytecode()
    result = compare(asked.folder, asked.semble, asked.model, asked.runs, asked.tries)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
