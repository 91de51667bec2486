"""A trained generator of events."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.conditions import Choice, Distribution
from simulacra.deploy.graphs import graph_beside, open_graph
from simulacra.deploy.session import LARGEST, Session
from simulacra.events import EventsError, make_events, variable, with_values
from simulacra.reweighting.blocks import places_in_blocks
from simulacra.settings import whole_number
from simulacra.store.errors import memory, size
from simulacra.systems import system
from simulacra.trained.blocks import BLOCK, CANDIDATE, blocks_of, noise_of, random_numbers
from simulacra.trained.conditions import Value, stacked
from simulacra.trained.model_file import TrainedModel
from simulacra.version import __version__

if TYPE_CHECKING:
    from simulacra.reweighting.refined import RefinedGenerator

#: the largest index that an event can have
LAST_EVENT: Final = 2**63 - 2
#: numbers of events up to this are not checked for their memory
ALWAYS_FIT: Final = 10_000


class TrainedGenerator(TrainedModel):
    """A generator of events with all that its file says about it.

    Its ``module`` maps (noise (N, latent), conditions (N, C)) to an array of events. It may be replaced by another
    module; do not change its tensors after making events. The other attributes are those of
    :class:`~simulacra.trained.model_file.TrainedModel`; ``last_layer_draw`` is set by :meth:`with_last_layer`.
    """

    def __init__(self, path: Path, last_layer_draw: int | None = None) -> None:
        super().__init__(path, last_layer_draw)
        self._system = system(self.kind)
        self._graph_of = self.module
        # Shows the module's device; checking all tensors would take longer than everything except the network.
        self._witness = next(self.module.parameters(), None)
        # By number of threads; None where torch makes the events.
        self._sessions: dict[int, Session | None] = {}
        # The last events and their indices, to make the next ones from them.
        self._latest: tuple[tuple[int, int], xr.Dataset] | None = None

    def with_last_layer(self, draw: int) -> TrainedGenerator:
        """Return this generator with its last layer drawn from the posterior at the end of training.

        ``draw``, not negative, determines the weights; no further training is needed. See
        :mod:`simulacra.generators.last_layer` for the limits of such draws.

        Raises
        ------
        ValueError
            if no snapshots were taken in training.
        """
        if draw < 0:
            raise ValueError(f"the number of a draw must not be negative, not {draw}")
        return TrainedGenerator(self.path, draw)

    def sample(
        self,
        n: int,
        *,
        seed: int | None = None,
        first_event: int = 0,
        fixed_noise: bool = False,
        exact: bool = False,
        **conditions: Value,
    ) -> xr.Dataset:
        """Return ``n`` events.

        An event depends only on the seed, its index and its conditions. ``n`` and the division into calls change it
        only by rounding, and not at all with ``exact``. In nearly all events, rounding changes values by less than 1e-5
        of the event's largest; ``docs/showers.md`` gives numbers.

        Parameters
        ----------
        n:
            number of events.
        seed:
            seed; drawn from the system if None, and recorded in the events' attributes either way.
        first_event:
            index of the first event.
        fixed_noise:
            give every event the same noise, so that only the conditions differ.
        exact:
            make the events by torch in whole blocks of 64, like ``simulacra generate``: the same bits for any ``n``,
            but one event takes as long as 64.
        conditions:
            each in its unit: a number, an array (n,), or a distribution ("log:1:100"); for a choice, a name or an array
            of names. Others are drawn from the distribution in the training sample.

        Raises
        ------
        ValueError
            if a condition is unknown, not finite, or not above 0 although it must be; if ``n``, ``seed`` or
            ``first_event`` is not a whole number, or too small; if the events do not fit into the memory.

        Warns
        -----
        ExtrapolationWarning
            if a condition is out of the trained range; of a distribution, if one of its ends is.
        """
        n = whole_number(n, "the number of events", 1)
        first_event = whole_number(first_event, "the first event's index")
        if first_event > LAST_EVENT - n:
            raise ValueError(f"the index of the last event, {first_event} + {n} - 1, must be below 2^63 - 1")
        self._refuse_too_many(n)
        seed = int(np.random.SeedSequence().entropy) % 2**31 if seed is None else seed  # type: ignore[arg-type]
        seed = whole_number(seed, "the seed")
        start = time.perf_counter()
        conditions = self.conditions.completed(conditions)
        columns = self.conditions.columns(n, seed, first_event, conditions)
        self.conditions.warn_outside(self.conditions.asked_ranges(conditions, columns))
        make = self._exact if exact else self._quick
        output = make(stacked(columns, n), seed, first_event, fixed_noise)
        try:
            return self._as_events(
                output,
                columns,
                conditions,
                settings={"fixed_noise": fixed_noise},
                seed=seed,
                first_event=first_event,
                seconds_per_event=(time.perf_counter() - start) / n,
            )
        except EventsError:
            # Which conditions made a number that is not finite says more.
            self._refuse_output(output, columns, range(first_event, first_event + n))
            raise

    def _refuse_too_many(self, n: int) -> None:
        """Refuse events that do not fit into the machine's memory (ValueError)."""
        if n <= ALWAYS_FIT:
            return
        needed, there = n * (self.one_output().nbytes + 4 * len(self.trained_range) + 8), memory()
        if needed > there:
            raise ValueError(
                f"{n:,} events take at least {size(needed)}, and this machine has {size(there)} of memory: stream them "
                "to disk with simulacra.generate, or sample fewer at a time"
            )

    def _as_events(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], conditions: Mapping[str, Value], **attributes: Any
    ) -> xr.Dataset:
        """Return :meth:`to_events`, faster if the last call had the same indices."""
        place = (len(output), attributes["first_event"])
        latest = self._latest  # once: another thread may put others there
        made = self.variables_of(output) if latest is not None and latest[0] == place else {}
        if latest is None or not made or not _alike(made, columns, latest[1].variables):
            events = self.to_events(output, columns, conditions, **attributes)
            if len(output) <= LARGEST:
                self._latest = place, events.copy()
            return events
        values = {name: one.values for name, one in made.items() if "event" in one.dims} | self._in_events(columns)
        settings = self._described(conditions) | attributes["settings"]
        return with_values(
            latest[1],
            values,
            seed=attributes["seed"],
            settings=settings,
            seconds_per_event=attributes["seconds_per_event"],
        )

    def candidates(self, index: np.ndarray, attempt: int, seed: int, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return candidate events for accepting and rejecting: the network's output, (N, ...).

        A candidate depends only on seed, index, attempt and its conditions; it differs from the events of
        :meth:`sample`.

        Parameters
        ----------
        index:
            of the events, (N,).
        attempt:
            number of the candidate of each event, from 0.
        columns:
            each trained condition, (N,), from :meth:`columns_of`.
        """
        latent = int(self.module.latent)  # type: ignore[arg-type]
        place = places_in_blocks(index, BLOCK)
        n_rows = BLOCK * (int(place.max()) // BLOCK + 1)
        noise = np.zeros((n_rows, latent), dtype=np.float32)
        for row, event in zip(place, index, strict=True):
            noise[row] = random_numbers(seed, CANDIDATE, attempt, int(event)).standard_normal(latent, np.float32)
        conditions = stacked(columns, len(index))
        padded = np.repeat(conditions[:1], n_rows, axis=0)
        padded[place] = conditions
        blocks = (slice(k, k + BLOCK) for k in range(0, n_rows, BLOCK))
        output: np.ndarray = np.concatenate([self._by_torch(noise[block], padded[block]) for block in blocks])[place]
        self._refuse_output(output, columns, index)
        return output

    def refined_by(self, path: str | os.PathLike[str]) -> RefinedGenerator:
        """Return this generator with the weights of a refiner, a folder or file from ``simulacra refine``.

        Raises
        ------
        CheckpointError
            if the file is missing, damaged or of another kind.
        ValueError
            if the refiner is for another generator.
        """
        from simulacra.reweighting.refined import RefinedGenerator
        from simulacra.reweighting.refiner import Refiner

        return RefinedGenerator(self, Refiner.load(path))

    def to_events(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], conditions: Mapping[str, Value], **attributes: Any
    ) -> xr.Dataset:
        """Return the network's output at conditions as events; ``attributes`` are those of ``make_events``."""
        settings = self._described(conditions) | attributes.pop("settings")
        variables = self.variables_of(output)
        for name, values in self._in_events(columns).items():
            one = self.conditions.declared[name]
            variables[name] = variable(
                values, units=one.units, long_name=one.long_name, role="condition", **one.attributes
            )
        return make_events(
            variables,
            simulator=f"simulacra {self.name}",
            simulator_version=__version__,
            settings=settings,
            trained_range=json.dumps(self.trained_range),
            **{name: self.description[name] for name in self._system.CARRIES if name in self.description},
            **attributes,
        )

    def _in_events(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return conditions as in events, with integers as integers."""
        declared = self.conditions.declared
        return {name: column.astype(np.int32) if declared[name].whole else column for name, column in columns.items()}

    @staticmethod
    def _described(conditions: Mapping[str, Value]) -> dict[str, str | float]:
        return {name: _describe(value) for name, value in conditions.items()}

    def variables_of(self, output: np.ndarray) -> dict[str, xr.Variable]:
        """Return the network's output, (N, ...), as the variables of events, and their coordinates.

        Raises
        ------
        EventsError
            if the system returns something else.
        """
        made = self._system.to_variables(output, self.description)
        if fault := _fault_of(made, len(output), self.trained_range):
            raise EventsError(f"to_variables of the system '{self.kind}' returns {fault}")
        return dict(made)

    def columns_of(self, n: int, seed: int, first: int, conditions: Mapping[str, Value]) -> dict[str, np.ndarray]:
        """Return each condition of ``n`` events, (n,) float32, from ``first`` on, from the arguments of :meth:`sample`.

        Raises
        ------
        ValueError
            as :meth:`sample`.
        """
        return self.conditions.columns(n, seed, first, self.conditions.completed(conditions))

    def asked_ranges(
        self, conditions: Mapping[str, Value], columns: Mapping[str, np.ndarray]
    ) -> dict[str, tuple[float, float]]:
        """Return the lowest and the highest value asked for of conditions; those of a distribution are its ends.

        Parameters
        ----------
        conditions:
            the arguments of :meth:`sample`.
        columns:
            what was drawn for some of the conditions, (n,) each.
        """
        return self.conditions.asked_ranges(self.conditions.completed(conditions), columns)

    def warn_outside(self, asked: Mapping[str, tuple[float, float]]) -> None:
        """Warn if a range of conditions reaches outside the trained one."""
        self.conditions.warn_outside(asked)

    def _exact(self, conditions: np.ndarray, seed: int, first: int, fixed_noise: bool) -> np.ndarray:
        """Return the output in whole blocks of 64, by the module."""
        n, skipped = len(conditions), first % BLOCK
        blocks = blocks_of(first, n)
        padded = np.repeat(conditions[-1:], len(blocks) * BLOCK, axis=0)
        padded[:skipped] = conditions[0]
        padded[skipped : skipped + n] = conditions
        noise = (self._noise(seed, block * BLOCK, BLOCK, fixed_noise) for block in blocks)
        pieces = [self._by_torch(z, padded[i * BLOCK : (i + 1) * BLOCK]) for i, z in enumerate(noise)]
        return np.concatenate(pieces)[skipped : skipped + n]

    def _quick(self, conditions: np.ndarray, seed: int, first: int, fixed_noise: bool) -> np.ndarray:
        """Return the output up to rounding, for the requested events only."""
        pieces = []
        for k in range(0, len(conditions), LARGEST):
            rows = conditions[k : k + LARGEST]
            pieces.append(self.evaluate(self._noise(seed, first + k, len(rows), fixed_noise), rows))
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def evaluate(self, noise: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        """Return the network's output, (N, ...), up to rounding: by ONNX Runtime if its graph is there.

        Parameters
        ----------
        noise:
            (N, latent) float32.
        conditions:
            in the order of the network's columns, (N, C) float32.
        """
        session = self._session()
        return session.run(noise, conditions) if session else self._by_torch(noise, conditions)

    def _session(self) -> Session | None:
        """Return ONNX Runtime with the module's weights, if its graph is next to them and it is on the CPU."""
        import torch

        if self.module is not self._graph_of or (self._witness is not None and not self._witness.is_cpu):
            return None
        threads = torch.get_num_threads()
        if threads not in self._sessions:
            whole = self.last_layer_draw is None
            self._sessions[threads] = (
                open_graph(graph_beside(self.path), self.module, self.weights_sha256, threads) if whole else None
            )
        return self._sessions[threads]

    def _noise(self, seed: int, first: int, n: int, fixed_noise: bool) -> np.ndarray:
        return noise_of(int(self.module.latent), seed, first, n, fixed=fixed_noise)  # type: ignore[arg-type]

    def _refuse_output(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], index: Sequence[int] | np.ndarray
    ) -> None:
        if not np.isfinite(output).all():
            event = int(np.flatnonzero(~np.isfinite(output).reshape(len(output), -1).all(axis=1))[0])
            raise FloatingPointError(
                f"'{self.name}' made a value that is not finite in event {index[event]}, at conditions "
                f"{ {name: float(column[event]) for name, column in columns.items()} }"
            )


def _fault_of(made: Any, n: int, conditions: Container[str]) -> str:
    """Return what is wrong with a system's variables of ``n`` events, or nothing."""
    if not isinstance(made, Mapping):
        return f"a {type(made).__name__}, not a mapping of names to xarray.Variable"
    sizes = {"event": n}
    for name, one in made.items():
        if not isinstance(one, xr.Variable):
            return f"a {type(one).__name__} for {name!r}: make it with simulacra.events.variable"
        if not isinstance(name, str) or not name or "/" in name or name == "event" or name in conditions:
            return f"a variable {name!r}: it must have a name without '/' that is neither 'event' nor a condition's"
        for dimension, length in one.sizes.items():
            if sizes.setdefault(str(dimension), length) != length:
                return f"'{name}' with the length {length} along '{dimension}', not {sizes[str(dimension)]}"
    return "" if any("event" in one.dims for one in made.values()) else "no variable with the dimension 'event'"


def _alike(made: Mapping[str, xr.Variable], columns: Mapping[str, Any], like: Mapping[Any, xr.Variable]) -> bool:
    """Return whether events have these variables, with the same coordinates, and conditions."""
    return {*made, *columns, "event"} == {*like} and all(
        one.dims == like[name].dims
        and (one.shape == like[name].shape if "event" in one.dims else np.array_equal(one.values, like[name].values))
        for name, one in made.items()
    )


def _describe(value: Value) -> str | float:
    if not isinstance(value, str | Distribution | Choice) and np.ndim(value):
        return f"array of {len(value)}"  # type: ignore[arg-type]
    return value if isinstance(value, str) else str(value)
