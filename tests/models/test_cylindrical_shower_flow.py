"""Showers in a cylindrical mesh: exact sums and hits, symmetric, and back from scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from simulacra.geometry import CalorimeterGeometry, GeometryError
from simulacra.models.cylindrical_shower_flow import CylindricalShowerFlow, mesh_of
from simulacra.systems import cylinderflow

THRESHOLD = 5.0
EVENTS = cylinderflow.toy_showers(500)
GEOMETRY = CalorimeterGeometry.from_events(EVENTS)
SHOWERS = torch.as_tensor(EVENTS["shower"].values)
CONDITIONS = torch.as_tensor(EVENTS["incident_energy"].values)[:, None]


@pytest.fixture(scope="module")
def model() -> CylindricalShowerFlow:
    torch.manual_seed(1)
    ranges = {"incident_energy": (1.0, 10.0)}
    sizes: dict[str, Any] = {"width": 8, "blocks": 1, "knots": 4, "hurdle": 8, "section_steps": 1, "cell_steps": 1}
    made = CylindricalShowerFlow(GEOMETRY, ranges, threshold=THRESHOLD, solver="midpoint", **sizes)
    made.fit(SHOWERS, CONDITIONS, torch.Generator().manual_seed(1))
    return made.eval()


def cut() -> torch.Tensor:
    return torch.where(SHOWERS < THRESHOLD, 0.0, SHOWERS)


def test_showers_come_back_from_their_scores(model: CylindricalShowerFlow) -> None:
    back = model.there_and_back(SHOWERS, CONDITIONS)
    torch.testing.assert_close(back, cut(), rtol=1e-3, atol=1e-2)


def test_generated_cells_are_empty_or_above_the_threshold(model: CylindricalShowerFlow) -> None:
    noise = torch.randn(500, model.latent, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        made = model(noise, CONDITIONS)
    assert bool(((made == 0) | (made >= THRESHOLD)).all())
    assert 0.8 < float((made > 0).float().mean() / (cut() > 0).float().mean()) < 1.25
    assert 0.9 < float(made.sum() / cut().sum()) < 1.1


def test_batches_of_a_shower_do_not_depend_on_the_others(model: CylindricalShowerFlow) -> None:
    seeds = torch.arange(len(SHOWERS))
    whole, part = (
        model.tensors(SHOWERS, CONDITIONS, seeds),
        model.tensors(SHOWERS[90:95], CONDITIONS[90:95], seeds[90:95]),
    )
    for name, tensor in part.items():
        torch.testing.assert_close(tensor, whole[name][90:95], rtol=0, atol=1e-4)


def test_detectors_that_are_no_mesh_are_refused() -> None:
    with pytest.raises(GeometryError, match=r"'calogan' is no mesh of cylinders .* use the system showerflow"):
        mesh_of(CalorimeterGeometry.load("calogan"))
    assert mesh_of(CalorimeterGeometry.load("calochallenge")) == (16, 9)


def test_a_threshold_above_all_cells_is_refused(model: CylindricalShowerFlow) -> None:
    with pytest.raises(ValueError, match=r"no cell .* above the threshold of 5 MeV; the highest has 4 MeV"):
        model.fit(torch.full_like(SHOWERS, 4.0), CONDITIONS, torch.Generator())
