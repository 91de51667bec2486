"""Source and target events for training a classifier: represented, labelled, in the parts of the split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.event_weights import weights_of
from simulacra.events import EventsError, Part, part_of, validate
from simulacra.observables import observe
from simulacra.progress import event_progress
from simulacra.reweighting.prior_weights import checked_weights
from simulacra.units import in_convention

if TYPE_CHECKING:
    from torch import Tensor

    from simulacra.models.event_network import EventNetwork

#: number of events read at a time
BLOCK: Final = 20_000
#: bytes read at a time
BYTES: Final = 2**30
IMBALANCE: Final = 20.0
FEWEST: Final = 8


class SampleError(ValueError):
    """Samples that cannot be used in training; the message says why, and what to do."""


@dataclass(frozen=True)
class Represented:
    """Events of one class, represented.

    Attributes
    ----------
    inputs:
        inputs of the network, each (N, ...).
    weights:
        the events' own weights, (N,).
    theta:
        parameters of the events, (N, P) in their units; (N, 0) without parameters.
    index:
        the events' indices, (N,).
    """

    inputs: dict[str, Tensor]
    weights: np.ndarray
    theta: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.index)


def rows_of(events: xr.Dataset, part: Part | None = None, *, most: int | None = None) -> np.ndarray:
    """Return the positions of the events of a part, (n,), up to a maximum number."""
    rows = np.arange(events.sizes["event"])
    if part is not None:
        rows = rows[part_of(events["event"].values) == part]
    return rows[:most]


def blocks_of(
    events: xr.Dataset, variables: Sequence[str], part: Part | None = None, *, most: int | None = None
) -> Iterator[xr.Dataset]:
    """Yield the events of a part, block by block, with these variables, all weights and conditions in memory."""
    events = in_convention(events)
    rows = rows_of(events, part, most=most)
    # If the events lack variables, observables are computed from the others.
    derived = not set(variables) <= set(map(str, events.data_vars))
    needed = [
        str(name)
        for name, array in events.data_vars.items()
        if derived or name in variables or array.attrs.get("role") in ("condition", "weight")
    ]
    # A selection of no variables at all would lose the events' index.
    chosen = events.drop_vars([name for name in events.data_vars if name not in needed])
    step = min(BLOCK, max(1, BYTES * max(1, events.sizes["event"]) // max(1, chosen.nbytes)))
    start = 0
    while start < len(rows):
        first = int(rows[start])
        stop = int(np.searchsorted(rows, first + step))
        # Read a slice of the store at once, then pick rows in memory.
        block = chosen.isel(event=slice(first, int(rows[stop - 1]) + 1)).load()
        yield block.isel(event=rows[start:stop] - first)
        start = stop


def with_variables(events: xr.Dataset, variables: Sequence[str]) -> xr.Dataset:
    """Return events with these variables: their own, or observables computed from them.

    Raises
    ------
    SampleError
        if they have neither.
    """
    missing = [name for name in variables if name not in events.data_vars]
    if not missing:
        return events
    try:
        observed = observe(events)
    except ValueError as error:
        raise SampleError(f"the events lack {missing} and have no observables of that name: {error}") from None
    unknown = [name for name in missing if name not in observed.data_vars]
    if unknown:
        raise SampleError(
            f"the events lack {unknown}; they hold {sorted(map(str, events.data_vars))} and have the observables "
            f"{sorted(map(str, observed.data_vars))}"
        )
    return events.assign({name: observed[name] for name in missing})


def tensors_of(events: xr.Dataset, variables: Sequence[str], label: str) -> dict[str, Tensor]:
    """Return variables as tensors; values that are not finite are refused.

    Raises
    ------
    SampleError
        if the events have no such variable.
    simulacra.events.EventsError
        with the variable, the event and the position of the first value that is not finite.
    """
    import torch

    try:
        held = with_variables(events, variables)
        validate(held[list(variables)].assign_attrs(events.attrs))
    except ValueError as error:
        raise type(error)(f"{label}: {error}") from None
    return {name: torch.from_numpy(np.ascontiguousarray(held[name].values)) for name in variables}


def represent(
    events: xr.Dataset,
    network: EventNetwork,
    *,
    parameters: Sequence[str] = (),
    part: Part | None = None,
    most: int | None = None,
    label: str = "the sample",
    then: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
    show: bool = False,
) -> Represented:
    """Return the events of a part as inputs of the network, read block by block.

    Parameters
    ----------
    then:
        function applied to the inputs of each block, so that they need not be in memory together.
    show:
        show progress and the remaining time.

    Raises
    ------
    SampleError
        if there are none, or a parameter is not among their conditions.
    simulacra.events.EventsError
        if a value is not finite.
    WeightError
        if the weights cannot be used.
    """
    import torch

    require_drawn(events, parameters, label)
    pieces: list[dict[str, Tensor]] = []
    weights, theta, index = [], [], []
    with event_progress(f"reading {label}", len(rows_of(events, part, most=most)), 0, show=show) as advance:
        for block in blocks_of(events, network.variables, part, most=most):
            with torch.no_grad():
                pieces.append(then(network.represent(tensors_of(block, network.variables, label))))
            n = block.sizes["event"]
            try:
                weights.append(weights_of(block))
            except EventsError as error:
                raise EventsError(f"{label}: {error}") from None
            drawn = [block[name].values for name in parameters]
            theta.append(np.stack(drawn, axis=1) if drawn else np.zeros((n, 0)))
            index.append(block["event"].values)
            advance(n)
    if not pieces:
        what = f"no {part} events" if part else "no events"
        raise SampleError(f"{label} holds {what} ({events.sizes['event']} in all): there is nothing to train on")
    own = checked_weights(np.concatenate(weights), sum(map(len, weights)), label.removeprefix("the "))
    return Represented(join_inputs(pieces), own, np.concatenate(theta).astype(np.float32), np.concatenate(index))


def require_drawn(events: xr.Dataset, parameters: Sequence[str], label: str) -> None:
    """Raise :class:`SampleError` if a parameter is not a variable of the events, or not finite in one of them."""
    missing = [name for name in parameters if name not in events.data_vars]
    if missing:
        conditions = [str(k) for k, v in events.data_vars.items() if v.attrs.get("role") == "condition"]
        raise SampleError(
            f"{', '.join(missing)} was not drawn in {label}, which has {', '.join(conditions) or 'no'} conditions"
        )
    for name in parameters:
        bad = np.flatnonzero(~np.isfinite(events[name].values))
        if len(bad):
            raise SampleError(
                f"{label}: '{name}' is {events[name].values[bad[0]]} in event {events['event'].values[bad[0]]}; "
                f"{len(bad)} such events in all: remove them"
            )


def refuse_too_few(events: xr.Dataset, label: str) -> None:
    """Raise :class:`SampleError` if there are too few events for training, or for validation and calibration."""
    parts = part_of(events["event"].values)
    for part in ("train", "validation"):
        n = int(np.count_nonzero(parts == part))
        if n < FEWEST:
            raise SampleError(
                f"{label} has {n} {part} events of {len(parts)} in all: at least {FEWEST} are needed; give more"
            )


def join_inputs(pieces: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Join pieces of inputs along the events; axes of different lengths are filled with zeros to the longest."""
    import torch

    joined = {}
    for name, first in pieces[0].items():
        parts = [piece[name] for piece in pieces]
        shapes = [part.shape[1:] for part in parts]
        if len(set(shapes)) == 1:
            joined[name] = torch.cat(parts)
            continue
        whole = first.new_zeros((sum(map(len, parts)), *(max(sizes) for sizes in zip(*shapes, strict=True))))
        start = 0
        for part in parts:
            whole[(slice(start, start + len(part)), *map(slice, part.shape[1:]))] = part
            start += len(part)
        joined[name] = whole
    return joined


def imbalance_warning(source: Represented, target: Represented) -> str:
    """Return a note on samples of very different sizes, or nothing."""
    few, many = sorted([(len(source), "source"), (len(target), "target")])
    if many[0] < IMBALANCE * few[0]:
        return ""
    return (
        f"the {many[1]} has {many[0]:,} training events, the {few[1]} {few[0]:,}: both classes have equal total "
        f"weight, so the weights are right, but their precision is limited by the {few[0]:,} events of the {few[1]}"
    )


def settings_of(events: xr.Dataset) -> dict[str, Any]:
    """Return the identity of a sample: its provenance, without the text of the geometry."""
    of_particles = tuple(f"particle_level_{key}" for key in ("simulator", "seed", "settings"))
    kept = ("simulator", "simulator_version", "seed", "settings", "process", "shower", "detector", *of_particles)
    found = {name: events.attrs[name] for name in kept if name in events.attrs}
    return {"events": int(events.sizes["event"]), **found}
