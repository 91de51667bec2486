"""Networks of fields: likelihood, principal components, odd shapes, and the velocity of Gaussian fields."""

import numpy as np
import pytest
import torch

from simulacra.generators.flow_matching import transport
from simulacra.models.field_codes import CodedFields
from simulacra.networks.field_codes import FieldAutoencoder, Scatter
from simulacra.networks.field_velocity import FieldVelocity
from simulacra.representations.field_levels import FieldLevels


def smooth(n: int, shape: tuple[int, int], seed: int = 1) -> torch.Tensor:
    """Return Gaussian fields (N, n1, n2) that are smooth."""
    noise = torch.randn(n, 1, shape[0] + 4, shape[1] + 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.avg_pool2d(noise, 5, stride=1)[:, 0]


@pytest.mark.parametrize("scatter", ["waves", "pixels"])
@pytest.mark.parametrize("shape", [(8, 8), (9, 6)])
def test_likelihood_is_that_of_a_gaussian_about_the_decoded_mean(scatter: Scatter, shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    network = FieldAutoencoder(shape, 2, code=3, width=4, levels=2, scatter=scatter).double()
    with torch.no_grad():
        network.log_scatter.copy_(torch.linspace(0.3, -1, len(network.log_scatter)))
        network.log_amplitude[-1].bias.fill_(0.4)  # type: ignore[operator, union-attr]
    levels, points = FieldLevels(0).double().split(smooth(5, shape).double())
    code, points = torch.randn(5, 3, dtype=torch.float64), points.flatten(1)
    network.requires_grad_(requires_grad=False)
    mean, amplitude = network.decode(code, levels)
    root = network.from_waves(torch.diag(network.scatter()))
    # All waves but the mean, which is 0.
    basis = network.from_waves(torch.eye(network.size, dtype=torch.float64))[1:]
    log_p = network.log_likelihood(points, code, levels)
    for row in range(5):
        covariance = basis @ (amplitude[row] ** 2 * root.T @ root) @ basis.T
        normal = torch.distributions.MultivariateNormal(torch.zeros(network.size - 1).double(), covariance)
        assert float(log_p[row]) == pytest.approx(float(normal.log_prob(basis @ (points[row] - mean[row]))), rel=1e-6)
    if scatter == "pixels":
        torch.testing.assert_close(network.scatter()[1:], network.scatter()[1].expand(network.size - 1))
    torch.testing.assert_close(network.from_waves(network.to_waves(points)), points, atol=1e-5, rtol=1e-5)


def test_it_begins_as_principal_components() -> None:
    points = FieldLevels(0).split(smooth(300, (8, 8)))[1].flatten(1)
    network = FieldAutoencoder((8, 8), 0, code=20, width=4, levels=2, scatter="waves")
    network.fit(points)
    nothing = torch.zeros(300, 0)
    with torch.no_grad():
        code, _ = network.encode(points, nothing)
        made, _ = network.decode(code, nothing)
        left = network.to_waves(points - made).square().mean(dim=0)
    singular = np.linalg.svd(points.numpy() - points.numpy().mean(axis=0), compute_uv=False)
    expected = (singular[20:] ** 2).sum() / 300
    assert float(left.sum()) == pytest.approx(expected, rel=0.1)
    np.testing.assert_allclose(code.std(dim=0), 1, atol=0.1)
    scatter = network.scatter()[1:].square().detach()
    assert float(torch.corrcoef(torch.stack([scatter.log(), left[1:].clamp(min=1e-9).log()]))[0, 1]) > 0.6


def test_levels_come_back() -> None:
    levels = FieldLevels(1)
    field, conditions = 3 * smooth(50, (6, 5)) + 2, torch.rand(50, 1)
    levels.fit(field, conditions)
    found, standard = levels.split(field)
    torch.testing.assert_close(levels.join(found, standard), field)
    torch.testing.assert_close(found.std(dim=0), torch.ones(2))
    torch.testing.assert_close(standard.flatten(1).std(dim=1, correction=0), torch.ones(50))
    assert float(levels.context(conditions).std()) == pytest.approx(1)
    assert bool(torch.isfinite(levels.split(torch.ones(2, 6, 5))[1]).all())


def test_codes_and_fields_agree() -> None:
    torch.manual_seed(2)
    model = CodedFields((7, 6), 0, code=3, width=4, levels=2, scatter="waves").requires_grad_(requires_grad=False)
    field, none = smooth(30, (7, 6)), torch.zeros(30, 0)
    model.fit(field, none)
    made = model(torch.randn(30, model.latent), none)
    assert made.shape == (30, 7, 6)
    code = model.encode(field, none)
    levels, _ = model.levels.split(field)
    torch.testing.assert_close(code[:, :2], levels)
    mean, factor = model.decode(code, none)
    centre, width = model.levels.moments(levels)
    torch.testing.assert_close(mean.mean(dim=1), centre, atol=1e-4, rtol=1e-4)
    assert bool((factor > 0).all())
    assert bool((factor / width - factor[0] / width[0]).abs().max() < 0.2)
    assert model.log_prior(code, none).shape == (30,)


@pytest.mark.parametrize("shape", [(8, 8), (7, 10)])
def test_before_training_the_velocity_carries_noise_to_gaussian_fields(shape: tuple[int, int]) -> None:
    torch.manual_seed(3)
    points = smooth(2000, shape).flatten(1)
    network = FieldVelocity(shape, 1, width=6, blocks=1)
    network.fit(points)
    torch.testing.assert_close(network.from_waves(network.to_waves(points)), points, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        made = network.from_waves(transport(network, torch.randn(2000, network.size), torch.zeros(2000, 1), 2))
    power, expected = (network.to_waves(one).square().mean(dim=0) for one in (made, points))
    assert float((power - expected).abs().max()) < 0.5
    assert float((power / expected).log().mean()) == pytest.approx(0, abs=0.05)
    weight = network.precision(torch.zeros(3, 1))
    assert weight.shape == (3, network.size)
    assert float(weight[0].mean()) == pytest.approx(1)
    assert weight[0, 1] > weight[0, -1]
