r"""Filters that depend on the length of the wave vector only, and monotonic maps of single pixels.

These are the two steps of a translation- and rotation-equivariant flow (TRENF, arXiv:2202.05282). A filter multiplies
each wave of a field by T(k) > 0; its *logarithm* is a cubic spline in log k, so that T cannot cross 0 and the filter
has an inverse. The waves are real, which makes a filter two products of matrices per axis: of a periodic field the
Hartley waves cos(kx) + sin(kx) (a filter even in k treats them as Fourier's), of a field that ends at its edges the
cosines of the discrete cosine transform, which do not join one edge to the opposite one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final, Literal

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from simulacra.networks.unit_spline import UnitSpline

Boundary = Literal["periodic", "open"]

#: a map of pixels takes scores up to this
FURTHEST: Final = 6.0
#: pixels to which a map is fitted
MOST_FITTED: Final = 2_000_000


def waves(n: int, boundary: Boundary) -> tuple[np.ndarray, np.ndarray]:
    """Return the orthonormal waves of an axis of n pixels, (n, n) with one per row, and their k [rad / pixel], (n,).

    >>> rows, k = waves(4, "periodic")
    >>> bool(np.allclose(rows @ rows.T, np.eye(4)))
    True
    """
    place = np.arange(n)
    if boundary == "periodic":
        angle = 2 * np.pi * np.outer(place, place) / n
        return (np.cos(angle) + np.sin(angle)) / np.sqrt(n), 2 * np.pi * np.minimum(place, n - place) / n
    rows = np.sqrt(2 / n) * np.cos(np.pi * np.outer(place, place + 0.5) / n)
    rows[0] /= np.sqrt(2)
    return rows, np.pi * place / n


def wave_numbers(shape: Sequence[int], boundary: Boundary) -> np.ndarray:
    """Return the length of the wave vector of each wave of a grid, of its shape, [rad / pixel]."""
    axes = np.meshgrid(*(waves(n, boundary)[1] for n in shape), indexing="ij", sparse=True)
    return np.asarray(np.sqrt(reduce(np.add, (k**2 for k in axes))))


def spline_basis(k: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return the values of a natural cubic spline in log k as a matrix on its values at the knots, (K, knots + 1).

    Beyond the knots it is constant. The last column is the wave of k = 0, the mean of a field, which has a value of its
    own.
    """
    inside = np.clip(k, knots[0], knots[-1])
    found = np.zeros((len(k), len(knots) + 1))
    found[:, :-1] = CubicSpline(np.log(knots), np.eye(len(knots)), bc_type="natural")(np.log(inside))
    found[k == 0] = np.eye(len(knots) + 1)[-1]
    return found


def along_axes(field: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Return a field (N, n1, ...) with a matrix (m, n) applied to each axis, (N, m1, ...)."""
    for axis, matrix in enumerate(matrices, 1):
        field = (field.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
    return field


def filtered(field: Tensor, kernel: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Return fields (N, n1, ...) whose waves, the rows of a matrix for each axis, are multiplied by a kernel."""
    return along_axes(along_axes(field, matrices) * kernel, [matrix.T for matrix in matrices])


def to_scores(x: Tensor, spline: UnitSpline, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Map values to scores by a monotonic spline between ``low`` and ``high``, and straight lines beyond.

    Parameters
    ----------
    x:
        values, (N, M).
    spline:
        the map of the interval, broadcast over values, from [low, high] to [-FURTHEST, FURTHEST].

    Returns
    -------
    tuple
        scores and the logarithms of the slope, (N, M) each.
    """
    width = high - low
    unit = (x - low) / width
    inside = unit.clamp(0.0, 1.0)
    slope = spline.log_density(inside)
    score = spline.cumulative(inside) + (unit - inside) * slope.exp()
    return FURTHEST * (2 * score - 1), slope + torch.log(2 * FURTHEST / width)


def from_scores(score: Tensor, spline: UnitSpline, low: Tensor, high: Tensor) -> Tensor:
    """Return the values whose scores these are: the inverse of :func:`to_scores`."""
    unit = (score / FURTHEST + 1) / 2
    inside = unit.clamp(0.0, 1.0)
    place = spline.quantile(inside)
    # Beyond the ends the slope is that of the end.
    place = place + (unit - inside) / spline.log_density(inside.round()).exp()
    return low + (high - low) * place


def of_quantiles(pixels: Tensor, pieces: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the ends and the free parameters of the spline that gives a sample of pixels a normal distribution.

    Parameters
    ----------
    pixels:
        the sample, of any shape; at most two million of its values are used.
    pieces:
        number of pieces of the spline.

    Returns
    -------
    tuple
        ``low`` and ``high`` of :func:`to_scores`, and what :meth:`UnitSpline.of` takes, (3 pieces + 1,).
    """
    ordered = pixels.flatten().double()
    ordered = ordered[:: max(1, len(ordered) // MOST_FITTED)].sort().values
    score = torch.linspace(-FURTHEST, FURTHEST, pieces + 1, dtype=torch.float64)
    last = float(torch.special.ndtri(torch.tensor(1 - 0.5 / len(ordered), dtype=torch.float64)))
    # Between the extremes of the sample: beyond them there are no quantiles.
    reached = score.clamp(-last, last)
    rank = (torch.special.ndtr(reached) * len(ordered)).long().clamp(0, len(ordered) - 1)
    spread = float(ordered.std()) or 1.0
    place = ordered[rank] + (score - reached) * spread
    place = place + torch.linspace(0, 1e-4 * spread, len(place), dtype=torch.float64)
    width, height = place.diff(), score.diff()
    steep = (height / height.sum()) / (width / width.sum())
    slope = torch.cat([steep[:1], torch.sqrt(steep[:-1] * steep[1:]), steep[-1:]])
    free = torch.cat([width.log(), height.log(), torch.log(torch.expm1(slope.clamp(1e-2, 30.0))) - 0.5413248546])
    return place[0], place[-1], free
