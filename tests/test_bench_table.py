"""The table of targets says what was measured: ratios, met or not, and no row lost on the way."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

BENCHES = Path(__file__).resolve().parent.parent / "benches"


def bench(name: str) -> ModuleType:
    """A module of benches/, which is no package."""
    script = BENCHES / f"{name}.py"
    if not script.exists():
        pytest.skip("the benches are not here", allow_module_level=True)
    spec = importlib.util.spec_from_file_location(f"benches_{name}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def beside_benches() -> Iterator[None]:
    """The modules of benches/ find each other."""
    sys.path.insert(0, str(BENCHES))
    try:
        yield
    finally:
        sys.path.remove(str(BENCHES))


target = bench("target")

MACHINE = {"cores": 2, "cpu": "x", "memory_gib": 1, "system": "Linux", "versions": {"a": "1"}}


def filled(figure: float, reference: float | None, *targets: Any, **more: Any) -> dict[str, Any]:
    """A row whose one figure and reference are these."""
    kind = more.pop("ratio", "figure / reference")
    row = target.Row("name", "work", "that", "s", "wanted", targets, "bound", kind)
    measured = target.Measured(figure, reference, 5, "command", details=more)
    kept: dict[str, Any] = target.filled(row, measured, machine=MACHINE)
    return kept


@pytest.mark.parametrize(
    ("figure", "reference", "bounds", "met"),
    [
        (10.0, 70.0, [("ratio", None, 7)], False),  # a seventh as long is no seven times as long
        (1.2, 1.0, [("ratio", 1.2, None)], True),
        (1.21, 1.0, [("ratio", 1.2, None)], False),
        (1.3, 1.0, [("difference", 0.3, None)], False),  # 0.30000000000000004 is more than .3
        (1.25, 1.0, [("difference", 0.3, None)], True),
        (4.9, None, [("figure", 5, None)], True),
        (4.9, None, [("figure", 5, None), ("recall", None, 0.95)], False),
        (4.9, None, [("ratio", 5, None)], False),
    ],
)
def test_a_row_is_met_only_when_each_of_its_targets_is(
    figure: float, reference: float | None, bounds: list[Any], met: bool
) -> None:
    targets = [target.Target(of, most, least) for of, most, least in bounds]
    assert filled(figure, reference, *targets)["met"] is met


def test_times_as_fast_is_the_other_time_by_ours() -> None:
    row = filled(10, 70, target.Target("ratio", at_least=7), ratio="reference / figure")
    assert (row["ratio"], row["met"]) == (7, True)


def test_a_detail_that_a_target_names_counts_and_is_shown() -> None:
    wanted = target.Target("recall", at_least=0.95)
    assert filled(4, None, wanted, recall=0.96)["met"]
    low = filled(4, None, wanted, recall=0.94)
    assert not low["met"]
    assert "recall 0.940" in target.markdown({"name": low})
    assert "**no**" in target.markdown({"name": low})


def test_rows_kept_survive_those_measured_later_and_stand_in_the_tables_order(
    tmp_path: Path,
) -> None:
    first, second = filled(1, 2), filled(3, 4)
    target.save(target.merged({}, {"b": first, "gone": first}, ["a", "b", "gone"]), tmp_path)
    kept = target.load(tmp_path / "table.json")
    rows = target.merged(kept, {"a": second}, ["a", "b"])
    assert list(rows) == ["a", "b"]
    assert rows["b"] == json.loads(json.dumps(first))
    again = target.merged(rows, {"b": second}, ["a", "b"])
    assert again["b"]["figure"] == 3
    target.save(again, tmp_path)
    assert target.load(tmp_path / "table.json") == json.loads(json.dumps(again))
    assert (tmp_path / "table.md").read_text("utf-8").count("| work | 3.00 s") == 2


def test_figures_of_different_machines_are_not_told_as_of_one() -> None:
    elsewhere = {**filled(1, 2), "machine": {**MACHINE, "cores": 64}}
    text = target.markdown({"a": filled(1, 2), "b": elsewhere})
    assert "a: 2 cores" in text
    assert "b: 64 cores" in text
    assert "All rows" not in text


def test_a_hot_loop_fails_the_check_when_it_takes_more_and_when_nobody_counted_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts = bench("instructions")
    tools = {"rustc": "1"}

    def code(count: int, kept: int | None, made_with: dict[str, str]) -> int:
        found: int = counts.report([counts.Compared("loop", count, kept)], made_with, tools)
        return found

    assert code(1049, 1000, tools) == 0
    assert code(1051, 1000, tools) == 1
    said = capsys.readouterr().err
    assert all(part in said for part in ("loop", "1,051", "1,000", "1.051"))
    assert code(1051, 1000, {"rustc": "2"}) == 0  # another compiler, other counts
    assert code(1151, 1000, {"rustc": "2"}) == 1
    assert code(1, None, tools) == 1


def test_plots_show_every_size_and_stage_that_was_measured(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    sizes = [
        {"name": name, "files": files, "megabytes": megabytes, "runs": 5, "seconds": megabytes / 9,
         "cpu_seconds": megabytes / 5, "peak_mb": 400 + files / 100, "others": 200 / files}
        for name, files, megabytes in (("10 MB", 500, 12), ("1.3 GB", 78_000, 1345))
    ]  # fmt: skip
    stages = {"runs": 5, "seconds": 2.0, "by_stage": {"ingest": 3.0, "bm25": 0.5},
              "by_thread": {"hybridx-ingest-": 3.0, "merge_thread": 0.5}}  # fmt: skip
    (results / "sizes.json").write_text(json.dumps(sizes))
    (results / "stages.json").write_text(json.dumps(stages))
    with beside_benches():
        drawn = bench("plots").draw(results)
    texts = [ET.parse(path).getroot().itertext() for path in drawn]
    of_sizes, of_stages = (" ".join(text) for text in texts)
    assert "1,345 MB" in of_sizes
    assert "medians of 5 runs" in of_sizes
    assert "40%" in of_sizes
    assert "merge_thread 0.50" in of_stages
    assert "3.5 in all" in of_stages


def test_a_flame_graph_names_what_works_and_leaves_out_what_hands_over() -> None:
    with beside_benches():
        flames = bench("flames")
    stacks = [
        (
            "hybridx-ingest-;clone3;std::thread::run::h0123456789abcdef;rayon_core::job::execute;"
            "hybridx_core::chunk::chunk_until;ts_parser_parse 3000000"
        ),
        "hybridx-ingest-;hybridx_core::chunk::chunk_until;ts_parser_parse 2000000",
        "lance-cpu;[_lancedb.abi3.so];[_lancedb.abi3.so];memcpy 1000000",
    ]
    assert flames.without_plumbing(stacks) == [
        "hybridx-ingest;hybridx_core::chunk::chunk_until;ts_parser_parse 5",
        "lance-cpu;[_lancedb.abi3.so];memcpy 1",
    ]
    assert flames.short("<a::B<C<D>> as e::F<G>>::run::h0123456789abcdef") == "a::B::run"
    assert flames.stage_of("write_0;hybridx_core::bm25::writer::Writer::add") == "bm25"
    assert flames.stage_of("write_0;[_lancedb.abi3.so]") == "store"


def test_every_row_has_a_name_of_its_own_a_target_and_one_measurement() -> None:
    with beside_benches():
        rows = bench("rows").ROWS
        measured = [name for each in bench("measurements").MEASUREMENTS for name in each.rows]
    names = [row.name for row in rows]
    assert len(names) == len(set(names)) > 0
    assert names == measured
    assert all(row.targets and row.bound and row.wanted for row in rows)
