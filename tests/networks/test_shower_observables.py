"""The observables that the critic sees, against the shower shapes of the judges, which are computed elsewhere."""

import numpy as np
import torch

from simulacra.networks.shower_observables import SMALLEST_FRACTION, ShowerObservables
from simulacra.observables.showers import shower_shapes_of
from tiny_calogan import SECTIONS, toy_geometry, toy_showers


def test_observables_are_the_judges_shower_shapes() -> None:
    geometry, events = toy_geometry(), toy_showers(50)
    shower, energy = events["shower"].values, events["incident_energy"].values
    shapes = shower_shapes_of(shower, energy, geometry)
    shares = torch.from_numpy(shower / shower.sum(axis=1, keepdims=True))
    score = torch.linspace(-1, 1, 50)
    seen = ShowerObservables(geometry)((shares > 0).float(), shares, score).numpy()
    assert seen.shape == (50, 1 + 6 * len(SECTIONS))
    np.testing.assert_array_equal(seen[:, 0], score.numpy())
    half = geometry.lateral_size / 2
    for i in range(len(SECTIONS)):
        log_fraction, hits, eta, eta_width, phi, phi_width = seen[:, 1 + 6 * i : 7 + 6 * i].T
        np.testing.assert_allclose(np.exp(log_fraction) - SMALLEST_FRACTION, shapes[f"energy_fraction_{i}"], atol=1e-5)
        np.testing.assert_allclose(hits, shapes[f"sparsity_{i}"], atol=1e-6)
        # A section without energy has no centre: both say 0.
        lit = shapes[f"energy_fraction_{i}"] > 0.05
        assert lit.sum() > 20
        for mine, name in (
            (eta, "eta_centre"),
            (eta_width, "eta_width"),
            (phi, "phi_centre"),
            (phi_width, "phi_width"),
        ):
            np.testing.assert_allclose(mine[lit] * half, shapes[f"{name}_{i}"][lit], atol=1.5)  # mm of 240


def test_fitted_observables_are_standardised() -> None:
    events = toy_showers(80)
    shower = torch.from_numpy(events["shower"].values)
    shares, hits = shower / shower.sum(dim=1, keepdim=True), (shower > 0).float()
    observables, score = ShowerObservables(toy_geometry()), torch.randn(80, generator=torch.Generator().manual_seed(1))
    observables.fit(hits, shares, score)
    seen = observables(hits, shares, score)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(observables.size), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(observables.size), atol=1e-3, rtol=0)


def test_an_empty_section_gives_finite_observables_and_gradients() -> None:
    shares = torch.zeros(3, 40)
    shares[:, 20] = 1.0
    shares.requires_grad_()
    seen = ShowerObservables(toy_geometry())((shares > 0).float(), shares, torch.zeros(3))
    seen.sum().backward()
    assert bool(torch.isfinite(seen).all())
    assert shares.grad is not None
    assert bool(torch.isfinite(shares.grad).all())
