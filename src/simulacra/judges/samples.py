"""The two samples that a judge compares, checked and unpacked into plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import REQUIRED_ATTRIBUTES, names, validate
from simulacra.geometry import CalorimeterGeometry
from simulacra.observables import observe

FEWEST_EVENTS: Final = 200
CONDITION_P_VALUE: Final = 1e-3
CONDITION_DISTANCE: Final = 0.05


class JudgeError(ValueError):
    """Samples that cannot be judged; the message says what is at fault and what is needed."""


@dataclass(frozen=True)
class Sample:
    """Events as arrays.

    Attributes
    ----------
    label:
        what the sample is called in figures.
    cells:
        energy of each cell, (N, n_cells), [MeV]; None if the events are no showers.
    conditions, observables:
        (N,) each, by name.
    weights:
        the product of all weight variables, (N,).
    units, long_names:
        of conditions and observables.
    provenance:
        the events' attributes, without the geometry.
    """

    label: str
    cells: np.ndarray | None
    conditions: Mapping[str, np.ndarray]
    observables: Mapping[str, np.ndarray]
    weights: np.ndarray
    units: Mapping[str, str]
    long_names: Mapping[str, str]
    provenance: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, rows: np.ndarray) -> Sample:
        """Return some of the events."""
        return replace(
            self,
            cells=None if self.cells is None else self.cells[rows],
            conditions={name: values[rows] for name, values in self.conditions.items()},
            observables={name: values[rows] for name, values in self.observables.items()},
            weights=self.weights[rows],
        )


def sample_of(events: xr.Dataset, label: str, *, most_events: int, rng: np.random.Generator) -> Sample:
    """Return validated events as arrays, at most ``most_events`` of them, chosen at random.

    Raises
    ------
    simulacra.events.EventsError
        if a value is NaN, infinite or a negative energy, or the conventions are broken.
    JudgeError
        if there are too few events, or a weight is negative.
    """
    n = events.sizes.get("event", 0)
    if n < FEWEST_EVENTS:
        raise JudgeError(f"{label}: {n} events are too few to judge; at least {FEWEST_EVENTS} are needed")
    if n > most_events:
        events = events.isel(event=np.sort(rng.choice(n, most_events, replace=False)))
    needed = [*names(events, "condition"), *names(events, "weight"), *names(events, "feature")]
    events = events[[name for name in needed if name != "active"]].load()
    validate(events)
    weights = np.ones(events.sizes["event"])
    for name in names(events, "weight"):
        weights = weights * events[name].values
    if weights.min() < 0 or weights.sum() <= 0:
        raise JudgeError(f"{label}: weights must not be negative and not all 0; the smallest is {weights.min():g}")
    observed = observe(events)
    conditions = {name: events[name] for name in names(events, "condition")}
    described = {**conditions, **{str(name): array for name, array in observed.data_vars.items()}}
    return Sample(
        label=label,
        cells=np.asarray(events["shower"].values, dtype=np.float32) if "shower" in events else None,
        conditions={name: array.values.astype(np.float64) for name, array in conditions.items()},
        observables={str(name): array.values for name, array in observed.data_vars.items()},
        weights=weights,
        units={name: str(array.attrs["units"]) for name, array in described.items()},
        long_names={name: str(array.attrs["long_name"]) for name, array in described.items()},
        provenance={
            name: _plain(value)
            for name, value in events.attrs.items()
            if name in (*REQUIRED_ATTRIBUTES, "particle", "trained_range")
        },
    )


def check_comparable(truth: xr.Dataset, generated: xr.Dataset) -> list[str]:
    """Refuse events of different detectors or with different conditions; return what else deserves a warning.

    Raises
    ------
    JudgeError
        with the difference.
    """
    warnings = []
    if "geometry" in truth.attrs or "geometry" in generated.attrs:
        first, second = CalorimeterGeometry.from_events(truth), CalorimeterGeometry.from_events(generated)
        difference = _difference(first, second)
        if difference:
            raise JudgeError(f"truth and generated events are of different detectors: {difference}")
        if (first.absorber, first.active, first.dead_material) != (
            second.absorber,
            second.active,
            second.dead_material,
        ):
            warnings.append("The two samples' detectors have the same cells but different materials.")
    for here, there, which in ((truth, generated, "the truth"), (generated, truth, "the generated events")):
        for name in set(names(here, "condition")) - set(names(there, "condition")):
            if np.ptp(here[name].values) > 0:
                raise JudgeError(f"the condition '{name}' varies in {which} and is not there in the other sample")
    particles = truth.attrs.get("particle"), generated.attrs.get("particle")
    if None not in particles and particles[0] != particles[1]:
        warnings.append(f"The truth is of the particle {particles[0]}, the generated events are of {particles[1]}.")
    return warnings


def compare_conditions(truth: Sample, generated: Sample) -> list[str]:
    """Return a warning for each condition whose distributions differ clearly (Kolmogorov-Smirnov)."""
    from scipy.stats import ks_2samp

    warnings = []
    for name, values in truth.conditions.items():
        other = generated.conditions.get(name, values)
        test = ks_2samp(values, other)
        if test.pvalue < CONDITION_P_VALUE and test.statistic > CONDITION_DISTANCE:
            unit = f" {truth.units[name]}" if truth.units[name] != "1" else ""
            warnings.append(
                f"The distributions of {name} differ (Kolmogorov-Smirnov distance {test.statistic:.2f}): "
                f"{values.min():.3g} to {values.max():.3g}{unit} with mean {values.mean():.3g} in the truth, "
                f"{other.min():.3g} to {other.max():.3g}{unit} with mean {other.mean():.3g} in the generated events. "
                "Every number below then mixes this difference with the generator's faults: generate events with the "
                "truth's conditions and judge again."
            )
    return warnings


def _difference(first: CalorimeterGeometry, second: CalorimeterGeometry) -> str:
    if first.n_cells != second.n_cells:
        return f"{first.n_cells} cells ({first.name}) against {second.n_cells} ({second.name})"
    for attribute in ("kind", "lateral_size"):
        if getattr(first, attribute) != getattr(second, attribute):
            return f"{attribute} {getattr(first, attribute)} against {getattr(second, attribute)}"
    for number, (a, b) in enumerate(zip(first.sections, second.sections, strict=False)):
        if a.model_dump(exclude={"name"}) != b.model_dump(exclude={"name"}):
            return f"section {number} is {a!r} against {b!r}"
    return ""


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
