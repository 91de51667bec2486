"""The two samples that a judge compares, checked and unpacked into plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from simulacra.event_weights import weights_of
from simulacra.events import REQUIRED_ATTRIBUTES, Role, mask_of, names, slots, validate
from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.slots import in_slots, widths_of
from simulacra.observables import observe
from simulacra.observables.particle_numbers import KINDS, NEUTRINOS, is_kind
from simulacra.statistics.features import Features, standardised
from simulacra.variations import PREFIX

Kind = Literal["showers", "clouds", "arrays", "table"]

FEWEST_EVENTS: Final = 200
CONDITION_P_VALUE: Final = 1e-3
CONDITION_DISTANCE: Final = 0.05
#: effective number of events below which nothing can be said
FEWEST_EFFECTIVE: Final = 20.0
#: beyond which squares and fourth powers of a value overflow
LARGEST_VALUE: Final = 1e60
SMALLEST_VALUE: Final = 1e-60
#: sums and squares of weights of this size are safe
LARGEST_WEIGHT: Final = 1e100


class JudgeError(ValueError):
    """Samples that cannot be judged; the message says what is at fault and what is needed."""


@dataclass(frozen=True)
class Cloud:
    """The particles of events.

    Attributes
    ----------
    features:
        of each particle, (N, P, F) float32, 0 where there is none.
    present:
        whether there is a particle, (N, P).
    names:
        of the features, (F,).
    """

    features: np.ndarray
    present: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """Events as arrays.

    Attributes
    ----------
    label:
        what the sample is called in figures.
    kind:
        what an event is: a shower, a cloud of particles, arrays (an image, a field, a light curve, a list) or a row of
        a table.
    cells:
        one event a row, (N, n_cells): the energy of each cell [MeV] of showers, the values of arrays, one array behind
        the other, with their times, uncertainties and masks; None for clouds and tables.
    cloud:
        the particles of clouds; None for other events.
    conditions, observables:
        (N,) each, by name.
    weights:
        the product of all weight variables but the variations' (``variation_...``), (N,); some may be negative.
    units, long_names:
        of conditions and observables.
    provenance:
        the events' attributes, without the geometry and without numbers that are not known (NaN).
    shapes:
        the shape of each array whose values stand in ``cells``, by name.
    index:
        the events' indices, (N,); empty if they are not known.
    mask:
        the mask of the first array, whose values stand in ``cells`` too; "" if it has none.
    """

    label: str
    kind: Kind
    cells: np.ndarray | None
    cloud: Cloud | None
    conditions: Mapping[str, np.ndarray]
    observables: Mapping[str, np.ndarray]
    weights: np.ndarray
    units: Mapping[str, str]
    long_names: Mapping[str, str]
    provenance: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    index: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    mask: str = ""

    @property
    def signed(self) -> bool:
        """Whether an event has a negative weight."""
        return bool(self.weights.min() < 0)

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, rows: np.ndarray) -> Sample:
        """Return some of the events."""
        cloud = self.cloud
        return replace(
            self,
            cells=None if self.cells is None else self.cells[rows],
            cloud=None if cloud is None else replace(cloud, features=cloud.features[rows], present=cloud.present[rows]),
            conditions={name: values[rows] for name, values in self.conditions.items()},
            observables={name: values[rows] for name, values in self.observables.items()},
            weights=self.weights[rows],
            index=self.index[rows] if len(self.index) else self.index,
        )

    def joined(self, further: Sample) -> Sample:
        """Return these events and further ones behind them."""
        cells, cloud = self.cells, self.cloud
        if cells is not None and further.cells is not None:
            cells = np.concatenate([cells, further.cells])
        if cloud is not None and further.cloud is not None:
            width = max(cloud.present.shape[1], further.cloud.present.shape[1])
            one, two = widened(cloud, width), widened(further.cloud, width)
            cloud = replace(
                cloud,
                features=np.concatenate([one.features, two.features]),
                present=np.concatenate([one.present, two.present]),
            )
        return replace(
            self,
            cells=cells,
            cloud=cloud,
            conditions={name: np.concatenate([v, further.conditions[name]]) for name, v in self.conditions.items()},
            observables={name: np.concatenate([v, further.observables[name]]) for name, v in self.observables.items()},
            weights=np.concatenate([self.weights, further.weights]),
            # Indices of two samples may be the same.
            index=np.empty(0, dtype=np.int64),
        )


def features_of(truth: Sample, generated: Sample) -> Features:
    """Return the observables and the conditions that vary, which both samples have, on the truth's scale."""
    conditions = [name for name, values in truth.conditions.items() if np.ptp(values) and name in generated.conditions]
    names = [*truth.observables, *conditions]

    def table(sample: Sample) -> np.ndarray:
        return np.column_stack(
            [sample.observables[n] if n in sample.observables else sample.conditions[n] for n in names]
        )

    return standardised(
        table(truth),
        table(generated),
        truth_weights=truth.weights,
        generated_weights=generated.weights,
        names=names,
    )


def sample_of(
    events: xr.Dataset,
    label: str,
    *,
    most_events: int,
    rng: np.random.Generator,
    widths: Mapping[str, int] | None = None,
) -> Sample:
    """Return validated events as arrays, at most ``most_events`` of them, chosen at random.

    Parameters
    ----------
    widths:
        slots that lists and series of unequal length get, by the dimension (:func:`~simulacra.judges.slots.widths_of`);
        as many as these events need if None.

    Raises
    ------
    simulacra.events.EventsError
        if a value is NaN, infinite or a negative energy, or the conventions are broken.
    JudgeError
        if there are too few events, also by their weights, a value is too large, or there is nothing to judge.
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
    kind = kind_of(events)
    if kind == "arrays":
        events = in_slots(events, widths_of([events]) if widths is None else widths)
    weights = _checked_weights(weights_of(events), events["event"].values, label)
    observed = observe(events)
    conditions = {name: events[name] for name in names(events, "condition") if events[name].ndim == 1}
    described = {**conditions, **{str(name): array for name, array in observed.data_vars.items()}}
    cells, shapes = _cells(events, kind)
    return Sample(
        label=label,
        kind=kind,
        cells=cells,
        cloud=_cloud(events) if kind == "clouds" else None,
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
        shapes=shapes,
        index=events["event"].values,
        mask=mask_of(events, events[next(iter(shapes))]) or "" if kind == "arrays" else "",
    )


def _checked_weights(weights: np.ndarray, index: np.ndarray, label: str) -> np.ndarray:
    """Return weights on a scale whose squares are safe; refuse those from which nothing can be estimated."""
    largest = float(np.abs(weights).max())
    if largest == 0:
        raise JudgeError(f"{label}: all weights are 0: no event counts; give other weights or none")
    if not 1 / LARGEST_WEIGHT < largest < LARGEST_WEIGHT:
        weights = weights / largest
    # A sum that is positive by rounding alone is none.
    if weights.sum() <= 1e-12 * np.abs(weights).sum():
        raise JudgeError(
            f"{label}: the weights add up to {weights.sum():.4g}, which is not positive: negative ones outweigh the "
            "others; take more events, or check their sign"
        )
    effective = float(weights.sum() ** 2 / np.sum(weights**2))
    if effective < FEWEST_EFFECTIVE:
        row = int(np.argmax(np.abs(weights)))
        share = abs(weights[row]) / np.abs(weights).sum()
        raise JudgeError(
            f"{label}: by their weights {len(weights)} events are worth {effective:.2g}, too few to judge (at least "
            f"{FEWEST_EFFECTIVE:g} are needed); the largest weight, of event {int(index[row])}, is {share:.2%} of all"
        )
    return weights


def _refuse_too_large(events: xr.Dataset, label: str) -> None:
    """Refuse values whose powers no number holds, with the event: too large, or all of them too small."""
    for name, array in events.data_vars.items():
        if array.attrs["role"] not in ("weight", "mask") and array.dtype.kind == "f":
            values = np.abs(array.values).reshape(len(array), -1).max(axis=1, initial=0.0)
            if len(values) and float(values.max()) > LARGEST_VALUE:
                row = int(np.argmax(values))
                raise JudgeError(
                    f"{label}: '{name}' is {values[row]:.3g} in event {int(events['event'].values[row])}: moments of "
                    f"values beyond {LARGEST_VALUE:g} cannot be computed; mend or remove this event"
                )
            if len(values) and 0 < float(values.max()) < SMALLEST_VALUE:
                raise JudgeError(
                    f"{label}: no value of '{name}' is larger than {values.max():.3g}: moments of values below "
                    f"{SMALLEST_VALUE:g} are lost; give it in another unit, or leave it out"
                )


def some_rows(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rows of n events, or ``most`` of them at random, in order."""
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def kind_of(events: xr.Dataset) -> Kind:
    """Return what the events are, by what they hold."""
    if "shower" in events.data_vars:
        return "showers"
    if "present" in events.data_vars and "particle" in events["present"].dims:
        return "clouds"
    if any(events[name].ndim > 1 for name in names(events, "feature")):
        return "arrays"
    return "table"


def _cells(events: xr.Dataset, kind: Kind) -> tuple[np.ndarray | None, dict[str, tuple[int, ...]]]:
    """Return the values of fixed shape, (N, n_cells), and the shapes that they have; masked values are 0.

    Of the times of a series stand the first and the steps from one to the next, which entries left out do not shift.
    """
    if kind not in ("showers", "arrays"):
        return None, {}
    roles: tuple[Role, ...] = ("feature", "coordinate", "uncertainty")
    arrays = [n for role in roles for n in names(events, role) if events[n].ndim > 1]
    masks = [n for n in names(events, "mask") if events[n].ndim > 1]
    if kind == "showers":
        arrays, masks = ["shower"], []
    columns, shapes = [], {}
    for name in (*arrays, *masks):
        values = events[name].values
        if events[name].attrs["role"] == "coordinate":
            values = np.diff(values, axis=1, prepend=0)
        for mask in masks:
            if name not in masks and events[mask].dims == events[name].dims[: events[mask].ndim]:
                there = events[mask].values
                values = np.where(there.reshape(there.shape + (1,) * (values.ndim - there.ndim)), values, 0)
        shapes[name] = values.shape[1:]
        columns.append(values.reshape(len(values), -1).astype(np.float32))
    return np.concatenate(columns, axis=1), shapes


def _cloud(events: xr.Dataset) -> Cloud:
    """Return what is known of each particle: numbers as they are, energies as logarithms, identities one by one."""
    present = events["present"].values.astype(bool)
    columns: dict[str, np.ndarray] = {}
    for name in (*names(events, "feature"), *names(events, "coordinate"), *names(events, "uncertainty")):
        array = events[name]
        if array.dims[:2] != events["present"].dims:
            continue
        values = array.values
        if name == "momentum":
            length = np.maximum(np.sqrt((values.astype(np.float64) ** 2).sum(axis=2)), 1e-12)
            columns |= {f"direction_{axis}": values[..., i] / length for i, axis in enumerate("xyz")}
        elif name == "identity":
            columns |= {kind: is_kind(values, codes) for kind, codes in KINDS.items()}
            columns["neutrino"] = is_kind(values, NEUTRINOS)
        elif name == "energy":
            columns["log_energy"] = np.log10(np.maximum(values, 1e-6))
        else:
            flat = values.reshape(*values.shape[:2], -1)
            several = flat.shape[2] > 1
            columns |= {f"{name}_{i}" if several else name: flat[..., i] for i in range(flat.shape[2])}
    if not columns:
        raise JudgeError("these clouds have a mask 'present' and no feature a particle: there is nothing to judge")
    features = np.stack([np.where(present, column, 0).astype(np.float32) for column in columns.values()], axis=2)
    return Cloud(features, present, tuple(columns))


def widened(cloud: Cloud, width: int) -> Cloud:
    """Return a cloud with room for ``width`` particles."""
    more = ((0, 0), (0, width - cloud.present.shape[1]))
    return replace(cloud, features=np.pad(cloud.features, (*more, (0, 0))), present=np.pad(cloud.present, more))


def check_comparable(truth: xr.Dataset, generated: xr.Dataset) -> list[str]:
    """Refuse events of different detectors or with different conditions; return what else deserves a warning.

    Raises
    ------
    JudgeError
        with the difference.
    """
    warnings = []
    kinds = kind_of(truth), kind_of(generated)
    if kinds[0] != kinds[1]:
        raise JudgeError(f"the truth's events are {kinds[0]} and the generated ones {kinds[1]}")
    if kinds[0] in ("arrays", "table"):
        _compare_shapes(truth, generated)
    if kinds[0] == "showers":
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


def _compare_shapes(truth: xr.Dataset, generated: xr.Dataset) -> None:
    """Refuse events whose variables are not of the same names and shapes; how long lists are padded is no shape."""
    first, second = _shapes(truth), _shapes(generated)
    for role, name in {**first, **second}:
        shapes = [found.get((role, name)) for found in (first, second)]
        if shapes[0] != shapes[1]:
            here, there = (
                "missing" if shape is None else f"of the shape {shape}" if shape else "a number" for shape in shapes
            )
            raise JudgeError(f"the {role} '{name}' is {here} in the truth and {there} in the generated events")


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


def _is_unknown(value: Any) -> bool:
    """Return whether an attribute is NaN, as the seconds an event of a file that does not state them."""
    return isinstance(value, float | np.floating) and not np.isfinite(value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
