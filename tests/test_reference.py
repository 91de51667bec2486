from pathlib import Path

import numpy as np
import pytest

from simulacra import reference
from simulacra.events import part_of, validate
from simulacra.geometry import CalorimeterGeometry
from simulacra.observables.showers import shower_shapes


def test_samples_stay_below_8_megabytes():
    folder = Path(reference.__file__).parent
    assert sum(path.stat().st_size for path in folder.glob("*.h5")) < 8e6
    assert reference.names() == ["calogan-eplus", "calogan-gamma"]


@pytest.mark.parametrize(("name", "particle"), [("calogan-eplus", "e+"), ("calogan-gamma", "gamma")])
def test_sample_is_what_it_says(name, particle):
    events = reference.load(name)
    validate(events, conditions=["incident_energy"], features=["shower", "active"])
    assert events.attrs["simulator"] == "geant4"
    assert events.attrs["particle"] == particle
    assert f"--particle {particle}" in events.attrs["made_with"]
    assert f"--seed {events.attrs['seed']}" in events.attrs["made_with"]
    assert CalorimeterGeometry.from_events(events) == CalorimeterGeometry.load("calogan")
    energy = events["incident_energy"].values
    assert energy.min() >= 1
    assert energy.max() <= 100
    # Log-uniform: the mean of the logarithm is within four of its standard errors of the middle.
    assert np.log10(energy).mean() == pytest.approx(1.0, abs=4 * 2 / np.sqrt(12 * len(energy)))
    assert (events["active"].values <= events["shower"].values * (1 + 1e-6) + 1e-6).all()


def test_photons_start_deeper_than_positrons():
    first = {name: shower_shapes(reference.load(name))["energy_fraction_0"].values for name in reference.names()}
    difference = first["calogan-eplus"].mean() - first["calogan-gamma"].mean()
    error = np.sqrt(sum(values.var() / len(values) for values in first.values()))
    assert difference > 5 * error


def test_parts_follow_the_split():
    events = reference.load("calogan-eplus")
    parts = [reference.load("calogan-eplus", part) for part in ("train", "validation", "test")]
    assert sum(part.sizes["event"] for part in parts) == events.sizes["event"]
    assert set(part_of(parts[2]["event"].values)) == {"test"}


def test_unknown_sample_lists_those_that_exist():
    with pytest.raises(ValueError, match="calogan-eplus, calogan-gamma"):
        reference.load("calogan-muon")
