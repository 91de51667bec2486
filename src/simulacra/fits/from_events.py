"""From stores of events to what a fit takes: events embedded by a reweighter, and pseudo-experiments of known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from simulacra.events import Part
from simulacra.fits.embedded import EmbeddedEvents, embedded
from simulacra.fits.errors import FitError
from simulacra.reweighting.reweighter import Reweighter


def embed_events(
    reweighter: Reweighter,
    events: xr.Dataset,
    *,
    part: Part | None = None,
    most: int | None = None,
    label: str = "data",
    show: bool = False,
) -> EmbeddedEvents:
    """Return events as the members of a reweighter's ensemble embed them, read block by block.

    ``show`` shows how far the reading has come.

    Raises
    ------
    SampleError, simulacra.events.EventsError
        if variables are missing or not finite.
    ValueError
        if the events' weights cannot be used.
    """
    found = reweighter.embed(events, part=part, most=most, label=f"the {label}", show=show)
    return embedded(found.summaries, found.weights, label=label)


@dataclass(frozen=True)
class KnownTruth:
    """Runs of a simulation, each at parameters of its own: pseudo-experiments for a calibration curve.

    Attributes
    ----------
    samples:
        positions of each run's events, (n,) each.
    truths:
        parameters of each run, by name.
    """

    samples: tuple[np.ndarray, ...]
    truths: tuple[dict[str, float], ...]


def runs_of(events: xr.Dataset, parameters: Sequence[str], *, fewest: int = 100) -> KnownTruth:
    """Return the runs of a store whose parameters were drawn run by run (``--events-per-draw``).

    Raises
    ------
    FitError
        if the events were not drawn in a parameter, or the runs are shorter than ``fewest`` events.
    """
    missing = [name for name in parameters if name not in events.data_vars]
    if missing:
        raise FitError(
            f"the events were not drawn in {missing}; simulate them with --vary and a large --events-per-draw"
        )
    table = np.stack([events[name].values for name in parameters], axis=1).astype(np.float64)
    starts = np.flatnonzero(np.any(np.diff(table, axis=0) != 0, axis=1)) + 1
    pieces = np.split(np.arange(len(table)), starts)
    if min(map(len, pieces)) < fewest:
        raise FitError(
            f"the shortest run at one set of parameters has {min(map(len, pieces))} events, fewer than {fewest}: "
            "simulate with a larger --events-per-draw (and --chunk-size, a multiple of it)"
        )
    truths = tuple(dict(zip(parameters, table[piece[0]].tolist(), strict=True)) for piece in pieces)
    return KnownTruth(tuple(pieces), truths)
