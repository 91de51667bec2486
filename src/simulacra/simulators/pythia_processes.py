"""The processes with a name, from ``pythia_processes.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class HardParticle(BaseModel):
    """What a particle of the hard process, given by its PDG code, must have: a smallest pT [GeV], a largest |eta|."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: Annotated[int, Field(ge=1)]
    min_pt: Annotated[float, Field(ge=0)]
    max_abs_eta: Annotated[float, Field(gt=0)]


class Process(BaseModel):
    """A process: its description, the largest number of particles, and the lines of Pythia settings.

    A process of jets also says what its jets come from (``jet_class``) and which are taken (``leading_jet``, the
    fields of :class:`~simulacra.simulators.pythia_settings.LeadingJetSettings`). A process of images says
    whether they are signal or background (``signal``) and how they are made (``jet_image``, the fields of
    :class:`~simulacra.simulators.pythia_settings.JetImageSettings`; or ``muon_image``, those of
    :class:`~simulacra.simulators.pythia_settings.MuonImageSettings`). ``multi_jet`` and ``visible`` are the fields of
    the settings of these names. A ``mixture`` names other processes, which make its events in turn. ``hard`` leaves out
    collisions before their showers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Annotated[str, Field(min_length=1)]
    max_particles: Annotated[int, Field(ge=1)]
    settings: tuple[str, ...] = ()
    mixture: tuple[str, ...] = ()
    jet_class: str | None = None
    leading_jet: dict[str, float] | None = None
    signal: Literal["background", "signal"] | None = None
    jet_image: dict[str, float | str] | None = None
    muon_image: dict[str, float] | None = None
    hard: HardParticle | None = None
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
