"""``simulacra fit``: parameters of data from a learned likelihood ratio, with intervals and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.fits.calibration_curve import CalibrationCurve
    from simulacra.fits.embedded import EmbeddedEvents
    from simulacra.fits.from_events import KnownTruth
    from simulacra.fits.result import Fit
    from simulacra.judges.progress import Progress
    from simulacra.reweighting.reweighter import Reweighter

Method = Literal["likelihood_ratio", "classifier_loss"]
#: from data, values of parameters that are not fitted, and a number of points to scan each parameter at
Estimate = Callable[["EmbeddedEvents", Mapping[str, float], int], "Fit"]


def fit(
    data: Annotated[Path, typer.Argument(help="Store or file of the data.")],
    reference: Annotated[
        Path,
        typer.Argument(
            help="Store or file simulated at the reweighter's source; its test part is taken, unseen in training."
        ),
    ],
    reweighter: Annotated[
        str, typer.Option("--with", help="Reweighter continuous in the parameters: shipped one's name, file or folder.")
    ] = "dctr-z",
    free: Annotated[str, typer.Option("--free", help="Parameters to fit, a,b,c; all by default.")] = "",
    fix: Annotated[
        list[str] | None,
        typer.Option(
            "--fix", metavar="NAME=VALUE", help="Hold a parameter there; those not fitted stay at the source's."
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
            help="Fit behind a detector in the nested form of SRGN: store of the reference's particles, of which "
            "REFERENCE is the detector's view. --with names the particle-level reweighter.",
        ),
    ] = None,
    features: Annotated[
        str, typer.Option("--features", help="Detector-level reweighter whose summaries the nested form looks at.")
    ] = "srgn-z",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            help="Store of runs at known parameters (--vary with a large --events-per-draw): corrects the fit's bias.",
        ),
    ] = None,
    truth: Annotated[
        list[str] | None,
        typer.Option("--truth", metavar="NAME=VALUE", help="True value, where it is known, to draw beside the fit."),
    ] = None,
    max_events: Annotated[
        int | None, typer.Option("--max-events", min=10, help="The most data to take; all by default.")
    ] = None,
    max_reference: Annotated[
        int, typer.Option("--max-reference", min=100, help="The most reference events.")
    ] = 100_000,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for report.html and report.json.")] = Path(
        "fit"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Fit parameters to data: values, intervals from events, networks and calibration, and a page."""
    import warnings

    from simulacra.cli.progress import progress
    from simulacra.cli.reweight import parse_parameters
    from simulacra.fits.calibration_curve import calibrate as apply_curve
    from simulacra.fits.errors import FitWarning
    from simulacra.fits.from_events import embed_events, runs_of
    from simulacra.fits.log_ratio import parameter_space
    from simulacra.fits.page import fit_page
    from simulacra.formats import read
    from simulacra.pages import write_page
    from simulacra.reweighting.reweighter import Reweighter

    # What can be refused is refused before events are embedded, which may take minutes.
    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    if nested is not None and method != "likelihood_ratio":
        raise ValueError("--nested has an objective of its own: leave out --method, or --nested")
    names = [name.strip() for name in free.split(",") if name.strip()]
    if free and not names:
        raise ValueError(f"--free names no parameter: '{free}'")
    fixed, known = parse_parameters(fix or []), parse_parameters(truth or [])
    model = Reweighter.load(reweighter)
    space = parameter_space(model.ratios(), free=names or None, fixed=fixed)
    if unknown := [name for name in known if name not in space.names]:
        raise ValueError(f"--truth names '{unknown[0]}', which is none of the parameters {', '.join(space.names)}")
    seen = model if nested is None else Reweighter.load(features)
    sample, simulated = read(data), read(reference)
    particles = None if nested is None else read(nested)
    runs = None if calibrate is None else read(calibrate)
    # What the runs were drawn in and is not fitted is held where each run was.
    known_runs = None
    if runs is not None:
        known_runs = runs_of(runs, [name for name in space.names if name in space.free_names or name in runs.data_vars])

    estimate = _estimator(model, seen, simulated, particles, method, space.free_names, max_reference, show=not quiet)
    embedded = embed_events(seen, sample, most=max_events, show=not quiet)
    pool = None if runs is None else embed_events(seen, runs, label="calibration runs", show=not quiet)
    with progress("fitting", show=not quiet) as tell, warnings.catch_warnings():
        # A fit holds its warnings, and the command says them.
        warnings.simplefilter("ignore", FitWarning)
        found, curve = estimate(embedded, fixed, 25), None
        if pool is not None and known_runs is not None:
            curve = _curve(estimate, pool, known_runs, space.free_names, fixed, tell)
            found = apply_curve(found, curve)
        tell("drawing the page", 0.95)
        page = fit_page(
            {found.method.replace("_", " "): found},
            title=f"{', '.join(found.parameters)} of {data.name}",
            truth=known or None,
            curve=curve,
            provenance=[
                ("data", str(data)),
                ("reference", str(reference)),
                ("reweighter", f"{model.name}, {model.sha256[:16]}"),
            ],
        )
        path = write_page(output, page)
    for name, (low, high) in found.intervals.items():
        parts = ", ".join(f"{part} {error:.2g}" for part, error in found.error_parts(name).items() if error)
        typer.echo(f"{name} = {found.values[name]:.5g} ± {found.errors[name]:.2g} ({low:.5g} to {high:.5g}; {parts})")
    for warning in found.warnings:
        typer.echo(f"Warning: {warning}")
    typer.echo(f"Page: {path}")


def _estimator(
    model: Reweighter,
    seen: Reweighter,
    reference: xr.Dataset,
    particles: xr.Dataset | None,
    method: Method,
    free: Sequence[str],
    most: int,
    *,
    show: bool,
) -> Estimate:
    """Return what fits the free parameters to events that ``seen`` embedded; nested if particles are given."""
    from simulacra.fits.detector_level import fit_detector_level
    from simulacra.fits.fit import Precision
    from simulacra.fits.fit import fit as fit_parameters
    from simulacra.fits.from_events import embed_pairs, embed_reference

    members = model.ratios()
    if particles is None:
        simulated = embed_reference(model, reference, most=most, show=show)

        def by_ratio(data: EmbeddedEvents, fixed: Mapping[str, float], scan_points: int) -> Fit:
            precision = Precision(scan_points=scan_points)
            return fit_parameters(members, data, simulated, method=method, free=free, fixed=fixed, precision=precision)

        return by_ratio
    pairs = embed_pairs(model, particles, seen, reference, most=most, show=show)

    def by_nesting(data: EmbeddedEvents, fixed: Mapping[str, float], scan_points: int) -> Fit:
        precision = Precision(scan_points=scan_points)
        return fit_detector_level(members, data.only(0), pairs, free=free, fixed=fixed, precision=precision)

    return by_nesting


def _curve(
    estimate: Estimate,
    pool: EmbeddedEvents,
    runs: KnownTruth,
    free: Sequence[str],
    fixed: Mapping[str, float],
    tell: Progress,
) -> CalibrationCurve:
    """Fit each run of known parameters and return the calibration."""
    import numpy as np

    from simulacra.fits.calibration_curve import calibration_curve

    estimates, truths = [], []
    for number, (rows, truth) in enumerate(zip(runs.samples, runs.truths, strict=True)):
        tell(f"calibrating: run {number + 1} of {len(runs.samples)}", (number + 1) / (len(runs.samples) + 1))
        held = {name: value for name, value in truth.items() if name not in free}
        estimates.append(estimate(pool.select(rows), {**fixed, **held}, 0).estimates)
        truths.append([truth[name] for name in free])
    return calibration_curve(free, np.array(truths), np.array(estimates))
