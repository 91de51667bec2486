"""What is taken from the events before they are judged."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import jets, table
from simulacra.events import variable
from simulacra.formats import Binning, BinningLayer, read, write_binning
from simulacra.judges import JudgeError
from simulacra.judges.preparation import prepared

N = 210


def test_what_one_member_or_the_training_sample_lacks_is_left_out_of_all() -> None:
    whole, without = jets(N, 1), jets(N, 2).drop_vars("jet_mass")
    for samples in ({"members": [without], "train": None}, {"members": [], "train": without}):
        case = prepared(whole, jets(N, 3), seed=0, max_events=1000, **samples)  # type: ignore[arg-type]
        for sample in (case.truth, case.generated, *case.members, *([case.train] if case.train else [])):
            assert "stated_jet_mass" not in sample.observables
            assert "jet_eta" in sample.observables
        assert any("Judged without jet_mass" in warning for warning in case.warnings)
    assert prepared(whole, jets(N, 3), train=None, members=[], seed=0, max_events=1000).warnings == ()


@pytest.fixture
def of_another_detector(tmp_path: Path) -> xr.Dataset:
    """Return showers of a file as those of the CaloChallenge's dataset 1: voxels, and nothing of the detector."""
    layers = ((0.0, 5.0, 30.0), 1), ((0.0,), 1), ((0.0, 2.0, 40.0), 10)
    binning = Binning(
        name="photon",
        pid=22,
        layers=tuple(BinningLayer(id=i, r_edges=edges, alpha_bins=bins) for i, (edges, bins) in enumerate(layers)),
    )
    write_binning(binning, tmp_path / "binning.xml")
    rng = np.random.default_rng(1)
    with h5py.File(tmp_path / "showers.hdf5", "w") as file:
        file["incident_energies"] = rng.uniform(1e3, 1e5, (N, 1))
        file["showers"] = rng.exponential(1e3, (N, 22))
    return read(tmp_path / "showers.hdf5", binning=tmp_path / "binning.xml", particle="gamma")


def test_showers_of_an_unknown_detector_are_judged_by_their_voxels(of_another_detector: xr.Dataset) -> None:
    # Read, they come with nominal materials; a file of an earlier version has the voxels alone.
    del of_another_detector.attrs["geometry"]
    case = prepared(of_another_detector, of_another_detector, train=None, members=[], seed=0, max_events=1000)
    assert case.truth.geometry is not None
    assert [section.n_cells for section in case.truth.geometry.sections] == [2, 20]
    assert case.truth.geometry.absorber.material == "unknown"
    assert {"energy_0", "energy_1", "eta_width_1", "energy_response"} <= set(case.truth.observables)
    assert "energy_2" not in case.truth.observables
    # What nobody stated does not stand in the provenance, which JSON could not hold.
    assert np.isnan(of_another_detector.attrs["seconds_per_event"])
    assert "seconds_per_event" not in case.truth.provenance


def test_showers_without_any_cells_are_refused(of_another_detector: xr.Dataset) -> None:
    for attribute in ("binning", "geometry"):
        del of_another_detector.attrs[attribute]
    with pytest.raises(ValueError, match="have no attribute 'geometry'"):
        prepared(of_another_detector, of_another_detector, train=None, members=[], seed=0, max_events=1000)


def test_events_of_groups_are_told_to_depend_on_each_other() -> None:
    truth, generated = table(N, 1), table(N, 2)
    group = np.arange(N) // 10
    truth = truth.assign(group=variable(group, units="1", long_name="region", role="mask"))
    case = prepared(truth, generated, train=None, members=[], seed=0, max_events=1000)
    assert any(f"{N:,} events are of {len(np.unique(group))} groups" in one for one in case.warnings)
    alone = truth.assign(group=truth["group"].copy(data=np.arange(N)))
    case = prepared(alone, generated, train=None, members=[], seed=0, max_events=1000)
    assert not any("groups" in one for one in case.warnings)


def test_a_further_sample_of_another_kind_is_refused_by_its_name() -> None:
    same = table(N, 1), table(N, 2)
    with pytest.raises(JudgeError, match="the training sample: the truth's events are tables"):
        prepared(*same, train=jets(N, 3), members=[], seed=0, max_events=1000)
    with pytest.raises(JudgeError, match="member 2: the feature 'second' is"):
        prepared(*same, train=None, members=[same[1], table(N, 3).drop_vars("second")], seed=0, max_events=1000)


def test_no_more_events_are_judged_than_fit_into_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulacra.judges.unpacking import COPIES, FEWEST_EVENTS, events_that_fit

    whole = table(600, 1)
    size = sum(array.dtype.itemsize for array in whole.data_vars.values())
    assert events_that_fit(whole) > 10**6
    monkeypatch.setattr("simulacra.judges.unpacking.memory", lambda: 300 * size * COPIES)
    assert events_that_fit(whole) == 300
    case = prepared(whole, table(500, 2), train=None, members=[], seed=0, max_events=400)
    assert len(case.truth) == len(case.generated) == 300
    assert any("Of each sample 300 events are judged" in warning for warning in case.warnings)
    case = prepared(whole, table(500, 2), train=None, members=[], seed=0, max_events=300)
    assert not any("of each sample" in warning.lower() for warning in case.warnings)
    monkeypatch.setattr("simulacra.judges.unpacking.memory", lambda: 1)
    assert events_that_fit(whole) == FEWEST_EVENTS
