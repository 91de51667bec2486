"""Find a system by its kind, which is the name of its file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import xarray as xr
from pydantic import BaseModel

if TYPE_CHECKING:
    from torch import nn

    from simulacra.reweighting.reweighter import Reweighter
    from simulacra.training.loop import Trainee
    from simulacra.training.settings import Experiment

#: opens the events that a path names
Read = Callable[[str], xr.Dataset]


class ReweightingModule(Protocol):
    """What the file of a system that reweights offers: it makes weights for events, not events."""

    Settings: type[BaseModel]
    CONDITIONS: Mapping[str, tuple[str, str]]
    __doc__: str

    def fit(self, experiment: Experiment, settings: Any, run: Path, read: Read, *, progress: bool = True) -> Reweighter:
        """Train the reweighter of an experiment into a run folder."""


class SystemModule(Protocol):
    """What a system's file offers. It imports torch inside functions alone, so that settings are read without it."""

    Settings: type[BaseModel]
    CONDITIONS: Mapping[str, tuple[str, str]]
    __doc__: str

    def Trainer(self, settings: Any, events: xr.Dataset) -> Trainee:  # noqa: N802
        """Build the networks and fit their representation to the training events."""

    def build(self, settings: Any, description: Mapping[str, Any]) -> nn.Module:
        """Return the module that a checkpoint fills: (noise (N, latent), conditions (N, C)) -> output."""

    def fold(self, module: nn.Module) -> nn.Module:
        """Return the module for use: the same function of the same inputs in as few operations as can be."""

    def to_variables(self, output: np.ndarray) -> dict[str, xr.Variable]:
        """Return the variables of events from the module's output."""


def names() -> list[str]:
    """Return the kinds of system that exist: the files in this folder."""
    import simulacra.systems

    found = (module.name for module in pkgutil.iter_modules(simulacra.systems.__path__))
    return sorted(name for name in found if name != "find")


def reweights(kind: str) -> bool:
    """Return whether the system of a kind makes weights for events rather than events."""
    return hasattr(_module(kind), "fit")


def generators() -> list[str]:
    """Return the kinds of system that make events."""
    return [name for name in names() if not reweights(name)]


def reweighting_system(kind: str) -> ReweightingModule:
    """Return the system of a kind that reweights.

    Raises
    ------
    ValueError
        with the kinds that exist.
    """
    return cast("ReweightingModule", _module(kind))


def system(kind: str) -> SystemModule:
    """Return the system of a kind that makes events.

    Raises
    ------
    ValueError
        with the kinds that exist.
    """
    return cast("SystemModule", _module(kind))


def _module(kind: str) -> Any:
    if kind not in names():
        raise ValueError(f"there is no system of kind {kind!r}; there are: {', '.join(names())}")
    return importlib.import_module(f"simulacra.systems.{kind}")
