"""``simulacra stars``: a table of stars as a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def stars(
    file: Annotated[Path, typer.Argument(help="Table: HDF5 of pandas, FITS, VOTable, ECSV or CSV.")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write.")],
    table: Annotated[str | None, typer.Option(help="Name of the table, if the file holds several.")] = None,
    features: Annotated[
        str | None,
        typer.Option(help="Of parallax, magnitude and colour, a,b,c ('' for none); by default all that are there."),
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Leave out stars with a missing value, in place of an error.")
    ] = False,
    centre: Annotated[
        str | None,
        typer.Option(
            metavar="RA,DEC",
            help="Centre of a window \\[deg], for tables with ra, dec, pmra and pmdec in place of phi1 and phi2.",
        ),
    ] = None,
    angle: Annotated[
        float, typer.Option(help="Position angle of the window's longitude, from north to east \\[deg].")
    ] = 90.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")] = False,
) -> None:
    """Read positions, proper motions and photometry of stars, for a search for streams (find-streams)."""
    from simulacra.cli.options import names_in
    from simulacra.formats import star_table
    from simulacra.store import write_events

    found = star_table.read(
        file,
        table=table,
        features=None if features is None else names_in(features),
        complete=complete,
        centre=None if centre is None else _centre(centre),
        angle=angle,
    )
    write_events(found, output, overwrite=overwrite)
    typer.echo(f"{found.sizes['event']:,} stars with {', '.join(map(str, found.data_vars))} in {output}")


def _centre(text: str) -> tuple[float, float]:
    parts = text.split(",")
    try:
        ra, dec = (float(part) for part in parts)
    except ValueError:
        raise ValueError(f"--centre is RA,DEC in degrees, such as 142.2,27.9, not '{text}'") from None
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise ValueError(f"--centre {text} is no place on the sky: RA is 0 to 360, DEC -90 to 90 degrees")
    return ra, dec
