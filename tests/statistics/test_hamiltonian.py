"""Hamiltonian Monte Carlo: moments of known densities, and chains that do not agree."""

import pytest
import torch

from simulacra.statistics.hamiltonian import hamiltonian, split_r_hat


def test_it_draws_from_gaussians_whose_covariance_is_only_nearly_known() -> None:
    rng = torch.Generator().manual_seed(2)
    root = torch.tensor([[[1.0, 0.0], [0.8, 0.3]], [[0.05, 0.0], [0.0, 4.0]]])
    mean = torch.tensor([[3.0, -1.0], [0.5, 20.0]])
    precision = torch.linalg.inv(root @ root.mT)

    def log_density(x: torch.Tensor) -> torch.Tensor:
        away = x - mean.repeat(20, 1)
        return -0.5 * torch.einsum("ni,nij,nj->n", away, precision.repeat(20, 1, 1), away)

    factor = 1.4 * root.repeat(20, 1, 1)
    start = mean.repeat(20, 1) + 3 * torch.einsum("nij,nj->ni", factor, torch.randn(40, 2, generator=rng))
    shown: list[float] = []
    found = hamiltonian(log_density, start, factor, draws=150, warm_up=60, rng=rng, shown=shown.append)
    assert found.draws.shape == (150, 40, 2)
    assert shown[-1] == 1
    assert 0.6 < float(found.acceptance.mean()) < 0.95
    for row in range(2):
        sample = found.draws[:, row::2].reshape(-1, 2)
        expected = root[row] @ root[row].T
        scale = expected.diagonal().sqrt()
        # 3,000 draws that are hardly correlated
        assert ((sample.mean(dim=0) - mean[row]) / scale).abs().max() < 0.08
        assert ((torch.cov(sample.T) - expected) / scale[:, None] / scale).abs().max() < 0.12
        assert split_r_hat(found.draws[:, row::2].transpose(0, 1)[:, :, None]).max() < 1.05


def test_it_draws_from_a_skewed_density() -> None:
    # The logarithm of an exponential variable: its mean is minus Euler's constant, its variance pi^2 / 6.
    rng = torch.Generator().manual_seed(3)
    found = hamiltonian(
        lambda x: (x - x.exp()).sum(dim=1), torch.zeros(60, 1), torch.ones(60, 1, 1), draws=100, warm_up=60, rng=rng
    )
    assert float(found.draws.mean()) == pytest.approx(-0.5772, abs=0.06)
    assert float(found.draws.var()) == pytest.approx(1.6449, rel=0.1)


def test_chains_that_do_not_agree_are_told() -> None:
    rng = torch.Generator().manual_seed(4)
    chains = torch.randn(4, 100, 2, 3, generator=rng)
    chains[0, :, 1] += 2
    agree, differ = split_r_hat(chains)
    assert agree < 1.05 < 1.3 < differ
    drifting = torch.randn(2, 100, 1, 1, generator=rng) + torch.linspace(0, 3, 100)[:, None, None]
    assert split_r_hat(drifting) > 1.15


def test_it_refuses_to_begin_where_there_is_no_density() -> None:
    with pytest.raises(ValueError, match="not finite where a chain begins"):
        hamiltonian(
            lambda x: x.log().sum(dim=1),
            -torch.ones(1, 1),
            torch.ones(1, 1, 1),
            draws=4,
            warm_up=1,
            rng=torch.Generator().manual_seed(1),
        )
