"""Lost modes and lost diversity: planted ones are seen; truth raises an alarm in less than 1 % of checks."""

from __future__ import annotations

import re

import numpy as np
import pytest

from simulacra.judges.generalisation.mode_coverage import judge_modes
from simulacra.judges.samples import Sample
from simulacra.pages import Page, write_page
from simulacra.reports.modes_chapter import modes_chapter
from simulacra.statistics.modes.diversity import ConditionalSpread
from simulacra.statistics.modes.mode_alarm import ModeAlarm
from simulacra.statistics.modes.mode_report import in_words, with_spread
from simulacra.statistics.modes.shares import depletion_p_values, holm, shares_of
from toy_tables import numbered, toy_table

CENTRES = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [-6.0, 0.0], [0.0, -6.0]])


def five_modes(n: int, rng: np.random.Generator, *, without: int | None = None) -> np.ndarray:
    """Return events (n, 4) of five modes in two features, and two features independent of them."""
    kept = [k for k in range(5) if k != without]
    chosen = np.array(kept)[rng.integers(0, len(kept), n)]
    return np.column_stack([CENTRES[chosen] + rng.normal(0, 1, (n, 2)), rng.normal(0, 1, (n, 2))])


def conditioned(n: int, rng: np.random.Generator, *, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 2) around a curve of the condition (n, 1), with standard deviation 1 in all for any noise."""
    condition = rng.normal(0, 1, n)
    signal = np.sqrt(1 - 0.5 * noise**2)
    x = signal * condition + noise * np.sqrt(0.5) * rng.normal(0, 1, n)
    y = signal * condition - noise * np.sqrt(0.5) * rng.normal(0, 1, n)
    return np.column_stack([x, y]), condition[:, None]


def table(features: np.ndarray, conditions: np.ndarray | None = None, weights: np.ndarray | None = None) -> Sample:
    held = None if conditions is None else {"incident_energy": conditions[:, 0]}
    return toy_table(numbered(features), held, weights, unit="mm", title="Place {}")


@pytest.mark.parametrize(("n", "m"), [(400, 200), (2000, 1000), (6000, 3000)])
def test_one_mode_of_five_dropped_is_seen_and_named(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    alarm = ModeAlarm(five_modes(n, rng), seed=1, names=["a", "b", "c", "d"], units=["mm", "mm", "1", "GeV"])
    report = alarm.check(five_modes(m, rng, without=1))
    assert report.alarm
    assert report.p_value < 0.05
    assert "lost" in report.sentence
    assert " mm" in report.sentence
    if n >= 2000:  # fewer events do not determine five Gaussians
        assert report.coverage == pytest.approx(0.8, abs=0.1)
        assert report.effective_modes < 0.9 * report.truth_effective_modes
        modes = report.partitions[0]
        assert len(modes.truth) == 5
        (lost,) = np.flatnonzero(modes.lost)
        assert modes.truth[lost] == pytest.approx(0.2, abs=0.05)
        assert re.search(r"\ba is (5\.9|6)\S* ± \S+ mm", modes.names[lost])


def test_a_mode_in_one_feature_of_many_is_seen() -> None:
    # In forty features of which one has modes, clusters do not follow these; the slices of the feature do.
    rng = np.random.default_rng(3)
    truth, generated = rng.normal(0, 1, (2000, 40)), rng.normal(0, 1, (1000, 40))
    truth[:, 7] += 6 * rng.integers(0, 5, 2000)
    generated[:, 7] += 6 * rng.integers(0, 4, 1000)
    report = ModeAlarm(truth, seed=1).check(generated)
    assert report.alarm
    assert "feature 7" in report.sentence


def test_full_collapse_is_one_mode_without_diversity() -> None:
    rng = np.random.default_rng(4)
    truth = five_modes(1500, rng)
    report = ModeAlarm(truth, seed=1).check(np.repeat(truth[:1], 500, axis=0))
    assert report.alarm
    assert report.effective_modes == pytest.approx(1.0)
    assert report.diversity.value == 0.0
    assert report.coverage < 0.2


def test_halved_spread_is_halved_diversity() -> None:
    rng = np.random.default_rng(5)
    truth, generated = rng.normal(3, 2, (2000, 3)), rng.normal(3, 1, (1000, 3))
    found = ModeAlarm(truth, seed=1).check(generated)
    assert found.alarm
    assert found.diversity.value == pytest.approx(0.5, abs=4 * found.diversity.uncertainty)
    assert found.diversity.uncertainty < 0.03
    assert "at fixed condition" not in found.sentence
    wide = ModeAlarm(truth, seed=1).check(rng.normal(3, 2.6, (1000, 3)))
    assert wide.diversity.value == pytest.approx(1.3, abs=4 * wide.diversity.uncertainty)
    assert wide.diversity.p_value > 0.99


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_right_marginals_without_noise_at_fixed_condition_are_seen(noise: float) -> None:
    rng = np.random.default_rng(6)
    truth, conditions = conditioned(2000, rng)
    generated, given = conditioned(1000, rng, noise=noise)
    assert generated.std(axis=0) == pytest.approx(truth.std(axis=0), rel=0.1)
    report = ModeAlarm(truth, conditions, seed=1).check(generated, given)
    assert report.alarm
    assert report.diversity.value == pytest.approx(noise, abs=0.04)
    assert "at fixed condition" in report.sentence


def test_ignoring_the_condition_is_no_loss_of_diversity() -> None:
    rng = np.random.default_rng(7)
    truth, conditions = conditioned(2000, rng)
    generated, given = conditioned(1000, rng)
    report = ModeAlarm(truth, conditions, seed=1).check(generated, rng.permutation(given))
    assert not report.alarm
    assert report.diversity.value > 1.1


def test_a_feature_that_the_condition_decides_does_not_alarm() -> None:
    # Its spread at fixed condition is that of the pairs' conditions alone, whatever the numbers of events.
    rng = np.random.default_rng(8)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        energy = 10 ** rng.uniform(0, 2, n)
        return np.column_stack([np.log(energy), energy**2, rng.normal(0, 1, n)]), energy[:, None]

    truth, conditions = draw(600)
    report = ModeAlarm(truth, conditions, seed=1).check(*draw(4000))
    assert not report.alarm
    assert report.diversity.features == pytest.approx(np.ones(3), abs=0.4)


def test_truth_alarms_rarely() -> None:
    # 200 checks; alarms have a nominal rate below 1 %: more than 7 have a probability below 0.2 %. The chi-square's
    # p-value is below 5 % in 10 of 200 checks on average; truths are shared by twenty checks, so the bounds are wide.
    alarms, p_values, diversity = 0, [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        truth, conditions = conditioned(300, rng)
        alarm = ModeAlarm(truth, conditions, seed=seed)
        for _ in range(20):
            report = alarm.check(*conditioned(200, rng))
            alarms += report.alarm
            p_values.append(report.p_value)
            diversity.append(report.diversity.p_value)
    assert alarms <= 7
    for values in (p_values, diversity):
        assert np.mean(np.array(values) < 0.05) < 0.2
        assert np.mean(values) == pytest.approx(0.5, abs=0.25)


def test_weights_that_undo_a_difference_undo_the_alarm() -> None:
    rng = np.random.default_rng(9)
    truth = five_modes(2000, rng)
    few = five_modes(3000, rng)
    away = (few[:, 0] > 3) & (rng.random(3000) < 0.75)
    few = few[~away]
    weights = np.where(few[:, 0] > 3, 4.0, 1.0)
    alarm = ModeAlarm(truth, seed=1)
    assert alarm.check(few).alarm
    weighted = alarm.check(few, weights=weights)
    assert not weighted.alarm
    assert weighted.p_value > 1e-3
    assert weighted.effective_modes == pytest.approx(weighted.truth_effective_modes, rel=0.1)
    lost = ModeAlarm(truth, seed=1, weights=np.where(truth[:, 0] > 3, 0.25, 1.0)).check(few)
    assert not lost.alarm


def test_an_event_of_weight_two_is_two_events() -> None:
    rng = np.random.default_rng(10)
    cells, weights = rng.integers(0, 3, 300), rng.integers(1, 3, 300).astype(float)
    weighted = shares_of(cells, weights, 3)
    twice = shares_of(np.repeat(cells, weights.astype(int)), np.ones(int(weights.sum())), 3)
    assert weighted.share == pytest.approx(twice.share)
    assert (weighted.variance > twice.variance).all()


def test_variance_of_weighted_shares_is_what_fresh_samples_do() -> None:
    rng = np.random.default_rng(11)
    drawn = []
    for _ in range(400):
        cells = rng.integers(0, 4, 500)
        drawn.append(shares_of(cells, np.where(cells == 0, 5.0, 1.0) * rng.gamma(2, 1, 500), 4))
    spread = np.std([one.share for one in drawn], axis=0)
    assert np.mean([one.error for one in drawn], axis=0) == pytest.approx(spread, rel=0.15)


def test_depletion_is_fishers_test_and_holm_corrects() -> None:
    from scipy.stats import fisher_exact

    truth, generated = (
        shares_of(np.repeat([0, 1], [30, 70]), np.ones(100), 2),
        shares_of(np.repeat([0, 1], [8, 52]), np.ones(60), 2),
    )
    expected = fisher_exact([[8, 52], [30, 70]], alternative="less").pvalue
    assert depletion_p_values(truth, generated)[0] == pytest.approx(expected)
    assert holm(np.array([0.01, 0.5, 0.02])) == pytest.approx([0.03, 0.5, 0.04])


def test_findings_and_chapter(tmp_path) -> None:
    rng = np.random.default_rng(12)
    truth, conditions = conditioned(800, rng)
    generated, given = conditioned(600, rng, noise=0.4)
    findings, evidence = judge_modes(table(truth, conditions), table(generated, given), np.random.default_rng(1))
    again, _ = judge_modes(table(truth, conditions), table(generated, given), np.random.default_rng(1))
    assert findings == again
    assert [f.judge for f in findings] == ["lost_modes", "missing_modes", "missing_diversity"]
    assert findings[2].value == pytest.approx(0.6, abs=0.1)
    assert findings[2].p_value < 1e-3
    assert findings[2].significance > 5
    chapter = modes_chapter(evidence, "Toy", "Generator")
    assert len(chapter.pictures) == 2
    assert all(len(row) == len(chapter.columns) for row in chapter.rows)
    write_page(tmp_path, Page("t", "o", "h", chapters=(chapter,), record={"modes": evidence}))


@pytest.mark.parametrize(
    ("features", "conditions", "weights", "message"),
    [
        (np.full((100, 2), np.nan), None, None, "NaN"),
        (np.zeros((10, 2)), None, None, "shape"),
        (np.zeros((100, 3)), None, None, "shape"),
        (np.zeros((100, 2)), None, np.full(100, -1.0), "weights"),
        (np.zeros((100, 2)), np.zeros((100, 2)), None, "conditions"),
    ],
)
def test_bad_events_are_refused(features, conditions, weights, message) -> None:
    rng = np.random.default_rng(13)
    alarm = ModeAlarm(rng.normal(0, 1, (200, 2)))
    with pytest.raises(ValueError, match=message):
        alarm.check(features, conditions, weights)


def test_conditions_are_needed_where_the_truth_has_them() -> None:
    rng = np.random.default_rng(14)
    features, conditions = conditioned(200, rng)
    spread = ConditionalSpread(
        features[:100], conditions[:100], np.ones(100), features[100:], conditions[100:], np.ones(100), seed=1
    )
    with pytest.raises(ValueError, match="conditions"):
        spread.compare(features, None, np.ones(200))


def test_constant_and_discrete_features_are_fine() -> None:
    rng = np.random.default_rng(15)

    def draw(n: int) -> np.ndarray:
        return np.column_stack([np.full(n, 7.0), rng.poisson(2, n), np.where(rng.random(n) < 0.8, 0, rng.random(n))])

    assert not ModeAlarm(draw(600)).check(draw(400)).alarm
    assert ModeAlarm(draw(600)).check(draw(400) * [1, 0, 1]).alarm


def test_rounding_errors_are_not_shown_as_numbers() -> None:
    assert in_words(-2.84e-14, 12.0, "mm") == "0 mm"
    assert in_words(-2950.4, 1.0, "MeV") == "\N{MINUS SIGN}2,950 MeV"
    assert in_words(-2.84e-14, 1e-14, "mm") == "\N{MINUS SIGN}2.84e\N{MINUS SIGN}14 mm"
    assert with_spread(1.0, 3.8e-16, 1.5) == "exactly 1"
    assert with_spread(12.13, 8.94, 10.0, "MeV") == "12.1 ± 8.9 MeV"
    assert with_spread(2940.0, 2210.0, 10.0, "MeV") == "2,940 ± 2,200 MeV"
