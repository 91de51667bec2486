"""``judge()`` from events of every kind to a verdict; showers are judged in ``test_verdict``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import fields, images, jets, light_curves, number, table
from simulacra.formats import jetnet, read
from simulacra.judges import JudgeError, Verdict, judge
from simulacra.judges.criteria import WITH_WEIGHTS
from toy_clouds import z_decays

N = 210


def outcomes(verdict: Verdict) -> dict[str, str]:
    return {judgement.criterion.judge: judgement.outcome for judgement in verdict.stated.judgements}


def observables_of(verdict: Verdict, judge_name: str) -> set[str]:
    return {finding.observable for finding in verdict.plain_findings if finding.judge == judge_name}


def lists_of(value: Any, place: str = "report") -> Iterator[tuple[str, int]]:
    """Give every list in a record with its length."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from lists_of(inner, f"{place}.{name}")
    elif isinstance(value, list):
        yield place, len(value)
        for inner in value[:3]:
            yield from lists_of(inner, f"{place}[]")


def check_record(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict's record, once it is seen to be strict JSON without a number for each event."""
    record: dict[str, Any] = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    # No binning, curve or matrix of these small samples has as many entries as there are events; findings may be many.
    assert [place for place, length in lists_of(record) if length >= N and place != "report.findings"] == []
    return record


@pytest.fixture(scope="module")
def shifted() -> Verdict:
    """Return the verdict on a table whose first feature is shifted by one standard deviation."""
    return judge(table(N, 1), table(N, 2, shift=1.0), seed=3)


def test_a_table(shifted: Verdict) -> None:
    assert outcomes(shifted)["wasserstein_distance"] == "fail"
    assert shifted.comparisons[0].observable == "first"
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
    assert again.to_json() == shifted.to_json()
    page = again.write(tmp_path)
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
    correction = verdict.evidence.correction
    assert correction is not None
    assert len(correction.truth_rows) == len(correction.rows) == 1000
    text = verdict.write(tmp_path).read_text(encoding="utf-8")
    assert '<div class="verdict pass with weights"' in text
    assert "with weights 0.0" in text
    check_record(verdict)


def test_images_of_another_width_fail_by_their_values() -> None:
    verdict = judge(
        images(300, 1),
        images(300, 2, width=1.2),
        train=images(N, 3),
        members=[images(N, 4, width=1.25)],
        hold_out="height:1.1:1.9",
        n_train=5_000,
        seed=2,
    )
    found = outcomes(verdict)
    assert found["wasserstein_distance"] == found["conditional_wasserstein_distance"] == "fail"
    assert observables_of(verdict, "classifier_auc") >= {"values (perceptron)", "values (trees)"}
    assert verdict.headline.endswith("value by value.")
    assert any(finding.region.startswith("height ") for finding in verdict.findings)
    # All that may be given beside the samples is looked at.
    judges = {finding.judge for finding in verdict.findings}
    assert {"held_out_band", "ensemble_coverage", "copies_of_training", "memorisation"} <= judges
    assert verdict.n_pool == 300 + N
    evidence = verdict.evidence
    assert evidence.ensemble is not None
    assert evidence.ensemble.members == 2
    assert evidence.power is not None
    # Two generators are too few to take the floor from their spread; the number of training events is that given.
    assert (evidence.power.n_members, evidence.power.n_train) == (0, 5_000)
    check_record(verdict)


def test_three_generators_trained_alike_tell_what_they_are_worth() -> None:
    members = [table(N, seed, shift=shift) for seed, shift in ((3, 0.1), (4, -0.1))]
    verdict = judge(table(N, 1), table(N, 2), members=members)
    assert verdict.evidence.power is not None
    assert verdict.evidence.power.n_members == 3
    assert verdict.evidence.ensemble is not None
    assert verdict.evidence.ensemble.members == 3


def test_light_curves_without_memory_fail_by_their_autocorrelation() -> None:
    verdict = judge(light_curves(N, 1), light_curves(N, 2, memory=0.3), seed=2)
    assert verdict.stated.outcome == "fail"
    worst = max((f for f in verdict.plain_findings if f.judge == "wasserstein_distance"), key=lambda f: f.value)
    assert worst.observable == "flux_autocorrelation"


def test_fields_without_correlations_fail_by_their_power() -> None:
    verdict = judge(fields(N, 1), fields(N, 2, smooth=False), seed=2, use="shapes")
    assert verdict.stated.outcome == "fail"
    failed = {f.observable for f in verdict.plain_findings if f.judge == "wasserstein_distance" and f.value > 0.3}
    assert any(name.startswith("density_power_") for name in failed)
    check_record(verdict)


def test_decays_of_the_z_against_further_ones_do_not_fail() -> None:
    events = z_decays(2 * N)[0]
    truth, same = (events.isel(event=slice(start, start + N)) for start in (0, N))
    verdict = judge(truth, same, seed=2)
    # A criterion fails by chance beyond two of its standard deviations and chance: seldom, with a fixed seed never.
    assert "fail" not in outcomes(verdict).values()
    area = next(f for f in verdict.plain_findings if f.observable == "particles (deep_sets)")
    assert area.value == pytest.approx(0.5, abs=4 * np.hypot(area.uncertainty, area.truth_uncertainty or 0.0))
    assert "a full stand-in, particle by particle" in verdict.headline
    assert "Not distinguishable" in verdict.summary
    check_record(verdict)


@pytest.fixture(scope="module")
def jet_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, xr.Dataset]:
    """Return jets of two files of JetNet's layout; the second holds particles only, and does not say what they cost."""
    folder = tmp_path_factory.mktemp("jetnet")
    jetnet.write(jets(N, 1), folder / "truth.hdf5")
    generated = jets(N, 2, spread=0.15)
    with h5py.File(folder / "generated.hdf5", "w") as file:
        names = "eta_rel", "phi_rel", "pt_rel", "present"
        file["particle_features"] = np.stack([generated[name].values.astype("f4") for name in names], axis=-1)
    return read(folder / "truth.hdf5", particle="t"), read(folder / "generated.hdf5", particle="t")


def test_jets_of_particles_alone_are_judged_by_what_both_files_hold(jet_files: tuple[xr.Dataset, xr.Dataset]) -> None:
    verdict = judge(*jet_files, seed=2)
    (warning,) = verdict.warnings
    assert warning.startswith("Judged without jet_pt, jet_eta, jet_mass and particle_number of the jets")
    assert verdict.stated.outcome == "fail"
    assert outcomes(verdict)["classifier_auc"] == "fail"
    observables = observables_of(verdict, "wasserstein_distance")
    assert "jet_eta" not in observables
    assert len(observables) > 5
    check_record(verdict)


@pytest.mark.parametrize("events", [table, images, jets])
def test_uses_that_a_kind_does_not_have_are_refused(events: Any) -> None:
    with pytest.raises(JudgeError, match=r"no use 'energy' of \w+; the uses are shapes, cells"):
        judge(events(N, 1), events(N, 2), use="energy")


def test_events_of_different_kinds_or_shapes_are_refused() -> None:
    with pytest.raises(JudgeError, match="the truth's events are table and the generated ones arrays"):
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
