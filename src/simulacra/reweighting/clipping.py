"""Clipping of weights by a stated policy, and the share of weight that it removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from simulacra.reweighting.prior_weights import WeightError, checked_weights
from simulacra.settings import CheckedSettings


class NoClipping(CheckedSettings):
    """Clip no weight."""

    kind: Literal["none"] = "none"


class MaximumClipping(CheckedSettings):
    """Reduce every weight larger than ``maximum`` in size to it, with its sign."""

    kind: Literal["maximum"] = "maximum"
    maximum: float = Field(gt=0, allow_inf_nan=False)
    keep_sum: bool = False


class QuantileClipping(CheckedSettings):
    """Reduce every weight larger in size than this quantile to it, with its sign."""

    kind: Literal["quantile"] = "quantile"
    quantile: float = Field(gt=0, lt=1)
    keep_sum: bool = False


ClippingPolicy = Annotated[NoClipping | MaximumClipping | QuantileClipping, Field(discriminator="kind")]


@dataclass(frozen=True)
class ClippedWeights:
    """Weights after clipping, and its effect.

    Attributes
    ----------
    weights:
        (n,).
    maximum:
        the size that weights were reduced to, before the sum was restored; None if there was no clipping.
    clipped:
        number of weights that were reduced.
    removed_share:
        removed weight over the sum of the weights before, both times the events' own weights.
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
        """The result in words."""
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

    The bound applies to the learned weights, (n,), not to their products with the events' own weights,
    ``source_weights`` (ones if None). These count only in the sums. Quantiles are over the events whose own weight is
    not zero.

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
        # The size of some event, not between two: then no event equal to the bound is clipped.
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
