"""The response of a parametric detector to particles: tracks of charged ones, deposits of neutral ones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np

from simulacra.simulators.detector_settings import Acceptance, Calorimeter, DetectorSettings, Identification, Tracking

PION: Final = 211
PHOTON: Final = 22
NEUTRINOS: Final = (12, 14, 16)

#: masses of long-lived particles by the magnitude of their PDG code [GeV]; from the Review of Particle Physics
MASSES: Final[dict[int, float]] = {
    11: 0.00051100,
    13: 0.10565838,
    22: 0.0,
    111: 0.1349768,
    130: 0.497611,
    211: 0.13957039,
    310: 0.497611,
    321: 0.493677,
    2112: 0.93956542,
    2212: 0.93827209,
    3112: 1.197449,
    3122: 1.115683,
    3222: 1.18937,
    3312: 1.32171,
    3322: 1.31486,
    3334: 1.67245,
}

UNIFORMS: Final = 2
NORMALS: Final = 4
LARGEST_ETA: Final = 20.0  # used for the beam's direction


@dataclass(frozen=True)
class Particles:
    """Particles of many events: the row of their event, momentum (n, 3) and energy [GeV], PDG code and charge [e]."""

    row: np.ndarray
    momentum: np.ndarray
    energy: np.ndarray
    identity: np.ndarray
    charge: np.ndarray

    def take(self, place: np.ndarray) -> Self:
        """Return those at some places."""
        return type(self)(*(getattr(self, field.name).take(place, axis=0) for field in fields(self)))

    def and_also(self, others: Particles) -> Particles:
        """Return these and others."""
        return Particles(
            *(np.concatenate([getattr(self, field.name), getattr(others, field.name)]) for field in fields(self))
        )


@dataclass(frozen=True)
class Draws:
    """Random numbers of each particle: uniform, (n, 2), and normal, (n, 4)."""

    uniform: np.ndarray
    normal: np.ndarray

    def take(self, place: np.ndarray) -> Draws:
        """Return those at some places."""
        return Draws(self.uniform.take(place, axis=0), self.normal.take(place, axis=0))


def draws_of(key: int, index: np.ndarray, counts: np.ndarray) -> Draws:
    """Return the random numbers of all particles, event by event.

    They depend only on the key and the event's index (a counter-based generator, Salmon et al., SC'11), so an event is
    the same in any chunk or selection.

    Parameters
    ----------
    key:
        an integer of 128 bits.
    index, counts:
        index of each event and the number of its particles, (N,).
    """
    total = int(counts.sum())
    uniform, normal = np.empty((total, UNIFORMS)), np.empty((total, NORMALS))
    bits = np.random.Philox(key=key)
    generator, state = np.random.Generator(bits), bits.state
    counter = state["state"]["counter"]
    start = 0
    for event, count in zip(index.astype(np.uint64).tolist(), counts.tolist(), strict=True):
        counter[2] = event  # the lower two words count the numbers of an event
        bits.state = state
        stop = start + count
        generator.random(out=uniform[start:stop])
        generator.standard_normal(out=normal[start:stop])
        start = stop
    return Draws(uniform, normal)


def respond(particles: Particles, draws: Draws, settings: DetectorSettings) -> Particles:
    """Return the tracks and deposits of particles, in no particular order."""
    # places instead of masks, which are slow to choose rows of several numbers by
    charged = np.flatnonzero(particles.charge != 0)
    neutral = np.flatnonzero((particles.charge == 0) & ~np.isin(np.abs(particles.identity), NEUTRINOS))
    tracks = _tracks(particles.take(charged), draws.take(charged), settings.tracking, settings.identification)
    deposits = _deposits(particles.take(neutral), draws.take(neutral), settings.calorimeter, settings.identification)
    return tracks.and_also(deposits)


def _tracks(particles: Particles, draws: Draws, tracking: Tracking, identification: Identification) -> Particles:
    pt = np.hypot(particles.momentum[:, 0], particles.momentum[:, 1])
    efficiency = np.where(pt >= tracking.threshold, tracking.efficiency, 0.0)
    if tracking.turn_on > 0:
        efficiency *= -np.expm1(-np.maximum(pt - tracking.threshold, 0.0) / tracking.turn_on)
    found = np.flatnonzero((draws.uniform[:, 0] < efficiency) & _accepted(particles.momentum, tracking.acceptance))
    particles, draws, pt = particles.take(found), draws.take(found), pt[found]

    identity = np.where(
        draws.uniform[:, 1] < _probability_of_charged(particles.identity, identification),
        particles.identity,
        PION * np.sign(particles.charge),
    )
    # a draw below -1 is a track that seems to curve the other way; its momentum is as small as it seems
    scale = np.abs(1 + np.hypot(tracking.resolution_constant, tracking.resolution_slope * pt) * draws.normal[:, 0])
    momentum = particles.momentum * scale[:, None]
    if tracking.angular_resolution > 0:
        momentum = _tilted(momentum, tracking.angular_resolution * draws.normal[:, 1:3])
    energy = np.sqrt((momentum**2).sum(axis=1) + _mass(identity) ** 2)
    return Particles(particles.row, momentum, energy, identity, particles.charge)


def _deposits(
    particles: Particles, draws: Draws, calorimeter: Calorimeter, identification: Identification
) -> Particles:
    accepted = np.flatnonzero(_accepted(particles.momentum, calorimeter.acceptance))
    particles, draws = particles.take(accepted), draws.take(accepted)
    length = np.sqrt((particles.momentum**2).sum(axis=1, keepdims=True))
    direction = np.divide(particles.momentum, length, out=np.zeros_like(particles.momentum), where=length > 0)
    if calorimeter.polar_cell > 0:
        cell, direction = _cells(direction, calorimeter)
        cell += particles.row * (cell.max(initial=0) + 1)
    else:
        cell = np.arange(len(particles.row))
    # one deposit a cell, with the random numbers of the first particle in it
    _, first, deposit = np.unique(cell, return_index=True, return_inverse=True)
    n = len(first)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(deposit, values, minlength=n))

    energy = summed(particles.energy)
    variance = np.zeros(n)
    electromagnetic = np.isin(particles.identity, (PHOTON, 111))
    for chosen, resolution in (
        (electromagnetic, calorimeter.electromagnetic),
        (~electromagnetic, calorimeter.hadronic),
    ):
        part = summed(np.where(chosen, particles.energy, 0.0))
        variance += resolution.stochastic**2 * part + (resolution.constant * part) ** 2
    energy = energy + np.sqrt(variance) * draws.normal[first, 3]

    identity = particles.identity[first]
    of_one_kind = summed(particles.identity != identity[deposit]) == 0
    known = of_one_kind & (draws.uniform[first, 1] < _probability_of_neutral(identity, identification))
    known &= energy >= _mass(identity)
    identity = np.where(known, identity, 0)
    length = np.sqrt(np.maximum(energy**2 - _mass(identity) ** 2, 0.0))
    found = Particles(
        particles.row[first], direction[first] * length[:, None], energy, identity, np.zeros(n, dtype=np.int64)
    )
    return found.take(np.flatnonzero(energy > calorimeter.threshold))


def _cells(direction: np.ndarray, calorimeter: Calorimeter) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the cell in each direction (n, 3), (n,), and the direction of its centre, (n, 3)."""
    phi_cells = max(1, round(2 * np.pi / calorimeter.phi_cell))
    phi_size = 2 * np.pi / phi_cells
    phi_cell = np.floor((np.arctan2(direction[:, 1], direction[:, 0]) + np.pi) / phi_size).astype(np.int64)
    phi_cell %= phi_cells  # pi and -pi are the same
    phi = (phi_cell + 0.5) * phi_size - np.pi
    sine = np.hypot(direction[:, 0], direction[:, 1])
    if calorimeter.polar_coordinate == "theta":
        polar_cells = max(1, round(np.pi / calorimeter.polar_cell))
        theta_size = np.pi / polar_cells
        polar_cell = np.floor(np.arctan2(sine, direction[:, 2]) / theta_size).astype(np.int64)
        polar_cell = np.minimum(polar_cell, polar_cells - 1)
        theta = (polar_cell + 0.5) * theta_size
        across, along = np.sin(theta), np.cos(theta)
    else:
        slope = np.divide(
            direction[:, 2], sine, out=np.copysign(np.full(len(sine), np.inf), direction[:, 2]), where=sine > 0
        )
        eta = np.clip(np.arcsinh(slope), -LARGEST_ETA, LARGEST_ETA)
        polar_cell = np.floor(eta / calorimeter.polar_cell).astype(np.int64)
        eta = (polar_cell + 0.5) * calorimeter.polar_cell
        across, along = 1 / np.cosh(eta), np.tanh(eta)
        polar_cell -= polar_cell.min(initial=0)
    centre = np.stack([across * np.cos(phi), across * np.sin(phi), along], axis=1)
    return polar_cell * phi_cells + phi_cell, centre


def _accepted(momentum: np.ndarray, acceptance: Acceptance) -> np.ndarray:
    """Return which momenta, (n, 3), are within the acceptance; a momentum of 0 is."""
    largest = acceptance.max_abs_cos_theta
    if acceptance.max_abs_eta is not None:
        largest = min(largest, float(np.tanh(acceptance.max_abs_eta)))
    if largest >= 1:
        return np.ones(len(momentum), dtype=bool)
    return np.asarray(np.abs(momentum[:, 2]) <= largest * np.sqrt((momentum**2).sum(axis=1)))


def _tilted(momentum: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return momenta, (n, 3), rotated by small angles, (n, 2), along theta and phi [rad]."""
    length = np.sqrt((momentum**2).sum(axis=1))
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    phi = np.arctan2(momentum[:, 1], momentum[:, 0])
    cos_phi, sin_phi = np.cos(phi), np.sin(phi)
    along_theta = np.stack([momentum[:, 2] * cos_phi, momentum[:, 2] * sin_phi, -pt], axis=1)
    along_phi = np.stack([-sin_phi, cos_phi, np.zeros_like(phi)], axis=1) * length[:, None]
    moved = momentum + angles[:, :1] * along_theta + angles[:, 1:] * along_phi
    return np.asarray(moved / np.sqrt(1 + (angles**2).sum(axis=1, keepdims=True)))


def _mass(identity: np.ndarray) -> np.ndarray:
    """Return the mass of each particle, (n,), [GeV]; 0 for a deposit of unknown kind."""
    mass = np.zeros(len(identity))
    magnitude = np.abs(identity)
    for code, value in MASSES.items():
        mass[magnitude == code] = value
    return mass


def _probability_of_charged(identity: np.ndarray, identification: Identification) -> np.ndarray:
    magnitude = np.abs(identity)
    probability = np.where(np.isin(magnitude, list(MASSES)), identification.charged_hadron, 0.0)
    probability[magnitude == 11] = identification.electron
    probability[magnitude == 13] = identification.muon
    return probability


def _probability_of_neutral(identity: np.ndarray, identification: Identification) -> np.ndarray:
    known = np.isin(np.abs(identity), list(MASSES))
    return np.where(identity == PHOTON, identification.photon, np.where(known, identification.neutral_hadron, 0.0))
