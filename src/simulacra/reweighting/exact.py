r"""Learned weights against the exact weights of a simulator.

A parton shower's variation multiplies an event by a weight that depends on its whole history; a network sees only the
final state x. It should learn the conditional mean

.. math:: w(x) = E[w_\mathrm{exact} | x],

so single events scatter about it. The mean exact weight of all events with the same learned weight is that weight: the
curve of means is the diagonal, and the regression of the exact on the learned weight has slope 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.reweighting.prior_weights import WeightError, checked_weights, effective_events

BINS: Final = 20
FEWEST_IN_BIN: Final = 20


@dataclass(frozen=True)
class ExactCheck:
    """The calibration curve of learned weights.

    Attributes
    ----------
    learned, exact, error:
        mean learned and mean exact weight in bins of the learned weight, and the error of their difference, (bins,).
    events:
        effective events of each bin, (bins,).
    chi_square, degrees_of_freedom, p_value:
        of the points against the diagonal.
    slope, slope_error, intercept:
        of the regression of the exact on the learned weights, event by event.
    explained_share:
        share of the variance of the exact weights that the learned ones explain; the rest is due to the history, and
        noise.
    """

    learned: np.ndarray
    exact: np.ndarray
    error: np.ndarray
    events: np.ndarray
    chi_square: float
    degrees_of_freedom: int
    p_value: float
    slope: float
    slope_error: float
    intercept: float
    explained_share: float

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f"The mean exact weight follows the learned one with slope {self.slope:.3f} ± {self.slope_error:.3f}; χ² "
            f"to the diagonal {self.chi_square:.1f} / {self.degrees_of_freedom} (p = {self.p_value:.2g}). The learned "
            f"weights explain {100 * self.explained_share:.3g} % of the variance of the exact ones; the rest "
            "does not depend on the final state."
        )


def check_exact(
    learned: np.ndarray, exact: np.ndarray, *, source_weights: np.ndarray | None = None, bins: int = BINS
) -> ExactCheck:
    """Compare learned weights with the exact ones of the same events.

    Parameters
    ----------
    learned, exact:
        weight of each source event, (N,) each, with the same normalisation: exact weights divided by their mean if the
        learned ones are a ratio of normalised densities.
    source_weights:
        the events' own weights, (N,).
    bins:
        number of bins of the learned weight, with equally many events each; bins with fewer than 20 effective events
        are joined.

    Raises
    ------
    ValueError
        if weights cannot be used, or there are fewer than two bins because weights are too few or too similar.
    """
    from scipy.stats import chi2

    n = len(learned)
    learned = checked_weights(learned, n, "learned weights")
    exact = checked_weights(exact, n, "exact weights")
    own = checked_weights(source_weights, n, "source")
    index = np.searchsorted(np.unique(np.quantile(learned, np.linspace(0, 1, bins + 1)[1:-1])), learned, side="right")
    index = _joined(index, own)
    size = int(index.max()) + 1
    if size < 2:
        raise WeightError(
            f"the {n} learned weights fall into one bin of {FEWEST_IN_BIN} effective events or more: give more events; "
            "weights that are all equal cannot be tested"
        )
    total = np.bincount(index, own, size)
    x, y = np.bincount(index, own * learned, size) / total, np.bincount(index, own * exact, size) / total
    # The difference fluctuates less than the exact weight: both follow the same learned weights within the bin.
    difference = exact - learned
    spread = own * (difference - (y - x)[index])
    error = np.sqrt(np.bincount(index, spread**2, size)) / np.abs(total)
    pull = np.divide(y - x, error, out=np.zeros(size), where=error > 0)
    if (np.abs(y - x)[error == 0] > 1e-9).any():
        raise WeightError("learned and exact weights differ by the same amount in all events of a bin: check the units")
    value = float(np.sum(pull**2))
    mean_x, mean_y = np.average(learned, weights=own), np.average(exact, weights=own)
    variance = np.average((learned - mean_x) ** 2, weights=own)
    slope = float(np.average((learned - mean_x) * (exact - mean_y), weights=own) / variance)
    residual = exact - mean_y - slope * (learned - mean_x)
    # Heteroscedastic: large weights scatter more, so each event counts with its own residual.
    slope_error = float(np.sqrt(np.sum((own * (learned - mean_x) * residual) ** 2)) / (own.sum() * variance))
    spread_of_exact = np.average((exact - mean_y) ** 2, weights=own)
    explained = 1 - np.average(residual**2, weights=own) / spread_of_exact if spread_of_exact > 0 else 1.0
    return ExactCheck(
        learned=x,
        exact=y,
        error=error,
        events=np.array([effective_events(own[index == b]) for b in range(size)]),
        chi_square=value,
        degrees_of_freedom=size,
        p_value=float(chi2.sf(value, size)),
        slope=slope,
        slope_error=slope_error,
        intercept=float(mean_y - slope * mean_x),
        explained_share=float(explained),
    )


def _joined(index: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return bins with enough effective events each, numbered from 0; neighbours with fewer are joined."""
    bins = int(index.max()) + 1
    sums, squares = np.bincount(index, own, bins), np.bincount(index, own**2, bins)
    group, number, total, square = np.zeros(bins, dtype=np.int64), 0, 0.0, 0.0
    for place in range(bins):
        group[place] = number
        total, square = total + sums[place], square + squares[place]
        if total > 0 and total**2 >= FEWEST_IN_BIN * square:
            number, total, square = number + 1, 0.0, 0.0
    return np.asarray(np.minimum(group, max(number - 1, 0))[index])
