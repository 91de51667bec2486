r"""Hamiltonian Monte Carlo of many densities at once, each with chains, steps and a metric of its own.

Neal, arXiv:1206.1901. A chain moves in coordinates in which its density is nearly standard normal, because the factor
of a covariance is given; its step is adapted in the warm-up to the acceptance that is wanted (Andrieu and Thoms,
Statistics and Computing 18 (2008) 343). Whether chains of one density agree is told by split :math:`\hat R` (Gelman et
al., Bayesian Data Analysis, 3rd ed., section 11.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor

#: wanted acceptance, and the first step
ACCEPTANCE: Final = 0.8
FIRST_STEP: Final = 0.3


class Chains(NamedTuple):
    """Draws (draws, N, D), the share of accepted proposals after the warm-up (N,), and the steps (N,)."""

    draws: Tensor
    acceptance: Tensor
    step: Tensor


def hamiltonian(
    log_density: Callable[[Tensor], Tensor],
    start: Tensor,
    factor: Tensor,
    *,
    draws: int,
    warm_up: int,
    leaps: int = 5,
    rng: torch.Generator,
    shown: Callable[[float], None] | None = None,
) -> Chains:
    """Draw from densities, one for each row.

    Parameters
    ----------
    log_density:
        returns log p up to a constant, (N,), of points (N, D), each row by itself.
    start:
        first points, (N, D).
    factor:
        of each density's covariance L L^T, as far as it is known, (N, D, D).
    draws, warm_up:
        proposals whose points are returned, and before these.
    leaps:
        steps of a proposal on average; their number is random, so that no proposal comes back to where it began.
    rng:
        of all random numbers.
    shown:
        called with the completed share.

    Raises
    ------
    ValueError
        if log p is not finite at a first point.

    Examples
    --------
    >>> import torch
    >>> rng, start = torch.Generator().manual_seed(1), torch.zeros(4, 2)
    >>> chains = hamiltonian(lambda x: -0.5 * (x - 1).square().sum(dim=1), start, torch.eye(2).expand(4, 2, 2),
    ...                      draws=200, warm_up=50, rng=rng)
    >>> bool((chains.draws.mean(dim=(0, 1)) - 1).abs().max() < 0.2)
    True
    """
    place = torch.zeros_like(start)
    step = torch.full_like(start[:, 0], FIRST_STEP)

    def at(q: Tensor) -> Tensor:
        return start + torch.einsum("nij,nj->ni", factor, q)

    def evaluated(q: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            q = q.detach().requires_grad_()
            log_p = log_density(at(q))
            (gradient,) = torch.autograd.grad(log_p.sum(), q)
        return log_p.detach(), gradient

    log_p, gradient = evaluated(place)
    if not bool(torch.isfinite(log_p).all()):
        raise ValueError("the density is not finite where a chain begins")
    found, accepted = [], torch.zeros_like(step)
    for turn in range(warm_up + draws):
        momentum = torch.randn(place.shape, generator=rng).to(place)
        length = int(torch.randint(1, 2 * leaps, (1,), generator=rng))
        q, p, slope, new = place, momentum, gradient, log_p
        for _ in range(length):
            p = p + 0.5 * step[:, None] * slope
            q = q + step[:, None] * p
            new, slope = evaluated(q)
            p = p + 0.5 * step[:, None] * slope
        change = new - log_p + 0.5 * (momentum.square() - p.square()).sum(dim=1)
        probability = torch.nan_to_num(change, nan=-torch.inf).clamp(max=0.0).exp()
        taken = torch.rand(len(step), generator=rng).to(step) < probability
        place = torch.where(taken[:, None], q, place)
        gradient, log_p = torch.where(taken[:, None], slope, gradient), torch.where(taken, new, log_p)
        if turn < warm_up:
            step = step * torch.exp((probability - ACCEPTANCE) * (2.0 / (1 + turn) ** 0.6))
        else:
            accepted = accepted + taken.to(accepted)
            found.append(at(place))
        if shown is not None:
            shown((turn + 1) / (warm_up + draws))
    return Chains(torch.stack(found), accepted / draws, step)


def split_r_hat(chains: Tensor) -> Tensor:
    r"""Return split :math:`\hat R` (N,) of chains (C, n, N, D) of n draws each; 1 where they agree.

    Variances within and between chains are averaged over the D components: the largest of many ratios would be above 1
    by chance.

    >>> import torch
    >>> bool((split_r_hat(torch.randn(4, 500, 3, 2, generator=torch.Generator().manual_seed(1))) < 1.01).all())
    True
    """
    half = chains.shape[1] // 2
    parts = torch.cat([chains[:, :half], chains[:, half : 2 * half]])
    within = parts.var(dim=1).mean(dim=(0, 2))
    between = parts.mean(dim=1).var(dim=0).mean(dim=1)
    return ((half - 1) / half + between / within).sqrt()
