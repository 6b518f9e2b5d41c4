"""What a row of the table is, whether its target is met, and how rows are kept and shown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Target:
    """A bound on one of a row's values.

    `of` is `ratio`, `difference` (what hybridx takes more), `figure`, or the name of one of the
    row's details.
    """

    of: str
    at_most: float | None = None
    at_least: float | None = None

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is met; a value that was not measured meets nothing."""
        value = values.get(self.of)
        if value is None:
            return False
        high_enough = self.at_least is None or value >= self.at_least
        return high_enough and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Row:
    """One row: what is measured, against what, and what is wanted."""

    name: str
    work: str
    against: str
    """What it is compared with; empty where the target is a figure by itself."""
    unit: str
    wanted: str
    """The target in words."""
    targets: tuple[Target, ...]
    bound: str
    """What it cannot or need not get below, and where that comes from."""
    ratio: Literal["figure / reference", "reference / figure"] = "figure / reference"


@dataclass(frozen=True)
class Measured:
    """What came of measuring one row."""

    figure: float
    reference: float | None
    runs: int
    command: str
    """What measures it again, with CACHE for the folder of trees."""
    bound: float | None = None
    """The bound in the row's unit, where it was measured in the same run."""
    details: Mapping[str, Any] = field(default_factory=dict)


def filled(row: Row, measured: Measured, **about: Any) -> dict[str, Any]:
    """The row as it is kept; `about` tells when and where it was measured."""
    values: dict[str, Any] = {"figure": measured.figure, "reference": measured.reference}
    if measured.reference is not None:
        high, low = measured.figure, measured.reference
        values["difference"] = high - low
        if row.ratio == "reference / figure":
            high, low = low, high
        values["ratio"] = high / low
    met = all(target.holds({**measured.details, **values}) for target in row.targets)
    described = asdict(row)
    described["ratio_is"] = described.pop("ratio")
    return {
        **described,
        **values,
        "bound_figure": measured.bound,
        "met": met,
        "runs": measured.runs,
        "command": measured.command,
        "details": dict(measured.details),
        **about,
    }


def merged(
    old: Mapping[str, Any], new: Mapping[str, Any], order: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Rows by name in the table's order, `new` ones in place of old ones.

    A row that the table no longer has is dropped.
    """
    both = {**old, **new}
    return {name: both[name] for name in order if name in both}


def load(path: Path) -> dict[str, Any]:
    """The rows kept at `path`; none if there is no such file."""
    if not path.exists():
        return {}
    rows: dict[str, Any] = json.loads(path.read_text("utf-8"))["rows"]
    return rows


def save(rows: Mapping[str, Any], folder: Path) -> None:
    """Writes `table.json` and `table.md` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("table.json", json.dumps({"rows": rows}, indent=2, ensure_ascii=False) + "\n"),
        ("table.md", markdown(rows)),
    ):
        partial = folder / f"{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.rename(folder / name)


def number(value: float | None, unit: str = "") -> str:
    """Three digits that count."""
    if value is None:
        return ""
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}{' ' if unit else ''}{unit}"


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table, then what measured each row, and where."""
    lines = [
        "| work | hybridx | against | ratio | target | met | bound |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows.values():
        against = ""
        if row["reference"] is not None:
            against = f"{row['against']}: {number(row['reference'], row['unit'])}"
        bound = row["bound"]
        if row["bound_figure"] is not None:
            bound = f"{number(row['bound_figure'], row['unit'])}: {bound}"
        cells = (
            row["work"], f"{number(row['figure'], row['unit'])}{_shown(row)}", against,
            number(row.get("ratio")), row["wanted"], "yes" if row["met"] else "**no**", bound,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| row | medians of | others used at most | measured by |", "|---|---|---|---|"]
    for name, row in rows.items():
        others = row["details"].get("others")
        used = "not watched" if others is None else f"{others:.0%} of the cores"
        lines.append(f"| {name} | {row['runs']} | {used} | `{row['command']}` |")
    machines: dict[str, list[str]] = {}
    for name, row in rows.items():
        machines.setdefault(json.dumps(row["machine"], sort_keys=True), []).append(name)
    for described, names in machines.items():
        which = "All rows" if len(machines) == 1 else ", ".join(names)
        lines += ["", f"{which}: {_machine(json.loads(described))}"]
    return "\n".join(lines) + "\n"


def _shown(row: Mapping[str, Any]) -> str:
    """The details that a target is about, in brackets."""
    of = [target["of"] for target in row["targets"]]
    shown = [f"{name} {number(row['details'][name])}" for name in of if name in row["details"]]
    return f" ({', '.join(shown)})" if shown else ""


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['cores']} cores, {machine['cpu']}, {machine['memory_gib']} GiB, "
        f"{machine['system']}; {versions}."
    )
