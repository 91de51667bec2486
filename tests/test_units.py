"""Units: what is convertible is converted to the last digit, the rest is refused by name, mistakes are told of."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import simulacra
from events_of_every_kind import events_of, number
from judged_showers import toy_events
from simulacra.events import EventsError, variable
from simulacra.formats import flat_showers, single_file
from simulacra.judges.preparation import prepared
from simulacra.lazy_arrays import in_memory
from simulacra.observables import observe
from simulacra.simulators.detector import simulate_detector
from simulacra.simulators.detector_settings import DetectorSettings
from simulacra.training.run import read_parts
from simulacra.units import alike, in_convention, in_units, response_warnings, scale_warnings
from toy_clouds import clouds_of


def relabelled(events: xr.Dataset, **units: str) -> xr.Dataset:
    """Return events that say that their variables are in other units."""
    return events.assign({name: events[name].assign_attrs(units=unit) for name, unit in units.items()})


def scaled(events: xr.Dataset, name: str, factor: float, units: str) -> xr.Dataset:
    """Return the same events with one variable written in another unit."""
    array = events[name]
    values = (array.values.astype(np.float64) * factor).astype(array.dtype)
    return relabelled(events.assign({name: array.copy(data=values)}), **{name: units})


def toy_clouds(n: int, seed: int) -> xr.Dataset:
    """Return clouds of twelve pions each."""
    rng = np.random.default_rng(seed)
    momenta = rng.normal(0, 5, (n, 12, 3))
    return clouds_of([[(*p, float(np.hypot(np.linalg.norm(p), 0.13957)), 211, 1) for p in event] for event in momenta])


@pytest.mark.parametrize(
    ("found", "wanted", "value", "expected"),
    [
        ("GeV", "MeV", 2.0, 2000.0),
        ("TeV", "GeV", 3.0, 3000.0),
        ("keV", "MeV", 250.0, 0.25),
        ("eV", "MeV", 1.0, 1e-6),
        ("GeV/c", "GeV", 45.6, 45.6),
        ("MeV/c^2", "GeV", 139.57, 0.13957),
        ("GeV/c**2", "GeV", 91.1876, 91.1876),
        ("cm", "mm", 1.5, 15.0),
        ("µm", "mm", 50.0, 0.05),
        ("mm/c", "mm", 3.0, 3.0),
        ("deg", "rad", 180.0, np.pi),
        ("°", "rad", 90.0, np.pi / 2),
        ("mrad", "rad", 5.0, 0.005),
        ("%", "1", 12.5, 0.125),
        ("", "1", 7.0, 7.0),
        ("hour", "day", 36.0, 1.5),
        ("degC", "K", -40.0, 233.15),
        ("e", "1", -1.0, -1.0),
        (" MeV ", "MeV", 1.0, 1.0),
    ],
)
def test_a_value_is_the_same_in_another_unit(found: str, wanted: str, value: float, expected: float) -> None:
    events = events_of({"x": number(np.array([value, 0.0]), units=found)}, 1)
    converted = in_units(events, {"x": wanted})["x"]
    np.testing.assert_allclose(converted.values[0], expected, rtol=1e-15)
    assert converted.attrs["units"] == wanted
    assert events["x"].attrs["units"] == found


UNKNOWN = [
    "banana",
    "Mev",
    "gev",
    "mag",
    "[MeV]",
    "MeV; rm",
    "9**9**9**9",
    "__import__('os')",
    "a+b",
    "10 MeV",
    "\x1b[2J",
]


@pytest.mark.parametrize("unit", UNKNOWN)
def test_a_unit_that_is_not_known_is_refused_by_name(unit: str) -> None:
    events = relabelled(toy_events(3, 1), shower=unit)
    with pytest.raises(
        EventsError, match=r"the file: variable 'shower' has the unit .* is not known: expected 'MeV'"
    ) as told:
        in_convention(events, "the file")
    assert str(told.value).isprintable()


@pytest.mark.parametrize("unit", ["1", "", "mm", "GeV^2", "kg", "K", "e"])
def test_a_unit_that_does_not_convert_is_refused_by_name(unit: str) -> None:
    with pytest.raises(EventsError, match=r"'shower' has the unit .* which cannot be converted to 'MeV'"):
        in_convention(relabelled(toy_events(3, 1), shower=unit))


def test_events_in_the_conventions_units_are_left_alone() -> None:
    for events in (toy_events(3, 1), toy_clouds(3, 1), events_of({"x": number(np.ones(3), units="banana")}, 1)):
        assert in_convention(events) is events


def test_whole_numbers_become_numbers() -> None:
    events = toy_events(3, 1)
    events["incident_energy"] = variable(np.array([1, 20, 300]), units="MeV", long_name="energy", role="condition")
    converted = in_convention(events)["incident_energy"]
    assert converted.dtype == np.float64
    np.testing.assert_allclose(converted.values, [0.001, 0.02, 0.3], rtol=1e-15)


def test_a_coordinate_is_converted_like_a_variable() -> None:
    def series(times: np.ndarray, units: str) -> xr.Dataset:
        values = variable(np.ones((4, 3)), "time", units="mag", long_name="brightness", role="feature")
        return events_of({"light": values}, 1).assign_coords(time=("time", times, {"units": units}))

    converted = alike(series(np.array([0.0, 1, 2]), "day"), series(np.array([0.0, 24, 48]), "hour"))
    np.testing.assert_allclose(converted["time"].values, [0, 1, 2], rtol=1e-15)


# -- every way in ------------------------------------------------------------------------------------------------------


def test_a_store_in_other_units_is_opened_in_the_conventions_and_lazily(tmp_path: Path) -> None:
    truth = toy_events(40, 1)
    simulacra.write_events(scaled(truth, "shower", 1e-3, "GeV"), tmp_path / "x.zarr", chunk_size=16)
    opened = simulacra.open_events(tmp_path / "x.zarr")
    assert not in_memory(opened["shower"].variable)
    assert opened["shower"].attrs["units"] == "MeV"
    assert opened["shower"].dtype == np.float32
    np.testing.assert_allclose(opened["shower"][[3, 30]].values, truth["shower"][[3, 30]].values, rtol=2e-7)
    assert not in_memory(opened["shower"].variable)
    np.testing.assert_allclose(opened["shower"].values, truth["shower"].values, rtol=2e-7)
    assert in_memory(opened["shower"].variable)
    xr.testing.assert_allclose(simulacra.read(tmp_path / "x.zarr").load(), truth, rtol=2e-7)


def test_a_store_of_an_unknown_unit_is_refused_with_its_path(tmp_path: Path) -> None:
    simulacra.write_events(relabelled(toy_events(4, 1), shower="banana"), tmp_path / "x.zarr")
    with pytest.raises(EventsError, match=r"'.*x.zarr': variable 'shower' has the unit 'banana'"):
        simulacra.open_events(tmp_path / "x.zarr")


@pytest.mark.parametrize("units", ["days", "seconds", "hours"])
def test_a_store_of_times_comes_back_as_numbers(tmp_path: Path, units: str) -> None:
    events = events_of({"x": number(np.array([1.5, 2.0]), units=units)}, 1)
    simulacra.write_events(events, tmp_path / "x.zarr")
    xr.testing.assert_identical(simulacra.open_events(tmp_path / "x.zarr").load(), events)


@pytest.mark.parametrize("module", [single_file, flat_showers])
def test_files_are_written_and_read_in_the_conventions(tmp_path: Path, module) -> None:
    truth = toy_events(20, 1)
    module.write(scaled(scaled(truth, "shower", 1e-3, "GeV"), "incident_energy", 1e3, "MeV"), tmp_path / "x.h5")
    found = simulacra.read(tmp_path / "x.h5")
    assert [found[name].attrs["units"] for name in ("shower", "incident_energy")] == ["MeV", "GeV"]
    np.testing.assert_allclose(found["shower"].values, truth["shower"].values, rtol=4e-7)
    np.testing.assert_allclose(found["incident_energy"].values, truth["incident_energy"].values, rtol=4e-7)


def test_other_programs_find_the_layouts_units_in_a_file(tmp_path: Path) -> None:
    import h5py

    truth = toy_events(20, 1)
    flat_showers.write(scaled(truth, "shower", 1e-3, "GeV"), tmp_path / "x.h5")
    flat_showers.write(truth, tmp_path / "y.h5")
    with h5py.File(tmp_path / "x.h5") as one, h5py.File(tmp_path / "y.h5") as other:
        np.testing.assert_allclose(one["showers"][()], other["showers"][()], rtol=4e-7)


def test_observables_and_the_detector_know_units() -> None:
    showers = toy_events(20, 1)
    xr.testing.assert_allclose(observe(scaled(showers, "shower", 1e-3, "GeV")), observe(showers), rtol=1e-5)
    clouds = toy_clouds(20, 1)
    other = scaled(scaled(clouds, "momentum", 1e3, "MeV/c"), "energy", 1e3, "MeV")
    xr.testing.assert_allclose(observe(other), observe(clouds), rtol=1e-4, atol=1e-4)
    seen = [simulate_detector(one, DetectorSettings.load("lep-like"), seed=1) for one in (other, clouds)]
    xr.testing.assert_allclose(seen[0]["energy"], seen[1]["energy"], rtol=1e-4)


def judged(truth: xr.Dataset, generated: xr.Dataset):
    return prepared(truth, generated, None, (), seed=1, max_events=1000)


def test_a_sample_in_other_units_is_judged_as_the_same_sample() -> None:
    truth, generated = toy_events(300, 1), toy_events(300, 2)
    same = judged(truth, generated)
    other = scaled(scaled(generated, "shower", 1e-3, "GeV"), "incident_energy", 1e6, "keV")
    converted = judged(truth, other)
    assert converted.warnings == same.warnings
    np.testing.assert_allclose(converted.generated.cells, same.generated.cells, rtol=2e-7)
    for name, values in same.generated.observables.items():
        np.testing.assert_allclose(converted.generated.observables[name], values, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        converted.generated.conditions["incident_energy"], same.generated.conditions["incident_energy"], rtol=2e-7
    )
    # and the truth's units are those of the report, whatever they were
    swapped = judged(other, truth)
    assert swapped.truth.units["incident_energy"] == "GeV"


def test_a_table_is_judged_in_the_units_of_the_truth() -> None:
    rng = np.random.default_rng(1)
    mass = rng.gamma(5.0, 10.0, 600)
    truth = events_of({"mass": number(mass[:300], units="GeV")}, 1)
    generated = events_of({"mass": number(1e3 * mass[300:], units="MeV")}, 2)
    case = judged(truth, generated)
    np.testing.assert_allclose(case.generated.observables["mass"], mass[300:], rtol=1e-14)
    assert case.warnings == judged(truth, events_of({"mass": number(mass[300:], units="GeV")}, 2)).warnings
    with pytest.raises(EventsError, match="the generated events: variable 'mass' has the unit 'banana'"):
        judged(truth, relabelled(generated, mass="banana"))
    # a unit that nobody knows compares with itself
    assert judged(relabelled(truth, mass="mag"), relabelled(generated, mass="mag")).generated.units["mass"] == "mag"


def test_a_unit_that_is_labelled_wrongly_is_told_of() -> None:
    truth, generated = toy_events(300, 1), toy_events(300, 2)
    assert not [w for w in judged(truth, generated).warnings if "unit" in w]
    wrong = scaled(generated, "shower", 1e-3, "MeV")
    (told,) = [w for w in judged(truth, wrong).warnings if "unit" in w]
    assert "'shower' is about 1,000 times as large in the truth as in the generated events, both in MeV" in told
    told = [w for w in judged(relabelled(truth, shower="GeV"), generated).warnings if "unit" in w]
    assert "The cells of the truth hold" in told[0]
    # it says GeV, and was converted
    assert "1,000 times as large in the truth as in the generated events, both in MeV" in told[1]


def test_samples_of_the_same_scale_are_not_told_of() -> None:
    # 200 pairs of samples of 30 events, whose conditions differ by up to a factor of 100: no warning in any
    rng = np.random.default_rng(3)
    for _ in range(200):
        low, high = np.exp(rng.uniform(0, np.log(100), 2))
        one, other = (
            events_of({"mass": number(scale * rng.lognormal(0, 1, 30), units="GeV")}, 1) for scale in (low, high)
        )
        assert scale_warnings(one, other, ("one", "other")) == []


def test_energies_in_cells_that_cannot_be_are_told_of_in_training() -> None:
    events = toy_events(100, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_parts("x", None, lambda path: events)
    for wrong in (relabelled(events, shower="GeV"), relabelled(events, incident_energy="MeV")):
        with pytest.warns(UserWarning, match="The cells of x hold .* times the incident energy"):
            read_parts("x", None, lambda path, wrong=wrong: wrong)
    assert response_warnings(relabelled(events, shower="keV").pipe(in_convention), "x")
    assert response_warnings(toy_clouds(3, 1), "x") == []


def test_a_further_training_sample_in_other_units_joins_in_the_first_ones() -> None:
    first, more = toy_events(100, 1), toy_events(50, 2)
    samples = {"a": first, "b": scaled(more, "shower", 1e-3, "GeV")}
    training, _ = read_parts("a", None, samples.__getitem__, further=("b",))
    np.testing.assert_allclose(training["shower"].values[-50:], more["shower"].values, rtol=2e-7)
    mistaken = {"a": first, "b": scaled(more, "shower", 1e-3, "MeV")}
    with pytest.warns(UserWarning, match="'shower' is about 1,000 times as large in a as in b"):
        read_parts("a", None, mistaken.__getitem__, further=("b",))
