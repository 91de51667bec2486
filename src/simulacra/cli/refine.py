"""``simulacra refine``: weights that refine a generator's showers, and a page that judges them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.reweighting.settings import ReweighterSettings
    from simulacra.trained import TrainedGenerator


def refine(
    generator: Annotated[str, typer.Argument(help="Name of a shipped generator, a run folder or a model file.")],
    truth: Annotated[Path, typer.Argument(help="Store or file of true showers, such as those that it was trained on.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for reweighter.safetensors, report.html and report.json.")
    ] = Path("refined"),
    sees: Annotated[
        Literal["cells", "shapes"],
        typer.Option(
            "--sees",
            help="What the classifiers see: each cell and the shower shapes, or only the shapes. Choose shapes if the "
            "cells are too far off.",
        ),
    ] = "cells",
    times: Annotated[
        int, typer.Option("--times", min=1, help="Generated showers per true one, drawn at its conditions.")
    ] = 4,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the classifiers, such as members=3. Repeatable."),
    ] = None,
    allow_missing_support: Annotated[
        bool,
        typer.Option(
            "--allow-missing-support", help="Continue even if the truth has showers where the generator has none."
        ),
    ] = False,
    particle: Annotated[
        str | None, typer.Option("--particle", help="Incident particle, if the file does not name it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers, also of the showers.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train classifiers that give weights to a generator's showers, and judge them on showers not used in training.

    Then: simulacra generate GENERATOR STORE --refine FOLDER [--unweight].
    """
    from simulacra.formats import read
    from simulacra.pages import write_page
    from simulacra.progress import step_progress
    from simulacra.reweighting.refinement import drawn_beside, fit_refiner
    from simulacra.reweighting.refinement_report import judge_refiner
    from simulacra.reweighting.support import SupportError
    from simulacra.trained import load_generator

    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    trained = load_generator(generator)
    showers = read(truth, particle=particle)
    settings = _settings(trained, showers, sees, overrides or [])
    generated = drawn_beside(trained, showers, times=times, seed=seed)
    try:
        refiner = fit_refiner(
            trained,
            showers,
            output,
            settings=settings,
            generated=generated,
            seed=seed,
            allow_missing_support=allow_missing_support,
            progress=not quiet,
        )
    except SupportError as error:
        remedy = "" if allow_missing_support else "; here --allow-missing-support"
        other = ", or --sees shapes to mend the shower shapes alone" if sees == "cells" else ""
        raise ValueError(f"{error}{remedy}{other}") from error
    for warning in refiner.reweighter.description["warnings"]:
        typer.echo(f"Warning: {warning}")
    with step_progress("judging", show=not quiet) as tell:
        report = judge_refiner(trained, refiner, showers, generated, seed=seed, progress=tell)
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
    trained: TrainedGenerator, showers: xr.Dataset, sees: Literal["cells", "shapes"], overrides: list[str]
) -> ReweighterSettings:
    from simulacra.reweighting.refinement import refiner_settings
    from simulacra.reweighting.settings import ReweighterSettings
    from simulacra.training.settings import check, override

    data: dict[str, Any] = refiner_settings(sees, showers, list(trained.trained_range)).model_dump(mode="json")
    for text in overrides:
        override(data, text)
    return check(ReweighterSettings, data, "--set")
