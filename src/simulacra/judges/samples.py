"""The samples that judges compare: events as plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from simulacra.geometry import CalorimeterGeometry
from simulacra.statistics.features import Features, standardised

CONDITION_P_VALUE: Final = 1e-3
CONDITION_DISTANCE: Final = 0.05


class JudgeError(ValueError):
    """Samples that cannot be judged; the message gives the reason and the remedy."""


@dataclass(frozen=True)
class Cloud:
    """The particles of events.

    Attributes
    ----------
    features:
        of each particle, (N, P, F) float32, 0 if absent.
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
        name of the sample in figures.
    kind:
        kind of events: the name of a file in :mod:`simulacra.judges.kinds`.
    cells:
        one event per row, (N, n_cells): the energy of each cell [MeV] of showers, or the values of arrays, one array
        after the other, with their times, uncertainties and masks; None for clouds and tables.
    cloud:
        the particles of clouds; None for other events.
    conditions, observables:
        (N,) each, by name.
    weights:
        the product of all weight variables except variations (``variation_...``), (N,); some may be negative.
    units, long_names:
        of conditions and observables.
    provenance:
        the events' attributes, without the geometry and without unknown numbers (NaN).
    shapes:
        the shape of each array in ``cells``, by name.
    index:
        the events' indices, (N,); empty if unknown.
    mask:
        the mask of the first array, whose values are also in ``cells``; "" if it has none.
    geometry:
        the detector of showers; None for other events.
    """

    label: str
    kind: str
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
    geometry: CalorimeterGeometry | None = None

    @property
    def signed(self) -> bool:
        """Whether an event has a negative weight."""
        return bool(self.weights.min() < 0)

    @property
    def moving(self) -> list[str]:
        """Names of the conditions that vary."""
        return [name for name, values in self.conditions.items() if np.ptp(values) > 0]

    def __len__(self) -> int:
        return len(self.weights)

    def columns(self, names: Iterable[str]) -> np.ndarray:
        """Return observables and conditions as a table, (N, names)."""
        return np.column_stack([self.observables[n] if n in self.observables else self.conditions[n] for n in names])

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
        """Return these events followed by further ones, with the conditions that both have."""
        both = [name for name in self.conditions if name in further.conditions]
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
            conditions={name: np.concatenate([self.conditions[name], further.conditions[name]]) for name in both},
            observables={name: np.concatenate([v, further.observables[name]]) for name, v in self.observables.items()},
            weights=np.concatenate([self.weights, further.weights]),
            # Indices of two samples may be the same.
            index=np.empty(0, dtype=np.int64),
        )


def features_of(truth: Sample, generated: Sample) -> Features:
    """Return the observables and varying conditions of both samples on the truth's scale."""
    names = [*truth.observables, *(name for name in truth.moving if name in generated.conditions)]
    return standardised(
        truth.columns(names),
        generated.columns(names),
        truth_weights=truth.weights,
        generated_weights=generated.weights,
        names=names,
    )


def some_rows(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rows of n events, or ``most`` of them at random, in order."""
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def widened(cloud: Cloud, width: int) -> Cloud:
    """Return a cloud padded to ``width`` particles."""
    more = ((0, 0), (0, width - cloud.present.shape[1]))
    return replace(cloud, features=np.pad(cloud.features, (*more, (0, 0))), present=np.pad(cloud.present, more))


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
                "Every number below mixes this difference with errors of the generator: generate events with the "
                "truth's conditions and judge again."
            )
    return warnings
