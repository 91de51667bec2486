"""``simulacra find-streams``: a search for streams in a field of stars."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

Method = Literal["flows", "cwola", "cathode"]


def find_streams(
    stars: Annotated[Path, typer.Argument(help="Store or file of stars (simulacra stars writes one).")],
    method: Annotated[
        Method,
        typer.Option(
            help="Two flows (Via Machinae), a classifier against the side bands (CWoLa, the fastest), or one against "
            "stars drawn from a flow of the side bands (CATHODE)."
        ),
    ] = "flows",
    retrainings: Annotated[int, typer.Option(min=1, help="Models of each fold; most must select a candidate.")] = 3,
    searched: Annotated[
        str, typer.Option(help="Proper motions to scan, a,b.")
    ] = "proper_motion_phi1,proper_motion_phi2",
    width: Annotated[float, typer.Option(help="Width of signal regions \\[mas/yr].")] = 2.0,
    step: Annotated[float, typer.Option(help="From one signal region to the next \\[mas/yr].")] = 1.0,
    side: Annotated[float, typer.Option(help="Width of each side band \\[mas/yr].")] = 4.0,
    half_width: Annotated[float, typer.Option(help="Half of the width of a line \\[deg].")] = 0.3,
    features: Annotated[
        str, typer.Option(help="Inputs, a,b,c; by default the other proper motion, and colour and magnitude.")
    ] = "",
    cut: Annotated[
        list[str] | None,
        typer.Option("--cut", metavar="NAME=LOW:HIGH", help="Fiducial cut on the stars, applied after training."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, networks and permutations.")] = 0,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder for report.html, report.json and, of a stream, candidates.zarr."),
    ] = Path("streams"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Search stars for a stream: scan proper motions, and state the chance of the best line in any of them.

    The result of each signal region is kept in the output folder: a killed search continues.
    """
    from simulacra.cli.options import names_in
    from simulacra.formats import read
    from simulacra.pages import write_page
    from simulacra.searches.page import search_page
    from simulacra.store import write_events
    from simulacra.workflows.find_streams import candidates_of
    from simulacra.workflows.find_streams import find_streams as find

    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    field = read(stars).load()
    settings = {"ratio": {"method": method, "retrainings": retrainings}, "half_width": half_width}
    found = find(
        field,
        settings=settings,
        searched=names_in(searched),
        width=width,
        step=step,
        side=side,
        features=names_in(features) or None,
        cuts=dict(map(_cut, cut or [])),
        seed=seed,
        folder=output,
        progress=not quiet,
    )
    if found.found:
        write_events(candidates_of(field, found), output / "candidates.zarr", overwrite=True)
    else:
        # Those of an earlier search, with other stars or settings.
        shutil.rmtree(output / "candidates.zarr", ignore_errors=True)
    provenance = [("stars", str(stars)), ("method", method), ("seed", str(seed))]
    path = write_page(output, search_page(field, found, title=f"Streams in {stars.name}", provenance=provenance))
    best = found.best
    typer.echo(
        f"{'Found a stream' if found.found else 'No stream'}: p = {found.p_value:.2g} in {len(found.results)} regions."
    )
    if best.line is not None:
        typer.echo(
            f"Best: {best.region}, {best.line.stars} stars in a line where {best.line.expected:.1f} are expected; "
            f"{len(found.agreeing)} regions agree; {len(found.candidates)} candidates"
            f"{'' if found.found else ', which chance explains: they are not written'}."
        )
    for doubt in found.doubts:
        typer.echo(f"Warning: {doubt}")
    typer.echo(f"Page: {path}")


def _cut(text: str) -> tuple[str, tuple[float, float]]:
    """Return the name and the ends of a cut, of which one may be left out."""
    name, _, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    refusal = f"--cut is NAME=LOW:HIGH, such as magnitude=:20.2, not '{text}'"
    if not (name and colon and (low or high)):
        raise ValueError(refusal)
    try:
        return name, (float(low) if low else -float("inf"), float(high) if high else float("inf"))
    except ValueError:
        raise ValueError(refusal) from None
