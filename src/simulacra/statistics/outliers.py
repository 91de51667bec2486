"""Events far outside: they are named, and prevented from hiding all others or overflowing the arithmetic.

One value that is off by a hundred thousand standard deviations makes a mean, a standard deviation and a float32 kernel
useless for all other events. When judges standardise, such values are therefore moved in to ``REACH`` times the tenth
largest deviation of both samples together. They remain the most extreme ones, and the verdict names them. Distances of
one observable use them unchanged. Even a distribution with tails like a Cauchy's has such an event in less than one
sample of thirty; a heavy tail of many events is not an outlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

#: of a value's deviation from the median, in units of the tenth largest deviation
REACH: Final = 30.0
PLACE: Final = 10
#: larger values could overflow sums of float32 squares
LARGEST: Final = 1e15
#: larger values could overflow sums over events in float32
LARGEST_SINGLE: Final = 1e30
MOST_NAMED: Final = 3


def reach_of(*columns: np.ndarray) -> tuple[float, float] | None:
    """Return the median and the largest deviation from it that is not far outside, of samples together, (N,) each.

    None if no value deviates.
    """
    values = np.concatenate(columns).astype(np.float64, copy=False)
    middle = float(np.median(values))
    # Of halves, for the difference of two numbers near the largest ones would overflow.
    deviation = np.abs(values / 2 - middle / 2)
    deviating = deviation[deviation > 0]
    if not len(deviating):
        return None
    several = len(deviating) > PLACE
    scale = float(np.partition(deviating, -PLACE)[-PLACE] if several else np.median(deviating))
    return middle, min(2 * REACH * scale, float(np.finfo(np.float64).max) / 4)


def single_precision(values: np.ndarray) -> np.ndarray:
    """Return values as float32 for comparisons, limited to ``LARGEST_SINGLE``."""
    return np.asarray(np.clip(values, -LARGEST_SINGLE, LARGEST_SINGLE), dtype=np.float32)


def reined(first: np.ndarray, second: np.ndarray, *, huge: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return two samples' features, (N, F) and (M, F), without values far outside.

    Without such values, the arrays are returned unchanged. With ``huge``, columns whose squares would overflow float32
    are given in another unit.
    """
    tables = [first, second]
    copied = False
    for column in range(first.shape[1]):
        one, two = (table[:, column] for table in tables)
        low, high = min(one.min(), two.min()), max(one.max(), two.max())
        # Without the sorting, for most columns: no value can be far outside one that half of all deviate by.
        if low == high:
            continue
        reach = reach_of(one, two)
        if reach is None:
            continue
        middle, largest = reach
        far = max(abs(float(low) - middle), abs(float(high) - middle)) > largest
        nearest = min(max(abs(float(low)), abs(float(high))), abs(middle) + largest)
        rescaled = huge and nearest > LARGEST
        if not (far or rescaled):
            continue
        if not copied:
            tables, copied = [table.astype(np.float64) for table in tables], True
        for table in tables:
            held = np.clip(table[:, column], middle - largest, middle + largest)
            table[:, column] = (held / largest - middle / largest) * LARGEST if rescaled else held
    return tables[0], tables[1]


def far_outside(
    columns: Mapping[str, tuple[np.ndarray, np.ndarray]],
    indices: tuple[np.ndarray, np.ndarray],
    labels: Sequence[str],
    long_names: Mapping[str, str],
) -> list[str]:
    """Return a warning for each sample with events far outside, which names them.

    Parameters
    ----------
    columns:
        each observable's or condition's values in truth and generated events, (N,) and (M,), by name.
    indices:
        the events' indices, (N,) and (M,).
    labels:
        names of the samples.
    """
    found: tuple[list[tuple[float, int, str, float]], ...] = ([], [])
    for name, pair in columns.items():
        reach = reach_of(*pair)
        if reach is None:
            continue
        middle, largest = reach
        # The width of the truth's bulk is no news of its extreme events.
        sigma = float(np.diff(np.quantile(pair[0], [0.159, 0.841]))[0]) / 2 or largest / REACH
        for sample, values in zip(found, pair, strict=True):
            deviation = np.abs(values / 2 - middle / 2)
            for row in np.flatnonzero(deviation > largest / 2):
                sample.append((float(deviation[row] / sigma) * 2, int(row), name, float(values[row])))
    warnings = []
    for sample, index, label in zip(found, indices, labels, strict=True):
        if not sample:
            continue
        # Each event once, with its most extreme value.
        worst: dict[int, tuple[float, str, float]] = {}
        for far in sorted(sample, reverse=True):
            worst.setdefault(far[1], (far[0], *far[2:]))
        named = "; ".join(
            f"event {int(index[row])}: {long_names.get(name, name)} is {value:.4g}, {sigmas:.2g} standard deviations "
            "from the median"
            for row, (sigmas, name, value) in list(worst.items())[:MOST_NAMED]
        )
        more = f"; and {len(worst) - MOST_NAMED} more" if len(worst) > MOST_NAMED else ""
        many = "One event is" if len(worst) == 1 else f"{len(worst)} events are"
        warnings.append(
            f"{many} far outside all others in {label}: {named}{more}. Look at {'it' if len(worst) == 1 else 'them'}: "
            "judges of several observables together count such a value as the largest there is, and no more."
        )
    return warnings
