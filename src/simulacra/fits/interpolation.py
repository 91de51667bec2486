r"""Log ratios as polynomials of the parameters, event by event: hundreds of fits to one reference in the time of one.

A network's log ratio is a smooth function of theta. Written for each event as

.. math:: \log r(x|\theta) \approx \sum_c a_c(x)\, T_c(\theta)

with products of Chebyshev polynomials :math:`T_c` of a total degree over the trained box, it is evaluated by one matrix
product, whatever the network. The coefficients are the least-squares fit to the network at points that lie denser
towards the box's edges; how far off they are is measured at other points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.fits.embedded import EmbeddedEvents, embedded
from simulacra.fits.errors import FitError
from simulacra.fits.log_ratio import LogRatio, parameter_space
from simulacra.fits.polynomials import chebyshev_products, powers_up_to

if TYPE_CHECKING:
    from torch import Tensor

DEGREES: Final = {1: 6, 2: 5, 3: 4}
CHECKED_POINTS: Final = 12
CHECKED_EVENTS: Final = 2000
BLOCK: Final = 20_000
#: root mean square by which a log ratio may be off
TOLERANCE: Final = 0.01


class PolynomialRatio:
    """A log ratio of events that are embedded as their coefficients.

    Parameters
    ----------
    of:
        the log ratio that was interpolated; gives parameters, box and reference.
    free:
        positions of the parameters that the polynomial runs in.
    powers:
        degree of each free parameter in each term, (C, F).
    """

    def __init__(self, of: LogRatio, free: Sequence[int], powers: np.ndarray) -> None:
        self.parameters = of.parameters
        self.bounds = of.bounds
        self.reference = of.reference
        self._free, self._powers = tuple(free), powers
        box = np.array([self.bounds[self.parameters[p]] for p in free], dtype=np.float64)
        self._low, self._high = box[:, 0], box[:, 1]

    def terms(self, theta: Tensor) -> Tensor:
        """Return the polynomials at parameters (..., P), (..., C)."""
        chosen = theta[..., list(self._free)]
        low, high = (_tensor(edge).to(chosen) for edge in (self._low, self._high))
        return chebyshev_products(2.0 * (chosen - low) / (high - low) - 1.0, self._powers)

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        """Return log ratios (N,) of coefficients (N, C) at parameters (P,), both in double precision."""
        value: Tensor = z @ self.terms(theta)
        return value


class Interpolation:
    """Turns events that networks embed into coefficients, for one set of free and fixed parameters.

    Parameters
    ----------
    members:
        the ensemble.
    free, fixed:
        as in :func:`simulacra.fits.fit.fit`; parameters that are neither stay at the reference.
    degree:
        total degree of the polynomials; by default 6, 5 or 4 for one, two or three free parameters.
    """

    def __init__(
        self,
        members: Sequence[LogRatio],
        *,
        free: Sequence[str] | None = None,
        fixed: Mapping[str, float] | None = None,
        degree: int | None = None,
    ) -> None:
        space = parameter_space(members, free=free, fixed=fixed)
        n = len(space.free)
        degree = DEGREES.get(n, 4) if degree is None else degree
        if degree < 1:
            raise ValueError(f"the degree must be at least 1, not {degree}")
        powers = powers_up_to(degree, n)
        self._members, self._space = tuple(members), space
        self.ratios = tuple(PolynomialRatio(member, space.free, powers) for member in members)
        self._nodes = self._points(max(2 * len(powers), degree + 3), seed=1)
        design = self.ratios[0].terms(_tensor(self._nodes)).numpy()
        self._solve = np.linalg.pinv(design)

    def _points(self, count: int, *, seed: int) -> np.ndarray:
        """Return parameters (count, P) over the box, denser towards its edges, where polynomials go astray."""
        from scipy.stats import qmc

        n = len(self._space.free)
        if n == 1 and seed == 1:
            unit = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count)[:, None] + 0.5) / count)
        else:
            unit = 0.5 - 0.5 * np.cos(np.pi * qmc.Halton(n, rng=np.random.default_rng(seed)).random(count))
        theta = np.tile(self._space.held, (count, 1))
        theta[:, list(self._space.free)] = self._space.free_low + unit * (self._space.free_high - self._space.free_low)
        return theta

    def __call__(self, events: EmbeddedEvents, *, tolerance: float = TOLERANCE) -> EmbeddedEvents:
        """Return the events as coefficients, (N, C) a member.

        Raises
        ------
        FitError
            if a log ratio is off by more than ``tolerance``, root mean square over events, at some point of the box.
        """
        import torch

        solve = torch.from_numpy(self._solve.T)
        found = []
        for number, member in enumerate(self._members):
            z = events.of_member(number)
            blocks = [self._values(member, block, self._nodes) @ solve for block in z.split(BLOCK)]
            found.append(torch.cat(blocks))
        coefficients = embedded(found, events.weights, label=events.label)
        off = self._off(events, coefficients)
        if off > tolerance:
            raise FitError(
                f"polynomials of this degree are off by {off:.3g} in the log ratio of {events.label} (at most "
                f"{tolerance:g} allowed): interpolate with a higher degree, or fit with the networks themselves"
            )
        return coefficients

    def _off(self, events: EmbeddedEvents, coefficients: EmbeddedEvents) -> float:
        """Return the largest root mean square over events, at points that the coefficients were not fitted to."""
        points = self._points(CHECKED_POINTS, seed=2)
        worst = 0.0
        for number, (member, ratio) in enumerate(zip(self._members, self.ratios, strict=True)):
            true = self._values(member, events.of_member(number)[:CHECKED_EVENTS], points)
            ours = coefficients.of_member(number)[:CHECKED_EVENTS] @ ratio.terms(_tensor(points)).T
            worst = max(worst, float((ours - true).pow(2).mean(dim=0).sqrt().max()))
        return worst

    @staticmethod
    def _values(member: LogRatio, z: Tensor, points: np.ndarray) -> Tensor:
        """Return log ratios (N, points) in double precision."""
        import torch

        with torch.no_grad():
            return torch.stack([member(z, _tensor(point).to(z.dtype)).double() for point in points], dim=1)


def _tensor(values: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(np.asarray(values, dtype=np.float64))
