"""The generator of jets by message passing: physical jets for any noise, multiplicities and masses of their class."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from simulacra.kinds.jets import Jets, to_variables
from simulacra.models.jet_gan import JetGame, JetGenerator, JetOpponent, present
from simulacra.representations.jet_attributes import relative_mass
from simulacra.systems.mpgan import Settings, Trainer
from toy_jets import N_CLASSES, toy_jets

PARTICLES = 12
SMALL = {"particles": PARTICLES, "edge_widths": (8,), "critic_edge_widths": (8,), "node_width": 16, "hidden": 8}


@pytest.fixture(scope="module")
def jets() -> xr.Dataset:
    return toy_jets(1500)


@pytest.fixture(scope="module")
def trainer(jets: xr.Dataset) -> Trainer:
    torch.manual_seed(1)
    return Trainer(Settings(**SMALL), jets)


@pytest.fixture(scope="module")
def generator(trainer: Trainer) -> Any:
    return trainer.family.average


def conditions(n: int) -> torch.Tensor:
    return torch.stack([(torch.arange(n) % N_CLASSES).float(), torch.linspace(800, 1200, n)], dim=1)


def noise_of(generator: JetGenerator, n: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(n, generator.latent, generator=torch.Generator().manual_seed(seed))


def made(generator: JetGenerator, noise: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        output = generator(noise, conditions(len(noise))).numpy()
    return {name: column.values for name, column in to_variables(output, {}).items()}


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e10, 1e38])
def test_jets_are_physical_for_any_noise(generator: JetGenerator, scale: float) -> None:
    columns = made(generator, scale * noise_of(generator, 300).clamp(-3, 3))
    for values in columns.values():
        assert np.isfinite(values).all()
    pt, there = columns["pt_rel"], columns["present"]
    assert (pt[there] > 0).all()
    for name in ("eta_rel", "phi_rel", "pt_rel"):
        assert not columns[name][~there].any()
    assert (np.diff(pt, axis=1) <= 0).all()
    number = there.sum(axis=1)
    assert number.min() >= 1
    assert number.max() <= PARTICLES
    assert (np.abs(columns["phi_rel"]) < np.pi).all()
    assert (columns["jet_mass"] >= 0).all()


def test_noise_that_is_nan_gives_nan_in_its_row_only(generator: JetGenerator) -> None:
    noise = noise_of(generator, 10)
    noise[3, 7] = torch.nan
    with torch.no_grad():
        output = generator(noise, conditions(10))
    assert output[3].isnan().all()
    assert not output[torch.arange(10) != 3].isnan().any()


def test_multiplicity_follows_the_class_and_is_generated(generator: JetGenerator, jets: xr.Dataset) -> None:
    # Classes that differ, as the toy's do not: of class k, between 2 and 4 + 2 k particles.
    some = Jets(jets, PARTICLES).physical(jets)
    kind = some["conditions"][:, 0]
    most = 4 + 2 * kind
    place = torch.arange(PARTICLES)
    some["cloud"] = some["cloud"] * (place < most[:, None])[..., None]
    some["jet"][:, 0] = some["jet"][:, 0].minimum(most)
    fitted = JetGenerator(PARTICLES, N_CLASSES, (800, 1200), latent=3, edge_widths=(4,), node_width=4, hidden=4)
    fitted.fit(**some)
    n = 5000
    number = fitted.drawn(noise_of(fitted, n), conditions(n))[0]
    for k in range(N_CLASSES):
        truth = some["jet"][kind == k, 0]
        found = number[torch.arange(n) % N_CLASSES == k]
        assert found.max() <= truth.max() + 1
        # the share of each multiplicity, of 300 true jets: 4 standard deviations are 0.1 at most
        shares = [torch.bincount(x.long(), minlength=PARTICLES + 1) / len(x) for x in (truth, found)]
        torch.testing.assert_close(shares[1], shares[0], atol=0.1, rtol=0)


def test_the_mass_of_the_jet_follows_from_its_particles(trainer: Trainer, jets: xr.Dataset) -> None:
    # A jet whose mass is a known multiple of its particles' mass, which depends on class and mass.
    some = trainer.jets.physical(jets)
    kind, mass = some["conditions"][:, 0], relative_mass(*some["cloud"].unbind(dim=2))
    some["jet"][:, 1] = 1.5 * (1 + 0.1 * kind) * mass**0.9
    fitted = JetGenerator(PARTICLES, N_CLASSES, (800, 1200), latent=3, edge_widths=(4,), node_width=4, hidden=4)
    fitted.fit(**some)
    asked = conditions(500)
    with torch.no_grad():
        output = fitted(noise_of(fitted, 500), asked)
    cloud = output[:, :-2].unflatten(1, (3, PARTICLES)).transpose(1, 2)
    mass = relative_mass(*cloud.unbind(dim=2))
    expected = 1.5 * (1 + 0.1 * asked[:, 0]) * mass**0.9
    found = output[:, -1] * 1000 / asked[:, 1]
    inside = mass > 0.02
    assert inside.sum() > 200
    # The residual is 1, within what the quantiles need to be invertible.
    torch.testing.assert_close(found[inside], expected[inside].maximum(mass[inside]), rtol=0.02, atol=0)


def test_the_critic_sees_the_masses_and_sums_of_jets(trainer: Trainer, jets: xr.Dataset) -> None:
    some = trainer.jets.tensors(jets)
    cloud, attributes = some["cloud"], some["attributes"]
    found = JetOpponent.observables(cloud[..., :2], cloud[..., 2])
    torch.testing.assert_close(found[:, 0], attributes[:, 3])
    torch.testing.assert_close((0.5 * found[:, 1]).exp(), attributes[:, 4], rtol=1e-3, atol=2e-4)
    torch.testing.assert_close(found[:, 2:], attributes[:, 5:7])


def test_real_points_become_the_cloud_that_they_came_of(trainer: Trainer, jets: xr.Dataset) -> None:
    tensors, cloud = trainer.tensors(jets), trainer.jets.tensors(jets)["cloud"]
    angles, pt = trainer.family.generator.physical(tensors["points"], tensors["conditions"])
    torch.testing.assert_close(present(tensors["points"]), (cloud[..., 2] > 0).float())
    torch.testing.assert_close(angles, cloud[..., :2], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(pt, cloud[..., 2], rtol=1e-3, atol=1e-6)


def test_of_more_particles_the_hardest_are_kept(jets: xr.Dataset) -> None:
    with pytest.warns(UserWarning, match="more than 5 particles, up to 12"):
        few = Trainer(Settings(**SMALL | {"particles": 5}), jets)
    tensors = few.tensors(jets)
    _, pt = few.family.generator.physical(tensors["points"], tensors["conditions"])
    expected = -np.sort(-jets["pt_rel"].values, axis=1)[:, :5]
    np.testing.assert_allclose(pt.numpy(), expected, rtol=1e-3, atol=1e-6)


def test_a_jet_of_one_particle_has_a_finite_gradient(trainer: Trainer) -> None:
    family, game = trainer.family, JetGame()
    points = torch.zeros(2, PARTICLES, 3)
    points[:, 0] = 0.5
    points.requires_grad_()
    batch = {"points": points, "conditions": conditions(2)}
    logit = game.criticise(family.generator, family.critic, {"points": points}, batch)
    (gradient,) = torch.autograd.grad(logit.sum(), points)
    assert gradient.isfinite().all()
    assert gradient[:, 0].any()


def test_mirroring_keeps_absent_particles_absent(trainer: Trainer, jets: xr.Dataset) -> None:
    batch = {name: tensor[:200] for name, tensor in trainer.tensors(jets).items()}
    mirrored = trainer.augment(batch, torch.Generator().manual_seed(1))["points"]
    assert torch.equal(mirrored.abs(), batch["points"].abs())
    assert torch.equal(mirrored[..., 0], batch["points"][..., 0])
    signs = mirrored[:, 0, 1:] / batch["points"][:, 0, 1:]
    # each of the four mirror images, of 200 jets
    assert len(signs.unique(dim=0)) == 4
    assert torch.equal(mirrored[..., 1:], batch["points"][..., 1:] * signs[:, None])
