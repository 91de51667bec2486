"""Negative weights, as at next-to-leading order: distances are of the signed measure, classifiers learn with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import events_of, number, table
from judged_showers import toy_events
from simulacra.judges import JudgeError, judge
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.preparation import NO_ESTIMATOR
from simulacra.judges.samples import Sample
from simulacra.judges.unpacking import sample_of
from simulacra.reports import write
from simulacra.statistics.classifiers.classifier import classify
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.histograms import binning_of, histogram
from simulacra.statistics.distances.two_sample import Lines

N = 400


def sample(events: xr.Dataset) -> Sample:
    return sample_of(events, "toy", most_events=10**6, rng=np.random.default_rng(1))


def with_counterparts(values: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return events and weights of the same measure: others join, each once with the weight 1 and once with -1."""
    others = rng.normal(3, 1, len(values) // 2)
    return np.concatenate([values, others, others]), np.repeat([1.0, 1.0, -1.0], [len(values), *[len(others)] * 2])


def distances(truth: np.ndarray, values: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    replicates = Replicates.draw(np.ones(len(truth)), weights, np.random.default_rng(0), replicates=2)
    return {name: found.value for name, found in Lines(replicates).scores(truth, values).items()}


def test_distances_are_those_of_the_signed_measure() -> None:
    rng = np.random.default_rng(1)
    truth, plain = rng.normal(size=N), rng.normal(0.3, 1.2, N)
    values, weights = with_counterparts(plain, rng)
    with_signs, without = distances(truth, values, weights), distances(truth, plain, np.ones(N))
    for name in ("wasserstein", "kolmogorov_smirnov"):
        assert with_signs[name] == pytest.approx(without[name], abs=1e-12)
    binning = binning_of(truth)
    binned_with_signs, binned_without = histogram(values, weights, binning), histogram(plain, np.ones(N), binning)
    np.testing.assert_allclose(binned_with_signs.share, binned_without.share, atol=1e-12)
    # Each counterpart fluctuates by itself.
    assert (binned_with_signs.error >= binned_without.error).all()


def difference_of_gaussians(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return events of 1.25 N(0, 1) - 0.25 N(0.5, 0.5^2), and their weights."""
    minus = rng.random(n) < 1 / 6
    return np.where(minus, rng.normal(0.5, 0.5, n), rng.normal(0, 1, n)), np.where(minus, -1.0, 1.0)


def positive(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return events of the same density by acceptance."""
    x = rng.normal(size=20 * n)
    ratio = 1 - 0.2 * 2 * np.exp(-0.5 * ((x - 0.5) / 0.5) ** 2 + 0.5 * x**2)
    assert ratio.min() >= 0
    return np.asarray(x[rng.random(len(x)) < ratio][:n])


def test_a_perceptron_finds_nothing_where_the_signed_measure_is_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth = positive(1_000, rng)
    values, weights = difference_of_gaussians(2_000, rng)
    kwargs: dict[str, Any] = {"generated_weights": weights, "seed": 3, "folds": 3, "repetitions": 1}
    same = classify(truth[:, None], values[:, None], "perceptron", **kwargs)
    assert abs(same.auc - 0.5) < 4 * same.uncertainty
    # Without the signs the samples differ; with them a shift is seen.
    shifted = classify(truth[:, None], values[:, None] + 0.6, "perceptron", **kwargs)
    assert shifted.auc > 0.5 + 5 * shifted.uncertainty
    assert np.all(np.diff(shifted.efficiency) >= 0)
    with pytest.raises(ValueError, match="trees accept only positive ones"):
        classify(truth[:, None], values[:, None], "trees", **kwargs)


def test_a_verdict_says_which_judges_did_not_look(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    truth = events_of({"x": number(positive(N, rng)), "y": number(rng.normal(size=N))}, 1)
    values, weights = difference_of_gaussians(N, rng)
    variables = {"x": number(values), "y": number(rng.normal(size=N)), "weight": number(weights, "weight")}
    verdict = judge(truth, events_of(variables, 2), seed=1)
    (warning,) = [one for one in verdict.warnings if "negative" in one]
    assert all(name in warning for name in NO_ESTIMATOR)
    assert {finding.observable for finding in verdict.findings if finding.judge == "classifier_auc"} == {
        "observables (perceptron)"
    }
    assert verdict.stated.outcome != "fail"
    by_name = {f.observable: f for f in verdict.findings if f.judge == "wasserstein_distance"}
    assert by_name["x"].details["in_units"] == pytest.approx(
        distances(truth["x"].values, values, weights)["wasserstein"]
    )
    assert write(verdict, tmp_path).exists()


def test_showers_with_negative_weights_get_a_verdict() -> None:
    weights = np.where(np.random.default_rng(5).random(220) < 0.15, -1.0, 1.0)
    weighted = toy_events(220, 2, width=1.4).assign(weight=number(weights, "weight"))
    verdict = judge(toy_events(220, 1), weighted, seed=1)
    assert verdict.stated.outcome == "fail"
    assert {"response_linearity", "energy_resolution", "misplaced_energy"} <= {f.judge for f in verdict.findings}


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_the_scale_of_weights_does_not_count(scale: float) -> None:
    weights = np.random.default_rng(6).uniform(0.5, 1, 210)
    truth = sample(table(210, 1))
    found = []
    for factor in (1.0, scale):
        generated = sample(table(210, 2, weights=weights * factor))
        replicates = Replicates.draw(truth.weights, generated.weights, np.random.default_rng(7))
        findings = judge_distributions(truth, generated, truth, replicates)[0]
        found.append([(f.value, f.uncertainty, f.truth_value) for f in findings])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


def test_one_event_with_all_the_weight_is_refused_by_name() -> None:
    weights = np.full(210, 1e-12)
    weights[7] = 1.0
    events = table(210, 1, weights=weights)
    with pytest.raises(JudgeError, match=r"worth 1, too few .* the largest weight, of event 7, is 100\.00% of all"):
        sample(events)


def test_weights_whose_sum_is_not_positive_are_refused() -> None:
    weights = np.where(np.arange(210) % 3 == 0, 1.0, -1.0)
    with pytest.raises(JudgeError, match="add up to -70, which is not positive"):
        sample(table(210, 1, weights=weights))
