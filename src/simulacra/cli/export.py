"""``simulacra export``: a trained generator or score as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast, get_args

import typer

if TYPE_CHECKING:
    from simulacra.deploy.onnx import Parity
    from simulacra.trained import TrainedGenerator

LARGEST_VALUE: Final = "the event's largest value"


def export(
    model: Annotated[
        str, typer.Argument(help="Generator or score: name of a shipped one, a run folder or a model file.")
    ],
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
    contract: Annotated[
        str | None,
        typer.Option(
            help="par04: as Geant4's example Par04 runs it without a change; prints the lines of its macro.",
        ),
    ] = None,
    _onnx: Annotated[bool, typer.Option("--onnx", hidden=True)] = True,
) -> None:
    """Export a generator or a score as one ONNX file.

    A generator's file maps noise and physical conditions to events in physical units; a score's file maps inputs and
    conditions to scores.

    The file is compared with torch before it is written. Its metadata describe inputs and outputs. For impossible
    conditions, such as an energy of 0, it returns NaN.
    """
    from simulacra.deploy.onnx import OPSET, Precision
    from simulacra.progress import waiting
    from simulacra.trained import TrainedGenerator, load
    from simulacra.workflows.export import export as export_model

    if precision not in get_args(Precision):
        raise ValueError(f"--precision is one of {', '.join(get_args(Precision))}, not '{precision}'")
    trained = load(model)
    if graph:
        if not isinstance(trained, TrainedGenerator):
            raise ValueError(f"'{model}' makes no events: --graph is only for generators")
        if output is not None or batch is not None or precision != "float32" or contract is not None:
            raise ValueError("--graph writes the graph for sample(): leave -o, --batch, --precision and --contract out")
        _write_graph(trained)
        return
    path = output or Path(f"{trained.name}.onnx")
    with waiting(f"exporting {trained.name} and comparing the file with torch"):
        parity = export_model(trained, path, batch=batch, precision=cast("Precision", precision), contract=contract)
    typer.echo(
        f"{trained.name} in {path}, {path.stat().st_size / 1e6:.1f} MB, opset {OPSET}: "
        f"{_agreement(parity, LARGEST_VALUE if isinstance(trained, TrainedGenerator) else 'the score')}"
    )
    if contract is not None:
        typer.echo(_macro(path))


def _macro(path: Path) -> str:
    """Return the macro in the metadata of a file for Par04."""
    import onnx

    return next(str(one.value) for one in onnx.load(str(path)).metadata_props if one.key == "macro")


def _agreement(parity: Parity, scale: str) -> str:
    """Say how well a file's values agree with torch's, in units of ``scale``."""
    share = f"{100 * (1 - parity.jumps):.5g} % of the values" if parity.jumps else "all values"
    most = f"by at most {parity.quantile_999:.1g} of it" if parity.quantile_999 else "not at all"
    return f"{share} differ from torch's by at most 1e-5 of {scale}, 99.9 % {most}"


def _write_graph(trained: TrainedGenerator) -> None:
    from simulacra.deploy.graphs import graph_beside, write_graph
    from simulacra.progress import waiting
    from simulacra.workflows.export import drawn_conditions

    path = graph_beside(trained.path)
    with waiting(f"exporting {trained.name} and comparing the graph with torch"):
        parity = write_graph(trained.module, path, trained.weights_sha256, drawn_conditions(trained))
    typer.echo(
        f"graph of {trained.name} in {path}, {path.stat().st_size / 1e3:.0f} kB: {_agreement(parity, LARGEST_VALUE)}"
    )
