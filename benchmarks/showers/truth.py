"""The Geant4 showers against which every generator is judged, and their own values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from simulacra import reference
from simulacra.events import take_part
from simulacra.formats import read

REFERENCES: Final = {"e+": "calogan-eplus", "gamma": "calogan-gamma"}


@dataclass(frozen=True)
class Sources:
    """The source of the showers of a particle.

    Attributes
    ----------
    particle:
        "e+" or "gamma".
    truth:
        a file, whose test part is the truth; the whole shipped reference sample if None.
    training:
        a file with the generators' training part, for memorisation; that of the truth if None.
    most:
        largest number of showers of each sample.
    """

    particle: str
    truth: str | None = None
    training: str | None = None
    most: int | None = None

    def events(self) -> xr.Dataset:
        """Return the truth: showers not used for training or model choice."""
        if self.truth is None:
            return _some(reference.load(REFERENCES[self.particle]), self.most)
        return _some(take_part(read(self.truth, particle=self.particle), "test"), self.most)

    def training_events(self) -> xr.Dataset | None:
        """Return all training showers of the generators; None if no file is given."""
        file = self.training or self.truth
        return None if file is None else take_part(read(file, particle=self.particle), "train").load()

    def said(self) -> str:
        """Return a description of the truth."""
        if self.truth is None:
            return f"the shipped reference sample {REFERENCES[self.particle]}"
        return f"the test part of {self.truth}"


def pair(sources: Sources) -> tuple[xr.Dataset, xr.Dataset, str]:
    """Return two samples of Geant4 without common showers, and their description.

    The truth and the shipped reference sample; if these are the same, or of other conditions, halves of the truth.
    """
    truth = sources.events()
    if sources.truth is not None:
        other = _some(reference.load(REFERENCES[sources.particle]), sources.most)
        alike = _conditions(truth) == _conditions(other) and other["shower"].shape[1] == truth["shower"].shape[1]
        if alike and not _share_a_shower(truth, other):
            return truth, other, f"{sources.said()} and the shipped reference sample, of other seeds and other energies"
    middle = truth.sizes["event"] // 2
    halves = [truth.isel(event=slice(start, start + middle)) for start in (0, middle)]
    return halves[0], halves[1], f"halves of {sources.said()}, each half as large as what generators are judged with"


def _conditions(events: xr.Dataset) -> set[str]:
    """Return the names of the conditions that vary."""
    names = [str(name) for name, one in events.data_vars.items() if one.attrs.get("role") == "condition"]
    return {name for name in names if float(np.ptp(events[name].values)) > 0}


def milliseconds(events: xr.Dataset) -> float | None:
    """Return the time per shower in Geant4 [ms] on the machine that made the sample; None if it is not recorded."""
    seconds = float(events.attrs.get("seconds_per_event", math.nan))
    return 1000.0 * seconds if math.isfinite(seconds) and seconds > 0 else None


def measured_milliseconds(events: xr.Dataset, particle: str, n: int, seed: int) -> tuple[float, float]:
    """Return the time per shower of these energies in Geant4 on one thread here, and its error [ms], from n showers.

    The time is assumed to be proportional to the energy; the mean energy is known, that of a few draws varies.

    Raises
    ------
    RuntimeError, ValueError, ImportError
        if Geant4 does not run here.
    """
    from simulacra.geometry import CalorimeterGeometry
    from simulacra.simulators.geant4 import Geant4Settings, simulate

    settings = Geant4Settings(geometry=CalorimeterGeometry.from_events(events), particle=particle, energy="log:1:100")
    runs, per_gev = 4, []
    for run in range(runs):
        made = simulate(settings, n_events=max(n // runs, 1), seed=seed + run)
        per_gev.append(1000.0 * float(made.attrs["seconds_per_event"]) / float(made["incident_energy"].mean()))
    energy = float(events["incident_energy"].mean())
    return energy * float(np.mean(per_gev)), energy * float(np.std(per_gev, ddof=1)) / math.sqrt(runs)


def _some(events: xr.Dataset, most: int | None) -> xr.Dataset:
    return (events if most is None else events.isel(event=slice(most))).load()


def _share_a_shower(one: xr.Dataset, other: xr.Dataset) -> bool:
    rows = [{row.tobytes() for row in events["shower"].values.astype(np.float32)} for events in (one, other)]
    return not rows[0].isdisjoint(rows[1])
