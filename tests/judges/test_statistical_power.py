"""What generated events are worth, against a Gaussian that is fitted and sampled: there it is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from simulacra.judges.generalisation.statistical_power import judge_statistical_power
from simulacra.judges.samples import Sample
from simulacra.pages import Page, write_page
from simulacra.reports.statistical_power_chapter import statistical_power_chapter
from simulacra.statistics.model_floor import deviation_from_truth, spread_of_members
from simulacra.statistics.modes.shares import Shares, shares_of
from simulacra.statistics.quantile_cells import quantile_cells, unlike
from toy_tables import numbered, toy_table

QUANTILES = 10
N_TRAIN = 400
EDGES = norm.ppf(np.arange(1, QUANTILES) / QUANTILES)


def shares(values: np.ndarray, weights: np.ndarray | None = None) -> Shares:
    cells = np.searchsorted(EDGES, values, side="right")
    return shares_of(cells, np.ones(len(values)) if weights is None else weights, QUANTILES)


def analytic_floor() -> tuple[float, np.ndarray]:
    """Return 1 / N_model of a Gaussian fitted to N_TRAIN events, integrated and by quantile.

    A quantile from a to b changes by (phi(a) - phi(b)) d mu + (a phi(a) - b phi(b)) d sigma, with the variances
    1 / N and 1 / 2N of mean and standard deviation.
    """
    ends = np.concatenate([[-np.inf], EDGES, [np.inf]])
    density = norm.pdf(ends)
    slope = np.where(np.isfinite(ends), ends, 0) * density
    variance = (np.diff(density) ** 2 + np.diff(slope) ** 2 / 2) / N_TRAIN
    p = 1 / QUANTILES
    return float((variance / p).sum() / (QUANTILES - 1)), variance / (p * (1 - p))


def fitted(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return events of a Gaussian that was fitted to N_TRAIN events."""
    train = rng.normal(0, 1, N_TRAIN)
    return rng.normal(train.mean(), train.std(), n)


def table(columns: np.ndarray, weights: np.ndarray | None = None, label: str = "Toy") -> Sample:
    return toy_table(numbered(columns), weights=weights, unit="GeV", title="Energy {}", label=label)


def test_floor_of_fitted_gaussians_is_the_analytic_one() -> None:
    rng = np.random.default_rng(1)
    truth = shares(rng.normal(0, 1, 100_000))
    found = [deviation_from_truth(truth, shares(fitted(20_000, rng))) for _ in range(200)]
    floor, by_quantile = analytic_floor()
    values = np.array([one.floor.value for one in found])
    # Within four standard errors, and four more amplified events than there were training events.
    assert values.mean() == pytest.approx(floor, abs=4 * values.std() / np.sqrt(200))
    assert 1 / (N_TRAIN * floor) > 4
    quantiles = np.array([one.quantiles for one in found])
    error = quantiles.std(axis=0) / np.sqrt(200)
    # What is cut off at 0 of each quantile adds at most a statistical part, which is a tenth of the smallest floors.
    assert quantiles.mean(axis=0) == pytest.approx(by_quantile, abs=4 * error.max())
    assert (np.abs(quantiles.mean(axis=0) - by_quantile) < 4 * error + 2e-5).all()


def test_interval_holds_the_floor_of_the_generator_in_hand() -> None:
    # Each generator has a floor of its own, known from its mean and width; 68 % of the intervals should hold it, up
    # to 100 % near 0. Of 200, less than 118 or more than 164 have a probability of 0.3 % each at 70 %.
    rng = np.random.default_rng(2)
    held = 0
    ends = np.concatenate([[-np.inf], EDGES, [np.inf]])
    for _ in range(200):
        truth = shares(rng.normal(0, 1, 10_000))
        mean, width = rng.normal(0, 0.03), 1 + rng.normal(0, 0.03)
        found = deviation_from_truth(truth, shares(rng.normal(mean, width, 10_000))).floor
        p = np.diff(norm.cdf(ends, mean, width))
        floor = float(((p - 0.1) ** 2 / 0.1).sum() / (QUANTILES - 1))
        held += found.low <= floor <= found.high
        assert found.low <= found.value <= found.high <= found.limit
    assert 118 <= held <= 164


def test_spread_of_members_is_the_same_floor() -> None:
    rng = np.random.default_rng(3)
    expected, by_quantile = analytic_floor()
    floors = []
    for _ in range(20):
        floor, quantiles = spread_of_members(np.full(QUANTILES, 0.1), [shares(fitted(20_000, rng)) for _ in range(12)])
        floors.append((floor.value, floor.low <= expected <= floor.high, quantiles))
    values = np.array([one[0] for one in floors])
    assert values.mean() == pytest.approx(expected, abs=4 * values.std() / np.sqrt(20))
    # Of 20 intervals of 68 %, less than 8 have a probability of 0.5 %.
    assert sum(one[1] for one in floors) >= 8
    mean = np.mean([one[2] for one in floors], axis=0)
    assert mean == pytest.approx(by_quantile, rel=0.5)


def test_a_resampled_training_set_is_worth_no_more_than_itself() -> None:
    rng = np.random.default_rng(4)
    truth = shares(rng.normal(0, 1, 100_000))
    values = np.array(
        [
            deviation_from_truth(truth, shares(rng.normal(0, 1, N_TRAIN)[rng.integers(0, N_TRAIN, 50_000)])).floor.value
            for _ in range(60)
        ]
    )
    assert values.mean() * N_TRAIN == pytest.approx(1.0, abs=4 * values.std() * N_TRAIN / np.sqrt(60))


def test_truth_has_no_floor() -> None:
    # The p-value is uniform: of 200, more than 21 below 5 % have a probability of 0.05 %. The limit at 95 % is above 0.
    rng = np.random.default_rng(5)
    found = [deviation_from_truth(shares(rng.normal(0, 1, 2000)), shares(rng.normal(0, 1, 1500))) for _ in range(200)]
    assert np.mean([one.p_value < 0.05 for one in found]) < 0.11
    assert np.mean([one.p_value for one in found]) == pytest.approx(0.5, abs=0.09)
    assert min(one.floor.limit for one in found) > 0
    assert np.mean([one.floor.low == 0 for one in found]) > 0.75


def test_worth_of_any_number_of_events() -> None:
    rng = np.random.default_rng(60)
    truth, biased = rng.normal(0, 1, (20_000, 2)), rng.normal(0, 1, (10_000, 2))
    biased[:, 0] += 0.3
    findings, evidence = judge_statistical_power(table(truth), table(biased), 5000, rng=np.random.default_rng(1))
    worst, best = evidence.observables
    assert (worst.observable, best.observable) == ("x_0", "x_1")
    floor = worst.floor.value
    assert worst.worth(1000).value == pytest.approx(1 / (1e-3 + floor))
    assert worst.worth(1e12).value == pytest.approx(1 / floor, rel=1e-3)
    assert worst.worth(1e6).low < worst.worth(1e6).value < worst.worth(1e6).high
    assert not worst.worth(1e6).at_least
    assert best.worth(1e6).at_least
    first = findings[0]
    assert first.observable == "x_0"
    assert first.value < 5000
    assert first.details["amplification"] < 1
    assert first.p_value < 1e-6
    fresh = []
    for _ in range(60):
        pair = rng.normal(0, 1, (20_000, 1)), rng.normal(0, 1, (10_000, 1))
        power = judge_statistical_power(table(pair[0]), table(pair[1]), rng=rng)[1].observables[0]
        fresh.append(1 / (1e-4 + power.floor.value))
    assert first.truth_value == pytest.approx(np.mean(fresh), abs=4 * np.std(fresh) / np.sqrt(60))
    assert first.truth_uncertainty == pytest.approx(np.std(fresh), rel=0.4)
    assert "at most" in first.sentence
    assert "at least" in findings[1].sentence
    with pytest.raises(ValueError, match="above 0"):
        worst.worth(0)


def test_a_fault_in_the_correlation_is_seen_jointly() -> None:
    rng = np.random.default_rng(7)
    truth = rng.normal(0, 1, (20_000, 2))
    broken = truth @ np.array([[1, 0.5], [0, np.sqrt(0.75)]])
    findings, evidence = judge_statistical_power(table(truth), table(broken), rng=np.random.default_rng(1))
    assert evidence.joint is not None
    assert len(evidence.joint.cells) == 64
    # Without cells the chi-square divergence from independence is rho^2 / (1 - rho^2); cells see a good part of it.
    assert 63 * evidence.joint.floor.value == pytest.approx(0.27, abs=0.06)
    assert 63 * evidence.joint.floor.value < 0.25 / 0.75
    assert min(1 / max(one.floor.value, 1e-9) for one in evidence.observables) > 2000
    assert findings[-1].observable == "x_0 and x_1"


def test_members_speak_unless_the_truth_contradicts() -> None:
    rng = np.random.default_rng(8)
    truth = table(rng.normal(0, 1, (1000, 1)))
    members = [table(fitted(4000, rng)[:, None]) for _ in range(8)]
    _, evidence = judge_statistical_power(truth, members[0], N_TRAIN, members=members, rng=rng)
    (one,) = evidence.observables
    assert one.from_members
    assert 2 < one.worth(1e9).value / N_TRAIN < 12
    shifted = [table(member.observables["x_0"][:, None] + 0.5) for member in members]
    _, evidence = judge_statistical_power(truth, shifted[0], N_TRAIN, members=shifted, rng=rng)
    assert not evidence.observables[0].from_members
    assert evidence.observables[0].worth(1e9).value < N_TRAIN
    with pytest.raises(ValueError, match="at least 3"):
        judge_statistical_power(truth, members[0], members=members[:2], rng=rng)


def test_weights_cost_events_and_correct_them() -> None:
    rng = np.random.default_rng(9)
    truth, generated = rng.normal(0, 1, (20_000, 1)), rng.normal(0.4, 1, (20_000, 1))
    weights = np.exp(-0.4 * generated[:, 0] + 0.08)
    plain, weighted = (
        judge_statistical_power(table(truth), table(generated, w), rng=np.random.default_rng(1))[1].observables[0]
        for w in (None, weights)
    )
    edges = np.concatenate([[-np.inf], norm.ppf(np.arange(1, 20) / 20), [np.inf]])
    expected = ((np.diff(norm.cdf(edges - 0.4)) - 0.05) ** 2 / 0.05).sum() / 19
    assert plain.floor.value == pytest.approx(expected, rel=0.15)
    assert weighted.deviation.p_value > 1e-3
    assert 0.6 < weighted.efficiency < 0.95
    assert weighted.worth(20_000).high <= 20_000 * weighted.efficiency * (1 + 1e-9)
    # Tilted the other way round: the truth's weights count too.
    turned = judge_statistical_power(table(generated, weights), table(truth), rng=np.random.default_rng(1))[1]
    assert turned.observables[0].deviation.p_value > 1e-3


def test_cells_hold_equal_shares_and_few_values_are_kept_apart() -> None:
    rng = np.random.default_rng(10)
    values, weights = rng.normal(0, 1, (8000, 3)), rng.gamma(4, 1, 8000)
    cells = quantile_cells(values, weights)
    share = shares_of(cells.index(values), weights, len(cells)).share
    assert len(cells) == 3**3
    assert share == pytest.approx(np.full(27, 1 / 27), rel=0.02)
    counts = rng.poisson(1, (4000, 1)).astype(float)
    few = quantile_cells(counts, np.ones(4000))
    assert few.index(np.array([[0.0], [1.0], [2.0]])).tolist() == [0, 1, 2]
    assert len(quantile_cells(np.full((100, 1), 3.0), np.ones(100))) == 1
    rare = np.repeat([1.0, 2.0, 3.0], [3, 2000, 1997])[:, None]
    assert quantile_cells(rare, np.ones(4000)).index(np.array([[1.0], [2.0], [3.0]])).tolist() == [0, 0, 1]


def test_observables_that_depend_little_on_each_other_are_taken_jointly() -> None:
    rng = np.random.default_rng(11)
    x = rng.normal(0, 1, (1000, 2))
    values = np.column_stack([x[:, 0], x[:, 0] ** 3, np.full(1000, 2.0), x[:, 1]])
    assert unlike(values, 2, rng) == [0, 3]


def test_chapter(tmp_path) -> None:
    rng = np.random.default_rng(12)
    truth, generated = rng.normal(0, 1, (3000, 4)), rng.normal(0, [1, 1.1, 1.3, 1], (2000, 4))
    truth[:, 3] = generated[:, 3] = 1.0
    judged = [
        judge_statistical_power(table(truth), table(generated), 1000, rng=np.random.default_rng(1)) for _ in range(2)
    ]
    assert judged[0][0] == judged[1][0]
    chapter = statistical_power_chapter(judged[0][1], "Geant4", "Generator")
    assert chapter.rows[0][0] == "Energy x_2"
    assert len(chapter.rows) == 4
    assert all(len(row) == len(chapter.columns) for row in chapter.rows)
    write_page(tmp_path, Page("t", "o", "h", chapters=(chapter,), record={"power": judged[0][1]}))


def test_bad_input_is_refused() -> None:
    rng = np.random.default_rng(13)
    good, bad = rng.normal(0, 1, (500, 2)), rng.normal(0, 1, (500, 2))
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        judge_statistical_power(table(good), table(bad), rng=rng)
    with pytest.raises(ValueError, match="trained on 0"):
        judge_statistical_power(table(good), table(good), 0, rng=rng)
