"""Check events and unpack them into the plain arrays of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.event_weights import weights_of
from simulacra.events import REQUIRED_ATTRIBUTES, names, validate
from simulacra.judges.kinds.find import KINDS, kind_of
from simulacra.judges.samples import JudgeError, Sample, some_rows
from simulacra.observables import observe
from simulacra.store.errors import memory
from simulacra.variations import PREFIX

FEWEST_EVENTS: Final = 200
#: memory for judging over the size of one sample's events
COPIES: Final = 32
#: smallest effective number of events
FEWEST_EFFECTIVE: Final = 20.0
#: larger values overflow in squares and fourth powers
LARGEST_VALUE: Final = 1e60
SMALLEST_VALUE: Final = 1e-60
#: sums and squares of weights up to this size are safe
LARGEST_WEIGHT: Final = 1e100


def events_that_fit(events: xr.Dataset) -> int:
    """Return how many events like these fit into the memory while two samples of them are judged."""
    kept = [array for name, array in events.data_vars.items() if name != "active"]
    size = sum(array.dtype.itemsize * int(np.prod(array.shape[1:])) for array in kept)
    return int(max(FEWEST_EVENTS, memory() // (COPIES * max(1, size))))


def sample_of(
    events: xr.Dataset,
    label: str,
    *,
    most_events: int,
    rng: np.random.Generator,
    widths: Mapping[str, int] | None = None,
) -> Sample:
    """Return validated events as arrays, at most ``most_events``, chosen at random.

    Parameters
    ----------
    widths:
        slots for lists and series of unequal length, by dimension, for several samples; those of these events if None.

    Raises
    ------
    simulacra.events.EventsError
        if a value is NaN, infinite or a negative energy, or the conventions are broken.
    JudgeError
        if there are too few events, also effectively, a value is too large, or there is nothing to judge.
    """
    n = events.sizes.get("event", 0)
    if n < FEWEST_EVENTS:
        raise JudgeError(f"{label}: {n} events are too few to judge; at least {FEWEST_EVENTS} are needed")
    if n > most_events:
        events = events.isel(event=some_rows(n, most_events, rng))
    left_out = [name for name in names(events, "weight") if name.startswith(PREFIX)]
    events = events.drop_vars([name for name in (*left_out, "active") if name in events]).load()
    validate(events)
    _refuse_too_large(events, label)
    kind = KINDS[name := kind_of(events)]
    events = kind.in_slots(events, kind.widths([events]) if widths is None else widths)
    weights = _checked_weights(weights_of(events), events["event"].values, label)
    observed = observe(events)
    conditions = {name: events[name] for name in names(events, "condition") if events[name].ndim == 1}
    described = {**conditions, **{str(name): array for name, array in observed.data_vars.items()}}
    return Sample(
        label=label,
        kind=name,
        conditions={name: array.values.astype(np.float64) for name, array in conditions.items()},
        observables={str(name): array.values for name, array in observed.data_vars.items()},
        weights=weights,
        units={name: str(array.attrs["units"]) for name, array in described.items()},
        long_names={name: str(array.attrs["long_name"]) for name, array in described.items()},
        provenance={
            name: _plain(value)
            for name, value in events.attrs.items()
            if name in (*REQUIRED_ATTRIBUTES, "particle", "trained_range") and not _is_unknown(value)
        },
        index=events["event"].values,
        **{"cells": None, "cloud": None, **kind.unpacked(events)},
    )


def _checked_weights(weights: np.ndarray, index: np.ndarray, label: str) -> np.ndarray:
    """Return weights on a scale with safe squares; refuse unusable weights."""
    largest = float(np.abs(weights).max())
    if largest == 0:
        raise JudgeError(f"{label}: all weights are 0: no event counts; give other weights or none")
    if not 1 / LARGEST_WEIGHT < largest < LARGEST_WEIGHT:
        weights = weights / largest
    # A sum that is positive by rounding alone is none.
    if weights.sum() <= 1e-12 * np.abs(weights).sum():
        raise JudgeError(
            f"{label}: the weights add up to {weights.sum():.4g}, which is not positive: negative ones exceed the "
            "others; take more events, or check their sign"
        )
    effective = float(weights.sum() ** 2 / np.sum(weights**2))
    if effective < FEWEST_EFFECTIVE:
        row = int(np.argmax(np.abs(weights)))
        share = abs(weights[row]) / np.abs(weights).sum()
        raise JudgeError(
            f"{label}: {len(weights)} weighted events are worth {effective:.2g}, too few to judge (at least "
            f"{FEWEST_EFFECTIVE:g} are needed); the largest weight, of event {int(index[row])}, is {share:.2%} of all"
        )
    return weights


def _refuse_too_large(events: xr.Dataset, label: str) -> None:
    """Refuse values whose powers overflow or vanish; the message names the event."""
    for name, array in events.data_vars.items():
        if array.attrs["role"] not in ("weight", "mask") and array.dtype.kind == "f":
            values = np.abs(array.values).reshape(len(array), -1).max(axis=1, initial=0.0)
            if len(values) and float(values.max()) > LARGEST_VALUE:
                row = int(np.argmax(values))
                raise JudgeError(
                    f"{label}: '{name}' is {values[row]:.3g} in event {int(events['event'].values[row])}: moments of "
                    f"values beyond {LARGEST_VALUE:g} cannot be computed; correct or remove this event"
                )
            if len(values) and 0 < float(values.max()) < SMALLEST_VALUE:
                raise JudgeError(
                    f"{label}: no value of '{name}' is larger than {values.max():.3g}: moments of values below "
                    f"{SMALLEST_VALUE:g} are lost; give it in another unit, or leave it out"
                )


def check_comparable(truth: xr.Dataset, generated: xr.Dataset) -> list[str]:
    """Refuse events of different kinds, detectors, shapes or conditions; return other warnings.

    Raises
    ------
    JudgeError
        with the difference.
    """
    kind, other = kind_of(truth), kind_of(generated)
    if kind != other:
        raise JudgeError(f"the truth's events are {kind} and the generated ones {other}")
    warnings = KINDS[kind].compared(truth, generated)
    for here, there, which in ((truth, generated, "the truth"), (generated, truth, "the generated events")):
        for name in set(names(here, "condition")) - set(names(there, "condition")):
            if np.ptp(here[name].values) > 0:
                raise JudgeError(f"the condition '{name}' varies in {which} and is missing in the other sample")
    particles = truth.attrs.get("particle"), generated.attrs.get("particle")
    if None not in particles and particles[0] != particles[1]:
        warnings.append(f"The truth has the particle {particles[0]}, the generated events have {particles[1]}.")
    return warnings


def _is_unknown(value: Any) -> bool:
    """Return whether an attribute is NaN, such as unknown seconds per event."""
    return isinstance(value, float | np.floating) and not np.isfinite(value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
