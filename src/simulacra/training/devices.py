"""Several processes that train one network: who they are, and which part of a batch each works on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from simulacra.training.settings import SettingsError, TrainingSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: settings that say where a run is trained, and not what
PLACES = ("accelerator", "devices", "threads")


def launched_by_torchrun() -> bool:
    """Return whether ``torchrun`` started this process, with others."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def n_processes(settings: TrainingSettings) -> int:
    """Return the number of processes that train: those of ``torchrun``, or one for each device."""
    return int(os.environ["WORLD_SIZE"]) if launched_by_torchrun() else settings.devices


def fabric_of(settings: TrainingSettings) -> Fabric:
    """Return Lightning's Fabric, launched: one process for each device, or those that ``torchrun`` has started.

    Raises
    ------
    SettingsError
        if ``torchrun`` started another number of processes on this machine than the settings have devices.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    local, nodes = settings.devices, 1
    if launched_by_torchrun():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = n_processes(settings) // local
        if settings.devices not in (1, local):
            raise SettingsError(
                f"training.devices = {settings.devices}, but torchrun started {local} processes on this machine: "
                "leave training.devices out, torchrun decides"
            )
    fabric = Fabric(
        accelerator=settings.accelerator,
        devices=local,
        num_nodes=nodes,
        precision=settings.precision,
        # Each player trains a part of the parameters only. Buffers are the same in all processes without being sent:
        # most are tables that never change, for the others see RunningStatistics.
        strategy=DDPStrategy(find_unused_parameters=True, broadcast_buffers=False) if local * nodes > 1 else "auto",
    )
    fabric.launch()
    return fabric


def mean_of(fabric: Fabric, value: Tensor | float) -> float:
    """Return the mean of a number over all processes."""
    return float(torch.as_tensor(fabric.all_reduce(torch.as_tensor(value), reduce_op="mean")))


def any_of(fabric: Fabric, asked: bool) -> bool:
    """Return whether something holds in any process, so that all of them act on it after the same step."""
    if fabric.world_size == 1:
        return asked
    return float(torch.as_tensor(fabric.all_reduce(torch.tensor(float(asked)), reduce_op="max"))) > 0


@dataclass(frozen=True)
class MicroBatches:
    """The equal parts of each batch, and those of them that this process works on.

    Attributes
    ----------
    number:
        of the parts of a batch.
    processes, rank:
        number of processes, and which of them this one is.
    """

    number: int
    processes: int = 1
    rank: int = 0

    @classmethod
    def of(cls, settings: TrainingSettings, processes: int, rank: int) -> MicroBatches:
        """Return the division that the settings ask for: by default one part for each process.

        Raises
        ------
        SettingsError
            if the processes cannot share the parts equally, or the batch cannot be divided into them.
        """
        number = settings.micro_batches or processes
        if number % processes:
            raise SettingsError(
                f"training.micro_batches = {number} cannot be shared equally by {processes} processes: "
                f"ask for a multiple of {processes}"
            )
        if settings.batch_size % number or settings.batch_size < 2 * number:
            raise SettingsError(
                f"training.batch_size = {settings.batch_size} cannot be divided into {number} equal parts of at least "
                f"two events: change it, to {max(2, round(settings.batch_size / number)) * number} for example, or "
                "training.micro_batches"
            )
        return cls(number, processes, rank)

    @property
    def mine(self) -> range:
        """The parts of this process."""
        return range(self.rank, self.number, self.processes)

    def of_batch(self, rows: Tensor, part: int) -> Tensor:
        """Return the rows of one part of a batch's rows (B,)."""
        return rows[part :: self.number]

    def seed(self, rng: torch.Generator, experiment_seed: int, step: int, player: int, part: int) -> None:
        """Seed the random numbers of a part, so that they do not depend on the process that works on it.

        A batch in one part keeps drawing from ``rng``, whose state is saved with the run.
        """
        if self.number > 1:
            words = np.random.SeedSequence((experiment_seed, step, player, part)).generate_state(1, np.uint64)
            seed = int(words[0]) >> 1
            rng.manual_seed(seed)
            # of layers that draw by themselves, such as dropout
            torch.manual_seed(seed)


class RunningStatistics:
    """The running means and variances of batch normalisation in a network, for batches in several parts.

    Each part starts from the statistics before the batch, and what it makes of them is averaged over all parts, so that
    they do not depend on the process that works on a part.
    """

    def __init__(self, family: nn.Module, parts: MicroBatches) -> None:
        norms = [m for m in family.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        kept = [b for m in norms for b in (m.running_mean, m.running_var) if b is not None]
        self._buffers: list[Tensor] = kept if parts.number > 1 else []
        self._number = parts.number

    def begin(self) -> None:
        """Note the statistics before a batch."""
        self._before = [buffer.clone() for buffer in self._buffers]
        self._sums = [torch.zeros_like(buffer) for buffer in self._buffers]

    def after_part(self) -> None:
        """Take what a part made of the statistics, and go back to those before."""
        for buffer, before, total in zip(self._buffers, self._before, self._sums, strict=True):
            total.add_(buffer)
            buffer.copy_(before)

    def end(self, fabric: Fabric) -> None:
        """Set the statistics to the mean over the parts of all processes."""
        for buffer, total in zip(self._buffers, self._sums, strict=True):
            whole = fabric.all_reduce(total, reduce_op="sum") if fabric.world_size > 1 else total
            buffer.copy_(torch.as_tensor(whole) / self._number)


def without_places(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's identity without where it is trained: a run may continue elsewhere with the same micro-batches."""
    settings = identity.get("settings")
    training = settings.get("training") if isinstance(settings, Mapping) else None
    if not isinstance(settings, Mapping) or not isinstance(training, Mapping):
        return dict(identity)
    kept = {name: value for name, value in training.items() if name not in PLACES}
    kept["micro_batches"] = training.get("micro_batches") or training.get("devices", 1)
    return {**identity, "settings": {**settings, "training": kept}}
