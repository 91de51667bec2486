"""Generated jets are possible ones, whatever the noise; impossible ones are refused in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import simulacra
from simulacra.events import EventsError
from simulacra.kinds.jets import Jets
from simulacra.observables.relative_jets import JET_CLASS, hardest_particles
from simulacra.store import write_events
from simulacra.trained import TrainedGenerator
from toy_jets import toy_jets

SYSTEMS: dict[str, dict[str, Any]] = {
    "epic": {"width": 8, "blocks": 1, "pooled": 4, "jet_steps": 1, "particle_steps": 1, "particles": 12},
}


@pytest.fixture(scope="module", params=SYSTEMS)
def generator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainedGenerator:
    folder = tmp_path_factory.mktemp(request.param)
    write_events(toy_jets(400), folder / "jets.zarr")
    training = {"steps": 2, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"}
    experiment = {"name": "tiny", "data": {"path": str(folder / "jets.zarr")}, "training": training}
    system = {"kind": request.param, **SYSTEMS[request.param]}
    simulacra.train(experiment | {"system": system}, folder / "run", progress=False)
    found = simulacra.load(folder / "run")
    assert isinstance(found, TrainedGenerator)
    return found


def refuse_impossible(made: dict[str, xr.Variable]) -> None:
    there = made["present"].values
    for name in ("eta_rel", "phi_rel", "pt_rel"):
        values = made[name].values
        assert np.isfinite(values).all(), name
        assert (values[~there] == 0).all(), name
    assert (made["pt_rel"].values[there] > 0).all()
    assert there.any(axis=1).all()
    # The particles are the first ones, by falling transverse momentum.
    assert (there == (np.arange(there.shape[1]) < there.sum(axis=1)[:, None])).all()
    assert (np.diff(made["pt_rel"].values, axis=1) <= 0).all()
    for name in ("jet_eta", "jet_mass"):
        assert name not in made or np.isfinite(made[name].values).all()


@pytest.mark.parametrize("size", [0.0, 1.0, 10.0, 1e3, 1e6])
def test_jets_are_possible_for_any_noise_and_at_the_edges(generator: TrainedGenerator, size: float) -> None:
    low, high = generator.trained_range["jet_pt"]
    classes = np.arange(len(JET_CLASS.choices), dtype=np.float32)
    conditions = np.array([(kind, pt) for kind in classes for pt in (low, high)] * 8, dtype=np.float32)
    noise = size * torch.randn(
        len(conditions), int(generator.module.latent), generator=torch.Generator().manual_seed(1)
    )
    with torch.no_grad():
        output = generator.module(noise, torch.from_numpy(conditions)).numpy()
    refuse_impossible(generator.variables_of(output))


def test_beyond_the_trained_range_they_are_possible_too(generator: TrainedGenerator) -> None:
    for pt in (20.0, 1e5):
        with pytest.warns(simulacra.trained.ExtrapolationWarning):
            events = generator.sample(20, jet_pt=pt, seed=1)
        refuse_impossible({str(name): array.variable for name, array in events.data_vars.items()})


def test_azimuths_are_within_half_a_turn(generator: TrainedGenerator) -> None:
    output = np.zeros((2, 3 * 12 + 2), np.float32)
    output[:, 12:14] = [[4.0, -7.0], [0.3, -3.0]]
    output[:, 24:26] = 0.5
    phi = generator.variables_of(output)["phi_rel"].values
    np.testing.assert_allclose(phi[:, :2], [[4.0 - 2 * np.pi, 2 * np.pi - 7.0], [0.3, -3.0]], rtol=1e-6)
    assert (phi[:, 2:] == 0).all()


def test_conditions_that_no_jet_has_are_refused(generator: TrainedGenerator) -> None:
    for given, said in (
        ({"jet_class": "tops"}, "'jet_class'.*gluon, light quark, top quark, W boson, Z boson"),
        ({"jet_class": 5.0}, "'jet_class' is 5 in event 0: it must be .*one of gluon"),
        ({"jet_class": np.array(["gluon", "charm"])}, "'jet_class'.*charm"),
        ({"jet_pt": -3.0}, "'jet_pt' is -3 GeV in event 0: it must be finite and above 0"),
        ({"jet_pt": np.nan}, "'jet_pt' is nan GeV in event 0"),
        ({"jet_pt": 1e-3}, "'jet_pt' is 0.001 GeV in event 0: it must be from .*: farther out the model means nothing"),
        ({"jet_pt": np.array([1000.0, 1e6])}, r"'jet_pt' is 1e\+06 GeV in event 1"),
        ({"jet_mass": 80.0}, "has no condition 'jet_mass'"),
    ):
        with pytest.raises(ValueError, match=said):
            generator.sample(2, seed=1, **given)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("pt_rel", -0.1, r"'pt_rel' is -0\.1 for particle 0 of event 3, one of 1 such particles: it must be above 0"),
        ("pt_rel", 0.0, "'pt_rel' is 0 for particle 0 of event 3"),
        ("pt_rel", np.nan, "'pt_rel' is nan in event 3"),
        ("phi_rel", 9.0, "'phi_rel' is 9 for particle 0 of event 3, .*from -pi to pi"),
        ("eta_rel", 50.0, "'eta_rel' is 50 for particle 0 of event 3, .*from -20 to 20"),
        ("present", False, "event 3 is one of 1 jets without particles, .*leave them out"),
        ("jet_pt", 0.0, "'jet_pt' is 0 GeV in event 3, one of 1 such jets: it must be above 0"),
        ("jet_pt", -4.0, "'jet_pt' is a negative energy, -4.0 GeV, in event 3"),
        (
            "jet_class",
            7,
            r"'jet_class' is 7 in event 3, one of 1 such events: it must be 0 \(gluon\), 1 \(light_quark\)",
        ),
        ("jet_class", -1, "'jet_class' is -1 in event 3"),
        ("jet_mass", -4.0, "'jet_mass' is -4 GeV in event 3, one of 1 such jets: it must be 0 or more"),
    ],
)
def test_impossible_jets_are_not_learned(name: str, value: float, said: str) -> None:
    jets = toy_jets(10)
    place: Any = 3 if jets[name].ndim == 1 or name == "present" else (3, 0)
    jets[name].values[place] = value
    with pytest.raises(EventsError, match=said):
        Jets(jets, 12)


def test_jets_without_a_mask_are_refused() -> None:
    with pytest.raises(EventsError, match="missing mask 'present'"):
        Jets(toy_jets(10).drop_vars("present"), 12)


def test_of_more_particles_the_hardest_are_learned_and_it_is_said() -> None:
    jets = toy_jets(50)
    with pytest.warns(UserWarning, match=r"% of the jets have more than 5 particles, up to 12: only the 5 hardest"):
        cut = Jets(jets, 5)
    cloud = cut.tensors(jets)["cloud"]
    np.testing.assert_array_equal(cloud[..., 2], hardest_particles(jets, 5)["pt_rel"].values)
