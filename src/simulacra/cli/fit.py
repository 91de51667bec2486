"""``simulacra fit``: parameters of data from a learned likelihood ratio, with intervals and a page."""

from __future__ import annotations

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
        Literal["likelihood_ratio", "classifier_loss"],
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
    from simulacra.cli.progress import progress
    from simulacra.cli.reweight import parse_parameters
    from simulacra.fits.calibration_curve import calibrate as apply_curve
    from simulacra.fits.page import fit_page
    from simulacra.formats import read
    from simulacra.pages import write_page
    from simulacra.reweighting.reweighter import Reweighter

    fixed = parse_parameters(fix or [])
    known = parse_parameters(truth or [])
    chosen = [name for name in free.split(",") if name] or None
    model = Reweighter.load(reweighter)
    run = _Run(model, read(reference), max_reference, method, chosen, fixed, nested, features, show=not quiet)
    sample = run.embed(read(data), most=max_events)
    runs = None if calibrate is None else run.known(read(calibrate))
    with progress("fitting", show=not quiet) as tell:
        found, curve = run.fit(sample), None
        if runs is not None:
            curve = run.curve(*runs, tell)
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


class _Run:
    """What data and calibration samples have in common: the reference, the estimator, its parameters."""

    def __init__(
        self,
        model: Reweighter,
        reference: xr.Dataset,
        most: int,
        method: Literal["likelihood_ratio", "classifier_loss"],
        free: list[str] | None,
        fixed: dict[str, float],
        nested: Path | None,
        features: str,
        *,
        show: bool,
    ) -> None:
        from simulacra.fits.detector_level import SimulatedPairs
        from simulacra.fits.from_events import embed_events
        from simulacra.formats import read
        from simulacra.reweighting.reweighter import Reweighter

        self.model, self.method, self.free, self.fixed, self.show = model, method, free, fixed, show
        self.seen = model if nested is None else Reweighter.load(features)
        # Training never sees the test part, but a reference that was trained on would flatter the fit.
        self.reference = embed_events(self.seen, reference, part="test", most=most, label="reference", show=show)
        self.pairs = None
        if nested is not None:
            particles = embed_events(
                model, read(nested), part="test", most=most, label="reference's particles", show=show
            )
            self.pairs = SimulatedPairs(particles, self.reference.only(0))

    def embed(self, events: xr.Dataset, *, most: int | None = None, label: str = "data") -> EmbeddedEvents:
        """Return events as the fit takes them."""
        from simulacra.fits.from_events import embed_events

        return embed_events(self.seen, events, most=most, label=label, show=self.show)

    def fit(self, data: EmbeddedEvents) -> Fit:
        """Fit the parameters of data."""
        return self._fit(data, self.fixed, scan_points=25)

    def known(self, events: xr.Dataset) -> tuple[EmbeddedEvents, KnownTruth]:
        """Return runs at known parameters."""
        from simulacra.fits.from_events import runs_of

        runs = runs_of(events, [name for name in self.model.bounds if name in events.data_vars])
        return self.embed(events, label="calibration runs"), runs

    def curve(self, pool: EmbeddedEvents, runs: KnownTruth, tell: Progress) -> CalibrationCurve:
        """Fit each run of known parameters and return the calibration; what is not fitted stands where the run was."""
        import numpy as np

        from simulacra.fits.calibration_curve import calibration_curve

        free = self.free or [name for name in self.model.bounds if name not in self.fixed]
        estimates, truths = [], []
        for number, (rows, truth) in enumerate(zip(runs.samples, runs.truths, strict=True)):
            tell(f"calibrating: run {number + 1} of {len(runs.samples)}", (number + 1) / (len(runs.samples) + 1))
            fixed = self.fixed | {name: value for name, value in truth.items() if name not in free}
            found = self._fit(pool.select(rows), fixed)
            estimates.append(found.estimates)
            truths.append([truth[name] for name in found.parameters])
        return calibration_curve(found.parameters, np.array(truths), np.array(estimates))

    def _fit(self, data: EmbeddedEvents, fixed: dict[str, float], *, scan_points: int = 0) -> Fit:
        import warnings

        from simulacra.fits.detector_level import fit_detector_level
        from simulacra.fits.errors import FitWarning
        from simulacra.fits.fit import Precision
        from simulacra.fits.fit import fit as fit_parameters

        precision = Precision(scan_points=scan_points)
        members = self.model.ratios()
        with warnings.catch_warnings():
            # The fit holds its warnings, and the command says them.
            warnings.simplefilter("ignore", FitWarning)
            if self.pairs is not None:
                return fit_detector_level(
                    members, data.only(0), self.pairs, free=self.free, fixed=fixed, precision=precision
                )
            return fit_parameters(
                members, data, self.reference, method=self.method, free=self.free, fixed=fixed, precision=precision
            )
