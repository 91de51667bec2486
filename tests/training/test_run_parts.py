"""Which events a run reads: never those of the test part."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from simulacra.events import part_of, validate
from simulacra.store import open_events, write_events
from simulacra.training.run import prepare, read_parts
from simulacra.training.settings import SettingsError
from tiny_calogan import toy_experiment, toy_showers


def test_no_event_of_the_test_part_is_given_out() -> None:
    events = toy_showers(500).assign_coords(event=np.arange(1000, 1500))
    training, validation = read_parts("x", None, lambda _: events)
    assert set(part_of(training["event"].values)) == {"train"}
    assert set(part_of(validation["event"].values)) == {"validation"}
    assert training.sizes["event"] + validation.sizes["event"] == int((part_of(events["event"].values) != "test").sum())
    assert not set(training["event"].values) & set(validation["event"].values)
    xr.testing.assert_identical(training, events.sel(event=training["event"]))


def test_no_value_of_the_test_part_is_looked_at(tmp_path: Path) -> None:
    """Each event is a chunk of its own, and those of the test part are destroyed: to read one would fail."""
    path = tmp_path / "Schauer.zarr"
    write_events(toy_showers(120), path, chunk_size=1)
    for index in np.flatnonzero(part_of(np.arange(120)) == "test"):
        chunk = path / "shower" / "c" / str(index) / "0"
        chunk.write_bytes(b"\0" * chunk.stat().st_size)
    training, validation = read_parts(str(path), None, open_events)
    assert float(training["shower"].sum() + validation["shower"].sum()) > 0
    with pytest.raises(Exception, match=r"(?i)checksum|crc|zstd|decompress"):
        open_events(path)["shower"].load()


def test_the_first_events_alone_can_be_asked_for() -> None:
    training, validation = read_parts("x", 200, lambda _: toy_showers(500))
    assert int(max(training["event"].max(), validation["event"].max())) < 200
    assert training.sizes["event"] > 100


def test_too_few_events_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"sample\.h5 leaves \d validation events of 30: at least 8 are needed"):
        read_parts("sample.h5", None, lambda _: toy_showers(30))


def test_held_out_events_are_in_neither_part() -> None:
    events = toy_showers(900)
    training, validation = read_parts("x", None, lambda _: events, hold_out=["energy:30:50", "incident_energy:2:3"])
    whole = read_parts("x", None, lambda _: events)
    for part, all_of_it in zip((training, validation), whole, strict=True):
        energy, before = part["incident_energy"].values, all_of_it["incident_energy"].values
        gone = ((before >= 30) & (before <= 50)) | ((before >= 2) & (before <= 3))
        assert gone.any()
        np.testing.assert_array_equal(energy, before[~gone])
        assert json.loads(part.attrs["hold_out"]) == [["incident_energy", 30, 50], ["incident_energy", 2, 3]]
    assert "hold_out" not in whole[0].attrs


@pytest.mark.parametrize(
    ("band", "message"),
    [
        (
            "energy:200:300",
            r"cannot hold out 'energy:200:300' of x: no training event is there, 'incident_energy' is",
        ),
        ("energy:1", r"'energy:1' is not a band of a condition: give CONDITION:LOW:HIGH"),
        ("energy:a:b", "its ends must be numbers"),
        ("energy:50:30", "must have finite ends, the lower one first"),
        ("energy:nan:30", "must have finite ends"),
        ("mass:1:2", "the events have no condition 'mass'; their conditions are: incident_energy, impact_x"),
        ("impact:1:2", "'impact' may be impact_x or impact_y: give more"),
        (":1:2", "':1:2' is not a band of a condition"),
        ("energy:0:1000", r"leaves 0 training events of 300 outside incident_energy:0:1000: at least 8"),
    ],
)
def test_a_band_that_makes_no_sense_is_refused(band: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_parts("x", None, lambda _: toy_showers(300, five_conditions=True), hold_out=[band])


def test_first_weights_hang_on_the_seed_alone() -> None:
    import torch

    def first(seed: int) -> list[float]:
        torch.manual_seed(int(np.random.default_rng().integers(1000)))
        experiment = toy_experiment().model_copy(update={"seed": seed})
        return prepare(experiment, lambda: torch.nn.Linear(3, 3)).weight.flatten().tolist()

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_further_samples_join_the_train_part_whole() -> None:
    samples = {"first": toy_showers(300), "second": toy_showers(70, seed=9)}
    training, validation = read_parts("first", None, samples.__getitem__, further=["second", "second"])
    alone = read_parts("first", None, samples.__getitem__)
    assert training.sizes["event"] == alone[0].sizes["event"] + 140
    validate(training)
    np.testing.assert_array_equal(training["shower"].values[-70:], samples["second"]["shower"].values)
    assert validation.identical(alone[1])
    assert training["shower"].attrs == alone[0]["shower"].attrs


def test_further_samples_of_something_else_are_refused() -> None:
    samples = {"first": toy_showers(300), "second": toy_showers(70).assign_attrs(particle="gamma")}
    with pytest.raises(
        SettingsError, match="second cannot be trained on together with first: its particle is gamma, not"
    ):
        read_parts("first", None, samples.__getitem__, further=["second"])
    samples["second"] = toy_showers(70).drop_vars("incident_energy")
    with pytest.raises(SettingsError, match="its 'incident_energy' is not there"):
        read_parts("first", None, samples.__getitem__, further=["second"])


def test_conditions_that_a_simulator_kept_fixed_are_known_from_its_settings() -> None:
    events = toy_showers(300, five_conditions=True)
    fixed = toy_showers(70, five_conditions=True).drop_vars(["impact_x", "polar_angle"])
    samples = {"first": events, "second": fixed.assign_attrs(settings='{"impact_x": "2.5", "polar_angle": "0"}')}
    training, _ = read_parts("first", None, samples.__getitem__, further=["second"])
    validate(training)
    assert set(training["impact_x"].values[-70:]) == {2.5}
    assert set(training["polar_angle"].values[-70:]) == {0.0}
    samples["second"] = fixed.assign_attrs(settings='{"impact_x": "uniform:0:1", "polar_angle": "0"}')
    with pytest.raises(SettingsError, match="its 'impact_x' is not there"):
        read_parts("first", None, samples.__getitem__, further=["second"])
