"""Refuse a run before it starts if the machine cannot do it."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.store.errors import memory as memory_of_the_machine
from simulacra.store.errors import size
from simulacra.training.devices import launched_by_torchrun
from simulacra.training.settings import SettingsError, TrainingSettings

#: threads per core: with more they only wait for each other, and with very many OpenMP ends the process
THREADS_A_CORE: Final = 8
#: batches up to this size are not checked: they fit if the networks do
SMALL_BATCH: Final = 1024
#: memory of the backward pass over that of the loss: measured 1.4 for CaloGAN, 1.2 for showerflow, on one thread
BACKWARD: Final = 1.5
#: batch sizes from which the memory of a larger one is estimated
PROBES: Final = (32, 64, 128)


def check_processors(settings: TrainingSettings) -> None:
    """Refuse more threads or devices than the machine has.

    Raises
    ------
    SettingsError
        with the available number.
    """
    cores = len(os.sched_getaffinity(0))
    if settings.threads is not None and settings.threads > THREADS_A_CORE * cores:
        raise SettingsError(
            f"training.threads = {settings.threads}: this machine has {cores} cores, on which at most "
            f"{THREADS_A_CORE * cores} threads make sense; {cores} is fastest"
        )
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpu = settings.accelerator == "gpu" or (settings.accelerator == "auto" and n_gpus > 0)
    # two processes on one core are slow, and no more than that
    most = n_gpus if gpu else max(2, cores)
    if settings.accelerator == "gpu" and not n_gpus:
        raise SettingsError("training.accelerator = 'gpu': torch finds no GPU on this machine; say 'cpu' or 'auto'")
    if settings.devices > most and not launched_by_torchrun():
        what = f"{n_gpus} GPUs" if gpu else f"{cores} cores, one for each device"
        raise SettingsError(f"training.devices = {settings.devices}: this machine has {what}; ask for at most {most}")


def check_batch(
    family: nn.Module,
    players: Mapping[str, Any],
    batch_of: Callable[[int], dict[str, Tensor]],
    augment: Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]],
    batch_size: int,
    *,
    n_events: int,
    memory: int | None = None,
) -> None:
    """Refuse a batch that would not fit into the memory, estimated from small batches.

    The memory that a loss keeps for its gradient is measured for batches of 32, 64 and 128 events, on a copy of the
    networks, and extrapolated as a parabola: layers need memory in proportion to the events, comparisons of all pairs
    to their square.

    Parameters
    ----------
    players:
        names of the players, whose losses are measured one by one.
    batch_of:
        returns a batch of this many events, at most ``n_events``.
    augment:
        as of the trainee.
    batch_size:
        events per batch in the settings; a number above ``n_events`` is also checked, because a number that never fits
        is a mistake.
    n_events:
        number of training events.
    memory:
        available memory [bytes]; that of the machine if None.

    Raises
    ------
    SettingsError
        with the memory of the batch, the available memory, and a size that fits.
    """
    if batch_size <= SMALL_BATCH:
        return
    memory = memory or memory_of_the_machine()
    with torch.random.fork_rng(devices=[]):
        probe = copy.deepcopy(family)
        rng = torch.Generator().manual_seed(1)
        batches = [_repeated(batch_of(min(n, n_events)), n) for n in PROBES]
        taken = [max(_kept(probe, name, augment(batch, rng), rng) for name in players) for batch in batches]
    coefficients = BACKWARD * np.maximum(np.polyfit(PROBES, taken, 2), 0.0)
    needed = float(np.polyval(coefficients, batch_size))
    if needed <= memory:
        return
    fits = [n for n in 2 ** np.arange(5, 40) if np.polyval(coefficients, n) <= memory / 2]
    few = f" (there are {n_events:,} training events)" if n_events < batch_size else ""
    raise SettingsError(
        f"training.batch_size = {batch_size}: a step of {batch_size:,} events needs about {size(needed)}, and this "
        f"machine has {size(memory)}; lower it, to {min(max(fits, default=PROBES[0]), n_events):,} for example{few}"
    )


def _repeated(batch: dict[str, Tensor], n: int) -> dict[str, Tensor]:
    """Return a batch of ``n`` events, repeating the first ones if there are fewer."""
    return {name: tensor[torch.arange(n) % len(tensor)] for name, tensor in batch.items()}


def _kept(family: nn.Module, name: str, batch: dict[str, Tensor], rng: torch.Generator) -> int:
    """Return the bytes that a player's loss of a batch keeps for its gradient, without the weights."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in family.parameters()}
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss, _ = family(name, batch, 0, rng)
    # the loss is held until here, so that no storage is counted twice under one address
    del loss
    return sum(found.values())
