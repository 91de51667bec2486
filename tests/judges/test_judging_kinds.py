"""``judge()`` from images, curves, fields, clouds and jets to a verdict; tables are in ``test_judging``."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import fields, images, jets, light_curves
from judged_verdicts import N, check_record, observables_of, outcomes
from simulacra.formats import jetnet, read
from simulacra.judges import judge
from toy_clouds import z_decays


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
    # Everything that may be given with the samples is used.
    judges = {finding.judge for finding in verdict.findings}
    assert {"held_out_band", "ensemble_coverage", "copies_of_training", "memorisation"} <= judges
    assert verdict.n_pool == 300 + N
    evidence = verdict.evidence
    assert evidence["ensemble"].members == 2
    # Two generators are too few to take the floor from their spread; the number of training events is that given.
    assert (evidence["power"].n_members, evidence["power"].n_train) == (0, 5_000)
    check_record(verdict)


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
