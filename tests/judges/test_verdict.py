"""The verdict as a whole, on toy showers with planted faults."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from judged_showers import toy_events
from simulacra.events import EventsError
from simulacra.geometry import CalorimeterGeometry
from simulacra.judges import JudgeError, Verdict, judge
from simulacra.judges.calorimeter.images_and_response import judge_showers
from simulacra.judges.calorimeter.neighbours import judge_neighbours
from simulacra.judges.criteria import WITH_WEIGHTS
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.samples import Sample, compare_conditions
from simulacra.judges.unpacking import check_comparable, sample_of
from simulacra.judges.weighted import judge_weighted
from simulacra.reports import record_of
from simulacra.statistics.distances.divisions import Replicates

CALOGAN = CalorimeterGeometry.load("calogan")


def sample(events: xr.Dataset, label: str = "toy") -> Sample:
    return sample_of(events, label, most_events=10_000, rng=np.random.default_rng(0))


def found(findings: list[Any], judge_name: str, observable: str) -> Any:
    return next(f for f in findings if f.judge == judge_name and f.observable == observable)


def resampled(truth: Sample, generated: Sample) -> Replicates:
    return Replicates.draw(truth.weights, generated.weights, np.random.default_rng(1), replicates=60)


def test_a_wide_generator_fails_by_its_widths(verdict: Verdict) -> None:
    assert verdict.stated.outcome == "fail"
    assert not verdict.passed
    worst = verdict.evidence["histograms"][0].observable
    assert "_width_" in worst or "sparsity" in worst
    aucs = [f for f in verdict.findings if f.judge == "classifier_auc"]
    assert max(f.value for f in aucs) > 0.9
    for auc in aucs:
        assert auc.truth_value == pytest.approx(0.5, abs=4 * auc.truth_uncertainty)
    assert verdict.summary.startswith("Distinguishable")
    assert verdict.headline.startswith("FAIL")
    assert any("better" in j.criterion.title for j in verdict.stated.judgements)


def test_every_distance_has_its_error_and_truth_against_truth(verdict: Verdict) -> None:
    for f in verdict.findings:
        if f.judge in ("wasserstein_distance", "separation_power"):
            assert f.truth_value is not None
            assert f.truth_uncertainty is not None
            assert 0 < (f.p_value or 0) <= 1
    total = found(list(verdict.findings), "wasserstein_distance", "total_energy")
    assert total.value < 5 * total.truth_value
    assert total.details["observable_units"] == "MeV"
    assert total.details["in_units"] == pytest.approx(total.value * total.details["scale"])


def test_scans_and_extrapolation(verdict: Verdict) -> None:
    assert [scan.condition for scan in verdict.evidence["scanned"].scans] == ["incident_energy", "impact_x"]
    rising = next(f for f in verdict.findings if f.judge == "energy_scan")
    assert rising.value == pytest.approx(1.0)
    slope = next(f for f in verdict.findings if f.judge == "position_scan")
    assert slope.value == pytest.approx(1.0, abs=0.15)
    beyond = [f for f in verdict.findings if f.extrapolated]
    assert [f.judge for f in beyond] == ["extrapolation"]
    assert verdict.evidence["scanned"].extrapolation.outside.tolist() == [True] * 2 + [False] * 7 + [True] * 3
    assert beyond[0].value == pytest.approx(0.0, abs=5 * beyond[0].uncertainty)


def test_json_holds_everything_and_no_nan(verdict: Verdict) -> None:
    record = record_of(verdict)
    again = json.loads(json.dumps(record, allow_nan=False))
    assert again["verdict"]["outcome"] == "fail"
    assert len(again["findings"]) == len(verdict.findings)
    assert again["samples"]["truth"] == {**again["samples"]["truth"], "label": "toy", "events": 220}
    assert len(again["showers"]["images"]["truth"]) == 504
    assert {use["name"] for use in again["verdict"]["uses"]} == {"energy", "shapes", "cells"}


def test_response_and_conditions_are_judged_with_weights() -> None:
    # Half of the generated showers have a fifth more energy; weights of nearly 0 leave the others.
    truth, right = toy_events(700, 13), toy_events(700, 14)
    cells = right["shower"].values * np.where(np.arange(700) % 2, 1.2, 1.0)[:, None]
    wrong = sample(right.assign(shower=right["shower"].copy(data=cells.astype(np.float32))))
    weights = np.where(np.arange(700) % 2, 1e-3, 1.0)
    found_with = {}
    for name, sample_ in (("plain", wrong), ("weighted", dataclasses.replace(wrong, weights=weights))):
        findings = judge_weighted(sample(truth), sample_, np.random.default_rng(1))
        assert {finding.region for finding in findings} == {WITH_WEIGHTS}
        found_with[name] = {finding.judge: finding for finding in findings}
    plain, weighted = found_with["plain"], found_with["weighted"]
    assert {"energy_resolution", "conditional_wasserstein_distance", "lost_modes", "missing_diversity"} <= set(weighted)
    assert plain["response_linearity"].value > 0.08
    assert weighted["response_linearity"].value < 0.03
    assert plain["conditional_wasserstein_distance"].p_value < 0.01  # type: ignore[operator]
    place = weighted["response_linearity"].details["region"]
    assert isinstance(place, str)
    assert place.startswith("incident_energy ")


def test_truth_does_not_fail() -> None:
    first = judge(toy_events(200, 11), toy_events(200, 12), seed=5)
    assert first.truth_label == "toy (truth)"
    assert first.stated.outcome != "fail"
    assert "Not distinguishable" in first.summary
    assert "scanned" not in first.evidence


def test_response_fault_is_found_where_it_is() -> None:
    truth = toy_events(1500, 21)
    energy = 100.0 ** np.random.default_rng(22).random(1500)
    high = energy > 60
    cells = toy_events(1500, 22, energy=energy)["shower"].values * np.where(high, 1.1, 1.0)[:, None]
    wrong = toy_events(1500, 22, energy=energy)
    wrong["shower"] = wrong["shower"].copy(data=cells.astype(np.float32))
    a, b = sample(truth), sample(wrong)
    findings, evidence = judge_showers(a, b, a, resampled(a, b))
    linearity = found(findings, "response_linearity", "energy_response")
    assert linearity.p_value < 0.05
    assert linearity.region.endswith("GeV")
    assert float(linearity.region.split()[-2]) > 90
    assert evidence.profiles[0].quantity == "energy_response"
    misplaced = found(findings, "misplaced_energy", "mean_image")
    assert misplaced.value < 5 * misplaced.truth_value


def test_mean_images_are_the_means_with_their_errors() -> None:
    a, b = sample(toy_events(400, 31)), sample(toy_events(400, 32, width=1.3))
    findings, evidence = judge_showers(a, b, a, resampled(a, b))
    assert a.cells is not None
    assert evidence.images.truth == pytest.approx(a.cells.mean(axis=0), rel=1e-4)
    assert evidence.images.truth_error == pytest.approx(a.cells.std(axis=0) / 20, rel=1e-4, abs=1e-9)
    misplaced = found(findings, "misplaced_energy", "mean_image")
    assert misplaced.value > misplaced.truth_value + 5 * misplaced.truth_uncertainty


def test_copied_training_showers_are_seen() -> None:
    train = toy_events(600, 41)
    truth, copies = sample(toy_events(300, 42)), sample(train.isel(event=slice(0, 300)))
    (finding,), neighbours = judge_neighbours(truth, copies, sample(train), np.random.default_rng(1))
    assert finding.value == pytest.approx(0.0, abs=1e-6)
    assert finding.details["share_of_copies"] == 1.0
    assert finding.truth_value > 0.05
    (honest,), _ = judge_neighbours(truth, sample(toy_events(300, 43)), sample(train), np.random.default_rng(1))
    assert honest.value == pytest.approx(honest.truth_value, abs=5 * honest.truth_uncertainty)
    assert neighbours.reference == "training"
    assert len(neighbours.shown) == 3


def test_weights_of_generated_events_are_used() -> None:
    # A generator with twice as many showers of high response; weights put that right.
    rng = np.random.default_rng(51)
    truth, generated = toy_events(800, 52), toy_events(1600, 53)
    response = generated["shower"].sum("cell").values / generated["incident_energy"].values
    middle = np.median(response)
    kept = np.flatnonzero((response > middle) | (rng.random(1600) < 0.5))
    weights = np.where(response[kept] > middle, 1.0, 2.0)
    biased = toy_events(1600, 53).isel(event=kept)
    weighted = biased.assign(weight=toy_events(len(kept), 1, weights=weights)["weight"].variable)
    distances = []
    for events in (biased, weighted):
        a, b = sample(truth), sample(events)
        findings, _ = judge_distributions(a, b, a, resampled(a, b))
        distances.append(found(findings, "wasserstein_distance", "energy_response"))
    plain, corrected = distances
    assert plain.p_value < 0.05 < corrected.p_value
    assert corrected.value < plain.value / 2


def test_unlike_conditions_are_warned_of() -> None:
    truth = toy_events(300, 61)
    low = toy_events(300, 62, energy=np.random.default_rng(1).uniform(1, 10, 300))
    (warning,) = compare_conditions(sample(truth), sample(low))
    assert "incident_energy differ" in warning
    assert "GeV" in warning
    assert compare_conditions(sample(truth), sample(toy_events(300, 63))) == []
    (particle,) = check_comparable(truth, low.assign_attrs(particle="gamma"))
    assert "e+" in particle


def with_cell(events: xr.Dataset, value: float) -> xr.Dataset:
    cells = events["shower"].values.copy()
    cells[7, 3] = value
    return events.assign(shower=events["shower"].copy(data=cells))


def test_bad_input_is_refused_with_its_reason() -> None:
    truth = toy_events(250, 71)
    with pytest.raises(JudgeError, match="199 events are too few to judge; at least 200"):
        judge(truth, toy_events(199, 72))
    for bad, said in ((np.nan, "nan in event 7"), (-1.0, "negative energy")):
        with pytest.raises(EventsError, match=said):
            judge(truth, with_cell(toy_events(250, 72), bad))
    other = CalorimeterGeometry.from_json(CALOGAN.to_json()).model_copy(update={"lateral_size": 300.0})
    with pytest.raises(JudgeError, match=r"different detectors: lateral_size 480.0 against 300.0"):
        judge(truth, toy_events(250, 72).assign_attrs(geometry=other.to_json()))
    with pytest.raises(JudgeError, match="'impact_x' varies in the generated events"):
        judge(truth, toy_events(250, 72, impact_x=np.linspace(-5, 5, 250)))
    with pytest.raises(JudgeError, match="no use 'everything' for showers; the uses are energy, shapes, cells"):
        judge(truth, truth, use="everything")
    with pytest.raises(JudgeError, match=r"the weights add up to .* not positive"):
        judge(truth, toy_events(250, 72, weights=np.linspace(-1, 1, 250)))
