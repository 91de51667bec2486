"""``simulacra reweight``: weights that turn one sample into another, and a page that judges them."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.reweighting.clipping import ClippingPolicy
    from simulacra.reweighting.judgement import Judgement
    from simulacra.reweighting.reweighter import Reweighter


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
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the reweighter, such as members=3. Repeatable."),
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
    from simulacra.formats import read
    from simulacra.reweighting.reweighter import Reweighter

    if target is None and existing is None:
        raise ValueError("name a target, or a reweighter with --with")
    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    theta = parse_parameters(at or [])
    policy = parse_clipping(clip)
    continuous_in = [name.strip() for name in parameters.split(",") if name.strip()]
    if existing is not None and (continuous_in or overrides):
        raise ValueError("--parameters and --set are for training: leave them out, or --with")
    if existing is None and (unknown := [name for name in theta if name not in continuous_in]):
        names = ", ".join(unknown)
        raise ValueError(
            f"--at names {names}, --parameters does not: give both, and a target that was drawn in {names}"
        )
    source_events = read(source)
    target_events = None if target is None else read(target)
    if exact is not None and exact not in source_events.data_vars:
        raise ValueError(f"'{source}' holds no '{exact}' for --exact; it holds {sorted(map(str, source_events))}")
    if existing is not None:
        reweighter = Reweighter.load(existing)
        if reweighter.bounds and not theta:
            box = ", ".join(f"{name} ({low:g} to {high:g})" for name, (low, high) in reweighter.bounds.items())
            raise ValueError(f"the weights of '{existing}' hang on {box}: choose where with --at NAME=VALUE")
    elif target_events is not None:
        reweighter = _train(
            source_events,
            target_events,
            output,
            continuous_in,
            overrides or [],
            seed=seed,
            allow=allow_missing_support,
            progress=not quiet,
        )
    for warning in (*reweighter.description.get("warnings", ()), *reweighter.outside_box(theta)):
        typer.echo(f"Warning: {warning}")
    if reweighter.bounds and not theta:
        names = ", ".join(reweighter.bounds)
        typer.echo(f"Reweighter: {output / 'reweighter.safetensors'}, continuous in {names}")
        typer.echo(f"Weights: choose where, simulacra reweight {source} --with {output} --at NAME=VALUE")
        return
    stores = (str(source), str(target or ""))
    file = _write(reweighter, source_events, stores, theta, policy, output, show=not quiet)
    typer.echo(f"Weights: {file}")
    if target_events is None:
        return
    if drawn := [name for name in theta if name in target_events.data_vars]:
        there = " ".join(at or [])
        typer.echo(f"No page: the target was drawn in {', '.join(drawn)}; judge with one that stands at {there}")
        return
    judgement = _judge(
        reweighter,
        source_events,
        target_events,
        (source.stem, str(target and target.stem)),
        theta,
        policy,
        exact=exact,
        most=max_events,
        seed=seed,
        show=not quiet,
    )
    from simulacra.pages import write_page

    page = judgement.page()
    typer.echo(page.headline)
    for closure in judgement.closures:
        typer.echo(f"  {'closes' if closure.closes else 'OPEN':<7}{closure.sentence}")
    typer.echo(f"Page: {write_page(output, page)}")


def _train(
    source: xr.Dataset,
    target: xr.Dataset,
    output: Path,
    parameters: list[str],
    overrides: list[str],
    *,
    seed: int,
    allow: bool,
    progress: bool,
) -> Reweighter:
    from simulacra.reweighting.fitting import fit_reweighter
    from simulacra.reweighting.settings import ReweighterSettings
    from simulacra.training.settings import check, override

    # Single settings of the training are over a reweighter's defaults, not over the loop's.
    data: dict[str, Any] = {"training": ReweighterSettings().training.model_dump(mode="json")}
    if parameters:
        data |= {"parameters": parameters, "calibration": "temperature"}
    for text in overrides:
        override(data, text)
    settings = check(ReweighterSettings, data, "--set")
    return fit_reweighter(
        source,
        target,
        settings,
        output,
        name=output.name or "reweighter",
        seed=seed,
        allow_missing_support=allow,
        progress=progress,
    )


def _write(
    reweighter: Reweighter,
    source: xr.Dataset,
    names: tuple[str, str],
    theta: dict[str, float],
    policy: ClippingPolicy,
    output: Path,
    *,
    show: bool,
) -> Path:
    """Write the weights of all source events."""
    from simulacra.reweighting.clipping import clip_weights
    from simulacra.reweighting.reweighter import OutsideBoxWarning
    from simulacra.reweighting.weights_file import WeightsMetadata, WeightsTable, write_weights
    from simulacra.training.checkpoint import versions

    embedded = reweighter.embed(source, label="the source", show=show)
    with warnings.catch_warnings():
        # It was said already.
        warnings.simplefilter("ignore", OutsideBoxWarning)
        weights = reweighter.weights_of(embedded, theta)
        members = reweighter.weights_of_members(embedded, theta)
    clipped = clip_weights(weights, policy, source_weights=embedded.weights)
    table = WeightsTable(
        embedded.index,
        clipped.weights,
        WeightsMetadata(
            source=names[0],
            target=names[1],
            reweighter=reweighter.name,
            reweighter_hash=reweighter.sha256,
            normalisation="the source's own weights times these add up to the source's own weights",
            clipping=clipped.sentence,
            parameters=theta,
            versions=versions(),
        ),
        uncertainty=members.std(axis=0, ddof=1) if len(members) > 1 else None,
    )
    output.mkdir(parents=True, exist_ok=True)
    write_weights(output / "weights.parquet", table)
    return output / "weights.parquet"


def _judge(
    reweighter: Reweighter,
    source: xr.Dataset,
    target: xr.Dataset,
    labels: tuple[str, str],
    theta: dict[str, float],
    policy: ClippingPolicy,
    *,
    exact: str | None,
    most: int,
    seed: int,
    show: bool,
) -> Judgement:
    from simulacra.progress import step_progress
    from simulacra.reweighting.judgement import judge_reweighter
    from simulacra.reweighting.reweighter import OutsideBoxWarning

    with step_progress("judging", show=show) as tell, warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideBoxWarning)
        return judge_reweighter(
            reweighter,
            source,
            target,
            parameters=theta,
            labels=labels,
            most=most,
            clipping=policy,
            exact=exact,
            seed=seed,
            progress=tell,
        )


def parse_parameters(texts: list[str]) -> dict[str, float]:
    """Return parameters from NAME=VALUE texts.

    Raises
    ------
    ValueError
        naming the text that is not of this form.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            separator = ""
        if not separator or not name.strip() or not math.isfinite(number):
            raise ValueError(f"'{text}' is not NAME=VALUE, such as alphaS=0.16")
        if name.strip() in found:
            raise ValueError(f"'{name.strip()}' is given twice")
        found[name.strip()] = number
    return found


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
