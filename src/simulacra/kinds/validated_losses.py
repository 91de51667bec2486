"""Validation of models of points by the losses of their stages, for systems of any kind of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import xarray as xr

from simulacra.statistics.validation import Validation

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from simulacra.generators.points import PointFamily

#: enough draws of noise that the error of a loss comes from events and not from noise
BATCHES: Final = 50
DRAWS: Final = 4
REPLICATES: Final = 100


class ValidatedLosses:
    """The losses of an averaged model's stages on events that no stage is trained on.

    Parameters
    ----------
    family:
        the model in training.
    tensors:
        returns the tensors of events.
    """

    def __init__(self, family: PointFamily, tensors: Callable[[xr.Dataset], dict[str, Tensor]]) -> None:
        self._family, self._tensors = family, tensors
        self._seen: tuple[xr.Dataset, list[dict[str, Tensor]]] | None = None

    def added_to(self, found: Validation, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Return a validation whose ``score`` is the mean loss of the stages; that of ``found`` becomes ``shapes``."""
        device = next(self._family.parameters()).device
        batches = [{name: tensor.to(device) for name, tensor in batch.items()} for batch in self._batches(events)]
        losses = self._family.validation_losses(batches * DRAWS, rng)
        rows = np.mean([loss.double().numpy() for loss in losses.values()], axis=0)
        times = np.random.default_rng(len(rows)).poisson(1.0, (REPLICATES, len(batches)))
        rows = rows.reshape(DRAWS, -1).mean(axis=0)
        values = dict(found.values) | {f"validation/{stage}": float(loss.mean()) for stage, loss in losses.items()}
        values |= {"shapes": found.values["score"], "score": float(rows.mean())}
        replicates = (times @ rows) / times.sum(axis=1).clip(1)
        return replace(found, values=values, replicates=tuple(replicates.tolist()))

    def _batches(self, events: xr.Dataset) -> list[dict[str, Tensor]]:
        if self._seen is None or self._seen[0] is not events:
            tensors: Mapping[str, Tensor] = self._tensors(events)
            pieces = {name: tensor.split(-(-len(tensor) // BATCHES)) for name, tensor in tensors.items()}
            batches = [dict(zip(pieces, rows, strict=True)) for rows in zip(*pieces.values(), strict=True)]
            self._seen = events, batches
        return self._seen[1]
