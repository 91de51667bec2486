"""``simulacra refine``: weights that refine a generator's events, and a page that judges them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.reweighting.settings import ReweighterSettings
    from simulacra.trained import TrainedGenerator


def refine(
    generator: Annotated[str, typer.Argument(help="Name of a shipped generator, a run folder or a model file.")],
    truth: Annotated[Path, typer.Argument(help="Store or file of true events, such as those that it was trained on.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for reweighter.safetensors, report.html and report.json.")
    ] = Path("refined"),
    sees: Annotated[
        str | None,
        typer.Option(
            "--sees",
            help="What the classifiers see: cells (with the shower shapes) or shapes of showers, particles or "
            "observables of clouds, values or observables of arrays. The first is the default; choose the second if "
            "the first is too far off.",
        ),
    ] = None,
    times: Annotated[
        int, typer.Option("--times", min=1, help="Generated events per true one, drawn at its conditions.")
    ] = 4,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the classifiers, such as members=3. Repeatable."),
    ] = None,
    allow_missing_support: Annotated[
        bool,
        typer.Option(
            "--allow-missing-support", help="Continue even if the truth has events where the generator has none."
        ),
    ] = False,
    particle: Annotated[
        str | None, typer.Option("--particle", help="Incident particle, if the file does not name it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers, also of the events.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train classifiers that give weights to a generator's events, and judge them on events not used in training.

    Then: simulacra generate GENERATOR STORE --refine FOLDER [--unweight].
    """
    from simulacra.formats import read
    from simulacra.pages import write_page
    from simulacra.progress import step_progress
    from simulacra.reweighting.kinds.find import views_of
    from simulacra.reweighting.refinement import drawn_beside, fit_refiner
    from simulacra.reweighting.refinement_report import judge_refiner
    from simulacra.reweighting.support import SupportError
    from simulacra.trained import load_generator

    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    trained = load_generator(generator)
    events = read(truth, particle=particle)
    generated = drawn_beside(trained, events, times=times, seed=seed)
    settings = _settings(trained, generated, sees, overrides or [])
    try:
        refiner = fit_refiner(
            trained,
            events,
            output,
            settings=settings,
            generated=generated,
            seed=seed,
            allow_missing_support=allow_missing_support,
            progress=not quiet,
        )
    except SupportError as error:
        remedy = "" if allow_missing_support else "; here --allow-missing-support"
        *_, least = views_of(generated, list(trained.trained_range))
        other = "" if sees == least else f", or --sees {least} to mend the {least} alone"
        raise ValueError(f"{error}{remedy}{other}") from error
    for warning in refiner.reweighter.description["warnings"]:
        typer.echo(f"Warning: {warning}")
    with step_progress("judging", show=not quiet) as tell:
        report = judge_refiner(trained, refiner, events, generated, seed=seed, progress=tell)
    page = report.page()
    typer.echo(page.headline)
    for one in report.judgement.second:
        typer.echo(
            f"  AUC {one.before} before, {one.auc:.3f} ± {one.uncertainty:.3f} with weights (truth against truth "
            f"{one.truth_auc:.3f} ± {one.truth_uncertainty:.3f}): {one.name}"
        )
    typer.echo(report.cost.sentence)
    typer.echo(f"Refiner: {refiner.path}")
    typer.echo(f"Page: {write_page(output, page)}")


def _settings(
    trained: TrainedGenerator, generated: xr.Dataset, sees: str | None, overrides: list[str]
) -> ReweighterSettings:
    from simulacra.reweighting.refinement import refiner_settings
    from simulacra.reweighting.settings import ReweighterSettings
    from simulacra.training.settings import check, override

    data: dict[str, Any] = refiner_settings(sees, generated, list(trained.trained_range)).model_dump(mode="json")
    for text in overrides:
        override(data, text)
    return check(ReweighterSettings, data, "--set")
