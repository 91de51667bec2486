"""``simulacra fit``: fit parameters to data by a learned likelihood ratio, with intervals and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

if TYPE_CHECKING:
    import numpy as np

    from simulacra.fits.calibration_curve import CalibrationCurve
    from simulacra.fits.default_fit import RatioFit
    from simulacra.fits.detector_level import SimulatedPairs
    from simulacra.fits.embedded import EmbeddedEvents
    from simulacra.fits.from_events import KnownTruth
    from simulacra.fits.result import Fit
    from simulacra.progress import Progress
    from simulacra.reweighting.reweighter import Reweighter

Method = Literal["likelihood_ratio", "classifier_loss"]
#: estimates from data and the values of parameters that are not fitted
Estimate = Callable[["EmbeddedEvents", Mapping[str, float]], "np.ndarray"]
SCAN_POINTS: Final = 25


def fit(
    data: Annotated[Path, typer.Argument(help="Store or file of the data.")],
    reference: Annotated[
        Path,
        typer.Argument(
            help="Store or file simulated at the parameters of the reweighter's source. All of it is used if its seed "
            "shows that the reweighter was not trained on it, else its test part."
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
    import warnings

    from simulacra.cli.reweight import parse_parameters
    from simulacra.fits.default_fit import RatioFit
    from simulacra.fits.errors import FitWarning
    from simulacra.fits.from_events import (
        embed_events,
        embed_pairs,
        embed_reference,
        refuse_outside,
        refuse_same,
        runs_of,
    )
    from simulacra.fits.log_ratio import parameter_space
    from simulacra.fits.page import fit_page
    from simulacra.formats import read
    from simulacra.pages import write_page
    from simulacra.progress import step_progress
    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.reweighting.unseen import unseen_part

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
        refuse_outside(known_runs, space)

    _, taken = unseen_part(seen, simulated)
    embedded = embed_events(seen, sample, most=max_events, show=not quiet)
    pool = None if runs is None else embed_events(seen, runs, label="calibration runs", show=not quiet)
    of_runs = (pool, known_runs)
    names_free = space.free_names
    if particles is None:
        at_source = embed_reference(model, simulated, most=max_reference, show=not quiet)
    else:
        pairs = embed_pairs(model, particles, seen, simulated, most=max_reference, show=not quiet)
    refuse_same(sample, simulated)
    with step_progress("fitting", show=not quiet) as tell, warnings.catch_warnings():
        # A fit holds its warnings, and the command says them.
        warnings.simplefilter("ignore", FitWarning)
        if particles is None:
            ratio_fit = RatioFit(model, at_source, method=method, calibrated=not uncalibrated)
            found, curve = _by_ratio(ratio_fit, embedded, of_runs, names_free, fixed, tell)
        else:
            found, curve = _nested(model, pairs, embedded, of_runs, names_free, fixed, tell)
        tell("drawing the page", 0.95)
        page = fit_page(
            {found.method.replace("_", " "): found},
            title=f"{', '.join(found.parameters)} of {data.name}",
            truth=known or None,
            curve=curve,
            provenance=[
                ("data", str(data)),
                ("reference", f"{reference}: {taken}"),
                ("reweighter", f"{model.name}, {model.sha256[:16]}"),
            ],
        )
        path = write_page(output, page)
    # What takes the meaning from the numbers comes before them.
    first = 0 if found.calibrated else 1
    for warning in found.warnings[:first]:
        typer.echo(f"Warning: {warning}")
    whole = taken.startswith("whole")
    typer.echo(f"The reference is taken {taken}." if whole else f"Of the reference is taken only {taken}.")
    for name, (low, high) in found.intervals.items():
        parts = ", ".join(f"{part} {error:.2g}" for part, error in found.error_parts(name).items() if error)
        typer.echo(f"{name} = {found.values[name]:.5g} ± {found.errors[name]:.2g} ({low:.5g} to {high:.5g}; {parts})")
    typer.echo(f"Calibrated: {found.calibrated or 'no'}.")
    for warning in found.warnings[first:]:
        typer.echo(f"Warning: {warning}")
    typer.echo(f"Page: {path}")


Runs = tuple["EmbeddedEvents | None", "KnownTruth | None"]


def _by_ratio(
    ratio_fit: RatioFit,
    data: EmbeddedEvents,
    runs: Runs,
    free: Sequence[str],
    fixed: Mapping[str, float],
    tell: Progress,
) -> tuple[Fit, CalibrationCurve | None]:
    """Fit by the learned ratio; with runs of known parameters, these too, by interpolation."""
    from simulacra.fits.calibration_curve import calibrate as apply_curve
    from simulacra.fits.fit import Precision

    precision = Precision(scan_points=SCAN_POINTS)
    pool, known = runs
    if pool is None or known is None:
        return ratio_fit(data, free=free, fixed=fixed, precision=precision), None
    many = ratio_fit.of_many([data, pool])
    found = many(many.samples[0], free=free, fixed=fixed, precision=precision)

    def estimate(run: EmbeddedEvents, held: Mapping[str, float]) -> np.ndarray:
        return many.estimates(run, free=free, fixed=held)

    curve = _curve(estimate, many.samples[1], known, free, fixed, tell)
    return apply_curve(found, curve), curve


def _nested(
    model: Reweighter,
    pairs: SimulatedPairs,
    data: EmbeddedEvents,
    runs: Runs,
    free: Sequence[str],
    fixed: Mapping[str, float],
    tell: Progress,
) -> tuple[Fit, CalibrationCurve | None]:
    """Fit in the nested form, for which no reweighter brings a calibration."""
    from simulacra.fits.calibration_curve import calibrate as apply_curve
    from simulacra.fits.default_fit import RatioFit, without_calibration
    from simulacra.fits.detector_level import fit_detector_level
    from simulacra.fits.fit import Precision

    def once(events: EmbeddedEvents, held: Mapping[str, float], points: int = 0) -> Fit:
        precision = Precision(scan_points=points)
        return fit_detector_level(model.ratios(), events.only(0), pairs, free=free, fixed=held, precision=precision)

    pool, known = runs
    found = once(data, fixed, SCAN_POINTS)
    if pool is None or known is None:
        # How parameters that are held pull the others is taken from the particles.
        by_particles = RatioFit(model, pairs.particles, calibrated=False)
        return without_calibration(found, model, by_particles.information), None
    curve = _curve(lambda run, held: once(run, held).estimates, pool, known, free, fixed, tell)
    return apply_curve(found, curve), curve


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
        estimates.append(estimate(pool.select(rows), {**fixed, **held}))
        truths.append([truth[name] for name in free])
    curve = calibration_curve(free, np.array(truths), np.array(estimates))
    if wrong := [name for name, slope in zip(free, np.diag(curve.slope), strict=True) if slope < 0]:
        raise ValueError(
            f"the estimates of {', '.join(wrong)} fall where the truth rises: the runs' parameters are not those that "
            "they were simulated with, or the reweighter is of something else"
        )
    return curve
