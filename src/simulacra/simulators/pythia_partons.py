"""Showers of single gluons by Pythia 8, without hadrons: one hemisphere of a pair of gluons at a time.

Two gluons of equal energy fly apart along the x axis, connected by colour, and Pythia's time-like shower evolves them
from twice the energy down to its cut-off. An event is the partons with a momentum along the first gluon, rotated so
that their total is along the x axis. Gluons split into quarks too; flavours are not kept.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from os import PathLike
from typing import Annotated, Any, Final, Self

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from simulacra.conditions import Distribution
from simulacra.events import make_events, variable
from simulacra.observables.lund import COUPLED
from simulacra.settings import CheckedSettings
from simulacra.simulators.parton_clouds import parton_variables
from simulacra.simulators.parton_shower import ShowerError
from simulacra.simulators.pythia import require_package
from simulacra.simulators.simulation import DistributionText, check_seed, fingerprint_of
from simulacra.store import Chunk, Executor, WriteSummary, write_store

CHUNK_SIZE: Final = 2500
#: Pythia's settings: nothing but the shower of what is put into its record
SETTINGS: Final = (
    "ProcessLevel:all = off",
    "HadronLevel:all = off",
    "Print:quiet = on",
    "Next:numberShowEvent = 0",
    "Random:setSeed = on",
)
GLUON: Final = 21
OUTGOING: Final = 23


class PythiaPartonSettings(CheckedSettings):
    """Settings of Pythia's showers of gluons.

    ``gluon_energy`` [GeV] is the energy of both gluons: ``100``, ``uniform:50:500`` or ``log:50:500``. ``cutoff`` is
    the lowest transverse momentum of Pythia's shower [GeV] (TimeShower:pTmin). ``max_partons`` is the number of places
    of an event.
    """

    gluon_energy: DistributionText
    cutoff: Annotated[float, Field(ge=0.4, le=10)] = 1.0
    max_partons: Annotated[int, Field(ge=2, le=4096)] = 48

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        drawn = Distribution.parse(self.gluon_energy)
        if not (drawn.low > 0 and drawn.high <= 1e4):
            raise ValueError(f"gluon_energy must be above 0 and up to 10000 GeV, not {self.gluon_energy}")
        return self


@dataclass(frozen=True)
class PythiaPartonTask:
    """Makes a chunk; a pure function of the settings, the seed and the chunk."""

    settings: PythiaPartonSettings
    seed: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of a chunk.

        Raises
        ------
        ShowerError
            if a hemisphere has more partons than places.
        PythiaError
            if Pythia is not installed.
        """
        require_package()
        import pythia8mc

        begin = time.process_time()
        settings, n = self.settings, chunk.stop - chunk.start
        of_energy, of_shower = np.random.SeedSequence([self.seed, chunk.index]).spawn(2)
        drawn = Distribution.parse(settings.gluon_energy).draw(n, np.random.default_rng(of_energy))
        pythia = pythia8mc.Pythia("", False)
        seed = int(of_shower.generate_state(1)[0]) % 900_000_000 + 1
        for text in (*SETTINGS, f"Random:seed = {seed}", f"TimeShower:pTmin = {settings.cutoff!r}"):
            if not pythia.readString(text):
                raise ShowerError(f"Pythia does not know the setting '{text}'")
        pythia.init()
        hemispheres = [_hemisphere(pythia, float(energy)) for energy in drawn]
        counts = [len(hemisphere) for hemisphere in hemispheres]
        if max(counts) > settings.max_partons:
            place = int(np.argmax(counts))
            raise ShowerError(
                f"event {chunk.start + place} has {counts[place]} partons, more than {settings.max_partons}: allow "
                "more with --max-partons (max_partons in settings)"
            )
        momentum = np.concatenate([_along_x(hemisphere) for hemisphere in hemispheres])
        energy = np.sqrt((momentum**2).sum(axis=1))
        event = np.repeat(np.arange(n), counts)
        coupled = np.bincount(event, weights=(energy + momentum[:, 0]) / 2, minlength=n)
        return make_events(
            {
                **parton_variables(event, momentum, energy, n, settings.max_partons),
                "parton_energy": variable(coupled.astype(np.float32), units="GeV", long_name=COUPLED, role="condition"),
            },
            simulator="pythia",
            simulator_version=str(pythia.parm("Pythia:versionNumber")),
            seed=self.seed,
            settings=settings.model_dump(),
            seconds_per_event=(time.process_time() - begin) / n,
            first_event=chunk.start,
            process="gluon hemispheres without hadrons",
        )


def _hemisphere(pythia: Any, energy: float) -> np.ndarray:
    """Return the momenta (M, 3) [GeV] of the partons along the first of two gluons that shower."""
    event = pythia.event
    while True:
        event.reset()
        event.append(GLUON, OUTGOING, 101, 102, energy, 0.0, 0.0, energy, 0.0, 2 * energy)
        event.append(GLUON, OUTGOING, 102, 101, -energy, 0.0, 0.0, energy, 0.0, 2 * energy)
        pythia.forceTimeShower(1, 2, 2 * energy)
        found = [(p.px(), p.py(), p.pz()) for p in map(event.__getitem__, range(1, event.size())) if p.isFinal()]
        momentum = np.array(found)
        ahead = momentum[momentum[:, 0] > 0]
        # Almost never, all of a soft event goes backwards: there is no such hemisphere.
        if len(ahead):
            return ahead


def _along_x(momentum: np.ndarray) -> np.ndarray:
    """Return momenta (M, 3), rotated so that their sum is along the x axis."""
    total = momentum.sum(axis=0)
    axis = total / np.linalg.norm(total)
    # Rodrigues' rotation of the axis to x, which is not opposite to it: the sum has a component along x.
    v = np.cross(axis, [1.0, 0.0, 0.0])
    cross = np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])
    return np.asarray(momentum @ (np.eye(3) + cross + cross @ cross / (1 + axis[0])).T)


def write_pythia_partons(
    path: str | PathLike[str],
    settings: PythiaPartonSettings,
    *,
    seed: int,
    n_events: int,
    workers: int | Executor = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = True,
    overwrite: bool = False,
) -> WriteSummary:
    """Write hemispheres into a Zarr store; a killed run can continue. The events do not depend on ``workers``.

    Raises
    ------
    PythiaError
        if Pythia is not installed.
    ValueError
        if the seed is negative.
    StoreError
        if the store cannot be written, or a hemisphere has more partons than places.
    """
    check_seed(seed)
    require_package()
    return write_store(
        path,
        PythiaPartonTask(settings, seed),
        n_events=n_events,
        chunk_size=chunk_size,
        workers=workers,
        fingerprint=fingerprint_of("gluon hemispheres", settings.model_dump(), seed, package="pythia8mc"),
        progress=progress,
        label="gluon hemispheres",
        overwrite=overwrite,
        bytes_per_event=(4 * 4 + 4 + 1 + 1) * settings.max_partons,
    )
