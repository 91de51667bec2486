"""Export a trained model as one ONNX file, with a description of inputs and outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from simulacra.settings import path_of, whole_number

if TYPE_CHECKING:
    from simulacra.deploy.onnx import Parity, Precision
    from simulacra.trained import TrainedGenerator, TrainedModel, TrainedScore

PAR04_PARTICLES: Final = ("e-", "e+", "gamma")


def export(
    model: str | os.PathLike[str] | TrainedModel,
    output: str | os.PathLike[str],
    *,
    batch: int | None = None,
    precision: Precision = "float32",
    contract: str | None = None,
) -> Parity:
    """Write a trained model as one ONNX file and return its agreement with torch.

    For a generator it maps noise and physical conditions to events in physical units; for a score, inputs and
    conditions to scores. The file is compared with torch before it is written.

    Parameters
    ----------
    model:
        a trained model, or a name, run folder or file for ``simulacra.load``.
    output:
        the file to write.
    batch:
        fixed number of events per call; any number if None.
    precision:
        "int8" computes large layers in 8-bit integers: faster, but not exactly the same function.
    contract:
        "par04" writes a generator of showers as Geant4's example Par04 runs it, without a change: one row of 8 numbers
        in, energies of its voxels in GeV out, noise drawn inside. See docs/how_to/par04.md.

    Raises
    ------
    ImportError
        if the packages that write ONNX are not installed; the message says how to get them.
    simulacra.deploy.onnx.ParityError
        if the file's results differ from torch's.
    ValueError
        if the model is a reweighter, can only be exported for a fixed number of events, or does not fit the contract.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> parity = simulacra.export("calogan-eplus", folder / "calogan.onnx")
    >>> parity.jumps < 1e-3
    True
    """
    from simulacra.deploy.onnx import Precision
    from simulacra.deploy.onnx import export as export_onnx
    from simulacra.trained import TrainedGenerator, TrainedModel, load

    path = path_of(output, "the output")
    if precision not in get_args(Precision):
        raise ValueError(f"the precision is one of {', '.join(get_args(Precision))}, not {precision!r}")
    if batch is not None:
        whole_number(batch, "the number of events per call", 1)
    trained = model if isinstance(model, TrainedModel) else load(model)
    if not isinstance(trained, TrainedModel):
        raise ValueError(  # noqa: TRY004 - the name is of the wrong model, not of the wrong type
            f"'{model}' is a reweighter, which cannot be exported: export its generator"
        )
    generates = isinstance(trained, TrainedGenerator)
    if contract is not None:
        return _export_for(contract, trained, path, batch, precision)
    conditions = drawn_conditions(trained)
    return export_onnx(
        trained.module,
        conditions.shape[1],
        path,
        description(trained),
        batch=batch,
        conditions=conditions,
        precision=precision,
        above_zero=trained.above_zero,
        first_input="noise" if generates else "inputs",
    )


def _export_for(contract: str, trained: TrainedModel, path: Path, batch: int | None, precision: Precision) -> Parity:
    """Write a generator of showers for Geant4's example Par04, after a look at what it makes."""
    from simulacra.deploy.par04 import COLUMNS, CONTRACT, export_par04
    from simulacra.geometry import CalorimeterGeometry
    from simulacra.trained import TrainedGenerator

    if contract != CONTRACT:
        raise ValueError(f"the contract is {CONTRACT}, not '{contract}'")
    geometry = trained.description.get("geometry")
    if not geometry or not isinstance(trained, TrainedGenerator):
        raise ValueError(f"'{trained.name}' makes no showers in a calorimeter: --contract {CONTRACT} is for these")
    if others := [name for name in trained.trained_range if name != "incident_energy"]:
        raise ValueError(
            f"'{trained.name}' is also given {', '.join(others)}, which Par04 does not hand over: its mesh begins "
            'where the particle enters and lies along its direction. Train with conditions = ["incident_energy"] on '
            "showers of particles that enter perpendicularly"
        )
    particle = str(trained.description.get("particle"))
    if particle not in PAR04_PARTICLES:
        raise ValueError(
            f"'{trained.name}' makes showers of {particle}; Par04 hands over {', '.join(PAR04_PARTICLES)} only"
        )
    told = description(trained)
    told["inputs"] = {"particles": [{"name": name, "units": units} for name, units in COLUMNS.items()]}
    told.pop("cell_places", None)
    return export_par04(
        trained.module,
        CalorimeterGeometry.from_json(str(geometry)),
        trained.trained_range["incident_energy"],
        path,
        told,
        batch=batch,
        precision=precision,
    )


def drawn_conditions(trained: TrainedModel, n: int = 256) -> np.ndarray:
    """Return conditions uniform in the trained range, (n, C) float32."""
    rng = np.random.default_rng(0)
    drawn = np.empty((n, len(trained.trained_range)), np.float32)
    for column, (name, (low, high)) in enumerate(trained.trained_range.items()):
        drawn[:, column] = rng.uniform(low, high, n)
        if trained.conditions.declared[name].whole:
            drawn[:, column] = np.round(drawn[:, column])
    return drawn


def description(trained: TrainedModel) -> dict[str, Any]:
    """Return the metadata of an exported file.

    ``inputs`` and ``outputs`` hold names, shapes and units. For programs without a JSON reader, the same is given as
    plain text: ``conditions``, "incident_energy GeV 1 100; ..." (name, unit, trained from, to), ``output``, ``units``,
    and for showers ``cell_places``, "x y z x y z ..." [mm] from the middle of the calorimeter's front face.
    """
    from simulacra.trained import TrainedGenerator

    latent = int(trained.module.latent)  # type: ignore[arg-type]
    conditions = [
        {"name": name, "units": trained.conditions.declared[name].units, "low": low, "high": high}
        for name, (low, high) in trained.trained_range.items()
    ]
    if isinstance(trained, TrainedGenerator):
        first, outputs = {"noise": {"distribution": "standard normal", "length": latent}}, _outputs(trained)
    else:
        first, outputs = {"inputs": {"length": latent}}, [_score(trained)]  # type: ignore[arg-type]
    described = trained.description
    cells = {"cell_places": places(str(described["geometry"]))} if "geometry" in described else {}
    return {
        "name": trained.name,
        **trained.description,
        "inputs": {**first, "conditions": conditions},
        "outputs": outputs,
        "conditions": "; ".join(f"{c['name']} {c['units']} {c['low']:g} {c['high']:g}" for c in conditions),
        "output": ", ".join(str(one["name"]) for one in outputs),
        "units": ", ".join(str(one["units"]) for one in outputs),
        **cells,
        "training": trained.metadata["training"],
        "weights_sha256": trained.weights_sha256,
    }


def _outputs(trained: TrainedGenerator) -> list[dict[str, Any]]:
    import torch

    latent = int(trained.module.latent)  # type: ignore[arg-type]
    with torch.inference_mode():
        example = trained.module(torch.zeros(1, latent), torch.from_numpy(drawn_conditions(trained, 1))).numpy()
    return [
        {"name": name, "units": one.attrs["units"], "long_name": one.attrs["long_name"], "shape": list(one.shape[1:])}
        for name, one in trained.variables_of(example).items()
        if one.dims[:1] == ("event",)
    ]


def _score(trained: TrainedScore) -> dict[str, Any]:
    units, long_name = trained.score_attributes
    return {"name": "score", "units": units, "long_name": long_name, "shape": []}


def places(geometry: str) -> str:
    """Return a point in the active medium of each cell of a geometry (JSON), in its middle layer, "x y z ..." [mm]."""
    from simulacra.geometry import CalorimeterGeometry

    cells = CalorimeterGeometry.from_json(geometry)
    middle = np.array([section.layers // 2 for section in cells.sections])[cells.section_of_cell]
    depth = middle * cells.layer_thickness + cells.absorber.thickness + cells.active.thickness / 2
    points = np.stack([cells.cell_x, cells.cell_y, cells.cell_front + depth], axis=1)
    return " ".join(f"{value:.6g}" for value in points.ravel())
