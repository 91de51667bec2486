r"""Refinement of a generator by weights (DCTRGAN, Diefenbacher et al., arXiv:2009.03796).

A classifier f learns to tell true events from a generator's at the same conditions; a generated event gets the weight
f/(1-f), which is p_truth(x|c) / p_generated(x|c) since both samples have one distribution of the conditions c. Both
classifier and weights belong to one generator, by the hash of its weights.

The weights are cut off at a stated maximum: beyond the last of the generated events that the calibration has seen, a
weight is an extrapolation of the classifier, and single events would carry the sample.
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

#: share of the generated events whose weights stay below the maximum
BELOW_MAXIMUM: Final = 0.999
PARTS: Final = ("train", "validation", "test")


def refiner_settings(
    sees: str | None, events: xr.Dataset, conditions: Sequence[str], **changes: Any
) -> ReweighterSettings:
    """Return the settings of a refiner.

    Parameters
    ----------
    sees:
        what the classifiers see: of showers "cells" and with them the shapes, or only the "shapes"; of clouds
        "particles" or "observables"; of arrays "values" or "observables"; of a table "features". All if None.
    events:
        of the generator.
    conditions:
        the generator's.
    changes:
        other settings than these.

    Raises
    ------
    ValueError
        if ``sees`` is nothing of these events.
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
    # An isotonic map of equal samples is a staircase of noise; a temperature of what was not learned is 0.
    defaults: dict[str, Any] = {
        "network": view.network,
        "members": 5,
        "calibration": "temperature",
        "average_decay": 0.995,
    }
    return ReweighterSettings(**(defaults | {"training": training} | changes))


def drawn_beside(generator: Refinable, truth: xr.Dataset, *, times: int, seed: int) -> xr.Dataset:
    """Return ``times`` as many generated events as the truth holds, at its conditions, part by part of the split.

    Each condition of a part's truth comes equally often, but for one, among the generated events of that part.

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
        # The truth's conditions may end a little beyond the trained ones.
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

    The split's training part trains, its validation part calibrates; the test part is not looked at.

    Parameters
    ----------
    generator:
        to be refined.
    truth:
        the events that its own shall look like, all parts of the split.
    run:
        folder for the trainings and ``reweighter.safetensors``; a training that was killed goes on there.
    sees:
        what the classifiers see (see :func:`refiner_settings`).
    settings:
        others than these.
    generated:
        events of the generator at the truth's conditions, from :func:`drawn_beside`; drawn if None.
    times:
        how many generated events are drawn for each true one.
    seed:
        of the generated events, the initial weights and the batches; not one that the generator was judged with.
    allow_missing_support:
        go on, with warnings, where the truth has events and the generator none.

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
    """Return the truth without what the generator does not make, its conditions and weights aside."""
    kept = ("condition", "weight")
    foreign = [n for n, array in truth.data_vars.items() if array.attrs.get("role") not in kept and n not in generated]
    return truth.drop_vars(foreign)


def of_both(generator: Refinable, truth: xr.Dataset, generated: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return both samples with what the generator makes, its conditions and the truth's weights, and nothing else.

    Raises
    ------
    SampleError
        if the truth has nothing of what the generator makes.
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
