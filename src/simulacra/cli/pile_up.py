"""``simulacra pile-up``: events of several generated collisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pile_up(
    source: Annotated[
        str, typer.Argument(help="Generator of collisions (a shipped name or a run folder), or a library (a store).")
    ],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    n_events: Annotated[int, typer.Option("-n", "--n-events", min=1, help="Number of events.")],
    mean: Annotated[float, typer.Option(help="Mean number of collisions in an event.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same events.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Make pile-up: events of N collisions each, N of the Poisson distribution of the given mean.

    The collisions are generated on the fly, or drawn from a library with replacement.
    """
    from simulacra.store import write_events
    from simulacra.workflows.pile_up import pile_up as make

    events = make(source, mean, n_events, seed=seed)
    write_events(events, output, overwrite=overwrite)
    typer.echo(f"{n_events:,} events of {mean:g} collisions on average in {output}")
