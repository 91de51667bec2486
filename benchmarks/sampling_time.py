"""The time of an event in calls of a generator's ``sample``."""

from __future__ import annotations

import math
import time

import numpy as np

from simulacra.trained import TrainedGenerator

FEWEST = 5


def microseconds(model: TrainedGenerator, batch: int, seconds: float) -> tuple[float, float]:
    """Return the median time an event of calls of ``batch`` events, and the error of this median, [µs]."""
    model.sample(batch, seed=1)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        model.sample(batch, seed=1)
        times.append(1e6 * (time.perf_counter() - start) / batch)
    low, median, high = np.quantile(times, [0.16, 0.5, 0.84])
    return float(median), float(1.25 * (high - low) / 2 / math.sqrt(len(times)))
