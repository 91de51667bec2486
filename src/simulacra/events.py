"""The conventions of events: the one thing that flows between the rooms.

Events are an :class:`xarray.Dataset` with the dimension ``event`` and the integer coordinate ``event`` (the index that
an event keeps for ever: the split hangs on it). Every data variable has ``event`` as its first dimension and carries

``units``
    as a physicist writes them ("GeV", "MeV", "mm", "rad", "day", "mag"; "1" for a pure number),
``long_name``
    one line,
``role``
    ``condition`` (what was asked for), ``feature`` (what came out), ``weight`` or ``mask``.

Images, particle clouds, fields, light curves and star tables differ in their further dimensions alone. Provenance
stands in the attributes of the dataset: ``simulator``, ``simulator_version``, ``seed``, ``settings`` (JSON),
``seconds_per_event``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

Role = Literal["condition", "feature", "weight", "mask"]
Part = Literal["train", "validation", "test"]

ROLES: Final = ("condition", "feature", "weight", "mask")
REQUIRED_ATTRIBUTES: Final = ("simulator", "simulator_version", "seed", "settings", "seconds_per_event")
#: numpy's kinds of numbers, truth values among them
NUMBERS: Final = "biufc"
#: under which xarray keeps where a dataset was read from
SOURCE: Final = "source"
ENERGY_UNITS: Final = ("eV", "keV", "MeV", "GeV", "TeV")
SPLIT: Final[tuple[tuple[Part, float], ...]] = (("train", 0.7), ("validation", 0.1), ("test", 0.2))


class EventsError(ValueError):
    """Events that break the conventions; the message names the variable, the event and the remedy."""


def variable(values: Any, *dimensions: str, units: str, long_name: str, role: Role, **attributes: Any) -> xr.Variable:
    """Return a variable with the attributes that the conventions ask for.

    Parameters
    ----------
    values:
        array, (event, *dimensions).
    dimensions:
        names of the dimensions after ``event``.
    """
    attrs = {"units": units, "long_name": long_name, "role": role, **attributes}
    return xr.Variable(("event", *dimensions), values, attrs=attrs)


def make_events(
    variables: Mapping[str, xr.Variable],
    *,
    simulator: str,
    simulator_version: str,
    seed: int | None,
    settings: Mapping[str, Any],
    seconds_per_event: float,
    first_event: int = 0,
    **attributes: Any,
) -> xr.Dataset:
    """Return validated events from variables and their provenance.

    ``settings`` is stored as JSON; ``first_event`` is the index of the first event in the whole sample. Variables
    without the dimension ``event`` become coordinates.
    """
    of_events = {name: values for name, values in variables.items() if "event" in values.dims}
    n = next(iter(of_events.values())).sizes["event"]
    coordinates = {name: values for name, values in variables.items() if name not in of_events}
    events = xr.Dataset(
        of_events,
        coords=coordinates | {"event": np.arange(first_event, first_event + n, dtype=np.int64)},
        attrs={
            "conventions": "simulacra-events-1",
            "simulator": simulator,
            "simulator_version": simulator_version,
            "seed": -1 if seed is None else int(seed),
            "settings": json.dumps(settings, sort_keys=True),
            "seconds_per_event": float(seconds_per_event),
            **attributes,
        },
    )
    validate(events)
    return events


def with_values(
    events: xr.Dataset,
    values: Mapping[str, np.ndarray],
    *,
    seed: int,
    settings: Mapping[str, Any],
    seconds_per_event: float,
) -> xr.Dataset:
    """Return events with the variables and indices of others, which are valid, but other values, seed and settings.

    ``values`` are those of every variable, by name; they are validated. No index is built and nothing else is computed
    anew, so that it takes a fifth of the time of :func:`make_events`, which counts where events are made one by one.
    """
    # A copy of the coordinates, whose attributes someone may write to.
    variables = {name: array if name in values else array.copy(deep=False) for name, array in events.variables.items()}
    for name, array in values.items():
        like = variables[name]
        if array.shape != like.shape:
            raise EventsError(f"variable '{name}' has the shape {array.shape}, not {like.shape}")
        variables[name] = xr.Variable(like.dims, array, like.attrs, fastpath=True)
    attributes = events.attrs | {
        "seed": seed,
        "settings": json.dumps(settings, sort_keys=True),
        "seconds_per_event": float(seconds_per_event),
    }
    other = _put_together(events, variables, attributes)
    for name in values:
        _validate_values(name, variables[name], variables["event"].values)
    return other


def _put_together(like: xr.Dataset, variables: dict[Any, xr.Variable], attributes: dict[Any, Any]) -> xr.Dataset:
    """Return the variables with the coordinates and indices of a dataset of the same shapes."""
    try:
        # Not of xarray's public part, in which the quickest way takes three times as long; that one follows.
        return xr.Dataset._construct_direct(  # noqa: SLF001
            variables,
            set(like.coords),
            dict(like.sizes),
            attributes,
            dict(like._indexes),  # noqa: SLF001
        )
    except (AttributeError, TypeError):
        other = like.copy(data={name: variables[name].values for name in like.data_vars})
        other.attrs = attributes
        return other


def names(events: xr.Dataset, role: Role) -> list[str]:
    """Return the names of the variables that play ``role``, in order."""
    return [str(name) for name, array in events.data_vars.items() if array.attrs.get("role") == role]


def validate(events: xr.Dataset, *, conditions: Iterable[str] = (), features: Iterable[str] = ()) -> None:
    """Check events against the conventions and raise :class:`EventsError` at the first fault.

    The message begins with the store or file that the events were read from (:func:`with_source`), if they were.

    Parameters
    ----------
    events:
        the events.
    conditions, features:
        names of variables that the caller needs.
    """
    try:
        _validate(events, conditions, features)
    except EventsError as error:
        source = events.encoding.get(SOURCE)
        raise error if source is None else EventsError(f"'{source}': {error}") from None


def with_source(events: xr.Dataset, *sources: str | os.PathLike[str]) -> xr.Dataset:
    """Return events that know the stores or files that they were read from, also after a selection or a change.

    It stands in ``encoding``, where xarray keeps it too: unlike an attribute, it says nothing about the events.
    """
    known = events.copy(deep=False)
    known.encoding[SOURCE] = "', '".join(os.fspath(source) for source in sources)
    return known


def _validate(events: xr.Dataset, conditions: Iterable[str], features: Iterable[str]) -> None:
    if "event" not in events.dims:
        raise EventsError(f"events need a dimension named 'event'; these have {sorted(map(str, events.dims))}")
    if "event" not in events.coords:
        raise EventsError("events need the integer coordinate 'event'; make them with simulacra.events.make_events")
    index = events.variables["event"].values
    if not np.issubdtype(index.dtype, np.integer):
        raise EventsError(f"the coordinate 'event' must hold integers, not {index.dtype}")
    if len(np.unique(index)) != len(index):
        ordered = np.sort(index)
        twice = int(ordered[np.flatnonzero(np.diff(ordered) == 0)[0]])
        raise EventsError(f"the coordinate 'event' names an event twice (such as {twice})")
    for role, wanted in (("condition", conditions), ("feature", features)):
        for name in wanted:
            if name not in events.data_vars:
                raise EventsError(f"missing {role} '{name}'; the events hold {sorted(map(str, events.data_vars))}")
    for key, values in events.variables.items():
        if key not in events.coords:
            _validate_variable(str(key), values, index)
    missing = [a for a in REQUIRED_ATTRIBUTES if a not in events.attrs]
    if missing:
        raise EventsError(f"the provenance lacks {missing}; make events with simulacra.events.make_events")


def _validate_variable(name: str, array: xr.Variable, index: np.ndarray) -> None:
    if not array.dims or array.dims[0] != "event":
        raise EventsError(f"variable '{name}' has the shape {dict(array.sizes)}: its first dimension must be 'event'")
    for attribute in ("units", "long_name", "role"):
        if not isinstance(array.attrs.get(attribute), str):
            raise EventsError(f"variable '{name}' carries no '{attribute}'; make it with simulacra.events.variable")
    if array.attrs["role"] not in ROLES:
        raise EventsError(f"variable '{name}' has the role '{array.attrs['role']}', not one of {ROLES}")
    _validate_values(name, array, index)


def _validate_values(name: str, array: xr.Variable, index: np.ndarray) -> None:
    values = array.values
    if values.dtype.kind not in NUMBERS:
        raise EventsError(f"variable '{name}' holds {values.dtype}, not numbers")
    is_energy = array.attrs["units"] in ENERGY_UNITS and array.attrs["role"] in ("condition", "feature")
    if is_energy and values.size and np.minimum.reduce(values, None) >= 0 and np.maximum.reduce(values, None) < np.inf:
        return
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            place = np.argwhere(~finite)[0]
            raise EventsError(
                f"variable '{name}' is {values[tuple(place)]} in event {index[place[0]]}{_at(array, place)}; "
                f"{np.size(values) - int(finite.sum())} such values in all"
            )
    if is_energy:
        if array.attrs.get("signed", False):
            return
        negative = values < 0
        if negative.any():
            place = np.argwhere(negative)[0]
            raise EventsError(
                f"variable '{name}' is a negative energy, {values[tuple(place)]} {array.attrs['units']}, in event "
                f"{index[place[0]]}{_at(array, place)}"
            )


def _at(array: xr.Variable, place: np.ndarray) -> str:
    inner = [f"{d} {i}" for d, i in zip(array.dims[1:], place[1:], strict=True)]
    return f" at {', '.join(inner)}" if inner else ""


def part_of(index: np.ndarray) -> np.ndarray:
    """Return "train", "validation" or "test" for each event index, (N,), by a hash (splitmix64) of the index alone.

    The same event is in the same part in every program, for ever: 70 % train, 10 % validation, 20 % test.
    """
    with np.errstate(over="ignore"):
        z = np.asarray(index, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    uniform = (z >> np.uint64(11)).astype(np.float64) / 2.0**53
    edges = np.cumsum([share for _, share in SPLIT])[:-1]
    return np.array([part for part, _ in SPLIT])[np.searchsorted(edges, uniform, side="right")]


def take_part(events: xr.Dataset, part: Part) -> xr.Dataset:
    """Return the events of one part of the split."""
    return events.isel(event=np.flatnonzero(part_of(events["event"].values) == part))
