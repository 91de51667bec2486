"""``judge()`` of tables, and what it refuses; other kinds: ``test_judging_kinds``, showers: ``test_verdict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from events_of_every_kind import images, jets, light_curves, number, table
from judged_verdicts import N, check_record, observables_of, outcomes
from simulacra.judges import JudgeError, Verdict, judge
from simulacra.judges.criteria import WITH_WEIGHTS
from simulacra.reports import record_of, write


@pytest.fixture(scope="module")
def shifted() -> Verdict:
    """Return the verdict on a table whose first feature is shifted by one standard deviation."""
    return judge(table(N, 1), table(N, 2, shift=1.0), seed=3)


def test_a_table(shifted: Verdict) -> None:
    assert outcomes(shifted)["wasserstein_distance"] == "fail"
    assert shifted.evidence["histograms"][0].observable == "first"
    assert {use.use.name for use in shifted.uses} == {"shapes", "cells"}
    assert shifted.headline == "FAIL: not good enough for a full stand-in, all features together."
    assert observables_of(shifted, "classifier_auc") == {"observables (trees)", "observables (perceptron)"}
    # Rows that follow no condition are judged in no bins; without training events nothing can be a copy.
    assert "conditional_wasserstein_distance" not in outcomes(shifted)
    assert "copies_of_training" not in outcomes(shifted)
    assert check_record(shifted)["showers"] is None


def test_the_same_seed_gives_the_same_and_variations_are_no_weights(shifted: Verdict, tmp_path: Path) -> None:
    variation = np.random.default_rng(4).uniform(0.1, 5, N)
    truth = table(N, 1, variation_tune=number(variation, "weight"))
    again = judge(truth, table(N, 2, shift=1.0), seed=3)
    # Not even the record of where the events come from differs.
    assert record_of(again) == record_of(shifted)
    page = write(again, tmp_path)
    assert "all features together" in page.read_text(encoding="utf-8")


def test_weights_that_bring_the_events_to_the_truth_count() -> None:
    # Normal events of mean 0.5 with the weights exp(-x / 2 + 1 / 8) are normal events of mean 0.
    values = np.random.default_rng(6).normal(size=(600, 2))[:, 0] + 0.5
    generated = table(600, 6, shift=0.5, weights=np.exp(-values / 2 + 0.125))
    np.testing.assert_allclose(generated["first"].values, values)
    verdict = judge(table(600, 5), generated, seed=1, use="shapes")
    distance = next(f for f in verdict.plain_findings if (f.judge, f.observable) == ("wasserstein_distance", "first"))
    # Unweighted it were 0.5; truth against truth scores about 0.07 here, and p is below 0.005 in 0.5 % of seeds.
    assert distance.value < 0.2
    assert distance.p_value is not None
    assert distance.p_value > 0.005
    assert outcomes(verdict)["wasserstein_distance"] != "fail"


def test_a_modest_smooth_shift_passes_with_weights(tmp_path: Path) -> None:
    # The threshold of W1 is 0.1 standard deviations; weights leave exp(-0.35^2) = 88 % of the events.
    verdict = judge(table(2000, 7), table(2000, 8, shift=0.35), use="shapes")
    assert verdict.stated.outcome == "pass with weights"
    assert not verdict.passed
    assert verdict.headline == "PASS WITH WEIGHTS: good enough, once weighted, for selections on single observables."
    assert verdict.advice[0].startswith("Give each generated event the weight of a calibrated classifier")
    weighted = {judgement.criterion.title: judgement.outcome for judgement in verdict.stated.weighted}
    for judgement in verdict.stated.judgements:
        assert weighted[judgement.criterion.title] == "pass", judgement.criterion.title
    correction = verdict.evidence["correction"]
    assert correction is not None
    assert len(correction.truth_rows) == len(correction.rows) == 1000
    text = write(verdict, tmp_path).read_text(encoding="utf-8")
    assert '<div class="verdict pass with weights"' in text
    assert "with weights 0.0" in text
    check_record(verdict)


def test_three_generators_trained_alike_tell_what_they_are_worth() -> None:
    members = [table(N, seed, shift=shift) for seed, shift in ((3, 0.1), (4, -0.1))]
    verdict = judge(table(N, 1), table(N, 2), members=members)
    assert verdict.evidence["power"].n_members == 3
    assert verdict.evidence["ensemble"].members == 3


@pytest.mark.parametrize("events", [table, images, jets])
def test_uses_that_a_kind_does_not_have_are_refused(events: Any) -> None:
    with pytest.raises(JudgeError, match=r"no use 'energy' for \w+; the uses are shapes, cells"):
        judge(events(N, 1), events(N, 2), use="energy")


def test_events_of_different_kinds_or_shapes_are_refused() -> None:
    with pytest.raises(JudgeError, match="the truth's events are tables and the generated ones arrays"):
        judge(table(N, 1), light_curves(N, 2))
    with pytest.raises(JudgeError, match=r"'flux' is of the shape .16,. in the truth and of the shape .15,."):
        judge(light_curves(N, 1), light_curves(N, 2).isel(time=slice(15)))
    with pytest.raises(JudgeError, match="'second' is a number in the truth and missing in the generated events"):
        judge(table(N, 1), table(N, 2).drop_vars("second"))


def test_weighted_findings_are_marked(shifted: Verdict) -> None:
    weighted = [finding for finding in shifted.findings if finding.region == WITH_WEIGHTS]
    assert {"classifier_auc", "wasserstein_distance", "lost_modes", "missing_diversity", "effective_share"} <= {
        finding.judge for finding in weighted
    }
    assert not set(map(id, weighted)) & set(map(id, shifted.plain_findings))
