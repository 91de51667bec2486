"""One model as it is served: requests in, rows of the network's inputs, and what the answers say of the events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.errors import is_explained
from simulacra.serving.asked import Asked
from simulacra.serving.refusals import RefusalError
from simulacra.trained import TrainedGenerator
from simulacra.trained.blocks import noise_of
from simulacra.trained.conditions import Value, stacked

#: Rows of one evaluation of the network. More gain little, and everybody else waits for them.
PIECE: Final = 32
#: A request's rows begin at a multiple of this: the last bits of a row depend on its place among so many.
SPACING: Final = 4
#: Events of a longer noise (fields, large images) take longer each than the call that evaluating them together saves.
LONGEST_NOISE: Final = 1000
#: the attributes of events that differ from answer to answer
CHANGING: Final = ("seed", "settings", "seconds_per_event")


@dataclass(frozen=True)
class Plan:
    """A request that was checked.

    Attributes
    ----------
    asked:
        with the seed that is used.
    conditions:
        what was asked for, and the training sample's distribution of all others.
    columns:
        each condition of each event, (n,) float32.
    warnings:
        where the model extrapolates.
    """

    asked: Asked
    seed: int
    conditions: Mapping[str, Value]
    columns: Mapping[str, np.ndarray]
    warnings: tuple[str, ...]

    @cached_property
    def rows(self) -> np.ndarray:
        """The conditions as inputs of the network, (n, C) float32."""
        return stacked(self.columns, self.asked.number)


class Served:
    """A generator with what its answers have in common.

    Attributes
    ----------
    generator:
        the trained generator.
    name:
        its name in the service.
    shares:
        whether its requests may share an evaluation: their events are then the same bit for bit, alone or not.
    template:
        one event, for the names, dimensions, units and attributes of all.
    most_events:
        of one request.
    """

    def __init__(self, generator: TrainedGenerator, most_events: int, most_answer_bytes: int, together: bool) -> None:
        self.generator, self.name = generator, generator.name
        self.template: xr.Dataset = generator.sample(1, seed=0)
        size = sum(self.template[name].nbytes for name in self.template.variables if self._by_event(str(name)))
        self.bytes_per_event = int(size)
        self.most_events = max(1, min(most_events, most_answer_bytes // self.bytes_per_event))
        self.latent = int(generator.module.latent)  # type: ignore[arg-type]
        self.shares = together and self.latent <= LONGEST_NOISE and self._rows_are_independent()

    def _by_event(self, name: str) -> bool:
        return "event" in self.template[name].dims

    def _rows_are_independent(self) -> bool:
        """Return whether a row's output, to the last bit, is the same at each place that a batch can give it."""
        columns = self.generator.columns_of(2 * PIECE, 1, 0, {})
        rows, noise = stacked(columns, 2 * PIECE), noise_of(self.latent, 1, 0, 2 * PIECE)
        wanted = [
            self.generator.evaluate(noise[k : k + SPACING], rows[k : k + SPACING]) for k in range(0, 2 * PIECE, SPACING)
        ]
        for n in (2 * SPACING, 3 * SPACING, PIECE):
            # Other rows before and after, in another order.
            order = np.random.default_rng(n).permutation(len(wanted))[: n // SPACING]
            index = np.concatenate([np.arange(k * SPACING, (k + 1) * SPACING) for k in order])
            made = self.generator.evaluate(noise[index], rows[index])
            if not np.array_equal(made, np.concatenate([wanted[k] for k in order])):
                return False
        return True

    def plan(self, asked: Asked) -> Plan:
        """Return what a request asks for, checked.

        Raises
        ------
        RefusalError
            422, if it asks for too many events, unknown conditions, or wrong values; outside the trained range unless
            it says that it may.
        """
        if asked.number > self.most_events:
            raise RefusalError(
                422,
                f"{asked.number} events are too many",
                where="body: number",
                what_to_do=f"ask for at most {self.most_events} events of '{self.name}' at a time, and for the next "
                "ones with 'first_event'",
            )
        if asked.first_event > 2**63 - 2 - asked.number:
            raise RefusalError(
                422,
                "the index of the last event is above 2^63 - 2",
                where="body: first_event",
                what_to_do="ask for a lower first_event",
            )
        seed = int(np.random.SeedSequence().entropy) % 2**31 if asked.seed is None else asked.seed  # type: ignore[arg-type]
        for name, value in asked.conditions.items():
            if isinstance(value, list) and len(value) != asked.number:
                raise RefusalError(
                    422,
                    f"'{name}' has {len(value)} values for {asked.number} event{'s' if asked.number > 1 else ''}",
                    where=f"body: conditions.{name}",
                    what_to_do=f'send "number": {len(value)}, or one value for each event',
                )
        given = {name: _value(value) for name, value in asked.conditions.items()}
        try:
            conditions = self.generator.conditions.completed(given)
            columns = self.generator.conditions.columns(asked.number, seed, asked.first_event, conditions)
        except ValueError as error:
            if not is_explained(error):
                raise
            raise RefusalError(
                422,
                str(error),
                where="body: conditions",
                what_to_do=f"GET /models/{self.name} lists the conditions with their units and trained ranges",
            ) from None
        # Of a distribution the ends count: whether a request is refused must not depend on what is drawn.
        outside = self.generator.conditions.outside(self.generator.conditions.asked_ranges(conditions, columns))
        if outside and not asked.extrapolate:
            raise RefusalError(
                422,
                outside[0],
                where="body: conditions",
                what_to_do='stay inside the trained range, or send "extrapolate": true',
            )
        return Plan(asked, seed, conditions, columns, tuple(outside))

    def noise(self, plan: Plan, start: int, stop: int) -> np.ndarray:
        """Return the noise of a request's events ``start`` to ``stop``, (stop - start, latent)."""
        first = plan.asked.first_event + start
        return noise_of(self.latent, plan.seed, first, stop - start, fixed=plan.asked.fixed_noise)

    def variables(self, plan: Plan, output: np.ndarray) -> dict[str, np.ndarray]:
        """Return the arrays of a request's events by name, (n, ...), in the order of the template's variables."""
        if not np.isfinite(output).all():
            event = int(np.flatnonzero(~np.isfinite(output).reshape(len(output), -1).all(axis=1))[0])
            raise RefusalError(
                422,
                f"'{self.name}' made a value that is not finite in event {plan.asked.first_event + event}",
                where="body: conditions",
                what_to_do="ask for conditions nearer to the trained range",
            )
        made = self.generator.variables_of(output)
        first, n = plan.asked.first_event, plan.asked.number
        arrays: dict[str, np.ndarray] = {"event": np.arange(first, first + n, dtype=np.int64)}
        for name, one in made.items():
            if "event" in one.dims:
                arrays[name] = one.values
        for name, column in plan.columns.items():
            arrays[name] = column.astype(self._dtypes[name], copy=False)
        return arrays

    @cached_property
    def _dtypes(self) -> dict[str, np.dtype[Any]]:
        return {str(name): one.dtype for name, one in self.template.variables.items()}

    @cached_property
    def coordinates(self) -> dict[str, np.ndarray]:
        """The positions that all events share, such as those of pixels, by name."""
        return {str(n): self.template[n].values for n in self.template.variables if not self._by_event(str(n))}

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes of all events, without what changes with the request."""
        return {str(name): value for name, value in self.template.attrs.items() if name not in CHANGING}

    def told(self, plan: Plan) -> dict[str, Any]:
        """Return what an answer says beside the events: the model, its version, seed, settings and warnings."""
        settings = {name: _described(value) for name, value in plan.conditions.items()}
        return {
            "model": self.name,
            "weights_sha256": self.generator.weights_sha256,
            "number": plan.asked.number,
            "seed": plan.seed,
            "first_event": plan.asked.first_event,
            "settings": settings | {"fixed_noise": plan.asked.fixed_noise},
            "warnings": list(plan.warnings),
        }


def _value(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, list) else value


def _described(value: Any) -> Any:
    return (
        f"array of {len(value)}" if isinstance(value, np.ndarray) else value if isinstance(value, str) else str(value)
    )
