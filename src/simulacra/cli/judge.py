"""``simulacra judge``: compare generated events with truth and write a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    import xarray as xr


def judge(
    truth: Annotated[Path, typer.Argument(help="Store or file of true events.")],
    generated: Annotated[Path, typer.Argument(help="Store or file of generated events.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for report.html and report.json; made if it is not there.")
    ] = Path("report"),
    use: Annotated[
        Literal["energy", "shapes", "cells"],
        typer.Option(
            "--use",
            help="The use that the verdict is for: energy measurement, selections on single observables, "
            "or a full stand-in cell by cell.",
        ),
    ] = "cells",
    part: Annotated[
        Literal["all", "test"],
        typer.Option(
            "--part",
            help="Part of the truth to compare with; with 'test', its training part is the training "
            "sample, and sharpens what truth against truth scores.",
        ),
    ] = "all",
    train: Annotated[
        Path | None, typer.Option("--train", help="Store or file of the events that the generator was trained on.")
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            "--generator",
            help="Name of a shipped generator, a run folder or a model file: adds scans at fixed "
            "noise and extrapolation.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed: the same seed gives the same numbers.")] = 0,
    max_events: Annotated[
        int, typer.Option("--max-events", min=200, help="The most events of each sample to look at.")
    ] = 50_000,
    cell_threshold: Annotated[
        float, typer.Option("--cell-threshold", min=0, help="Energy up to which classifiers see a cell as empty [MeV].")
    ] = 0.01,
    particle: Annotated[
        str | None, typer.Option("--particle", help="The incident particle, where a file does not tell.")
    ] = None,
    binning: Annotated[Path | None, typer.Option("--binning", help="Binning XML of CaloChallenge files.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Compare generated events with truth: a verdict, a page to read and the same numbers as JSON."""
    from simulacra.cli.progress import progress
    from simulacra.events import take_part
    from simulacra.formats import read
    from simulacra.judges.report import criterion_rows
    from simulacra.judges.verdict import judge as judge_events

    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder for the report")
    if train is not None and part == "test":
        raise ValueError("--part test takes the truth's own training part; leave --train out, or judge --part all")

    def events_of(path: Path) -> xr.Dataset:
        return read(path, particle=particle, binning=binning)

    true_events, judged_events = events_of(truth), events_of(generated)
    training = None if train is None else events_of(train)
    if part == "test":
        true_events, training = take_part(true_events, "test"), take_part(true_events, "train")
    trained = None
    if generator is not None:
        from simulacra.trained import load

        trained = load(generator)
    with progress("judging", show=not quiet) as tell:
        verdict = judge_events(
            true_events,
            judged_events,
            train=training,
            generator=trained,
            use=use,
            seed=seed,
            max_events=max_events,
            cell_threshold=cell_threshold,
            progress=tell,
        )
        tell("drawing the report", 0.99)
        page = verdict.write(output)
    typer.echo(f"{verdict.headline}\n{verdict.summary}")
    for warning in verdict.warnings:
        typer.echo(f"Warning: {warning}")
    rows = criterion_rows(verdict)
    width = max(len(row["title"]) for row in rows)
    for row in rows:
        beside = f"truth against truth {row['truth']}, limit {row['limit']}"
        typer.echo(f"  {row['outcome']:<9} {row['title']:<{width}}  {row['value']}  ({beside})")
    typer.echo(f"Report: {page}")
