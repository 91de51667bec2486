"""``simulacra demo``: what it is all about, on real Geant4 showers or on real Pythia collisions, in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(
    what: Annotated[
        Literal["showers", "reweighting"],
        typer.Argument(help="Two generators of showers beside Geant4, or Pythia's events reweighted and fitted."),
    ] = "showers",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the reports and the samples.")] = Path(
        "demo"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Showers in a minute: fewer are judged, so that less is decided.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is drawn.")] = 1,
) -> None:
    """Show the idea in a few minutes: generators of showers judged beside Geant4; or reweight, judge and fit."""
    if what == "reweighting":
        from simulacra.cli.demo_reweighting import demonstrate

        if quick:
            raise ValueError("--quick is of the showers: the demo of reweighting has no shorter form")
        demonstrate(output / "reweighting", seed)
        return
    from simulacra.cli import demo_showers

    demo_showers.demonstrate(output, seed, quick=quick)
