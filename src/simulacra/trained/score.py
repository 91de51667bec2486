"""A trained score: what an event is worth as a candidate of something else than the background."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import make_events, validate, variable
from simulacra.systems import scoring_system
from simulacra.trained.conditions import range_of, stacked
from simulacra.trained.model_file import TrainedModel
from simulacra.version import __version__

#: events that are scored at a time
AT_A_TIME: Final = 4096


class TrainedScore(TrainedModel):
    """A score of events, such as a density or an anomaly score, with everything that its file says about it.

    Its ``module`` maps (inputs (N, latent), conditions (N, C)) to scores (N,). The other attributes are those of
    :class:`~simulacra.trained.model_file.TrainedModel`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._system = scoring_system(self.kind)

    @property
    def score_attributes(self) -> tuple[str, str]:
        """The score's units and long name."""
        return self._system.SCORE

    def score(self, events: xr.Dataset) -> np.ndarray:
        """Return the score of each event, (N,) float32; a higher one means less like the background.

        Raises
        ------
        EventsError
            if the events break the conventions or lack what the score looks at.
        FloatingPointError
            if a score is not finite, with the event.
        """
        validate(events, conditions=self.trained_range)
        inputs = self._system.to_inputs(events, self.description)
        columns = {name: events[name].values.astype(np.float32) for name in self.trained_range}
        self.conditions.warn_outside({name: range_of(column) for name, column in columns.items()})
        conditions = stacked(columns, len(inputs))
        pieces = [
            self._by_torch(inputs[start : start + AT_A_TIME], conditions[start : start + AT_A_TIME])
            for start in range(0, len(inputs), AT_A_TIME)
        ]
        scores = np.concatenate(pieces)
        if not (fine := np.isfinite(scores)).all():
            event = int(events["event"].values[np.argmin(fine)])
            raise FloatingPointError(f"'{self.name}' gives event {event} a score that is not finite")
        return scores

    def scored(self, events: xr.Dataset) -> xr.Dataset:
        """Return the scores of events as a dataset that is written and read as events are.

        It holds the variable ``score`` (event) with the events' indices, and their conditions beside.

        Raises
        ------
        EventsError, FloatingPointError
            as :meth:`score`.
        """
        start = time.perf_counter()
        units, long_name = self.score_attributes
        scores = self.score(events)
        kept = {name: events[name].variable for name in self.trained_range}
        found = make_events(
            {"score": variable(scores, units=units, long_name=long_name, role="feature"), **kept},
            simulator=f"simulacra {self.name}",
            simulator_version=__version__,
            seed=None,
            settings={"scored": str(events.attrs["simulator"])},
            seconds_per_event=(time.perf_counter() - start) / max(len(scores), 1),
            trained_range=json.dumps(self.trained_range),
            weights_sha256=self.weights_sha256,
        )
        return found.assign_coords(event=events["event"].values)
