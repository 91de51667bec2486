r"""Fit the longitudinal profile of parametrised showers to energies in sections, by maximum likelihood.

Each shower has two hidden numbers, ln T and ln alpha. They are measured by the shares :math:`f_0` of the first section
and :math:`f_l` of the last. Given alpha, :math:`f_0` determines T; one integral over alpha remains (for a photon a
second one, over the depth of its conversion),

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
from simulacra.models.parametrised_shower import CONVERSION, ParametrisedShower, means_and_deviations

NODES: Final = np.linspace(np.log(1.15), np.log(14.0), 80)
"""Spacing in ln alpha, smaller than the range allowed by a single shower's shares."""
CONVERSIONS: Final = 5  # nodes of the depth of a photon's conversion, of equal probability
SCALES: Final = np.geomspace(0.02, 8.0, 600)  # of beta
SMALLEST: Final = 1e-5
BISECTIONS: Final = 40
MOST_EVENTS: Final = 3000  # the fit looks at: it has eleven numbers to find


@dataclass(frozen=True)
class LongitudinalFit:
    """The result of the fit.

    Attributes
    ----------
    longitudinal, lost:
        as in :class:`~simulacra.models.parametrised_shower.ParametrisedShower`.
    last_spot:
        logarithm of a spot's share of the energy in the last section, and its slope in ln E.
    mean_log_likelihood:
        per event, with the longitudinal numbers.
    """

    longitudinal: np.ndarray
    lost: np.ndarray
    last_spot: np.ndarray
    mean_log_likelihood: float


@dataclass(frozen=True)
class _Nodes:
    """Per event and node of (start, ln alpha): ln T, its log Jacobian, the expected share of the last section."""

    log_t: Tensor
    log_jacobian: Tensor
    last: Tensor
    log_alpha: Tensor
    start: Tensor
    f_first: Tensor
    f_last: Tensor
    log_y: Tensor
    log_e: Tensor

    @classmethod
    def of(cls, module: ParametrisedShower, sections: np.ndarray, energy: np.ndarray) -> _Nodes:
        share = sections / sections.sum(axis=1, keepdims=True)
        f_first = np.clip(share[:, 0], SMALLEST, 1.0 - SMALLEST)
        quantiles = (np.arange(CONVERSIONS) + 0.5) / CONVERSIONS
        starts = -CONVERSION * np.log1p(-quantiles) if module.converts else np.zeros(1)
        nodes = [(start, log_alpha) for start in starts for log_alpha in NODES]
        log_t, jacobian, last = (np.empty((len(energy), len(nodes))) for _ in range(3))
        for k, (start, log_alpha) in enumerate(nodes):
            first, behind = _shares(module, np.exp(log_alpha), SCALES, start)
            rising = np.concatenate([[True], np.diff(np.maximum.accumulate(first)) > 1e-14])
            first, log_beta, behind = first[rising], np.log(SCALES[rising]), behind[rising]
            slope = np.gradient(log_beta, first)
            log_t[:, k] = np.log(np.exp(log_alpha) - 1.0) - np.interp(f_first, first, log_beta)
            jacobian[:, k] = np.log(np.maximum(np.interp(f_first, first, slope), 1e-12))
            last[:, k] = np.maximum(np.interp(f_first, first, behind), 1e-9)
        start_of, alpha_of = np.array(nodes).T
        log_y = np.log(energy * 1000.0 / module.medium.critical_energy)
        arrays = (log_t, jacobian, last, alpha_of, start_of, f_first, share[:, -1:], log_y, np.log(energy))
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))

    def log_terms(self, longitudinal: Tensor, last_spot: Tensor) -> Tensor:
        """Return the logarithm of the integrand times the node's width, (N, nodes)."""
        mean_t, mean_a, width_t, width_a, rho = (v[:, None] for v in means_and_deviations(longitudinal, self.log_y))
        t = (self.log_t - mean_t) / width_t
        a = (self.log_alpha - mean_a) / width_a
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
    found_profiles = _expected(module, nodes, longitudinal, last_spot)
    total = sections.sum(axis=1) / (1000.0 * (energy + module.rest_energy))
    with torch.no_grad():
        behind = module.slices(*torch.from_numpy(found_profiles).float().unbind(dim=1))[:, -1].numpy()
    lost = _fit_lost(1.0 - total - behind, nodes.log_y.numpy())
    return LongitudinalFit(longitudinal, lost, last_spot, -float(found.fun))


def profiles(module: ParametrisedShower, sections: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the expected ln T, ln alpha and start of each shower, given its energies in sections, (N, 3)."""
    nodes = _Nodes.of(module, sections, energy)
    return _expected(module, nodes, module.longitudinal.double().numpy(), module.spots.detach().double().numpy()[-1])


def _expected(module: ParametrisedShower, nodes: _Nodes, longitudinal: np.ndarray, last_spot: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        weight = torch.softmax(nodes.log_terms(torch.from_numpy(longitudinal), torch.from_numpy(last_spot)), dim=1)
        log_alpha, start = ((weight * node).sum(dim=1).numpy() for node in (nodes.log_alpha, nodes.start))
    # T is found at those, so that the first section keeps the share that it has: it rises with beta.
    alpha, target = np.exp(log_alpha), nodes.f_first.numpy()
    low, high = (np.full(len(alpha), np.log(SCALES[i])) for i in (0, -1))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = _shares(module, alpha, np.exp(middle), start)[0] > target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.stack([np.log(alpha - 1.0) - (low + high) / 2, log_alpha, start], axis=1)


def _shares(
    module: ParametrisedShower, alpha: np.ndarray, beta: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of the first and the last section in the energy in the detector, of any shape."""
    from scipy.special import gammainc

    ends = module.edges_t.double().numpy()
    first_end, last_start = ends[module.owner.count(0)], ends[-1 - module.owner.count(module.sections - 1)]
    inside = np.maximum(gammainc(alpha, beta * (ends[-1] - start)), 1e-300)
    first = gammainc(alpha, beta * np.maximum(first_end - start, 0.0)) / inside
    return first, 1.0 - gammainc(alpha, beta * np.maximum(last_start - start, 0.0)) / inside


def _fit_lost(lost: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    """Fit a gamma distribution, its mean and shape powers of y, to the lost share of the energy, (N,)."""
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
