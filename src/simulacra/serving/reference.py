"""Geant4's mean shower at an energy, from the shipped sample of the same particle and calorimeter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import numpy as np
import xarray as xr
from pydantic import BaseModel, Field

from simulacra import reference
from simulacra.geometry import CalorimeterGeometry
from simulacra.trained import TrainedGenerator

#: the mean is that of showers with energies between E / WIDTH and E * WIDTH
WIDTH: Final = 1.1
#: fewer showers are no mean to look at
LEAST: Final = 10
ENERGY: Final = "incident_energy"


class ReferenceMean(BaseModel):
    """The mean of simulated showers near an energy, or why there is none.

    Energies of a section are sums over its cells; ``spread`` is their standard deviation between showers.
    """

    available: bool
    reason: Annotated[str, Field(description="why there is none")] = ""
    sample: str = ""
    simulator: str = ""
    number: Annotated[int, Field(description="of showers in the mean")] = 0
    low: Annotated[float, Field(description="lowest energy among them [GeV]")] = 0.0
    high: Annotated[float, Field(description="highest energy among them [GeV]")] = 0.0
    mean: Annotated[list[float], Field(description="energy in each cell [MeV]")] = []
    sections: Annotated[list[float], Field(description="mean energy in each section [MeV]")] = []
    spread: Annotated[list[float], Field(description="standard deviation in each section [MeV]")] = []


class Reference:
    """A shipped sample, ordered by energy.

    Attributes
    ----------
    name:
        of the sample.
    settings:
        the other conditions of all its showers, such as the polar angle, by name.
    """

    def __init__(self, name: str, events: xr.Dataset) -> None:
        self.name, self.simulator = name, f"{events.attrs['simulator']} {events.attrs['simulator_version']}"
        order = np.argsort(events[ENERGY].values, kind="stable")
        self._energy = events[ENERGY].values[order].astype(np.float64)
        self._showers = events["shower"].values[order]
        geometry = CalorimeterGeometry.from_events(events)
        slices = [geometry.section_slice(k) for k in range(len(geometry.sections))]
        self._sections = np.stack([self._showers[:, one].sum(axis=1, dtype=np.float64) for one in slices], axis=1)
        said = json.loads(str(events.attrs["settings"]))
        self.settings = {
            key: float(said[key]) for key in ("impact_x", "impact_y", "polar_angle") if _is_number(said.get(key))
        }

    def mean(self, conditions: Mapping[str, float]) -> ReferenceMean:
        """Return the mean of showers within 10 % of the energy in ``conditions`` [GeV]."""
        for name, value in self.settings.items():
            if abs(conditions.get(name, value) - value) > 1e-9:
                return ReferenceMean(
                    available=False,
                    sample=self.name,
                    reason=f"The shipped Geant4 showers all have {name.replace('_', ' ')} = {value:g}",
                )
        energy = conditions[ENERGY]
        first, last = np.searchsorted(self._energy, [energy / WIDTH, energy * WIDTH])
        if last - first < LEAST:
            return ReferenceMean(
                available=False,
                sample=self.name,
                reason=f"The shipped sample has {last - first} Geant4 showers within 10 % of {energy:g} GeV",
            )
        chosen = slice(int(first), int(last))
        return ReferenceMean(
            available=True,
            sample=self.name,
            simulator=self.simulator,
            number=int(last - first),
            low=float(self._energy[first]),
            high=float(self._energy[last - 1]),
            mean=[float(x) for x in self._showers[chosen].mean(axis=0, dtype=np.float64).round(6)],
            sections=[float(x) for x in self._sections[chosen].mean(axis=0)],
            spread=[float(x) for x in self._sections[chosen].std(axis=0, ddof=1)],
        )


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


def reference_of(generator: TrainedGenerator) -> Reference | None:
    """Return the shipped sample of the same particle in the same calorimeter, or None."""
    geometry, particle = generator.description.get("geometry"), generator.description.get("particle")
    if geometry is None or particle is None or ENERGY not in generator.trained_range:
        return None
    for name in reference.names():
        events = reference.load(name)
        same = CalorimeterGeometry.from_events(events) == CalorimeterGeometry.from_json(str(geometry))
        if same and events.attrs["particle"] == particle:
            return Reference(name, events)
    return None
