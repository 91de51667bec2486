"""``simulacra export``: a trained generator or score as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

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
    """Export a generator or a score as one ONNX file.

    A generator's file maps noise and physical conditions to events in physical units; a score's file maps inputs and
    conditions to scores.

    The file is compared with torch before it is written. Its metadata describe inputs and outputs. For impossible
    conditions, such as an energy of 0, it returns NaN.
    """
    from simulacra.deploy.onnx import OPSET, Precision
    from simulacra.trained import TrainedGenerator, load
    from simulacra.workflows.export import export as export_model

    if not onnx:
        raise ValueError("--no-onnx leaves nothing to write: ONNX is the only format")
    if precision not in get_args(Precision):
        raise ValueError(f"--precision is one of {', '.join(get_args(Precision))}, not '{precision}'")
    trained = load(generator)
    if graph:
        if not isinstance(trained, TrainedGenerator):
            raise ValueError(f"'{generator}' makes no events: --graph is only for generators")
        if output is not None or batch is not None or precision != "float32":
            raise ValueError("--graph writes the graph for sample(): leave -o, --batch and --precision out")
        _write_graph(trained)
        return
    path = output or Path(f"{trained.name}.onnx")
    parity = export_model(trained, path, batch=batch, precision=cast("Precision", precision))
    typer.echo(
        f"{trained.name} in {path}, {path.stat().st_size / 1e6:.1f} MB, opset {OPSET}; {1 - parity.jumps:.3%} of the "
        f"values within 1e-5 of torch's, 99.9 % within {parity.quantile_999:.1g} (of the event's largest)"
    )


def _write_graph(trained: TrainedGenerator) -> None:
    from simulacra.deploy.graphs import graph_beside, write_graph
    from simulacra.workflows.export import drawn_conditions

    path = graph_beside(trained.path)
    parity = write_graph(trained.module, path, trained.weights_sha256, drawn_conditions(trained))
    typer.echo(
        f"graph of {trained.name} in {path}, {path.stat().st_size / 1e3:.0f} kB: {1 - parity.jumps:.3%} of the values "
        "within 1e-5 of torch's (of the event's largest)"
    )
