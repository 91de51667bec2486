"""The interface of a kind of events, so that the judges do not depend on the kinds."""

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
    """Return events unchanged, and no warnings."""
    return list(samples), []


def outcome_of(sample: Sample) -> dict[str, np.ndarray]:
    """Return the results, without conditions, by name, (N, ...) each."""
    found = {} if sample.cells is None else {"cells": sample.cells}
    if sample.cloud is not None:
        found |= {"present": sample.cloud.present, "particles": sample.cloud.features}
    return found | dict(sample.observables)


def compare_shapes(truth: xr.Dataset, generated: xr.Dataset) -> list[str]:
    """Refuse events whose variables differ in names or shapes; the padding of lists does not count."""
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
    """Return the shapes of all judged variables, by role and name, with names instead of sizes for slots."""
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
    """A kind of events for the judges.

    Attributes
    ----------
    holds:
        returns whether events are of this kind, from their variables.
    generality:
        kinds of lower generality are tested first.
    uses:
        the uses of such events, with their limits.
    made_alike:
        returns samples, the truth first, with the variables that all of them have, and warnings about the others.
    widths, in_slots:
        for events of unequal length: the number of slots of the longest event of several samples, by dimension, and
        events with this many slots.
    compared:
        refuses truth and generated events that cannot be compared, by :class:`JudgeError`; returns warnings.
    unpacked:
        further fields of a sample of such events, besides conditions, observables and weights.
    outcome:
        the generator's results, by name, (N, ...) each, for the test of constants.
    classifiers:
        classifiers and their inputs, besides those on the observables.
    tables:
        these inputs, by name, as numbers.
    closeness:
        comparisons with training events.
    judges:
        judges of such events only; they come last.
    judged_again:
        findings of some of these for truth and generated events with a classifier's weights.
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
