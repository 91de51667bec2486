"""Weights that turn one sample into another, from files or events to a file of weights and a judgement."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulacra.settings import numbers_of, path_of, whole_number
from simulacra.workflows.fit import events_of

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.reweighting.clipping import ClippingPolicy
    from simulacra.reweighting.judgement import Judgement
    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.workflows.fit import Events


@dataclass(frozen=True)
class Reweighted:
    """The result of a reweighting.

    Attributes
    ----------
    reweighter:
        the trained or given reweighter.
    weights:
        the file of the source's weights; None for a continuous reweighter without parameters.
    judgement:
        of the weights; None without a target to judge with.
    warnings:
        texts of warnings.
    drawn_in:
        parameters that were drawn in the target, which then cannot judge the weights at one point.
    """

    reweighter: Reweighter
    weights: Path | None
    judgement: Judgement | None
    warnings: tuple[str, ...]
    drawn_in: tuple[str, ...] = ()


def reweight(
    source: Events,
    target: Events | None,
    output: str | os.PathLike[str],
    *,
    existing: str | os.PathLike[str] | None = None,
    at: Mapping[str, float] | None = None,
    parameters: Sequence[str] = (),
    overrides: Sequence[str] = (),
    clipping: ClippingPolicy | None = None,
    exact: str | None = None,
    allow_missing_support: bool = False,
    max_events: int = 40_000,
    seed: int = 1,
    progress: bool = True,
) -> Reweighted:
    """Train a reweighter (or take one), write weights for the source, and judge them on events not used in training.

    Parameters
    ----------
    source:
        a store or a file of the events that get weights, or the events.
    target:
        the same for the target; may be None with ``existing``, and then nothing is judged.
    output:
        the folder for ``reweighter.safetensors`` and ``weights.parquet``.
    existing:
        use this reweighter (shipped name, file or folder) instead of training one.
    at:
        parameters of the target.
    parameters:
        conditions of the target that the weights depend on continuously.
    overrides:
        settings of the reweighter, such as ``"members=3"``.
    clipping:
        of the largest weights; none if None.
    exact:
        variable of the source with the target's exact weights, for a check.
    allow_missing_support:
        continue even if the target has events where the source has none.
    max_events:
        largest number of events to judge.
    seed:
        of all random numbers.
    progress:
        whether to show progress bars.

    Raises
    ------
    ValueError
        if the samples and the options are not compatible.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, simulacra
    >>> from simulacra.events import make_events, variable
    >>> def sample(mean, seed):
    ...     values = np.random.default_rng(seed).normal(mean, 1, 1500)
    ...     return make_events(
    ...         {"mass": variable(values, units="GeV", long_name="mass", role="feature")},
    ...         simulator="mine", simulator_version="1", seed=seed, settings={}, seconds_per_event=0.0,
    ...     )
    >>> source, target = sample(10, seed=1), sample(10.5, seed=2)
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> done = simulacra.reweight(
    ...     source, target, folder / "weights", overrides=["training.steps=20"], progress=False
    ... )
    >>> done.weights.name
    'weights.parquet'
    """
    from simulacra.reweighting.clipping import MaximumClipping, NoClipping, QuantileClipping
    from simulacra.reweighting.reweighter import Reweighter

    output, theta = path_of(output, "the output"), numbers_of(at or {}, "the parameters of the target")
    seed, max_events = whole_number(seed, "the seed"), whole_number(max_events, "the number of events to judge", 1)
    if clipping is not None and not isinstance(clipping, NoClipping | MaximumClipping | QuantileClipping):
        raise ValueError(f"clipping must be a policy of simulacra.reweighting.clipping, not {clipping!r}")
    if target is None and existing is None:
        raise ValueError("name a target, or a reweighter with --with")
    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    if existing is not None and (parameters or overrides):
        raise ValueError("--parameters and --set are for training: leave them out, or --with")
    if existing is None and (unknown := [name for name in theta if name not in parameters]):
        names = ", ".join(unknown)
        raise ValueError(f"--at names {names}, but --parameters does not: give both, and a target with drawn {names}")
    source_events = events_of(source)
    target_events = None if target is None else events_of(target)
    if exact is not None and exact not in source_events.data_vars:
        there = sorted(map(str, source_events))
        raise ValueError(f"'{name_of(source)}' holds no '{exact}' for --exact; it holds {there}")
    if existing is not None:
        reweighter = Reweighter.load(existing)
        if reweighter.bounds and not theta:
            box = ", ".join(f"{name} ({low:g} to {high:g})" for name, (low, high) in reweighter.bounds.items())
            raise ValueError(f"the weights of '{existing}' depend on {box}: choose where with --at NAME=VALUE")
    else:
        assert target_events is not None
        reweighter = _train(
            source_events,
            target_events,
            output,
            parameters,
            overrides,
            seed=seed,
            allow=allow_missing_support,
            progress=progress,
        )
    said = (*reweighter.description.get("warnings", ()), *reweighter.outside_box(theta))
    if reweighter.bounds and not theta:
        return Reweighted(reweighter, None, None, said)
    policy = clipping or NoClipping()
    names_of_both = (name_of(source), "" if target is None else name_of(target))
    weights = _write(reweighter, source_events, names_of_both, theta, policy, output, show=progress)
    if target_events is None:
        return Reweighted(reweighter, weights, None, said)
    if drawn := tuple(name for name in theta if name in target_events.data_vars):
        return Reweighted(reweighter, weights, None, said, drawn)
    first, second = (Path(name).stem for name in names_of_both)
    judgement = _judge(
        reweighter,
        source_events,
        target_events,
        (first, second),
        theta,
        policy,
        exact=exact,
        most=max_events,
        seed=seed,
        show=progress,
    )
    return Reweighted(reweighter, weights, judgement, said)


def name_of(given: Events) -> str:
    """Return the path of events, or their source, or their simulator."""
    if isinstance(given, str | os.PathLike):
        return str(given)
    return str(given.encoding.get("source", given.attrs.get("simulator", "events")))


def _train(
    source: xr.Dataset,
    target: xr.Dataset,
    output: Path,
    parameters: Sequence[str],
    overrides: Sequence[str],
    *,
    seed: int,
    allow: bool,
    progress: bool,
) -> Reweighter:
    from simulacra.reweighting.fitting import fit_reweighter
    from simulacra.reweighting.settings import ReweighterSettings, settings_for
    from simulacra.training.settings import check, override

    # Single settings are over those that fit this kind of events; those of another network are its own.
    data: dict[str, Any] = settings_for(source, parameters).model_dump(mode="json")
    if any(text.startswith("network.kind") for text in overrides):
        data["network"] = {}
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
