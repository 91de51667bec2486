"""``simulacra export``: a trained generator as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import numpy as np
import typer

if TYPE_CHECKING:
    from simulacra.trained import TrainedGenerator


def export(
    generator: Annotated[str, typer.Argument(help="Name of a shipped generator, a run folder or a model file.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX (the only format).")] = True,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; NAME.onnx if not given.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Fix the number of events per call; some runtimes are faster then.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="Of the large layers: float32, or int8, which is faster but not exactly the same function (judge it)."
        ),
    ] = "float32",
    graph: Annotated[
        bool,
        typer.Option(
            "--graph",
            help="Write only the graph, without weights, next to the model file: sample() then runs in ONNX Runtime.",
        ),
    ] = False,
) -> None:
    """Export a generator as one ONNX file that maps noise and physical conditions to events in physical units.

    The file is compared with torch before it is written. Its metadata describe inputs and outputs. For impossible
    conditions, such as an energy of 0, it returns NaN.
    """
    from simulacra.deploy.onnx import OPSET, Precision
    from simulacra.deploy.onnx import export as export_onnx
    from simulacra.trained import load

    if not onnx:
        raise ValueError("--no-onnx leaves nothing to write: ONNX is the one format there is")
    if precision not in get_args(Precision):
        raise ValueError(f"--precision is one of {', '.join(get_args(Precision))}, not '{precision}'")
    trained = load(generator)
    if graph:
        if output is not None or batch is not None or precision != "float32":
            raise ValueError("--graph writes the one graph that sample() reads: leave -o, --batch and --precision out")
        _write_graph(trained)
        return
    path = output or Path(f"{trained.name}.onnx")
    conditions = drawn_conditions(trained)
    parity = export_onnx(
        trained.module,
        conditions.shape[1],
        path,
        description(trained),
        batch=batch,
        conditions=conditions,
        precision=cast("Precision", precision),
        above_zero=energies(trained),
    )
    typer.echo(
        f"{trained.name} in {path}, {path.stat().st_size / 1e6:.1f} MB, opset {OPSET}; {1 - parity.jumps:.3%} of the "
        f"values within 1e-5 of torch's, 99.9 % within {parity.quantile_999:.1g} (of the event's largest)"
    )


def _write_graph(trained: TrainedGenerator) -> None:
    from simulacra.deploy.graphs import graph_beside, write_graph

    path = graph_beside(trained.path)
    parity = write_graph(trained.module, path, trained.weights_sha256, drawn_conditions(trained))
    typer.echo(
        f"graph of {trained.name} in {path}, {path.stat().st_size / 1e3:.0f} kB: {1 - parity.jumps:.3%} of the values "
        "within 1e-5 of torch's (of the event's largest)"
    )


def energies(trained: TrainedGenerator) -> list[int]:
    """Return the positions of the conditions that are energies, which must be above 0."""
    from simulacra.systems import system

    units = system(str(trained.metadata["experiment"]["system"]["kind"])).CONDITIONS
    return [i for i, name in enumerate(trained.trained_range) if units[name][0].endswith("eV")]


def drawn_conditions(trained: TrainedGenerator, n: int = 256) -> np.ndarray:
    """Return conditions uniform in the trained range, (n, C) float32."""
    rng = np.random.default_rng(0)
    drawn = np.empty((n, len(trained.trained_range)), np.float32)
    for column, (low, high) in enumerate(trained.trained_range.values()):
        drawn[:, column] = rng.uniform(low, high, n)
    return drawn


def description(trained: TrainedGenerator) -> dict[str, Any]:
    """Return the metadata of an exported file.

    ``inputs`` and ``outputs`` hold names, shapes and units. For programs without a JSON reader, the same is given as
    plain text: ``conditions``, "incident_energy GeV 1 100; ..." (name, unit, trained from, to), ``output``, ``units``,
    and for showers ``cell_places``, "x y z x y z ..." [mm] from the middle of the calorimeter's front face.
    """
    import torch

    from simulacra.systems import system

    source = system(str(trained.metadata["experiment"]["system"]["kind"]))
    latent = int(trained.module.latent)  # type: ignore[arg-type]
    ranges = trained.trained_range
    with torch.inference_mode():
        example = trained.module(torch.zeros(1, latent), torch.from_numpy(drawn_conditions(trained, 1))).numpy()
    outputs = [
        {"name": name, "units": one.attrs["units"], "long_name": one.attrs["long_name"], "shape": list(one.shape[1:])}
        for name, one in source.to_variables(example).items()
    ]
    conditions = [
        {"name": name, "units": source.CONDITIONS[name][0], "low": low, "high": high}
        for name, (low, high) in ranges.items()
    ]
    described = trained.description
    cells = {"cell_places": places(str(described["geometry"]))} if "geometry" in described else {}
    return {
        "name": trained.name,
        **trained.description,
        "inputs": {"noise": {"distribution": "standard normal", "length": latent}, "conditions": conditions},
        "outputs": outputs,
        "conditions": "; ".join(f"{c['name']} {c['units']} {c['low']:g} {c['high']:g}" for c in conditions),
        "output": ", ".join(str(one["name"]) for one in outputs),
        "units": ", ".join(str(one["units"]) for one in outputs),
        **cells,
        "training": trained.metadata["training"],
        "weights_sha256": trained.weights_sha256,
    }


def places(geometry: str) -> str:
    """Return a point in the active medium of each cell of a geometry (JSON), in its middle layer, "x y z ..." [mm]."""
    from simulacra.geometry import CalorimeterGeometry

    cells = CalorimeterGeometry.from_json(geometry)
    middle = np.array([section.layers // 2 for section in cells.sections])[cells.section_of_cell]
    depth = middle * cells.layer_thickness + cells.absorber.thickness + cells.active.thickness / 2
    points = np.stack([cells.cell_x, cells.cell_y, cells.cell_front + depth], axis=1)
    return " ".join(f"{value:.6g}" for value in points.ravel())
