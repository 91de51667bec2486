"""The ratio of two densities of stars: its inputs' maps, and densities that stay in their window."""

from __future__ import annotations

import pytest
import torch

from simulacra.models.density_ratio import DensityRatio


@pytest.mark.parametrize(("size", "positions"), [(4, 2), (2, 2), (1, 0)])
def test_inputs_are_mapped_there_and_back(size: int, positions: int) -> None:
    torch.manual_seed(1)
    inputs, motion = 3 + 2 * torch.randn(500, size), torch.randn(500, 1)
    ratio = DensityRatio(size, positions, transforms=1, bins=4, width=8)
    ratio.fit(inputs, motion)
    inside = torch.ones(500, dtype=torch.bool)
    if positions:
        place = (inputs[:, :positions] - ratio.low) / (ratio.high - ratio.low)
        inside = ((place > 1e-3) & (place < 1 - 1e-3)).all(dim=1)
    torch.testing.assert_close(ratio.inputs(ratio.points(inputs))[inside], inputs[inside], rtol=1e-3, atol=1e-3)
    made = ratio.background(torch.randn(300, size), motion[:300])
    if positions:
        assert (made[:, :positions] >= ratio.low - 1e-4).all()
        assert (made[:, :positions] <= ratio.high + 1e-4).all()


def test_the_score_is_the_difference_of_both_log_densities() -> None:
    torch.manual_seed(2)
    inputs, motion = torch.randn(200, 3), torch.randn(200, 1)
    ratio = DensityRatio(3, 2, transforms=1, bins=4, width=8)
    ratio.fit(inputs, motion)
    points, context = ratio.points(inputs), ratio.context(motion)
    expected = ratio.inside.log_prob(points, context) - ratio.outside.log_prob(points, context)
    torch.testing.assert_close(ratio(inputs, motion), expected)
    # The same flow twice: no star is more likely in the region.
    ratio.outside.load_state_dict(ratio.inside.state_dict())
    torch.testing.assert_close(ratio(inputs, motion), torch.zeros(200))
