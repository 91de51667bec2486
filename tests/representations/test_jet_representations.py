"""Jets as scores and points: the way back, sums that are imposed, and masses against the definition."""

from typing import Any

import numpy as np
import pytest
import torch

from simulacra.kinds.jets import Jets
from simulacra.observables.energy_flow import energy_flow_polynomials
from simulacra.observables.jet_clouds import jet_observables_of
from simulacra.representations.count_scores import CountScores
from simulacra.representations.jet_attributes import (
    ATTRIBUTES,
    JetAttributes,
    axes_of,
    prongs,
    relative_mass,
    triangle,
)
from simulacra.representations.jet_particles import JetParticles
from toy_jets import N_CLASSES, toy_jets

PARTICLES = 12


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def jets() -> dict[str, torch.Tensor]:
    events = toy_jets(2000)
    return Jets(events, PARTICLES).tensors(events)


@pytest.fixture(scope="module")
def fitted(jets: dict[str, torch.Tensor]) -> tuple[JetAttributes, JetParticles]:
    attributes, particles = JetAttributes(PARTICLES, N_CLASSES), JetParticles(N_CLASSES)
    attributes.fit(jets["attributes"], jets["conditions"][:, 0])
    particles.fit(jets["cloud"], jets["attributes"], jets["conditions"][:, 0])
    return attributes, particles


def test_the_mass_is_that_of_the_observables(jets: dict[str, torch.Tensor]) -> None:
    eta, phi, pt = jets["cloud"].numpy().transpose(2, 0, 1)
    expected = jet_observables_of(eta, phi, pt, pt > 0)["relative_mass"]
    found = relative_mass(*jets["cloud"].unbind(dim=2)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_mass_of_a_narrow_jet_keeps_its_digits() -> None:
    angles = torch.tensor([[0.5e-3, -0.5e-3]])
    pt = torch.tensor([[0.5, 0.5]])
    assert float(relative_mass(angles, torch.zeros(1, 2), pt)) == pytest.approx(0.5e-3, rel=1e-4)


def test_prongs_are_those_of_a_jet_of_three_clusters() -> None:
    centres = torch.tensor([[0.0, 0.3], [-0.4, -0.1], [0.5, 0.0]])
    shares = torch.tensor([0.6, 0.3, 0.1])
    offsets = 0.01 * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    angles = (centres[:, None] + offsets).reshape(1, 12, 2)
    pt = (shares[:, None] / 4).expand(3, 4).reshape(1, 12, 1)
    order = torch.randperm(12, generator=rng())
    found, axes = prongs(torch.cat([angles, pt], dim=2)[:, order])
    torch.testing.assert_close(found[0], shares)
    torch.testing.assert_close(axes[0], centres)


def test_a_jet_of_one_particle_has_prongs_without_a_share() -> None:
    cloud = torch.zeros(1, 4, 3)
    cloud[0, 0] = torch.tensor([0.1, -0.2, 0.9])
    shares, axes = prongs(cloud)
    assert shares[0].tolist() == [1.0, 0.0, 0.0]
    torch.testing.assert_close(axes[0], cloud[0, :1, :2].expand(3, 2))


def test_the_triangle_is_that_of_the_energy_flow_polynomials(jets: dict[str, torch.Tensor]) -> None:
    cloud = jets["cloud"].numpy().astype(np.float64)
    apart = np.hypot(*(cloud[:, :, None, i] - cloud[:, None, :, i] for i in (0, 1)))
    expected = energy_flow_polynomials(cloud[..., 2], apart, degree=3)["triangle"]
    np.testing.assert_allclose(triangle(jets["cloud"]).numpy(), expected, rtol=1e-4, atol=1e-12)


def test_numbers_own_scores_of_just_their_probability() -> None:
    counts = torch.tensor([1.0] + [4.0] * 3 + [6.0] * 96 + [2.0] * 50 + [3.0] * 50)
    kind = torch.tensor([0.0] * 100 + [1.0] * 100)
    scores = CountScores(6, 3)
    scores.fit(counts, kind)
    drawn = scores(counts, kind, torch.rand(len(counts), generator=rng()))
    assert scores.inverse(drawn, kind).tolist() == counts.tolist()
    normal = torch.randn(200_000, generator=rng(2))
    made = scores.inverse(normal, torch.zeros(len(normal)))
    for number, share in ((1, 0.01), (2, 0.0), (3, 0.0), (4, 0.03), (5, 0.0), (6, 0.96)):
        assert float((made == number).float().mean()) == pytest.approx(share, abs=2e-3)


def test_a_number_that_did_not_occur_has_a_finite_score() -> None:
    scores = CountScores(6, 2)
    scores.fit(torch.tensor([2.0, 4.0]), torch.zeros(2))
    found = scores(torch.tensor([1.0, 3.0, 6.0]), torch.zeros(3), torch.full((3,), 0.5))
    assert bool(torch.isfinite(found).all())
    assert bool((found.diff() > 0).all())


def test_the_axes_follow_from_the_attributes(jets: dict[str, torch.Tensor]) -> None:
    _, axes = prongs(jets["cloud"])
    centre = jets["attributes"][:, None, 5:7]
    torch.testing.assert_close(axes_of(jets["attributes"]), axes - centre, rtol=1e-3, atol=1e-5)


def test_attributes_come_back_and_are_normal_in_each_class(
    jets: dict[str, torch.Tensor], fitted: tuple[JetAttributes, JetParticles]
) -> None:
    kind = jets["conditions"][:, 0]
    scores = fitted[0](jets["attributes"], kind, rng())
    torch.testing.assert_close(fitted[0].inverse(scores, kind), jets["attributes"], rtol=1e-4, atol=1e-5)
    for one in range(N_CLASSES):
        inside = scores[kind == one]
        # Of 400 jets: five errors.
        assert inside.mean(dim=0).abs().max() < 0.25
        assert (inside.std(dim=0) - 1).abs().max() < 0.18


def test_particles_come_back(jets: dict[str, torch.Tensor], fitted: tuple[JetAttributes, JetParticles]) -> None:
    kind = jets["conditions"][:, 0]
    points = fitted[1](jets["cloud"], jets["attributes"], kind)
    assert (points[jets["cloud"][..., 2] == 0] == 0).all()
    torch.testing.assert_close(fitted[1].inverse(points, jets["attributes"], kind), jets["cloud"], rtol=1e-3, atol=1e-5)


def test_points_are_nearly_normal_in_each_class(
    jets: dict[str, torch.Tensor], fitted: tuple[JetAttributes, JetParticles]
) -> None:
    kind = jets["conditions"][:, 0]
    points = fitted[1](jets["cloud"], jets["attributes"], kind)
    for one in range(N_CLASSES):
        inside = points[kind == one][jets["cloud"][kind == one][..., 2] > 0]
        # The clouds of 400 jets, whose particles are not independent: four errors or more.
        assert inside[:, 0].mean().abs() < 0.05
        assert inside[:, 0].std() == pytest.approx(1, abs=0.05)
        assert inside[:, 1:].square().mean() == pytest.approx(1, abs=0.08)


def test_no_point_is_beyond_the_furthest_particle_or_above_the_hardest(
    jets: dict[str, torch.Tensor], fitted: tuple[JetAttributes, JetParticles]
) -> None:
    kind = jets["conditions"][:, 0]
    points = 10 * torch.randn(jets["cloud"].shape, generator=rng(3))
    angles, pt = fitted[1].particles(points, torch.ones(points.shape[:2]), kind)
    about = jets["cloud"][..., :2] - jets["attributes"][:, None, 5:7]
    distance = about.norm(dim=2) * (jets["cloud"][..., 2] > 0)
    for one in range(N_CLASSES):
        here = kind == one
        assert float(angles[here].norm(dim=2).max()) == pytest.approx(float(distance[here].max()), rel=1e-4)
        assert float(pt[here].max()) == pytest.approx(float(jets["cloud"][here][..., 2].max()), rel=1e-4)


def test_sums_are_imposed_on_any_points(
    jets: dict[str, torch.Tensor], fitted: tuple[JetAttributes, JetParticles]
) -> None:
    attributes = jets["attributes"]
    points = torch.randn(jets["cloud"].shape, generator=rng(2))
    cloud = fitted[1].inverse(points, attributes, jets["conditions"][:, 0])
    eta, phi, pt = cloud.unbind(dim=2)
    assert bool((pt.diff(dim=1) <= 0).all())
    assert bool(((pt > 0).sum(dim=1) == attributes[:, 0]).all())
    torch.testing.assert_close(pt.sum(dim=1), attributes[:, 3])
    for angle, column in ((eta, 5), (phi, 6)):
        torch.testing.assert_close((pt * angle).sum(dim=1) / pt.sum(dim=1), attributes[:, column], rtol=0, atol=1e-5)
    # Each step of the scaling is limited: of points at random a few in a hundred are out of its reach.
    off = (relative_mass(eta, phi, pt) / attributes[:, 4] - 1).abs()
    assert float(off.median()) < 1e-3
    assert float((off < 0.02).float().mean()) > 0.95


def test_a_jet_of_one_particle_has_no_mass_and_no_nan(fitted: tuple[JetAttributes, JetParticles]) -> None:
    attributes = torch.tensor([[1.0, 0.1, 0.0, 0.9, 0.0, 0.01, -0.02]])
    cloud = fitted[1].inverse(torch.randn(1, PARTICLES, 3, generator=rng()), attributes, torch.zeros(1))
    assert bool(torch.isfinite(cloud).all())
    torch.testing.assert_close(cloud[0, 0], torch.tensor([0.01, -0.02, 0.9]))
    assert not cloud[0, 1:].any()


@pytest.mark.parametrize("scale", [0.0, 30.0])
def test_far_points_give_finite_jets(fitted: tuple[JetAttributes, JetParticles], scale: float) -> None:
    scores = scale * torch.randn(300, ATTRIBUTES, generator=rng())
    kind = torch.arange(300.0) % N_CLASSES
    attributes: Any = fitted[0].inverse(scores, kind)
    assert bool(torch.isfinite(attributes).all())
    cloud = fitted[1].inverse(scale * torch.randn(300, PARTICLES, 3, generator=rng(2)), attributes, kind)
    assert bool(torch.isfinite(cloud).all())
    assert bool((cloud[..., 2] >= 0).all())
