"""The events' own weights: checked once; both signs are allowed, sums that are not positive are not."""

from __future__ import annotations

import numpy as np

from simulacra.statistics.distances.two_sample import effective_size


class WeightError(ValueError):
    """Weights that cannot be used; the message says why and what to do."""


def checked_weights(weights: np.ndarray | None, n: int, sample: str) -> np.ndarray:
    """Return the weight of each event, (n,) float64; ones if None.

    Parameters
    ----------
    weights:
        (n,) or None; single weights may be negative or zero.
    n:
        number of events.
    sample:
        name of the sample in an error, such as "source".

    Raises
    ------
    WeightError
        if there are no events, the number of weights is wrong, one is NaN or infinite, or their sum is not positive.
    """
    if n == 0:
        raise WeightError(f"the {sample} holds no events: give it some")
    if weights is None:
        return np.ones(n)
    checked = np.asarray(weights, dtype=np.float64)
    if checked.shape != (n,):
        raise WeightError(f"the {sample} has {n} events and weights of shape {checked.shape}: give one per event")
    if not np.isfinite(checked).all():
        first = int(np.flatnonzero(~np.isfinite(checked))[0])
        raise WeightError(
            f"weight {first} of the {sample} is {checked[first]}: {np.count_nonzero(~np.isfinite(checked))} are not "
            "finite; remove these events or correct their weights"
        )
    if not checked.any():
        raise WeightError(f"all {n} weights of the {sample} are zero: no event counts; give other weights or none")
    total = float(checked.sum())
    # The sum must be positive beyond the rounding of its terms.
    if total <= 1e-12 * float(np.abs(checked).sum()):
        raise WeightError(
            f"the weights of the {sample} add up to {total:.4g}, which is not positive: negative weights exceed the "
            "positive ones; take more events, or check the sign of the weights"
        )
    return checked


def class_weights(
    source_weights: np.ndarray | None, n_source: int, target_weights: np.ndarray | None, n_target: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of both samples, each scaled to a sum equal to the mean of both numbers of events.

    With these, a classifier's f/(1-f) is the ratio of the two normalised densities for any sizes of the samples.
    """
    source = checked_weights(source_weights, n_source, "source")
    target = checked_weights(target_weights, n_target, "target")
    half = 0.5 * (n_source + n_target)
    return source * (half / source.sum()), target * (half / target.sum())


def effective_events(weights: np.ndarray) -> float:
    """Return (sum w)^2 / sum w^2; weights of opposite sign cancel only in the first sum."""
    return effective_size(weights) if np.any(weights) else 0.0
