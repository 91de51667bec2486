"""The optimizer, and for each step the learning rate, the events of the batch, and snapshots of the last layer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from simulacra.training.settings import SettingsError, TrainingSettings


def optimizer_of(settings: TrainingSettings, player: str, module: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of a player's parameters."""
    rate = settings.learning_rate * settings.learning_rate_factors.get(player, 1.0)
    parameters, decay = module.parameters(), settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=settings.betas[0], weight_decay=decay)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=settings.betas, weight_decay=decay)


def schedule(step: int, settings: TrainingSettings) -> float:
    """Return the factor on the learning rates: 1 for the first half, then half a cosine down to the final one."""
    progress = max(0.0, 2.0 * step / settings.steps - 1.0)
    return settings.final_learning_rate + (1.0 - settings.final_learning_rate) * 0.5 * (
        1 + math.cos(math.pi * progress)
    )


def snapshot_due(step: int, settings: TrainingSettings) -> bool:
    """Return whether the last layer is recorded after ``step`` steps: evenly spaced in the last quarter."""
    asked = settings.last_layer_snapshots
    if not asked:
        return False
    every = settings.steps // 4 // asked
    before_end, odd = divmod(settings.steps - step, every)
    return not odd and before_end < asked


def batch_size_of(settings: TrainingSettings, n_events: int, parts: int = 1) -> int:
    """Return the number of events per batch: that of the settings, or as many as there are if these are fewer.

    It is a multiple of ``parts``, the equal parts of a batch.

    Warns
    -----
    UserWarning
        if there are fewer: an epoch is then one step, unlike in the settings.
    """
    if settings.batch_size <= n_events:
        return settings.batch_size
    used = n_events // parts * parts
    if used < 2 * parts:
        raise SettingsError(
            f"{n_events} training events are too few for batches in {parts} parts of at least two events: lower "
            "training.micro_batches or training.devices, or train on more events"
        )
    warnings.warn(
        f"training.batch_size = {settings.batch_size} is more than the {n_events} training events: each step "
        f"uses {'all ' if used == n_events else ''}{used}; lower it, or train on more events",
        stacklevel=2,
    )
    return used


def rows_of(step: int, batch_size: int, n_events: int, seed: int) -> Tensor:
    """Return the rows (B,) of a step's batch, from its epoch's permutation, which depends only on seed and epoch."""
    per_epoch = n_events // batch_size
    epoch, place = divmod(step, per_epoch)
    order = torch.Generator().manual_seed((seed * 7_919 + epoch) * 64)
    return torch.randperm(n_events, generator=order)[place * batch_size : (place + 1) * batch_size]


def batch_of(tensors: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Return the given rows (B,) of each tensor."""
    return {name: tensor[rows.to(tensor.device)] for name, tensor in tensors.items()}
