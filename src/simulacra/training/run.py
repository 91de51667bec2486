"""From an experiment to a run folder: read the data, split it, build the system, train."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.conditions import Band, band_of
from simulacra.events import names, take_part, with_source
from simulacra.store.errors import memory
from simulacra.training.settings import Experiment, SettingsError
from simulacra.units import alike, in_convention, response_warnings, scale_warnings

#: largest size of the validation part [bytes] if the training events stay on disk, and its fewest events
MOST_VALIDATED: Final = 2**27
FEWEST_VALIDATED: Final = 256


def read_parts(
    path: str,
    max_events: int | None,
    read: Callable[[str], xr.Dataset],
    *,
    further: Sequence[str] = (),
    hold_out: Sequence[str] = (),
    in_memory: bool | None = None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the train and the validation part of a sample; the test part is not used.

    Parameters
    ----------
    path, max_events, read:
        path, largest number of events, and function for reading.
    further:
        samples added completely to the train part.
    hold_out:
        bands of conditions whose events are in neither part ("energy:30:50"). They are in the parts' attribute
        ``hold_out``, as JSON: [[condition, low, high], ...].
    in_memory:
        whether the training events are read; if not, they stay on disk, and the validation part has at most
        ``MOST_VALIDATED`` bytes. None: unless they would take more than a quarter of the memory.

    Raises
    ------
    SettingsError
        if a part would be too small to train or validate on, a further sample does not fit, or a band has an unknown
        condition or is outside the data.
    """
    events = in_convention(read(path), path)
    if max_events is not None:
        events = events.isel(event=np.arange(min(max_events, events.sizes["event"])))
    training, validation = (take_part(events, part) for part in ("train", "validation"))
    if in_memory is None:
        in_memory = training.nbytes <= memory() // 4
    if not in_memory and further:
        raise SettingsError(
            "data.further cannot be used with events that stay on disk: write all events into one store, or set "
            "data.in_memory = true"
        )
    for other in further:
        more = alike(training, in_convention(read(other), other), other)
        for warning in scale_warnings(training, more, (path, other)):
            warnings.warn(warning, stacklevel=2)
        training = _joined(training, more, path, other)
    bands = _bands(hold_out, training, path)
    training, validation = (_without(bands, part) for part in (training, validation))
    if in_memory:
        training = training.load()
    else:
        most = MOST_VALIDATED * validation.sizes["event"] // max(1, validation.nbytes)
        validation = validation.isel(event=slice(0, max(FEWEST_VALIDATED, most)))
    validation = validation.load()
    for warning in response_warnings(training, path):
        warnings.warn(warning, stacklevel=2)
    for name, part in (("training", training), ("validation", validation)):
        if part.sizes["event"] < 8:
            held = f" outside {' and '.join(map(str, bands))}" if bands else ""
            raise SettingsError(
                f"{path} leaves {part.sizes['event']} {name} events of {events.sizes['event']}{held}: at least 8 are "
                "needed"
            )
    return training, validation


def _joined(events: xr.Dataset, more: xr.Dataset, path: str, other: str) -> xr.Dataset:
    """Return the events of both with the variables of the first; added events get indices after its own."""
    for attribute in ("geometry", "particle"):
        if events.attrs.get(attribute) != more.attrs.get(attribute):
            raise SettingsError(
                f"{other} cannot be trained on together with {path}: its {attribute} is {more.attrs.get(attribute)}, "
                f"not {events.attrs.get(attribute)}"
            )
    more = _with_fixed_conditions(more, events)
    for name, variable in events.data_vars.items():
        if name not in more or more[name].sizes != {**variable.sizes, "event": more.sizes["event"]}:
            held = f"of shape {dict(more[name].sizes)}" if name in more else "not there"
            raise SettingsError(f"{other} cannot be trained on together with {path}: its '{name}' is {held}")
    more = more[list(events.data_vars)].load()
    more = more.assign_coords(event=more["event"] + int(events["event"].max()) + 1 - int(more["event"].min()))
    joined = xr.concat([events.load(), more], dim="event", join="exact", combine_attrs="override")
    return with_source(joined, path, other)


def _with_fixed_conditions(events: xr.Dataset, wanted: xr.Dataset) -> xr.Dataset:
    """Return events with the conditions of ``wanted`` that a simulator held constant and did not store."""
    settings = json.loads(events.attrs.get("settings", "{}"))
    for name in names(wanted, "condition"):
        if name not in events and name in settings:
            try:
                value = float(settings[name])
            except (TypeError, ValueError):
                continue
            column = np.full(events.sizes["event"], value, wanted[name].dtype)
            events = events.assign({name: ("event", column, wanted[name].attrs)})
    return events


def _bands(hold_out: Sequence[str], training: xr.Dataset, path: str) -> list[Band]:
    bands = []
    for text in hold_out:
        try:
            band = band_of(text, names(training, "condition"))
        except ValueError as error:
            raise SettingsError(f"cannot hold out '{text}' of {path}: {error}") from None
        values = training[band.condition].values
        if not band.inside(values).any():
            raise SettingsError(
                f"cannot hold out '{text}' of {path}: no training event is there, '{band.condition}' is from "
                f"{values.min():.4g} to {values.max():.4g}"
            )
        bands.append(band)
    return bands


def _without(bands: Sequence[Band], events: xr.Dataset) -> xr.Dataset:
    if not bands:
        return events
    held = np.logical_or.reduce([band.inside(events[band.condition].values) for band in bands])
    kept = [[band.condition, band.low, band.high] for band in bands]
    return events.isel(event=np.flatnonzero(~held)).assign_attrs(hold_out=json.dumps(kept))


def prepare(experiment: Experiment, build: Callable[[], Any]) -> Any:
    """Seed torch and build the system's trainer.

    The networks' first weights come from torch's generator, seeded here, so they are a function of the seed alone.
    """
    import torch

    from simulacra.training.machine import check_processors

    check_processors(experiment.training)
    if experiment.training.threads:
        torch.set_num_threads(experiment.training.threads)
    torch.manual_seed(experiment.seed)
    return build()
