"""Efficiencies and significance improvement of two Gaussians, whose closed forms are known, and of chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from simulacra.statistics.classifiers.ranks import area_of
from simulacra.statistics.distances.divisions import p_value
from simulacra.statistics.significance_improvement import (
    Weighted,
    at_cut,
    background_against_background,
    efficiency_curve,
    held_out_improvement,
    redrawn,
)

GRID = np.array([0.1, 0.5, 1.0])


def even(scores: np.ndarray) -> Weighted:
    return Weighted(scores, np.ones(len(scores)))


def closed_form(cut: float, shift: float) -> float:
    """The improvement of a cut on N(0, 1) and N(shift, 1)."""
    return float(norm.sf(cut - shift) / np.sqrt(norm.sf(cut)))


def largest(shift: float) -> float:
    found = minimize_scalar(lambda cut: -closed_form(cut, shift), bounds=(-3, 6), method="bounded")
    return -float(found.fun)


def drawn(seed: int, n: int, m: int, shift: float) -> tuple[Weighted, Weighted]:
    rng = np.random.default_rng(seed)
    return even(rng.normal(size=n)), even(rng.normal(shift, 1, m))


def test_two_gaussians_have_the_curve_of_the_closed_form() -> None:
    background, signal = drawn(1, 50_000, 20_000, 1.5)
    whole = efficiency_curve(background, signal)
    curve = whole.known
    # Errors of a fixed cut: one test in thirty thousand is beyond four.
    for cut in (0.0, 1.0, 2.0, 2.8):
        i = int(np.argmax(curve.cuts <= cut))
        assert abs(curve.background[i] - norm.sf(cut)) < 4 * curve.background_error[i]
        assert abs(curve.signal[i] - norm.sf(cut - 1.5)) < 4 * curve.signal_error[i]
        assert abs(curve.improvement[i] - closed_form(cut, 1.5)) < 4 * curve.improvement_error[i]
    labels = np.repeat([0, 1], [50_000, 20_000])
    area = area_of(np.concatenate([background.scores, signal.scores]), labels, np.ones(70_000))
    assert whole.area == pytest.approx(area.auc, abs=1e-12)
    assert abs(area.auc - norm.cdf(1.5 / np.sqrt(2))) < 4 * area.uncertainty
    assert curve.signal_at(norm.sf(1.0)) == pytest.approx(norm.sf(-0.5), abs=0.02)
    assert curve.background_at(0.5) == pytest.approx(norm.sf(1.5), rel=0.05)


def test_a_curve_ends_where_25_background_events_are_left() -> None:
    background, signal = drawn(2, 10_000, 500, 1.0)
    known = efficiency_curve(background, signal).known
    assert known.background[0] * 10_000 == pytest.approx(25, abs=0.5)
    assert (known.background_error <= 0.2 * known.background).all()
    assert known.background[-1] == known.signal[-1] == 1
    assert known.improvement[-1] == 1
    thin = known.thinned(50)
    assert len(thin.cuts) <= 52
    assert thin.improvement.max() == known.improvement.max()
    assert set(thin.cuts) <= set(known.cuts)


def test_errors_are_right_and_the_best_cut_is_not_flattered() -> None:
    pulls, held_out, raw, held_out_pulls = [], [], [], []
    for seed in range(100):
        background, signal = drawn(seed, 2000, 300, 1.5)
        one = at_cut(background, signal, 1.6)
        pulls.append((one.improvement[0] - closed_form(1.6, 1.5)) / one.improvement_error[0])
        raw.append(efficiency_curve(background, signal).known.improvement.max())
        found = held_out_improvement(background, signal, np.random.default_rng(seed))
        assert found is not None
        held_out.append(found.value)
        held_out_pulls.append((found.value - largest(1.5)) / found.error)
    # Of 100 pulls, the mean has the error 0.1 and the width 0.07.
    assert abs(np.mean(pulls)) < 0.35
    assert np.std(pulls) == pytest.approx(1, abs=0.25)
    error = np.std(raw) / 10
    assert np.mean(raw) - largest(1.5) > 3 * error
    # The cut of one half is not the best one, so that it falls short on average; never the other way.
    assert np.mean(held_out) - largest(1.5) < 2 * np.std(held_out) / 10
    assert abs(np.mean(held_out) - largest(1.5)) < 0.1 * largest(1.5)
    assert np.std(held_out_pulls) == pytest.approx(1, abs=0.35)


def test_weights_are_other_events() -> None:
    # exp(x / 2 - 1 / 8) turns N(0, 1) into N(1 / 2, 1).
    pulls, areas = [], []
    for seed in range(100):
        background, one = drawn(seed, 3000, 1000, 0.0)
        signal = Weighted(one.scores, np.exp(one.scores / 2 - 1 / 8))
        found = at_cut(background, signal, 1.0)
        pulls.append((found.improvement[0] - closed_form(1.0, 0.5)) / found.improvement_error[0])
        areas.append(efficiency_curve(background, signal).area)
    assert abs(np.mean(pulls)) < 0.4
    assert np.std(pulls) == pytest.approx(1, abs=0.25)
    assert np.mean(areas) == pytest.approx(norm.cdf(0.5 / np.sqrt(2)), abs=4 * np.std(areas) / 10)
    # Twice the weight is no more events.
    double = Weighted(signal.scores, 2 * signal.weights)
    first, second = (at_cut(background, one, 1.0) for one in (signal, double))
    assert first.signal_error[0] == pytest.approx(second.signal_error[0])


def test_redrawn_samples_spread_as_much_as_new_ones() -> None:
    background, signal = drawn(3, 2000, 500, 1.0)
    bootstrap = np.std([one.area for one in redrawn(background, signal, np.random.default_rng(1), 200)])
    new = np.std([efficiency_curve(*drawn(seed, 2000, 500, 1.0)).area for seed in range(10, 210)])
    # Either has an error of 5 %.
    assert bootstrap == pytest.approx(new, rel=0.25)


def p_values(sample: tuple[Weighted, Weighted], seed: int) -> list[float]:
    curve = efficiency_curve(*sample)
    chance = background_against_background(*sample, GRID, np.random.default_rng(seed), 40)
    return [p_value(curve.area, chance.areas), p_value(float(curve.known.improvement.max()), chance.maxima)]


@pytest.mark.parametrize("kind", ["few signal events", "tied and weighted"])
def test_one_draw_in_twenty_is_beyond_chance(kind: str) -> None:
    found = []
    for seed in range(200):
        background, signal = drawn(seed, 300, 60 if kind == "few signal events" else 300, 0.0)
        if kind == "tied and weighted":
            rng = np.random.default_rng(1000 + seed)
            background, signal = (
                Weighted(np.round(one.scores, 1), rng.exponential(size=300)) for one in (background, signal)
            )
        found.append(p_values((background, signal), seed))
    # 5 % of 200 with the binomial error of 1.5 %: beyond three once in 370 draws.
    alarms = (np.array(found) < 0.05).mean(axis=0)
    assert alarms == pytest.approx(0.05, abs=3 * 0.0154)
    # In many draws no cut at all is the best one, so that only the areas' p-values are uniform.
    assert np.mean(found, axis=0)[0] == pytest.approx(0.51, abs=0.07)


def test_chance_is_an_area_of_a_half_and_an_improvement_of_a_root() -> None:
    background, signal = drawn(4, 5000, 1000, 3.0)
    chance = background_against_background(background, signal, GRID, np.random.default_rng(1), 100)
    assert chance.areas.mean() == pytest.approx(0.5, abs=0.005)
    assert chance.areas.std() == pytest.approx(np.sqrt((1 / 5000 + 1 / 1000) / 12), rel=0.25)
    assert chance.maxima.min() >= 1
    assert chance.improvements.mean(axis=0) == pytest.approx(np.sqrt(GRID), rel=0.03)


def test_a_constant_score_improves_nothing() -> None:
    constant = even(np.ones(300))
    curve = efficiency_curve(constant, even(np.ones(50)))
    assert curve.area == 0.5
    assert curve.known.improvement.tolist() == [1.0]
    chance = background_against_background(constant, even(np.ones(50)), GRID, np.random.default_rng(1), 20)
    assert set(chance.areas) == {0.5}
    assert set(chance.maxima) == {1.0}
