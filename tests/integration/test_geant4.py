"""Real Geant4 showers: reproducible, physical, resumable, and every refusal before Geant4 would abort."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from simulacra.geometry import CalorimeterGeometry
from simulacra.simulators import Geant4Error, Geant4Settings, geant4_data, simulate, write_showers
from simulacra.store import open_events

pytestmark = pytest.mark.geant4

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "showers" / "eplus.h5"
PROGRAM = [sys.executable, "-c", "from simulacra.cli.main import run; run()"]


def make(geometry: str | CalorimeterGeometry = "calogan", particle: str = "e+", **changes: str) -> Geant4Settings:
    return Geant4Settings.model_validate({"geometry": geometry, "particle": particle, "energy": "0.5", **changes})


def command(out: Path, n: int, *options: str) -> list[str]:
    fixed = ["--geometry", "calogan", "--particle", "e+", "--energy", "uniform:0.1:0.2", "--seed", "4"]
    return [*PROGRAM, "simulate", "geant4", *fixed, "-n", str(n), *options, str(out)]


@pytest.fixture(scope="module")
def showers() -> xr.Dataset:
    """60 positrons of 1 to 1.5 GeV in the CaloGAN detector."""
    return simulate(make(energy="log:1:1.5"), seed=1, n_events=60)


@pytest.fixture
def incomplete_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Geant4's data as links, in a folder that a test can take files from."""
    folder = tmp_path / "data"
    for name in geant4_data.DATA_SETS:
        source = geant4_data.folder_of(name)
        for file in [path for path in source.rglob("*") if path.is_file()]:
            link = folder / name / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
        (folder / name).mkdir(parents=True, exist_ok=True)
    for variable in geant4_data.DATA_SETS.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GEANT4_DATA_DIR", str(folder))
    return folder


def test_events_follow_the_conventions(showers: xr.Dataset) -> None:
    assert showers.shower.shape == showers.active.shape == (60, 504)
    assert showers.shower.dtype == showers.incident_energy.dtype == np.float32
    assert {str(name): array.attrs["units"] for name, array in showers.data_vars.items()} == {
        "incident_energy": "GeV",
        "shower": "MeV",
        "active": "MeV",
    }
    np.testing.assert_array_equal(showers.event, np.arange(60))
    assert CalorimeterGeometry.from_events(showers) == CalorimeterGeometry.load("calogan")
    assert (showers.attrs["simulator"], showers.attrs["particle"], showers.attrs["seed"]) == ("geant4", "e+", 1)
    assert showers.attrs["simulator_version"].startswith("11.")
    assert showers.attrs["physics_list"] == ("electromagnetic" if geant4_data.missing_hadronic() else "FTFP_BERT")
    assert showers.attrs["seconds_per_event"] > 0


def test_energy_is_conserved(showers: xr.Dataset) -> None:
    response = showers.shower.sum("cell") / (1000 * showers.incident_energy)
    # A positron brings the energy of its annihilation, 2 x 0.511 MeV, on top of its kinetic energy.
    assert float(response.max()) <= 1 + 1.022 / 1000
    assert float(response.min()) > 0.9
    assert bool((showers.active <= showers.shower * (1 + 1e-6)).all())
    sampling_fraction = float(showers.active.sum() / showers.shower.sum())
    assert sampling_fraction == pytest.approx(0.189, abs=0.01)


def test_showers_agree_with_an_independent_sample(showers: xr.Dataset) -> None:
    if not SHARED.is_file():
        pytest.skip(f"the sample to compare with is not at {SHARED}")
    with h5py.File(SHARED) as file:
        chosen = np.flatnonzero(file["energy"][:, 0] <= 1.5)
        energy, shower = file["energy"][:, 0][chosen], file["showers"][:][chosen]
        active = file["active"][:][chosen]
    assert len(chosen) > 500
    geometry = CalorimeterGeometry.load("calogan")

    def observe(energy: np.ndarray, shower: np.ndarray, active: np.ndarray) -> dict[str, np.ndarray]:
        total = shower.sum(axis=1)
        first, second = geometry.section_slice(0), geometry.section_slice(1)
        return {
            "response": total / energy / 1000,
            "sampling fraction": active.sum(axis=1) / total,
            "fraction in section 0": shower[:, first].sum(axis=1) / total,
            "width in section 0": np.sqrt(
                shower[:, first] @ geometry.cell_x[first] ** 2 / shower[:, first].sum(axis=1)
            ),
            "width in section 1": np.sqrt(shower[:, second] @ geometry.cell_y[second] ** 2 / total),
            "cells": (shower > 0).sum(axis=1),
        }

    ours = observe(showers.incident_energy.values, showers.shower.values, showers.active.values)
    theirs = observe(energy, shower, active)
    for name, values in ours.items():
        error = np.hypot(values.std() / len(values) ** 0.5, theirs[name].std() / len(chosen) ** 0.5)
        assert abs(values.mean() - theirs[name].mean()) < 4.5 * error, name


def test_events_depend_on_the_seed_and_not_on_the_processes(tmp_path: Path) -> None:
    settings = make(energy="uniform:0.1:0.2", impact_x="uniform:-50:50")
    alone = simulate(settings, seed=3, n_events=10, workers=1, chunk_size=3)
    shared = simulate(settings, seed=3, n_events=8, workers=2, chunk_size=3, path=tmp_path / "Schauer ü.zarr").load()
    for name in ("incident_energy", "impact_x", "azimuthal_angle", "shower", "active"):
        np.testing.assert_array_equal(alone[name].values[:8], shared[name].values)
    assert len(np.unique(alone.shower.sum("cell").values)) == 10
    other = simulate(settings, seed=4, n_events=3, chunk_size=3)
    assert not np.isclose(other.incident_energy.values, alone.incident_energy.values[:3]).any()


def test_showers_follow_position_and_angle() -> None:
    settings = make(energy="1", impact_x="-60", impact_y="80", polar_angle="0.3", azimuthal_angle=repr(np.pi / 2))
    events = simulate(settings, seed=5, n_events=20)
    geometry = CalorimeterGeometry.from_events(events)
    assert float(events.polar_angle.values[0]) == pytest.approx(0.3)
    fine_in_x, middle = geometry.section_slice(0), geometry.section_slice(1)
    image = events.shower.values.mean(axis=0)
    x = image[fine_in_x] @ geometry.cell_x[fine_in_x] / image[fine_in_x].sum()
    y = image[middle] @ geometry.cell_y[middle] / image[middle].sum()
    assert x == pytest.approx(-60, abs=4)  # not tilted in x
    # The shower's maximum in section 1 lies 30 to 100 mm behind its front at 90 mm.
    assert 80 + np.tan(0.3) * 110 < y < 80 + np.tan(0.3) * 220


def test_a_killed_run_continues_with_no_event_lost_or_changed(tmp_path: Path) -> None:
    out = tmp_path / "killed.zarr"
    options = ["--chunk-size", "2"]
    process = subprocess.Popen(command(out, 40, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = out.with_name(f"{out.name}.partial") / "done"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None and len(list(done.glob("*.json"))) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL, "the run was over before it could be killed"
    assert not out.exists()
    again = subprocess.run(command(out, 40, *options), capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert "were there" in again.stdout
    straight = simulate(make(energy="uniform:0.1:0.2"), seed=4, n_events=40, chunk_size=2, workers=2)
    resumed = open_events(out).load()
    for name in straight.data_vars:
        np.testing.assert_array_equal(resumed[name].values, straight[name].values)


def test_ctrl_c_stops_with_what_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "stopped.zarr"
    process = subprocess.Popen(
        command(out, 5000, "--chunk-size", "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    done = out.with_name(f"{out.name}.partial") / "done"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None and not list(done.glob("*.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "error: stopped." in stderr
    assert "run the same command again" in stderr
    assert "Traceback" not in stderr
    assert not out.exists()


def test_rings_are_read_out_by_angle_and_radius() -> None:
    geometry = CalorimeterGeometry.model_validate(
        {
            "name": "rings",
            "kind": "cylindrical",
            "lateral_size": 300.0,
            "absorber": {"material": "G4_W", "thickness": 1.4},
            "active": {"material": "G4_Si", "thickness": 0.3},
            "dead_material": {"material": "G4_Al", "thickness": 5.0},
            "sections": [
                {"name": "whole", "layers": 10, "alpha_bins": 1, "r_edges": [0.0, 25.0, 150.0]},
                {"name": "hole", "layers": 50, "alpha_bins": 8, "r_edges": [20.0, 50.0, 150.0]},
            ],
        }
    )
    settings = make(geometry, impact_x="-30", impact_y="12")  # r = 32.3 mm, alpha = 2.761, in the bin 3 of 8
    events = simulate(settings, seed=6, n_events=20)
    assert events.sizes["cell"] == 18
    image = events.shower.values.mean(axis=0)
    whole, hole = image[:2], image[2:].reshape(8, 2)
    assert whole[1] > 10 * whole[0]
    assert np.unravel_index(hole.argmax(), hole.shape) == (3, 0)
    assert hole[3].sum() > 0.6 * hole.sum()
    assert 350 < image.sum() < 501  # of 500 MeV, less the dead material, the hole and what leaks


def test_the_shipped_cylinder_runs() -> None:
    events = simulate(make("calochallenge", "gamma"), seed=7, n_events=4)
    image = events.shower.values.reshape(4, 45, 16, 9).sum(axis=0)
    assert image.sum() / 2000 == pytest.approx(0.97, abs=0.05)
    radial, depth = image.sum(axis=(0, 1)), image.sum(axis=(1, 2))
    assert radial[0] == radial.max()
    assert 2 <= depth.argmax() <= 14
    assert image.sum(axis=(0, 2)).min() > 0


def test_dead_material_takes_its_part() -> None:
    calogan = CalorimeterGeometry.load("calogan").model_dump()
    thick = CalorimeterGeometry.model_validate({**calogan, "dead_material": {"material": "G4_Pb", "thickness": 12.0}})
    events = simulate(make(thick), seed=8, n_events=10)
    assert 0.2 < float(events.shower.sum()) / 5000 < 0.9


def test_a_material_that_geant4_does_not_know_is_named(tmp_path: Path) -> None:
    calogan = CalorimeterGeometry.load("calogan").model_dump()
    wrong = CalorimeterGeometry.model_validate({**calogan, "absorber": {"material": "G4_Lead", "thickness": 2.0}})
    with pytest.raises(ValueError, match=r"no NIST material 'G4_Lead'; similar ones are .*G4_"):
        write_showers(tmp_path / "out.zarr", make(wrong), seed=1, n_events=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("particle", ["positron", "quark", "u", ""])
def test_a_particle_that_geant4_does_not_know_is_named(particle: str) -> None:
    with pytest.raises(ValueError, match=r"common particles are gamma, e-, e.*|at least 1 character"):
        simulate(make(particle=particle), seed=1, n_events=2)


def test_a_hadron_needs_the_hadronic_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geant4_data, "has_content", lambda name: name == "G4EMLOW8.8")
    for settings in (make(particle="pi+"), make(particle="e+", physics_list="FTFP_BERT")):
        with pytest.raises(Geant4Error, match=r"FTFP_BERT needs data sets .*G4PARTICLEXS4.2 .*Get the data sets"):
            simulate(settings, seed=1, n_events=2)
    with pytest.raises(ValueError, match=r"the electromagnetic physics knows gamma, e-, .* ask for .* FTFP_BERT"):
        simulate(make(particle="pi+", physics_list="electromagnetic"), seed=1, n_events=2)


def test_a_missing_data_file_is_named_before_geant4_aborts(incomplete_data: Path) -> None:
    assert simulate(make(energy="0.05"), seed=1, n_events=1).sizes["event"] == 1
    (incomplete_data / "G4EMLOW8.8" / "brem_SB" / "br82").unlink()
    (incomplete_data / "G4EMLOW8.8" / "epics2017" / "phot" / "pe-low-18.dat").unlink()
    with pytest.raises(Geant4Error, match=r"lacks epics2017/phot/pe-low-18.dat, brem_SB/br82, .*Get the data sets"):
        simulate(make(), seed=1, n_events=1)


def test_geant4_itself_prints_nothing(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path / "out.zarr", 2), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "s of one core per shower" in done.stdout
    assert "Geant4" not in done.stderr


#: gives up the events whose numbers it is told, as Geant4 does with those whose particle is stuck on an edge
GIVING_UP = """
import sys
import numpy as np
from simulacra.geometry import CalorimeterGeometry
from simulacra.simulators.geant4_run_manager import RunManager

manager = RunManager.of(CalorimeterGeometry.load("calogan"), "e+", "electromagnetic")
given_up, shot, generate = set(map(int, sys.argv[1:])), [], manager.gun.GeneratePrimaries


def shoot(event):
    generate(event)
    shot.append(manager.gun.next)
    if len(shot) in given_up:
        event.SetEventAborted()


energies = np.array([0.1, 0.2, 0.3, 0.4])
conditions = {"incident_energy": energies, **dict.fromkeys(
    ("impact_x", "impact_y", "polar_angle", "azimuthal_angle"), np.zeros(4))}
before = manager.run(conditions, (3, 4)).shower
manager.gun.GeneratePrimaries = shoot
after = manager.run(conditions, (3, 4)).shower
total = after.sum(axis=1)
print(shot, (before == after).all(axis=1).tolist(), bool(np.all((total > 0) & (total <= 1000 * energies + 1.03))))
"""


def test_a_particle_whose_event_geant4_gave_up_is_shot_again() -> None:
    def run(*given_up: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", GIVING_UP, *map(str, given_up)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    # The second particle's event is given up twice: first of four, then alone.
    assert run(2, 5).stdout.split("\n")[-2] == "[1, 2, 3, 4, 1, 1] [True, False, True, True] True"
    failed = run(2, *range(5, 40))
    assert failed.returncode == 1
    assert "Geant4Error: Geant4 gave up event 1 of 4 11 times" in failed.stderr
