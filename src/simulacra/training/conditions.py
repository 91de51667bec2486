"""The distribution of conditions in the training sample, stored in the model file with the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor

#: prefix of the names of tensors that are not weights
PREFIX: Final = "training_conditions."
MOST_KEPT: Final = 16_384


def is_condition(name: str) -> bool:
    """Return whether a tensor of a model file holds conditions, not weights."""
    return name.startswith(PREFIX)


def empirical_conditions(events: xr.Dataset, names: Sequence[str]) -> dict[str, Tensor]:
    """Return conditions of the training events, (K,) float32 each, by the names of tensors in the model file.

    With more than 16,384 events, evenly spaced ones are kept; one row of all conditions belongs to one event.
    """
    if not names:
        return {}
    n = events.sizes["event"]
    rows = np.arange(n) if n <= MOST_KEPT else np.linspace(0, n - 1, MOST_KEPT).round().astype(np.int64)
    return {f"{PREFIX}{name}": torch.as_tensor(events[name].values[rows].astype(np.float32)) for name in names}


def of_tensors(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return the conditions in a model file, (K,) float32 each, by name."""
    return {name.removeprefix(PREFIX): tensor.numpy() for name, tensor in tensors.items() if is_condition(name)}
