"""``simulacra simulate``: events from a simulator, into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Simulate events into a Zarr store.", no_args_is_help=True)

DRAWN = "a number, uniform:LOW:HIGH or log:LOW:HIGH"


@app.callback()
def _simulators() -> None:
    """Keep ``geant4`` a command of its own, however many simulators there are."""


@app.command()
def geant4(
    out: Annotated[Path, typer.Argument(help="The store to write, such as showers.zarr.")],
    geometry: Annotated[str, typer.Option(help="Name of a shipped geometry (calogan, calochallenge) or a TOML file.")],
    particle: Annotated[str, typer.Option(help="Geant4's name of the particle: gamma, e-, e+, pi+ ...")],
    energy: Annotated[str, typer.Option(help=f"Kinetic energy in GeV: {DRAWN}.")],
    n_events: Annotated[int, typer.Option("-n", "--n-events", min=1, help="Number of showers.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same showers, with any number of workers.")],
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    impact_x: Annotated[str, typer.Option(help=f"x of the impact on the front face in mm: {DRAWN}.")] = "0",
    impact_y: Annotated[str, typer.Option(help=f"y of the impact on the front face in mm: {DRAWN}.")] = "0",
    polar_angle: Annotated[str, typer.Option(help=f"Angle of incidence to the z axis in rad: {DRAWN}.")] = "0",
    azimuthal_angle: Annotated[str, typer.Option(help=f"Angle of incidence from the x axis in rad: {DRAWN}.")] = "0",
    physics: Annotated[str, typer.Option(help="Physics list: auto, FTFP_BERT or electromagnetic.")] = "auto",
    chunk_size: Annotated[int, typer.Option(min=1, help="Showers a chunk; another size gives other showers.")] = 100,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store that is there.")] = False,
) -> None:
    """Simulate showers with Geant4. Run the same command again to go on after a kill."""
    from pydantic import ValidationError

    from simulacra.simulators.geant4 import Geant4Settings, write_showers

    try:
        settings = Geant4Settings.model_validate(
            {
                "geometry": geometry,
                "particle": particle,
                "energy": energy,
                "impact_x": impact_x,
                "impact_y": impact_y,
                "polar_angle": polar_angle,
                "azimuthal_angle": azimuthal_angle,
                "physics_list": physics,
            }
        )
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}".removeprefix(": ")
            for fault in error.errors()
        )
        raise ValueError("; ".join(faults)) from None
    summary = write_showers(
        out,
        settings,
        seed=seed,
        n_events=n_events,
        workers=workers,
        chunk_size=chunk_size,
        overwrite=overwrite,
    )
    resumed = f" ({summary.n_resumed_events:,} were there)" if summary.n_resumed_events else ""
    typer.echo(
        f"{summary.n_events:,} {particle} showers in {summary.path}{resumed}: "
        f"{summary.seconds_per_event:.3g} s of one core a shower, {summary.seconds:.1f} s in all"
    )
