"""A trained generator from Python: events as a function of seed, index and conditions alone; what is refused."""

import itertools
import json
import math
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file
from typer.testing import CliRunner

import simulacra
from simulacra.cli import main
from simulacra.conditions import Distribution
from simulacra.errors import is_explained
from simulacra.events import EventsError, variable
from simulacra.geometry import CalorimeterGeometry
from simulacra.store import open_events
from simulacra.systems import any_system
from simulacra.trained import BLOCK, ExtrapolationWarning, TrainedGenerator
from simulacra.training.checkpoint import CheckpointError, read_metadata, read_model, save_model, save_tensors
from tiny_calogan import FIVE, toy_geometry

INSIDE = {
    "incident_energy": "log:1.2:80",
    "impact_x": "uniform:-40:40",
    "impact_y": 3.0,
    "polar_angle": "uniform:0.02:0.3",
    "azimuthal_angle": 1.0,
}


@pytest.fixture(scope="module")
def generator(trained_run: Path) -> TrainedGenerator:
    return simulacra.load(trained_run)


@pytest.fixture(scope="module")
def five(trained_on_five_conditions: Path) -> TrainedGenerator:
    return simulacra.load(trained_on_five_conditions)


# Loading


def test_a_run_folder_its_file_and_their_text_are_the_same_generator(trained_run: Path) -> None:
    found = [simulacra.load(p) for p in (trained_run, trained_run / "model.safetensors", str(trained_run))]
    samples = [g.sample(5, incident_energy=50.0, seed=1)["shower"].values for g in found]
    np.testing.assert_array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(samples[0], samples[2])
    assert found[0].name == "toy"
    assert found[0].trained_range == {"incident_energy": (1.0, 100.0)}
    assert repr(found[0]) == "TrainedGenerator(toy: incident_energy 1 to 100)"


def test_an_unknown_name_tells_the_shipped_ones(monkeypatch: pytest.MonkeyPatch, trained_run: Path) -> None:
    monkeypatch.setattr("simulacra.trained.find.WEIGHTS", trained_run)
    with pytest.raises(ValueError, match="'calogan' is neither a file, nor a run folder, nor one of model"):
        simulacra.load("calogan")
    assert simulacra.shipped() == ["model"]
    assert simulacra.load("model").name == "toy"


def places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the places of metadata at which something can be wrong."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, one in inner for found in places(one, (*place, key)))]


def test_whatever_stands_in_the_metadata_a_file_loads_or_is_refused_by_name(trained_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    whole, weights = read_model(trained_run / "model.safetensors")
    read = {"name": "x", "experiment": {"system": whole["experiment"]["system"]}, "description": whole["description"]}
    errors = []
    for place in places(read):
        for value in ([], None, "\x00x", math.nan):
            damaged = json.loads(json.dumps({"metadata": read}))
            inner = damaged
            for key in ("metadata", *place)[:-1]:
                inner = inner[key]
            inner[("metadata", *place)[-1]] = value
            save_tensors(path, weights, damaged["metadata"])
            try:
                simulacra.load(path)
            except ValueError as error:
                errors.append(error)
    assert len(errors) > 50
    assert all(map(is_explained, errors))
    told = [" ".join(str(error).split()) for error in errors]
    assert all(map(str.isprintable, told))
    assert all(str(path) in one or "there is no system" in one for one in told), told


def test_a_damaged_file_is_refused_by_name(trained_run: Path, tmp_path: Path) -> None:
    whole = (trained_run / "model.safetensors").read_bytes()
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole[:-50])
    for place in (tmp_path, path):
        with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
            simulacra.load(place)


def test_a_file_without_its_description_is_refused_by_name(generator: TrainedGenerator, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    for lacking in ("name", "description", "experiment"):
        save_model(path, generator.module, {k: v for k, v in generator.metadata.items() if k != lacking})
        with pytest.raises(CheckpointError, match=rf"other\.safetensors does not contain its '{lacking}'"):
            simulacra.load(path)


def test_weights_of_another_network_are_refused(trained_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    metadata = read_metadata(trained_run / "model.safetensors")
    save_model(path, torch.nn.Linear(2, 2), metadata)
    with pytest.raises(CheckpointError, match=r"other\.safetensors does not fit the network"):
        simulacra.load(path)


def test_an_untrained_run_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model file .*model\.safetensors"):
        simulacra.load(tmp_path)


# What an event depends on


def same(a: xr.Dataset, b: xr.Dataset) -> None:
    """Bit for bit, all variables and the events' numbers."""
    assert list(a.variables) == list(b.variables)
    for name in a.variables:
        assert a[name].dtype == b[name].dtype
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))


@pytest.mark.parametrize("cuts", [(1, 2, 3), (BLOCK,), (BLOCK - 1, BLOCK + 1, 2 * BLOCK), (150, 151, 199)])
@pytest.mark.parametrize("energy", ["log:1:100", 50.0])
def test_an_event_does_not_depend_on_how_many_are_asked_for_at_a_time(
    generator: TrainedGenerator, cuts: tuple[int, ...], energy: Any
) -> None:
    whole = generator.sample(200, incident_energy=energy, seed=5, exact=True)
    edges = [0, *cuts, 200]
    pieces = [
        generator.sample(stop - start, incident_energy=energy, seed=5, first_event=start, exact=True)
        for start, stop in itertools.pairwise(edges)
    ]
    same(xr.concat(pieces, "event", combine_attrs="drop"), whole)
    np.testing.assert_array_equal(whole["event"].values, np.arange(200))


def test_an_event_does_not_depend_on_how_many_threads_there_are(five: TrainedGenerator) -> None:
    before = torch.get_num_threads()
    try:
        samples = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            samples.append(five.sample(100, seed=2, exact=True, **INSIDE))
    finally:
        torch.set_num_threads(before)
    same(*samples)


def test_an_event_does_not_depend_on_the_conditions_of_others(generator: TrainedGenerator) -> None:
    energy = np.linspace(2, 90, 100)
    whole = generator.sample(100, incident_energy=energy, seed=3, exact=True)
    other = np.full(100, 7.0)
    other[40] = energy[40]
    assert np.array_equal(
        generator.sample(100, incident_energy=other, seed=3, exact=True)["shower"][40], whole["shower"][40]
    )
    part = generator.sample(30, incident_energy=energy[35:65], seed=3, first_event=35, exact=True)
    same(part, whole.isel(event=slice(35, 65)))


@pytest.mark.parametrize("cuts", [(1, 2, 3), (BLOCK - 1, BLOCK, BLOCK + 1), (5, 150, 199)])
@pytest.mark.parametrize("energy", ["log:1:100", 50.0])
def test_few_events_are_those_of_many_but_for_rounding(
    generator: TrainedGenerator, cuts: tuple[int, ...], energy: Any
) -> None:
    whole = generator.sample(200, incident_energy=energy, seed=5, exact=True)
    for start, stop in itertools.pairwise([0, *cuts, 200]):
        part = generator.sample(stop - start, incident_energy=energy, seed=5, first_event=start)
        expected = whole.isel(event=slice(start, stop))
        same(part.drop_vars("shower"), expected.drop_vars("shower"))
        differ = np.abs(part["shower"].values - expected["shower"].values)
        assert (differ <= 1e-5 * expected["shower"].values.max(axis=1, keepdims=True)).all()


def test_one_event_costs_the_network_one_event(generator: TrainedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    monkeypatch.setattr(generator, "module", Counting(generator.module, rows))
    generator.sample(1, incident_energy=50.0, seed=1, first_event=70)
    generator.sample(100, incident_energy=50.0, seed=1, first_event=30)
    assert rows == [1, 100]
    rows.clear()
    generator.sample(1, incident_energy=50.0, seed=1, exact=True)
    assert rows == [BLOCK]
    rows.clear()
    generator.sample(5000, incident_energy=50.0, seed=1)
    assert max(rows) <= 128, "memory must not grow with the number of events"


class Counting(torch.nn.Module):
    def __init__(self, module: torch.nn.Module, rows: list[int]) -> None:
        super().__init__()
        self.module, self.rows, self.latent = module, rows, module.latent

    def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        self.rows.append(len(noise))
        return self.module(noise, conditions)  # type: ignore[no-any-return]


def test_events_like_the_last_ones_are_made_as_the_first_ones(generator: TrainedGenerator, trained_run: Path) -> None:
    """Where their number and place repeat, no index is built again; nothing of the last ones may show."""
    first = generator.sample(3, incident_energy=50.0, seed=1, first_event=7)
    kept = first.copy(deep=True)
    options: dict[str, Any] = {"incident_energy": np.array([2.0, 3.0, 90.0]), "seed": 2, "first_event": 7}
    again = generator.sample(3, fixed_noise=True, **options)
    fresh = simulacra.load(trained_run).sample(3, fixed_noise=True, **options)
    drop = {"seconds_per_event": 1.0}
    xr.testing.assert_identical(again.assign_attrs(drop), fresh.assign_attrs(drop))
    again["shower"].values[:] = -1
    again["shower"].attrs["units"] = "banana"
    again.attrs["seed"] = "none"
    xr.testing.assert_identical(first, kept)
    third = generator.sample(3, fixed_noise=True, **options)
    xr.testing.assert_identical(third.assign_attrs(drop), fresh.assign_attrs(drop))


def test_what_is_written_to_events_reaches_no_others(generator: TrainedGenerator) -> None:
    kept = generator.sample(2, incident_energy=50.0, seed=5)
    before = kept.copy(deep=True)
    written = generator.sample(2, incident_energy=50.0, seed=6)
    for name in ("shower", "incident_energy", "event"):
        written[name].attrs["note"] = "mine"
    written.attrs["note"] = "mine"
    written["shower"].values[:] = 0.0
    written["more"] = ("event", [1, 2])
    after = generator.sample(2, incident_energy=50.0, seed=5)
    for events in (kept, after):
        assert set(events.variables) == set(before.variables)
        assert events.attrs["seed"] == 5
        assert "note" not in events.attrs
        assert all("note" not in events[name].attrs for name in events.variables)
        np.testing.assert_array_equal(events["shower"].values, before["shower"].values)


def test_threads_that_share_a_generator_get_their_own_events(generator: TrainedGenerator) -> None:
    def draw(place: tuple[int, int]) -> bool:
        first, n = place
        events = generator.sample(n, incident_energy=50.0, seed=1, first_event=first)
        return events["event"].values.tolist() == list(range(first, first + n))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(3) as pool:
            assert all(pool.map(draw, [(0, 2), (10, 2), (0, 3)] * 60))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("energy", [True, np.bool_(True)])
def test_a_truth_value_is_no_condition(generator: TrainedGenerator, energy: Any) -> None:
    with pytest.raises(ValueError, match="'incident_energy' must be a number, an array or a distribution, not True"):
        generator.sample(2, incident_energy=energy, seed=1)


def test_seeds_decide(generator: TrainedGenerator) -> None:
    first, again, other = (generator.sample(20, incident_energy="log:1:100", seed=seed) for seed in (1, 1, 2))
    same(first, again)
    assert not np.array_equal(first["shower"].values, other["shower"].values)
    assert not np.array_equal(first["incident_energy"].values, other["incident_energy"].values)


def test_a_seed_that_was_not_given_is_drawn_and_recorded(generator: TrainedGenerator) -> None:
    first, other = (generator.sample(10, incident_energy=50.0) for _ in range(2))
    assert first.attrs["seed"] != other.attrs["seed"]
    same(first, generator.sample(10, incident_energy=50.0, seed=first.attrs["seed"]))


def test_no_two_events_share_their_noise(generator: TrainedGenerator) -> None:
    showers = generator.sample(3 * BLOCK, incident_energy=50.0, seed=1)["shower"].values
    assert len(np.unique(showers, axis=0)) == 3 * BLOCK


def test_noise_and_conditions_are_drawn_apart(generator: TrainedGenerator) -> None:
    """A fixed energy where that very energy was drawn gives the very same shower."""
    drawn = generator.sample(10, incident_energy="uniform:20:80", seed=4)
    fixed = generator.sample(10, incident_energy=drawn["incident_energy"].values, seed=4)
    np.testing.assert_array_equal(drawn["shower"].values, fixed["shower"].values)


def test_fixed_noise_leaves_the_conditions_alone_to_differ(generator: TrainedGenerator) -> None:
    alike = generator.sample(BLOCK + 6, incident_energy=50.0, seed=1, fixed_noise=True)["shower"].values
    assert len(np.unique(alike, axis=0)) == 1
    scan = generator.sample(100, incident_energy=np.linspace(50, 51, 100), seed=1, fixed_noise=True)["shower"].values
    np.testing.assert_array_equal(scan[0], alike[0])
    assert len(np.unique(scan, axis=0)) == 100
    steps = np.abs(np.diff(scan, axis=0)).max()
    assert steps < 0.1 * scan.max(), "a scan at fixed noise must be smooth"


# Conditions


def test_conditions_are_kept_with_their_units(five: TrainedGenerator) -> None:
    events = five.sample(100, seed=1, **INSIDE)
    assert list(five.trained_range) == FIVE
    assert set(simulacra.events.names(events, "condition")) == set(FIVE)
    assert events["impact_x"].attrs["units"] == "mm"
    assert events["polar_angle"].attrs["units"] == "rad"
    assert float(events["impact_y"].min()) == float(events["impact_y"].max()) == 3.0
    assert -40 <= float(events["impact_x"].min()) < -20
    assert 20 < float(events["impact_x"].max()) <= 40
    drawn = [events[name].values for name in ("incident_energy", "impact_x", "polar_angle")]
    assert float(np.abs(np.corrcoef(drawn) - np.eye(3)).max()) < 0.35, "each condition has a stream of its own"


def test_each_condition_reaches_the_shower(five: TrainedGenerator) -> None:
    base = {"incident_energy": 30.0, "impact_x": 5.0, "impact_y": 5.0, "polar_angle": 0.2, "azimuthal_angle": 1.0}
    here = five.sample(1, seed=1, **base)["shower"].values
    for name in FIVE:
        assert not np.array_equal(five.sample(1, seed=1, **base | {name: 1.1 * base[name]})["shower"].values, here)


@pytest.mark.parametrize(
    "energy", [50.0, 50, "50", np.float32(50), np.full(7, 50.0), [50] * 7, Distribution("fixed", 50, 50)]
)
def test_a_condition_can_be_given_in_many_ways(generator: TrainedGenerator, energy: Any) -> None:
    same(generator.sample(7, incident_energy=energy, seed=1), generator.sample(7, incident_energy=50.0, seed=1))


def test_drawn_energies_follow_their_distribution(generator: TrainedGenerator) -> None:
    energy = generator.sample(4000, incident_energy="log:1:100", seed=1)["incident_energy"].values
    uniform = np.log(energy) / math.log(100)
    # A Kolmogorov distance above 1.95 / sqrt(n) has a false-alarm rate of 0.1 %.
    assert np.abs(np.sort(uniform) - (np.arange(4000) + 0.5) / 4000).max() < 1.95 / math.sqrt(4000)


@pytest.mark.parametrize(
    ("energy", "shown"),
    [(0.0, "0"), (-5.0, "-5"), (math.nan, "nan"), (math.inf, "inf"), (1e-60, "1e-60"), (1e60, r"1e\+60")],
)
def test_impossible_energies_are_refused_with_the_trained_range(
    generator: TrainedGenerator, energy: float, shown: str
) -> None:
    need = (
        rf"'incident_energy' is {shown} GeV in event \d+: it must be finite and above 0 \(trained from 1 to 100 GeV\)"
    )
    with pytest.raises(ValueError, match=need):
        generator.sample(3, incident_energy=energy, seed=1)
    energies = np.full(5, 50.0)
    energies[3] = energy
    with pytest.raises(ValueError, match=f"is {shown} GeV in event 13"):
        generator.sample(5, incident_energy=energies, seed=1, first_event=10)


def test_positions_may_be_negative_but_must_be_finite(five: TrainedGenerator) -> None:
    with pytest.raises(ValueError, match="'impact_y' is nan mm in event 0: it must be finite"):
        five.sample(2, seed=1, **INSIDE | {"impact_y": math.nan})
    five.sample(2, seed=1, **INSIDE | {"impact_y": -3.0})


@pytest.mark.parametrize("energy", [0.5, 200.0, "log:0.02:50", "uniform:1:100.1", np.array([50.0, 5000.0])])
def test_energies_out_of_the_trained_range_are_warned_of(generator: TrainedGenerator, energy: Any) -> None:
    expected = r"'incident_energy' from .* GeV reaches outside the trained range of 1 to 100 GeV: 'toy' extrapolates"
    with pytest.warns(ExtrapolationWarning, match=expected) as said:
        events = generator.sample(2, incident_energy=energy, seed=1)
    assert said[0].filename == __file__, "the warning points to the line that asked"
    assert bool((events["shower"] >= 0).all())


@pytest.mark.parametrize(("energy", "end"), [("log:1:1e5", "100000"), ("uniform:0:50", "0"), ("uniform:-1:50", "-1")])
def test_distributions_too_far_out_are_refused_by_their_ends(
    generator: TrainedGenerator, energy: str, end: str
) -> None:
    with pytest.raises(ValueError, match=rf"'incident_energy' is {end} GeV in '.*': it must be .*trained from 1 to"):
        generator.sample(1, incident_energy=energy, seed=1)


def test_the_ends_of_the_trained_range_are_inside(generator: TrainedGenerator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator.sample(2, incident_energy=np.array([1.0, 100.0]), seed=1)


def test_unknown_conditions_are_named_and_others_are_drawn(generator: TrainedGenerator, five: TrainedGenerator) -> None:
    with pytest.raises(ValueError, match=r"'toy' has no condition 'impact_x'; it takes incident_energy \[GeV\]"):
        generator.sample(3, incident_energy=50.0, impact_x=3.0, seed=1)
    drawn = five.sample(300, incident_energy=50.0, seed=1)
    assert set(drawn["incident_energy"].values) == {np.float32(50)}
    assert drawn["impact_x"].values.min() < -30 < 30 < drawn["impact_x"].values.max()
    assert len(set(generator.sample(300, seed=1)["incident_energy"].values)) > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "at least 1, not 0"),
        ({"n": -3}, "at least 1, not -3"),
        ({"n": 3, "seed": -1}, "seed must not be negative, not -1"),
        ({"n": 3, "incident_energy": np.ones(4)}, r"'incident_energy' must be a number or an array \(3,\), not \(4,\)"),
        ({"n": 3, "incident_energy": np.ones((3, 1))}, r"array \(3,\), not \(3, 1\)"),
        ({"n": 3, "incident_energy": "gauss:1:2"}, "neither a number"),
        ({"n": 3, "incident_energy": "log:5:2"}, "lower bound 5 is above the upper bound 2"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    generator: TrainedGenerator, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        generator.sample(**{"seed": 1, "incident_energy": 50.0, **arguments})


# What comes out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1.5}, r"the number of events must be a whole number, not 1\.5"),
        ({"n": 2.0}, r"the number of events must be a whole number, not 2\.0"),
        ({"n": True}, "the number of events must be a whole number, not True"),
        ({"n": np.bool_(True)}, r"the number of events must be a whole number, not np\.True_"),
        ({"n": "3"}, "the number of events must be a whole number, not '3'"),
        ({"n": None}, "the number of events must be a whole number, not None"),
        ({"n": math.nan}, "the number of events must be a whole number, not nan"),
        ({"seed": "a"}, "the seed must be a whole number, not 'a'"),
        ({"seed": 1.5}, r"the seed must be a whole number, not 1\.5"),
        ({"seed": False}, "the seed must be a whole number, not False"),
        ({"seed": [1] * 100}, "the seed must be a whole number, not .*…"),
        ({"first_event": -1}, "the first event's index must not be negative, not -1"),
        ({"first_event": 0.5}, r"the first event's index must be a whole number, not 0\.5"),
        ({"first_event": "0"}, "the first event's index must be a whole number, not '0'"),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_what_is_no_whole_number_is_refused_in_one_line(
    generator: TrainedGenerator, change: dict[str, Any], message: str, exact: bool
) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as refused:
        generator.sample(**{"n": 2, "seed": 1, "incident_energy": 50.0, "exact": exact} | change)
    assert is_explained(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_numbers_of_numpy_are_whole_numbers(generator: TrainedGenerator) -> None:
    by_numpy = generator.sample(np.int32(3), seed=np.uint64(7), first_event=np.int64(70), incident_energy=50.0)
    expected = generator.sample(3, seed=7, first_event=70, incident_energy=50.0)
    np.testing.assert_array_equal(by_numpy["shower"].values, expected["shower"].values)
    assert by_numpy.attrs["seed"] == 7
    assert type(by_numpy.attrs["seed"]) is int


def test_events_are_valid_and_tell_where_they_are_from(generator: TrainedGenerator) -> None:
    events = generator.sample(50, incident_energy=np.linspace(1, 100, 50), seed=9, first_event=7)
    simulacra.validate(events, conditions=["incident_energy"], features=["shower"])
    assert events["shower"].dims == ("event", "cell")
    assert events["shower"].dtype == np.float32
    assert events.sizes == {"event": 50, "cell": toy_geometry().n_cells}
    assert events.attrs["simulator"] == "simulacra toy"
    assert events.attrs["simulator_version"] == simulacra.__version__
    assert events.attrs["seed"] == 9
    assert events.attrs["particle"] == "e+"
    assert events.attrs["seconds_per_event"] > 0
    assert json.loads(events.attrs["settings"]) == {"incident_energy": "array of 50", "fixed_noise": False}
    assert json.loads(events.attrs["trained_range"]) == {"incident_energy": [1.0, 100.0]}
    assert CalorimeterGeometry.from_events(events) == toy_geometry()


def test_energy_follows_the_incident_one(generator: TrainedGenerator) -> None:
    energy = np.array([2.0, 10.0, 90.0])
    total = generator.sample(3, incident_energy=energy, seed=1)["shower"].sum("cell").values
    np.testing.assert_allclose(total / (1000 * energy), 0.8, atol=0.2)


def test_a_network_that_makes_no_numbers_is_told_with_event_and_conditions(trained_run: Path) -> None:
    broken = simulacra.load(trained_run)
    broken.module.images.width.fill_(torch.inf)
    with pytest.raises(
        FloatingPointError, match=r"'toy' made a value .* not finite in event 12, .*'incident_energy': 50"
    ):
        broken.sample(3, incident_energy=50.0, seed=1, first_event=12)


def test_the_file_holds_the_weights_that_are_used(generator: TrainedGenerator, trained_run: Path) -> None:
    weights = load_file(trained_run / "model.safetensors")
    torch.testing.assert_close(generator.module.scale[:, 0], weights["images.scale"], rtol=0, atol=0)
    assert not any(p.requires_grad for p in generator.module.parameters())


@pytest.fixture(scope="module")
def without_conditions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run of a generator of fields, which takes no conditions."""
    folder = tmp_path_factory.mktemp("fields")
    simulacra.train(any_system("toy_field").example(folder), folder / "run", progress=False)
    return folder / "run"


def test_a_generator_without_conditions_is_sampled(without_conditions: Path) -> None:
    generator = simulacra.load(without_conditions)
    assert repr(generator) == "TrainedGenerator(toy-field: no conditions)"
    events = generator.sample(150, seed=3)
    simulacra.validate(events, features=["field"])
    assert simulacra.events.names(events, "condition") == []
    values = events["field"].values
    np.testing.assert_array_equal(values, generator.sample(150, seed=3, exact=True)["field"].values)
    np.testing.assert_array_equal(values[70:80], generator.sample(10, seed=3, first_event=70)["field"].values)
    # Made again like the last ones, with their coordinates.
    np.testing.assert_array_equal(values, generator.sample(150, seed=3)["field"].values)
    assert set(events.coords) == set(generator.sample(150, seed=4).coords) == {"event", "x", "y"}
    assert json.loads(events.attrs["trained_range"]) == {}
    candidates = generator.candidates(np.array([3, 70]), 0, 1, generator.columns_of(2, 1, 0, {}))
    assert candidates.shape == (2, 8, 8)
    with pytest.raises(ValueError, match=r"'toy-field' has no condition 'incident_energy'; it takes none"):
        generator.sample(3, incident_energy=50.0)


def test_a_store_is_generated_without_conditions(without_conditions: Path, tmp_path: Path) -> None:
    def generate(*arguments: object) -> Any:
        return CliRunner().invoke(main.app, ["generate", *map(str, arguments), "--quiet"])

    store = tmp_path / "fields.zarr"
    result = generate(without_conditions, store, "-n", 100, "--batch-size", 70, "--seed", 3)
    assert result.exit_code == 0, result.output
    expected = simulacra.load(without_conditions).sample(100, seed=3, exact=True)
    np.testing.assert_array_equal(open_events(store)["field"].values, expected["field"].values)
    refused = generate(without_conditions, tmp_path / "x.zarr", "--energy", 50)
    assert refused.exit_code == 2
    assert "has no condition 'incident_energy' (--energy); it takes none" in " ".join(refused.stderr.split())
    refused = generate(without_conditions, tmp_path / "x.zarr", "--like", store)
    assert refused.exit_code == 2
    assert "the generator has no conditions that could be taken from another sample" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), "'incident_energy' is masked in some events"),
        (np.datetime64("2020-01-01"), "'incident_energy' must be a number, .* not datetime64"),
        (1j, "'incident_energy' must be a number, .* not complex"),
        (None, "'incident_energy' must be a number, .* not NoneType"),
        ([1.0, "a", 2.0], "'incident_energy' must be a number, .* not list"),
        (10**400, "'incident_energy' is inf GeV in event 0"),
        ("empirical:1", "neither a number"),
    ],
)
def test_what_is_no_number_is_no_condition(generator: TrainedGenerator, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generator.sample(3, seed=1, incident_energy=value)


def test_whole_numbers_that_single_precision_skips_are_refused(tmp_path: Path) -> None:
    simulacra.train(any_system("toy_cloud").example(tmp_path), tmp_path / "run", progress=False)
    generator = simulacra.load(tmp_path / "run")
    assert repr(generator).startswith("TrainedGenerator(toy-cloud: jet_class gluon or light quark or top, collisions ")
    with pytest.raises(ValueError, match=r"'collisions' is 1.67772e.07 in event 0: .* whole number of at most"):
        generator.sample(2, seed=1, collisions=2**24 + 1)
    with pytest.raises(ValueError, match=r"the index of the last event, .* must be below"):
        generator.sample(2, seed=1, first_event=2**63 - 1)
    with pytest.raises(ValueError, match="'collisions': '1e30' has whole numbers beyond"):
        generator.sample(2, seed=1, collisions="1e30")
    # as pandas holds them
    names = np.array(["top", "gluon"], dtype=object)
    assert generator.sample(2, seed=1, jet_class=names)["jet_class"].values.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"condition_distributions": {"collisions": "banana"}}, "is 'banana', neither uniform nor log"),
        ({"condition_ranges": {"jet_class": [0, 9], "collisions": [9, 33]}}, "'jet_class' cannot go from 0 to 9"),
        ({"condition_ranges": {"jet_class": [0, 2], "collisions": [33, 9]}}, "'collisions' cannot go from 33 to 9"),
        ({"hold_out": [["collisions", 20, 10]]}, "'hold_out': collisions:20:10 is no band"),
    ],
)
def test_a_file_whose_conditions_contradict_themselves_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    from simulacra.training.checkpoint import read_model, save_tensors

    simulacra.train(any_system("toy_cloud").example(tmp_path), tmp_path / "run", progress=False)
    metadata, tensors = read_model(tmp_path / "run" / "model.safetensors")
    lying = metadata | {"description": metadata["description"] | change}
    save_tensors(tmp_path / "lying.safetensors", tensors, lying)
    with pytest.raises(CheckpointError, match=message):
        simulacra.load(tmp_path / "lying.safetensors")


def test_a_broken_system_of_a_users_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import simulacra.systems

    (tmp_path / "broken_one.py").write_text("x = (")
    (tmp_path / "half.py").write_text('MAKES = "events"\n')
    (tmp_path / "calogan.py").write_text("")
    monkeypatch.setattr(simulacra.systems, "__path__", [*simulacra.systems.__path__, str(tmp_path)])
    with pytest.raises(ValueError, match=r"the system in .*broken_one\.py cannot be used \(SyntaxError"):
        any_system("broken_one")
    with pytest.raises(ValueError, match=r"the system in .*half\.py lacks Settings, CONDITIONS, example"):
        any_system("half")
    with pytest.raises(ValueError, match="there are two systems of kind 'calogan'"):
        any_system("calogan")
    sys.modules.pop("simulacra.systems.half", None)


def test_a_package_is_no_system_and_a_file_that_leaves_the_program_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import simulacra.systems

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("import nothing")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(simulacra.systems, "__path__", [*simulacra.systems.__path__, str(tmp_path)])
    assert {"leaving", "package"} & set(simulacra.systems.names()) == {"leaving"}
    with pytest.raises(ValueError, match=r"the system in .*leaving\.py cannot be used \(SystemExit: 3\)"):
        any_system("leaving")


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("toy_field", {"MAKES": "images"}, "has MAKES = 'images', not one of events, weights, scores"),
        ("toy_field", {"MAKES": "weights"}, "lacks fit"),
        ("toy_field", {"MAKES": "scores"}, "lacks to_inputs, inputs, SCORE"),
        ("toy_score", {"MAKES": "events"}, "lacks to_variables, CARRIES"),
        ("toy_field", {"fold": None}, "has a fold that cannot be called"),
        ("toy_field", {"CONDITIONS": ("energy",)}, "has CONDITIONS that are not a mapping"),
        ("toy_field", {"CONDITIONS": {"energy": "GeV"}}, "has CONDITIONS that are not a mapping"),
        ("toy_field", {"CARRIES": "frame"}, "has CARRIES = 'frame', not a tuple of texts"),
        ("toy_field", {"CARRIES": ("frame", "seed")}, "has CARRIES with seed, which"),
        ("toy_score", {"SCORE": "1"}, "has a SCORE that is not a tuple of two texts"),
    ],
)
def test_an_incomplete_system_is_refused_before_it_is_trained(
    kind: str, change: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = any_system(kind)
    for name, value in change.items():
        monkeypatch.setattr(module, name, value)
    with pytest.raises(ValueError, match=rf"the system in .*{kind}\.py {message}"):
        any_system(kind)


def test_a_condition_that_the_sample_lacks_is_named(tmp_path: Path) -> None:
    experiment = any_system("toy_score").example(tmp_path)
    other = simulacra.open_events(experiment["data"]["path"]).load().drop_vars("proper_motion")
    simulacra.write_events(other, tmp_path / "other.zarr")
    experiment["data"]["path"] = str(tmp_path / "other.zarr")
    message = r"the model's condition 'proper_motion' is not in .*, which holds colour, magnitude"
    with pytest.raises(EventsError, match=message):
        simulacra.train(experiment, tmp_path / "run", progress=False)


@pytest.fixture(scope="module")
def toy_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the run folders of a toy generator and a toy score."""
    folder = tmp_path_factory.mktemp("toys")
    for kind in ("toy_cloud", "toy_score"):
        simulacra.train(any_system(kind).example(folder), folder / kind, progress=False)
    return {kind: folder / kind for kind in ("toy_cloud", "toy_score")}


def feature(*shape: int) -> xr.Variable:
    return variable(np.ones(shape, "f4"), *"xyz"[: len(shape) - 1], units="GeV", long_name="f", role="feature")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "a NoneType, not a mapping"),
        ([feature(3)], "a list, not a mapping"),
        ({}, "no variable with the dimension 'event'"),
        ({"f": np.ones(3)}, "a ndarray for 'f': make it with"),
        ({"event": feature(3)}, "a variable 'event': it must have a name"),
        ({"f/g": feature(3)}, "a variable 'f/g': it must have a name"),
        ({"f": feature(3), "collisions": feature(3)}, "a variable 'collisions': it must have a name"),
        ({"f": feature(2)}, "'f' with the length 2 along 'event', not 3"),
        ({"f": feature(3, 4), "g": feature(3, 5)}, "'g' with the length 5 along 'x', not 4"),
        ({"f": xr.Variable("x", [1.0])}, "no variable with the dimension 'event'"),
    ],
)
def test_wrong_variables_are_refused_by_the_systems_name(
    toy_runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, made: Any, message: str
) -> None:
    generator = simulacra.load(toy_runs["toy_cloud"])
    monkeypatch.setattr(any_system("toy_cloud"), "to_variables", lambda output, description: made)
    with pytest.raises(EventsError, match=f"to_variables of the system 'toy_cloud' returns {message}"):
        generator.sample(3, seed=1)


def test_other_variables_or_coordinates_at_the_second_call_are_those_of_its_events(
    toy_runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = simulacra.load(toy_runs["toy_cloud"])
    for name, place in (("f", 1.0), ("f", 2.0), ("g", 2.0)):
        made = {name: feature(3, 1), "x": xr.Variable("x", [place])}
        monkeypatch.setattr(any_system("toy_cloud"), "to_variables", lambda output, description, made=made: made)
        events = generator.sample(3, seed=1)
        assert set(events.data_vars) == {name, "jet_class", "collisions"}
        assert events["x"].values.tolist() == [place]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made[:-1], r"must return one tensor with 1024 rows, .* not the shape \(1023,\)"),
        (lambda made: made[:, None], r"must return one score per row, \(1024,\), not the shape \(1024, 1\)"),
        (lambda made: (made, made), "must return one tensor with 1024 rows, .* not a tuple"),
    ],
)
def test_scores_of_a_wrong_shape_are_refused(toy_runs: dict[str, Path], change: Any, message: str) -> None:
    score = simulacra.load(toy_runs["toy_score"])
    made = score.module.forward
    score.module.forward = lambda *given: change(made(*given))
    with pytest.raises(ValueError, match=f"the module of the system 'toy_score' {message}"):
        score.score(any_system("toy_score").stars(100, 1))


def test_inputs_of_a_wrong_shape_and_modules_of_two_outputs_are_refused(
    toy_runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = any_system("toy_score")
    score, stars = simulacra.load(toy_runs["toy_score"]), toy.stars(10, 1)
    for wrong, told in ((np.ones((9, 2), "f4"), r"the shape \(9, 2\)"), ([1.0], "a list")):
        monkeypatch.setattr(toy, "to_inputs", lambda events, description, wrong=wrong: wrong)
        with pytest.raises(ValueError, match=rf"to_inputs of the system 'toy_score' must .* \(10, 2\), not {told}"):
            score.score(stars)
    monkeypatch.setattr(toy, "fold", TwoOutputs)
    with pytest.raises(ValueError, match=r"module of the system 'toy_score' must return one tensor .* not a tuple"):
        simulacra.load(toy_runs["toy_score"])


class TwoOutputs(torch.nn.Module):
    latent = 2

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *given: Any) -> Any:
        return self.module(*given), None


def test_a_part_of_a_conditions_name_is_understood_in_the_message(generator: TrainedGenerator) -> None:
    message = r"has no condition 'energy'; it takes incident_energy \[GeV\]; did you mean incident_energy\?"
    with pytest.raises(ValueError, match=message):
        generator.sample(3, energy=50.0)


def test_more_events_than_the_memory_holds_are_refused_before_anything_is_drawn(generator: TrainedGenerator) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"100,000,000,000,000 events take at least 17.2 PB, and this machine has"):
        generator.sample(10**14, incident_energy="log:1:100")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e7


@pytest.mark.parametrize(
    "change",
    [
        lambda ranges: dict(reversed(ranges.items())),
        lambda ranges: {name: pair for name, pair in ranges.items() if name != "impact_x"},
        lambda ranges: ranges | {"incident_energy": [-50.0, 50.0]},
    ],
)
def test_ranges_of_other_conditions_are_refused_with_the_file(
    trained_on_five_conditions: Path, tmp_path: Path, change: Any
) -> None:
    metadata, tensors = read_model(trained_on_five_conditions / "model.safetensors")
    metadata["description"]["condition_ranges"] = change(metadata["description"]["condition_ranges"])
    save_tensors(tmp_path / "x.safetensors", tensors, metadata)
    with pytest.raises(CheckpointError, match=r"x\.safetensors (has ranges of|does not describe its network)"):
        simulacra.load(tmp_path / "x.safetensors")


def test_a_condition_that_the_network_does_not_take_is_refused_with_the_file(tmp_path: Path) -> None:
    simulacra.train(any_system("toy_cloud").example(tmp_path), tmp_path / "run", progress=False)
    metadata, tensors = read_model(tmp_path / "run" / "model.safetensors")
    del metadata["description"]["condition_ranges"]["jet_class"]
    metadata["description"].pop("condition_distributions", None)
    tensors = {name: tensor for name, tensor in tensors.items() if "jet_class" not in name}
    save_tensors(tmp_path / "x.safetensors", tensors, metadata)
    with pytest.raises(CheckpointError, match=r"x\.safetensors has ranges of .*, which are not its network's"):
        simulacra.load(tmp_path / "x.safetensors")
