"""Folded precise showers: the same showers as unfolded, in fewer operations."""

from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from simulacra.generators.flow_matching import transport
from simulacra.models.folded_shower_flow import FoldedQuantiles, FoldedShowerFlow
from simulacra.models.folded_velocity import FoldedTransport
from simulacra.models.shower_flow import ShowerFlow
from simulacra.networks.velocity import Velocity
from simulacra.representations.conditional_quantiles import ConditionalQuantiles
from simulacra.representations.imposed_shapes import ImposedShapes
from simulacra.systems.showerflow import Settings, Trainer
from tiny_calogan import FIVE, toy_geometry, toy_showers


def trained(**changes: Any) -> ShowerFlow:
    """Return a model whose representation is fitted and whose networks do something."""
    torch.manual_seed(1)
    settings = {"width": 16, "blocks": 2, "knots": 3, "reflections": False} | changes
    model: ShowerFlow = Trainer(
        Settings(**settings), toy_showers(240, five_conditions="conditions" in changes)
    ).family.average
    shake(model)
    return model.eval()


def shake(model: torch.nn.Module) -> None:
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=rng))


def drawn(model: ShowerFlow, n: int, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    low = torch.tensor([1.0, -20.0, -20.0, 0.0, 0.0])
    high = torch.tensor([100.0, 20.0, 20.0, 0.3, 6.2])
    columns = len(model.conditions.names)
    return torch.randn(n, model.latent, generator=rng), (low + torch.rand(n, 5, generator=rng) * (high - low))[
        :, :columns
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"solver": "heun", "section_steps": 1, "cell_steps": 3},
        {"solver": "euler", "conditions": FIVE},
        {"family": "flow"},
        {"family": "autoencoder"},
        {"moments": 0},
        {"moments": 0, "conditions": FIVE, "follow_axis": False},
    ],
)
def test_folded_showers_are_the_same(changes: dict[str, Any]) -> None:
    model = trained(**changes)
    noise, conditions = (tensor.double() for tensor in drawn(model, 400))
    with torch.inference_mode():
        # The folded numbers are of single precision, what is made of them here of double: not to compare roundings.
        made = FoldedShowerFlow(model).double()(noise, conditions)
        expected = model.double()(noise, conditions)
    assert made.shape == expected.shape
    assert bool((made >= 0).all())
    largest = expected.amax(dim=1, keepdim=True)
    agree = ((made - expected).abs() < 1e-5 * largest).all(dim=1)
    # Where a number of hits lies next to a whole number, rounding may put it on either side.
    assert float(agree.double().mean()) > 0.99
    assert bool(((made == 0) == (expected == 0))[agree].all())
    assert 0.05 < float((made == 0).double().mean()) < 0.95
    torch.testing.assert_close(made.sum(dim=1), expected.sum(dim=1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_a_velocity_is_followed_to_the_same_points(solver: Any) -> None:
    network = Velocity(7, 2, 16, 3)
    rng = torch.Generator().manual_seed(4)
    network.variance.copy_(torch.logspace(-3, 1, 7))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=rng))
    noise, context = torch.randn(50, 7, generator=rng), torch.randn(50, 2, generator=rng)
    with torch.inference_mode():
        expected = transport(network, noise, context, 3, solver)
        made = FoldedTransport(network, 3, solver)(noise, context)
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)
    assert float((expected - noise).abs().max()) > 0.5


def test_quantiles_agree_at_knots_beyond_them_and_without_a_coordinate() -> None:
    rng = torch.Generator().manual_seed(5)
    coordinates = torch.randn(500, 2, generator=rng)
    values = torch.randn(500, 4, generator=rng).exp() * (torch.rand(500, 4, generator=rng) < 0.6)
    quantiles = ConditionalQuantiles(torch.tensor([0, 0, 1, 1]), 5)
    quantiles.fit(values, coordinates)
    # Two knots at one place, as where many events have the same coordinate.
    quantiles.places[1, 2] = quantiles.places[1, 1]
    asked = torch.cat([quantiles.places.t(), torch.tensor([[-9.0, 9.0], [9.0, -9.0], [-torch.inf, 0.1]])])
    scores = torch.randn(len(asked), 4, generator=rng) + 1.0
    expected = quantiles.inverse(scores, asked)
    # At the very place of two knots the unfolded weight is 0 over 0.
    defined = torch.isfinite(expected)
    assert int((~defined).sum()) <= 4
    made = FoldedQuantiles(quantiles)(scores, asked)
    torch.testing.assert_close(made[defined], expected[defined], rtol=2e-5, atol=0)
    assert bool(torch.isfinite(made).all())
    torch.testing.assert_close(FoldedQuantiles(quantiles, 2)(scores[:, :2], asked), made[:, :2], rtol=1e-6, atol=0)


def test_axes_in_blocks_are_turned_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.representations.principal_axes.MOST_TOGETHER", 30)
    monkeypatch.setattr("simulacra.representations.principal_axes.MOST_IN_BLOCK", 10)
    for family in ("flow_matching", "autoencoder"):
        model = trained(family=family)
        assert len(model.axes.blocks) > 3
        noise, conditions = (tensor.double() for tensor in drawn(model, 100))
        with torch.inference_mode():
            made = FoldedShowerFlow(model).double()(noise, conditions)
            expected = model.double()(noise, conditions)
        assert float(((made - expected).abs() < 1e-5 * expected.amax(dim=1, keepdim=True)).double().mean()) > 0.99


def test_an_empty_section_stays_empty_and_as_many_cells_are_hit_as_is_asked_for() -> None:
    model = trained(moments=0)
    folded = FoldedShowerFlow(model)
    energies = torch.tensor([[30.0, 0.0, 5.0], [0.0, 2.0, 0.0]])
    hits = torch.tensor([[6, 1, 2], [1, 7, 1]])
    rng = torch.Generator().manual_seed(1)
    components, ratio = torch.randn(2, 40, generator=rng), torch.rand(2, 3, generator=rng)
    moments = [sign * 60 * torch.rand(2, 3, generator=rng) for sign in (1, -1, 1, 1)]
    shapes = (hits, *moments, ratio)
    cells = folded.imposed_shapes(folded.shares(components, energies, hits), energies, shapes)
    scores = model.axes.inverse(components)
    expected = model.imposed_shapes(model.cell_shares.inverse(scores, energies, hits), energies, shapes)
    torch.testing.assert_close(cells, expected, rtol=1e-4, atol=1e-5)
    sections = [part.sum(dim=1) for part in cells.split(model.cell_shares.sizes, dim=1)]
    torch.testing.assert_close(torch.stack(sections, dim=1), energies)
    lit = [int((part > 0).sum()) for row in cells for part in row.split(model.cell_shares.sizes)]
    assert lit == [6, 0, 2, 0, 7, 0]


def test_folding_saves_a_third_of_the_operations() -> None:
    model = trained()
    model.imposed_shapes = ImposedShapes(toy_geometry())
    noise, conditions = drawn(model, 2)
    with torch.no_grad():
        before, after = (
            len(list(make_fx(one)(noise, conditions).graph.nodes)) for one in (model, FoldedShowerFlow(model))
        )
    assert after < 2 / 3 * before
