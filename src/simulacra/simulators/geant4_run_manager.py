"""The one Geant4 run manager of a process. Importing this imports geant4_pybind: only in a separate process."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import geant4_pybind as g4
import numpy as np

from simulacra.geometry import CalorimeterGeometry
from simulacra.simulators.geant4_data import Geant4Error
from simulacra.simulators.geant4_detector import MEDIA, Detector, vertex_z

#: how often particles whose events Geant4 gave up are shot again; a thousandth is usual where they fly along an edge
MOST_REPEATS: Final = 10

GEANT4_VERSION = f"{g4.G4VERSION_NUMBER // 100}.{g4.G4VERSION_NUMBER // 10 % 10}.{g4.G4VERSION_NUMBER % 10}"


@dataclass(frozen=True)
class Showers:
    """Deposits in absorber plus active medium, and in the active medium only, (n, n_cells) [MeV]."""

    shower: np.ndarray
    active: np.ndarray
    seconds_per_event: float


class _Electromagnetic(g4.G4VModularPhysicsList):  # type: ignore[misc,unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self.SetVerboseLevel(0)
        self.RegisterPhysics(g4.G4EmStandardPhysics())


class _Gun(g4.G4VUserPrimaryGeneratorAction):  # type: ignore[misc,unused-ignore]
    """Shoots the particles of a chunk one after the other."""

    def __init__(self, particle: str, z: float) -> None:
        super().__init__()
        self.z = z
        self.gun = g4.G4ParticleGun(1)
        self.gun.SetParticleDefinition(g4.G4ParticleTable.GetParticleTable().FindParticle(particle))
        self.conditions: dict[str, np.ndarray] = {}
        self.next = 0

    def GeneratePrimaries(self, event: g4.G4Event) -> None:  # noqa: N802
        energy, x, y, polar, azimuth = (
            float(self.conditions[name][self.next])
            for name in ("incident_energy", "impact_x", "impact_y", "polar_angle", "azimuthal_angle")
        )
        self.next += 1
        direction = np.array([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])
        start = np.array([x, y, 0.0]) + direction * (self.z / direction[2])
        self.gun.SetParticlePosition(g4.G4ThreeVector(*map(float, start)))
        self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(*map(float, direction)))
        self.gun.SetParticleEnergy(energy * g4.GeV)
        self.gun.GeneratePrimaryVertex(event)


class _ReadOut(g4.G4UserEventAction):  # type: ignore[misc,unused-ignore]
    """Sums the scorers of an event into one row of each image."""

    def __init__(self, geometry: CalorimeterGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.rows: list[np.ndarray] = []
        self.collections: list[tuple[int, int, int]] = []

    def EndOfEventAction(self, event: g4.G4Event) -> None:  # noqa: N802
        if not self.collections:
            manager = g4.G4SDManager.GetSDMpointer()
            self.collections = [
                (manager.GetCollectionID(f"{medium}{i}/energy"), m, offset)
                for i, offset in enumerate(self.geometry.offsets)
                for m, medium in enumerate(MEDIA)
            ]
        hits = event.GetHCofThisEvent()
        row = np.zeros((len(MEDIA), self.geometry.n_cells))
        for collection, medium, offset in self.collections:
            for cell, energy in hits.GetHC(collection):
                row[medium, offset + cell] = energy  # [MeV], Geant4's own unit
        # Of an event that Geant4 gave up, only what was deposited until then is known.
        self.rows.append(np.full_like(row, np.nan) if event.IsAborted() else row)


class _Actions(g4.G4VUserActionInitialization):  # type: ignore[misc,unused-ignore]
    def __init__(self, manager: RunManager) -> None:
        super().__init__()
        self.manager = manager

    def Build(self) -> None:  # noqa: N802
        self.SetUserAction(self.manager.gun)
        self.SetUserAction(self.manager.read_out)


@contextlib.contextmanager
def _standard_output_closed() -> Iterator[None]:
    """Drop what Geant4 prints to standard output; its exceptions go to standard error, which stays."""
    sys.stdout.flush()
    kept = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


class RunManager:
    """A Geant4 run manager for one geometry, particle and physics list; a process holds at most one, for ever.

    ``detector`` is built instead of the bare geometry: an object that holds a
    :class:`~simulacra.simulators.geant4_detector.Detector` and adds to it.
    """

    _current: RunManager | None = None

    def __init__(
        self,
        geometry: CalorimeterGeometry,
        particle: str,
        physics_list: str,
        detector: g4.G4VUserDetectorConstruction | None = None,
    ) -> None:
        self.key = (geometry, particle, physics_list)
        with _standard_output_closed():
            g4.G4EmParameters.Instance().SetVerbose(0)
            self._manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.SerialOnly)
            self._physics = g4.FTFP_BERT() if physics_list == "FTFP_BERT" else _Electromagnetic()
            # Python must keep a reference to all that it hands to Geant4.
            self._detector = detector or Detector(geometry)
            self._manager.SetUserInitialization(self._detector)
            self._manager.SetUserInitialization(self._physics)
            self.gun = _Gun(particle, vertex_z(geometry))
            self.read_out = _ReadOut(geometry)
            self._actions = _Actions(self)
            self._manager.SetUserInitialization(self._actions)
            self._commands("/control/verbose 0", "/run/verbose 0", "/process/had/verbose 0")
            self._manager.Initialize()
            self._manager.BeamOn(0)  # builds the tables of physics, which are no part of an event's time

    @classmethod
    def of(cls, geometry: CalorimeterGeometry, particle: str, physics_list: str) -> RunManager:
        """Return the run manager of this process.

        Raises
        ------
        Geant4Error
            if the process holds one for something else.
        """
        if cls._current is None:
            cls._current = cls(geometry, particle, physics_list)
        if cls._current.key != (geometry, particle, physics_list):
            raise Geant4Error("Geant4 can simulate one detector and particle in a process; use another process")
        return cls._current

    def run(self, conditions: Mapping[str, np.ndarray], seeds: tuple[int, int]) -> Showers:
        """Return the showers of the particles that ``conditions`` describe, (n,) each.

        The result depends only on the arguments: the random engine is seeded first. If Geant4 gives up an event, as
        when a particle flies exactly along the edge of volumes, its particle is shot again with further random numbers.

        Raises
        ------
        Geant4Error
            if Geant4 does not finish all events.
        """
        n = len(conditions["incident_energy"])
        with _standard_output_closed():
            self._commands(f"/random/setSeeds {seeds[0]} {seeds[1]}")
            begin = time.process_time()
            rows = self._shot(conditions)
            repeats = 0
            while (given_up := np.isnan(rows).any(axis=(1, 2))).any() and repeats < MOST_REPEATS:
                repeats += 1
                rows[given_up] = self._shot({name: values[given_up] for name, values in conditions.items()})
            seconds = time.process_time() - begin
        if given_up.any():
            raise Geant4Error(
                f"Geant4 gave up event {int(np.flatnonzero(given_up)[0])} of {n} {1 + MOST_REPEATS} times; its "
                "messages are above. Particles that fly exactly along the edge of two cells are a usual reason: move "
                "the impact point or the direction a little"
            )
        return Showers(rows.sum(axis=1), rows[:, MEDIA.index("active")], seconds / n)

    def _shot(self, conditions: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the deposits of each particle in each medium, (n, media, cells) [MeV], NaN where Geant4 gave up."""
        n = len(conditions["incident_energy"])
        self.gun.conditions, self.gun.next = dict(conditions), 0
        self.read_out.rows = []
        self._manager.BeamOn(n)
        if len(self.read_out.rows) != n:
            raise Geant4Error(f"Geant4 finished {len(self.read_out.rows)} of {n} events; its messages are above")
        return np.array(self.read_out.rows)

    @staticmethod
    def _commands(*commands: str) -> None:
        for command in commands:
            g4.G4UImanager.GetUIpointer().ApplyCommand(command)
