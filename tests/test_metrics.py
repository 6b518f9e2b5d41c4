"""`--metrics`: what Prometheus reads, true and whole at every moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parsed

from hybridx.commit import Writer
from hybridx.errors import Cancelled, StoreError, UsageError
from hybridx.metrics import SECONDS, Family, Registry
from hybridx.observer import FAMILIES, Observer
from support import Tree, check_refused, open_index, run_cli, run_unprivileged
from test_models import make_transformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from hybridx.types import Progress

UNITS = ("total", "seconds", "bytes", "ratio", "per_second")
PLAIN = {"running", "queue_batches", "generation", "indexed_chunks", "pending_files"}


def families(path: Path) -> dict[str, Metric]:
    return {family.name: family for family in parsed(path.read_text("utf-8"))}


def samples(path: Path) -> dict[tuple[str, ...], float]:
    """Values by name and the labels' values, that of `root` left out."""
    found = {}
    for family in families(path).values():
        for sample in family.samples:
            labels = [value for name, value in sorted(sample.labels.items()) if name != "root"]
            found[sample.name, *labels] = sample.value
    return found


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return tmp_path / "hybridx.prom"


def test_what_a_run_counted_is_what_it_reports(project: Tree, metrics: Path) -> None:
    before = time.time()
    with Observer(metrics=metrics) as observer:
        report = open_index(project).update(observer=observer)
    found = samples(metrics)
    assert found["hybridx_files_total",] == report.files.added == 8
    assert found["hybridx_chunks_total",] == report.chunks.added
    assert found["hybridx_embeddings_total",] == report.chunks.embedded > 0
    assert found["hybridx_vectors_reused_total",] == report.chunks.reused_vectors
    assert found["hybridx_tokens_total",] == report.tokens.embedded
    assert found["hybridx_bytes_read_total",] == report.bytes_read
    assert found["hybridx_runs_total", "success"] == 1
    assert found["hybridx_generation",] == report.generation
    assert found["hybridx_indexed_chunks",] == report.chunks.total
    assert before <= found["hybridx_last_success_timestamp_seconds",] <= time.time()
    assert found["hybridx_memory_anonymous_bytes",] > 1 << 20
    assert found["hybridx_running",] == 0
    assert found["hybridx_queue_batches", "embed"] == 0
    seconds = found["hybridx_last_run_seconds",]
    assert seconds == pytest.approx(report.seconds.total, abs=0.5)
    rate = found["hybridx_last_run_files_per_second",]
    assert rate == pytest.approx(report.files.added / seconds, rel=0.01)
    for stage in ("scan", "ingest", "tokenize", "embed", "store", "commit"):
        took = getattr(report.seconds, stage)
        assert found["hybridx_stage_seconds_total", stage] == pytest.approx(took, abs=0.001)
    for name, *labels in found:
        if name == "hybridx_last_run_busy_ratio":
            assert 0 <= found[name, labels[0]] <= 1, labels
    threads = {labels[0] for name, *labels in found if name == "hybridx_busy_seconds_total"}
    assert threads >= {"main", "encode", "embed", "write"}
    # Which of the core's threads takes the few files there are is chance.
    assert any(name.startswith("ingest ") for name in threads)


def test_counters_only_grow_and_add_up_over_updates(project: Tree, metrics: Path) -> None:
    index = open_index(project)
    seen: list[dict[tuple[str, ...], float]] = []
    reports = []
    with Observer(metrics=metrics) as observer:
        for number in range(4):
            project.write("more.py", f"def f{number}():\n    return {number}\n")
            reports.append(index.update(observer=observer, full=number == 2))
            observer._write(time.perf_counter_ns())
            seen.append(samples(metrics))
    counters = {family.name for family in FAMILIES if family.kind == "counter"}
    for earlier, later in pairwise(seen):
        for key, value in earlier.items():
            name = key[0].removeprefix("hybridx_")
            if name in counters or name.endswith(("_bucket", "_count", "_sum")):
                assert later[key] >= value, key
    last = seen[-1]
    assert last["hybridx_runs_total", "success"] == 4
    assert last["hybridx_chunks_total",] == sum(report.chunks.added for report in reports)
    assert last["hybridx_bytes_read_total",] == sum(report.bytes_read for report in reports)
    assert last["hybridx_generation",] == reports[-1].generation


def test_histograms_of_the_stores_add_up(project: Tree, metrics: Path, tmp_path: Path) -> None:
    make_transformer(tmp_path / "model")
    with Observer(metrics=metrics) as observer:
        index = open_index(project, model=str(tmp_path / "model"))
        index.update(observer=observer, full=True)
    (family,) = (f for f in families(metrics).values() if "store_operation" in f.name)
    assert family.type == "histogram"
    by_series: dict[tuple[str, str], dict[str, float]] = {}
    for sample in family.samples:
        key = sample.labels["store"], sample.labels["operation"]
        part = sample.labels.get("le") or sample.name.rpartition("_")[2]
        by_series.setdefault(key, {})[part] = sample.value
    wanted = {("tantivy", "add"), ("tantivy", "commit"), ("lance", "add"), ("lance", "sync")}
    assert set(by_series) >= wanted | {("snapshot", "save"), ("cache", "write")}
    for key, parts in by_series.items():
        total, count = parts.pop("sum"), parts.pop("count")
        buckets = list(parts.values())
        assert len(buckets) == len(SECONDS) + 1
        assert buckets == sorted(buckets), key
        assert parts["+Inf"] == count > 0
        assert 0 < total < count * 60


def test_errors_are_counted_by_stage(
    project: Tree, metrics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("full")

    index = open_index(project)
    with Observer(metrics=metrics) as observer:
        with monkeypatch.context() as patch:
            patch.setattr(Writer, "commit", fail)
            with pytest.raises(StoreError):
                index.update(observer=observer)

        def stop(_: Progress) -> None:
            raise Cancelled("enough")

        with pytest.raises(Cancelled):
            index.update(observer=observer, progress=stop)
    found = samples(metrics)
    assert found["hybridx_runs_total", "failure"] == 1
    assert found["hybridx_runs_total", "cancelled"] == 1
    assert ("hybridx_last_success_timestamp_seconds",) not in found


def test_it_is_rewritten_while_an_update_runs(
    project: Tree, metrics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridx.observer.WRITE_SECONDS", 0.05)
    monkeypatch.setattr("hybridx.observer.SAMPLE_SECONDS", 0.02)
    reached, go_on = threading.Event(), threading.Event()

    def wait(now: Progress) -> None:
        if now.stage == "commit":
            reached.set()
            assert go_on.wait(30)

    with Observer(metrics=metrics) as observer:
        index = open_index(project)
        run = threading.Thread(target=lambda: index.update(observer=observer, progress=wait))
        run.start()
        assert reached.wait(30)
        try:
            seen: list[float] = []
            deadline = time.monotonic() + 20
            while len(seen) < 3 and time.monotonic() < deadline:
                now = samples(metrics)
                took = now.get(("hybridx_last_run_seconds",), 0)
                if now.get(("hybridx_files_total",)) and took not in seen:
                    seen.append(took)
                    assert now["hybridx_running",] == 1
            assert len(seen) == 3, "it was not written again"
            assert seen == sorted(seen)
        finally:
            go_on.set()
            run.join()
    assert samples(metrics)["hybridx_running",] == 0


def test_nobody_ever_reads_a_part_of_it(project: Tree, metrics: Path) -> None:
    index, parts = open_index(project), 0
    with Observer(metrics=metrics) as observer:
        run = threading.Thread(target=lambda: index.update(observer=observer))
        run.start()
        while run.is_alive():
            observer._write(time.perf_counter_ns())
            assert metrics.read_text().endswith("\n")
            families(metrics)
            parts += 1
    assert parts
    assert [path for path in metrics.parent.iterdir() if path.is_file()] == [metrics]


def test_names_say_their_units_and_two_indexes_are_two_series(
    project: Tree, tree: Tree, tmp_path: Path
) -> None:
    roots = set()
    tree.write("f.py", "def f():\n    return 1\n")
    for number, each in enumerate((project, tree)):
        path = tmp_path / f"{number}.prom"
        with Observer(metrics=path) as observer:
            open_index(each).update(observer=observer)
        for family in families(path).values():
            assert family.documentation
            roots |= {sample.labels["root"] for sample in family.samples}
    assert roots == {str(project.root), str(tree.root)}
    for made in FAMILIES:
        assert made.name.endswith(UNITS) or made.name in PLAIN, made.name
        assert made.name.endswith("_total") == (made.kind == "counter"), made.name


def test_an_observer_is_of_one_index(project: Tree, tree: Tree, metrics: Path) -> None:
    tree.write("f.py", "")
    with Observer(metrics=metrics) as observer:
        open_index(project).update(observer=observer)
        with pytest.raises(UsageError, match="make another"):
            open_index(tree).update(observer=observer)


def test_the_files_are_not_indexed_by_the_run_that_writes_them(project: Tree) -> None:
    trace, metrics = project.path("trace.json"), project.path("hybridx.prom")
    index = open_index(project)
    with Observer(profile=trace, metrics=metrics) as observer:
        index.update(observer=observer)
        again = index.update(observer=observer)
    assert (again.files.added, again.files.modified, again.files.seen) == (0, 0, 9)
    assert trace.exists()
    assert index.diff().added == ["hybridx.prom", "trace.json"]


def test_a_file_that_cannot_be_written_is_said_before_anything_is_done(
    project: Tree, tmp_path: Path
) -> None:
    fifo, missing = tmp_path / "fifo", tmp_path / "missing" / "file"
    os.mkfifo(fifo)
    for option in ("--profile", "--metrics"):
        for path, word in (
            (tmp_path, "file"),
            (fifo, "no file"),
            (missing, "No such"),
            ("-", "stdout"),
        ):
            result = run_cli("index", project.root, option, path)
            check_refused(result, word)
            # Not a name that nobody gave.
            assert b".tmp" not in result.stderr
            assert not project.path(".hybridx").exists()
    assert fifo.is_fifo()


def test_one_file_cannot_be_both(project: Tree, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    result = run_cli(
        "index", project.root, "--profile", tmp_path / "file", "--metrics", tmp_path / "link"
    )
    check_refused(result, "name two files")
    assert not (tmp_path / "file").exists()


def test_a_folder_that_may_not_be_written_is_said(project: Tree, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    for option in ("--profile", "--metrics"):
        result = run_unprivileged(closed, "index", project.root, option, closed / "file")
        check_refused(result, "Permission denied")


def test_a_file_behind_a_link_is_replaced_and_the_link_stays(
    project: Tree, metrics: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.prom"
    metrics.write_text("old")
    link.symlink_to(metrics)
    with Observer(metrics=link) as observer:
        open_index(project).update(observer=observer)
    assert link.is_symlink()
    assert samples(metrics)["hybridx_files_total",] == 8


def test_the_command_writes_both_and_ends_as_ever(project: Tree, tmp_path: Path) -> None:
    trace, metrics = tmp_path / "trace.json", tmp_path / "hybridx.prom"
    result = run_cli("index", project.root, "--quiet", "--profile", trace, "--metrics", metrics)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert samples(metrics)["hybridx_runs_total", "success"] == 1
    assert trace.stat().st_size > 1000


def test_a_watch_keeps_them_up_to_date_and_is_not_woken_by_them(
    project: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridx.observer.WRITE_SECONDS", 0.05)
    # In the tree itself: whoever heard of these files would never come to rest.
    metrics, trace = project.path("hybridx.prom"), project.path("trace.json")
    with Observer(metrics=metrics, profile=trace) as observer:
        with open_index(project).watch(observer=observer) as reports:
            next(reports)
            project.write("more.py", "def more():\n    return 1\n")
            assert next(reports).files.added == 1
            wait_until(lambda: samples(metrics).get(("hybridx_pending_files",)) == 0)
            before, stamp = samples(metrics), metrics.stat().st_mtime_ns
            time.sleep(1.0)
            after = samples(metrics)
            assert metrics.stat().st_mtime_ns > stamp, "it is not written while nothing changes"
        assert after["hybridx_runs_total", "success"] == before["hybridx_runs_total", "success"]
        assert after["hybridx_chunks_total",] == before["hybridx_chunks_total",]
    names = {event["name"] for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"update", "scan", "file", "tantivy commit"} <= names
    assert samples(metrics)["hybridx_running",] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_hybridx_watch_ends_cleanly_with_both_files_whole(
    project: Tree, metrics: Path, tmp_path: Path, number: signal.Signals
) -> None:
    trace = tmp_path / "trace.json"
    args = ["watch", "--quiet", "--metrics", str(metrics), "--profile", str(trace)]
    command = [sys.executable, "-m", "hybridx", *args, str(project.root)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: metrics.exists() and ("hybridx_generation",) in samples(metrics))
    finally:
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else 0), err
    found = samples(metrics)
    assert found["hybridx_generation",] == 1
    assert found["hybridx_running",] == 0
    assert "tantivy commit" in {e["name"] for e in json.loads(trace.read_text())["traceEvents"]}


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_closed_observer_is_closed_once_and_leaves_no_thread(
    project: Tree, metrics: Path
) -> None:
    observer = Observer(metrics=metrics)
    observer.close()
    observer.close()
    with pytest.raises(UsageError, match="closed"):
        open_index(project).update(observer=observer)
    assert "hybridx-observe" not in {thread.name for thread in threading.enumerate()}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(root=texts, values=st.lists(st.tuples(texts, st.floats(0, 1e12)), max_size=5))
def test_any_label_and_number_is_read_as_it_was(root: str, values: list[tuple[str, float]]) -> None:
    registry = Registry([Family("things_total", "counter", 'a "help"\nof \\ two', ("kind",))], {})
    registry.labels = {"root": root}
    wanted: dict[str, float] = {}
    for kind, value in values:
        registry.add("things_total", value, (kind,))
        wanted[kind] = wanted.get(kind, 0.0) + value
    found = list(parsed(registry.text()))
    assert {s.labels["kind"]: s.value for f in found for s in f.samples} == wanted
    assert {s.labels["root"] for f in found for s in f.samples} <= {root}


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_histogram_counts_what_it_was_given(values: list[float]) -> None:
    registry = Registry([Family("wait_seconds", "histogram", "Waits.")], {})
    for value in values:
        registry.observe("wait_seconds", value)
    found = {
        (s.name, s.labels.get("le")): s.value for f in parsed(registry.text()) for s in f.samples
    }
    for bound in SECONDS if values else ():
        count = found["hybridx_wait_seconds_bucket", repr(bound).removesuffix(".0")]
        assert count == sum(value <= bound for value in values)
    if values:
        assert found["hybridx_wait_seconds_sum", None] == pytest.approx(sum(values))
        assert found["hybridx_wait_seconds_count", None] == len(values)


def test_a_wrong_name_or_label_is_an_error() -> None:
    registry = Registry(FAMILIES, {})
    with pytest.raises(KeyError):
        registry.add("nothing_total", 1)
    with pytest.raises(ValueError, match="labels"):
        registry.add("errors_total", 1)
    with pytest.raises(ValueError, match="gauge"):
        registry.add("running", 1)
    with pytest.raises(ValueError, match="operation"):
        registry.series("store_operation_seconds", {"store": "lance", "what": "add"})


def test_a_program_can_add_what_it_knows_in_any_order_of_labels(
    project: Tree, metrics: Path
) -> None:
    with Observer(metrics=metrics) as observer:
        assert metrics.read_text() == ""
        open_index(project).update(observer=observer)
        before = dict(samples(metrics))
        observer.gauge("pending_files", 7)
        observer.count("errors_total", 2, stage="watch")
        observer.observe("store_operation_seconds", 0.5, operation="mine", store="lance")
    found = samples(metrics)
    assert ("hybridx_pending_files",) not in before
    assert found["hybridx_pending_files",] == 7
    assert found["hybridx_errors_total", "watch"] == 2
    assert found["hybridx_store_operation_seconds_count", "mine", "lance"] == 1
