"""Calibrate a reweighter over its box: one map per objective, from a sample drawn over the box and a reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import Part
from simulacra.fits.embedded import embedded
from simulacra.fits.from_events import embed_events, refuse_drawn
from simulacra.fits.map_fitting import Drawn, fit_parameter_map
from simulacra.fits.objective import Method
from simulacra.reweighting.represented import require_drawn, settings_of
from simulacra.reweighting.reweighter import Reweighter
from simulacra.reweighting.unseen import unseen_part

METHODS: Final[tuple[Method, ...]] = ("likelihood_ratio", "classifier_loss")

Progress = Callable[[str, float], None]


def calibrate_over_box(
    reweighter: Reweighter,
    drawn: xr.Dataset,
    reference: xr.Dataset,
    *,
    part: Part | None = None,
    most: int | None = None,
    progress: Progress | None = None,
) -> Reweighter:
    """Return the reweighter with a calibration of each objective over its box.

    Parameters
    ----------
    reweighter:
        continuous in parameters.
    drawn:
        events with parameters drawn over the box.
    reference:
        events at the source's parameters.
    part:
        part of both samples to use; by default all events of a sample that no member was trained on, else its test
        part.
    most:
        largest number of events of each sample.
    progress:
        called with a sentence and the completed share.

    Raises
    ------
    ValueError
        if the reweighter has no parameters, the reference has drawn parameters, or a sample cannot be embedded.
    FitError
        if there are too few events, or the networks are too far from the true ratio.
    """
    names = tuple(reweighter.bounds)
    members = reweighter.ratios()
    require_drawn(drawn, names, "the sample drawn over the box")
    refuse_drawn(reweighter, reference)
    parts = [part or unseen_part(reweighter, events)[0] for events in (drawn, reference)]
    over_box = reweighter.embed(drawn, part=parts[0], most=most, with_theta=True, label="the sample over the box")
    at_source = embed_events(reweighter, reference, part=parts[1], most=most, label="reference")
    sample = Drawn(embedded(over_box.summaries, over_box.weights, label="drawn"), over_box.theta.astype(np.float64))
    made_from: dict[str, Any] = {
        "drawn": settings_of(drawn) | {"part": parts[0]},
        "reference": settings_of(reference) | {"part": parts[1]},
    }
    found: dict[str, Any] = {
        method: fit_parameter_map(
            members, sample, at_source, method=method, made_from=made_from, progress=progress
        ).to_json()
        for method in METHODS
    }
    return reweighter.with_fit_calibration(found)
