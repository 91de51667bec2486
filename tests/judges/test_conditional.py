"""Judges in bins of conditions: failures in a part are found and placed, and perfect generators are left alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from sklearn.metrics import roc_auc_score

from conditioned_samples import conditioned
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.judges.distances.conditional_bins import condition_edges
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.two_sample import standard_deviation


def judged(truth: Sample, generated: Sample, seed: int = 1, replicates: int = 100, **more: Any) -> dict[str, Finding]:
    findings, _ = judge_conditional(truth, generated, np.random.default_rng(seed), replicates=replicates, **more)
    return {f"{f.judge} in {f.details['condition']}": f for f in findings}


def test_bins_hold_equally_many_truth_events_and_enough_of_both_samples() -> None:
    truth, generated = conditioned(900, 1), conditioned(900, 2)
    edges = condition_edges(truth, generated, "incident_energy")
    assert edges is not None
    assert len(edges) == 7
    counts = np.histogram(truth.conditions["incident_energy"], edges)[0]
    assert counts.sum() == 900
    assert np.ptp(counts) <= 2
    few = condition_edges(truth, conditioned(350, 2), "incident_energy")
    assert few is not None
    assert len(few) == 4
    assert condition_edges(truth, conditioned(150, 2), "incident_energy") is None
    assert condition_edges(truth, generated, "angle") is None


def test_a_condition_with_few_values_gets_a_bin_for_each() -> None:
    values = np.repeat([10.0, 20.0, 50.0], 200)
    samples = [conditioned(600, seed) for seed in (1, 2)]
    for sample in samples:
        sample.conditions["incident_energy"][:] = values
    edges = condition_edges(samples[0], samples[1], "incident_energy")
    assert edges == pytest.approx([10, 15, 35, 50])


def test_cells_hold_the_distances_of_their_events() -> None:
    truth, generated = conditioned(800, 3), conditioned(700, 4)
    _, evidence = judge_conditional(truth, generated, np.random.default_rng(1), replicates=20)
    assert evidence is not None
    assert [one.condition for one in evidence.conditions] == ["incident_energy", "impact_x"]
    one = evidence.conditions[0]
    for b, column in ((0, 1), (len(one.position) - 1, 0)):
        name = one.observables[column]
        inside = [
            sample.observables[name][
                np.searchsorted(one.edges[1:-1], sample.conditions["incident_energy"], side="right") == b
            ]
            for sample in (truth, generated)
        ]
        scale = standard_deviation(inside[0], np.ones(len(inside[0])))
        assert one.table(one.wasserstein.value)[b, column] == pytest.approx(wasserstein_distance(*inside) / scale)
        assert one.table(one.shift.value)[b, column] == pytest.approx((inside[1].mean() - inside[0].mean()) / scale)
        assert one.table(one.width.value)[b, column] == pytest.approx(inside[1].std() / scale)


def test_errors_in_a_bin_are_those_of_mean_and_width() -> None:
    # Of n and m Gaussian events the shift has the variance 1/n + 1/m and the ratio of widths half of that; the standard
    # deviation of 200 replicates is known to 5 %, and the samples in hand add as much.
    _, evidence = judge_conditional(conditioned(1800, 5), conditioned(3600, 6), np.random.default_rng(1))
    assert evidence is not None
    one = evidence.conditions[1]
    n, m = one.n_truth[2], one.n_generated[2]
    assert (n, m) == (300, pytest.approx(600, abs=80))
    error = math.sqrt(1 / n + 1 / m)
    assert one.table(one.shift.error)[2, 1] == pytest.approx(error, rel=0.25)
    assert one.table(one.width.error)[2, 1] == pytest.approx(error / math.sqrt(2), rel=0.25)
    # Simultaneous bands over 18 cells: at 95 % some 3 standard deviations, at 68 % some 2 to 2.5.
    assert one.shift.band_95 / one.shift.error == pytest.approx(np.full(18, 2.95), abs=0.35)
    assert (one.shift.band_68 < one.shift.band_95).all()
    assert (one.wasserstein.limit_68 < one.wasserstein.limit_95).all()


def test_a_generator_that_is_wrong_above_80_gev_only_is_found_there() -> None:
    truth = conditioned(3000, 7)
    generated = conditioned(3000, 8, wrong=lambda width, energy: np.where(energy > 80, width + 0.6, width))
    found = judged(truth, generated)
    worst = found["conditional_wasserstein_distance in incident_energy"]
    assert worst.p_value == pytest.approx(1 / 101)
    assert worst.observable == "width"
    assert worst.details["wrong"] == ["width"]
    assert float(worst.region.split()[1]) == pytest.approx(83, abs=4)
    assert worst.region.endswith("99.9 GeV")
    assert worst.value == pytest.approx(0.6, abs=0.15)
    assert worst.sentence.startswith("Layer width is wrong above incident_energy 8")
    assert "elsewhere at most 0." in worst.sentence
    assert found["conditional_mean in incident_energy"].p_value == pytest.approx(1 / 101)
    assert found["conditional_width in incident_energy"].p_value > 0.01  # a false alarm in 1 % of samples


def test_a_generator_that_ignores_the_condition_is_found_though_its_marginals_are_right() -> None:
    truth = conditioned(2400, 9)
    ignorant = conditioned(2400, 10, energies=lambda _, others: others)
    replicates = Replicates.draw(truth.weights, ignorant.weights, np.random.default_rng(1), replicates=100)
    marginal, _ = judge_distributions(truth, ignorant, truth, replicates)
    # Nine p-values of a perfect generator's marginals: the least is 1/101 with a probability of some 5 %.
    assert min(f.p_value for f in marginal if f.p_value is not None) > 0.01
    found = judged(truth, ignorant)
    worst = found["conditional_wasserstein_distance in incident_energy"]
    assert worst.p_value == pytest.approx(1 / 101)
    assert worst.observable == "total"
    assert worst.value > 2
    assert abs(float(str(worst.details["follows"]))) < 0.1
    assert "wrong in every bin" in worst.sentence or "is wrong below" in worst.sentence
    assert "does not follow incident_energy" in worst.sentence
    assert "layer width" in worst.sentence
    assert "noise" not in worst.sentence.lower()
    assert (found["conditional_wasserstein_distance in impact_x"].p_value or 0) > 0.01


def test_false_alarms_are_5_percent_for_all_bins_and_observables_together() -> None:
    # 200 perfect generators: 10 +- 3.1 alarms are expected of each judge. More than 20 (0.10) have a probability of
    # 0.1 %, none or one (0.005) of 0.04 %. Unequal sizes.
    alarms: dict[str, list[bool]] = {}
    for seed in range(200):
        truth, generated = conditioned(330, 1000 + seed), conditioned(280, 5000 + seed)
        truth.conditions.pop("impact_x")  # type: ignore[attr-defined]
        for name, finding in judged(truth, generated, seed, replicates=100).items():
            alarms.setdefault(name, []).append(finding.p_value is not None and finding.p_value <= 0.05)
    assert len(alarms) == 3
    for seen in alarms.values():
        assert len(seen) == 200
        assert 0.005 < np.mean(seen) <= 0.10


def test_classifier_areas_in_bins() -> None:
    truth, generated = conditioned(1500, 11), conditioned(1500, 12)
    rng = np.random.default_rng(3)
    log_odds = rng.normal(0, 1, 1500), rng.normal(0, 1, 1500)
    high = generated.conditions["incident_energy"] > 70
    log_odds[1][high] += 1.0
    _, evidence = judge_conditional(truth, generated, np.random.default_rng(1), log_odds, replicates=100)
    assert evidence is not None
    one = evidence.conditions[0]
    assert one.auc is not None
    last = [s.conditions["incident_energy"] > one.edges[-2] for s in (truth, generated)]
    scores = np.concatenate([log_odds[0][last[0]], log_odds[1][last[1]]])
    expected = roc_auc_score(np.repeat([0, 1], [last[0].sum(), last[1].sum()]), scores)
    assert one.auc.value[-1] == pytest.approx(expected, abs=1e-9)
    # Hanley and McNeil's error for a separation of one standard deviation, 250 events each: 0.022.
    assert one.auc.error[-1] == pytest.approx(0.022, rel=0.3)
    found = judged(truth, generated, log_odds=log_odds)["conditional_auc in incident_energy"]
    assert found.p_value == pytest.approx(1 / 101)
    assert found.truth_value == pytest.approx(0.5, abs=0.1)
    assert found.sentence.startswith("The classifier tells the samples apart above incident_energy 6")
    chance = judged(truth, generated, log_odds=(log_odds[0], rng.normal(0, 1, 1500)))
    assert (chance["conditional_auc in incident_energy"].p_value or 0) > 0.01


def test_weights_that_undo_a_failure_undo_the_finding() -> None:
    # Width 1 wide, shifted by 0.5 at all energies; the weights are the ratio of the densities at each energy.
    truth = conditioned(3000, 13)
    shifted = conditioned(3000, 14, wrong=lambda width, _: width + 0.5)
    pull = shifted.observables["width"] - (3 + 0.02 * shifted.conditions["incident_energy"])
    # "total" follows the energy alone, so that the width's pull is all there is to undo.
    weighted = conditioned(3000, 14, wrong=lambda width, _: width + 0.5, weights=np.exp(-0.5 * pull + 0.125))
    name = "conditional_wasserstein_distance in incident_energy"
    plain, corrected = judged(truth, shifted)[name], judged(truth, weighted)[name]
    assert plain.p_value == pytest.approx(1 / 101)
    assert "wrong in every bin" in plain.sentence
    assert corrected.p_value is not None
    assert corrected.p_value > 0.01
    assert "nothing differs beyond chance" in corrected.sentence


def test_the_same_seed_gives_the_same_findings() -> None:
    truth, generated = conditioned(400, 15), conditioned(400, 16)
    assert judged(truth, generated, 5) == judged(truth, generated, 5)
    assert judged(truth, generated, 5) != judged(truth, generated, 6)


def test_without_a_condition_that_varies_there_is_no_evidence() -> None:
    truth, generated = conditioned(300, 17), conditioned(300, 18)
    for sample in (truth, generated):
        for name in ("incident_energy", "impact_x"):
            sample.conditions[name][:] = 1.0
    assert judge_conditional(truth, generated, np.random.default_rng(1)) == ([], None)


def test_log_odds_that_are_no_numbers_are_refused() -> None:
    truth, generated = conditioned(300, 19), conditioned(300, 20, label="GAN")
    fine, bad = np.zeros(300), np.full(300, np.nan)
    with pytest.raises(ValueError, match="log-odds of GAN must be 300 finite numbers"):
        judge_conditional(truth, generated, np.random.default_rng(1), (fine, bad))
