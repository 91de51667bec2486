"""Deep sets as a two-sample classifier: what they see, what they must not see, and how often they err."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simulacra.judges.classifiers.separability import judge_separability
from simulacra.judges.samples import Cloud, Sample
from simulacra.statistics.classifiers.deep_sets import DeepSets, classify_clouds

QUICK = DeepSets(particle_widths=(16, 16), event_widths=(16,), summary=8, epochs=15, learning_rate=5e-3, folds=3)

Clouds = tuple[np.ndarray, np.ndarray]


def clouds(n: int, seed: int, *, correlation: float = 0.0, most: int = 8) -> Clouds:
    """Return events of 3 to ``most`` particles with two features each, whose product has this mean."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, most, 2)).astype(np.float32)
    features[..., 1] = correlation * features[..., 0] + np.sqrt(1 - correlation**2) * features[..., 1]
    present = np.arange(most) < rng.integers(3, most + 1, n)[:, None]
    return features * present[..., None], present


def test_wrong_correlations_within_particles_are_seen() -> None:
    result = classify_clouds(clouds(800, 1), clouds(800, 2, correlation=0.7), settings=QUICK, seed=3)
    assert result.method == "deep_sets"
    assert result.auc > 0.6
    assert result.p_value < 1e-4
    assert result.information > 2 * result.information_uncertainty
    assert result.aucs.shape == (1, 3)
    assert result.truth_log_odds.shape == (800,)


def test_equal_clouds_are_seldom_called_different() -> None:
    # More than 3 of 12 draws with p < 0.05 have a probability of 0.2 %.
    quick = DeepSets(particle_widths=(8,), event_widths=(8,), summary=4, epochs=2, folds=3)
    found = [
        classify_clouds(clouds(120, 10 + 2 * s), clouds(120, 11 + 2 * s), settings=quick, seed=s).p_value
        for s in range(12)
    ]
    assert sum(p < 0.05 for p in found) <= 3


def test_the_order_and_padding_of_particles_do_not_matter() -> None:
    truth, generated = clouds(150, 4), clouds(150, 5, correlation=0.5)
    turned = [
        (np.pad(f[:, ::-1], ((0, 0), (0, 3), (0, 0))), np.pad(p[:, ::-1], ((0, 0), (0, 3))))
        for f, p in (truth, generated)
    ]
    first = classify_clouds(truth, generated, settings=QUICK, seed=6)
    second = classify_clouds(*turned, settings=QUICK, seed=6)
    # Sums in another order differ in their last bits.
    assert second.auc == pytest.approx(first.auc, abs=0.02)


def test_what_stands_where_no_particle_is_does_not_matter() -> None:
    truth, generated = clouds(150, 7), clouds(150, 8)
    dirty = generated[0].copy()
    dirty[~generated[1]] = 1e6
    first, second = (classify_clouds(truth, (f, generated[1]), settings=QUICK, seed=9) for f in (generated[0], dirty))
    assert first.auc == second.auc


def test_a_condition_that_the_particles_ignore_is_seen() -> None:
    # Truth's particles follow the condition; generated ones have the right distribution, but not event by event.
    rng = np.random.default_rng(20)
    condition = rng.normal(size=(2, 800, 1))
    (truth, here), (generated, there) = clouds(800, 21), clouds(800, 22)
    truth[..., 0] += (condition[0] * here).astype(np.float32)
    generated[..., 0] += (rng.permutation(condition[1]) * there).astype(np.float32)
    blind = classify_clouds((truth, here), (generated, there), settings=QUICK, seed=23)
    given = {"truth_conditions": condition[0], "generated_conditions": condition[1]}
    seeing = classify_clouds((truth, here), (generated, there), settings=QUICK, seed=23, **given)
    assert blind.auc < 0.56
    assert seeing.auc > blind.auc + 0.1


def test_weights_that_undo_a_difference() -> None:
    # Generated events have too many particles; weights bring the numbers back.
    truth, (features, present) = clouds(600, 30), clouds(1800, 31)
    number = present.sum(axis=1)
    rng = np.random.default_rng(32)
    kept = np.flatnonzero(rng.random(1800) < number / 8)
    generated, weights = (features[kept], present[kept]), 8 / number[kept]
    plain = classify_clouds(truth, generated, settings=QUICK, seed=33)
    mended = classify_clouds(truth, generated, generated_weights=weights, settings=QUICK, seed=33)
    assert plain.p_value < 1e-3
    # 3.3 standard deviations: 1 in 2,000.
    assert mended.auc == pytest.approx(0.5, abs=3.3 * mended.uncertainty)
    assert mended.p_value > 0.01


def test_the_same_seed_gives_the_same_and_leaves_torchs_state() -> None:
    samples = clouds(120, 40), clouds(120, 41)
    before = torch.random.get_rng_state()
    first, again, other = (classify_clouds(*samples, settings=QUICK, seed=s).auc for s in (1, 1, 2))
    assert first == again != other
    assert torch.equal(before, torch.random.get_rng_state())


def test_unusable_clouds_are_refused() -> None:
    features, present = clouds(60, 50)
    with pytest.raises(ValueError, match="mask"):
        classify_clouds((features, present[:, :3]), (features, present))
    with pytest.raises(ValueError, match="have no particles"):
        classify_clouds((features, present & False), (features, present & False))
    with pytest.raises(ValueError, match="NaN"):
        classify_clouds((np.where(features == 0, features, np.nan), present), (features, present))
    with pytest.raises(ValueError, match="conditions of the generated"):
        classify_clouds((features, present), (features, present), generated_conditions=np.ones((59, 1)))


def test_a_sample_of_clouds_is_judged_by_its_particles() -> None:
    def events(n: int, seed: int, correlation: float) -> Sample:
        features, present = clouds(n, seed, correlation=correlation)
        number = present.sum(axis=1).astype(float)
        return Sample(
            label="toy",
            kind="clouds",
            cells=None,
            cloud=Cloud(features, present, ("x", "y")),
            conditions={"energy": np.random.default_rng(seed).random(n)},
            observables={"number": number},
            weights=np.ones(n),
            units={"energy": "GeV", "number": "1"},
            long_names={"energy": "energy", "number": "number of particles"},
            provenance={},
        )

    findings, rocs = judge_separability(events(200, 60, 0.0), events(200, 61, 0.9), seed=62)
    (particles,) = (roc for roc in rocs if roc.observable == "particles (deep_sets)")
    (observables,) = (roc for roc in rocs if roc.observable == "observables (trees)")
    assert particles.judged.auc > 0.75
    # The number of particles alone tells nothing: 4 standard deviations.
    assert abs(observables.judged.auc - 0.5) < 4 * observables.judged.uncertainty
    assert any(f.sentence.startswith("Deep sets on the particles tell") for f in findings)
