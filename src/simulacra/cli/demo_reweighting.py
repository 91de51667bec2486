"""``simulacra demo reweighting``: one Pythia turned into another, and its parameters fitted, in a few minutes."""

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
SHOWN: Final = ("multiplicity", "thrust", "leading jet mass", "energy correlation 2", "kaon multiplicity")


def demonstrate(output: Path, seed: int) -> None:
    """Simulate default Pythia and one of another alphaS; reweight, judge and fit.

    Raises
    ------
    ImportError
        if Pythia is not installed, with how to get it.
    """
    from rich.console import Console

    from simulacra.reweighting.reweighter import Reweighter

    console = Console(highlight=False)
    began = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)

    console.rule("1  Pythia 8: e+e- to Z to hadrons, twice", align="left")
    source = _simulate(console, output / f"default-{seed}.zarr", SOURCE_EVENTS, seed + 1000, {})
    data = _simulate(console, output / f"data-{seed}.zarr", EVENTS, seed + 2000, TRUTH)

    console.rule("2  Reweighting: default Pythia made to look like the other", align="left")
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

    console.rule("3  Fits: what alphaS were these events made with?", align="left")
    fitted = _fit(console, model, source, data, output)
    console.print(
        f"\n[bold]Open {path} and {fitted}[/] in a browser. Done in {(time.monotonic() - began) / 60:.1f} minutes."
    )


def _simulate(console: Console, path: Path, n: int, seed: int, values: dict[str, float]) -> xr.Dataset:
    from simulacra.simulators.pythia import write_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings
    from simulacra.store import open_events

    if not path.exists():
        settings = PythiaSettings.model_validate(
            {"process": PROCESS, "values": {name: str(value) for name, value in values.items()}}
        )
        summary = write_collisions(path, settings, seed=seed, n_events=n, workers=2)
        what = ", ".join(f"{name} = {value:g}" for name, value in values.items()) or "defaults"
        console.print(f"{n:,} events of Pythia ({what}): {n / summary.seconds:,.0f} a second, written to {path}")
    return open_events(path)


def _judge(console: Console, model: Reweighter, source: xr.Dataset, data: xr.Dataset, seed: int) -> Judgement:
    from simulacra.reweighting.judgement import judge_reweighter

    with console.status("weighing and judging") as status:
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
            progress=lambda step, _share: status.update(f"weighing and judging: {step}"),
        )


def _fit(console: Console, model: Reweighter, source: xr.Dataset, data: xr.Dataset, output: Path) -> Path:
    from simulacra.fits.errors import FitWarning
    from simulacra.fits.fit import Precision, fit
    from simulacra.fits.from_events import embed_events
    from simulacra.fits.page import fit_page
    from simulacra.pages import write_page

    with console.status("embedding events") as status:
        reference = embed_events(model, source, label="reference")
        sample = embed_events(model, data, label="data")
        status.update("fitting")
        options: dict[str, Any] = {"precision": Precision(scan_points=15)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            alone = fit(model.ratios(), sample, reference, free=["alphaS"], **options)
            loss = fit(model.ratios(), sample, reference, free=["alphaS"], method="classifier_loss", **options)
            together = fit(model.ratios(), sample, reference, **options)
    for label, found in (("likelihood ratio", alone), ("classifier loss", loss), ("all three", together)):
        values = ", ".join(f"{n} = {v:.4f} ± {found.errors[n]:.4f}" for n, v in found.values.items())
        console.print(f"  {label}: {values}")
    truth = {**model.reference, **TRUTH}
    page = fit_page(
        {"likelihood ratio": alone, "classifier loss": loss, "all three": together},
        title="Parameters of Pythia from 20,000 events",
        truth=truth,
    )
    return write_page(output / "fit", page)
