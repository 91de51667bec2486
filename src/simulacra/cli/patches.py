"""``simulacra patches``: fields cut into square patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from simulacra.workflows.patches import By


def patches(
    fields: Annotated[Path, typer.Argument(help="Store or file of fields, such as N-body planes.")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    size: Annotated[int, typer.Option(min=4, help="Number of pixels along an axis of a patch.")],
    coarsen: Annotated[int, typer.Option(min=1, help="Pixels along an axis whose mean becomes one, first.")] = 1,
    border: Annotated[int, typer.Option(min=0, help="Pixels to cut off at each edge before that.")] = 0,
    by: Annotated[
        str, typer.Option(help="What is never in two parts of the split: a field, or a place of all fields.")
    ] = "field",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Cut fields into patches that do not overlap, for training on them.

    Patches of one field are never in two parts of the split. Planes of one line of sight share structure: with --by
    place, patches of one place are never in two parts, and places that touch another part are left out.
    """
    from simulacra.formats import read
    from simulacra.store import write_events
    from simulacra.workflows.patches import patches as cut

    found = cut(read(fields).load(), size, coarsen=coarsen, border=border, by=cast("By", by))
    write_events(found, output, overwrite=overwrite)
    typer.echo(f"{found.sizes['event']:,} patches of {size} x {size} pixels in {output}")
