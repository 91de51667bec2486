"""Conditions as a network sees them."""

import math

import pytest
import torch

from simulacra.representations.conditions import ParticleConditions

FIVE = {
    "incident_energy": (1.0, 100.0),
    "impact_x": (-50.0, 30.0),
    "impact_y": (-20.0, 20.0),
    "polar_angle": (0.0, 0.35),
    "azimuthal_angle": (0.0, 2 * math.pi),
}


def test_energy_by_its_logarithm_and_positions_linearly_onto_one_range() -> None:
    conditions = ParticleConditions(FIVE)
    rows = torch.tensor([[1.0, -50, -20, 0, 0], [100.0, 30, 20, 0, 0], [10.0, -10, 0, 0, 0]])
    expected = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [0, 0, 0]])
    torch.testing.assert_close(conditions(rows)[:, :3], expected, atol=1e-6, rtol=0)


def test_angles_become_slopes() -> None:
    conditions = ParticleConditions(FIVE)
    rows = torch.tensor([[10.0, 0, 0, polar, azimuth] for polar, azimuth in ((0.35, 0), (0.35, math.pi / 2), (0.2, 1))])
    slope = math.tan(0.2) / math.tan(0.35)
    expected = torch.tensor([[1.0, 0], [0, 1], [slope * math.cos(1), slope * math.sin(1)]])
    torch.testing.assert_close(conditions(rows)[:, 3:], expected, atol=1e-6, rtol=0)


def test_azimuth_has_no_jump_and_no_meaning_along_the_axis() -> None:
    conditions = ParticleConditions(FIVE)
    turn = torch.tensor([[10.0, 0, 0, 0.3, 0], [10.0, 0, 0, 0.3, 2 * math.pi]])
    torch.testing.assert_close(conditions(turn)[0], conditions(turn)[1], atol=1e-6, rtol=0)
    along = torch.tensor([[10.0, 0, 0, 0, 0.5], [10.0, 0, 0, 0, 4.0]])
    torch.testing.assert_close(conditions(along)[0], conditions(along)[1])


def test_all_columns_lie_within_one_over_the_trained_range() -> None:
    rng = torch.Generator().manual_seed(1)
    low, high = (torch.tensor([bounds[i] for bounds in FIVE.values()]) for i in (0, 1))
    rows = low + (high - low) * torch.rand(500, 5, generator=rng)
    seen = ParticleConditions(FIVE)(rows)
    assert seen.shape == (500, 5)
    assert float(seen.abs().max()) <= 1 + 1e-6
    assert bool((seen.abs().max(dim=0).values > 0.8).all())


def test_the_order_of_the_columns_is_that_of_the_ranges() -> None:
    conditions = ParticleConditions({"impact_x": (-50.0, 50.0), "incident_energy": (1.0, 100.0)})
    torch.testing.assert_close(conditions(torch.tensor([[50.0, 1.0]])), torch.tensor([[1.0, -1.0]]))


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"incident_energy": (50.0, 50.0)}, "'incident_energy' does not vary"),
        ({"incident_energy": (math.nan, 50.0)}, "'incident_energy' does not vary"),
        ({"incident_energy": (0.0, 50.0)}, "'incident_energy' must be above 0, not 0"),
        ({"polar_angle": (0.0, 0.3)}, "must be given together"),
        ({"azimuthal_angle": (0.0, 0.3)}, "must be given together"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(ranges: dict[str, tuple[float, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParticleConditions(ranges)
