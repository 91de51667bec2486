"""The sampler that evaluates the network for each pixel makes the images of the model."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.jets.naive_images import IMAGES, microseconds, naive_images

from simulacra.models.sparse_images import SparseImages


@pytest.mark.parametrize("windows", [(), (3,)])
def test_both_samplers_make_the_same_images(windows: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    model = SparseImages(5, windows, 2, width=8, depth=1, reach=2, value_reach=1, value_width=6, components=2).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        noise = torch.randn(50, model.latent, dtype=torch.float64)
        conditions = (torch.arange(50) % 2).double()[:, None]
        torch.testing.assert_close(naive_images(model, noise, conditions), model(noise, conditions))


def test_times_are_of_one_image() -> None:
    calls = []
    value, spread = microseconds(lambda: calls.append(1), repeats=3)
    assert len(calls) == 4
    assert IMAGES > 1
    assert value >= 0
    assert spread >= 0
