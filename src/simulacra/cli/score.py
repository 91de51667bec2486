"""``simulacra score``: the score of each event into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    model: Annotated[str, typer.Argument(help="Run folder or model file of a trained score.")],
    events: Annotated[Path, typer.Argument(help="Store or file of the events to score.")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Events in memory at a time; the scores do not depend on it.")
    ] = 8192,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; the scores do not depend on it.")] = 1,
    device: Annotated[
        str, typer.Option("--device", help="Where torch computes the scores: cpu, cuda, cuda:1, mps.")
    ] = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Score given events, such as by a density or an anomaly score, and stream the scores to disk in constant memory.

    The store keeps the events' own indices, their conditions and their weights. If it was interrupted, run the same
    command again to continue where it stopped.
    """
    from simulacra.cli.options import pace
    from simulacra.workflows.score import load_score
    from simulacra.workflows.score import score as write_scores

    trained = load_score(model)
    summary = write_scores(
        trained,
        events,
        output,
        batch_size=batch_size,
        workers=workers,
        device=device,
        overwrite=overwrite,
        progress=not quiet,
    )
    typer.echo(f"{summary.n_events} events scored by {trained.name} in {output}, {pace(summary)}")
