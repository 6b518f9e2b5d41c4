"""Rates and forecasts of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridx.pace import JUDGED_AFTER, Pace


def test_a_steady_run_has_its_rate_and_a_true_forecast() -> None:
    pace = Pace(100.0)
    assert pace.seconds_for(10, None) is None, "a forecast from nothing"
    for tick in range(1, 301):
        pace.look(100.0 + tick / 10, tick, tick * 1_000, tick * 5)
        assert pace.files == pytest.approx(10)
        assert pace.bytes == pytest.approx(10_000)
        assert pace.chunks == pytest.approx(50)
    assert pace.seconds_for(50, 20_000) == pytest.approx(2), "bytes tell more than files"
    assert pace.seconds_for(50, None) == pytest.approx(5)
    assert pace.seconds_for(0, 7) == 0.0


def test_it_follows_a_change_of_speed_within_seconds_and_does_not_jump() -> None:
    pace = Pace(0.0)
    now, done = 0.0, 0
    for _ in range(100):
        now, done = now + 0.1, done + 100
        pace.look(now, done, done, done)
    before = pace.bytes
    pace.look(now + 0.1, done, done, done)
    assert before * 0.9 < pace.bytes < before, "one pause is no news"
    for _ in range(300):
        now, done = now + 0.1, done + 10
        pace.look(now, done, done, done)
    assert 100 <= pace.bytes < 200, "half a minute later it is still of its past"


def test_a_run_that_stands_still_is_never_through_sooner() -> None:
    pace = Pace(0.0)
    pace.look(2.0, 10, 1_000, 10)
    forecasts = []
    for second in range(3, 30):
        pace.look(float(second), 10, 1_000, 10)
        forecasts.append(pace.seconds_for(90, 9_000))
    assert forecasts == sorted(forecasts, key=lambda each: each or 0.0)


def test_nothing_is_foretold_of_the_first_moments() -> None:
    pace = Pace(5.0)
    pace.look(5.0 + JUDGED_AFTER / 2, 3, 300, 3)
    assert pace.files > 0
    assert pace.seconds_for(1, 100) is None
    pace.look(5.0 + JUDGED_AFTER, 3, 300, 3)
    assert pace.seconds_for(1, 100) is not None


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.integers(0, 50), st.integers(0, 10**9), st.integers(0, 500))
    ),
    st.integers(0, 1000),
    st.none() | st.integers(0, 10**12),
)
def test_whatever_comes_rates_are_those_of_some_interval(
    steps: list[tuple[float, int, int, int]], files: int, size: int | None
) -> None:
    pace, now = Pace(0.0), 0.0
    done = [0, 0, 0]
    fastest = 0.0
    pending = 0
    for passed, *counts in steps:
        now += passed
        done = [before + more for before, more in zip(done, counts, strict=True)]
        pending += counts[1]
        if passed > 0:
            fastest, pending = max(fastest, pending / passed), 0
        pace.look(now, *done)
    assert 0 <= pace.bytes <= fastest * (1 + 1e-9) + 1e-9
    forecast = pace.seconds_for(files, size)
    assert forecast is None or forecast >= 0
