r"""A toy: a parton shower by the DGLAP equation with a known kernel, by which a learned kernel can be checked.

A gluon of light-cone energy E (half of its light-cone momentum, E = (E' + p) / 2 with the energy E' and the momentum p
along the axis) splits into two with the shares z and 1 - z at the angle theta. The rate is

.. math:: dN = \frac{\alpha_s}{\pi} \frac{d\theta}{\theta} P(z) dz, \quad
    P(z) = 2 C_A \left[\frac{z}{1-z} + \frac{1-z}{z} + z(1-z)\right] \left[1 + h (4 z (1-z))^2\right]

for z up to 1/2, with a fixed coupling and, for h = 0, the Altarelli-Parisi function of a gluon to two gluons (Nucl.
Phys. B 126 (1977) 298). Splittings are resolved if kT = z E theta is above the cut-off. The shower is ordered in
t = E^a theta: a = 0 orders it in angle, a = 1/2 in (the root of the inverse of) formation time, a = 1 in transverse
momentum. It is made by the Sudakov veto algorithm. This is no simulation of real events: Pythia is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Annotated, Any, Final, Self

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from simulacra.conditions import Distribution
from simulacra.events import make_events, variable
from simulacra.observables.lund import COUPLED, momenta_of
from simulacra.settings import CheckedSettings
from simulacra.simulators.parton_clouds import parton_variables
from simulacra.simulators.simulation import DistributionText, check_seed, fingerprint_of, simulated
from simulacra.store import Chunk, Executor, WriteSummary, write_store

#: colour factor of a gluon
C_A: Final = 3.0
#: the largest value of z times the bracket of P(z) up to z = 1/2, which it takes at 1/2
HIGHEST: Final = 1.125
CHUNK_SIZE: Final = 5000
#: events that are made together; a chunk is made of whole blocks, so that a shorter one holds the same first events
BLOCK: Final = 500
VERSION: Final = "1"


class ShowerError(ValueError):
    """A shower that cannot be stored; the message names the event and the remedy."""


class PartonShowerSettings(CheckedSettings):
    """Settings of the toy shower.

    ``parton_energy`` [GeV] is the light-cone energy of the first gluon: ``100``, ``uniform:50:500`` or ``log:50:500``.
    ``coupling`` is alpha_s, ``largest_angle`` where the shower starts, ``cutoff`` the lowest kT [GeV], ``ordering`` the
    exponent a, ``hard_enhancement`` h (0: the Altarelli-Parisi function). ``max_partons`` is the number of places of an
    event. With ``splittings`` the store also holds z, angle and parton energy of every splitting, the truth, which is
    not for training.
    """

    parton_energy: DistributionText
    coupling: Annotated[float, Field(gt=0, le=1)] = 0.25
    largest_angle: Annotated[float, Field(gt=0, le=1)] = 0.4
    cutoff: Annotated[float, Field(gt=0)] = 1.0
    ordering: Annotated[float, Field(ge=0, le=2)] = 0.0
    hard_enhancement: Annotated[float, Field(gt=-1, le=100)] = 0.0
    max_partons: Annotated[int, Field(ge=2, le=4096)] = 48
    splittings: bool = False

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if Distribution.parse(self.parton_energy).low <= 0:
            raise ValueError(f"parton_energy must be above 0 GeV, not {self.parton_energy}")
        return self


@dataclass(frozen=True)
class Splittings:
    """Splittings in the order in which they were made: event, light-cone energy of the parton [GeV], z, angle."""

    event: np.ndarray
    energy: np.ndarray
    z: np.ndarray
    angle: np.ndarray


def splitting_function(z: np.ndarray, hard_enhancement: float = 0.0) -> np.ndarray:
    """Return P(z), of any shape, with 2 C_A."""
    return np.asarray(
        2 * C_A * (z / (1 - z) + (1 - z) / z + z * (1 - z)) * (1 + hard_enhancement * (4 * z * (1 - z)) ** 2)
    )


def evolve(
    energy: np.ndarray, settings: PartonShowerSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Splittings]:
    """Return the final partons of showers, and their splittings.

    Parameters
    ----------
    energy:
        light-cone energy of the first parton of each event, (N,), [GeV].

    Returns
    -------
    tuple
        event (M,), light-cone energy (M,) [GeV] and slopes (M, 2) of the final partons, the transverse momenta in units
        of the light-cone energy, and the splittings.
    """
    highest = HIGHEST * (1 + max(settings.hard_enhancement, 0.0))
    rate = 2 * settings.coupling * C_A / np.pi * highest
    event = np.arange(len(energy))
    slope = np.zeros((len(energy), 2))
    scale = np.full(len(energy), settings.largest_angle)
    final: list[tuple[np.ndarray, ...]] = []
    made: list[tuple[np.ndarray, ...]] = []
    energy = energy.astype(np.float64)
    while len(event):
        # A scale may fall to 0 in one step of the veto algorithm.
        room = np.log(np.maximum(energy * scale / (2 * settings.cutoff), np.finfo(float).tiny))
        going = room > 0
        final.append((event[~going], energy[~going], slope[~going]))
        event, energy, slope, scale, room = (x[going] for x in (event, energy, slope, scale, room))
        exponential, place, keep, phi = rng.random((4, len(event)))
        angle = scale * np.exp(np.log1p(-exponential) / (rate * room))
        z = 0.5 * np.exp(-place * room)
        accepted = (z * energy * angle > settings.cutoff) & (
            keep * highest * 2 * C_A < z * splitting_function(z, settings.hard_enhancement)
        )
        made.append((event[accepted], energy[accepted], z[accepted], angle[accepted]))
        along = np.stack([np.cos(2 * np.pi * phi), np.sin(2 * np.pi * phi)], axis=1) * angle[:, None]
        start = {
            share: np.minimum(angle * f ** (-settings.ordering), settings.largest_angle)
            for share, f in (("soft", z), ("hard", 1 - z))
        }
        rest, a = ~accepted, accepted
        event, energy, slope, scale = (
            np.concatenate([event[rest], event[a], event[a]]),
            np.concatenate([energy[rest], (z * energy)[a], ((1 - z) * energy)[a]]),
            np.concatenate([slope[rest], (slope + (1 - z)[:, None] * along)[a], (slope - z[:, None] * along)[a]]),
            np.concatenate([angle[rest], start["soft"][a], start["hard"][a]]),
        )
    ends = tuple(np.concatenate(pieces) for pieces in zip(*final, strict=True))
    return ends[0], ends[1], ends[2], Splittings(*(np.concatenate(pieces) for pieces in zip(*made, strict=True)))


@dataclass(frozen=True)
class PartonShowerTask:
    """Makes a chunk; a pure function of the settings, the seed and the chunk."""

    settings: PartonShowerSettings
    seed: int

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of a chunk.

        Raises
        ------
        ShowerError
            if a shower has more partons than places.
        """
        begin = time.process_time()
        pieces = [self._block(chunk, *bounds) for bounds in _blocks(chunk)]
        joined: Any = xr.Variable.concat
        variables = {
            name: joined([piece[name] for piece in pieces], "event")[: chunk.stop - chunk.start] for name in pieces[0]
        }
        return make_events(
            variables,
            simulator="toy parton shower",
            simulator_version=VERSION,
            seed=self.seed,
            settings=self.settings.model_dump(),
            seconds_per_event=(time.process_time() - begin) / (chunk.stop - chunk.start),
            first_event=chunk.start,
        )

    def _block(self, chunk: Chunk, number: int, first: int) -> dict[str, xr.Variable]:
        settings = self.settings
        of_energy, of_shower = np.random.SeedSequence([self.seed, chunk.index, number]).spawn(2)
        drawn = Distribution.parse(settings.parton_energy).draw(BLOCK, np.random.default_rng(of_energy))
        drawn = drawn.astype(np.float32)
        event, energy, slope, splittings = evolve(drawn, settings, np.random.default_rng(of_shower))
        counts = np.bincount(event, minlength=BLOCK)
        kept = min(chunk.stop - first, BLOCK)
        if counts[:kept].max() > settings.max_partons:
            place = int(counts[:kept].argmax())
            raise ShowerError(
                f"event {first + place} has {counts[place]} partons, more than {settings.max_partons}: allow more with "
                "--max-partons (max_partons in settings)"
            )
        few = counts[event] <= settings.max_partons
        momentum, total = momenta_of(energy[few], slope[few])
        return {
            **parton_variables(event[few], momentum, total, BLOCK, settings.max_partons),
            "parton_energy": variable(drawn, units="GeV", long_name=COUPLED, role="condition"),
            **(_truth(splittings, settings.max_partons - 1) if settings.splittings else {}),
        }


def _blocks(chunk: Chunk) -> Iterator[tuple[int, int]]:
    return ((number, first) for number, first in enumerate(range(chunk.start, chunk.stop, BLOCK)))


def _truth(made: Splittings, room: int) -> dict[str, xr.Variable]:
    """Return the splittings of a block of events as variables, in the order of falling angle."""
    order = np.lexsort((-made.angle, made.event))
    counts = np.bincount(made.event, minlength=BLOCK)
    slot = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    stays = slot < room
    place = made.event[order][stays], slot[stays]

    def filled(values: np.ndarray) -> np.ndarray:
        array = np.zeros((BLOCK, room), dtype=np.float32)
        array[place] = values[order][stays]
        return array

    there = np.arange(room) < counts[:, None]
    along = "splitting"
    return {
        "splitting_z": variable(
            filled(made.z), along, units="1", long_name="share z of the softer parton of a splitting", role="feature"
        ),
        "splitting_angle": variable(
            filled(made.angle), along, units="rad", long_name="angle between the two partons", role="feature"
        ),
        "splitting_energy": variable(
            filled(made.energy), along, units="GeV", long_name="light-cone energy of the parton", role="feature"
        ),
        "split": variable(there, along, units="1", long_name="whether there is a splitting", role="mask"),
    }


def write_parton_showers(
    path: str | PathLike[str],
    settings: PartonShowerSettings,
    *,
    seed: int,
    n_events: int,
    workers: int | Executor = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = True,
    overwrite: bool = False,
) -> WriteSummary:
    """Write showers into a Zarr store; a killed run can continue. The events do not depend on ``workers``.

    Raises
    ------
    ValueError
        if the seed is negative.
    StoreError
        if the store cannot be written, or a shower has more partons than places.
    """
    check_seed(seed)
    return write_store(
        path,
        PartonShowerTask(settings, seed),
        n_events=n_events,
        chunk_size=chunk_size,
        workers=workers,
        fingerprint=fingerprint_of("toy parton shower", settings.model_dump() | {"version": VERSION}, seed),
        progress=progress,
        label="parton showers",
        overwrite=overwrite,
        bytes_per_event=(4 * 4 + 4 + 1 + 1) * settings.max_partons,
    )


def simulate_parton_showers(
    settings: PartonShowerSettings,
    *,
    seed: int,
    n_events: int,
    path: str | PathLike[str] | None = None,
    workers: int = 1,
    chunk_size: int = CHUNK_SIZE,
    progress: bool = False,
) -> xr.Dataset:
    """Return showers: lazily from the store at ``path``, or in memory without one."""
    options = {"workers": workers, "chunk_size": chunk_size, "progress": progress}
    return simulated(write_parton_showers, settings, path, seed=seed, n_events=n_events, **options)
