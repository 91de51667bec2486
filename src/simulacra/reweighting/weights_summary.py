"""Effective sample size and normalisation of a set of weights, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.reweighting.prior_weights import checked_weights, effective_events

QUANTILES: Final = (0.5, 0.9, 0.99, 0.999)
FEWEST_EFFECTIVE: Final = 100
SMALLEST_SHARE: Final = 0.05
LARGEST_SHARE: Final = 0.01


@dataclass(frozen=True)
class WeightsSummary:
    """Weights of source events; "product" is the weight times the event's own weight, "size" its absolute value.

    Attributes
    ----------
    events:
        number of source events, n.
    total, own_total:
        sum over the n events of the products, and of the events' own weights.
    normalisation:
        ``total / own_total``; 1 if the weights preserve the sum, like a ratio of normalised densities.
    effective_size, own_effective_size:
        (sum w)^2 / sum w^2 of the products, and of the events' own weights.
    effective_share:
        the first over the second: the share of the sample that the reweighting itself leaves.
    largest, largest_event, largest_share:
        the largest size of a product, its row, and its share of the total.
    negative_share, zero_share:
        share of the events whose product is negative, or zero.
    quantiles:
        of the weights themselves (not the products) over the events, by their probability.
    """

    events: int
    total: float
    own_total: float
    normalisation: float
    effective_size: float
    own_effective_size: float
    effective_share: float
    largest: float
    largest_event: int
    largest_share: float
    negative_share: float
    zero_share: float
    quantiles: dict[str, float]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The summary in words."""
        tails = ", ".join(f"{100 * float(q):g} % of the weights are below {v:.3g}" for q, v in self.quantiles.items())
        total = (
            f"The weights of {self.events:,} source events add up to {self.total:,.6g}, which is "
            f"{self.normalisation:.4f} of the sum of the events' own weights, {self.own_total:,.6g}."
        )
        size = (
            f"They fluctuate as much as {self.effective_size:,.0f} unweighted events "
            f"({100 * self.effective_share:.1f} % of the effective size before)."
        )
        largest = (
            f"The largest weight is {self.largest:.4g} (row {self.largest_event}) and holds "
            f"{100 * self.largest_share:.3g} % of the sum; {tails}."
        )
        lines = [total, size, largest]
        if self.negative_share or self.zero_share:
            lines.append(
                f"{100 * self.negative_share:.3g} % of the events have a negative weight, "
                f"{100 * self.zero_share:.3g} % have none."
            )
        return tuple(lines)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about these weights, with remedies."""
        found = []
        if self.effective_size < FEWEST_EFFECTIVE or self.effective_share < SMALLEST_SHARE:
            found.append(
                f"The weighted sample has the power of only {self.effective_size:,.0f} events, "
                f"{100 * self.effective_share:.2g} % of that before: the samples overlap little; take a source closer "
                "to the target, or more events."
            )
        if self.largest_share > LARGEST_SHARE:
            found.append(
                f"One event (row {self.largest_event}) holds {100 * self.largest_share:.2g} % of the sum of weights: "
                "take more source events, or clip the weights."
            )
        if abs(self.normalisation - 1) > 0.05:
            found.append(
                f"The weights change the sum over the sample by a factor {self.normalisation:.3f}, not 1: the "
                "classifier is not calibrated, or the weights were clipped; rescale them for a cross section."
            )
        return tuple(found)


def summarise_weights(weights: np.ndarray, *, source_weights: np.ndarray | None = None) -> WeightsSummary:
    """Return normalisation, effective size, largest weight and tails of the weights of source events.

    Parameters
    ----------
    weights:
        p_target / p_source of each source event, (n,).
    source_weights:
        the events' own weights, (n,); ones if None.

    Raises
    ------
    WeightError
        if weights or products cannot be used (:func:`checked_weights`).
    """
    weights = checked_weights(weights, len(weights), "reweighted source")
    own = checked_weights(source_weights, len(weights), "source")
    product = checked_weights(weights * own, len(weights), "reweighted source, times the events' own weights,")
    largest = int(np.argmax(np.abs(product)))
    total, own_total = float(product.sum()), float(own.sum())
    size, own_size = effective_events(product), effective_events(own)
    return WeightsSummary(
        events=len(weights),
        total=total,
        own_total=own_total,
        normalisation=total / own_total,
        effective_size=size,
        own_effective_size=own_size,
        effective_share=size / own_size,
        largest=float(np.abs(product[largest])),
        largest_event=largest,
        largest_share=float(np.abs(product[largest])) / total,
        negative_share=float(np.mean(product < 0)),
        zero_share=float(np.mean(product == 0)),
        quantiles={f"{q:g}": float(v) for q, v in zip(QUANTILES, np.quantile(weights, QUANTILES), strict=True)},
    )
