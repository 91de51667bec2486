"""The judge of validations: distances in closed form, errors of paired differences, weights, what it refuses."""

import numpy as np
import pytest

from simulacra.statistics.validation import Validation, ValidationJudge, error_of_difference


def table(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal([shift, 3.0], [1.0, 2.0], (n, 2))


def test_a_shift_costs_its_size_in_standard_deviations() -> None:
    """W1 of a translation is the translation, whatever the distribution: exact, not within an error."""
    truth = table(500, 1)
    judge = ValidationJudge(truth, seed=1, names=("a", "b"), alarm=False)
    found = judge.check(truth + np.array([0.25, -0.5])).values
    width = truth.std(axis=0)
    assert found["wasserstein/a"] == pytest.approx(0.25 / width[0])
    assert found["wasserstein/b"] == pytest.approx(0.5 / width[1])
    assert found["score"] == pytest.approx((0.25 / width[0] + 0.5 / width[1]) / 2)
    assert judge.check(truth).values["score"] == 0


def test_bins_of_the_conditions_see_what_the_whole_does_not() -> None:
    """A generator that ignores its condition has the right marginal distribution."""
    rng = np.random.default_rng(2)
    condition = rng.uniform(0, 1, 4000)
    truth = (condition + rng.normal(0, 0.01, 4000))[:, None]
    deaf = rng.permutation(truth)
    whole = ValidationJudge(truth, seed=1, alarm=False).check(deaf).values["score"]
    binned = ValidationJudge(truth, condition[:, None], seed=1, alarm=False).check(deaf).values["score"]
    assert whole == 0
    # In units of a bin's width, 1/4/sqrt(12): the mean of |u - v| of quantiles of a quarter and of the whole.
    assert binned > 2


def test_replicates_scatter_as_new_samples_do() -> None:
    """The bootstrap error of a clear difference against the scatter of 200 fresh pairs of samples."""
    scores = [
        ValidationJudge(table(300, k), seed=1, alarm=False).check(table(300, 1000 + k, 0.5)).values["score"]
        for k in range(200)
    ]
    errors = [
        ValidationJudge(table(300, k), seed=1, alarm=False).check(table(300, 1000 + k, 0.5)).score_error
        for k in range(10)
    ]
    assert np.mean([e for e in errors if e is not None]) == pytest.approx(np.std(scores), rel=0.25)


def test_the_error_of_a_difference_is_that_of_fresh_events() -> None:
    """Two generators on the same truth and noise: the difference of their scores over 200 fresh samples of events."""
    differences, errors = [], []
    for k in range(200):
        truth, noise = table(300, k), table(300, 1000 + k)
        judge = ValidationJudge(truth, seed=1, alarm=False)
        first, second = (judge.check(noise * (a, 1.0) + np.array([b, 0.0])) for a, b in ((1.0, 0.5), (1.1, 0.45)))
        differences.append(second.values["score"] - first.values["score"])
        errors.append(error_of_difference(first.replicates, second.replicates))
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.2)
    alone = [ValidationJudge(table(300, 1), seed=1, alarm=False).check(table(300, 1001, 0.5)).score_error]
    assert np.mean(errors) < 0.5 * float(alone[0] or 0), "what both share cancels"


def test_equal_generators_rarely_make_progress() -> None:
    """A change without meaning exceeds its error by chance alone: one side of one sigma, 16 %.

    With 300 pairs of generators the share lies within 16 +- 7 % but for one seed in a thousand.
    """
    better = 0
    for k in range(300):
        judge = ValidationJudge(table(200, k), seed=1, alarm=False)
        first, second = (judge.check(table(200, 1000 * j + k, 0.4)) for j in (3, 4))
        gained = first.values["score"] - second.values["score"]
        better += gained > error_of_difference(first.replicates, second.replicates)
    assert 0.09 < better / 300 < 0.23


def test_an_event_of_weight_two_equals_two_events() -> None:
    truth, generated = table(100, 1), table(100, 2, 0.3)
    weights = np.random.default_rng(5).integers(0, 3, 100)
    doubled = ValidationJudge(np.repeat(truth, weights, axis=0), seed=1, alarm=False)
    weighted = ValidationJudge(truth, weights=weights, seed=1, alarm=False)
    fake = np.repeat(generated, weights, axis=0)
    assert weighted.check(generated, weights=weights).values["score"] == pytest.approx(
        doubled.check(fake).values["score"]
    )


def test_a_reweighted_sample_is_judged_as_its_target() -> None:
    x = np.random.default_rng(1).uniform(-5, 5, 20_000)
    density = np.exp(-0.5 * x**2)
    target = np.random.default_rng(2).normal(0, 1, 20_000)
    judge = ValidationJudge(target[:, None], seed=1, replicates=2, alarm=False)
    # W1 of two samples of this size from one Gaussian is about 0.012.
    assert judge.check(x[:, None], weights=density).values["score"] < 0.05
    assert judge.check(x[:, None]).values["score"] > 1


def test_generated_events_at_other_conditions_are_judged_in_the_truths_bins() -> None:
    rng = np.random.default_rng(3)
    condition, other = rng.uniform(0, 1, 800), rng.uniform(0.2, 1, 500)
    truth, generated = (c[:, None] + rng.normal(0, 0.1, (len(c), 1)) for c in (condition, other))
    judge = ValidationJudge(truth, condition[:, None], seed=1, alarm=False)
    found = judge.check(generated, other[:, None])
    assert 0 < found.values["score"] < 0.6
    assert found == judge.check(generated, other[:, None])


def five_modes(n: int, seed: int, modes: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    place = 2 * np.pi * rng.integers(0, modes, n) / 5
    return 5 * np.column_stack([np.cos(place), np.sin(place)]) + rng.normal(0, 0.3, (n, 2))


def test_a_lost_mode_raises_the_alarm_and_all_five_do_not() -> None:
    """The alarm's own false alarms are below 1 % a check; here none in 20."""
    judge = ValidationJudge(five_modes(800, 1), seed=1, names=("a", "b"))
    found = [judge.check(five_modes(800, 100 + k)) for k in range(20)]
    assert not any(one.alarm or one.values["modes/alarm"] for one in found)
    lost = judge.check(five_modes(800, 2, modes=4))
    assert lost.values["modes/alarm"] == 1
    assert "lost" in lost.alarm
    assert lost.values["modes/effective"] < lost.values["modes/truth_effective"]
    assert lost.values["modes/p_value"] < 0.01
    assert all(isinstance(value, float) for value in lost.values.values())


def test_few_events_raise_no_alarm() -> None:
    truth = table(60, 1)
    assert not any(name.startswith("modes/") for name in ValidationJudge(truth, seed=1).check(truth + 9).values)


def test_frechet_distance_of_a_shift_and_a_stretch_of_gaussians() -> None:
    """In the truth's standard deviations, |shift|^2 + (stretch - 1)^2: an identity of the samples' own moments."""
    truth = table(500, 1)
    mean, width = truth.mean(axis=0), truth.std(axis=0)
    made = mean + (truth - mean) * [1.2, 1.0] + np.array([0.5, 0.0]) * width
    judge = ValidationJudge(truth, seed=1, alarm=False)
    covariance = np.cov(truth.T)
    assert abs(covariance[0, 1]) > 0
    assert judge.check(made).values["frechet"] == pytest.approx(0.25 + 0.04, rel=0.02)
    assert judge.check(truth).values["frechet"] == pytest.approx(0, abs=1e-9)


def test_the_score_is_binned_in_the_conditions_that_are_named() -> None:
    rng = np.random.default_rng(2)
    conditions = rng.uniform(0, 1, (400, 2))
    truth, made = (conditions[:, :1] + rng.normal(0, 0.1, (400, 1)) for _ in range(2))
    first = ValidationJudge(truth, conditions, seed=1, binned=(0,), alarm=False).check(made).values["score"]
    second = ValidationJudge(truth, conditions, seed=1, binned=(1,), alarm=False).check(made).values["score"]
    both = ValidationJudge(truth, conditions, seed=1, alarm=False).check(made).values["score"]
    assert first == ValidationJudge(truth, conditions[:, :1], seed=1, alarm=False).check(made).values["score"]
    assert both == pytest.approx((first + second) / 2)


def test_a_constant_feature_is_left_out_and_nothing_else_is_refused() -> None:
    truth = np.column_stack([np.ones(50), np.arange(50.0)])
    assert set(ValidationJudge(truth, seed=1, alarm=False).check(truth).values) == {
        "score",
        "frechet",
        "wasserstein/feature_1",
    }
    with pytest.raises(ValueError, match="no feature varies in the truth"):
        ValidationJudge(np.ones((50, 2)), seed=1, alarm=False).check(np.ones((50, 2)))


def test_bad_input_is_refused_by_name() -> None:
    truth = table(50, 1)
    broken = truth.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="'b' of the truth holds NaN or infinity"):
        ValidationJudge(broken, seed=1, names=("a", "b"))
    judge = ValidationJudge(truth, seed=1, names=("a", "b"))
    with pytest.raises(ValueError, match="'b' of the generated events holds NaN"):
        judge.check(broken)
    with pytest.raises(ValueError, match="40 generated events without conditions do not fit 50"):
        judge.check(truth[:40])
    with pytest.raises(ValueError, match="3 features of generated events do not fit 2"):
        judge.check(np.ones((50, 3)))
    with pytest.raises(ValueError, match="give a table"):
        judge.check(truth[:, 0])
    with pytest.raises(ValueError, match="not negative and not all 0"):
        ValidationJudge(truth, weights=-np.ones(50), seed=1, alarm=False)
    with pytest.raises(ValueError, match="2 features have 1 names"):
        ValidationJudge(truth, seed=1, names=("a",))


def test_errors_without_replicates() -> None:
    assert Validation({"score": 1.0}).score_error is None
    some = (1.0, 2.0, 3.0)
    assert error_of_difference((), ()) == 0
    assert error_of_difference((), some) == 1.0
    assert error_of_difference(some, [5.0, 6.0, 7.0]) == 0
