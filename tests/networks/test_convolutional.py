"""The convolutional network: moments in closed form, what must not matter, and what must reach it."""

import pytest
import torch

from simulacra.networks.convolutional import GAIN, ConvolutionalNetwork


def network(dimensions: int, size: int, *, channels: int = 2, seed: int = 1, **options: object) -> ConvolutionalNetwork:
    torch.manual_seed(seed)
    defaults: dict[str, object] = {"widths": (5, 4, 3), "event_widths": (8,), "summary": 6}
    made = ConvolutionalNetwork(channels, dimensions, **(defaults | options))  # type: ignore[arg-type]
    made.set_typical(size**dimensions, [size] * dimensions)
    return made


def arrays(dimensions: int, size: int, n: int = 3, channels: int = 2) -> torch.Tensor:
    return torch.randn(n, channels, *[size] * dimensions, generator=torch.Generator().manual_seed(2))


def test_the_first_level_gives_mean_and_power_of_linear_filters() -> None:
    """A filter x_t - x_(t-1) on a periodic series, and no network behind the moments."""
    made = network(1, 8, channels=1, widths=(1,), event_widths=(), summary=2, periodic=True)
    with torch.no_grad():
        made.levels[0].weight.copy_(torch.tensor([[[-1.0, 1.0, 0.0]]]))  # type: ignore[union-attr]
        made.levels[0].bias.fill_(0.5)  # type: ignore[union-attr]
        made.event[0].weight.copy_(torch.eye(2))
        made.event[0].bias.zero_()
    values = arrays(1, 8, channels=1)
    found = made(values)
    steps = values[:, 0] - values[:, 0].roll(1, dims=1) + 0.5
    moments = GAIN * torch.stack([steps.mean(dim=1), steps.square().mean(dim=1)], dim=1)
    torch.testing.assert_close(found, torch.nn.functional.silu(moments), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_where_a_periodic_array_begins_does_not_matter(dimensions: int) -> None:
    axes = tuple(range(2, 2 + dimensions))
    values = arrays(dimensions, 8)
    # Three levels average over up to four cells.
    moved = values.roll([4] * dimensions, dims=axes)
    closed, ended = (network(dimensions, 8, periodic=periodic) for periodic in (True, False))
    torch.testing.assert_close(closed(moved), closed(values), rtol=0, atol=1e-5)
    assert (ended(moved) - ended(values)).abs().max() > 1e-3
    # Another array of the same values is told from it.
    assert (closed(values.flip(axes[0]).roll(1, dims=1)) - closed(values)).abs().max() > 1e-3


@pytest.mark.parametrize(("dimensions", "size", "wider"), [(1, 7, 8), (1, 5, 12), (2, 5, 8)])
def test_what_lies_behind_the_last_entry_does_not_matter(dimensions: int, size: int, wider: int) -> None:
    made = network(dimensions, size)
    values = arrays(dimensions, size)
    present = torch.rand(3, *[size] * dimensions, generator=torch.Generator().manual_seed(4)) < 0.7
    present[0] = True
    present[1] = False
    values = values * present[:, None]
    padding = [0, wider - size] * dimensions
    wide = torch.nn.functional.pad(values, padding), torch.nn.functional.pad(present, padding)
    torch.testing.assert_close(made(*wide), made(values, present), rtol=0, atol=1e-5)
    # What lies between two entries does: it is a gap.
    other = present.clone()
    other[0].flatten()[size // 2] = False
    assert (made(values, other)[0] - made(values, present)[0]).abs().max() > 1e-4


def test_all_entries_there_are_as_no_mask_at_all() -> None:
    values = arrays(2, 6)
    made = network(2, 6)
    torch.testing.assert_close(made(values, torch.ones(3, 6, 6, dtype=torch.bool)), made(values), rtol=0, atol=1e-5)


def test_arrays_of_other_sizes_are_summed_up() -> None:
    """Of a periodic array twice as long, the same twice, all sums are twice as large."""
    made = network(1, 8, widths=(3,), event_widths=(), periodic=True)
    values = arrays(1, 8)
    made.event = torch.nn.Identity()  # type: ignore[assignment]
    sums = [made(one) for one in (values, torch.cat([values, values], dim=2))]
    torch.testing.assert_close(sums[1], 2 * sums[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_gradient_reaches_each_parameter(dimensions: int) -> None:
    made = network(dimensions, 6, numbers=2)
    made(arrays(dimensions, 6), None, torch.ones(3, 2)).square().sum().backward()
    assert all(bool((p.grad != 0).any()) for p in made.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in made.parameters())


def test_the_numbers_beside_an_array_matter() -> None:
    made = network(1, 6, numbers=1)
    values = arrays(1, 6)
    one, other = (made(values, None, torch.full((3, 1), x)) for x in (0.0, 1.0))
    assert (one - other).abs().min(dim=1).values.max() > 1e-4


def test_convolutions_run_over_one_to_three_dimensions() -> None:
    with pytest.raises(ValueError, match="run over 1, 2 or 3 dimensions, not 4"):
        network(4, 2)
