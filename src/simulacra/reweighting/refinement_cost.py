"""The cost of refined events: time and effective sample size in one number, milliseconds per effective event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulacra.reweighting.prior_weights import effective_events
from simulacra.reweighting.refined import RefinedGenerator

REPEATS: Final = 5
REPLICATES: Final = 200
#: largest number of candidates for measuring accepted events
MOST_CANDIDATES: Final = 20_000


@dataclass(frozen=True)
class Measured:
    """A number and its standard deviation."""

    value: float
    uncertainty: float


@dataclass(frozen=True)
class Cost:
    """The cost of a refined event on this machine.

    Attributes
    ----------
    generation, weighting:
        time per event, and per weight [ms].
    effective_share:
        (sum w)^2 / (N sum w^2), the effective size of N weighted events over N, with a bootstrap error.
    effective:
        time of generation and weight over the effective share [ms].
    accepted:
        time per event accepted by its weight [ms]; None if that would need too many candidates.
    largest_weight, clipped_share:
        the weight at which larger ones are clipped, and the share of their sum that this removed.
    events, threads:
        number of events in a batch, and of threads of torch.
    """

    generation: Measured
    weighting: Measured
    effective_share: Measured
    effective: Measured
    accepted: Measured | None
    largest_weight: float
    clipped_share: float
    events: int
    threads: int

    @property
    def sentence(self) -> str:
        """The cost in words."""
        accepted = (
            f"accepted by its weight (largest {self.largest_weight:.3g}), {_with_error(self.accepted)} ms"
            if self.accepted is not None
            else f"accepted by its weight, about {self.largest_weight:.3g} candidates"
        )
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return (
            f"An event takes {_with_error(self.generation)} ms and its weight {_with_error(self.weighting)} ms "
            f"(batches of {self.events}, {threads}); an effective event, at "
            f"{100 * self.effective_share.value:.1f} ± {100 * self.effective_share.uncertainty:.1f} % effective sample "
            f"size, {_with_error(self.effective)} ms; {accepted}; clipping weights there removes "
            f"{100 * self.clipped_share:.2g} % of their sum."
        )


def effective_share(weights: np.ndarray, rng: np.random.Generator) -> Measured:
    """Return the effective size of weights (N,) over N, with its Poisson bootstrap error."""
    drawn = rng.poisson(1.0, (REPLICATES, len(weights)))
    shares = (drawn @ weights) ** 2 / np.maximum(drawn @ weights**2, 1e-300) / drawn.sum(axis=1)
    return Measured(effective_events(weights) / len(weights), float(shares.std(ddof=1)))


def measure_cost(
    refined: RefinedGenerator,
    n: int,
    conditions: Mapping[str, np.ndarray],
    weights: np.ndarray,
    clipped_share: float,
    *,
    seed: int,
) -> Cost:
    """Measure times of ``n`` events at conditions (n,) on this machine, and combine them with the effective size.

    ``weights`` (N,) are those of the refiner; ``clipped_share`` is the share of their sum that clipping removed.
    """
    import torch

    asked: dict[str, Any] = dict(conditions)
    events = refined.generator.sample(n, seed=seed, exact=True, **asked)
    generation = _timed(lambda: refined.generator.sample(n, seed=seed, exact=True, **asked), n)
    weighting = _timed(lambda: refined.refiner.weights(events), n)
    share = effective_share(weights, np.random.default_rng(seed))
    both = generation.value + weighting.value
    relative = np.hypot(np.hypot(generation.uncertainty, weighting.uncertainty) / both, share.uncertainty / share.value)
    effective = Measured(both / share.value, float(both / share.value * relative))
    accepted = None
    few = int(MOST_CANDIDATES / max(refined.refiner.maximum, 1.0) / REPEATS)
    if few >= 64:
        m = min(n, few)
        some: dict[str, Any] = {name: values[:m] for name, values in conditions.items()}
        accepted = _timed(lambda: refined.sample(m, seed=seed, unweighted=True, **some), m)
    return Cost(
        generation,
        weighting,
        share,
        effective,
        accepted,
        refined.refiner.maximum,
        clipped_share,
        n,
        torch.get_num_threads(),
    )


def _timed(make: Callable[[], object], n: int) -> Measured:
    """Return the mean time per event [ms] and its error, over repetitions."""
    make()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        make()
        times.append(1000 * (time.perf_counter() - start) / n)
    return Measured(float(np.mean(times)), float(np.std(times, ddof=1) / REPEATS**0.5))


def _with_error(measured: Measured) -> str:
    from simulacra.wording import with_error

    return with_error(measured.value, measured.uncertainty)
