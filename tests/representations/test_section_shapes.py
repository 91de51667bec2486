"""Shapes of sections as scores: what is counted and measured, standard normal scores, numbers of hits back again."""

import numpy as np
import pytest
import torch

from simulacra.geometry import CalorimeterGeometry
from simulacra.observables.showers import shower_shapes_of
from simulacra.representations.section_shapes import QUANTITIES, SectionShapes
from tiny_calogan import toy_geometry, toy_showers

SIZES = (16, 16, 8)


def showers(n: int = 400, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return showers of which a fifth ends before the last section, and the energies of their sections."""
    shower = torch.from_numpy(toy_showers(n, seed)["shower"].values).double()
    shower[::5, -8:] = 0
    return shower, torch.stack([piece.sum(dim=1) for piece in shower.split(SIZES, dim=1)], dim=1)


def fitted() -> SectionShapes:
    made = SectionShapes(toy_geometry(), 4).double()
    made.fit(*showers(), torch.Generator().manual_seed(1))
    return made


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def test_shapes_are_those_of_the_observables() -> None:
    shower, energies = showers()
    geometry: CalorimeterGeometry = toy_geometry()
    shapes = fitted()._shapes(shower, energies, torch.zeros_like(energies)).numpy()
    known = shower_shapes_of(shower.numpy(), np.ones(len(shower)), geometry)
    edge = fitted().reach.numpy()
    for i, size in enumerate(SIZES):
        lit = energies[:, i].numpy() > 0
        hits, eta, phi, eta_width, phi_width, ratio = shapes[lit][:, i :: len(SIZES)].T
        np.testing.assert_allclose(hits / size, known[f"sparsity_{i}"][lit])
        np.testing.assert_allclose(eta - edge[0, i], known[f"eta_centre_{i}"][lit], atol=1e-5)
        np.testing.assert_allclose(phi - edge[1, i], known[f"phi_centre_{i}"][lit], atol=1e-5)
        np.testing.assert_allclose(eta_width, known[f"eta_width_{i}"][lit], atol=1e-4)
        np.testing.assert_allclose(phi_width, known[f"phi_width_{i}"][lit], atol=1e-4)
        np.testing.assert_allclose((1 - ratio) / (1 + ratio), known[f"energy_ratio_{i}"][lit], atol=1e-9)


def test_scores_are_nearly_standard_normal_also_where_there_is_nothing_to_measure() -> None:
    shower, energies = showers(1000)
    scores = fitted()(shower, energies, rng())
    assert scores.shape == (1000, QUANTITIES * len(SIZES))
    # Of 1000 (200 for the empty ones) scores the errors are 0.03 and 0.02 (0.07 and 0.05): four of them.
    for part, slack in ((scores, 0.15), (scores[::5, 2 :: len(SIZES)], 0.3)):
        assert float(part.mean(dim=0).abs().max()) < slack
        assert float((part.std(dim=0) - 1).abs().max()) < slack


@pytest.mark.parametrize("seed", [3, 4])
def test_the_numbers_of_hits_come_back(seed: int) -> None:
    shower, energies = showers(seed=seed)
    found = fitted().inverse(fitted()(shower, energies, rng()), energies)[0]
    known = torch.stack([(piece > 0).sum(dim=1) for piece in shower.split(SIZES, dim=1)], dim=1)
    assert found[energies > 0].equal(known[energies > 0])
    assert bool((found >= 1).all())


@pytest.mark.parametrize("score", [-30.0, 30.0])
def test_no_score_asks_for_more_hits_than_there_are_cells(score: float) -> None:
    _, energies = showers()
    found = fitted().inverse(torch.full((400, QUANTITIES * 3), score, dtype=torch.float64), energies)[0]
    assert bool((found >= 1).all())
    assert bool((found <= torch.tensor(SIZES)).all())
