"""``simulacra demo``: what Simulacra does, on Geant4 showers or Pythia collisions, in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(
    what: Annotated[
        Literal["showers", "reweighting"],
        typer.Argument(help="Compare two shower generators with Geant4, or reweight and fit Pythia events."),
    ] = "showers",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the reports and the samples.")] = Path(
        "demo"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Showers only, in a minute: judge fewer showers, with larger errors.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")] = 1,
) -> None:
    """Show what Simulacra does in a few minutes: judge shower generators, or reweight, judge and fit."""
    if what == "reweighting":
        from simulacra.cli.demo_reweighting import demonstrate

        if quick:
            raise ValueError("--quick is only for showers: the demo of reweighting has no shorter form")
        demonstrate(output / "reweighting", seed)
        return
    from simulacra.cli import demo_showers

    demo_showers.demonstrate(output, seed, quick=quick)
