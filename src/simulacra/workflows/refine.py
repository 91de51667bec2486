"""Weights that refine a generator's events, trained and judged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulacra.settings import path_of, whole_number
from simulacra.workflows.fit import events_of
from simulacra.workflows.parameters import with_parameters_of

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.reweighting.refinement_report import RefinementReport
    from simulacra.reweighting.refiner import Refiner
    from simulacra.reweighting.settings import ReweighterSettings
    from simulacra.trained import TrainedGenerator
    from simulacra.workflows.fit import Events


@dataclass(frozen=True)
class Refined:
    """A refiner and the judgement on its weighted events."""

    refiner: Refiner
    report: RefinementReport | None


def refined(
    generator: str | os.PathLike[str],
    truth: Events,
    output: str | os.PathLike[str],
    *,
    sees: str | None = None,
    times: int = 4,
    overrides: Sequence[str] = (),
    allow_missing_support: bool = False,
    judged: bool = True,
    seed: int = 1,
    progress: bool = True,
) -> Refined:
    """Train a refiner like :func:`refine`, and judge the weighted events on events not used in training."""
    from simulacra.progress import step_progress
    from simulacra.reweighting.kinds.find import views_of
    from simulacra.reweighting.refinement import drawn_beside, fit_refiner
    from simulacra.reweighting.refinement_report import judge_refiner
    from simulacra.reweighting.support import SupportError
    from simulacra.trained import load_generator

    output, times = path_of(output, "the output"), whole_number(times, "the number of generated events per true one", 1)
    if output.exists() and not output.is_dir():
        raise ValueError(f"'{output}' is a file; -o names a folder")
    trained, events = load_generator(generator), events_of(truth)
    generated = drawn_beside(trained, events, times=times, seed=seed)
    settings = _settings(trained, generated, sees, overrides)
    try:
        refiner = fit_refiner(
            trained,
            events,
            output,
            settings=settings,
            generated=generated,
            seed=seed,
            allow_missing_support=allow_missing_support,
            progress=progress,
        )
    except SupportError as error:
        *_, least = views_of(generated, list(trained.trained_range))
        remedy = "" if allow_missing_support else "; here --allow-missing-support"
        other = "" if sees == least else f", or --sees {least} to correct only the {least}"
        raise type(error)(f"{error}{remedy}{other}") from error
    if not judged:
        return Refined(refiner, None)
    with step_progress("judging", show=progress) as tell:
        return Refined(refiner, judge_refiner(trained, refiner, events, generated, seed=seed, progress=tell))


@with_parameters_of(refined)
def refine(*given: Any, **options: Any) -> Refiner:
    """Train classifiers that give weights to a generator's events, into a folder.

    ``simulacra.load(generator).refined_by(output)`` then draws events with these weights.

    Parameters
    ----------
    generator:
        name of a shipped generator, a run folder or a model file.
    truth:
        a store or a file of true events, such as those that it was trained on, or the events.
    output:
        the folder for the refiner.
    sees:
        what the classifiers see: "cells" or "shapes" of showers; "particles" or "observables" of clouds; "values" or
        "observables" of arrays. By default the first of each pair.
    times:
        generated events per true one, at its conditions.
    overrides:
        settings of the classifiers, such as ``"members=3"``.
    allow_missing_support:
        continue even if the truth has events where the generator has none.
    judged:
        whether to judge.
    seed:
        of all random numbers, also of the generated events.
    progress:
        whether to show progress bars.

    Raises
    ------
    simulacra.reweighting.support.SupportError
        if the truth has events where the generator has none.
    ValueError
        if the truth lacks conditions of the generator.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> truth = simulacra.reference.load("calogan-eplus").isel(event=slice(0, 2500))
    >>> refiner = simulacra.refine(
    ...     "calogan-eplus", truth, folder / "refined", sees="shapes", times=1,
    ...     overrides=["training.steps=20"], allow_missing_support=True, judged=False, progress=False,
    ... )
    >>> events = simulacra.load("calogan-eplus").refined_by(folder / "refined").sample(10, incident_energy=50.0, seed=1)
    >>> "weight" in events
    True
    """
    return refined(*given, **options).refiner


def _settings(
    trained: TrainedGenerator, generated: xr.Dataset, sees: str | None, overrides: Sequence[str]
) -> ReweighterSettings:
    from simulacra.reweighting.refinement import refiner_settings
    from simulacra.reweighting.settings import ReweighterSettings
    from simulacra.training.settings import check, override

    data: dict[str, Any] = refiner_settings(sees, generated, list(trained.trained_range)).model_dump(mode="json")
    for text in overrides:
        override(data, text)
    return check(ReweighterSettings, data, "--set")
