"""Pass with weights: what weights can mend is mended on events that no training saw, and what they cannot is not."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.judges.classifiers.corrected import LARGEST_WEIGHT, Correction, judge_corrected
from simulacra.judges.criteria import WITH_WEIGHTS
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from toy_tables import numbered, toy_table

Judged = tuple[list[Finding], Correction | None]


def sample(values: np.ndarray, weights: np.ndarray | None = None) -> Sample:
    return toy_table(numbered(values), weights=weights)


def gaussians(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(n, 2))
    values[:, 0] += shift
    return values


def found(findings: list[Finding], judge: str, observable: str) -> Finding:
    return next(f for f in findings if (f.judge, f.observable) == (judge, observable))


@pytest.fixture(scope="module")
def shifted() -> Judged:
    return judge_corrected(sample(gaussians(2000, 1)), sample(gaussians(2000, 2, 0.7)), np.random.default_rng(3))


def test_weights_mend_a_shift(shifted: Judged) -> None:
    findings, correction = shifted
    assert correction is not None
    # Without weights the best AUC is Phi(0.7 / sqrt 2) = 0.69 and W1 is 0.7.
    auc = found(findings, "classifier_auc", "observables (trees)")
    assert auc.value < 0.56
    distance = found(findings, "wasserstein_distance", "x_0")
    assert distance.value < 0.15
    assert {f.region for f in findings} == {WITH_WEIGHTS}
    assert auc.truth_value is not None
    assert auc.p_value is not None


def test_weights_are_the_ratio_of_the_densities(shifted: Judged) -> None:
    _, correction = shifted
    assert correction is not None
    values = gaussians(2000, 2, 0.7)[correction.rows]
    exact = np.exp(-0.7 * values[:, 0] + 0.245)
    assert np.corrcoef(np.log(correction.weights), np.log(exact))[0, 1] > 0.9
    # The exact weights leave exp(-0.49) = 61 % of the events; shrunken ones somewhat more.
    assert 0.5 < correction.effective_share < 0.8
    assert correction.weights.mean() == pytest.approx(1.0)
    assert correction.largest <= 1.5 * LARGEST_WEIGHT
    assert len(correction.rows) == 1000
    assert "1,000 generated events are worth" in correction.sentence


def test_equal_samples_keep_their_events() -> None:
    findings, correction = judge_corrected(
        sample(gaussians(900, 4)), sample(gaussians(900, 5)), np.random.default_rng(6)
    )
    assert correction is not None
    assert correction.effective_share > 0.9
    auc = found(findings, "classifier_auc", "observables (trees)")
    # 3.5 standard deviations: 1 in 2,000.
    assert auc.value == pytest.approx(0.5, abs=3.5 * auc.uncertainty)


def test_what_is_not_generated_cannot_be_weighted_into_being() -> None:
    # One of two modes is missing: the truth's other half stays apart, whatever the weights.
    truth, generated = gaussians(800, 7), gaussians(800, 8)
    truth[::2, 0] += 8
    findings, correction = judge_corrected(sample(truth), sample(generated), np.random.default_rng(9))
    assert correction is not None
    assert found(findings, "classifier_auc", "observables (trees)").value > 0.7
    assert found(findings, "wasserstein_distance", "x_0").value > 0.5


def test_the_events_own_weights_count() -> None:
    # Generated events that own weights already bring to the truth are left alone.
    values = gaussians(1800, 10, 0.7)
    own = np.exp(-0.7 * values[:, 0] + 0.245)
    _, correction = judge_corrected(sample(gaussians(1800, 11)), sample(values, own), np.random.default_rng(12))
    assert correction is not None
    assert correction.effective_share > 0.85
    assert np.average(correction.weights, weights=own[correction.rows]) == pytest.approx(1.0)


def test_few_events_are_not_judged() -> None:
    assert judge_corrected(sample(gaussians(150, 1)), sample(gaussians(900, 2)), np.random.default_rng(3)) == ([], None)


def test_the_same_seed_gives_the_same() -> None:
    samples = sample(gaussians(220, 13)), sample(gaussians(220, 14, 0.3))
    first, again = (judge_corrected(*samples, np.random.default_rng(15)) for _ in range(2))
    assert first[0] == again[0]
