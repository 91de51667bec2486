"""The conventions of events, which are the only data exchanged between rooms (subpackages).

Events are an :class:`xarray.Dataset` with the dimension ``event`` and the integer coordinate ``event`` (the permanent
index of an event, on which the split depends). Every data variable has ``event`` as its first dimension and the
attributes

``units``
    as a physicist writes them ("GeV", "MeV", "mm", "rad", "day", "mag"; "1" for a pure number),
``long_name``
    one line,
``role``
    ``condition`` (input), ``feature`` (result), ``weight``, ``mask`` (which entries are present), ``uncertainty`` (the
    standard deviation of another variable's measurement) or ``coordinate`` (the positions of the entries of each event,
    such as the times of a light curve).

Images, particle clouds, fields, light curves and star tables differ only in their further dimensions. Provenance is in
the attributes of the dataset: ``simulator``, ``simulator_version``, ``seed``, ``settings`` (JSON),
``seconds_per_event``.

Gaps and errors follow the CF conventions (incomplete arrays of time series, ancillary variables), with roles instead of
their attributes and a mask instead of fill values:

* A mask (event, ...), boolean or 1 and 0, says which entries are present in every variable whose first dimensions are
  the mask's. Absent entries are ignored, whatever they hold; write 0, for NaN is never allowed. A mask over one
  dimension without positions makes it a list of slots, filled from the first one on (:func:`padded`); its length has no
  meaning.
* An uncertainty has the attribute ``of``, the name of its variable, whose units and (first) dimensions it has; it is
  positive if the value is present.
* A coordinate (event, D) gives the position of each entry along D. Positions that all events share are a coordinate of
  the dataset instead, (D,). xarray reserves the name of a dimension for those, so the name of D must differ: for
  example ``observation`` if the coordinate is ``time``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from simulacra.lazy_arrays import in_memory
from simulacra.settings import whole_number

Role = Literal["condition", "feature", "weight", "mask", "uncertainty", "coordinate"]
Part = Literal["train", "validation", "test"]

ROLES: Final = ("condition", "feature", "weight", "mask", "uncertainty", "coordinate")
REQUIRED_ATTRIBUTES: Final = ("simulator", "simulator_version", "seed", "settings", "seconds_per_event")
#: numpy's kinds of real numbers, including booleans
NUMBERS: Final = "biuf"
#: a label of events that are not independent: a whole number of 0 or more, of the role "mask"
GROUP: Final = "group"
#: the key under which xarray stores the source of a dataset
SOURCE: Final = "source"
#: values of a variable on disk that are checked at once [bytes]
READ_AT_ONCE: Final = 2**27
ENERGY_UNITS: Final = ("eV", "keV", "MeV", "GeV", "TeV")
SPLIT: Final[tuple[tuple[Part, float], ...]] = (("train", 0.7), ("validation", 0.1), ("test", 0.2))


class EventsError(ValueError):
    """Events that break the conventions; the message names the variable, the event and the remedy."""


def variable(values: Any, *dimensions: str, units: str, long_name: str, role: Role, **attributes: Any) -> xr.Variable:
    """Return a variable with the attributes required by the conventions.

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
    coordinates["event"] = xr.Variable("event", np.arange(first_event, first_event + n, dtype=np.int64))
    try:
        events = xr.Dataset(of_events, coords=coordinates)
    except ValueError as error:
        raise EventsError(f"these variables do not fit together: {error}") from error
    events.attrs = {
        "conventions": "simulacra-events-1",
        "simulator": simulator,
        "simulator_version": simulator_version,
        "seed": -1 if seed is None else _stored_seed(seed),
        "settings": json.dumps(settings, sort_keys=True),
        "seconds_per_event": float(seconds_per_event),
        **attributes,
    }
    validate(events)
    return events


def padded(arrays: Sequence[np.ndarray], length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return arrays of unequal length as one, padded with zeros, and the mask of present entries.

    >>> times, observed = padded([np.array([0.1, 0.4, 0.7]), np.array([0.2])])
    >>> times.tolist(), observed.tolist()
    ([[0.1, 0.4, 0.7], [0.2, 0.0, 0.0]], [[True, True, True], [True, False, False]])
    >>> fluxes, _ = padded([np.array([3.0, 2.0, 2.5]), np.array([4.0])])
    >>> errors, _ = padded([np.array([0.1, 0.1, 0.2]), np.array([0.1])])
    >>> along = "observation"
    >>> variables = {
    ...     "flux": variable(fluxes, along, units="Jy", long_name="flux", role="feature"),
    ...     "flux_error": variable(errors, along, units="Jy", long_name="its error", role="uncertainty", of="flux"),
    ...     "time": variable(times, along, units="day", long_name="time", role="coordinate"),
    ...     "observed": variable(observed, along, units="1", long_name="whether it was observed", role="mask"),
    ... }

    Parameters
    ----------
    arrays:
        one per event, (their length, ...), equal in all dimensions except the first.
    length:
        number of slots, which must be the same for all chunks of a store; by default the length of the longest array.

    Returns
    -------
    tuple
        the values, (N, length, ...), and whether they are present, (N, length).

    Raises
    ------
    EventsError
        if there are none, or one has another shape, is longer than ``length`` or does not hold numbers (the message
        names it), or ``length`` is not a whole number.
    """
    given = [np.asarray(array) for array in arrays]
    if not given:
        raise EventsError("there are no arrays to pad")
    for place, array in enumerate(given):
        if not array.ndim or array.shape[1:] != given[0].shape[1:]:
            raise EventsError(
                f"array {place} has the shape {array.shape} and array 0 {given[0].shape}: they may differ only in "
                "the first dimension"
            )
        if array.dtype.kind not in NUMBERS:
            raise EventsError(f"array {place} holds {array.dtype}, not {_wanted(array)}")
    if length is not None:
        try:
            length = whole_number(length, "the length")
        except ValueError as error:
            raise EventsError(str(error)) from None
    lengths = np.array([len(array) for array in given])
    if length is not None and lengths.max() > length:
        raise EventsError(f"array {int(lengths.argmax())} is of the length {lengths.max()}: more than {length}")
    there = np.arange(lengths.max() if length is None else length) < lengths[:, None]
    # an empty array has no meaningful type
    types = [array.dtype for array in given if len(array)] or [given[0].dtype]
    values = np.zeros((*there.shape, *given[0].shape[1:]), dtype=np.result_type(*types))
    values[there] = np.concatenate(given)
    return values, there


def with_values(
    events: xr.Dataset,
    values: Mapping[str, np.ndarray],
    *,
    seed: int,
    settings: Mapping[str, Any],
    seconds_per_event: float,
) -> xr.Dataset:
    """Return events with the variables and indices of other, valid events, but new values, seed and settings.

    ``values`` are those of every variable, by name; they are validated. No index is built and nothing else is computed
    again, so this takes a fifth of the time of :func:`make_events`, which matters when events are made one by one.
    """
    # A copy of the coordinates, whose attributes someone may write to.
    variables = {name: array if name in values else array.copy(deep=False) for name, array in events.variables.items()}
    for name, array in values.items():
        like = variables[name]
        if array.shape != like.shape:
            raise EventsError(f"variable '{name}' has the shape {array.shape}, not {like.shape}")
        variables[name] = xr.Variable(like.dims, array, like.attrs, fastpath=True)
    attributes = events.attrs | {
        "seed": _stored_seed(seed),
        "settings": json.dumps(settings, sort_keys=True),
        "seconds_per_event": float(seconds_per_event),
    }
    other = _put_together(events, variables, attributes)
    for name in values:
        _validate_values(name, variables[name], variables["event"].values)
    _validate_measurements(other)
    return other


def _stored_seed(seed: int) -> int:
    """Return a seed that files can hold, an integer of 64 bits."""
    if not -(2**63) <= seed < 2**63:
        raise EventsError("the seed does not fit into 64 bits: give one below 2^63")
    return int(seed)


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
    """Return the names of the variables with this role, in order."""
    return [str(name) for name, array in events.data_vars.items() if array.attrs.get("role") == role]


def mask_of(events: xr.Dataset, array: xr.DataArray | xr.Variable) -> str | None:
    """Return the name of a variable's mask, or None. Its dimensions are the variable's first two or more.

    If there are several, it is the one with most dimensions.
    """
    masks = _of_role(events, "mask")
    fitting = [name for name, mask in masks.items() if mask.ndim > 1 and _leads(mask, array)]
    return max(fitting, key=lambda name: masks[name].ndim, default=None)


def uncertainty_of(events: xr.Dataset, name: str) -> str | None:
    """Return the name of the uncertainty of a variable, None if it has none."""
    return next((key for key, array in _of_role(events, "uncertainty").items() if array.attrs.get("of") == name), None)


def coordinate_of(events: xr.Dataset, array: xr.DataArray | xr.Variable) -> str | None:
    """Return the name of the coordinate with the positions of a variable's entries in each event, or None."""
    return next((key for key, place in _of_role(events, "coordinate").items() if _leads(place, array)), None)


def slots(events: xr.Dataset) -> dict[str, list[str]]:
    """Return the dimensions that are only slots, whose numbers have no meaning, with their masks.

    These have a mask (event, D), no positions that all events share, and come directly after ``event`` in each of their
    variables.
    """
    found: dict[str, list[str]] = {}
    for name, mask in _of_role(events, "mask").items():
        if mask.ndim == 2 and all(_is_second(str(mask.dims[1]), array) for array in events.variables.values()):
            found.setdefault(str(mask.dims[1]), []).append(name)
    return found


def _is_second(dimension: str, array: xr.Variable) -> bool:
    return dimension not in array.dims or (array.dims[0] == "event" and array.dims.index(dimension) == 1)


def _of_role(events: xr.Dataset, role: Role) -> dict[str, xr.Variable]:
    """Return the variables with this role, without a separate array around each."""
    return {
        str(name): array
        for name, array in events.variables.items()
        if array.attrs.get("role") == role and name not in events.coords
    }


def _leads(first: xr.Variable, array: xr.DataArray | xr.Variable) -> bool:
    return bool(first.dims == array.dims[: first.ndim])


#: characters of no variable's name, which would lead out of its folder
NO_NAME: Final = frozenset("/\\\0")


def validate(events: xr.Dataset, *, conditions: Iterable[str] = (), features: Iterable[str] = ()) -> None:
    """Check events against the conventions and raise :class:`EventsError` at the first error.

    The message begins with the store or file of the events (:func:`with_source`), if known.

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
    """Return events that know their stores or files, also after a selection or a change.

    It is stored in ``encoding``, as in xarray; unlike an attribute, it is not a property of the events.
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
        raise EventsError(f"the coordinate 'event' contains an event twice (such as {twice})")
    for key in events.variables:
        # In a store a variable is a folder, and in an HDF5 file a path.
        if not isinstance(key, str) or not key.strip() or key.startswith(".") or not NO_NAME.isdisjoint(key):
            raise EventsError(f"a variable cannot be called {key!r:.80}: names have no '/' and do not begin with '.'")
    for role, wanted in (("condition", conditions), ("feature", features)):
        for name in wanted:
            if name not in events.data_vars:
                raise EventsError(f"missing {role} '{name}'; the events hold {sorted(map(str, events.data_vars))}")
    for key, values in events.variables.items():
        if key not in events.coords:
            _validate_variable(str(key), values, index)
        elif values.dtype.kind == "f" and not (finite := np.isfinite(values.values)).all():
            raise EventsError(f"the coordinate '{key}' is {values.values[~finite].flat[0]} in {(~finite).sum()} places")
        elif "event" in values.dims and values.ndim > 1:
            raise EventsError(
                f"'{key}' {values.dims} is a coordinate of the dataset, but these are for all events: make it a "
                "variable with the role 'coordinate' and another name than its dimensions"
            )
    _validate_measurements(events)
    missing = [a for a in REQUIRED_ATTRIBUTES if a not in events.attrs]
    if missing:
        raise EventsError(f"the provenance lacks {missing}; make events with simulacra.events.make_events")


def _validate_variable(name: str, array: xr.Variable, index: np.ndarray) -> None:
    if not array.dims or array.dims[0] != "event":
        raise EventsError(f"variable '{name}' has the shape {dict(array.sizes)}: its first dimension must be 'event'")
    for attribute in ("units", "long_name", "role"):
        if not isinstance(array.attrs.get(attribute), str):
            raise EventsError(f"variable '{name}' has no '{attribute}'; make it with simulacra.events.variable")
    if array.attrs["role"] not in ROLES:
        raise EventsError(f"variable '{name}' has the role '{array.attrs['role']}', not one of {ROLES}")
    if in_memory(array) or array.nbytes <= READ_AT_ONCE:
        return _validate_values(name, array, index)
    # A sample may be larger than the memory.
    step = max(1, READ_AT_ONCE * len(array) // array.nbytes)
    for start in range(0, len(array), step):
        _validate_values(name, array[start : start + step], index[start : start + step])
    return None


def _validate_values(name: str, array: xr.Variable, index: np.ndarray) -> None:
    values = array.values
    if values.dtype.kind not in NUMBERS:
        raise EventsError(f"variable '{name}' holds {values.dtype}, not {_wanted(values)}")
    if "flag_values" in array.attrs and "flag_masks" not in array.attrs:
        meanings = str(array.attrs.get("flag_meanings", "")).split()
        refuse_other_choices(name, values, np.ravel(array.attrs["flag_values"]), meanings, index)
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


def refuse_other_choices(
    name: str, values: np.ndarray, choices: np.ndarray, meanings: Sequence[str], index: np.ndarray
) -> None:
    """Refuse values (N, ...) that are none of the ``choices``, whose names are ``meanings`` (EventsError)."""
    wrong = ~np.isin(values, choices)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        named = len(meanings) == len(choices)
        known = ", ".join(f"{one} ({meanings[i]})" if named else str(one) for i, one in enumerate(choices))
        raise EventsError(
            f"'{name}' is {values[tuple(place)]:g} in event {index[place[0]]}, one of "
            f"{np.count_nonzero(wrong.reshape(len(wrong), -1).any(axis=1)):,} such events: it must be {known}; leave "
            "those events out, or correct them"
        )


def _validate_masks(events: xr.Dataset) -> None:
    """Refuse masks of other values than true and false, or 1 and 0."""
    for name, mask in _of_role(events, "mask").items():
        # One value per event is a label, and leaves nothing out.
        if mask.ndim > 1 and mask.dtype != bool and (wrong := ~np.isin(mask.values, (0, 1))).any():
            place = np.argwhere(wrong)[0]
            event = events.variables["event"].values[place[0]]
            raise EventsError(
                f"the mask '{name}' is {mask.values[tuple(place)]} in event {event}{_at(mask, place)}: it must be 1 "
                "where an entry is present, and 0 elsewhere"
            )


def _validate_measurements(events: xr.Dataset) -> None:
    """Refuse wrong masks, an uncertainty without a variable or not positive, and entries without one position."""
    _validate_masks(events)
    of: dict[Any, str] = {}
    for name, array in _of_role(events, "uncertainty").items():
        target = array.attrs.get("of")
        measured = events.variables.get(target) if isinstance(target, str) else None
        if measured is None or measured.attrs.get("role") not in ("condition", "feature", "coordinate"):
            raise EventsError(
                f"the uncertainty '{name}' is of {target!r}: its attribute 'of' must name a condition, a feature or a "
                "coordinate of these events"
            )
        if target in of:
            raise EventsError(f"'{of[target]}' and '{name}' are both the uncertainty of '{target}': keep one")
        of[target] = name
        if not _leads(array, measured):
            raise EventsError(
                f"the uncertainty '{name}' has the dimensions {array.dims}, but needs those of '{target}', "
                f"{measured.dims}, or the first of them"
            )
        if array.attrs["units"] != measured.attrs["units"]:
            raise EventsError(
                f"the uncertainty '{name}' is in '{array.attrs['units']}' and '{target}' in "
                f"'{measured.attrs['units']}': give both in the same units"
            )
        mask = mask_of(events, measured)
        there = None if mask is None else events.variables[mask].values.astype(bool)
        _validate_positive(name, array, str(target), there, events.variables["event"].values)
    placed: dict[tuple[Any, ...], str] = {}
    for name, array in _of_role(events, "coordinate").items():
        if array.ndim < 2:
            raise EventsError(
                f"the coordinate '{name}' is one number per event, but must give the positions of entries along a "
                "dimension, (event, dimension); a single number is a condition or a feature"
            )
        if array.dims in placed:
            raise EventsError(
                f"'{placed[array.dims]}' and '{name}' are both coordinates of {array.dims}: keep one, and make the "
                "other a feature"
            )
        placed[array.dims] = name


def _validate_positive(name: str, array: xr.Variable, of: str, there: np.ndarray | None, index: np.ndarray) -> None:
    values = array.values
    wrong = np.asarray(~(values > 0))
    if not wrong.any():
        return
    if there is not None:
        there = np.asarray(there.any(axis=tuple(range(array.ndim, there.ndim))))
        wrong &= there.reshape(there.shape + (1,) * (array.ndim - there.ndim))
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise EventsError(
            f"the uncertainty '{name}' is {values[tuple(place)]} in event {index[place[0]]}{_at(array, place)}: it "
            f"must be positive where '{of}' is present"
        )


def _wanted(values: np.ndarray) -> str:
    """Return what should be in the place of values that are no real numbers."""
    return "real numbers: give real and imaginary parts as two variables" if values.dtype.kind == "c" else "numbers"


def _at(array: xr.Variable, place: np.ndarray) -> str:
    inner = [f"{d} {i}" for d, i in zip(array.dims[1:], place[1:], strict=True)]
    return f" at {', '.join(inner)}" if inner else ""


def part_of(index: np.ndarray) -> np.ndarray:
    """Return "train", "validation" or "test" for each event index, (N,), by a hash (splitmix64) of the index alone.

    An event is always in the same part, in every program: 70 % train, 10 % validation, 20 % test.
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
    """Return the events of one part of the split.

    Events with the same number in the label :data:`GROUP` are in the same part: those of one field, one simulation or
    one region of the sky are not independent.
    """
    of = GROUP if GROUP in events.data_vars and events[GROUP].dims == ("event",) else "event"
    return events.isel(event=np.flatnonzero(part_of(events[of].values) == part))
