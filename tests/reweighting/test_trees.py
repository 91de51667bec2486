"""Trees find the ratio of shifted Gaussians."""

from __future__ import annotations

import numpy as np
import pytest

from gaussian_shift import exact_weights, log_ratio, samples
from simulacra.reweighting.closure import Observable, judge_closure
from simulacra.reweighting.trees import TreeReweighter, TreeSettings
from simulacra.reweighting.weights_summary import summarise_weights

SMALL = TreeSettings(trees=60)


def features(x: np.ndarray, seed: int) -> np.ndarray:
    return np.column_stack([x, np.random.default_rng([7, seed]).normal(size=len(x))])


@pytest.mark.parametrize("calibration", ["temperature", "isotonic"])
@pytest.mark.parametrize(("n", "m"), [(8000, 8000), (40_000, 1000)])
def test_ratio_of_gaussians_whatever_the_sizes(calibration: str, n: int, m: int) -> None:
    """The mean error of the log-ratio is a fifth of its spread with equal sizes, and half of it with few events."""
    source, target = samples(n, m, 1, 1.0)
    settings = SMALL.model_copy(update={"calibration": calibration})
    trees = TreeReweighter(settings).fit(features(source, 1), features(target, 2), seed=3)
    fresh, _ = samples(4000, 1, 4)
    off = trees.log_odds(features(fresh, 5)) - log_ratio(fresh, 1.0)
    assert np.abs(off).mean() < (0.25 if m == n else 0.45)
    assert summarise_weights(trees.weights(features(fresh, 5))).normalisation == pytest.approx(1, abs=0.12)


def test_closure_on_events_that_the_trees_have_not_seen() -> None:
    """Weights close where exact ones of a shift of 0.4 for 0.5 would not; seeded, the p-value is one number."""
    source, target = samples(20_000, 20_000, 6)
    trees = TreeReweighter(SMALL).fit(features(source, 7), features(target, 8), seed=9)
    fresh, truth = samples(3000, 3000, 10)
    (found,) = judge_closure([Observable("x", "1", fresh, truth)], trees.weights(features(fresh, 11)))
    assert found.after.reduced < 2 < found.before.reduced


def test_own_weights_count() -> None:
    """A target drawn like the source and weighted by the ratio of densities is the target."""
    source, other = samples(10_000, 1, 12)[0], samples(10_000, 1, 13)[0]
    trees = TreeReweighter(SMALL).fit(
        features(source, 14), features(other, 15), target_weights=exact_weights(other, 1.0), seed=16
    )
    fresh, _ = samples(4000, 1, 17)
    assert np.abs(trees.log_odds(features(fresh, 18)) - log_ratio(fresh, 1.0)).mean() < 0.3


def test_the_same_seed_gives_the_same_weights_and_equal_samples_weights_near_one() -> None:
    source, target = samples(2000, 2000, 19, 0.0)
    first, again = (TreeReweighter(SMALL).fit(features(source, 20), features(target, 21), seed=22) for _ in range(2))
    np.testing.assert_array_equal(first.weights(features(source, 20)), again.weights(features(source, 20)))
    assert np.abs(first.log_odds(features(source, 20))).mean() < 0.3


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        (np.ones((60, 2)), np.ones((60, 3)), {}, "2 features and the target 3"),
        (np.ones((60, 2)), np.ones((49, 2)), {}, "50 events of each sample, not 60 of the source and 49"),
        (np.ones(60), np.ones((60, 2)), {}, "one row of numbers"),
        (np.ones((60, 2)), np.ones((0, 2)), {}, "one row of numbers"),
        (np.full((60, 1), np.nan), np.ones((60, 1)), {}, "not finite in 60 events, the first in row 0"),
        (
            np.ones((60, 1)),
            np.ones((60, 1)),
            {"target_weights": np.r_[-1.0, np.ones(59)]},
            "a reweighter with networks",
        ),
        (np.ones((60, 1)), np.ones((60, 1)), {"source_weights": np.zeros(60)}, "are zero"),
    ],
)
def test_what_trees_cannot_learn_from_is_refused(
    source: np.ndarray, target: np.ndarray, options: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TreeReweighter().fit(source, target, **options, seed=1)


def test_untrained_trees_and_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match="call fit first"):
        TreeReweighter().weights(np.ones((3, 1)))
    source, target = samples(200, 200, 23)
    trees = TreeReweighter(SMALL).fit(source[:, None], target[:, None], seed=1)
    with pytest.raises(ValueError, match="trained on 1 features, not 2"):
        trees.weights(np.ones((3, 2)))
