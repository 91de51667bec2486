"""Showers in a calorimeter by Geant4, in separate processes, chunk by chunk into a store."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
import xarray as xr
from pydantic import BeforeValidator, Field, model_validator

from simulacra.conditions import Distribution
from simulacra.events import make_events, variable
from simulacra.geometry import CalorimeterGeometry
from simulacra.settings import CheckedSettings
from simulacra.simulators import geant4_data
from simulacra.simulators.geant4_data import HOW_TO_GET, Geant4Error
from simulacra.simulators.simulation import DistributionText, check_seed, fingerprint_of, simulated
from simulacra.store import Chunk, Executor, WriteSummary, write_store

PhysicsList = Literal["auto", "FTFP_BERT", "electromagnetic"]

CHUNK_SIZE: Final = 100
ELECTROMAGNETIC_PARTICLES: Final = ("gamma", "e-", "e+", "mu-", "mu+")
COMMON_PARTICLES: Final = (*ELECTROMAGNETIC_PARTICLES, "pi-", "pi+", "pi0", "kaon-", "kaon+", "proton", "neutron")
MAXIMAL_ENERGY: Final = 1e5  # GeV, up to which Geant4's physics is made
MAXIMAL_POLAR_ANGLE: Final = 1.4  # rad


def _load_geometry(value: Any) -> Any:
    return CalorimeterGeometry.load(value) if isinstance(value, str | Path) else value


class Geant4Settings(CheckedSettings):
    """What to simulate: geometry (a name, a file or the model), particle and the distributions of its conditions.

    Distributions are written ``50``, ``uniform:1:100`` or ``log:1:100``. ``energy`` is kinetic [GeV]; ``impact_x`` and
    ``impact_y`` [mm] are the point where the line of flight meets the front face; ``polar_angle`` (to the z axis) and
    ``azimuthal_angle`` (from the x axis) [rad] are its direction. ``physics_list`` "auto" is FTFP_BERT if its data sets
    are available, and otherwise the standard electromagnetic physics (option 0).
    """

    geometry: Annotated[CalorimeterGeometry, BeforeValidator(_load_geometry)]
    particle: Annotated[str, Field(min_length=1)]
    energy: DistributionText
    impact_x: DistributionText = "0"
    impact_y: DistributionText = "0"
    polar_angle: DistributionText = "0"
    azimuthal_angle: DistributionText = "0"
    physics_list: PhysicsList = "auto"

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        half = self.geometry.lateral_size / 2
        for name, lowest, highest, unit in (
            ("energy", 0.0, MAXIMAL_ENERGY, "GeV"),
            ("impact_x", -half, half, "mm"),
            ("impact_y", -half, half, "mm"),
            ("polar_angle", 0.0, MAXIMAL_POLAR_ANGLE, "rad"),
        ):
            drawn = Distribution.parse(getattr(self, name))
            if not (lowest <= drawn.low and drawn.high <= highest) or (name == "energy" and drawn.low <= 0):
                above = "above 0 and up to" if name == "energy" else f"from {lowest:g} to"
                raise ValueError(f"{name} must be {above} {highest:g} {unit}, not {getattr(self, name)}")
        return self


@dataclass(frozen=True)
class _Condition:
    name: str
    setting: str
    units: str
    long_name: str


CONDITIONS: Final = (
    _Condition("incident_energy", "energy", "GeV", "kinetic energy of the incident particle"),
    _Condition("impact_x", "impact_x", "mm", "x of the impact point on the front face"),
    _Condition("impact_y", "impact_y", "mm", "y of the impact point on the front face"),
    _Condition("polar_angle", "polar_angle", "rad", "angle of incidence to the z axis"),
    _Condition("azimuthal_angle", "azimuthal_angle", "rad", "angle of incidence from the x axis around z"),
)


def draw_conditions(settings: Geant4Settings, seed: int, chunk: Chunk) -> dict[str, np.ndarray]:
    """Return the conditions of the events of a chunk, (n,) float32 each.

    Each condition has its own random stream, so a shorter chunk holds the first events of the full one.
    """
    streams = np.random.SeedSequence([seed, chunk.index]).spawn(len(CONDITIONS) + 1)[:-1]
    return {
        condition.name: Distribution.parse(getattr(settings, condition.setting))
        .draw(chunk.stop - chunk.start, np.random.default_rng(stream))
        .astype(np.float32)
        for condition, stream in zip(CONDITIONS, streams, strict=True)
    }


def engine_seeds(seed: int, chunk: Chunk) -> tuple[int, int]:
    """Return the two seeds of Geant4's random engine for a chunk."""
    state = np.random.SeedSequence([seed, chunk.index]).spawn(len(CONDITIONS) + 1)[-1].generate_state(2, np.uint32)
    return int(state[0] >> 1) + 1, int(state[1] >> 1) + 1


@dataclass(frozen=True)
class ShowerTask:
    """Simulates a chunk; a pure function of the settings (with a definite physics list), the seed and the chunk."""

    settings: Geant4Settings
    seed: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of a chunk. Geant4 takes over the process: call this in a separate one."""
        settings = self.settings
        geant4_data.require_importable()
        from simulacra.simulators.geant4_run_manager import GEANT4_VERSION, RunManager

        manager = RunManager.of(settings.geometry, settings.particle, settings.physics_list)
        drawn = draw_conditions(settings, self.seed, chunk)
        showers = manager.run(drawn, engine_seeds(self.seed, chunk))
        central = all(Distribution.parse(getattr(settings, c.setting)) == _ZERO for c in CONDITIONS[1:])
        variables = {
            c.name: variable(drawn[c.name], units=c.units, long_name=c.long_name, role="condition")
            for c in (CONDITIONS[:1] if central else CONDITIONS)
        }
        for name, image, medium in (
            ("shower", showers.shower, "absorber and active medium"),
            ("active", showers.active, "the active medium"),
        ):
            variables[name] = variable(
                image.astype(np.float32),
                "cell",
                units="MeV",
                long_name=f"energy deposited in {medium} of each cell",
                role="feature",
            )
        return make_events(
            variables,
            simulator="geant4",
            simulator_version=GEANT4_VERSION,
            seed=self.seed,
            settings=_record(settings),
            seconds_per_event=showers.seconds_per_event,
            first_event=chunk.start,
            particle=settings.particle,
            physics_list=settings.physics_list,
            geometry=settings.geometry.to_json(),
            geant4_pybind_version=version("geant4-pybind"),
        )


_ZERO: Final = Distribution("fixed", 0.0, 0.0)


def _record(settings: Geant4Settings) -> dict[str, Any]:
    return {**settings.model_dump(exclude={"geometry"}), "geometry": settings.geometry.name}


def checked(settings: Geant4Settings) -> Geant4Settings:
    """Return the settings with a definite physics list, after checking all that could make Geant4 abort.

    Raises
    ------
    Geant4Error
        if the package or a data set is missing, with how to get it.
    ValueError
        if Geant4 knows no such material or particle.
    """
    geant4_data.require_importable()
    from simulacra.simulators.geant4_inspection import atomic_numbers, is_particle

    geometry = settings.geometry
    slabs = [geometry.absorber, geometry.active, *([geometry.dead_material] if geometry.dead_material else [])]
    materials = sorted({slab.material for slab in slabs} | {"G4_Galactic"})
    geant4_data.require_elements([z for name in materials for z in atomic_numbers(name)], ", ".join(materials))
    if not is_particle(settings.particle):
        raise ValueError(
            f"Geant4 cannot shoot a '{settings.particle}'; common particles are {', '.join(COMMON_PARTICLES)}"
        )
    missing = geant4_data.missing_hadronic()
    electromagnetic = settings.particle in ELECTROMAGNETIC_PARTICLES
    physics_list = settings.physics_list
    if physics_list == "auto":
        physics_list = "electromagnetic" if missing and electromagnetic else "FTFP_BERT"
    if physics_list == "electromagnetic" and not electromagnetic:
        raise ValueError(
            f"the electromagnetic physics knows {', '.join(ELECTROMAGNETIC_PARTICLES)}, not '{settings.particle}': "
            "ask for the physics list FTFP_BERT"
        )
    if physics_list == "FTFP_BERT" and missing:
        folders = ", ".join(f"{name} ({geant4_data.folder_of(name)})" for name in missing)
        raise Geant4Error(
            f"'{settings.particle}' with the hadronic physics list FTFP_BERT needs data sets that are missing or "
            f"empty: {folders}. {HOW_TO_GET}"
        )
    return settings.model_copy(update={"physics_list": physics_list})


def write_showers(
    path: str | PathLike[str],
    settings: Geant4Settings,
    *,
    seed: int,
    n_events: int,
    workers: int | Executor = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = True,
    overwrite: bool = False,
) -> WriteSummary:
    """Simulate showers into a Zarr store; a killed run can continue. The events do not depend on ``workers``.

    Raises
    ------
    Geant4Error, ValueError
        as :func:`checked`.
    StoreError
        if the store cannot be written.
    """
    check_seed(seed)
    settings = checked(settings)
    return write_store(
        path,
        ShowerTask(settings, seed),
        n_events=n_events,
        chunk_size=chunk_size,
        workers=workers,
        in_process=False,
        fingerprint=fingerprint_of("geant4", settings.model_dump(mode="json"), seed, package="geant4-pybind"),
        progress=progress,
        label=f"{settings.particle} showers",
        overwrite=overwrite,
        # the energy of each cell, in all of it and in its active medium, float32
        bytes_per_event=2 * 4 * settings.geometry.n_cells,
    )


def simulate(
    settings: Geant4Settings,
    *,
    seed: int,
    n_events: int,
    path: str | PathLike[str] | None = None,
    workers: int = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = False,
) -> xr.Dataset:
    """Return simulated showers: lazily from the store at ``path``, or in memory without one.

    Events 0 to k are the same for any ``n_events`` and ``workers``. The processes are spawned: a script must call
    this under ``if __name__ == "__main__":``.
    """
    options = {"workers": workers, "chunk_size": chunk_size, "progress": progress}
    return simulated(write_showers, settings, path, seed=seed, n_events=n_events, **options)
