"""The detector: what is set is what comes out, and an event is the same in whatever chunk, selection or process it is.

Each test of a probability or a resolution allows for 4.5 standard deviations: a false alarm in 150,000 runs of a seed
that was not looked at before.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simulacra.events import EventsError, variable
from simulacra.simulators.detector import simulate_detector, write_detector
from simulacra.simulators.detector_settings import DetectorSettings
from simulacra.store import StoreError, StoreExistsError, open_events, write_events
from toy_clouds import Particle, clouds, clouds_of, z_decays

PERFECT = DetectorSettings(name="perfect")
LEP = DetectorSettings.load("lep-like")
SIGMAS = 4.5


def detector(**parts: dict[str, Any]) -> DetectorSettings:
    return DetectorSettings.model_validate({"name": "test", **parts})


def particle(p: float, theta: float, phi: float, identity: int, charge: int, mass: float = 0.0) -> Particle:
    px, py, pz = p * math.sin(theta) * math.cos(phi), p * math.sin(theta) * math.sin(phi), p * math.cos(theta)
    return (px, py, pz, math.hypot(p, mass), identity, charge)


def alike(n_events: int, n_particles: int, template: Particle) -> xr.Dataset:
    """Return events whose particles are all the same."""
    shape = (n_events, n_particles)
    momentum = np.broadcast_to(np.array(template[:3]), (*shape, 3))
    energy, identity, charge = (np.full(shape, value) for value in template[3:])
    return clouds(momentum, energy, identity, charge, np.ones(shape, dtype=bool))


def assert_same(first: xr.Dataset, second: xr.Dataset) -> None:
    xr.testing.assert_identical(first.drop_attrs(deep=False), second.drop_attrs(deep=False))


def test_a_perfect_detector_returns_the_visible_particles_unchanged() -> None:
    events, _ = z_decays()
    seen = simulate_detector(events, PERFECT, seed=3)
    invisible = np.isin(np.abs(events["identity"].values), (12, 14, 16))
    assert invisible.any()
    kept = events["present"].values & ~invisible
    for row in range(events.sizes["event"]):
        n = np.count_nonzero(kept[row])
        assert np.count_nonzero(seen["present"].values[row]) == n
        assert seen["present"].values[row, :n].all()
        assert seen["energy"].values[row, :n] == pytest.approx(events["energy"].values[row, kept[row]], rel=1e-5)
        # particles of the same energy may change places; momenta of slow neutral ones hang on their masses' last digit
        before = sorted(zip(*_columns(events, row, kept[row]), strict=True))
        after = sorted(zip(*_columns(seen, row, np.arange(128) < n), strict=True))
        assert [(a[0], a[1]) for a in after] == [(b[0], b[1]) for b in before]
        assert np.array(after)[:, 2:] == pytest.approx(np.array(before)[:, 2:], rel=1e-3, abs=1e-5)


def _columns(events: xr.Dataset, row: int, chosen: np.ndarray) -> list[list[float]]:
    columns = [events["identity"].values[row, chosen], events["charge"].values[row, chosen]]
    return [column.tolist() for column in (*columns, *events["momentum"].values[row, chosen].T)]


def test_the_conventions_hold_at_detector_level() -> None:
    events, _ = z_decays()
    seen = simulate_detector(events, LEP, seed=3)
    assert {name: seen[name].dtype for name in seen.data_vars} == {
        name: events[name].dtype for name in events.data_vars
    }
    assert all(seen[name].dims == events[name].dims for name in seen.data_vars)
    assert np.array_equal(seen["event"], events["event"])
    energy, present = seen["energy"].values, seen["present"].values
    assert (energy >= 0).all()
    assert (energy[present] > 0).all()
    assert (np.diff(energy, axis=1) <= 0).all()
    for name in ("momentum", "energy", "identity", "charge"):
        assert not seen[name].values[~present].any()
    square = (seen["momentum"].values.astype(float) ** 2).sum(axis=2)
    assert (square <= energy.astype(float) ** 2 * (1 + 1e-5)).all()
    assert np.array_equal(np.abs(seen["charge"].values) == 1, present & (seen["charge"].values != 0))
    assert "0 for neutral deposits" in seen["identity"].attrs["long_name"]
    assert seen.attrs["simulator"] == "detector"
    assert json.loads(seen.attrs["settings"])["name"] == "lep-like"
    assert (seen.attrs["seed"], seen.attrs["particle_level_seed"], seen.attrs["particle_level_simulator"]) == (
        3,
        5,
        "toy",
    )
    assert json.loads(seen.attrs["particle_level_settings"]) == {"made": "for a test"}


def test_weights_variations_and_conditions_are_passed_on_and_truth_is_not() -> None:
    extra = {
        "variation_up": variable(np.array([1.5, -0.5]), units="1", long_name="variation", role="weight"),
        "alphaS": variable(np.array([0.12, 0.14], "f4"), units="1", long_name="coupling", role="condition"),
        "flavour": variable(np.array([5, 1]), units="1", long_name="true flavour", role="feature"),
    }
    events = clouds_of([[particle(5, 1, 0, 211, 1, 0.14)], [particle(5, 1, 0, 22, 0)]], **extra)
    seen = simulate_detector(events, LEP, seed=1)
    for name in ("variation_up", "alphaS", "weight"):
        xr.testing.assert_identical(seen[name].variable, events[name].variable)
    assert "flavour" not in seen


def test_jets_are_found_again() -> None:
    pytest.importorskip("fastjet", reason="fastjet is not installed: pip install 'simulacra[jets]'")
    from simulacra.observables import cluster_jets

    events, _ = z_decays()
    arrays = [events[name].values for name in ("momentum", "energy", "present")]
    events = events.assign(cluster_jets(*arrays, radius=0.6, n_jets=3))
    seen = simulate_detector(events, LEP, seed=1)
    expected = cluster_jets(*(seen[name].values for name in ("momentum", "energy", "present")), radius=0.6, n_jets=3)
    for name, array in expected.items():
        xr.testing.assert_identical(seen[name].variable, array)
    assert not np.array_equal(seen["jet_pt"], events["jet_pt"])


def test_efficiency_is_as_set() -> None:
    template = particle(1.0, math.pi / 2, 0.4, 211, 1, 0.13957039)
    for tracking, expected in (
        ({"efficiency": 0.8}, 0.8),
        ({"efficiency": 0.9, "threshold": 0.6, "turn_on": 0.5}, 0.9 * (1 - math.exp(-0.4 / 0.5))),
        ({"efficiency": 0.9, "threshold": 1.01}, 0.0),
    ):
        seen = simulate_detector(alike(400, 50, template), detector(tracking=tracking), seed=2)
        error = math.sqrt(expected * (1 - expected) / 20_000)
        assert seen["present"].values.mean() == pytest.approx(expected, abs=SIGMAS * error)


def test_momentum_resolution_is_as_set() -> None:
    # 0.03 (+) 0.004 * 10 GeV = 0.05 of the transverse momentum; at 30 degrees to the beam that is half the momentum
    template = particle(20.0, math.pi / 6, 0.4, 211, 1, 0.13957039)
    settings = detector(tracking={"resolution_constant": 0.03, "resolution_slope": 0.004})
    seen = simulate_detector(alike(400, 50, template), settings, seed=2)
    momentum = seen["momentum"].values.astype(float)
    ratio = np.sqrt((momentum**2).sum(axis=2)).ravel() / 20
    assert ratio.mean() == pytest.approx(1, abs=SIGMAS * 0.05 / math.sqrt(20_000))
    assert ratio.std() == pytest.approx(0.05, rel=SIGMAS / math.sqrt(40_000))
    assert np.arctan2(momentum[..., 1], momentum[..., 0]) == pytest.approx(np.full((400, 50), 0.4), abs=1e-6)
    expected = np.sqrt((momentum**2).sum(axis=2) + 0.13957039**2)
    assert seen["energy"].values == pytest.approx(expected, rel=1e-6)


def test_directions_are_smeared_as_set_even_near_the_beam() -> None:
    for theta in (0.0, 0.01, math.pi / 2, 3.0):
        settings = detector(tracking={"angular_resolution": 0.02})
        template = particle(5.0, theta, 1.0, -211, -1, 0.13957039)
        seen = simulate_detector(alike(400, 50, template), settings, seed=4)
        momentum = seen["momentum"].values.astype(float).reshape(-1, 3)
        assert np.sqrt((momentum**2).sum(axis=1)) == pytest.approx(np.full(20_000, 5.0), rel=1e-6)
        cosine = np.clip(momentum @ np.array(template[:3]) / 25, -1, 1)
        # the square of the angle over the resolution's is exponential with the mean 2, and of this spread
        square = np.arccos(cosine) ** 2 / 0.02**2
        assert square.mean() == pytest.approx(2, abs=SIGMAS * 2 / math.sqrt(20_000) + 0.002)
        # along theta and along phi half of it each, and independently
        along_theta = momentum @ np.array(particle(1, theta + math.pi / 2, 1.0, 0, 0)[:3]) / 5 / 0.02
        along_phi = momentum @ np.array([-math.sin(1.0), math.cos(1.0), 0.0]) / 5 / 0.02
        for product, expected, spread in ((along_theta**2, 1, math.sqrt(2)), (along_theta * along_phi, 0, 1)):
            assert product.mean() == pytest.approx(expected, abs=SIGMAS * spread / math.sqrt(20_000) + 0.002)


@pytest.mark.parametrize(("identity", "part"), [(22, "electromagnetic"), (130, "hadronic")])
def test_energy_resolution_is_as_set(identity: int, part: str) -> None:
    # sqrt(0.4^2 / 16 + 0.03^2) at 16 GeV
    settings = detector(calorimeter={part: {"stochastic": 0.4, "constant": 0.03}})
    mass = 0.497611 if identity == 130 else 0.0
    template = particle(math.sqrt(16**2 - mass**2), 1.0, 0.4, identity, 0, mass)
    seen = simulate_detector(alike(400, 50, template), settings, seed=2)
    ratio = seen["energy"].values.astype(float).ravel() / 16
    expected = math.hypot(0.1, 0.03)
    assert ratio.mean() == pytest.approx(1, abs=SIGMAS * expected / math.sqrt(20_000))
    assert ratio.std() == pytest.approx(expected, rel=SIGMAS / math.sqrt(40_000))
    square = (seen["momentum"].values.astype(float) ** 2).sum(axis=2)
    assert seen["energy"].values.astype(float) ** 2 - square == pytest.approx(np.full((400, 50), mass**2), abs=1e-3)


def test_very_bad_resolutions_leave_no_negative_energy() -> None:
    settings = detector(
        tracking={"resolution_constant": 2.0},
        calorimeter={"hadronic": {"stochastic": 5.0}, "electromagnetic": {"constant": 3.0}},
    )
    events, _ = z_decays()
    seen = simulate_detector(events, settings, seed=1)
    assert seen["energy"].values.min() == 0
    assert (seen["energy"].values[seen["present"].values] > 0).all()
    assert 0 < np.count_nonzero(seen["present"]) < np.count_nonzero(events["present"])
    # a track that seems to curve the other way still flies where it flew
    template = particle(2, 1.0, 0.5, 211, 1, 0.13957039)
    track = simulate_detector(alike(20, 50, template), settings, seed=1)["momentum"].values.reshape(-1, 3)
    assert (track @ np.array(template[:3]) > 0).all()
    # a deposit of less than a neutron's mass is not that of a neutron
    neutrons = simulate_detector(alike(20, 50, particle(1, 1, 1, 2112, 0, 0.93956542)), settings, seed=1)
    energy, identity = neutrons["energy"].values, neutrons["identity"].values
    assert np.array_equal(identity == 2112, energy >= np.float32(0.93956542))
    assert 0 < np.count_nonzero(identity == 2112) < np.count_nonzero(energy)


def test_a_cell_merges_what_falls_into_it() -> None:
    settings = detector(calorimeter={"polar_cell": math.pi / 10, "phi_cell": math.pi / 10})
    # theta 0.95 and 1.2 lie in the cell from 0.3 to 0.4 pi; phi 0.05 and 0.3 in that from 0 to 0.1 pi
    event = [particle(3, 0.95, 0.05, 22, 0), particle(2, 1.2, 0.3, 22, 0), particle(7, 2.0, 0.3, 22, 0)]
    seen = simulate_detector(clouds_of([event]), settings, seed=1)
    assert seen["energy"].values[0].tolist() == [7.0, 5.0, 0.0]
    assert seen["identity"].values[0].tolist() == [22, 22, 0]
    expected = particle(5, 0.35 * math.pi, 0.05 * math.pi, 22, 0)[:3]
    assert seen["momentum"].values[0, 1] == pytest.approx(expected, rel=1e-6)


def test_cells_of_pseudorapidity() -> None:
    settings = detector(calorimeter={"polar_coordinate": "eta", "polar_cell": 0.5, "phi_cell": 0.1})
    thetas = [2 * math.atan(math.exp(-eta)) for eta in (0.1, 0.4, -0.1)]
    event = [particle(4 - i, theta, 0.01, 22, 0) for i, theta in enumerate(thetas)]
    event.append((0.0, 0.0, -1.0, 1.0, 22, 0))
    seen = simulate_detector(clouds_of([event]), settings, seed=1)
    assert seen["energy"].values[0].tolist() == [7.0, 2.0, 1.0, 0.0]
    momentum = seen["momentum"].values[0, :2].astype(float)
    assert np.arcsinh(momentum[:, 2] / np.hypot(momentum[:, 0], momentum[:, 1])) == pytest.approx([0.25, -0.25])


def test_cells_hold_neutral_particles_of_one_event_alone() -> None:
    settings = detector(calorimeter={"polar_cell": 0.1, "phi_cell": 0.1})
    event = [particle(3, 1, 1, 22, 0), particle(2, 1, 1, 211, 1, 0.14)]
    seen = simulate_detector(clouds_of([event, event]), settings, seed=1)
    assert seen["present"].values.all()
    assert seen["identity"].values.tolist() == [[22, 211]] * 2


def test_mixed_deposits_are_of_no_known_kind() -> None:
    settings = detector(calorimeter={"polar_cell": 0.1, "phi_cell": 0.1})
    neutron, kaon = particle(3, 1, 1, 2112, 0, 0.93956542), particle(2, 1, 1, 130, 0, 0.497611)
    events = clouds_of([[neutron, kaon], [neutron, particle(1, 1, 1, 22, 0)], [neutron, neutron], [kaon]])
    seen = simulate_detector(events, settings, seed=1)
    assert seen["identity"].values[:, 0].tolist() == [0, 0, 2112, 130]
    assert seen["present"].values.sum(axis=1).tolist() == [1, 1, 1, 1]
    assert seen["energy"].values[0, 0] == pytest.approx(neutron[3] + kaon[3])
    length = np.sqrt((seen["momentum"].values[:2, 0].astype(float) ** 2).sum(axis=1))
    assert length == pytest.approx(seen["energy"].values[:2, 0])


def test_deposits_below_the_threshold_and_directions_that_are_not_seen_are_lost() -> None:
    settings = detector(
        tracking={"acceptance": {"max_abs_eta": 1.0}},
        calorimeter={"threshold": 0.5, "acceptance": {"max_abs_cos_theta": 0.9}},
    )
    inside, outside = 2 * math.atan(math.exp(-0.98)), 2 * math.atan(math.exp(-1.02))
    event = [
        particle(9, inside, 1, 211, 1, 0.14),
        particle(8, outside, 1, 211, 1, 0.14),
        particle(7, math.pi - inside, 1, 211, 1, 0.14),
        particle(6, math.acos(0.89), 1, 22, 0),
        particle(5, math.acos(-0.91), 1, 22, 0),
        particle(0.51, 1, 1, 22, 0),
        particle(0.49, 1, 2, 22, 0),
    ]
    seen = simulate_detector(clouds_of([event]), settings, seed=1)
    found = seen["energy"].values[0][seen["present"].values[0]]
    assert found == pytest.approx([9, 7, 6, 0.51], rel=1e-3)


@pytest.mark.parametrize(
    ("template", "setting", "becomes", "mass"),
    [
        (particle(2, 1, 1, -321, -1, 0.493677), "charged_hadron", -211, 0.13957039),
        (particle(2, 1, 1, 2212, 1, 0.93827209), "charged_hadron", 211, 0.13957039),
        (particle(2, 1, 1, 11, -1, 0.000511), "electron", -211, 0.13957039),
        (particle(2, 1, 1, -13, 1, 0.10565838), "muon", 211, 0.13957039),
        (particle(2, 1, 1, 22, 0), "photon", 0, 0.0),
        (particle(2, 1, 1, 130, 0, 0.497611), "neutral_hadron", 0, 0.0),
    ],
)
def test_identity_is_lost_as_often_as_set(template: Particle, setting: str, becomes: int, mass: float) -> None:
    seen = simulate_detector(alike(400, 25, template), detector(identification={setting: 0.7}), seed=6)
    identity = seen["identity"].values
    assert set(np.unique(identity)) == {template[4], becomes}
    assert (identity == template[4]).mean() == pytest.approx(0.7, abs=SIGMAS * math.sqrt(0.21 / 10_000))
    assert (seen["charge"].values == template[5]).all()
    lost = identity == becomes
    if template[5]:
        assert seen["energy"].values[lost] == pytest.approx(np.full(lost.sum(), math.hypot(2, mass)), rel=1e-5)
    else:
        length = np.sqrt((seen["momentum"].values[lost].astype(float) ** 2).sum(axis=1))
        assert length == pytest.approx(seen["energy"].values[lost], rel=1e-6)


def test_particles_that_nobody_knows_have_no_identity() -> None:
    events = clouds_of([[particle(5, 1, 1, 1000612, -1, 500.0), particle(5, 1, 2, 1000022, 0, 100.0)]])
    seen = simulate_detector(events, PERFECT, seed=1)
    assert sorted(seen["identity"].values[0].tolist()) == [-211, 0]


def test_an_event_is_the_same_in_any_selection_and_other_with_any_other_seed() -> None:
    events, _ = z_decays()
    seen = simulate_detector(events, LEP, seed=3)
    some = [250, 3, 77]
    assert_same(simulate_detector(events.isel(event=some), LEP, seed=3), seen.isel(event=some))
    assert_same(simulate_detector(events, LEP, seed=3), seen)
    other = simulate_detector(events, LEP, seed=4)
    assert not np.array_equal(other["energy"], seen["energy"])
    of_another_sample = simulate_detector(events.assign_attrs(seed=6), LEP, seed=3)
    assert not np.array_equal(of_another_sample["energy"], seen["energy"])
    moved = simulate_detector(events.assign_coords(event=events["event"] + 1), LEP, seed=3)
    assert not np.array_equal(moved["energy"], seen["energy"])


def test_events_without_particles_stay_empty() -> None:
    seen = simulate_detector(clouds_of([[], [particle(5, 1, 1, 12, 0)]]), LEP, seed=1)
    assert not seen["present"].values.any()


def test_the_store_does_not_depend_on_workers_or_chunks(tmp_path: Path) -> None:
    events, _ = z_decays()
    source = tmp_path / "Teilchen ü.zarr"
    write_events(events, source, chunk_size=80)
    summary = write_detector(source, tmp_path / "one.zarr", LEP, seed=9, progress=False)
    assert summary.n_events == 300
    write_detector(source, tmp_path / "two.zarr", LEP, seed=9, workers=2, chunk_size=110, progress=False)
    one, two = (open_events(tmp_path / name, check=True).load() for name in ("one.zarr", "two.zarr"))
    assert_same(one, two)
    assert_same(one, simulate_detector(events, LEP, seed=9))
    # the same again is there already; another seed is refused
    assert write_detector(source, tmp_path / "one.zarr", LEP, seed=9, progress=False).n_resumed_events == 300
    with pytest.raises(StoreExistsError, match="seed: 9 there, 10 now"):
        write_detector(source, tmp_path / "one.zarr", LEP, seed=10, progress=False)


def test_a_killed_detector_continues_to_the_same_bytes(tmp_path: Path) -> None:
    events, _ = z_decays()
    write_events(events, tmp_path / "particles.zarr", chunk_size=80)
    write_detector(tmp_path / "particles.zarr", tmp_path / "whole.zarr", LEP, seed=9, progress=False)
    script = """
import os, signal, sys
from simulacra.simulators import detector
made, simulate = [], detector.simulate_detector
def dying(events, settings, seed):
    if len(made) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    made.append(1)
    return simulate(events, settings, seed)
detector.simulate_detector = dying
settings = detector.DetectorSettings.load("lep-like")
detector.write_detector(sys.argv[1], sys.argv[2], settings, seed=9, progress=False)
"""
    paths = (tmp_path / "particles.zarr", tmp_path / "seen.zarr")
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not paths[1].exists()
    assert write_detector(*paths, LEP, seed=9, progress=False).n_resumed_events == 160
    whole, seen = (
        {
            file.relative_to(path): file.read_bytes()
            for file in path.rglob("*")
            if file.is_file() and file.name != "zarr.json"
        }
        for path in (tmp_path / "whole.zarr", paths[1])
    )
    assert whole == seen


def test_a_selection_of_events_keeps_its_indices(tmp_path: Path) -> None:
    events, _ = z_decays()
    some = events.isel(event=[5, 2, 200])
    write_events(some, tmp_path / "some.zarr")
    write_detector(tmp_path / "some.zarr", tmp_path / "seen.zarr", LEP, seed=9, chunk_size=2, progress=False)
    seen = open_events(tmp_path / "seen.zarr").load()
    assert seen["event"].values.tolist() == [5, 2, 200]
    assert_same(seen, simulate_detector(some, LEP, seed=9))


def test_bad_events_are_refused_with_their_place(tmp_path: Path) -> None:
    events = clouds_of([[particle(5, 1, 1, 22, 0)]] * 3)
    for name, value, message in (
        ("momentum", math.nan, "variable 'momentum' is nan in event 1 at particle 0, component 2"),
        ("energy", -2.0, "variable 'energy' is a negative energy, -2.0 GeV, in event 1 at particle 0"),
    ):
        broken = events.copy(deep=True)
        broken[name].values[(1, 0, 2)[: broken[name].ndim]] = value
        with pytest.raises(EventsError, match=message):
            simulate_detector(broken, LEP, seed=1)
    with pytest.raises(EventsError, match=r"needs particle clouds with .*\['identity'\] are missing from"):
        simulate_detector(events.drop_vars("identity"), LEP, seed=1)
    with pytest.raises(ValueError, match="seed must not be negative, not -1"):
        simulate_detector(events, LEP, seed=-1)
    write_events(events, tmp_path / "events.zarr")
    with pytest.raises(ValueError, match="would overwrite its own source"):
        write_detector(tmp_path / "events.zarr", tmp_path / "x" / ".." / "events.zarr", LEP, seed=1, overwrite=True)
    with pytest.raises(StoreError, match="there is no store"):
        write_detector(tmp_path / "none.zarr", tmp_path / "seen.zarr", LEP, seed=1)
    assert not (tmp_path / "seen.zarr").exists()
