"""Pile-up events: N collisions in one, N of the Poisson distribution of a given mean, made on the fly."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from simulacra.trained import TrainedGenerator

#: collisions in memory at a time
AT_A_TIME: Final = 4096
#: the largest mean number of collisions, beyond that of any collider that is planned
MOST: Final = 2000.0
#: numbers of collisions are drawn in blocks of events
BLOCK: Final = 256
NUMBER, CHOICE = 0, 1


def pile_up(
    source: str | os.PathLike[str] | TrainedGenerator | xr.Dataset,
    mean: float,
    n_events: int,
    *,
    seed: int,
    first_event: int = 0,
    places: int | None = None,
) -> xr.Dataset:
    """Return events of pile-up: the particles of N collisions each, N ~ Poisson(``mean``).

    An event depends on the source, the mean, the seed and its index only.

    Parameters
    ----------
    source:
        a generator of collisions (``pile_up``): a shipped name, a run folder or the generator; or a library, collisions
        as visible particles or their store or file, which are drawn with replacement.
    mean:
        mean number of collisions in an event, 0 to 2000.
    n_events:
        number of events.
    seed:
        of the numbers of collisions and of the collisions.
    first_event:
        index of the first event.
    places:
        number of places for particles; that of the fullest event if None.

    Returns
    -------
    xarray.Dataset
        ``particle_pt`` [GeV], ``particle_eta``, ``particle_phi`` [rad] and ``present``, (event, particle), by falling
        transverse momentum, and ``collisions``, the number of collisions, (event,).

    Raises
    ------
    ValueError
        if the mean is negative, not finite or beyond 2000; if there is no event, or the seed or the first index is
        negative; if the source makes or holds no collisions; if an event has more particles than ``places``.

    Examples
    --------
    >>> import simulacra
    >>> from simulacra.simulators.pythia import simulate_collisions
    >>> from simulacra.simulators.pythia_settings import PythiaSettings
    >>> library = simulate_collisions(PythiaSettings(process="pile-up"), seed=7, n_events=20)
    >>> events = simulacra.pile_up(library, 50, 2, seed=1)
    >>> events["particle_pt"].dims
    ('event', 'particle')
    """
    from simulacra.events import make_events, variable
    from simulacra.formats import read
    from simulacra.observables.visible_particles import particle_variable
    from simulacra.settings import whole_number
    from simulacra.workflows.judged_events import is_generator

    n_events = whole_number(n_events, "the number of events", 1)
    seed, first_event = whole_number(seed, "the seed"), whole_number(first_event, "the first event's index")
    if isinstance(mean, bool | str) or not 0 <= float(mean) <= MOST:
        raise ValueError(f"the mean number of collisions is from 0 to {MOST:g}, not {mean}")
    begin = time.perf_counter()
    numbers = _numbers(float(mean), seed, first_event + n_events)
    before, numbers = int(numbers[:first_event].sum()), numbers[first_event:]
    if isinstance(source, str | os.PathLike) and Path(source).exists() and not is_generator(os.fspath(source)):
        source = read(source)
    collisions = _Library(source, seed) if isinstance(source, xr.Dataset) else _Generated(source, seed)
    pieces = [
        _overlaid(collisions.some(range(start, stop), before, numbers, first_event), numbers[start:stop])
        for start, stop in _in_pieces(numbers)
    ]
    fullest = max(piece[1].shape[1] for piece in pieces)
    room = fullest if places is None else whole_number(places, "the number of places", 1)
    if fullest > room:
        raise ValueError(f"an event has {fullest} particles, more than the {room} places: give more")
    columns = {}
    for i, name in enumerate(("particle_pt", "particle_eta", "particle_phi", "present")):
        arrays = [piece[1] if name == "present" else piece[0][i] for piece in pieces]
        columns[name] = np.concatenate([np.pad(one, ((0, 0), (0, room - one.shape[1]))) for one in arrays])
    variables = {name: particle_variable(values, name) for name, values in columns.items()}
    variables["collisions"] = variable(
        numbers.astype(np.int32), units="1", long_name="number of collisions", role="feature"
    )
    return make_events(
        variables,
        simulator=collisions.name,
        simulator_version=collisions.version,
        seed=seed,
        settings={"mean": float(mean)},
        seconds_per_event=(time.perf_counter() - begin) / n_events,
        first_event=first_event,
    )


def _numbers(mean: float, seed: int, n: int) -> np.ndarray:
    """Return the numbers of collisions of the first ``n`` events, (n,)."""
    blocks = range(-(-n // BLOCK))
    drawn = [np.random.default_rng([seed, NUMBER, block]).poisson(mean, BLOCK) for block in blocks]
    return np.concatenate(drawn)[:n]


def _in_pieces(numbers: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges of events with at most ``AT_A_TIME`` collisions, or of a single event."""
    start, held = 0, 0
    for i, number in enumerate(numbers):
        if i > start and held + number > AT_A_TIME:
            yield start, i
            start, held = i, 0
        held += int(number)
    yield start, len(numbers)


def _overlaid(clouds: tuple[np.ndarray, ...], numbers: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return pT, eta and phi, (events, P) each, and the mask, of collisions that come event by event."""
    pt, eta, phi, there = clouds
    event = np.repeat(np.repeat(np.arange(len(numbers)), numbers), there.sum(axis=1))
    order = np.lexsort((-pt[there], event))
    event = event[order]
    counts = np.bincount(event, minlength=len(numbers))
    slot = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    filled = []
    for one in (pt, eta, phi):
        column = np.zeros((len(numbers), max(1, int(counts.max(initial=0)))), np.float32)
        column[event, slot] = one[there][order]
        filled.append(column)
    return filled, np.arange(filled[0].shape[1]) < counts[:, None]


class _Generated:
    """Collisions of a generator, one after the other."""

    def __init__(self, source: Any, seed: int) -> None:
        from simulacra.trained import TrainedGenerator
        from simulacra.trained.find import load_generator
        from simulacra.version import __version__

        self._generator = source if isinstance(source, TrainedGenerator) else load_generator(source)
        if self._generator.kind != "pile_up":
            raise ValueError(
                f"'{self._generator.name}' is of the system {self._generator.kind}: pile-up needs one of pile_up "
                "(docs/pile_up.md)"
            )
        self._seed = seed
        self.name, self.version = self._generator.name, __version__

    def some(self, piece: range, before: int, numbers: np.ndarray, first: int) -> tuple[np.ndarray, ...]:  # noqa: ARG002
        """Return the collisions of a piece of the events: pT, eta, phi and the mask."""
        n = int(numbers[piece.start : piece.stop].sum())
        if n == 0:
            return (*(np.zeros((0, 1), np.float32) for _ in range(3)), np.zeros((0, 1), dtype=bool))
        made = self._generator.sample(n, seed=self._seed, first_event=before + int(numbers[: piece.start].sum()))
        return _arrays(made)


class _Library:
    """Collisions drawn from a library with replacement."""

    def __init__(self, library: xr.Dataset, seed: int) -> None:
        from simulacra.events import EventsError, validate
        from simulacra.observables.visible_particles import VARIABLES

        missing = [name for name in (*VARIABLES, "present") if name not in library]
        if missing or not library.sizes.get("event", 0):
            held = f"lacks {missing}" if missing else "is empty"
            raise EventsError(
                f"the library of collisions {held}: simulacra simulate pythia --process pile-up makes one"
            )
        if "collisions" in library:
            raise EventsError(
                "the library holds pile-up, events of several collisions, and not single ones: "
                "simulacra simulate pythia --process pile-up makes these"
            )
        validate(library)
        self._pt, self._eta, self._phi, self._there = _arrays(library)
        self._seed = seed
        self.name = f"library of {library.attrs['simulator']}"
        self.version = str(library.attrs["simulator_version"])

    def some(self, piece: range, before: int, numbers: np.ndarray, first: int) -> tuple[np.ndarray, ...]:  # noqa: ARG002
        """Return the collisions of a piece of the events: pT, eta, phi and the mask."""
        chosen = [
            np.random.default_rng([self._seed, CHOICE, first + i]).integers(len(self._pt), size=int(numbers[i]))
            for i in piece
        ]
        rows = np.concatenate(chosen).astype(np.int64)
        return self._pt[rows], self._eta[rows], self._phi[rows], self._there[rows]


def _arrays(collisions: xr.Dataset) -> tuple[np.ndarray, ...]:
    from simulacra.observables.visible_particles import VARIABLES

    return (*(collisions[name].values for name in VARIABLES), collisions["present"].values.astype(bool))
