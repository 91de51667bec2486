"""``simulacra train``: train the model of an experiment file into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    experiment: Annotated[
        Path, typer.Argument(help="TOML file that describes the model, such as experiments/calogan-eplus.toml.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Run folder; runs/NAME if not given. An unfinished run in it continues."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting, such as training.steps=100. Repeatable.", metavar="NAME=VALUE"),
    ] = None,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            "--hold-out",
            help="Leave events in this band, such as energy:30:50, out of training and validation. Repeatable.",
            metavar="CONDITION:LOW:HIGH",
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            "--members", min=2, help="Train an ensemble of this many members with different seeds, in one folder."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train a generator, a reweighter or a score.

    If it was killed, run the same command again to continue where it stopped, bit for bit on a CPU.
    """
    from simulacra.workflows.train import trained

    for line in trained(experiment, output, overrides or (), hold_out or (), members, progress=not quiet):
        typer.echo(line)
