"""From an experiment to a run folder: read the data, split it, build the system, train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import take_part
from simulacra.training.settings import Experiment, SettingsError


def read_parts(path: str, max_events: int | None, read: Callable[[str], xr.Dataset]) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the train and the validation part of a sample; the test part is not looked at.

    Raises
    ------
    SettingsError
        if a part would be too small to train or validate on.
    """
    events = read(path)
    if max_events is not None:
        events = events.isel(event=np.arange(min(max_events, events.sizes["event"])))
    training, validation = (take_part(events, part).load() for part in ("train", "validation"))
    for name, part in (("training", training), ("validation", validation)):
        if part.sizes["event"] < 8:
            raise SettingsError(
                f"{path} leaves {part.sizes['event']} {name} events of {events.sizes['event']}: at least 8 are needed"
            )
    return training, validation


def prepare(experiment: Experiment, build: Callable[[], Any]) -> Any:
    """Seed torch and build the system's trainer.

    The networks' first weights come from torch's generator, seeded here, so they are a function of the seed alone.
    """
    import torch

    if experiment.training.threads:
        torch.set_num_threads(experiment.training.threads)
    torch.manual_seed(experiment.seed)
    return build()
