"""Isotropic power spectra of periodic fields on a square or cubic grid."""

from __future__ import annotations

from typing import Final

import numpy as np

SPECTRUM_BINS: Final = 8
FEWEST_CELLS: Final = 4


def wave_number_edges(n: int, dimensions: int = 2, bins: int = SPECTRUM_BINS) -> list[tuple[float, float]]:
    """Return the bins of the wave number for a grid of ``n`` cells per side: geometric from 1 to n/2 waves."""
    edges = np.geomspace(1, n / 2, bins + 1)
    filled = np.unique(_bin_of(_wave_numbers(n, dimensions), edges))
    return [(float(edges[i]), float(edges[i + 1])) for i in filled if 0 <= i < bins]


def power_spectra(fields: np.ndarray, present: np.ndarray | None = None, bins: int = SPECTRUM_BINS) -> np.ndarray:
    r"""Return the mean power :math:`|\hat f_k|^2 / M` of the modes in each bin of ``wave_number_edges``, (N, bins).

    M is the number of cells and :math:`\hat f` the unnormalised Fourier transform, so white noise has its variance at
    every wave number. The mean of the field and modes in the corners, beyond n/2, do not enter. With a mask it is the
    pseudo-spectrum (Hivon et al., ApJ 567 (2002) 2): absent cells have the mean of the present ones, and M is the
    number of present cells. White noise still has its variance; other power leaks to neighbouring wave numbers.

    Parameters
    ----------
    fields:
        (N, n, n) or (N, n, n, n), n at least 4.
    present:
        whether a cell is present, of the same shape.

    Raises
    ------
    ValueError
        if the grid is not square or cubic.
    """
    sides = fields.shape[1:]
    if len(sides) not in (2, 3) or len(set(sides)) != 1 or sides[0] < FEWEST_CELLS:
        raise ValueError(f"power spectra need square or cubic grids of at least {FEWEST_CELLS} cells per side")
    n, dimensions = sides[0], len(sides)
    edges = np.geomspace(1, n / 2, bins + 1)
    wave_number = _wave_numbers(n, dimensions)
    where = _bin_of(wave_number, edges).ravel()
    # a real field's transform holds half of the modes: the other half is its mirror image, except on two planes
    last = np.arange(wave_number.shape[-1])
    copies = np.broadcast_to(np.where((last == 0) | (2 * last == n), 1.0, 2.0), wave_number.shape).ravel()
    axes = tuple(range(1, dimensions + 1))
    number = n**dimensions
    if present is not None:
        number = np.maximum(present.sum(axis=axes, keepdims=True), 1)
        mean = np.where(present, fields, 0.0).sum(axis=axes, keepdims=True) / number
        fields = np.where(present, fields - mean, 0.0)
    power = np.abs(np.fft.rfftn(fields, axes=axes)) ** 2 / number
    power = power.reshape(len(fields), int(np.prod(power.shape[1:])))
    inside = [i for i in np.unique(where) if 0 <= i < bins]
    found = np.empty((len(fields), len(inside)))
    for column, i in enumerate(inside):
        modes = np.flatnonzero(where == i)
        found[:, column] = power[:, modes] @ copies[modes] / copies[modes].sum()
    return found


def _wave_numbers(n: int, dimensions: int) -> np.ndarray:
    whole, half = np.fft.fftfreq(n, 1 / n), np.fft.rfftfreq(n, 1 / n)
    axes = np.meshgrid(*[whole] * (dimensions - 1), half, indexing="ij", sparse=True)
    return np.asarray(np.sqrt(sum(k**2 for k in axes)))


def _bin_of(wave_number: np.ndarray, edges: np.ndarray) -> np.ndarray:
    # rounding must not push the waves at the two ends out
    slack = 1e-9
    where = np.searchsorted(edges * (1 - slack), wave_number, side="right") - 1
    return np.asarray(np.where(wave_number > edges[-1] * (1 + slack), -1, np.minimum(where, len(edges) - 2)))
