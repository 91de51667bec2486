"""Events far outside are brought in for the others' sake, and named; ordinary samples are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from events_of_every_kind import table
from simulacra.judges import JudgeError, judge
from simulacra.judges.unpacking import sample_of
from simulacra.statistics.outliers import LARGEST, far_outside, reined

N = 300


def pair(n: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 3))


def columns(draw: str) -> np.ndarray:
    rng = np.random.default_rng(2)
    return {
        "normal": lambda: rng.normal(size=(50_000, 1)),
        "log-normal": lambda: np.exp(3 * rng.normal(size=(50_000, 1))),
        "Student's t": lambda: rng.standard_t(2, size=(50_000, 1)),
        "a count": lambda: rng.poisson(0.01, size=(50_000, 1)).astype(float),
        "a constant": lambda: np.full((50_000, 1), 3.0),
        "mostly 0": lambda: np.exp(rng.normal(size=(50_000, 1))) * (rng.random((50_000, 1)) < 1e-4),
    }[draw]()


@pytest.mark.parametrize("draw", ["normal", "log-normal", "Student's t", "a count", "a constant", "mostly 0"])
def test_ordinary_distributions_are_left_alone(draw: str) -> None:
    values = columns(draw)
    first, second = values[:25_000], values[25_000:]
    after = reined(first, second)
    assert after[0] is first
    assert after[1] is second
    indices = np.arange(25_000), np.arange(25_000)
    assert far_outside({"x": (first[:, 0], second[:, 0])}, indices, ("a", "b"), {}) == []


@pytest.mark.parametrize("value", [1e5, -1e5, 1e12, 1e30])
def test_one_value_is_brought_in_and_stays_the_largest(value: float) -> None:
    first, second = pair()
    second[17, 1] = value
    ours, theirs = reined(first, second)
    # 30 times the tenth largest of 4,000 deviations, which is about 3 standard deviations.
    assert 60 < abs(theirs[17, 1]) < 150
    assert np.argmax(np.abs(theirs[:, 1])) == 17
    others = np.arange(2_000) != 17
    np.testing.assert_array_equal(theirs[others], second[others])
    np.testing.assert_array_equal(ours, first)


def test_squares_of_a_huge_unit_fit_into_float32() -> None:
    first, second = pair()
    ours, theirs = reined(1e30 * first, 1e30 * second)
    assert np.isfinite((ours.astype(np.float32) ** 2).sum())
    assert max(np.abs(ours).max(), np.abs(theirs).max()) <= LARGEST
    # One unit for both samples: their order is what it was.
    both, before = np.concatenate([ours, theirs]), np.concatenate([first, second])
    np.testing.assert_array_equal(np.argsort(both, axis=0), np.argsort(before, axis=0))


@pytest.mark.parametrize(("side", "value"), [(0, 1e5), (1, 1e5), (0, 1e30), (1, 1e30), (1, 1e59)])
def test_a_verdict_names_the_event_and_still_sees_what_else_is_wrong(side: int, value: float) -> None:
    samples = [table(N, 1), table(N, 2, shift=1.0)]
    values = samples[side]["first"].values.copy()
    values[17] = value
    samples[side] = samples[side].assign(first=samples[side]["first"].copy(data=values))
    verdict = judge(samples[0], samples[1], seed=1)
    assert verdict.stated.outcome == "fail"
    named = [warning for warning in verdict.warnings if "far outside" in warning]
    assert len(named) == 1
    assert f"event 17: first is {value:.4g}" in named[0]
    assert ("(truth)", "(judged)")[side] in named[0]
    # The shift of one standard deviation: an AUC of 0.76. One event in 300 hides it from neither classifier.
    aucs = [f.value for f in verdict.plain_findings if f.judge == "classifier_auc"]
    assert min(aucs) > 0.68


def test_what_no_moment_holds_is_refused_with_the_event() -> None:
    events = table(N, 1)
    values = events["first"].values.copy()
    values[17] = -1e200
    broken = events.assign(first=events["first"].copy(data=values))
    with pytest.raises(JudgeError, match=r"'first' is 1e\+200 in event 17"):
        sample_of(broken, "the truth", most_events=N, rng=np.random.default_rng(1))


def test_a_column_beyond_single_precision_gets_a_verdict() -> None:
    samples = [table(N, 1), table(N, 2, shift=1.0)]
    huge = [events.assign(second=events["second"].copy(data=events["second"].values * 1e50)) for events in samples]
    verdict = judge(*huge, seed=1)
    assert "FAIL" in verdict.headline
