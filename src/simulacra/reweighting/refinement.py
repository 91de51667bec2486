r"""Refinement of a generator of showers by weights (DCTRGAN, Diefenbacher et al., arXiv:2009.03796).

A classifier f learns to tell Geant4's showers from a generator's at the same incident conditions; a generated shower
gets the weight f/(1-f), which is p_truth(x|c) / p_generated(x|c) since both samples have one distribution of the
conditions c. Both classifier and weights belong to one generator, by the hash of its weights.

The weights are cut off at a stated maximum: beyond the last of the generated showers that the calibration has seen, a
weight is an extrapolation of the classifier, and single showers would carry the sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import part_of
from simulacra.judges.samples import check_comparable
from simulacra.observables.showers import shower_shapes
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.prior_weights import checked_weights
from simulacra.reweighting.refiner import DETAILS, Generator, Refiner
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.settings import ReweighterSettings, Sees, ShowersSettings
from simulacra.training.settings import TrainingSettings

#: share of the generated showers whose weights stay below the maximum
BELOW_MAXIMUM: Final = 0.999
PARTS: Final = ("train", "validation", "test")


def refiner_settings(sees: Sees, truth: xr.Dataset, conditions: Sequence[str], **changes: Any) -> ReweighterSettings:
    """Return the settings of a refiner of showers.

    Parameters
    ----------
    sees:
        "shapes": the shower shapes; "cells": each cell's energy beside them.
    truth:
        showers with the attribute ``geometry``: what shapes there are.
    conditions:
        the generator's.
    changes:
        other settings than these.
    """
    shapes = map(str, shower_shapes(truth.isel(event=slice(0, 2)).load()).data_vars)
    if sees not in ("shapes", "cells"):
        raise ValueError(f"a refiner sees 'shapes' or 'cells', not '{sees}'")
    if sees == "cells":
        network = ShowersSettings(
            variables=("shower", *shapes, *conditions), widths=(256,), summary=128, head_widths=(64,), dropout=0.3
        )
    else:
        network = ShowersSettings(variables=(*shapes, *conditions), widths=(64, 64), summary=64)
    training = TrainingSettings(
        steps=4000,
        batch_size=512,
        learning_rate=2e-3 if sees == "shapes" else 1e-3,
        betas=(0.9, 0.999),
        final_learning_rate=0.02,
        validate_every=100,
        checkpoint_every=500,
        patience=12,
        accelerator="cpu",
    )
    # An isotonic map of equal samples is a staircase of noise; a temperature of what was not learned is 0.
    defaults: dict[str, Any] = {"network": network, "members": 5, "calibration": "temperature", "average_decay": 0.995}
    return ReweighterSettings(**(defaults | {"training": training} | changes))


def drawn_beside(generator: Generator, truth: xr.Dataset, *, times: int, seed: int) -> xr.Dataset:
    """Return ``times`` as many generated showers as the truth holds, at its conditions, part by part of the split.

    Each condition of a part's truth comes equally often, but for one, among the generated showers of that part.

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
    generator: Generator,
    truth: xr.Dataset,
    run: Path,
    *,
    sees: Sees = "cells",
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
        of showers, to be refined.
    truth:
        the showers that its own shall look like, all parts of the split.
    run:
        folder for the trainings and ``reweighter.safetensors``; a training that was killed goes on there.
    sees:
        what the classifiers see, "shapes" or "cells" (see :func:`refiner_settings`).
    settings:
        others than these.
    generated:
        showers of the generator at the truth's conditions, from :func:`drawn_beside`; drawn if None.
    times:
        how many generated showers are drawn for each true one.
    seed:
        of the generated showers, the initial weights and the batches; not one that the generator was judged with.
    allow_missing_support:
        go on, with warnings, where the truth has showers and the generator none.

    Raises
    ------
    SampleError, WeightError, simulacra.events.EventsError, simulacra.judges.samples.JudgeError
        if samples are empty or of another kind or detector, or values make no sense.
    SupportError
        if the generator lacks showers that the truth has.
    """
    if "shower" not in truth or "geometry" not in truth.attrs:
        raise SampleError(
            "refinement is for showers, with the variable 'shower' and the attribute 'geometry'; for other events, use "
            "simulacra reweight"
        )
    if generated is None:
        generated = drawn_beside(generator, truth, times=times, seed=seed)
    notes = check_comparable(truth, generated)
    conditions = list(generator.trained_range)
    truth, generated = of_showers(generator, truth, generated)
    reweighter = fit_reweighter(
        generated,
        truth,
        settings or refiner_settings(sees, truth, conditions),
        run,
        name=f"{generator.name}-refined",
        seed=seed,
        allow_missing_support=allow_missing_support,
        progress=progress,
    )
    held_out = reweighter.embed(generated, part="validation", label="the generated showers")
    ratio = reweighter.weights_of(held_out, normalise=False)
    maximum = float(np.quantile(ratio, BELOW_MAXIMUM))
    clipped = np.minimum(ratio, maximum)
    checked_weights(clipped, len(clipped), "refined showers")
    reweighter.description["warnings"] = [*notes, *reweighter.description.get("warnings", ())]
    reweighter.description[DETAILS] = {
        "generator": generator.name,
        "weights_sha256": generator.weights_sha256,
        "seed": seed,
        "largest_ratio": maximum,
        "normalisation": float(clipped.mean()),
        "clipped_share": float(1.0 - clipped.sum() / ratio.sum()),
        "geometry": str(truth.attrs["geometry"]),
        "condition_ranges": {
            name: [float(truth[name].min()), float(truth[name].max())] for name in generator.trained_range
        },
    }
    path = run / "reweighter.safetensors"
    reweighter.save(path)
    return Refiner(reweighter, path)


def of_showers(generator: Generator, truth: xr.Dataset, generated: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return both samples with cells, the generator's conditions and the truth's weights, and nothing else."""
    # What else a file of the truth holds, the generator does not make.
    own = [name for name in map(str, truth.data_vars) if truth[name].attrs.get("role") == "weight"]
    common = ["shower", *generator.trained_range]
    return truth[[*common, *own]], generated[common]
