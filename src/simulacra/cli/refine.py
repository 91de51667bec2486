"""``simulacra refine``: weights that refine a generator's events, and a page that judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
        typer.Option("--set", metavar="NAME=VALUE", help="Setting of the classifiers, such as members=3. Repeatable."),
    ] = None,
    allow_missing_support: Annotated[
        bool,
        typer.Option(
            "--allow-missing-support", help="Continue even if the truth has events where the generator has none."
        ),
    ] = False,
    particle: Annotated[
        str | None,
        typer.Option(
            "--particle", help="Incident particle, or origin of jets (g, q, t, w, z), if a file does not name it."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers, also of the events.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train classifiers that give weights to a generator's events, and judge them on events not used in training.

    Then: simulacra generate GENERATOR STORE --refine FOLDER [--unweight].
    """
    from simulacra.formats import read
    from simulacra.pages import write_page
    from simulacra.workflows.refine import refined

    done = refined(
        generator,
        read(truth, particle=particle),
        output,
        sees=sees,
        times=times,
        overrides=overrides or (),
        allow_missing_support=allow_missing_support,
        seed=seed,
        progress=not quiet,
    )
    for warning in done.refiner.reweighter.description["warnings"]:
        typer.echo(f"Warning: {warning}")
    assert done.report is not None
    page = done.report.page()
    typer.echo(page.headline)
    for one in done.report.judgement.second:
        typer.echo(
            f"  AUC {one.before} before, {one.auc:.3f} ± {one.uncertainty:.3f} with weights (truth against truth "
            f"{one.truth_auc:.3f} ± {one.truth_uncertainty:.3f}): {one.name}"
        )
    typer.echo(done.report.cost.sentence)
    typer.echo(f"Refiner: {done.refiner.path}")
    typer.echo(f"Page: {write_page(output, page)}")
