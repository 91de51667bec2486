"""Generated showers with a refiner's weights, and their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from benchmarks.showers.models import located_refiner
from benchmarks.timing import Call

from simulacra.events import variable
from simulacra.trained import TrainedGenerator

if TYPE_CHECKING:
    from simulacra.reweighting.refiner import Refiner


def load_refiner(name: str, generator: TrainedGenerator) -> Refiner:
    """Return a refiner.

    Raises
    ------
    ValueError
        if there is none, or it belongs to another generator.
    """
    from simulacra.reweighting.refiner import Refiner

    path = located_refiner(name)
    if path is None:
        raise ValueError(f"there is no refiner '{name}'")
    refiner = Refiner.load(path)
    refiner.require(generator)
    return refiner


def with_weights(events: xr.Dataset, refiner: Refiner) -> xr.Dataset:
    """Return the events with the refiner's weights."""
    weights = refiner.weights(events).weights
    return events.assign(weight=variable(weights, units="1", long_name="refiner's weight", role="weight"))


def weighing(call: Call, refiner: Refiner, conditions: list[str]) -> Call:
    """Return a generator that also computes its showers' weights in each call; ``conditions`` names its columns."""

    def made(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        cells = call(rows, rng)
        columns = {name: ("event", values) for name, values in zip(conditions, rows.T, strict=True)}
        showers = {"shower": (("event", "cell"), cells), **columns}
        refiner.weights(xr.Dataset(showers, coords={"event": np.arange(len(rows))}))
        return cells

    return made


def cost_of(refiner: Refiner) -> dict[str, Any]:
    """Return the parameters, training minutes and bytes of a refiner."""
    return {
        "parameters": sum(tensor.numel() for tensor in refiner.reweighter.members.parameters()),
        "training_minutes": sum(float(record["seconds"]) for record in refiner.reweighter.training) / 60,
        "file_bytes": refiner.path.stat().st_size,
    }
