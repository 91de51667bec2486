"""Particles, event by event, as clouds: sorted by falling energy and padded with zeros."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import xarray as xr

from simulacra.events import variable
from simulacra.simulators.pythia_errors import PythiaError
from simulacra.variations import PREFIX, variation_variable

Columns = tuple[list[int], list[float], list[float], list[float], list[float]]


class Source(Protocol):
    """The source of an event: its particles and its weights."""

    def append_particles(self, columns: Columns) -> int:
        """Append identity, momentum and energy of the final particles to five lists; return their number."""

    def weights(self) -> list[float]:
        """Return the event's weight and that of each variation."""


class Clouds:
    """Collects events.

    Parameters
    ----------
    room:
        largest number of particles in an event.
    variations:
        names of the variations whose weights each event has.
    """

    def __init__(self, room: int, variations: Sequence[str]) -> None:
        self._room, self._variations = room, variations
        self._columns: Columns = ([], [], [], [], [])
        self._counts: list[int] = []
        self._weights: list[list[float]] = []

    def append(self, event: int, source: Source) -> None:
        """Add the event in ``source``.

        Raises
        ------
        PythiaError
            if it has more particles than allowed.
        """
        count = source.append_particles(self._columns)
        if count > self._room:
            raise PythiaError(
                f"event {event} has {count} particles, more than {self._room}: "
                f"allow more with --max-particles (max_particles in settings)"
            )
        self._counts.append(count)
        self._weights.append(source.weights())

    def variables(self, first_event: int, charges: Callable[[np.ndarray], np.ndarray]) -> dict[str, xr.Variable]:
        """Return the variables of all events.

        Parameters
        ----------
        charges:
            the charges [e] of particles by their identities, (n,).

        Raises
        ------
        PythiaError
            if a number is not finite.
        """
        counts = np.array(self._counts)
        event = np.repeat(np.arange(len(counts)), counts)
        identity = np.array(self._columns[0], dtype=np.int32)
        momentum = np.array(self._columns[1:4], dtype=np.float64).T.reshape(-1, 3)
        energy = np.array(self._columns[4], dtype=np.float64)
        finite = np.isfinite(momentum).all(axis=1) & np.isfinite(energy)
        if not finite.all():
            place = int(event[np.flatnonzero(~finite)[0]])
            raise PythiaError(f"Pythia made a particle whose momentum is not a number in event {first_event + place}")
        order = np.lexsort((-energy, event))
        slot = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
        present = np.arange(self._room) < counts[:, None]
        kinds, kind = np.unique(identity, return_inverse=True)
        charge = charges(kinds)[kind] if len(kinds) else np.zeros(0, dtype=np.int8)

        def padded(values: np.ndarray, dtype: type) -> np.ndarray:
            filled = np.zeros((len(counts), self._room, *values.shape[1:]), dtype=dtype)
            filled[event, slot] = values[order]
            return filled

        return {
            "momentum": variable(
                padded(momentum, np.float32),
                "particle",
                "component",
                units="GeV",
                long_name="momentum px, py, pz of each final particle",
                role="feature",
                signed=True,
            ),
            "energy": variable(
                padded(energy, np.float32),
                "particle",
                units="GeV",
                long_name="energy of each final particle",
                role="feature",
            ),
            "identity": variable(
                padded(identity, np.int32),
                "particle",
                units="1",
                long_name="PDG code of each final particle, 0 where there is none",
                role="feature",
            ),
            "charge": variable(
                padded(charge, np.int8),
                "particle",
                units="e",
                long_name="charge of each final particle",
                role="feature",
                signed=True,
            ),
            "present": variable(present, "particle", units="1", long_name="whether there is a particle", role="mask"),
            **self._weight_variables(first_event),
        }

    def _weight_variables(self, first_event: int) -> dict[str, xr.Variable]:
        weights = np.array(self._weights, dtype=np.float64)
        finite = np.isfinite(weights).all(axis=1)
        if not finite.all():
            place = first_event + int(np.flatnonzero(~finite)[0])
            raise PythiaError(f"Pythia gave event {place} a weight that is not a number: {weights[~finite][0]}")
        return {
            "weight": variable(weights[:, 0].copy(), units="1", long_name="the event's own weight", role="weight"),
            **{
                f"{PREFIX}{name}": variation_variable(weights[:, i + 1].copy(), name)
                for i, name in enumerate(self._variations)
            },
        }
