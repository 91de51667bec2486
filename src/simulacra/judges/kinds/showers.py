"""Showers: events of the energies of a calorimeter's cells."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.formats.binning import Binning
from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.calorimeter.images_and_response import judge_showers
from simulacra.judges.calorimeter.neighbours import judge_neighbours, nearest_showers
from simulacra.judges.calorimeter.scans import judge_generator
from simulacra.judges.case import Case, Judge, Left, unsigned
from simulacra.judges.closeness import Closeness
from simulacra.judges.criteria import Criterion, Use
from simulacra.judges.finding import Finding
from simulacra.judges.kinds.kind import Kind
from simulacra.judges.limits import area, uses_of
from simulacra.judges.samples import JudgeError, Sample
from simulacra.statistics.classifiers.classifier import cell_features
from simulacra.statistics.distances.divisions import Replicates

RESPONSE: Final = Criterion(
    "response_linearity",
    (),
    "Energy response, worst bin",
    0.02,
    "%",
    "Calibrate the generated total energy to the truth's in bins of the incident energy, or train with more weight on "
    "the total energy.",
    reason=("Calorimeters are calibrated to 1 to 2 % in energy; a larger shift of the response would not be absorbed."),
)
RESOLUTION: Final = Criterion(
    "energy_resolution",
    (),
    "Energy resolution, worst bin",
    0.20,
    "%",
    "Do not use it where the resolution of the total energy matters: learn the total energy as a separate variable "
    "and scale the cells to it.",
    reason=(
        "A resolution that is wrong by a fifth changes the significance of a narrow peak by about a tenth "
        "(it depends on the root of the width), as much as a fifth of the luminosity."
    ),
)


def _with_geometry(events: xr.Dataset) -> xr.Dataset:
    """Return showers of a binning with unknown detector (the CaloChallenge's dataset 1), with the binning's cells.

    The judges only need the positions of the cells; the materials are called unknown.
    """
    if "shower" not in events.data_vars or "geometry" in events.attrs or "binning" not in events.attrs:
        return events
    binning = Binning.model_validate_json(str(events.attrs["binning"]))
    layers = [layer for layer in binning.layers if layer.n_voxels]
    unknown = {"material": "unknown", "thickness": 1.0}
    geometry = CalorimeterGeometry.model_validate(
        {
            "name": binning.name,
            "description": f"the voxels of the binning '{binning.name}', of an unknown detector",
            "kind": "cylindrical",
            "lateral_size": 2 * max(layer.r_edges[-1] for layer in layers),
            "absorber": unknown,
            "active": unknown,
            "sections": [
                {"name": f"layer_{one.id}", "layers": 1, "r_edges": one.r_edges, "alpha_bins": one.alpha_bins}
                for one in layers
            ],
        }
    )
    return events.assign_attrs(geometry=geometry.to_json())


def _compared(truth: xr.Dataset, generated: xr.Dataset) -> list[str]:
    """Refuse showers of detectors with different cells; warn of different materials."""
    first, second = (CalorimeterGeometry.from_events(events) for events in (truth, generated))
    if difference := _difference(first, second):
        raise JudgeError(f"truth and generated events have different detectors: {difference}")
    materials = ((one.absorber, one.active, one.dead_material) for one in (first, second))
    alike = next(materials) == next(materials)
    return [] if alike else ["The two samples' detectors have the same cells but different materials."]


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


def _unpacked(events: xr.Dataset) -> dict[str, Any]:
    values = events["shower"].values
    return {
        "cells": values.reshape(len(values), -1).astype(np.float32),
        "shapes": {"shower": values.shape[1:]},
        "geometry": CalorimeterGeometry.from_events(events),
    }


def _cells(first: Sample, second: Sample, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithms of the cells, the sums over the sections and over all cells, and the conditions.

    The sums are functions of the cells, but a total energy with a precision of a part in a thousand cannot be learned
    from some thousand events. The conditions are those that both samples have, in one order: files hold them in any.
    """
    common = [name for name in first.conditions if name in second.conditions and name != "incident_energy"]
    return _looked_at(first, threshold, common), _looked_at(second, threshold, common)


def _looked_at(sample: Sample, threshold: float, conditions: list[str]) -> np.ndarray:
    energy = sample.conditions["incident_energy"]
    cells = np.asarray(sample.cells)
    columns = [cell_features(cells, energy, threshold=threshold), sample.observables["energy_response"]]
    for name, values in sample.observables.items():
        if name.startswith("energy_") and name.removeprefix("energy_").isdigit():
            columns.append(values / np.maximum(energy, 1e-6))
    columns += [sample.conditions[name] for name in conditions]
    return np.column_stack([column.astype(np.float32, copy=False) for column in columns])


def _nearest(events: Sample, train: Sample) -> tuple[np.ndarray, np.ndarray]:
    distances, numbers = nearest_showers(events, train)
    return distances[:, 0], numbers[:, 0]


def _outcome(sample: Sample) -> dict[str, np.ndarray]:
    # Some observables are of cells and conditions together.
    return {"cells": np.asarray(sample.cells)}


def _scans(case: Case) -> Left:
    if case.generator is None:
        raise ValueError("scans need the generator")
    return judge_generator(case.generator, case.truth, seed=case.seed)


def _judged_again(truth: Sample, weighted: Sample, rng: np.random.Generator) -> list[Finding]:
    return judge_showers(truth, weighted, truth, Replicates.draw(truth.weights, weighted.weights, rng))[0]


KIND: Final = Kind(
    holds=lambda events: "shower" in events.data_vars,
    generality=0,
    uses=(
        Use("energy", "energy measurement", (RESPONSE, RESOLUTION)),
        *uses_of(
            "cell by cell",
            area(
                ("cells (perceptron)", "cells (trees)"),
                "AUC on cells, better classifier",
                "Do not use single cells of generated events (cell-level reconstruction, networks on images): keep to "
                "the observables that agree.",
            ),
            selections=(RESPONSE,),
            full=(RESPONSE, RESOLUTION),
        ),
    ),
    made_alike=lambda samples: ([_with_geometry(events) for events in samples], []),
    compared=_compared,
    unpacked=_unpacked,
    outcome=_outcome,
    classifiers=(("perceptron", "cells"), ("trees", "cells")),
    tables={"cells": _cells},
    closeness=Closeness("cells", "Hellinger distance", _nearest),
    judges=(
        Judge(
            "physics of showers",
            0.02,
            lambda case: judge_showers(case.truth, case.generated, case.pool, case.replicates),
            "showers",
        ),
        Judge(
            "nearest neighbours",
            0.01,
            lambda case: judge_neighbours(case.truth, case.generated, case.train, case.rng("neighbours")),
            "neighbours",
            unsigned,
        ),
        Judge("scans of the generator", 0.05, _scans, "scanned", lambda case: case.generator is not None),
    ),
    judged_again=_judged_again,
)
