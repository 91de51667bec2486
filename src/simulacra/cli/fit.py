"""``simulacra fit``: fit parameters to data by a learned likelihood ratio, with intervals and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Method = Literal["likelihood_ratio", "classifier_loss"]


def fit(
    data: Annotated[Path, typer.Argument(help="Store or file of the data.")],
    reference: Annotated[
        Path,
        typer.Argument(
            help="Store or file simulated at the parameters of the reweighter's source. All of it is used if its seed "
            "shows that the reweighter was not trained on it, otherwise its test part."
        ),
    ],
    reweighter: Annotated[
        str, typer.Option("--with", help="Reweighter continuous in the parameters: shipped name, file or folder.")
    ] = "dctr-z",
    free: Annotated[str, typer.Option("--free", help="Parameters to fit, a,b,c; all by default.")] = "",
    fix: Annotated[
        list[str] | None,
        typer.Option(
            "--fix",
            metavar="NAME=VALUE",
            help="Fix a parameter; others that are not fitted stay at the source's value.",
        ),
    ] = None,
    method: Annotated[
        Method,
        typer.Option("--method", help="The learned likelihood ratio, or the classifier's loss (arXiv:1907.08209)."),
    ] = "likelihood_ratio",
    nested: Annotated[
        Path | None,
        typer.Option(
            "--nested",
            help="Fit behind a detector in the nested form of SRGN: store of the reference's particles; REFERENCE "
            "is its detector level. --with names the particle-level reweighter.",
        ),
    ] = None,
    features: Annotated[
        str, typer.Option("--features", help="Detector-level reweighter whose summaries the nested form uses.")
    ] = "srgn-z",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            help="Store of runs at known parameters (--vary with a large --events-per-draw): corrects the bias that "
            "the reweighter's own calibration leaves, and replaces its uncertainty.",
        ),
    ] = None,
    uncalibrated: Annotated[
        bool,
        typer.Option(
            "--uncalibrated",
            help="Do not apply the reweighter's own calibration; the known bias of its networks widens the interval.",
        ),
    ] = False,
    truth: Annotated[
        list[str] | None,
        typer.Option("--truth", metavar="NAME=VALUE", help="True value, if known, to show with the fit."),
    ] = None,
    max_events: Annotated[
        int | None, typer.Option("--max-events", min=10, help="Largest number of data events; all by default.")
    ] = None,
    max_reference: Annotated[
        int, typer.Option("--max-reference", min=100, help="Largest number of reference events.")
    ] = 100_000,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for report.html and report.json.")] = Path(
        "fit"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Fit parameters to data. The intervals include events, networks and calibration; a page shows the fit.

    By default, the calibration in the reweighter's file is used; without one, the command warns first.
    """
    from simulacra.cli.options import names_in, parse_parameters
    from simulacra.fits.page import fit_page
    from simulacra.pages import write_page
    from simulacra.workflows.fit import fitted

    # Options are checked before events are embedded, which may take minutes.
    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    names = names_in(free)
    if free and not names:
        raise ValueError(f"--free names no parameter: '{free}'")
    known = parse_parameters(truth or [])
    done = fitted(
        data,
        reference,
        reweighter=reweighter,
        free=names or None,
        fixed=parse_parameters(fix or []),
        method=method,
        nested=nested,
        features=features,
        calibrate=calibrate,
        calibrated=not uncalibrated,
        known=known,
        max_events=max_events,
        max_reference=max_reference,
        progress=not quiet,
    )
    found = done.fit
    page = fit_page(
        {found.method.replace("_", " "): found},
        title=f"{', '.join(found.parameters)} of {data.name}",
        truth=known or None,
        curve=done.curve,
        provenance=[
            ("data", str(data)),
            ("reference", f"{reference}: {done.taken}"),
            ("reweighter", f"{done.reweighter.name}, {done.reweighter.sha256[:16]}"),
        ],
    )
    path = write_page(output, page)
    # Warnings that make the numbers meaningless come before them.
    first = 0 if found.calibrated else 1
    for warning in found.warnings[:first]:
        typer.echo(f"Warning: {warning}")
    whole = done.taken.startswith("whole")
    typer.echo(
        f"The reference is used {done.taken}." if whole else f"Only part of the reference is used: {done.taken}."
    )
    for name, (low, high) in found.intervals.items():
        parts = ", ".join(f"{part} {error:.2g}" for part, error in found.error_parts(name).items() if error)
        typer.echo(f"{name} = {found.values[name]:.5g} ± {found.errors[name]:.2g} ({low:.5g} to {high:.5g}; {parts})")
    typer.echo(f"Calibrated: {found.calibrated or 'no'}.")
    for warning in found.warnings[first:]:
        typer.echo(f"Warning: {warning}")
    typer.echo(f"Page: {path}")
