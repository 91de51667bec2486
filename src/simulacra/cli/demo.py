"""``simulacra demo``: what Simulacra does, on showers, jets, fields or collisions, in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(
    what: Annotated[
        Literal["showers", "jets", "sky", "reweighting"],
        typer.Argument(
            help="Compare two shower generators with Geant4, one of jets with Pythia, one of fields with known fields, "
            "or reweight and fit Pythia events."
        ),
    ] = "showers",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the reports and the samples.")] = Path(
        "demo"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Showers only, in a minute: judge fewer showers, with larger errors.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")] = 1,
) -> None:
    """Show what Simulacra does in a few minutes: judge generators, or reweight, judge and fit."""
    if quick and what != "showers":
        raise ValueError(f"--quick is only for showers: the demo of {what} has no shorter form")
    if what == "reweighting":
        from simulacra.cli.demo_reweighting import demonstrate

        demonstrate(output / "reweighting", seed)
        return
    if what == "jets":
        from simulacra.cli import demo_jets

        demo_jets.demonstrate(output / "jets", seed)
        return
    if what == "sky":
        from simulacra.cli import demo_sky

        demo_sky.demonstrate(output / "sky", seed)
        return
    from simulacra.cli import demo_showers

    demo_showers.demonstrate(output, seed, quick=quick)
