"""``simulacra sky-patches``: a map of the whole sky cut into square patches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sky_patches(
    sky: Annotated[Path, typer.Argument(metavar="MAP", help="FITS file of a HEALPix map of the whole sky.")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    size: Annotated[int, typer.Option(min=4, help="Number of pixels along an axis of a patch.")] = 32,
    pixel: Annotated[float, typer.Option(help="Width of a pixel \\[deg].")] = 0.25,
    centres: Annotated[int, typer.Option(min=1, help="Patches are centred on the pixels of this NSIDE.")] = 32,
    regions: Annotated[int, typer.Option(min=1, help="NSIDE of the regions, each in one part of the split.")] = 2,
    margin: Annotated[float, typer.Option(help="Least distance of patches of different parts \\[deg].")] = 1.0,
    min_latitude: Annotated[
        float, typer.Option(help="Least Galactic latitude of a pixel, either side \\[deg].")
    ] = 10.0,
    column: Annotated[str | None, typer.Option(help="Column of a table; its first one if not given.")] = None,
    frame: Annotated[
        str | None, typer.Option(help="Frame of the map, if its header does not say: galactic, icrs or ecliptic.")
    ] = None,
    order: Annotated[str | None, typer.Option(help="Order of the pixels, if not said: ring or nested.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Cut a map of the whole sky into square patches of its logarithm, for training on them.

    Patches overlap. The split into training, validation and test part goes by regions of the sky, and no two patches of
    different parts are nearer than the margin.
    """
    from simulacra.store import write_events
    from simulacra.workflows.sky_patches import sky_patches as cut

    found = cut(
        sky,
        size,
        pixel=pixel,
        centres=centres,
        regions=regions,
        margin=margin,
        min_latitude=min_latitude,
        column=column,
        frame=frame,
        order=order,
    )
    write_events(found, output, overwrite=overwrite)
    typer.echo(f"{found.sizes['event']:,} patches of {size} x {size} pixels in {output}")
