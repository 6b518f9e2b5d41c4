"""`--profile`: a trace that viewers open, whatever became of the run."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybridx.commit import Writer
from hybridx.errors import StoreError, UsageError
from hybridx.observe import watched
from hybridx.observer import Observer
from hybridx.spans import Recorder
from hybridx.trace import Trace
from support import Tree, open_index, run_cli, updated
from tiny_bert import write_bert

if TYPE_CHECKING:
    import hybridx
    from hybridx.types import IndexReport

STAGES = ("scan", "ingest", "tokenize", "embed", "store", "commit")

LANES = {
    "run",
    "scan, plan, commit",
    "read and chunk 0",
    "ingest (waits for a batch)",
    "encode",
    "embed",
    "store, commit",
}


def read(path: Path) -> list[dict[str, Any]]:
    """The events of a trace. Fails unless it is one JSON document of the documented form."""
    document = json.loads(path.read_text("ascii"))
    assert document["displayTimeUnit"] in ("ms", "ns")
    events: list[dict[str, Any]] = document["traceEvents"]
    for event in events:
        assert event["ph"] in ("X", "C", "M"), event
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        assert isinstance(event["name"], str)
        assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] >= 0, f"it ends before it begins: {event}"
        if event["ph"] == "C":
            assert all(isinstance(value, (int, float)) for value in event["args"].values())
    return events


def spans(path: Path) -> list[dict[str, Any]]:
    return [event for event in read(path) if event["ph"] == "X"]


def lanes(path: Path) -> dict[int, str]:
    named = (event for event in read(path) if event["name"] == "thread_name")
    return {event["tid"]: event["args"]["name"] for event in named}


def bounds(span: dict[str, Any]) -> tuple[int, int]:
    """When it begins and ends, in nanoseconds."""
    start = round(span["ts"] * 1000)
    return start, start + round(span["dur"] * 1000)


def check_nesting(path: Path) -> None:
    """Of two spans of a lane one lies in the other, or before it."""
    by_lane: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for span in spans(path):
        by_lane[span["tid"]].append(bounds(span))
    assert by_lane, "there are no spans"
    for lane, found in by_lane.items():
        open_: list[int] = []
        for start, end in sorted(found, key=lambda each: (each[0], -each[1])):
            while open_ and open_[-1] <= start:
                open_.pop()
            assert not open_ or end <= open_[-1], f"spans of lane {lane} overlap"
            open_.append(end)


@pytest.fixture
def many(tree: Tree) -> Tree:
    """Enough files for several batches and workers."""
    for number in range(400):
        body = f"    value = compute_{number}(first_argument)\n" * 40
        tree.write(f"d{number % 7}/f{number}.py", f"def name_{number}():\n{body}")
    return tree


def observed(tree: Tree, trace: Path, **arguments: Any) -> IndexReport:
    with Observer(profile=trace) as observer:
        report = open_index(tree, jobs=2).update(observer=observer, **arguments)
    assert observer.problems == []
    return report


@pytest.mark.parametrize("sequential", [False, True])
def test_every_stage_is_there_and_its_time_is_the_report_s(
    many: Tree, tmp_path: Path, sequential: bool
) -> None:
    trace = tmp_path / "trace.json"
    report = observed(many, trace, sequential=sequential)
    check_nesting(trace)
    seconds = dataclasses.asdict(report.seconds)
    for stage in STAGES:
        found = [span["dur"] / 1e6 for span in spans(trace) if span["name"] == stage]
        assert found, f"no span of {stage}"
        assert sum(found) == pytest.approx(seconds[stage], rel=0.02, abs=0.01), stage
    (whole,) = (span for span in spans(trace) if span["name"] == "update")
    assert whole["dur"] / 1e6 == pytest.approx(seconds["total"], abs=0.5)
    first, last = bounds(whole)
    assert all(first <= start <= end <= last for start, end in map(bounds, spans(trace)))


def test_every_thread_has_a_lane_with_a_name_and_a_place(many: Tree, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    observed(many, trace)
    named = lanes(trace)
    assert set(named.values()) >= LANES
    assert len(set(named.values())) == len(named), "two lanes of one name"
    assert {span["tid"] for span in spans(trace)} <= set(named)
    places = {
        event["tid"]: event["args"]["sort_index"]
        for event in read(trace)
        if event["name"] == "thread_sort_index"
    }
    order = [named[lane] for lane in sorted(places, key=places.__getitem__)]
    assert order[:3] == ["run", "scan, plan, commit", "read and chunk 0"]
    assert order.index("encode") < order.index("embed") < order.index("store, commit")


def test_what_the_core_s_threads_did_is_there_file_by_file(many: Tree, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    report = observed(many, trace)
    files = [span for span in spans(trace) if span["name"] == "file"]
    assert {span["args"]["path"] for span in files} == set(many.files())
    assert len(files) == 400
    assert sum(span["args"]["bytes"] for span in files) == report.bytes_read
    assert sum(span["args"]["chunks"] for span in files) == report.chunks.added
    parts = [span for span in spans(trace) if span["name"] in ("read", "redact", "chunk")]
    assert len(parts) == 3 * 400
    # Their clock is ours: nothing was read before the scan was done, or after the last commit.
    (scan,) = (bounds(span) for span in spans(trace) if span["name"] == "scan")
    last = max(bounds(span)[1] for span in spans(trace) if span["name"] == "tantivy commit")
    for start, end in map(bounds, files):
        assert scan[1] <= start <= end <= last
    batches = [span for span in spans(trace) if span["name"] == "ingest" and "args" in span]
    assert sum(span["args"]["files"] for span in batches) == 400


def test_queues_and_memory_are_counters(many: Tree, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    observed(many, trace)
    counters = {event["name"] for event in read(trace) if event["ph"] == "C"}
    stages = ("encode", "embed", "store")
    assert counters >= {"memory", *(f"waiting for {stage}" for stage in stages)}


def test_the_sub_steps_of_stores_are_there(many: Tree, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    updated(open_index(many))
    many.write("d0/f0.py", "def another():\n    return 1\n")
    observed(many, trace)
    names = {span["name"] for span in spans(trace)}
    steps = {"open", "add", "delete", "read", "sync", "fold", "read back"}
    assert names >= {f"lance {step}" for step in steps}
    assert names >= {"tantivy add", "tantivy commit", "snapshot save"}
    assert not names & {"cache read", "cache write"}, "a static model has no cache"


def test_lanes_of_a_transformer_are_its_threads(project: Tree, tmp_path: Path) -> None:
    folder, trace = tmp_path / "model", tmp_path / "trace.json"
    write_bert(folder)
    index = open_index(project, model=str(folder), jobs=2)
    with Observer(profile=trace) as observer:
        index.update(full=True, observer=observer)
        project.write("new.py", "def another():\n    return 1\n")
        index.update(observer=observer)
    check_nesting(trace)
    named = lanes(trace)
    ran = {named[span["tid"]] for span in spans(trace) if span["name"] == "model"}
    # Threads are made anew for each window, and by the second update; the lanes stay.
    assert ran <= {"embed, lane 0", "embed, lane 1"}
    assert ran
    assert "vector cache" in named.values()
    assert {span["name"] for span in spans(trace)} >= {"cache read", "cache write"}
    assert len(set(named.values())) == len(named)


def test_threads_of_one_name_at_one_time_have_lanes_of_their_own(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace.json", time.perf_counter_ns())
    recorder = Recorder(trace)
    together = threading.Barrier(3)

    def work() -> None:
        recorder.lane()
        together.wait()

    for _ in range(3):
        threads = [threading.Thread(target=work, name="hybridx-write_0") for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    trace.close()
    assert len(lanes(tmp_path / "trace.json")) == 3


def test_a_failure_leaves_a_whole_trace_that_tells_of_it(
    many: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Writer, "commit", fail)
    trace = tmp_path / "trace.json"
    with pytest.raises(StoreError), Observer(profile=trace) as observer:
        open_index(many).update(observer=observer)
    check_nesting(trace)
    errors = {
        span["name"]: span["args"]["error"]
        for span in spans(trace)
        if "args" in span and "error" in span["args"]
    }
    assert errors["commit"] == errors["update"] == "StoreError"


def test_a_span_that_is_open_when_the_observer_closes_ends_there(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    observer = Observer(profile=trace)
    with watched(observer, "commit") as outer, watched(observer, "store"):
        outer.note(files=3)
        observer.close()
    found = {span["name"]: span["args"] for span in spans(trace)}
    assert found == {"commit": {"files": 3, "unfinished": True}, "store": {"unfinished": True}}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_a_whole_trace(
    many: Tree, tmp_path: Path, number: signal.Signals
) -> None:
    """Also `kill -9`: the file is whole after every portion that is written."""
    # A run of two seconds: a portion is written after half of one.
    files = {path: content for path, content in many.files().items() if path.startswith("d")}
    for copy in range(20):
        for path, content in files.items():
            many.write(f"copy{copy}/{path}", content.replace(b"value", b"v%d" % copy))
    trace = tmp_path / "trace.json"
    args = ["index", "--quiet", "--profile", str(trace), str(many.root)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hybridx", *args], stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        content = trace.read_bytes() if trace.exists() else b""
        # A portion that is being written is not whole yet: whoever kills it then may cut it.
        if b'"scan"' in content and content.rstrip().endswith(b"}"):
            process.send_signal(number)
            break
        time.sleep(0.01)
    process.communicate(timeout=30)
    assert process.returncode not in (0, 1, 2), "it was over before the signal"
    check_nesting(trace)
    assert "scan" in {span["name"] for span in spans(trace)}


def test_the_file_is_whole_after_every_portion(many: Tree, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    index, deadline = open_index(many), time.monotonic() + 20
    sizes: set[int] = set()

    with Observer(profile=trace) as observer:

        def work() -> None:
            # A portion is written from time to time: one update may be over before.
            while len(sizes) < 3 and time.monotonic() < deadline:
                index.update(full=True, observer=observer)

        running = threading.Thread(target=work)
        running.start()
        while running.is_alive():
            with observer._writing:
                sizes.add(len(read(trace)))
            time.sleep(0.005)
    assert len(sizes) > 1, "nothing was written while it ran"


def test_a_trace_that_has_grown_large_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    trace = Trace(path, 0, max_bytes=20_000)
    trace.lane(1, "a lane", 7)
    for number in range(1000):
        trace.span(1, "stage", f"span {number}", number * 1000, number * 1000 + 500, None)
        if number % 10 == 0:
            trace.flush()
    trace.close()
    older = Path(f"{path}.1")
    for each in (path, older):
        assert each.stat().st_size < 25_000
        assert lanes(each) == {1: "a lane"}
    names = [span["name"] for each in (older, path) for span in spans(each)]
    assert names[-1] == "span 999"
    numbers = [int(name.split()[1]) for name in names]
    assert all(after == before + 1 for before, after in pairwise(numbers)), "spans are missing"
    assert json.loads(path.read_text())["otherData"]["earlier_files"] > 1


def test_a_trace_that_somebody_removed_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    trace = Trace(path, 0, max_bytes=1000)
    for number in range(100):
        trace.span(1, "stage", f"span {number}", number, number, None)
        trace.flush()
        if number == 50:
            path.unlink()
    trace.close()
    assert trace.dropped == 0
    assert spans(path)[-1]["name"] == "span 99"


def test_two_traces_in_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with Observer(profile=path) as first:
        with first.span("stage", "before"):
            pass
        with pytest.raises(UsageError, match="another trace"):
            Observer(profile=path)
    assert [span["name"] for span in spans(path)] == ["before"]
    Observer(profile=path).close()


def test_a_child_of_a_fork_leaves_the_files_to_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    script = f"""
import os, sys
from hybridx import Observer
observer = Observer(profile={str(path)!r})
with observer.span("stage", "before"):
    pass
if not (child := os.fork()):
    observer.span("stage", "of the child").__enter__()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
with observer.span("stage", "after"):
    pass
observer.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert [span["name"] for span in spans(path)] == ["before", "after"]


def test_what_is_no_json_is_shown_as_it_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with Observer(profile=path) as observer, observer.span("stage", of=tmp_path):
        pass
    assert spans(path)[0]["args"] == {"of": repr(tmp_path)}


def test_what_nobody_can_write_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridx.trace._WAITING", 100)
    trace = Trace(tmp_path / "trace.json", 0)
    for number in range(250):
        trace.span(1, "stage", "span", number, number, None)
    assert trace.dropped == 150
    trace.close()
    assert len(spans(trace.path)) == 100
    assert json.loads(trace.path.read_text())["otherData"]["dropped_events"] == 150


def test_a_disk_that_is_full_costs_events_and_nothing_else(
    many: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trace.json"
    room = 2000
    write = os.pwrite

    def full(descriptor: int, content: bytes, offset: int) -> int:
        fits = content[: max(room - offset, 0)]
        if not fits:
            raise OSError(28, "No space left on device")
        return write(descriptor, fits, offset)

    index = open_index(many)
    with Observer(profile=path) as observer:
        monkeypatch.setattr(os, "pwrite", full)
        report = index.update(observer=observer)
    assert report.files.added == 400
    read(path)
    problems = "\n".join(observer.problems)
    assert "No space left on device" in problems
    assert "events are missing" in problems


def test_names_of_files_and_spans_may_be_anything(tree: Tree, tmp_path: Path) -> None:
    names = {'a"b\\c.py', "new\nline.py", "umlaut-ä.py", "tab\t.py"}
    for name in names:
        tree.write(name, "def f():\n    return 1\n")
    trace = tmp_path / "trace.json"
    with Observer(profile=trace) as observer:
        open_index(tree).update(observer=observer)
        with observer.span('st"age', 'a "name"\n', note="\x00\u2028"):
            pass
    paths = {span["args"]["path"] for span in spans(trace) if span["name"] == "file"}
    assert paths == names
    assert spans(trace)[-1]["cat"] == 'st"age'


def test_a_search_can_be_profiled(shared: hybridx.Index, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    command = run_cli("search", "retry", shared.root, "--quiet", "--profile", trace)
    assert command.returncode == 0, command.stderr
    check_nesting(trace)
    found = {span["name"] for span in spans(trace)}
    assert found >= {"open the index", "embed", "vectors", "words", "rank", "fetch"}


def test_without_an_observer_nothing_is_made() -> None:
    first, second = watched(None, "scan"), watched(None, "store", "add", files=1)
    assert first is second
    with first as span:
        span.note(files=1)
