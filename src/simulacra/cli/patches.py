"""``simulacra patches``: fields cut into square patches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def patches(
    fields: Annotated[Path, typer.Argument(help="Store or file of fields, such as N-body planes.")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    size: Annotated[int, typer.Option(min=4, help="Number of pixels along an axis of a patch.")],
    coarsen: Annotated[int, typer.Option(min=1, help="Pixels along an axis whose mean becomes one, first.")] = 1,
    border: Annotated[int, typer.Option(min=0, help="Pixels to cut off at each edge before that.")] = 0,
    together: Annotated[
        int, typer.Option(min=1, help="Successive fields whose patches are in the same part of the split.")
    ] = 1,
    left_out: Annotated[
        int, typer.Option("--left-out", min=0, help="Last fields of each such group to leave out.")
    ] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Cut fields into patches that do not overlap, for training on them.

    Patches of one field are never in two parts of the split.
    """
    from simulacra.formats import read
    from simulacra.store import write_events
    from simulacra.workflows.patches import patches as cut

    found = cut(read(fields).load(), size, coarsen=coarsen, border=border, together=together, left_out=left_out)
    write_events(found, output, overwrite=overwrite)
    typer.echo(f"{found.sizes['event']:,} patches of {size} x {size} pixels in {output}")
