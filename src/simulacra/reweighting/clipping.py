"""Clipping of weights by a stated policy, and what it removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from simulacra.reweighting.prior_weights import WeightError, checked_weights
from simulacra.settings import CheckedSettings


class NoClipping(CheckedSettings):
    """Leave every weight as it is."""

    kind: Literal["none"] = "none"


class MaximumClipping(CheckedSettings):
    """Bring every weight whose size exceeds ``maximum`` down to it, its sign kept."""

    kind: Literal["maximum"] = "maximum"
    maximum: float = Field(gt=0, allow_inf_nan=False)
    keep_sum: bool = False


class QuantileClipping(CheckedSettings):
    """Bring every weight whose size exceeds that of this share of the events down to it, its sign kept."""

    kind: Literal["quantile"] = "quantile"
    quantile: float = Field(gt=0, lt=1)
    keep_sum: bool = False


ClippingPolicy = Annotated[NoClipping | MaximumClipping | QuantileClipping, Field(discriminator="kind")]


@dataclass(frozen=True)
class ClippedWeights:
    """Weights after clipping, and what it did.

    Attributes
    ----------
    weights:
        (n,).
    maximum:
        the size that weights were brought down to, before the sum was restored; None if there was no clipping.
    clipped:
        number of weights that were brought down.
    removed_share:
        what was removed, over the sum of the weights before, both times the events' own weights.
    sum_kept:
        whether all weights were then scaled up to restore that sum.
    """

    weights: np.ndarray
    maximum: float | None
    clipped: int
    removed_share: float
    sum_kept: bool

    @property
    def sentence(self) -> str:
        """What was done, in words."""
        if self.maximum is None:
            return "No weight was clipped."
        kept = (
            "all weights were scaled up to restore the sum, so the largest may exceed the bound again"
            if self.sum_kept
            else "the sum is smaller by this share"
        )
        return (
            f"{self.clipped:,} of {len(self.weights):,} weights were clipped at {self.maximum:.4g}; this removed "
            f"{100 * self.removed_share:.3g} % of the sum; {kept}."
        )


def clip_weights(
    weights: np.ndarray, policy: ClippingPolicy, *, source_weights: np.ndarray | None = None
) -> ClippedWeights:
    """Clip the weights of source events.

    The bound holds for the learned weights, (n,), not for their products with the events' own weights,
    ``source_weights`` (ones if None), which count in the sums alone. Quantiles are over the events that
    have a weight of their own.

    Raises
    ------
    WeightError
        if the weights cannot be used, before or after clipping.
    """
    weights = checked_weights(weights, len(weights), "reweighted source")
    own = checked_weights(source_weights, len(weights), "source")
    before = checked_weights(weights * own, len(weights), "reweighted source, times the events' own weights,")
    if isinstance(policy, NoClipping):
        return ClippedWeights(weights, None, 0, 0.0, sum_kept=False)
    if isinstance(policy, MaximumClipping):
        maximum = policy.maximum
    else:
        # A size that some event has, not one between two: the bound itself then clips no event that equals it.
        maximum = float(np.quantile(np.abs(weights[own != 0]), policy.quantile, method="higher"))
        if maximum == 0:
            raise WeightError(
                f"the {policy.quantile} quantile of the weights' sizes is 0, which would clip all: choose a higher one"
            )
    clipped = np.clip(weights, -maximum, maximum)
    after = checked_weights(clipped * own, len(weights), "clipped source").sum()
    n_clipped = int(np.count_nonzero(np.abs(weights) > maximum))
    removed = float(1 - after / before.sum())
    if policy.keep_sum:
        clipped = clipped * (before.sum() / after)
    return ClippedWeights(clipped, maximum, n_clipped, removed, policy.keep_sum)
