"""Masked fields: the exact likelihood of a Gaussian flow, draws of hidden pixels, convergence, and wrong masks."""

import numpy as np
import pytest
import torch

from simulacra.models import masked_fields
from simulacra.models.equivariant_field_flow import EquivariantFieldFlow
from simulacra.models.masked_fields import HiddenPixels, MaskedFields
from simulacra.networks.radial_filters import waves

CASES = [((9,), "periodic"), ((6, 7), "periodic"), ((6, 7), "open"), ((4, 5, 4), "open")]


def gaussian(shape: tuple[int, ...], boundary: str) -> EquivariantFieldFlow:
    """Return a flow with one random kernel and a straight line in place of its spline."""
    torch.manual_seed(3)
    flow = EquivariantFieldFlow(shape, 2, layers=1, knots=5, pieces=5, hidden=6, boundary=boundary)  # type: ignore[arg-type]
    torch.nn.init.normal_(flow.base, std=0.5)
    flow.base.data[:, flow.knots + 1 :] = 0
    assert flow.control is not None
    torch.nn.init.normal_(flow.control[-1].weight[: flow.knots + 1], std=0.3)  # type: ignore[index, arg-type]
    flow.control[-1].weight.data[flow.knots + 1 :] = 0  # type: ignore[index, union-attr]
    return flow.double().requires_grad_(False)


def masks(shape: tuple[int, ...], n: int) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(4)) > 0.3


def covariance(flow: EquivariantFieldFlow, conditions: torch.Tensor) -> np.ndarray:
    """Return the covariance of all pixels, from what the flow makes of unit noise, (M, M)."""
    nothing = torch.zeros(1, flow.latent).double()
    columns = flow(torch.eye(flow.latent).double(), conditions.expand(flow.latent, -1)) - flow(
        nothing, conditions[None]
    )
    matrix = columns.flatten(1).numpy()
    return np.asarray(matrix.T @ matrix)


@pytest.mark.parametrize(("shape", "boundary"), CASES)
def test_of_a_gaussian_flow_the_likelihood_is_exact_with_one_sample(shape: tuple[int, ...], boundary: str) -> None:
    flow, rng = gaussian(shape, boundary), torch.Generator().manual_seed(5)
    observed, conditions = masks(shape, 3), torch.randn(3, 2, generator=rng).double()
    field, noise = (torch.randn(n, *shape, generator=rng).double() for n in (3, 3))
    # Hidden pixels may hold anything.
    field = torch.where(observed, field, 1e6)
    masked = MaskedFields(flow, field, observed)
    found, error = masked.log_prob(conditions, noise[None])
    assert error.tolist() == [0, 0, 0]
    annealed, _ = masked.annealed_log_prob(conditions, rng, steps=3, chains=2)
    torch.testing.assert_close(annealed, found)
    for row in range(3):
        seen = observed[row].flatten().numpy()
        of_seen = covariance(flow, conditions[row])[np.ix_(seen, seen)]
        middle = flow(torch.zeros(1, flow.latent).double(), conditions[row : row + 1]).flatten().numpy()[seen]
        off = field[row].flatten().numpy()[seen] - middle
        expected = -0.5 * (off @ np.linalg.solve(of_seen, off) + np.linalg.slogdet(2 * np.pi * of_seen)[1])
        assert float(found[row]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_the_precision_of_hidden_pixels_is_a_part_of_that_of_all(boundary: str) -> None:
    shape, observed = (6, 7), masks((6, 7), 1)[0].numpy()
    rows = np.kron(*(waves(n, boundary)[0] for n in shape))  # type: ignore[arg-type]
    flow = gaussian(shape, boundary)
    kernel = flow.whitened_scores(torch.zeros(1, *shape).double(), torch.zeros(1, 2).double())[2][0]
    whole = rows.T @ np.diag(np.exp(2 * kernel.numpy().ravel())) @ rows
    found = HiddenPixels(observed, boundary).precision(kernel).numpy()  # type: ignore[arg-type]
    hidden = ~observed.ravel()
    np.testing.assert_allclose(found, whole[np.ix_(hidden, hidden)], atol=1e-5, rtol=1e-5)


def test_nothing_hidden_is_the_likelihood_of_the_whole_field() -> None:
    flow, field = gaussian((6, 7), "open"), torch.randn(2, 6, 7).double()
    whole = torch.ones(2, 6, 7, dtype=torch.bool)
    conditions = torch.zeros(2, 2).double()
    masked = MaskedFields(flow, field, whole)
    found, error = masked.log_prob(conditions, torch.randn(3, 2, 6, 7).double())
    torch.testing.assert_close(found, flow.log_prob(field, conditions))
    assert error.tolist() == [0, 0]
    torch.testing.assert_close(masked.completed(conditions, torch.Generator().manual_seed(1)), field)


def test_hidden_pixels_are_drawn_given_the_observed_ones() -> None:
    shape, n = (6, 7), 4000
    flow, observed = gaussian(shape, "periodic"), masks(shape, 1)
    field = torch.randn(1, *shape, generator=torch.Generator().manual_seed(2)).double()
    conditions = torch.zeros(n, 2).double()
    masked = MaskedFields(flow, field.repeat(n, 1, 1), observed.repeat(n, 1, 1))
    drawn = masked.completed(conditions, torch.Generator().manual_seed(3)).flatten(1).numpy()
    seen = observed[0].flatten().numpy()
    np.testing.assert_array_equal(drawn[:, seen], np.tile(field.flatten().numpy()[seen], (n, 1)))
    every = covariance(flow, conditions[0])
    middle = flow(torch.zeros(1, flow.latent).double(), conditions[:1]).flatten().numpy()
    weights = np.linalg.solve(every[np.ix_(seen, seen)], every[np.ix_(seen, ~seen)])
    expected = middle[~seen] + (field.flatten().numpy() - middle)[seen] @ weights
    spread = every[np.ix_(~seen, ~seen)] - every[np.ix_(~seen, seen)] @ weights
    pulls = (drawn[:, ~seen].mean(axis=0) - expected) / np.sqrt(np.diag(spread) / n)
    assert np.abs(pulls).max() < 4.5
    np.testing.assert_allclose(np.cov(drawn[:, ~seen].T), spread, atol=0.1 * np.diag(spread).max())


def test_of_another_flow_more_samples_tend_to_the_integral() -> None:
    torch.manual_seed(7)
    flow = EquivariantFieldFlow((6,), 0, layers=2, knots=4, pieces=4)
    torch.nn.init.normal_(flow.base, std=0.4)
    flow = flow.double().requires_grad_(False)
    field = torch.randn(1, 6).double()
    observed = torch.tensor([[True, True, False, True, True, True]])
    values = torch.linspace(-60, 60, 60_001).double()
    every = field.repeat(len(values), 1)
    every[:, 2] = values
    density = flow.log_prob(every, torch.zeros(len(values), 0)).exp()
    expected = float(torch.log(torch.trapezoid(density, values)))
    noise = torch.randn(4000, 1, 6, generator=torch.Generator().manual_seed(1)).double()
    masked = MaskedFields(flow, field, observed)
    found, error = masked.log_prob(torch.zeros(1, 0), noise)
    assert 0 < float(error) < 0.05
    assert float(found) == pytest.approx(expected, abs=5 * float(error))
    annealed, error = masked.annealed_log_prob(
        torch.zeros(1, 0), torch.Generator().manual_seed(2), steps=20, chains=200
    )
    assert 0 < float(error) < 0.1
    assert float(annealed) == pytest.approx(expected, abs=5 * float(error))


def test_impossible_masks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, field = gaussian((6, 7), "open"), torch.zeros(1, 6, 7).double()
    with pytest.raises(ValueError, match="no pixel of a field is observed: leave it out"):
        MaskedFields(flow, field, torch.zeros(1, 6, 7, dtype=torch.bool))
    monkeypatch.setattr(masked_fields, "MOST_HIDDEN", 3)
    observed = np.ones((6, 7), dtype=bool)
    observed[:2, :2] = False
    with pytest.raises(ValueError, match="a mask hides 4 pixels, more than 3: cut the fields"):
        HiddenPixels(observed, "open")
