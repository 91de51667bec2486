r"""log Z(c), the log of the mean of r(x|c) over the reference, as a polynomial in c, with its fluctuation.

An exact ratio has log Z = 0 everywhere; a learned one differs by a smooth function of c. This is computed at points of
a box slightly larger than the trained one and fitted by a polynomial. The same is done for the contribution of each
block of the reference, which gives the effect of its finite size on all that is computed from the derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch

from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError
from simulacra.fits.log_ratio import LogRatio
from simulacra.fits.polynomials import chebyshev_products, powers_up_to

DEGREES: Final = {1: 8, 2: 7, 3: 6}
WIDER: Final = 1.1
"""Width of the box of points, in widths of the trained box: a map may lead slightly outside."""
BLOCKS: Final = 50
ROWS: Final = 16_384


class LogNormalisation:
    """log Z of an ensemble's mean log ratio.

    Parameters
    ----------
    members, reference:
        the ensemble, and embedded events at its theta_0.
    low, high:
        the trained box, (P,).
    progress:
        called with a sentence and the completed share.

    Raises
    ------
    FitError
        if the reference has fewer events than blocks, or Z is not positive and finite somewhere.
    """

    def __init__(
        self,
        members: Sequence[LogRatio],
        reference: EmbeddedEvents,
        low: np.ndarray,
        high: np.ndarray,
        *,
        progress: Callable[[str, float], None],
    ) -> None:
        if len(reference) < 2 * BLOCKS:
            raise FitError(f"{len(reference)} reference events are too few: at least {2 * BLOCKS} are needed")
        self._centre, self._half = (low + high) / 2, WIDER * (high - low) / 2
        self._powers = powers_up_to(DEGREES.get(len(low), 4), len(low))
        nodes = self._nodes(3 * len(self._powers) // 2)
        design = chebyshev_products(torch.from_numpy(nodes), self._powers).numpy()
        solve = np.linalg.pinv(design)
        total, shares = np.zeros((BLOCKS, len(nodes))), np.zeros(BLOCKS)
        block_of = np.arange(len(reference)) % BLOCKS
        own = reference.shares
        np.add.at(shares, block_of, own)
        for number, node in enumerate(nodes):
            progress(f"normalising over the reference: point {number + 1} of {len(nodes)}", number / len(nodes))
            ratio = _mean_ratio(members, reference, self._centre + self._half * node)
            with np.errstate(over="ignore"):
                total[:, number] = np.bincount(block_of, own * np.exp(ratio), minlength=BLOCKS)
        mean = total.sum(axis=0)
        if not (np.isfinite(mean).all() and np.all(mean > 0)):
            raise FitError("the log ratio cannot be normalised over the reference; check the network's training")
        self._table = solve @ np.log(mean)
        # How log Z moves when a block is counted once more, (terms, blocks).
        self._of_block = solve @ (total / mean - shares[:, None]).T

    def _nodes(self, count: int) -> np.ndarray:
        """Return points, (count, P), from -1 to 1, denser towards the edges."""
        from scipy.stats import qmc

        parameters = len(self._centre)
        unit = qmc.Halton(parameters, rng=np.random.default_rng(1)).random(count)
        if parameters == 1:
            unit = (np.arange(count)[:, None] + 0.5) / count
        nodes: np.ndarray = -np.cos(np.pi * unit)
        return nodes

    def derivatives(
        self, c: np.ndarray, terms: np.ndarray, shares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the first and second derivatives of log Z at c (N, P), and the contribution of each block to a sum.

        Parameters
        ----------
        c:
            the points, (N, P).
        terms, shares:
            factors (N, C) and (N,) of the sum over events of share times term times first derivative.

        Returns
        -------
        tuple
            (N, P), (N, P, P), and for each block of the reference (blocks, C, P).
        """
        n, parameters = c.shape
        first, second = np.zeros((n, parameters)), np.zeros((n, parameters, parameters))
        moved = np.zeros((terms.shape[1], parameters, len(self._powers)))
        for begin in range(0, n, ROWS):
            rows = slice(begin, begin + ROWS)
            slopes, bends = _product_derivatives((c[rows] - self._centre) / self._half, self._powers, self._table)
            slopes /= self._half[:, None, None]
            first[rows] = (slopes @ self._table).T
            second[rows] = bends / np.outer(self._half, self._half)
            for p in range(parameters):
                moved[:, p] += (shares[rows, None] * terms[rows]).T @ slopes[p]
        return first, second, np.asarray((moved @ self._of_block).transpose(2, 0, 1))


def _product_derivatives(x: np.ndarray, powers: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the products' first derivatives at x (N, P), (P, N, C), and a polynomial's second ones, (N, P, P)."""
    from numpy.polynomial import chebyshev

    n, parameters = x.shape
    highest = int(powers.max())
    unit = np.eye(highest + 1)
    # Of each coordinate, its polynomials and their first two derivatives, (N, C) each.
    ladders = [
        [chebyshev.chebval(x[:, p], chebyshev.chebder(unit, order)).T[:, powers[:, p]] for order in range(3)]
        for p in range(parameters)
    ]

    def product(orders: Sequence[int]) -> np.ndarray:
        found = ladders[0][orders[0]]
        for p in range(1, parameters):
            found = found * ladders[p][orders[p]]
        return found

    first = np.stack([product([int(p == q) for q in range(parameters)]) for p in range(parameters)])
    second = np.zeros((n, parameters, parameters))
    for p in range(parameters):
        for q in range(p, parameters):
            orders = [int(k == p) + int(k == q) for k in range(parameters)]
            second[:, p, q] = second[:, q, p] = product(orders) @ table
    return first, second


def _mean_ratio(members: Sequence[LogRatio], events: EmbeddedEvents, theta: np.ndarray) -> np.ndarray:
    found = np.zeros(len(events))
    with torch.no_grad():
        for number, member in enumerate(members):
            z = events.of_member(number)
            point = torch.from_numpy(theta).to(z)
            parts = [member(z[begin : begin + ROWS], point).double() for begin in range(0, len(z), ROWS)]
            found += torch.cat(parts).cpu().numpy() / len(members)
    return found
