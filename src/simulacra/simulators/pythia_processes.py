"""The processes with a name, from ``pythia_processes.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Process(BaseModel):
    """A process: its description, the largest number of particles, and the lines of Pythia settings.

    A process of jets also says what its jets come from (``jet_class``) and which are taken (``leading_jet``, the
    fields of :class:`~simulacra.simulators.pythia_settings.LeadingJetSettings`). ``multi_jet`` and ``visible`` are the
    fields of the settings of these names. A ``mixture`` names other processes, which make its events in turn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Annotated[str, Field(min_length=1)]
    max_particles: Annotated[int, Field(ge=1)]
    settings: tuple[str, ...] = ()
    mixture: tuple[str, ...] = ()
    jet_class: str | None = None
    leading_jet: dict[str, float] | None = None
    multi_jet: dict[str, float] | None = None
    visible: dict[str, float] | None = None


@cache
def processes() -> dict[str, Process]:
    """Return the processes by name."""
    text = resources.files("simulacra.simulators").joinpath("pythia_processes.toml").read_text(encoding="utf-8")
    return {name: Process.model_validate(fields) for name, fields in tomllib.loads(text).items()}


def process_named(name: str) -> Process:
    """Return a process.

    Raises
    ------
    ValueError
        with the known names, if there is no process of this name.
    """
    if name not in processes():
        raise ValueError(
            f"no process '{name}'; there are {', '.join(processes())}; give any other by a card or settings of Pythia"
        )
    return processes()[name]
