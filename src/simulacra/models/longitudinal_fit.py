r"""Fit the longitudinal profile of parametrised showers to energies in sections, by maximum likelihood.

A shower has two numbers of its own, ln T and ln alpha, and shows of them the share :math:`f_0` of the first section and
:math:`f_l` of the last. Given alpha, :math:`f_0` fixes T; what is left is one integral over alpha,

.. math:: p(f_0, f_l | y) = \int p(\ln T(f_0, \alpha), \ln\alpha | y)
    \left|\frac{\partial \ln T}{\partial f_0}\right| p(f_l | \mu_l(T, \alpha), \theta_l)\, d\ln\alpha,

with the bivariate normal of hep-ex/0001020, section 3.1, and energy spots of mean :math:`\theta_l` in the last section
(:func:`~simulacra.models.energy_spots.log_likelihood`), which at low energy is mostly empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from simulacra.models.energy_spots import log_likelihood
from simulacra.models.parametrised_shower import ParametrisedShower, means_and_deviations

NODES: Final = np.linspace(np.log(1.15), np.log(30.0), 48)  # of ln alpha
SCALES: Final = np.geomspace(0.02, 8.0, 600)  # of beta
SMALLEST: Final = 1e-5
MOST_EVENTS: Final = 5000  # the fit looks at: it has eleven numbers to find


@dataclass(frozen=True)
class LongitudinalFit:
    """What the fit found.

    Attributes
    ----------
    longitudinal, lost:
        as :class:`~simulacra.models.parametrised_shower.ParametrisedShower` holds them.
    last_spot:
        logarithm of a spot's share of the energy in the last section, and its slope in ln E.
    mean_log_likelihood:
        of an event, with the longitudinal numbers.
    """

    longitudinal: np.ndarray
    lost: np.ndarray
    last_spot: np.ndarray
    mean_log_likelihood: float


@dataclass(frozen=True)
class _Nodes:
    """For each event and node of ln alpha: ln T, the Jacobian's logarithm and the last section's expected share."""

    log_t: Tensor
    log_jacobian: Tensor
    last: Tensor
    f_last: Tensor
    log_y: Tensor
    log_e: Tensor

    @classmethod
    def of(cls, module: ParametrisedShower, sections: np.ndarray, energy: np.ndarray) -> _Nodes:
        from scipy.special import gammainc

        share = sections / sections.sum(axis=1, keepdims=True)
        f_first = np.clip(share[:, 0], SMALLEST, 1.0 - SMALLEST)
        ends = module.edges_t.double().numpy()
        first_end = ends[module.owner.count(0)]
        last_start, end = ends[len(module.owner) - module.owner.count(module.sections - 1)], ends[-1]
        log_t, jacobian, last = (np.empty((len(energy), len(NODES))) for _ in range(3))
        for k, alpha in enumerate(np.exp(NODES)):
            inside = gammainc(alpha, SCALES * end)
            first = gammainc(alpha, SCALES * first_end) / inside
            behind = (inside - gammainc(alpha, SCALES * last_start)) / inside
            rising = np.concatenate([[True], np.diff(np.maximum.accumulate(first)) > 1e-14])
            first, log_beta, behind = first[rising], np.log(SCALES[rising]), behind[rising]
            slope = np.gradient(log_beta, first)
            log_t[:, k] = np.log(alpha - 1.0) - np.interp(f_first, first, log_beta)
            jacobian[:, k] = np.log(np.maximum(np.interp(f_first, first, slope), 1e-12))
            last[:, k] = np.maximum(np.interp(f_first, first, behind), 1e-9)
        log_y = np.log(energy * 1000.0 / module.medium.critical_energy)
        log_t_, jacobian_, last_, f_last = map(torch.from_numpy, (log_t, jacobian, last, share[:, -1:]))
        return cls(log_t_, jacobian_, last_, f_last, torch.from_numpy(log_y), torch.from_numpy(np.log(energy)))

    def log_terms(self, longitudinal: Tensor, last_spot: Tensor) -> Tensor:
        """Return the logarithm of the integrand times the node's width, (N, nodes)."""
        mean_t, mean_a, width_t, width_a, rho = (v[:, None] for v in means_and_deviations(longitudinal, self.log_y))
        t = (self.log_t - mean_t) / width_t
        a = (torch.from_numpy(NODES) - mean_a) / width_a
        rest = 1.0 - rho * rho
        normal = -0.5 * (t * t - 2.0 * rho * t * a + a * a) / rest - torch.log(width_t * width_a * torch.sqrt(rest))
        spot = torch.exp(last_spot[0] + last_spot[1] * self.log_e)[:, None]
        seen = log_likelihood(self.f_last.expand_as(self.last), self.last, spot.expand_as(self.last))
        return normal + self.log_jacobian + seen + float(np.log(NODES[1] - NODES[0]))


def fit_longitudinal(module: ParametrisedShower, sections: np.ndarray, energy: np.ndarray) -> LongitudinalFit:
    """Fit to energies in sections (N, sections) [MeV] of particles of energy (N,) [GeV]."""
    from scipy.optimize import minimize

    sections, energy = sections[:MOST_EVENTS], energy[:MOST_EVENTS]
    nodes = _Nodes.of(module, sections, energy)
    start = np.concatenate([module.longitudinal.double().numpy(), module.spots.detach().double().numpy()[-1]])
    split = len(start) - 2

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        # A weak prior of the start keeps what a sample cannot tell (ln y hardly varies) from running away.
        prior = 0.5 * ((x - torch.from_numpy(start)) ** 2).sum() / 25.0 / len(energy)
        loss = -torch.logsumexp(nodes.log_terms(x[:split], x[split:]), dim=1).mean() + prior
        loss.backward()
        return float(loss.detach()), x.grad.numpy()  # type: ignore[union-attr]

    found: Any = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 400})
    longitudinal, last_spot = found.x[:split], found.x[split:]
    log_t, log_alpha = _expected(nodes, longitudinal, last_spot)
    total = sections.sum(axis=1) / (1000.0 * (energy + module.rest_energy))
    with torch.no_grad():
        behind = module.slices(torch.from_numpy(log_t).float(), torch.from_numpy(log_alpha).float())[:, -1].numpy()
    lost = _fit_lost(1.0 - total - behind, nodes.log_y.numpy())
    return LongitudinalFit(longitudinal, lost, last_spot, -float(found.fun))


def profiles(module: ParametrisedShower, sections: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the expected ln T and ln alpha of each shower, given its energies in sections, (N, 2)."""
    nodes = _Nodes.of(module, sections, energy)
    found = _expected(nodes, module.longitudinal.double().numpy(), module.spots.detach().double().numpy()[-1])
    return np.stack(found, axis=1)


def _expected(nodes: _Nodes, longitudinal: np.ndarray, last_spot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad():
        weight = torch.softmax(nodes.log_terms(torch.from_numpy(longitudinal), torch.from_numpy(last_spot)), dim=1)
        log_alpha = (weight * torch.from_numpy(NODES)).sum(dim=1).numpy()
    # T is read off at that alpha, so that the first section keeps the share that it has.
    place = np.clip(np.searchsorted(NODES, log_alpha), 1, len(NODES) - 1)
    high = (log_alpha - NODES[place - 1]) / (NODES[place] - NODES[place - 1])
    rows, table = np.arange(len(place)), nodes.log_t.numpy()
    return (1.0 - high) * table[rows, place - 1] + high * table[rows, place], log_alpha


def _fit_lost(lost: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    """Fit a gamma distribution, its mean and shape powers of y, to the share of the energy that is lost, (N,)."""
    from scipy.optimize import minimize
    from scipy.special import gammaln

    lost = np.maximum(lost, SMALLEST)
    start = np.array([np.log(lost.mean()), 0.0, np.log(lost.mean() ** 2 / max(lost.var(), 1e-12)), 0.0])

    def objective(x: np.ndarray) -> float:
        mean, shape = np.exp(x[0] + x[1] * log_y), np.exp(np.clip(x[2] + x[3] * log_y, -2.0, 6.0))
        rate = shape / mean
        return -float(np.mean(shape * np.log(rate) - gammaln(shape) + (shape - 1.0) * np.log(lost) - rate * lost))

    found: np.ndarray = minimize(
        objective, start, method="L-BFGS-B", bounds=[(None, None), (-2, 2), (None, None), (-2, 2)]
    ).x
    return found
