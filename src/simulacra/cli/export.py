"""``simulacra export``: a trained generator as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    generator: Annotated[str, typer.Argument(help="Name of a shipped generator, a run folder or a model file.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX (the one format there is).")] = True,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; NAME.onnx if not given.")] = None,
) -> None:
    """Export a generator as one ONNX file, from (noise, conditions in physical units) to events in physical units."""
    from simulacra.deploy.onnx import export as export_onnx
    from simulacra.trained import load

    if not onnx:
        raise ValueError("--no-onnx leaves nothing to write: ONNX is the one format there is")
    trained = load(generator)
    path = output or Path(f"{trained.name}.onnx")
    description = {"name": trained.name, **trained.description, "training": trained.metadata["training"]}
    export_onnx(trained.module, len(trained.trained_range), path, description)
    typer.echo(f"{trained.name} in {path}, {path.stat().st_size / 1e6:.1f} MB")
