r"""Log ratios of events as polynomials in the parameters: hundreds of fits with one reference in the time of one.

A network's log ratio is a smooth function of theta. Written for each event as

.. math:: \log r(x|\theta) \approx \sum_c a_c(x)\, T_c(\theta)

with products of Chebyshev polynomials :math:`T_c` up to a total degree over the trained box, one matrix product
evaluates it for any network. The coefficients are a least-squares fit to the network at points that are denser towards
the edges of the box; other points measure the error. The mean of an ensemble is one polynomial.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
NODES_A_TERM: Final = 1.5
"""Points at which networks are evaluated, per coefficient."""
#: largest root mean square error of a log ratio
TOLERANCE: Final = 0.01


class PolynomialRatio:
    """A log ratio of events that are embedded as coefficients.

    Parameters
    ----------
    of:
        the interpolated log ratio; gives parameters, box and reference.
    free:
        positions of the polynomial's parameters.
    powers:
        degree of each free parameter in each term, (C, F).
    low, high:
        the region of the interpolation, (F,).
    """

    is_linear = True

    def __init__(
        self, of: LogRatio, free: Sequence[int], powers: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> None:
        self.parameters = of.parameters
        self.bounds = of.bounds
        self.reference = of.reference
        self._free, self._powers = tuple(free), powers
        self._low, self._high = low, high

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
    """Turns embedded events into coefficients, for one set of free and fixed parameters.

    Parameters
    ----------
    members:
        the ensemble.
    free, fixed:
        as in :func:`simulacra.fits.fit.fit`; parameters that are neither stay at the reference.
    degree:
        total degree of the polynomials; by default 6, 5 or 4 for one, two or three free parameters.
    region:
        lowest and highest value of each free parameter, (F, 2); by default the trained box.
    mean:
        whether events become the coefficients of the members' mean instead of each member.

    Attributes
    ----------
    ratios:
        log ratios of events as coefficients: one per member, or that of their mean.
    """

    def __init__(
        self,
        members: Sequence[LogRatio],
        *,
        free: Sequence[str] | None = None,
        fixed: Mapping[str, float] | None = None,
        degree: int | None = None,
        region: np.ndarray | None = None,
        mean: bool = False,
    ) -> None:
        space = parameter_space(members, free=free, fixed=fixed)
        n = len(space.free)
        degree = DEGREES.get(n, 4) if degree is None else degree
        if degree < 1:
            raise ValueError(f"the degree must be at least 1, not {degree}")
        powers = powers_up_to(degree, n)
        self._members, self._space, self._mean = tuple(members), space, mean
        self._low: np.ndarray = space.free_low if region is None else region[:, 0]
        self._high: np.ndarray = space.free_high if region is None else region[:, 1]
        self.ratios = tuple(
            PolynomialRatio(member, space.free, powers, self._low, self._high)
            for member in (members[:1] if mean else members)
        )
        self._nodes = self._points(max(math.ceil(NODES_A_TERM * len(powers)), degree + 3), seed=1)
        design = self.ratios[0].terms(_tensor(self._nodes)).numpy()
        self._solve = np.linalg.pinv(design)

    def _points(self, count: int, *, seed: int) -> np.ndarray:
        """Return parameters (count, P) over the box, denser towards its edges, where polynomials are least accurate."""
        from scipy.stats import qmc

        n = len(self._space.free)
        if n == 1 and seed == 1:
            unit = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count)[:, None] + 0.5) / count)
        else:
            unit = 0.5 - 0.5 * np.cos(np.pi * qmc.Halton(n, rng=np.random.default_rng(seed)).random(count))
        theta = np.tile(self._space.held, (count, 1))
        theta[:, list(self._space.free)] = self._low + unit * (self._high - self._low)
        return theta

    def __call__(self, events: EmbeddedEvents, *, tolerance: float = TOLERANCE) -> EmbeddedEvents:
        """Return the events as coefficients, (N, C), of each member or of the members' mean.

        Raises
        ------
        FitError
            if the root mean square error of a log ratio over events exceeds ``tolerance`` at some point of the box.
        """
        import torch

        solve = _tensor(self._solve.T)

        def of_member(number: int) -> Tensor:
            blocks = events.of_member(number).split(BLOCK)
            return torch.cat([self._values(self._members[number], block, self._nodes) @ solve for block in blocks])

        found = [_mean(of_member, members) for members in self._averaged]
        coefficients = embedded(found, events.weights, label=events.label)
        off = self._off(events, coefficients)
        if not off <= tolerance:
            raise FitError(
                f"polynomials of this degree are off by {off:.3g} in the log ratio of {events.label} (at most "
                f"{tolerance:g} allowed): interpolate with a higher degree, or fit with the networks themselves"
            )
        return coefficients

    @property
    def _averaged(self) -> list[list[int]]:
        """Return for each log ratio the numbers of the members in its mean."""
        every = list(range(len(self._members)))
        return [every] if self._mean else [[number] for number in every]

    def _off(self, events: EmbeddedEvents, coefficients: EmbeddedEvents) -> float:
        """Return the largest root mean square error over events, at points not used in the fit of the coefficients."""
        points = self._points(CHECKED_POINTS, seed=2)

        def of_member(number: int) -> Tensor:
            return self._values(self._members[number], events.of_member(number)[:CHECKED_EVENTS], points)

        worst = 0.0
        for number, (members, ratio) in enumerate(zip(self._averaged, self.ratios, strict=True)):
            true = _mean(of_member, members)
            ours = coefficients.of_member(number)[:CHECKED_EVENTS] @ ratio.terms(_tensor(points)).T
            off = float((ours - true).pow(2).mean(dim=0).sqrt().max())
            worst = off if math.isnan(off) else max(worst, off)
        return worst

    @staticmethod
    def _values(member: LogRatio, z: Tensor, points: np.ndarray) -> Tensor:
        """Return log ratios (N, points) in double precision."""
        import torch

        with torch.no_grad():
            return torch.stack([member(z, _tensor(point).to(z.dtype)).double() for point in points], dim=1)


def _mean(of_member: Callable[[int], Tensor], members: Sequence[int]) -> Tensor:
    total = of_member(members[0])
    for number in members[1:]:
        total += of_member(number)
    return total / len(members)


def _tensor(values: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(np.asarray(values, dtype=np.float64))
