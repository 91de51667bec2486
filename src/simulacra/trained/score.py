"""A trained score: how different events are from the background."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import SOURCE, EventsError, make_events, names, validate, variable, with_source
from simulacra.systems import scoring_system
from simulacra.trained.conditions import ExtrapolationWarning, range_of, stacked
from simulacra.trained.model_file import OutputError, TrainedModel, shape_of
from simulacra.units import in_units
from simulacra.version import __version__

#: rows per call of the network: the last bits of a matrix product depend on the number of rows
BLOCK: Final = 1024
#: number of events that are read and checked together
AT_A_TIME: Final = 8 * BLOCK


class TrainedScore(TrainedModel):
    """A score of events, such as a density or an anomaly score, with all that its file says about it.

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

    @property
    def needs(self) -> Mapping[str, str]:
        """The variables that events need, with the units that they are converted to: inputs and conditions."""
        conditions = {name: one.units for name, one in self.conditions.declared.items()}
        return {**self._system.inputs(self.description), **conditions}

    def looked_at(self, events: xr.Dataset) -> xr.Dataset:
        """Return the variables of events that the score depends on, in its units; nothing is read.

        Raises
        ------
        EventsError
            if a variable is missing, or its unit does not convert.
        """
        if not isinstance(events, xr.Dataset):
            raise EventsError(f"events to score are a dataset, not {type(events).__name__}: read a file or store first")
        source = events.encoding.get(SOURCE)
        where = "the events" if source is None else f"'{source}'"
        needs = self.needs
        if missing := [name for name in needs if name not in events.data_vars]:
            raise EventsError(
                f"'{self.name}' scores events by {', '.join(needs)}: {missing} are not in {where}, which hold "
                f"{', '.join(sorted(map(str, events.data_vars)))}"
            )
        some = in_units(events[list(needs)], needs, where)
        return some if source is None else with_source(some, source)

    def score(self, events: xr.Dataset) -> np.ndarray:
        """Return the score of each event, (N,) float32; a higher one means less like the background.

        The score of an event does not depend on the other events. Events in a store are read in pieces.

        Raises
        ------
        EventsError
            if the events break the conventions, lack what the score depends on, or have it in units that do not
            convert.
        FloatingPointError
            if a score is not finite; the message names the event.

        Warns
        -----
        ExtrapolationWarning
            if conditions reach outside the trained range.
        """
        events = self.looked_at(events)
        # The indices of all events together, because a piece does not show a duplicate in another piece.
        validate(events.drop_vars(list(events.data_vars)))
        self.warn_of_extrapolation(events)
        pieces = [np.empty(0, np.float32)]
        for start in range(0, events.sizes["event"], AT_A_TIME):
            some = events.isel(event=slice(start, start + AT_A_TIME)).load()
            validate(some)
            pieces.append(self._scores(some))
        return np.concatenate(pieces)

    def warn_of_extrapolation(self, events: xr.Dataset) -> None:
        """Warn if conditions of events, in the score's units, reach outside what was trained."""
        columns = {name: events[name].values for name in self.trained_range}
        self.conditions.warn_outside({name: range_of(column) for name, column in columns.items() if len(column)})
        beyond = getattr(self._system, "beyond", lambda *_: "")
        if told := beyond(columns, self.metadata["experiment"]["system"]):
            warnings.warn(f"{told}: '{self.name}' extrapolates there", ExtrapolationWarning, stacklevel=3)

    def _scores(self, events: xr.Dataset) -> np.ndarray:
        """Return the scores of events in memory, (N,)."""
        inputs, n = self._system.to_inputs(events, self.description), events.sizes["event"]
        latent = int(self.module.latent)  # type: ignore[arg-type]
        if getattr(inputs, "shape", None) != (n, latent):
            raise OutputError(
                f"to_inputs of the system '{self.kind}' must return the shape {(n, latent)}, not {shape_of(inputs)}"
            )
        columns = {name: events[name].values.astype(np.float32) for name in self.trained_range}
        more = ((0, -n % BLOCK), (0, 0))
        padded = [np.pad(rows, more, mode="edge") for rows in (inputs, stacked(columns, n))]
        blocks = [self._by_torch(*(rows[i : i + BLOCK] for rows in padded)) for i in range(0, n, BLOCK)]
        if wrong := [block for block in blocks if block.shape != (BLOCK,)]:
            raise OutputError(
                f"the module of the system '{self.kind}' must return one score per row, ({BLOCK},), not "
                f"{shape_of(wrong[0])}"
            )
        scores = np.concatenate(blocks)[:n]
        if not (fine := np.isfinite(scores)).all():
            event = int(events["event"].values[np.argmin(fine)])
            raise FloatingPointError(f"'{self.name}' gives event {event} a score that is not finite")
        return scores

    def scored(self, events: xr.Dataset) -> xr.Dataset:
        """Return the scores of events as a dataset in the format of events.

        It holds the variable ``score`` (event) and the events' indices, conditions and weights.

        Raises
        ------
        EventsError, FloatingPointError
            as :meth:`score`.
        """
        start = time.perf_counter()
        units, long_name = self.score_attributes
        scores = self.score(events)
        beside = {name: self.looked_at(events)[name].variable for name in self.trained_range}
        beside |= {name: events[name].variable for name in names(events, "weight")}
        found = make_events(
            {"score": variable(scores, units=units, long_name=long_name, role="feature"), **beside},
            simulator=f"simulacra {self.name}",
            simulator_version=__version__,
            seed=None,
            settings={"scored": provenance(events)},
            seconds_per_event=(time.perf_counter() - start) / max(len(scores), 1),
            trained_range=json.dumps(self.trained_range),
            weights_sha256=self.weights_sha256,
        )
        return found.assign_coords(event=events["event"].values)


def provenance(events: xr.Dataset) -> dict[str, Any]:
    """Return the origin of events: simulator, its version, seed and settings."""
    told = {key: events.attrs[key] for key in ("simulator", "simulator_version", "seed", "settings")}
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in told.items()}
