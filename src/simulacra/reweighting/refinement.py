r"""Refinement of a generator by weights (DCTRGAN, Diefenbacher et al., arXiv:2009.03796).

A classifier f learns to separate true and generated events at the same conditions. A generated event gets the weight
f/(1-f), which is p_truth(x|c) / p_generated(x|c) because both samples have the same distribution of the conditions c.
Classifier and weights belong to one generator, identified by the hash of its weights.

The weights are clipped at a stated maximum: larger weights than those of the generated events in the calibration are
extrapolations of the classifier, and single events would dominate the sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import part_of
from simulacra.judges.unpacking import check_comparable
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.kinds.find import views_of
from simulacra.reweighting.prior_weights import checked_weights
from simulacra.reweighting.refiner import CARRIED, DETAILS, Refinable, Refiner
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.settings import ReweighterSettings
from simulacra.training.settings import TrainingSettings

#: share of the generated events with weights below the maximum
BELOW_MAXIMUM: Final = 0.999
PARTS: Final = ("train", "validation", "test")


def refiner_settings(
    sees: str | None, events: xr.Dataset, conditions: Sequence[str], **changes: Any
) -> ReweighterSettings:
    """Return the settings of a refiner.

    Parameters
    ----------
    sees:
        the classifiers' input. Showers: "cells" (with the shapes) or only "shapes"; clouds: "particles" or
        "observables"; arrays: "values" or "observables"; tables: "features". By default everything.
    events:
        of the generator.
    conditions:
        those of the generator.
    changes:
        other settings than these.

    Raises
    ------
    ValueError
        if ``sees`` is not an input for these events.
    """
    views = views_of(events, conditions)
    if sees is not None and sees not in views:
        raise ValueError(f"a refiner of these events sees {' or '.join(map(repr, views))}, not '{sees}'")
    view = views[sees or next(iter(views))]
    training = TrainingSettings(
        steps=4000,
        batch_size=512,
        learning_rate=2e-3,
        betas=(0.9, 0.999),
        final_learning_rate=0.02,
        validate_every=100,
        checkpoint_every=500,
        patience=12,
        accelerator="cpu",
    ).model_copy(update=dict(view.training))
    # For equal samples, an isotonic map is a staircase of noise; the slope of a temperature is then 0.
    defaults: dict[str, Any] = {
        "network": view.network,
        "members": 5,
        "calibration": "temperature",
        "average_decay": 0.995,
    }
    return ReweighterSettings(**(defaults | {"training": training} | changes))


def drawn_beside(generator: Refinable, truth: xr.Dataset, *, times: int, seed: int) -> xr.Dataset:
    """Return ``times`` as many generated events as true ones, at their conditions, for each part of the split.

    Each condition in a part of the truth occurs equally often, within one, among the generated events of that part.

    Raises
    ------
    SampleError
        if the truth lacks a condition that the generator needs, or one of its parts is empty.
    """
    missing = [name for name in generator.trained_range if name not in truth]
    if missing:
        raise SampleError(f"the truth has no condition {', '.join(missing)}, which '{generator.name}' needs")
    n = times * truth.sizes["event"]
    ours, theirs = part_of(np.arange(n)), part_of(truth["event"].values)
    source = np.empty(n, dtype=np.int64)
    for part in PARTS:
        here, there = np.flatnonzero(ours == part), np.flatnonzero(theirs == part)
        if not len(there):
            raise SampleError(f"the truth has no {part} events ({len(theirs)} in all): give more")
        source[here] = np.resize(there, len(here))
    conditions: dict[str, Any] = {name: truth[name].values[source] for name in generator.trained_range}
    with warnings.catch_warnings():
        # The truth's conditions may reach a little beyond the trained ones.
        warnings.simplefilter("ignore", UserWarning)
        return generator.sample(n, seed=seed, exact=True, **conditions)


def fit_refiner(
    generator: Refinable,
    truth: xr.Dataset,
    run: Path,
    *,
    sees: str | None = None,
    settings: ReweighterSettings | None = None,
    generated: xr.Dataset | None = None,
    times: int = 4,
    seed: int = 1,
    allow_missing_support: bool = False,
    progress: bool = True,
) -> Refiner:
    """Train the classifiers, calibrate them, fix the largest weight and the normalisation, and save the refiner.

    The training part of the split is used for training, the validation part for calibration; the test part is not used.

    Parameters
    ----------
    generator:
        the generator to refine.
    truth:
        true events, all parts of the split.
    run:
        folder for the trainings and ``reweighter.safetensors``; a killed training continues there.
    sees:
        the classifiers' input (see :func:`refiner_settings`).
    settings:
        settings that differ from the defaults.
    generated:
        events of the generator at the truth's conditions, from :func:`drawn_beside`; drawn if None.
    times:
        number of generated events per true one.
    seed:
        of the generated events, the initial weights and the batches; not a seed that the generator was judged with.
    allow_missing_support:
        warn, instead of raising SupportError, if the truth has events where the generator has none.

    Raises
    ------
    SampleError, WeightError, simulacra.events.EventsError, simulacra.judges.samples.JudgeError
        if samples are empty or of another kind or detector, or values make no sense.
    SupportError
        if the generator lacks events that the truth has.
    """
    if generated is None:
        generated = drawn_beside(generator, truth, times=times, seed=seed)
    conditions = list(generator.trained_range)
    notes = check_comparable(without_foreign(truth, generated), generated)
    truth, generated = of_both(generator, truth, generated)
    reweighter = fit_reweighter(
        generated,
        truth,
        settings or refiner_settings(sees, generated, conditions),
        run,
        name=f"{generator.name}-refined",
        seed=seed,
        allow_missing_support=allow_missing_support,
        progress=progress,
    )
    held_out = reweighter.embed(generated, part="validation", label="the generated events")
    ratio = reweighter.weights_of(held_out, normalise=False)
    maximum = float(np.quantile(ratio, BELOW_MAXIMUM))
    clipped = np.minimum(ratio, maximum)
    checked_weights(clipped, len(clipped), "refined events")
    views = list(views_of(generated, conditions))
    made = [name for name in map(str, generated.data_vars) if name not in conditions]
    seen = views[0] if set(made) & set(reweighter.member(0).network.variables) else views[-1]
    reweighter.description["warnings"] = [*notes, *reweighter.description.get("warnings", ())]
    reweighter.description[DETAILS] = {
        "generator": generator.name,
        "weights_sha256": generator.weights_sha256,
        "seed": seed,
        "largest_ratio": maximum,
        "normalisation": float(clipped.mean()),
        "clipped_share": float(1.0 - clipped.sum() / ratio.sum()),
        **{name: str(truth.attrs[name]) for name in CARRIED if name in truth.attrs},
        "variables": [str(name) for name in generated.data_vars],
        "sees": seen,
        "condition_ranges": {
            name: [float(truth[name].min()), float(truth[name].max())] for name in generator.trained_range
        },
    }
    path = run / "reweighter.safetensors"
    reweighter.save(path)
    return Refiner(reweighter, path)


def without_foreign(truth: xr.Dataset, generated: xr.Dataset) -> xr.Dataset:
    """Return the truth with only the generator's variables, conditions and weights."""
    kept = ("condition", "weight")
    foreign = [n for n, array in truth.data_vars.items() if array.attrs.get("role") not in kept and n not in generated]
    return truth.drop_vars(foreign)


def of_both(generator: Refinable, truth: xr.Dataset, generated: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return both samples with only the generator's output and conditions, and the truth's weights.

    Raises
    ------
    SampleError
        if the truth has none of the generator's output variables.
    """
    own = [name for name in map(str, truth.data_vars) if truth[name].attrs.get("role") == "weight"]
    conditions = list(generator.trained_range)
    made = [name for name in map(str, generated.data_vars) if name not in conditions and name in truth]
    made = [name for name in made if generated[name].attrs.get("role") != "weight"]
    if not made:
        raise SampleError(
            f"the truth holds {sorted(map(str, truth.data_vars))}, and '{generator.name}' makes "
            f"{sorted(map(str, generated.data_vars))}: give it events of the kind that it makes"
        )
    return truth[[*made, *conditions, *own]], generated[[*made, *conditions]]
