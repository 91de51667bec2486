"""``simulacra demo reweighting``: turn one Pythia into another and fit its parameters, in a few minutes."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from simulacra.reweighting.judgement import Judgement
    from simulacra.reweighting.reweighter import Reweighter

REWEIGHTER: Final = "dctr-z"
PROCESS: Final = "z-to-dijets"
EVENTS: Final = 20_000
SOURCE_EVENTS: Final = 60_000
TRUTH: Final = {"alphaS": 0.16}
#: runs at other parameters, for the calibration of the fit
RUNS: Final = 12
EVENTS_A_RUN: Final = 5_000
VARIED: Final = {"alphaS": "uniform:0.145:0.175"}
SHOWN: Final = ("multiplicity", "thrust", "leading jet mass", "energy correlation 2", "kaon multiplicity")


def demonstrate(output: Path, seed: int) -> None:
    """Simulate default Pythia and Pythia with another alphaS; reweight, judge and fit.

    Raises
    ------
    simulacra.simulators.pythia_errors.PythiaError
        if Pythia is not installed; the message says how to get it.
    """
    from rich.console import Console

    from simulacra.reweighting.reweighter import Reweighter

    console = Console(highlight=False)
    began = time.monotonic()

    console.rule("1  Pythia 8: e+e- to Z to hadrons, twice", align="left")
    source = _simulate(console, output / f"default-{seed}.zarr", SOURCE_EVENTS, seed + 1000)
    data = _simulate(console, output / f"data-{seed}.zarr", EVENTS, seed + 2000, values=TRUTH)

    console.rule("2  Reweighting: turn default Pythia into the other", align="left")
    model = Reweighter.load(REWEIGHTER)
    record = model.training[0]
    console.print(
        f"{model.name}: {model.size} particle flow networks, {record['steps']:,} steps each in "
        f"{sum(r['seconds'] for r in model.training) / 60:.0f} minutes, for any "
        + ", ".join(f"{name} in {low:g} to {high:g}" for name, (low, high) in model.bounds.items())
    )
    judgement = _judge(console, model, source, data, seed)
    from simulacra.pages import write_page

    page = judgement.page()
    path = write_page(output / "reweighting", page)
    console.print(f"[bold]{page.headline}[/]")
    for closure in judgement.closures:
        if closure.observable in SHOWN:
            console.print(f"  {closure.sentence}")

    console.rule("3  Fits: which alphaS do these events have?", align="left")
    fitted = _fit(console, model, source, data, output, seed)
    console.print(
        f"\n[bold]Open {path} and {fitted}[/] in a browser. Done in {(time.monotonic() - began) / 60:.1f} minutes."
    )


def _simulate(
    console: Console,
    path: Path,
    n: int,
    seed: int,
    *,
    values: dict[str, float] | None = None,
    vary: dict[str, str] | None = None,
) -> xr.Dataset:
    """Simulate events unless they exist; with ``vary``, one run of ``EVENTS_A_RUN`` events per draw."""
    from simulacra.simulators.pythia import write_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings
    from simulacra.store import open_events

    if not path.exists():
        chosen: dict[str, Any] = {"values": {name: str(value) for name, value in (values or {}).items()}}
        options: dict[str, Any] = {}
        if vary:
            chosen |= {"vary": vary, "events_per_draw": EVENTS_A_RUN}
            options["chunk_size"] = EVENTS_A_RUN
        settings = PythiaSettings.model_validate({"process": PROCESS, **chosen})
        summary = write_collisions(path, settings, seed=seed, n_events=n, workers=2, **options)
        what = ", ".join(f"{name} = {value}" for name, value in {**(values or {}), **(vary or {})}.items())
        console.print(f"{n:,} events of Pythia ({what or 'defaults'}): {n / summary.seconds:,.0f} per second")
    return open_events(path)


def _judge(console: Console, model: Reweighter, source: xr.Dataset, data: xr.Dataset, seed: int) -> Judgement:
    from simulacra.reweighting.judgement import judge_reweighter

    with console.status("computing weights and judging") as status:
        return judge_reweighter(
            model,
            source,
            data,
            parameters=TRUTH,
            labels=("default Pythia", "Pythia, alphaS 0.160"),
            part=None,
            most=EVENTS,
            trees=False,
            seed=seed,
            progress=lambda step, _share: status.update(f"computing weights and judging: {step}"),
        )


def _fit(console: Console, model: Reweighter, source: xr.Dataset, data: xr.Dataset, output: Path, seed: int) -> Path:
    """Fit alphaS alone and all three parameters; calibrate the first by runs at other values of it."""
    import numpy as np

    from simulacra.fits.calibration_curve import calibrate, calibration_curve
    from simulacra.fits.errors import FitWarning
    from simulacra.fits.fit import Precision, fit
    from simulacra.fits.from_events import embed_events, runs_of
    from simulacra.fits.interpolation import Interpolation
    from simulacra.fits.page import fit_page
    from simulacra.pages import write_page

    runs = _simulate(console, output / f"runs-{seed}.zarr", RUNS * EVENTS_A_RUN, seed + 3000, vary=VARIED)
    with console.status("embedding events") as status, warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        turned = Interpolation(model.ratios())
        reference, sample, pool = (
            turned(embed_events(model, events, label=label))
            for events, label in ((source, "reference"), (data, "data"), (runs, "runs"))
        )
        status.update("fitting")
        drawn = Precision(scan_points=15)
        alone = fit(turned.ratios, sample, reference, free=["alphaS"], precision=drawn)
        loss = fit(turned.ratios, sample, reference, free=["alphaS"], method="classifier_loss", precision=drawn)
        together = fit(turned.ratios, sample, reference, precision=drawn)
        known = runs_of(runs, ["alphaS"])
        estimates = [
            fit(turned.ratios, pool.select(rows), reference, free=["alphaS"]).estimates for rows in known.samples
        ]
        curve = calibration_curve(
            ["alphaS"], np.array([[truth["alphaS"]] for truth in known.truths]), np.array(estimates)
        )
        corrected = calibrate(alone, curve)
    fits = {"calibrated": corrected, "likelihood ratio": alone, "classifier loss": loss, "all three at once": together}
    for label, found in fits.items():
        values = ", ".join(f"{n} = {v:.4f} ± {found.errors[n]:.4f}" for n, v in found.values.items())
        console.print(f"  {label}: {values}")
    console.print(
        f"The truth is {TRUTH['alphaS']:g}. The interval of a single fit does not show the bias of the networks; the "
        f"calibration, from {RUNS} simulations at other values, removes it."
    )
    page = fit_page(
        fits,
        title=f"Parameters of Pythia from {EVENTS:,} events",
        truth={**model.reference, **TRUTH},
        curve=curve,
    )
    return write_page(output / "fit", page)
