"""A generator refined by weights: events with weights, or events accepted by their weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr

from simulacra.events import variable
from simulacra.reweighting import refiner as of_refiner
from simulacra.reweighting.refiner import Refiner
from simulacra.settings import whole_number

#: largest number of candidates of an event, in units of the largest weight
PATIENCE: Final = 200.0
ACCEPTANCE: Final = 3


class DrawsCandidates(of_refiner.Refinable, Protocol):
    """The interface of a generator whose events are accepted or rejected."""

    def columns_of(self, n: int, seed: int, first: int, conditions: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return each condition, (n,)."""

    def candidates(self, index: np.ndarray, attempt: int, seed: int, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return a candidate for each index."""

    def to_events(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], conditions: Mapping[str, Any], **attributes: Any
    ) -> xr.Dataset:
        """Return output as events."""

    def asked_ranges(
        self, conditions: Mapping[str, Any], columns: Mapping[str, np.ndarray]
    ) -> dict[str, tuple[float, float]]:
        """Return the lowest and the highest value that was asked for of each of these conditions."""

    def warn_outside(self, asked: Mapping[str, tuple[float, float]]) -> None:
        """Warn of conditions that the generator was not trained on."""


class RefinedGenerator:
    """A generator and its refiner.

    Attributes
    ----------
    generator, refiner:
        both.
    """

    def __init__(self, generator: DrawsCandidates, refiner: Refiner) -> None:
        refiner.require(generator)
        self.generator, self.refiner = generator, refiner

    def __repr__(self) -> str:
        return f"RefinedGenerator({self.generator!r}, {self.refiner!r})"

    def sample(
        self, n: int, *, seed: int | None = None, first_event: int = 0, unweighted: bool = False, **conditions: Any
    ) -> xr.Dataset:
        """Return ``n`` refined events; each depends only on seed, index and conditions, bit for bit.

        With weights, they are the generator's events with an additional variable ``weight`` (role weight), of mean
        about 1. Without weights, candidates for an event are drawn at its conditions and accepted with the probability
        weight over largest weight; the first accepted one is the event. So the conditions are exactly those given, and
        an event needs on average as many candidates as the largest weight, ``refiner.maximum``.

        Parameters
        ----------
        n, seed, first_event, conditions:
            as in ``TrainedGenerator.sample``.
        unweighted:
            accept and reject events instead of adding weights.

        Returns
        -------
        xarray.Dataset
            events with the attributes ``refiner`` (hash), ``largest_weight``, ``clipped_share`` (the share of the sum
            of weights that clipping removed) and, if unweighted, ``candidates_per_event``.

        Raises
        ------
        ValueError
            as in ``TrainedGenerator.sample``.
        RuntimeError
            if all candidates of an event are rejected: the weights vanish at its conditions.

        Warns
        -----
        simulacra.trained.ExtrapolationWarning, simulacra.reweighting.OutsideBoxWarning
            if a condition, or an end of a distribution, is out of the trained range of generator or refiner.
        """
        seed = int(np.random.SeedSequence().entropy) % 2**31 if seed is None else seed  # type: ignore[arg-type]
        start = time.perf_counter()
        if not unweighted:
            events = self.generator.sample(n, seed=seed, first_event=first_event, exact=True, **conditions)
            drawn = {name: events[name].values for name in self.refiner.condition_ranges}
            self.refiner.warn_outside(self.generator.asked_ranges(conditions, drawn))
            refined = self.refiner.weights(events)
            events["weight"] = variable(refined.weights, units="1", long_name="weight of the refinement", role="weight")
            return events.assign_attrs(
                **self._attributes(refined.clipped_share), seconds_per_event=(time.perf_counter() - start) / n
            )
        n, seed = whole_number(n, "the number of events", 1), whole_number(seed, "the seed")
        first_event = whole_number(first_event, "the first event's index")
        columns = self.generator.columns_of(n, seed, first_event, conditions)
        asked = self.generator.asked_ranges(conditions, columns)
        for one in (self.generator, self.refiner):
            one.warn_outside(asked)
        output, candidates, clipped_share = self._accepted(np.arange(first_event, first_event + n), seed, columns)
        return self.generator.to_events(
            output,
            columns,
            conditions,
            settings={"unweighted": True},
            seed=seed,
            first_event=first_event,
            seconds_per_event=(time.perf_counter() - start) / n,
            **self._attributes(clipped_share),
            candidates_per_event=candidates / n,
        )

    def _accepted(
        self, index: np.ndarray, seed: int, columns: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, int, float]:
        """Return the first accepted candidate of each event, the number of candidates, and the clipped share."""
        pending = np.arange(len(index))
        output: np.ndarray | None = None
        candidates, kept, removed = 0, 0.0, 0.0
        most = int(PATIENCE * max(self.refiner.maximum, 1.0))
        for attempt in range(most):
            chosen = {name: column[pending] for name, column in columns.items()}
            drawn = self.generator.candidates(index[pending], attempt, seed, chosen)
            events = self.generator.to_events(drawn, chosen, {}, settings={}, seed=seed, seconds_per_event=0.0)
            refined = self.refiner.weights(events.assign_coords(event=index[pending]))
            chance = np.array([_uniform(seed, attempt, int(event)) for event in index[pending]])
            accepted = chance * self.refiner.maximum < refined.weights
            if output is None:
                output = np.empty((len(index), *drawn.shape[1:]), dtype=drawn.dtype)
            output[pending[accepted]] = drawn[accepted]
            total = float(refined.weights.sum())
            kept += total
            removed += total * refined.clipped_share / max(1.0 - refined.clipped_share, 1e-12)
            candidates += len(pending)
            pending = pending[~accepted]
            if not len(pending):
                return output, candidates, removed / (kept + removed) if kept else 0.0
        where = {name: float(column[pending[0]]) for name, column in columns.items()}
        raise RuntimeError(
            f"none of {most} candidates of event {index[pending[0]]} was accepted, at {where}: the weights vanish "
            "there; use weighted events, or refine a generator that is closer to the truth"
        )

    def _attributes(self, clipped_share: float) -> dict[str, Any]:
        return {
            "refiner": self.refiner.sha256,
            "largest_weight": self.refiner.maximum,
            "clipped_share": clipped_share,
        }


def _uniform(seed: int, attempt: int, event: int) -> float:
    return float(np.random.default_rng(np.random.SeedSequence([seed, ACCEPTANCE, attempt, event])).random())
