"""``simulacra generate``: events of a trained generator into a store."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.cli.options import Scheduler


def generate(
    generator: Annotated[
        str, typer.Argument(help="Name of a shipped generator, a run folder, an ensemble's folder or a model file.")
    ],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    n_events: Annotated[
        int | None, typer.Option("-n", "--events", min=1, help="Number of events: 1000, or as many as --like has.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            metavar="NAME=VALUE",
            help="A condition in its unit; VALUE is 50, uniform:1:100, log:1:100, 'empirical', or for a choice its "
            "name, several names joined by commas, or its position (0, 1, ...). Repeatable; others are drawn from the "
            "distribution in the training sample.",
        ),
    ] = None,
    energy: Annotated[
        str | None, typer.Option("--energy", help="Short for --condition incident_energy=... [GeV].")
    ] = None,
    impact_x: Annotated[
        str | None, typer.Option("--impact-x", help="Short for --condition impact_x=... \\[mm].")
    ] = None,
    impact_y: Annotated[
        str | None, typer.Option("--impact-y", help="Short for --condition impact_y=... \\[mm].")
    ] = None,
    polar_angle: Annotated[
        str | None, typer.Option("--polar-angle", help="Short for --condition polar_angle=... \\[rad].")
    ] = None,
    azimuthal_angle: Annotated[
        str | None, typer.Option("--azimuthal-angle", help="Short for --condition azimuthal_angle=... \\[rad].")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", help="Store or file: make one event at the conditions of each of its events."),
    ] = None,
    file_format: Annotated[
        str,
        typer.Option("--format", help="store, or calochallenge: an HDF5 file that the challenge's evaluation reads."),
    ] = "store",
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            min=0,
            help="With --format calochallenge: voxels below this are empty [MeV]; by default that of the "
            "challenge's set.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed: the same seed gives the same events.")] = 1,
    last_layer_draws: Annotated[
        int | None,
        typer.Option(
            "--last-layer-draws",
            min=2,
            help="Number of members drawn from the posterior of the last layer (trained with snapshots).",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            "--chunk-size",  # as messages about stores name it
            min=1,
            help="Events in memory at a time; the events do not depend on it. 8192, or fewer large ones.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; the events do not depend on it.")] = 1,
    scheduler: Scheduler = None,
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime",
            help="torch, or onnx: faster, and equal within rounding; a generator without a graph is exported first.",
        ),
    ] = "torch",
    device: Annotated[
        str, typer.Option("--device", help="Where torch makes the events: cpu, cuda, cuda:1, mps.")
    ] = "cpu",
    refine: Annotated[
        str | None,
        typer.Option(
            "--refine", metavar="FOLDER", help="Give the events weights from this refiner (simulacra refine)."
        ),
    ] = None,
    unweight: Annotated[
        bool,
        typer.Option(
            "--unweight", help="With --refine: accept or reject events by their weights; the result has no weights."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Generate events and stream them to disk in constant memory.

    If it was interrupted, run the same command again to continue where it stopped. The members of an ensemble, or the
    draws of a last layer, make the same number of events each, one member after the other; the variable 'member' gives
    the member of each event.
    """
    from simulacra.cli.options import pace, pairs
    from simulacra.workflows.generate import Generation

    short = {
        "incident_energy": energy,
        "impact_x": impact_x,
        "impact_y": impact_y,
        "polar_angle": polar_angle,
        "azimuthal_angle": azimuthal_angle,
    }
    conditions = pairs("--condition", condition or ())
    for name, value in short.items():
        if value is not None:
            if name in conditions:
                raise ValueError(f"'{name}' is given twice")
            conditions[name] = value
    options: dict[str, Any] = {
        "like": like,
        "file_format": file_format,
        "threshold": threshold,
        "seed": seed,
        "last_layer_draws": last_layer_draws,
        "batch_size": batch_size,
        "workers": workers,
        "scheduler": scheduler,
        "runtime": runtime,
        "device": device,
        "refine": refine,
        "unweight": unweight,
        "overwrite": overwrite,
    }
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            generation = Generation(generator, output, n_events, conditions=conditions, **options).prepared()
        except ValueError as error:
            told = str(error)
            for name in (name for name, value in short.items() if value is not None):
                option = "energy" if name == "incident_energy" else name.replace("_", "-")
                told = told.replace(f"'{name}'", f"'{name}' (--{option})", 1)
            raise error if told == str(error) else ValueError(told) from error
    if generation.refinement_sentence:
        typer.secho(generation.refinement_sentence, err=True)
    for warning in said:
        typer.secho(f"warning: {warning.message}", fg="yellow", err=True)
    summary = generation.write(progress=not quiet)
    cut = generation.as_file()
    if cut is not None:
        typer.echo(f"voxels below {1000 * cut:.4g} keV are empty in {output}")
    written = summary.path if cut is None else output
    typer.echo(f"{summary.n_events} events of {generation.name} in {written}, {pace(summary)}")
