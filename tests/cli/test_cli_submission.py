"""Conditions like those of a sample, and the file that a submission becomes."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from simulacra.formats import FormatError, calochallenge, read
from simulacra.store import write_events
from simulacra.workflows.submission import conditions_like, events_like, resolved, span, store_beside, write_submission
from tiny_calogan import toy_showers

ENERGIES = np.array([256.0, 512.0, 4194304.0, 256.0])  # MeV
NAMES = ("incident_energy",)


@pytest.fixture
def photons(tmp_path: Path) -> Path:
    path = tmp_path / "dataset_1_photons_2.hdf5"
    with h5py.File(path, "w") as file:
        file["incident_energies"] = ENERGIES[:, None]
        file["showers"] = np.random.default_rng(1).uniform(0, 3e-3, (4, 368)).astype("f4")
    return path


def test_conditions_are_those_of_the_sample_one_by_one(photons: Path) -> None:
    n, conditions = events_like(photons, NAMES, None)
    assert n == 4
    np.testing.assert_array_equal(resolved(conditions, 1, 3)["incident_energy"], [0.512, 4194.304])
    assert events_like(photons, NAMES, 3)[0] == 3
    whole = span(conditions["incident_energy"], "incident_energy", NAMES)
    assert (whole.low, whole.high) == (0.256, 4194.304)
    assert resolved({"incident_energy": "log:1:10"}, 0, 2) == {"incident_energy": "log:1:10"}


def test_a_store_s_conditions_are_taken_as_well(tmp_path: Path) -> None:
    events = toy_showers(20, five_conditions=True)
    write_events(events, tmp_path / "showers.zarr")
    names = ("incident_energy", "impact_x")
    found = conditions_like(str(tmp_path / "showers.zarr"), names)
    for name in names:
        np.testing.assert_array_equal(found[name], events[name])
    with pytest.raises(ValueError, match="has no condition 'impact_z'"):
        conditions_like(str(tmp_path / "showers.zarr"), ("impact_z",))


def test_more_events_than_the_sample_has_are_refused(photons: Path) -> None:
    with pytest.raises(ValueError, match="has the conditions of only 4 events, not of 5"):
        events_like(photons, NAMES, 5)


def test_a_submission_has_the_sample_s_energies_to_the_last_bit_and_the_set_s_threshold(
    tmp_path: Path, photons: Path
) -> None:
    events = read(photons)
    single = events["incident_energy"].astype("f4").assign_attrs(events["incident_energy"].attrs)
    rounded = events.drop_vars(calochallenge.ENERGY_COORDINATE).assign(incident_energy=single)
    write_events(rounded, tmp_path / "store.zarr")
    out = tmp_path / "submission.hdf5"
    assert write_submission(tmp_path / "store.zarr", out, threshold=None, like=photons, overwrite=False) == 1.0
    assert not (tmp_path / "store.zarr").exists()
    with h5py.File(out) as file, h5py.File(photons) as before:
        np.testing.assert_array_equal(file["incident_energies"], ENERGIES[:, None], strict=True)
        showers = before["showers"][()]
        np.testing.assert_array_equal(file["showers"], np.where(showers < 1, np.float32(0), showers), strict=True)
    np.testing.assert_array_equal(read(out)["incident_energy"], single)
    for wrong in (ENERGIES[:3], 2 * ENERGIES):
        with pytest.raises(FormatError, match="are not those of the events"):
            calochallenge.write(rounded, tmp_path / "wrong.hdf5", energies_mev=wrong)


def test_where_events_are_gathered(tmp_path: Path) -> None:
    out = tmp_path / "submission.hdf5"
    assert store_beside(out, "store", overwrite=False) == out
    assert store_beside(out, "calochallenge", overwrite=False) == tmp_path / "submission.hdf5.zarr"
    out.touch()
    with pytest.raises(ValueError, match="exists: choose another path"):
        store_beside(out, "calochallenge", overwrite=False)
    with pytest.raises(ValueError, match="--format is one of store, calochallenge, not 'root'"):
        store_beside(out, "root", overwrite=True)


def test_energies_that_cannot_be_are_told(photons: Path) -> None:
    with h5py.File(photons, "r+") as file:
        file["incident_energies"][2] = np.nan
    with pytest.raises(FormatError, match="incident energy of event 2 is nan MeV"):
        calochallenge.incident_energies(photons)
