"""The validation of any generator in training, by the observables of its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import xarray as xr

from simulacra.event_weights import weight_names, weights_of
from simulacra.observables import observe
from simulacra.statistics.validation import Validation, ValidationJudge

SEED: Final = 17


class EventValidation:
    """Judges generated events by the 1-Wasserstein distance of each observable, in units of its width.

    ``score`` is the mean over observables and four bins of each condition that varies; lower is better. Lost modes
    raise an alarm (:class:`~simulacra.statistics.validation.ValidationJudge`). Results for the truth are kept and used
    again while the truth is the same.

    Parameters
    ----------
    conditions:
        names of the generator's conditions; there may be none.
    observed:
        returns the observables of events, (N,) each, by name; those of :func:`simulacra.observables.observe` if None.
    binned:
        names of the conditions whose bins are used for the score; those that vary if None.
    weighted:
        whether to use the events' weights, if they have any.
    """

    def __init__(
        self,
        conditions: Sequence[str] = (),
        observed: Callable[[xr.Dataset], Mapping[str, np.ndarray]] | None = None,
        *,
        binned: Sequence[str] | None = None,
        weighted: bool = True,
    ) -> None:
        self.conditions, self._observed = tuple(conditions), observed or observables_of
        self._binned, self._weighted = binned, weighted
        self._judge: ValidationJudge | None = None
        self._judged: xr.Dataset | None = None

    def check(self, events: xr.Dataset, generated: xr.Dataset) -> Validation:
        """Judge generated events.

        Parameters
        ----------
        events:
            the truth, with the conditions, weighted by its weights.
        generated:
            events made at the truth's conditions, in its order; or at other conditions, which they must then contain.

        Raises
        ------
        ValueError
            if the generated events lack an observable, or a value is not finite.
        """
        if self._judge is None or self._judged is not events:
            self._judge, self._judged = self._judge_of(events), events
        made = self._observed(generated)
        if missing := [name for name in self._judge.names if name not in made]:
            raise ValueError(f"the generated events lack observables of the truth: {', '.join(missing)}")
        table = np.stack([made[name] for name in self._judge.names], axis=1)
        at = None if self._paired(events, generated) else self._columns(generated)
        return self._judge.check(table, at, self._weights(generated))

    def _judge_of(self, events: xr.Dataset) -> ValidationJudge:
        truth, conditions = self._observed(events), self._columns(events)
        if self._binned is None:
            binned = [] if conditions is None else np.flatnonzero(np.ptp(conditions, axis=0) > 0).tolist()
        else:
            binned = [self.conditions.index(name) for name in self._binned]
        return ValidationJudge(
            np.stack(list(truth.values()), axis=1),
            conditions if binned else None,
            self._weights(events),
            seed=SEED,
            names=tuple(truth),
            binned=binned,
        )

    def _columns(self, events: xr.Dataset) -> np.ndarray | None:
        columns = [events[name].values.astype(np.float32) for name in self.conditions]
        return np.stack(columns, axis=1) if columns else None

    def _paired(self, events: xr.Dataset, generated: xr.Dataset) -> bool:
        """Return whether each generated event has the conditions of the true event at the same position."""
        if events.sizes["event"] != generated.sizes["event"]:
            return False
        there = [name for name in self.conditions if name in generated]
        # In single precision, like the conditions that generators receive.
        columns = [[one[name].values.astype(np.float32) for name in there] for one in (events, generated)]
        return all(np.array_equal(asked, made) for asked, made in zip(*columns, strict=True))

    def _weights(self, events: xr.Dataset) -> np.ndarray | None:
        return weights_of(events) if self._weighted and weight_names(events) else None


def observables_of(events: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the observables of any events, (N,) each, by name."""
    return {str(name): array.values for name, array in observe(events).data_vars.items()}
