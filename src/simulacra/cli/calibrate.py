"""``simulacra calibrate``: calibrate the fits of a reweighter over its whole box of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    reweighter: Annotated[
        str, typer.Argument(help="Reweighter continuous in the parameters: shipped name, file or folder.")
    ],
    drawn: Annotated[
        Path,
        typer.Argument(
            help="Store or file of events drawn over its box (--vary), with another seed than its training."
        ),
    ],
    reference: Annotated[
        Path, typer.Argument(help="Store or file simulated at its source's parameters, also with another seed.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the reweighter with its calibration.")],
    max_events: Annotated[
        int | None,
        typer.Option("--max-events", min=1000, help="Largest number of events of each sample; all by default."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure the bias of a reweighter's fits over its whole box, and write its file with this calibration."""
    from simulacra.fits.box_calibration import calibrate_over_box
    from simulacra.formats import read
    from simulacra.progress import step_progress
    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.reweighting.unseen import unseen_part

    if output.is_dir():
        raise ValueError(f"'{output}' is a folder; -o names a file, such as {output / 'reweighter.safetensors'}")
    model = Reweighter.load(reweighter)
    samples = {"the drawn events": read(drawn), "the reference": read(reference)}
    for label, events in samples.items():
        part, taken = unseen_part(model, events)
        if part is not None:
            typer.echo(f"Used from {label}: {taken}")
    with step_progress("calibrating", show=not quiet) as tell:
        calibrated = calibrate_over_box(model, *samples.values(), most=max_events, progress=tell)
    calibrated.save(output)
    for method, told in calibrated.fit_calibration.items():
        degree = max(map(sum, told["powers"]))
        typer.echo(f"{method.replace('_', ' ')}: a polynomial of degree {degree} from {told['events']:,} events")
    typer.echo(f"Reweighter with its calibration: {output}")
