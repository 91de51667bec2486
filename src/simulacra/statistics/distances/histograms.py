"""Weighted histograms of one observable in two samples, with bins chosen from the truth only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

BINS: Final = 50
FEWEST_IN_BIN: Final = 10
MOST_LATTICE_POINTS: Final = 400


@dataclass(frozen=True)
class Binning:
    """Edges of bins, (bins + 1,); values beyond the ends are in the outermost bins."""

    edges: np.ndarray
    logarithmic: bool = False

    def index(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value, (N,)."""
        return np.searchsorted(self.edges[1:-1], values, side="right")

    def __len__(self) -> int:
        return len(self.edges) - 1


@dataclass(frozen=True)
class Histogram:
    """Share of the events in each bin and its statistical error, each (bins,), and the parts beyond the edges."""

    share: np.ndarray
    error: np.ndarray
    below: float = 0.0
    above: float = 0.0


@dataclass(frozen=True)
class HistogramPair:
    """One observable in truth and in generated events."""

    observable: str
    units: str
    long_name: str
    binning: Binning
    truth: Histogram
    generated: Histogram


def binning_of(truth: np.ndarray, *, bins: int = BINS) -> Binning:
    """Return bins for the truth's values.

    Values on a lattice (counts, shares of cells) get bins of whole lattice steps; positive values over a range of more
    than a factor of thirty get bins of equal ratio; all others get equal bins between the 0.1 % and 99.9 % quantiles.
    """
    low, high = np.quantile(truth, [0.001, 0.999])
    if not high > low:
        half = 0.5 * max(abs(float(low)), 1.0)
        return Binning(np.linspace(low - half, low + half, 4))
    step = _lattice_step(truth)
    if step is not None:
        first, last = round(float(low) / step), round(float(high) / step)
        width = max(1, -(-(last - first + 1) // bins))
        return Binning((np.arange(first, last + width + 1, width) - 0.5) * step)
    bulk = np.quantile(truth, [0.02, 0.98])
    if bulk[0] > 0 and bulk[1] / bulk[0] > 30:
        low = max(float(low), float(bulk[0]) / 10)
        return Binning(np.geomspace(low, high, bins + 1), logarithmic=True)
    return Binning(np.linspace(low, high, bins + 1))


def joined(binning: Binning, truth: np.ndarray) -> Binning:
    """Return bins with at least ``FEWEST_IN_BIN`` truth events each; neighbours are joined if there are fewer.

    In sparser bins, truth against truth cannot be estimated by drawing from the truth again.
    """
    counts = np.bincount(binning.index(truth), minlength=len(binning))
    edges, held = [binning.edges[0]], 0
    for count, upper in zip(counts, binning.edges[1:], strict=True):
        held += int(count)
        if held >= FEWEST_IN_BIN:
            edges.append(upper)
            held = 0
    if held > 0 and len(edges) > 1:
        edges[-1] = binning.edges[-1]
    return Binning(np.array(edges), binning.logarithmic) if len(edges) > 2 else binning


def histogram(values: np.ndarray, weights: np.ndarray, binning: Binning) -> Histogram:
    """Return the shares of the weight in each bin, with the error of a weighted share."""
    index, total = binning.index(values), weights.sum()
    share = np.bincount(index, weights, len(binning)) / total
    square = np.bincount(index, weights**2, len(binning)) / total**2
    # The variance of a ratio of sums: the bin's own fluctuation, less what it shares with the total.
    variance = square * (1 - 2 * share) + share**2 * np.sum(weights**2) / total**2
    below, above = (
        float(weights[side].sum() / total) for side in (values < binning.edges[0], values > binning.edges[-1])
    )
    return Histogram(share, np.sqrt(np.maximum(variance, 0.0)), below, above)


def _lattice_step(values: np.ndarray) -> float | None:
    """Return the step of the lattice of the values, or None."""
    points = np.unique(values)
    if len(points) > min(MOST_LATTICE_POINTS, len(values) // 4) or len(points) < 2:
        return None
    step = float(np.diff(points).min())
    steps = points / step
    on_lattice = np.abs(steps - np.round(steps)).max() < 1e-3
    return step if on_lattice and (points[-1] - points[0]) / step <= MOST_LATTICE_POINTS else None
