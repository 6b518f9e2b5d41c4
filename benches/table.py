"""Measures every row of the table of targets anew, or the ones that are named.

python benches/table.py CACHE [--semble PYTHON --model FOLDER] [--only ROW ...] [--missing]
    [--runs N] [--whole-runs N] [--busy]

CACHE is what `corpora.py` filled, with and without `--kernel-whole`; `--semble` and `--model` are
what `against_semble.py` takes. Each row is kept as soon as it is measured, in
`benches/results/table.json` and `table.md`, beside the rows that are there: a long run can go on
after a break (`--missing`). What `plots.py` draws is measured and drawn on the way. All figures of
a row come of one run; medians of `--runs` (five), of `--whole-runs` for the tree of 1.3 GB. Runs
wait for a quiet machine, unless it is `--busy`.

Ends with 1 if a row that was measured misses its target.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from pathlib import Path

import machine
import measured
import measurements
import plots
import target
from rows import ROWS

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Measures, keeps and prints the table."""
    named = {name: each for each in measurements.MEASUREMENTS for name in each.rows}
    order = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--semble", metavar="PYTHON")
    parser.add_argument("--model", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=order, metavar="ROW", default=order,
                        help=f"of {', '.join(order)}")  # fmt: skip
    parser.add_argument("--missing", action="store_true", help="rows that are not kept yet")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--whole-runs", type=int, metavar="N")
    parser.add_argument("--busy", action="store_true", help="do not wait for a quiet machine")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    asked = parser.parse_args()
    measured.keep_bytecode()
    if asked.busy:
        measured.TRIES, measured.PATIENCE = 1, 0.0
    place = measurements.Place(
        cache=asked.cache.resolve(),
        runs=asked.runs,
        whole_runs=asked.whole_runs or asked.runs,
        results=asked.results,
        semble=asked.semble,
        model=asked.model,
    )
    kept = target.load(asked.results / "table.json")
    wanted = [name for name in asked.only if not (asked.missing and name in kept)]
    missed = []
    for measurement in dict.fromkeys(named[name] for name in wanted):
        done = fill(measurement, place)
        missed += [name for name, row in done.items() if not row["met"]]
        kept = target.merged(target.load(asked.results / "table.json"), done, order)
        target.save(kept, asked.results)
    plots.draw(asked.results)
    print(target.markdown(kept))
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
        sys.exit(1)


def fill(
    measurement: measurements.Measurement, place: measurements.Place
) -> dict[str, dict[str, object]]:
    """The rows of one measurement, by name; none where it cannot be made on this machine."""
    names = ", ".join(measurement.rows)
    print(f"{names}: measuring", file=sys.stderr, flush=True)
    start = time.perf_counter()
    try:
        values = measurement.measure(place)
    except measurements.NotHere as reason:
        print(f"{names}: left out, {reason}", file=sys.stderr)
        return {}
    about = {
        "machine": machine.describe(),
        "commit": machine.commit(),
        "measured_on": dt.datetime.now(dt.UTC).date().isoformat(),
        "took_seconds": round(time.perf_counter() - start),
    }
    done = {
        row.name: target.filled(row, values[row.name], **about)
        for row in ROWS
        if row.name in measurement.rows
    }
    for name, row in done.items():
        print(f"{name}: {'met' if row['met'] else 'missed'}", file=sys.stderr, flush=True)
    return done


if __name__ == "__main__":
    main()
