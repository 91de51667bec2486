"""``simulacra reweight``: weights that turn one sample into another, and a page that judges them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulacra.reweighting.clipping import ClippingPolicy


def reweight(
    source: Annotated[Path, typer.Argument(help="Store or file of the events that get weights.")],
    target: Annotated[
        Path | None,
        typer.Argument(
            help="Store or file that the source should look like. With --with it may be left out; no page is written "
            "then."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for reweighter, weights.parquet and the page.")
    ] = Path("reweighting"),
    existing: Annotated[
        str | None,
        typer.Option("--with", help="Use this reweighter (shipped name, file or folder) instead of training one."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="NAME=VALUE", help="Parameter of the target, such as alphaS=0.16. Repeatable."),
    ] = None,
    parameters: Annotated[
        str,
        typer.Option("--parameters", help="Conditions of the target that the weights depend on continuously: a,b,c."),
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Setting of the reweighter, such as members=3. Repeatable."),
    ] = None,
    clip: Annotated[
        str, typer.Option("--clip", help="Largest weight: none, maximum:VALUE or quantile:SHARE.")
    ] = "none",
    exact: Annotated[
        str | None,
        typer.Option("--exact", help="Variable of the source with the target's exact weights, for a check."),
    ] = None,
    allow_missing_support: Annotated[
        bool,
        typer.Option(
            "--allow-missing-support", help="Continue even if the target has events where the source has none."
        ),
    ] = False,
    max_events: Annotated[
        int, typer.Option("--max-events", min=500, help="Largest number of events to judge.")
    ] = 40_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train a reweighter (or take one), write weights for the source, and judge them on events not used in training."""
    from simulacra.cli.options import names_in, parse_parameters
    from simulacra.pages import write_page
    from simulacra.workflows.reweight import reweight as reweight_events

    done = reweight_events(
        source,
        target,
        output,
        existing=existing,
        at=parse_parameters(at or []),
        parameters=names_in(parameters),
        overrides=overrides or (),
        clipping=parse_clipping(clip),
        exact=exact,
        allow_missing_support=allow_missing_support,
        max_events=max_events,
        seed=seed,
        progress=not quiet,
    )
    for warning in done.warnings:
        typer.echo(f"Warning: {warning}")
    if done.weights is None:
        names = ", ".join(done.reweighter.bounds)
        typer.echo(f"Reweighter: {output / 'reweighter.safetensors'}, continuous in {names}")
        typer.echo(f"Weights: give parameters, simulacra reweight {source} --with {output} --at NAME=VALUE")
        return
    typer.echo(f"Weights: {done.weights}")
    if done.drawn_in:
        names, there = ", ".join(done.drawn_in), " ".join(at or [])
        typer.echo(f"No page: {names} was drawn in the target; judge with a target at {there}")
    if done.judgement is None:
        return
    page = done.judgement.page()
    typer.echo(page.headline)
    for closure in done.judgement.closures:
        typer.echo(f"  {'closes' if closure.closes else 'OPEN':<7}{closure.sentence}")
    typer.echo(f"Page: {write_page(output, page)}")


def parse_clipping(text: str) -> ClippingPolicy:
    """Return the clipping policy of ``none``, ``maximum:VALUE`` or ``quantile:SHARE``.

    Raises
    ------
    ValueError
        with the three forms.
    """
    from pydantic import ValidationError

    from simulacra.reweighting.clipping import MaximumClipping, NoClipping, QuantileClipping

    kind, _, value = text.partition(":")
    try:
        if text == "none":
            return NoClipping()
        if kind == "maximum":
            return MaximumClipping(maximum=float(value))
        if kind == "quantile":
            return QuantileClipping(quantile=float(value))
    except (ValueError, ValidationError) as error:
        raise ValueError(f"--clip {text}: {' '.join(str(error).split())}") from None
    raise ValueError(f"--clip takes none, maximum:VALUE or quantile:SHARE, not '{text}'")
