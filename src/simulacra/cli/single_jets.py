"""``simulacra single-jets``: each jet of events of several jets as an event of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def single_jets(
    events: Annotated[Path, typer.Argument(help="Store of events of several jets (simulate pythia).")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    fewest: Annotated[int, typer.Option(min=1, help="Use events with at least this many jets.")] = 1,
    most: Annotated[int | None, typer.Option(min=1, help="Use events with at most this many jets.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Write each jet of a region as an event: its mass, given its transverse momentum and pseudorapidity.

    A template of the jet mass learns from such events.
    """
    from simulacra.formats import read
    from simulacra.observables.multi_jets import single_jets as jets_of
    from simulacra.store import write_events

    jets = jets_of(read(events), fewest, most)
    write_events(jets, output, overwrite=overwrite)
    typer.echo(f"{jets.sizes['event']:,} jets in {output}")
