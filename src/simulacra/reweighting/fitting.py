"""From two samples to a reweighter: test the support, train the members, calibrate, test the support again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from simulacra.conditions import Distribution
from simulacra.event_weights import weight_names, weights_of
from simulacra.events import validate
from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.calibration import CalibrationMap, fit_isotonic, fit_temperature
from simulacra.reweighting.classification import ClassificationTrainee
from simulacra.reweighting.members import train_members
from simulacra.reweighting.represented import (
    Represented,
    SampleError,
    blocks_of,
    imbalance_warning,
    join_inputs,
    refuse_too_few,
    represent,
    require_drawn,
    settings_of,
    tensors_of,
)
from simulacra.reweighting.reweighter import Embedded, Reweighter, build
from simulacra.reweighting.settings import ReweighterSettings
from simulacra.reweighting.support import find_empty_regions, require_support
from simulacra.simulators.pythia_settings import SHORT_NAMES
from simulacra.units import alike, in_convention, scale_warnings

#: number of events for fitting a representation, and for testing the support
REPRESENTATION_EVENTS: Final = 20_000
SUPPORT_EVENTS: Final = 10_000
CALIBRATION_SEED: Final = 11
#: default values of Pythia's parameters by their short names, from its documentation (8.317)
PYTHIA_DEFAULTS: Final = {"alphaS": 0.1365, "aLund": 0.68, "bLund": 0.98, "probStoUD": 0.217, "sigmaPT": 0.335}


def fit_reweighter(
    source: xr.Dataset,
    target: xr.Dataset,
    settings: ReweighterSettings,
    run: Path,
    *,
    name: str = "reweighter",
    seed: int = 1,
    allow_missing_support: bool = False,
    progress: bool = True,
) -> Reweighter:
    """Train classifiers that separate target and source, and return the reweighter; a killed run continues.

    The training part of the split is used for training, the validation part for choosing the checkpoint and for
    calibration; the test part is not used.

    Parameters
    ----------
    source, target:
        events of the same kind, with their own weights, if any, as ``weight``. If there are ``settings.parameters``,
        these vary in the target.
    run:
        folder for the members' runs and ``reweighter.safetensors``.
    seed:
        of initial weights and batches.
    allow_missing_support:
        warn, instead of raising SupportError, if the target has events where the source has none.

    Raises
    ------
    SampleError, WeightError, simulacra.events.EventsError
        if a sample is empty, or its weights or values make no sense.
    SupportError
        if the source lacks events that the target has.
    simulacra.training.checkpoint.CheckpointError
        if the folder belongs to other settings or events.
    """
    source = in_convention(source, "the source")
    target = alike(source, in_convention(target, "the target"), "the target")
    for label, events in (("the source", source), ("the target", target)):
        refuse_too_few(events, label)
    seen, other = (settings.network.describe(events) for events in (source, target))
    if seen != other:
        raise SampleError(f"events of source and target must be of the same shapes, but {_differing(source, target)}")
    description: dict[str, Any] = {
        "source": settings_of(source),
        "target": settings_of(target),
        "bounds": {parameter: box_of(target, parameter) for parameter in settings.parameters},
        "reference": {parameter: _reference(source, parameter, settings) for parameter in settings.parameters},
        **seen,
    }
    notes = scale_warnings(source, target, ("the source", "the target"))
    notes += list(_observed_support(source, target, settings, allowed=allow_missing_support))
    torch.manual_seed(seed)
    first = build(settings, description)
    # Events in other units are converted when their weights are computed.
    description["units"] = {n: str(source[n].attrs["units"]) for n in first.network.variables if n in source}
    first.network.fit(_both(source, target, first))
    samples = {
        (label, part): represent(
            events,
            first.network,
            parameters=settings.parameters if label == "target" else (),
            part=part,
            label=f"the {label}",
            show=progress,
        )
        for label, events in (("source", source), ("target", target))
        for part in ("train", "validation")
    }
    if warning := imbalance_warning(samples["source", "train"], samples["target", "train"]):
        notes.append(warning)
    held_out = (samples["source", "validation"], samples["target", "validation"])
    members, records = train_members(
        lambda: build(settings, description),
        first,
        lambda classifier: ClassificationTrainee(
            classifier,
            samples["source", "train"],
            samples["target", "train"],
            held_out,
            description,
            draws=settings.draws,
            average_decay=settings.average_decay,
        ),
        settings,
        run,
        name=name,
        seed=seed,
        data="source and target",
        progress=progress,
    )
    uncalibrated = Reweighter(name, settings, description, members, None, records)
    calibration, more = _calibrate(uncalibrated, held_out, allowed=allow_missing_support)
    description["warnings"] = notes + more
    reweighter = Reweighter(name, settings, description, members, calibration, records)
    reweighter.save(run / "reweighter.safetensors")
    return reweighter


def _differing(source: xr.Dataset, target: xr.Dataset) -> str:
    """Return which variables of two samples have other dimensions or lengths in an event."""
    ours, theirs = (
        {name: dict(zip(array.dims[1:], array.shape[1:], strict=True)) for name, array in events.data_vars.items()}
        for events in (source, target)
    )
    differ = [
        f"'{name}' is {shape or 'a number'} in the source and {theirs[name] or 'a number'} in the target"
        for name, shape in ours.items()
        if shape != theirs.get(name, shape)
    ]
    return "; ".join(differ) or "masks or coordinates of their variables differ"


def box_of(events: xr.Dataset, parameter: str) -> tuple[float, float]:
    """Return the range that a parameter was drawn from, or its range in the events if the settings do not give it."""
    require_drawn(events, (parameter,), "the target")
    values = events[parameter].values
    asked = (_simulated_with(events).get("vary") or {}).get(parameter)
    low, high = float(values.min()), float(values.max())
    if asked is not None:
        drawn = Distribution.parse(str(asked))
        slack = 1e-6 * max(abs(drawn.low), abs(drawn.high))
        if low < drawn.low - slack or high > drawn.high + slack:
            raise SampleError(
                f"'{parameter}' is between {low:g} and {high:g} in the target, but its settings say that it was "
                f"drawn from {asked}: correct its attribute 'settings'"
            )
        low, high = drawn.low, drawn.high
    if not low < high:
        raise SampleError(
            f"'{parameter}' is {low:g} in all events of the target: leave it out of the parameters, or vary it"
        )
    return low, high


def _reference(source: xr.Dataset, parameter: str, settings: ReweighterSettings) -> float:
    if parameter in settings.reference:
        return settings.reference[parameter]
    if parameter in source.data_vars:
        raise SampleError(
            f"'{parameter}' was also drawn in the source: it must have one value there, where the weights are 1"
        )
    asked = _simulated_with(source)
    names = (parameter.lower(), SHORT_NAMES.get(parameter, "").lower())
    for name, value in (asked.get("values") or {}).items():
        if name.lower() in names:
            return float(value)
    # A card may have set it, and another shower program has other defaults.
    plain = not asked.get("card") and asked.get("shower", "simple") == "simple"
    if source.attrs.get("simulator") == "pythia" and plain and parameter in PYTHIA_DEFAULTS:
        return PYTHIA_DEFAULTS[parameter]
    raise SampleError(f"the source's value of '{parameter}' is not known: give it as reference.{parameter}")


def _simulated_with(events: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(events.attrs.get("settings", "{}"))
    return found


def _both(source: xr.Dataset, target: xr.Dataset, classifier: EventClassifier) -> dict[str, torch.Tensor]:
    """Return events of both samples, for fitting the representation."""
    variables = classifier.network.variables
    pieces = []
    for label, events in (("the source", source), ("the target", target)):
        block = next(iter(blocks_of(events, variables, "train", most=REPRESENTATION_EVENTS)))
        pieces.append(tensors_of(block, variables, label))
    shortest = min(len(next(iter(piece.values()))) for piece in pieces)
    # Clouds of two stores may be padded to different numbers of particles.
    return join_inputs([{name: tensor[:shortest] for name, tensor in piece.items()} for piece in pieces])


def _observed_support(
    source: xr.Dataset, target: xr.Dataset, settings: ReweighterSettings, *, allowed: bool
) -> tuple[str, ...]:
    """Look for regions without source events in the observables of some training events."""
    columns, own = [], []
    units: dict[str, str] = {}
    for label, events in (("source", source), ("target", target)):
        some = _some(events)
        try:
            validate(some)
        except ValueError as error:
            raise type(error)(f"the {label}: {error}") from None
        own.append(weights_of(some) if weight_names(some) else None)
        try:
            chosen = settings.network.supported(some)
        except SampleError:
            raise
        except ValueError as error:
            raise SampleError(f"the {label}: {error}") from None
        columns.append({str(name): array.values.astype(np.float64) for name, array in chosen.data_vars.items()})
        units |= {str(name): str(array.attrs.get("units", "1")) for name, array in chosen.data_vars.items()}
    if not columns[0]:
        return ()
    support = find_empty_regions(columns[0], columns[1], source_weights=own[0], target_weights=own[1], units=units)
    return require_support(support, allowed=allowed)


def _some(events: xr.Dataset) -> xr.Dataset:
    """Return the first training events with all variables that observables need."""
    wanted = [str(name) for name in events.data_vars]
    return next(iter(blocks_of(events, wanted, "train", most=SUPPORT_EVENTS)))


def _calibrate(
    reweighter: Reweighter, held_out: tuple[Represented, Represented], *, allowed: bool
) -> tuple[CalibrationMap | None, list[str]]:
    """Fit the calibration on the validation part, and search its log-odds for a tail without source events."""
    settings = reweighter.settings
    embedded = [reweighter.embed_represented(sample) for sample in held_out]
    weights = np.concatenate([e.weights for e in embedded])
    if settings.parameters:
        source, target = embedded
        # As in training, source events get parameters and weights of target events.
        draw = np.random.default_rng(CALIBRATION_SEED).integers(0, len(target), len(source))
        log_odds = _at_parameters(reweighter, embedded, (target.theta[draw], target.theta))
        weights[: len(source)] *= target.weights[draw]
    else:
        log_odds = [reweighter.log_ratios(e).mean(axis=0) for e in embedded]
    notes: list[str] = []
    if not settings.parameters:
        support = find_empty_regions(
            {},
            {},
            source_weights=embedded[0].weights,
            target_weights=embedded[1].weights,
            source_log_odds=log_odds[0],
            target_log_odds=log_odds[1],
        )
        notes += require_support(support, allowed=allowed)
    if settings.calibration == "none":
        return None, notes
    labels = np.repeat([0, 1], [len(log_odds[0]), len(log_odds[1])])
    if settings.calibration == "temperature":
        # A continuous ratio is 1 at the source's own parameters: an offset would break that.
        fitted = fit_temperature(np.concatenate(log_odds), labels, weights, with_offset=not settings.parameters)
        return fitted, notes
    return fit_isotonic(np.concatenate(log_odds), labels, weights), notes


def _at_parameters(
    reweighter: Reweighter, embedded: list[Embedded], thetas: tuple[np.ndarray, np.ndarray]
) -> list[np.ndarray]:
    """Return the ensemble's mean log-odds of both samples at parameters of each event, (N, P)."""
    found = []
    with torch.inference_mode():
        for events, theta in zip(embedded, thetas, strict=True):
            rows = [
                reweighter.member(k).log_odds(z, torch.from_numpy(theta)).double().numpy()
                for k, z in enumerate(events.summaries)
            ]
            found.append(np.mean(rows, axis=0))
    return found
