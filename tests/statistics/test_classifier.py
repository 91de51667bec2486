"""Classifiers on samples whose best possible AUC is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from simulacra.judges.classifiers import separability
from simulacra.judges.kinds import arrays as arrays_kind
from simulacra.judges.samples import Sample
from simulacra.statistics.classifiers.classifier import cell_features, classify
from simulacra.statistics.classifiers.members import cross_validation
from simulacra.statistics.classifiers.perceptron import CALOCHALLENGE, Perceptron
from simulacra.statistics.classifiers.platt import fit_platt
from simulacra.statistics.classifiers.ranks import area_of, standard_score

QUICK = Perceptron(width=32, epochs=15)


def gaussians(n: int, shift: float, seed: int, dimensions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth, generated = rng.normal(0, 1, (2, n, dimensions))
    generated[:, 0] += shift
    return truth, generated


def test_areas_by_hand() -> None:
    scores, labels = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 1, 0, 1])
    # Pairs (1 over 0): 0.4 > 0.1, 0.4 = 0.4, 0.8 > 0.1, 0.8 > 0.4.
    assert area_of(scores, labels, np.ones(4)).auc == pytest.approx(3.5 / 4)
    assert area_of(scores, labels, np.array([1.0, 1.0, 0.0, 1.0])).auc == pytest.approx(1.0)
    assert area_of(scores, labels, np.array([1.0, 3.0, 1.0, 1.0])).auc == pytest.approx((3 + 1.5 + 2) / 8)


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_same_distribution_gives_one_half(kind: str) -> None:
    result = classify(*gaussians(500, 0.0, seed=1), kind, seed=1, perceptron=QUICK)
    assert result.auc == pytest.approx(0.5, abs=3 * result.uncertainty)
    assert 0.005 < result.uncertainty < 0.05
    assert result.aucs.shape == (2, 5)


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_planted_shift_gives_the_auc_of_the_best_classifier(kind: str) -> None:
    # The best AUC for a shift d of a unit Gaussian is Phi(d / sqrt 2); a trained classifier comes close from below.
    result = classify(*gaussians(1500, 1.0, seed=2), kind, seed=2, perceptron=QUICK)
    best = 0.5 * (1 + math.erf(0.5))
    assert best - 0.03 < result.auc < best + 3 * result.uncertainty
    assert (np.diff(result.efficiency) >= 0).all()
    assert result.efficiency[0] == pytest.approx(0.0, abs=0.1)
    assert result.efficiency[-1] == 1.0


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_weights_that_undo_the_shift(kind: str) -> None:
    truth, generated = gaussians(1500, 0.6, seed=3)
    weights = np.exp(-0.6 * generated[:, 0] + 0.18)
    plain = classify(truth, generated, kind, seed=3, perceptron=QUICK)
    weighted = classify(truth, generated, kind, generated_weights=weights, seed=3, perceptron=QUICK)
    assert plain.auc > 0.6
    assert weighted.auc == pytest.approx(0.5, abs=3.5 * weighted.uncertainty)


def test_samples_of_different_sizes() -> None:
    truth, generated = gaussians(900, 0.0, seed=4)
    result = classify(truth, generated[:300], "trees", seed=4)
    assert (result.n_truth, result.n_generated) == (900, 300)
    assert result.auc == pytest.approx(0.5, abs=3 * result.uncertainty)


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_the_same_seed_gives_the_same_auc(kind: str) -> None:
    samples = gaussians(200, 0.3, seed=5)
    first, again, other = (classify(*samples, kind, seed=seed, perceptron=QUICK).auc for seed in (6, 6, 7))
    assert first == again != other


def test_a_condition_that_differs_between_features_alone_is_found() -> None:
    # Right marginals, wrong dependence on the condition: only a classifier that sees the condition can tell.
    rng = np.random.default_rng(8)
    condition = rng.normal(0, 1, (2, 1500))
    truth = np.column_stack([condition[0], condition[0] + 0.5 * rng.normal(0, 1, 1500)])
    generated = np.column_stack([condition[1], rng.permutation(condition[1]) + 0.5 * rng.normal(0, 1, 1500)])
    assert classify(truth, generated, "trees", seed=8).auc > 0.75
    assert classify(truth[:, 1:], generated[:, 1:], "trees", seed=8).auc < 0.55


def test_too_few_events_are_refused() -> None:
    with pytest.raises(ValueError, match="10 events of each sample"):
        classify(*gaussians(9, 0.0, seed=1), "trees")


def test_cell_features_hide_what_lies_below_the_threshold() -> None:
    cells = np.array([[0.0, 0.009, 1.0, 1000.0]])
    features = cell_features(cells, np.array([1.0]), threshold=0.01)
    assert features.shape == (1, 5)
    assert features[0, :2].tolist() == [0.0, 0.0]
    assert features[0, 3] == pytest.approx(5.0, abs=1e-3)
    assert features[0, 4] == 0.0
    # Energies count relative to the incident one.
    assert cell_features(10 * cells, np.array([10.0]))[0, 3] == pytest.approx(features[0, 3])


@pytest.mark.parametrize(("kind", "draws"), [("trees", 40), ("perceptron", 40)])
def test_equal_samples_are_seldom_called_different(kind: str, draws: int) -> None:
    # 5 % of the draws have p < 0.05, and more than 6 of 40 with a probability of 0.3 %.
    # A permutation of the labels of judged events, which forgets that folds share events, rejects 10 % (trees, 300).
    p_values = []
    for draw in range(draws):
        samples = gaussians(120, 0.0, seed=100 + draw)
        quick = Perceptron(width=8, epochs=4, patience=2)
        p_values.append(classify(*samples, kind, seed=draw, perceptron=quick, folds=3, repetitions=1).p_value)
    assert np.count_nonzero(np.array(p_values) < 0.05) <= 6
    # Uniform: a Kolmogorov-Smirnov distance this large is seen in 0.1 % of all cases.
    place = np.arange(1, draws + 1) / draws
    assert np.abs(np.sort(p_values) - place).max() < 1.95 / math.sqrt(draws)


def test_a_difference_has_a_small_p_value_and_the_information_of_its_densities() -> None:
    # Jensen-Shannon divergence of N(0,1) and N(1,1): 0.1608 bit, of which a classifier reaches at most as much.
    x = np.linspace(-12, 13, 20001)
    p, q = (np.exp(-((x - shift) ** 2) / 2) / math.sqrt(2 * math.pi) for shift in (0, 1))
    mixture = (p + q) / 2
    best = 0.5 * np.trapezoid(p * np.log2(p / mixture) + q * np.log2(q / mixture), x)
    truth, generated = gaussians(3000, 1.0, seed=11, dimensions=1)
    result = classify(truth, generated, "trees", seed=11, repetitions=1)
    assert result.p_value < 1e-6
    assert best - 0.03 < result.information < best + 3 * result.information_uncertainty
    # The calibrated log-odds are the log ratio of the densities, x - 1/2, to within what 3,000 events tell.
    inner = np.abs(truth[:, 0] - 0.5) < 1.5
    slope = np.polyfit(truth[inner, 0], result.truth_log_odds[inner], 1)[0]
    assert slope == pytest.approx(1.0, abs=0.15)
    assert result.ensemble_auc == pytest.approx(result.auc, abs=0.01)


def test_log_odds_belong_to_their_events() -> None:
    truth, generated = gaussians(600, 1.5, seed=12, dimensions=1)
    result = classify(truth, generated, "trees", seed=12)
    assert result.truth_log_odds.shape == result.generated_log_odds.shape == (600,)
    assert np.corrcoef(result.truth_log_odds, truth[:, 0])[0, 1] > 0.7
    assert np.corrcoef(result.generated_log_odds, generated[:, 0])[0, 1] > 0.7
    assert result.without_events().truth_log_odds.size == 0


def test_information_of_equal_samples_is_not_above_zero() -> None:
    # Calibration on other folds must not leak: the mean of 12 draws is within 3.5 of its errors of 0, or below.
    found = [
        classify(*gaussians(150, 0.0, seed=s), "trees", seed=s, folds=3, repetitions=1).information for s in range(12)
    ]
    assert np.mean(found) < 3.5 * np.std(found) / math.sqrt(12)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_of_an_area_is_that_of_a_bootstrap(weighted: bool) -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(13)
    labels = np.repeat([0, 1], 400)
    scores = np.round(rng.normal(0.5 * labels, 1), 1)  # with ties
    weights = rng.gamma(2, 0.5, 800) if weighted else np.ones(800)
    found = area_of(scores, labels, weights)
    drawn = [roc_auc_score(labels, scores, sample_weight=rng.poisson(1.0, 800) * weights) for _ in range(600)]
    assert found.auc == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))
    # A standard deviation of 600 draws is known to 3 %.
    assert found.uncertainty == pytest.approx(np.std(drawn), rel=0.12)


def test_the_standard_score_is_that_of_the_rank_sum_test() -> None:
    from scipy.stats import mannwhitneyu, norm

    rng = np.random.default_rng(14)
    labels = np.repeat([0, 1], [70, 50])
    scores = np.round(rng.normal(0.3 * labels, 1), 1)
    expected = mannwhitneyu(
        scores[labels == 1], scores[labels == 0], alternative="greater", method="asymptotic", use_continuity=False
    )
    z = standard_score(scores, labels, np.ones(120))
    assert norm.sf(z) == pytest.approx(expected.pvalue, rel=0.02)
    # Weights that are almost equal take the other way to nearly the same number.
    assert standard_score(scores, labels, 1 + 1e-6 * rng.random(120)) == pytest.approx(z, rel=0.05)


def test_growing_members_learn_from_the_past_alone() -> None:
    labels = np.repeat([0, 1], 50)
    plan = cross_validation(labels, 5, 2, np.random.default_rng(15))
    for number, place in enumerate(plan.growing, start=1):
        member = plan.members[place]
        assert set(plan.folds[0, member.held_out]) == {number}
        assert set(plan.folds[0, member.training]) == set(range(number))


def test_calibration_finds_the_slope_of_overconfident_odds() -> None:
    rng = np.random.default_rng(16)
    x = np.concatenate([rng.normal(0, 1, 20_000), rng.normal(1, 1, 20_000)])
    labels = np.repeat([0, 1], 20_000)
    slope, offset = fit_platt(3 * (x - 0.5) + 2, labels, np.ones(40_000))
    # The statistical error of the slope, times three, is 0.015 (20 draws); that of the offset 0.02.
    assert slope == pytest.approx(1 / 3, abs=0.02)
    assert offset == pytest.approx(-2 / 3, abs=0.05)
    assert fit_platt(-x, labels, np.ones(40_000)) == (0.0, 0.0)
    perfect = fit_platt(np.repeat([-1.0, 1.0], 50), np.repeat([0, 1], 50), np.ones(100))
    assert 0 < perfect[0] < 10


def test_the_calochallenges_protocol_quotes_a_fifth_of_the_events() -> None:
    tiny = replace(CALOCHALLENGE, width=16, epochs=8, batch_size=100, learning_rate=5e-3)
    truth, generated = gaussians(1000, 1.0, seed=17)
    result = classify(truth, generated, "perceptron", seed=17, perceptron=tiny, protocol="calochallenge")
    assert (result.n_truth, result.n_generated) == (200, 200)
    best = 0.5 * (1 + math.erf(0.5))
    assert abs(result.auc - best) < 0.1
    assert result.p_value < 1e-6
    assert np.isfinite(result.truth_log_odds).all()
    assert np.corrcoef(result.truth_log_odds, truth[result.truth_rows, 0])[0, 1] > 0.7
    with pytest.raises(ValueError, match="is for perceptrons"):
        classify(truth, generated, "trees", protocol="calochallenge")


def test_the_calochallenges_preset_is_the_papers() -> None:
    assert (CALOCHALLENGE.width, CALOCHALLENGE.batch_size, CALOCHALLENGE.epochs) == (2048, 1000, 50)
    assert (CALOCHALLENGE.learning_rate, CALOCHALLENGE.weight_decay, CALOCHALLENGE.chosen_by) == (2e-4, 0, "accuracy")


def test_unusable_samples_are_refused() -> None:
    truth, generated = gaussians(50, 0.0, seed=18)
    broken = truth.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="truth events hold NaN"):
        classify(broken, generated, "trees")
    with pytest.raises(ValueError, match="with the same number of features"):
        classify(truth, generated[:, :2], "trees")
    with pytest.raises(ValueError, match="weights of the generated"):
        classify(truth, generated, "trees", generated_weights=-np.ones(50))


@pytest.mark.parametrize("most_columns", [20, 19])
def test_arrays_are_judged_by_their_values_and_rows_are_those_of_the_samples(
    most_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where there are more columns, random projections of them are judged.
    monkeypatch.setattr(arrays_kind, "MOST_COLUMNS", most_columns)
    monkeypatch.setattr(arrays_kind, "PROJECTIONS", 15)

    def arrays(n: int, seed: int, shift: float) -> Sample:
        rng = np.random.default_rng(seed)
        values = (rng.normal(size=(n, 20)) * np.linspace(1, 5, 20) + shift).astype(np.float32)
        return Sample(
            label="toy",
            kind="arrays",
            cells=values,
            cloud=None,
            conditions={"time": rng.random(n)},
            observables={"mean": values.mean(axis=1)},
            weights=np.ones(n),
            units={"time": "s", "mean": "1"},
            long_names={"time": "time", "mean": "mean"},
            provenance={},
        )

    truth, generated = arrays(200, 1, 0.0), arrays(150, 2, 2.0)
    findings, rocs = separability.judge_separability(truth, generated, seed=3)
    assert [roc.observable for roc in rocs] == [
        f"{what} ({kind})"
        for what, kind in (
            ("observables", "trees"),
            ("observables", "perceptron"),
            ("values", "perceptron"),
            ("values", "trees"),
        )
    ]
    for roc in rocs:
        assert roc.judged.auc > 0.9
        assert roc.truth.truth_log_odds.size == 0
    judged = rocs[0].judged
    assert np.corrcoef(judged.truth_log_odds, truth.observables["mean"][judged.truth_rows])[0, 1] > 0.3
    judges = [finding.judge for finding in findings]
    assert judges == ["classifier_auc", "classifier_information"] * 4
    assert all(finding.p_value is not None and finding.p_value < 1e-3 for finding in findings)
    assert findings[1].units == "bit"


def test_pairs_are_in_one_fold_so_that_knowing_one_does_not_tell_of_the_other() -> None:
    rng = np.random.default_rng(5)
    # Each event is known by its condition, which its partner has too; nothing tells the samples apart.
    condition = rng.normal(size=(300, 3))
    first, second = (np.concatenate([condition, rng.normal(size=(300, 1))], axis=1) for _ in range(2))
    divided, together = (classify(first, second, "trees", seed=1, paired=paired) for paired in (False, True))
    assert divided.auc < 0.5 - 3 * divided.uncertainty
    # False alarm 1e-3.
    assert abs(together.auc - 0.5) < 3.3 * together.uncertainty
    with pytest.raises(ValueError, match="300 and 299 events are no pairs"):
        classify(first, second[:299], "trees", paired=True)


def test_perceptrons_that_do_not_fit_together_are_trained_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulacra.statistics.classifiers import perceptron as module

    rng = np.random.default_rng(5)
    truth, generated = rng.normal(size=(600, 4)), rng.normal(size=(600, 4)) + 0.5
    together = classify(truth, generated, "perceptron", seed=3)
    settings = module.Perceptron()
    assert settings.bytes_per_member(4) == 4 * 4 * (3 * 250 + 4 * 128)
    monkeypatch.setattr(module, "MOST_BYTES", 2 * settings.bytes_per_member(4))
    in_pairs = classify(truth, generated, "perceptron", seed=3)
    assert in_pairs.aucs.shape == together.aucs.shape
    assert abs(in_pairs.auc - together.auc) < 3 * together.uncertainty
    assert not np.array_equal(in_pairs.aucs, together.aucs), "they are trained from other random numbers"
