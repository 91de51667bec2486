"""What the file of a kind of events says, so that the judges need not know which kinds there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import Role, names, slots
from simulacra.judges.case import Judge
from simulacra.judges.closeness import BY_OBSERVABLES, Closeness
from simulacra.judges.criteria import Use
from simulacra.judges.finding import Finding
from simulacra.judges.samples import JudgeError, Sample
from simulacra.statistics.classifiers.classification import Method

#: of two samples, and the energy up to which a cell counts as empty [MeV]: (N, F) and (M, F)
Tables = Callable[[Sample, Sample, float], tuple[np.ndarray, np.ndarray]]


def as_they_are(samples: Sequence[xr.Dataset]) -> tuple[list[xr.Dataset], list[str]]:
    """Return events as they are, and no warnings."""
    return list(samples), []


def outcome_of(sample: Sample) -> dict[str, np.ndarray]:
    """Return what came out, conditions aside, by name, (N, ...) each."""
    found = {} if sample.cells is None else {"cells": sample.cells}
    if sample.cloud is not None:
        found |= {"present": sample.cloud.present, "particles": sample.cloud.features}
    return found | dict(sample.observables)


def compare_shapes(truth: xr.Dataset, generated: xr.Dataset) -> list[str]:
    """Refuse events whose variables are not of the same names and shapes; how long lists are padded is no shape."""
    first, second = _shapes(truth), _shapes(generated)
    for role, name in {**first, **second}:
        shapes = [found.get((role, name)) for found in (first, second)]
        if shapes[0] != shapes[1]:
            here, there = (
                "missing" if shape is None else f"of the shape {shape}" if shape else "a number" for shape in shapes
            )
            raise JudgeError(f"the {role} '{name}' is {here} in the truth and {there} in the generated events")
    return []


def _shapes(events: xr.Dataset) -> dict[tuple[Role, str], tuple[int | str, ...]]:
    """Return the shapes of all that is judged, by role and name, with the name of a dimension of mere slots."""
    lists = slots(events)
    roles: tuple[Role, ...] = ("mask", "coordinate", "uncertainty", "feature")
    return {
        (role, name): tuple(str(d) if d in lists else n for d, n in list(events[name].sizes.items())[1:])
        for role in roles
        for name in names(events, role)
        if name != "active" and not (role == "mask" and events[name].ndim < 2)
    }


@dataclass(frozen=True)
class Kind:
    """A kind of events, as the judges deal with it.

    Attributes
    ----------
    holds:
        whether events are of this kind, by what they hold.
    generality:
        kinds of less generality are asked first.
    uses:
        what such events are used for, with the limits of each use.
    made_alike:
        returns samples, the truth first, with what the judges need and all of them hold, and warnings of what is lost.
    widths, in_slots:
        where events are of unequal length: how many slots the longest event of several samples needs, by the dimension,
        and events in so many.
    compared:
        refuses truth and generated events that cannot be compared, by :class:`JudgeError`; returns warnings.
    unpacked:
        fields of a sample that such events have beside conditions, observables and weights.
    outcome:
        what came out of the generator, by name, (N, ...) each: what may be constant.
    classifiers:
        which classifier looks at what, beside those on the observables.
    tables:
        what these look at, by name, as numbers.
    closeness:
        how events are compared with training events.
    judges:
        those that only such events have; they look last.
    judged_again:
        what some of those find on truth and on generated events that carry a classifier's weights.
    """

    holds: Callable[[xr.Dataset], bool]
    generality: int
    uses: tuple[Use, ...]
    made_alike: Callable[[Sequence[xr.Dataset]], tuple[list[xr.Dataset], list[str]]] = as_they_are
    widths: Callable[[Sequence[xr.Dataset]], Mapping[str, int]] = lambda _samples: {}
    in_slots: Callable[[xr.Dataset, Mapping[str, int]], xr.Dataset] = lambda events, _widths: events
    compared: Callable[[xr.Dataset, xr.Dataset], list[str]] = lambda _truth, _generated: []
    unpacked: Callable[[xr.Dataset], Mapping[str, Any]] = lambda _events: {}
    outcome: Callable[[Sample], dict[str, np.ndarray]] = outcome_of
    classifiers: tuple[tuple[Method, str], ...] = ()
    tables: Mapping[str, Tables] = field(default_factory=dict)
    closeness: Closeness = BY_OBSERVABLES
    judges: tuple[Judge, ...] = ()
    judged_again: Callable[[Sample, Sample, np.random.Generator], list[Finding]] = lambda _truth, _weighted, _rng: []
