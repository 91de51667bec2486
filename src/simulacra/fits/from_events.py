"""Inputs of fits from stores: events embedded by a reweighter, and pseudo-experiments of known truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from simulacra.events import Part
from simulacra.fits.detector_level import SimulatedPairs
from simulacra.fits.embedded import EmbeddedEvents, embedded
from simulacra.fits.log_ratio import ParameterSpace
from simulacra.reweighting.represented import rows_of
from simulacra.reweighting.reweighter import Reweighter
from simulacra.reweighting.unseen import simulated_by, unseen_part


def embed_events(
    reweighter: Reweighter,
    events: xr.Dataset,
    *,
    part: Part | None = None,
    most: int | None = None,
    label: str = "data",
    show: bool = False,
) -> EmbeddedEvents:
    """Return events embedded by the members of a reweighter's ensemble, read block by block.

    ``show`` shows the progress of reading.

    Raises
    ------
    SampleError, simulacra.events.EventsError
        if variables are missing or not finite.
    ValueError
        if the events' weights cannot be used.
    """
    found = reweighter.embed(events, part=part, most=most, label=f"the {label}", show=show)
    return embedded(found.summaries, found.weights, label=label)


def embed_reference(
    reweighter: Reweighter, events: xr.Dataset, *, most: int | None = None, show: bool = False
) -> EmbeddedEvents:
    """Return the reference, embedded: all events if none was trained on, else their test part.

    Events used in training would make the fit look too good; :func:`~simulacra.reweighting.unseen.unseen_part` finds
    them.

    Raises
    ------
    ValueError
        if the events have drawn values of a parameter of the reweighter, or as ``embed_events``.
    """
    refuse_drawn(reweighter, events)
    part, _ = unseen_part(reweighter, events)
    return embed_events(reweighter, events, part=part, most=most, label="reference", show=show)


def embed_pairs(
    reweighter: Reweighter,
    particles: xr.Dataset,
    seen_by: Reweighter,
    seen: xr.Dataset,
    *,
    most: int | None = None,
    show: bool = False,
) -> SimulatedPairs:
    """Return the simulated events at both levels that neither ensemble was trained on, event by event.

    Parameters
    ----------
    reweighter, particles:
        the particle-level ensemble, and the particles.
    seen_by, seen:
        the ensemble whose first member's summaries are the features, and the detector level of these particles.

    Raises
    ------
    ValueError
        if the two are not the same events, have drawn values of a parameter, or as ``embed_events``.
    """
    refuse_drawn(reweighter, particles)
    parts = (unseen_part(reweighter, particles)[0], unseen_part(seen_by, seen)[0])
    part: Part | None = "test" if "test" in parts else None
    at_both = [events["event"].values[rows_of(events, part, most=most)] for events in (particles, seen)]
    # A detector's events say which particles they were made from.
    made_from = all(
        str(seen.attrs.get(f"particle_level_{key}", particles.attrs.get(key))) == str(particles.attrs.get(key))
        for key in ("simulator", "seed", "settings")
    )
    if not made_from or not np.array_equal(*at_both):
        raise ValueError(
            f"the detector's events ({len(at_both[1])}{' in the test part' if part else ''}) are not those of the "
            f"particles ({len(at_both[0])}); pair them by their event index: simulate the detector on the particles' "
            "store"
        )
    of_particles = embed_events(reweighter, particles, part=part, most=most, label="reference's particles", show=show)
    of_detector = embed_events(seen_by, seen, part=part, most=most, label="reference", show=show)
    return SimulatedPairs(of_particles, of_detector.only(0))


def refuse_drawn(reweighter: Reweighter, events: xr.Dataset) -> None:
    """Refuse a reference that was not simulated at the parameters of the reweighter's source.

    Raises
    ------
    ValueError
        if it has drawn values of a parameter of the reweighter.
    """
    source = reweighter.reference
    drawn = [n for n in source if n in events.data_vars and not np.allclose(events[n].values, source[n], rtol=1e-5)]
    if drawn:
        there = ", ".join(f"{name} = {value:g}" for name, value in source.items())
        raise ValueError(
            f"the reference was drawn in {', '.join(drawn)}: simulate it at the reweighter's source, {there}"
        )


def refuse_same(data: xr.Dataset, reference: xr.Dataset) -> None:
    """Refuse data that are the reference itself: the fit would return its parameters, whatever they are.

    Raises
    ------
    ValueError
        if both are from the same simulator with the same seed and settings, and share events.
    """
    made = [simulated_by(events.attrs) for events in (data, reference)]
    settings = [
        events.attrs.get("particle_level_settings", events.attrs.get("settings")) for events in (data, reference)
    ]
    if made[0] is None or made[0] != made[1] or made[0][1] == "-1" or settings[0] != settings[1]:
        return
    shared = np.intersect1d(data["event"].values, reference["event"].values)
    if len(shared):
        raise ValueError(
            f"{len(shared)} events are both in the data and in the reference (seed {made[0][1]}): simulate one of them "
            "with another seed"
        )


@dataclass(frozen=True)
class KnownTruth:
    """Runs of a simulation at different parameters: pseudo-experiments for a calibration curve.

    Attributes
    ----------
    samples:
        positions of each run's events, (n,) each.
    truths:
        parameters of each run, by name.
    """

    samples: tuple[np.ndarray, ...]
    truths: tuple[dict[str, float], ...]


def refuse_outside(runs: KnownTruth, space: ParameterSpace) -> None:
    """Refuse runs outside the trained box, where estimates accumulate at its edge.

    Raises
    ------
    ValueError
        with the first run and its parameter.
    """
    for number, truth in enumerate(runs.truths):
        for name, low, high in zip(space.names, space.low, space.high, strict=True):
            slack = 1e-6 * (high - low)
            if name in truth and not low - slack <= truth[name] <= high + slack:
                raise ValueError(
                    f"run {number} has {name} = {truth[name]:g}, outside the trained box, {low:g} to {high:g}: "
                    "simulate runs inside it"
                )


def runs_of(events: xr.Dataset, parameters: Iterable[str], *, fewest: int = 100) -> KnownTruth:
    """Return the runs of a store with parameters drawn for each run (``--events-per-draw``).

    Raises
    ------
    ValueError
        if no parameter is named, a parameter was not drawn, or the runs are shorter than ``fewest`` events.
    """
    names = tuple(parameters)
    if not names:
        raise ValueError("name at least one parameter that the runs were drawn in")
    if missing := [name for name in names if name not in events.data_vars]:
        raise ValueError(
            f"the events were not drawn in {missing}; simulate them with --vary and a large --events-per-draw"
        )
    table = np.stack([events[name].values for name in names], axis=1).astype(np.float64)
    starts = np.flatnonzero(np.any(np.diff(table, axis=0) != 0, axis=1)) + 1
    pieces = np.split(np.arange(len(table)), starts)
    if min(map(len, pieces)) < fewest:
        raise ValueError(
            f"the shortest run at one set of parameters has {min(map(len, pieces))} events, fewer than {fewest}: "
            "simulate with a larger --events-per-draw (and --chunk-size, a multiple of it)"
        )
    truths = tuple(dict(zip(names, table[piece[0]].tolist(), strict=True)) for piece in pieces)
    return KnownTruth(tuple(pieces), truths)
