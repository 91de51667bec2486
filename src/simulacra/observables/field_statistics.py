r"""Statistics of square fields beyond the power spectrum: peaks, bispectra, Minkowski functionals.

They take fields (N, n, n), periodic or not, and return one row per field, for comparisons of means over many fields.
"""

from __future__ import annotations

from typing import Final

import numpy as np

#: of the bins of wave numbers of :func:`bispectra`, in waves along the field
TRIANGLES: Final = ((1.5, 3.5), (3.5, 5.5), (5.5, 8.5), (8.5, 12.5))


def peak_counts(fields: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the number of peaks of each height, (N, len(edges) - 1).

    A peak is a pixel above its eight neighbours; pixels at an edge are none.
    """
    middle = fields[:, 1:-1, 1:-1]
    peak = np.ones(middle.shape, dtype=bool)
    n, m = fields.shape[1:]
    for i in range(3):
        for j in range(3):
            if (i, j) != (1, 1):
                peak &= middle > fields[:, i : n - 2 + i, j : m - 2 + j]
    return np.stack([np.histogram(field[there], edges)[0] for field, there in zip(middle, peak, strict=True)])


def bispectra(fields: np.ndarray, rings: tuple[tuple[float, float], ...] = TRIANGLES) -> np.ndarray:
    r"""Return the bispectrum of triangles whose three waves are in one ring, (N, rings).

    It is :math:`\sum_x \delta_r(x)^3 / \sum_x I_r(x)^3`: :math:`\delta_r` holds the waves of a ring, and I_r is the
    same of a field whose waves are all 1 (Scoccimarro, ApJ 544 (2000) 597). The mean is taken off and a Hann window
    applied first, so that the edges of a field that is not periodic do not count.
    """
    n, m = fields.shape[1:]
    window = np.outer(np.hanning(n + 2)[1:-1], np.hanning(m + 2)[1:-1])
    window /= np.sqrt(np.mean(window**2))
    centred = fields - np.mean(fields * window, axis=(1, 2), keepdims=True) / window.mean()
    waves = np.fft.fft2(centred * window)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(n, 1 / n), np.fft.fftfreq(m, 1 / m), indexing="ij"))
    found = np.empty((len(fields), len(rings)))
    for column, (low, high) in enumerate(rings):
        ring = (k >= low) & (k < high)
        inside = np.fft.ifft2(waves * ring).real
        ones = np.fft.ifft2(ring.astype(float)).real
        found[:, column] = (inside**3).sum(axis=(1, 2)) / (ones**3).sum() / (n * m)
    return found


def minkowski_functionals(fields: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the area, boundary and Euler characteristic per pixel above each threshold, (N, thresholds, 3).

    Each pixel above the threshold is a closed square: of the cells of a lattice, v vertices, e edges and f squares, the
    boundary is the number of edges of one square only and the Euler characteristic v - e + f, so that squares that
    touch in a corner are joined. Those at the edge of the field have no neighbours beyond it.
    """
    found = np.empty((len(fields), len(thresholds), 3))
    for column, threshold in enumerate(thresholds):
        above = np.pad(fields > threshold, ((0, 0), (1, 1), (1, 1)))
        squares = above.sum(axis=(1, 2))
        pairs = [above[:, 1:] & above[:, :-1], above[:, :, 1:] & above[:, :, :-1]]
        shared = sum(pair.sum(axis=(1, 2)) for pair in pairs)
        corners = above[:, 1:, 1:] | above[:, 1:, :-1] | above[:, :-1, 1:] | above[:, :-1, :-1]
        edges = 4 * squares - shared
        boundary = 4 * squares - 2 * shared
        euler = corners.sum(axis=(1, 2)) - edges + squares
        found[:, column] = np.stack([squares, boundary, euler], axis=1) / np.prod(fields.shape[1:])
    return found
