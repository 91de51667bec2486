"""The events for ``simulacra judge``: read from a store or a file, or drawn from a generator."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulacra.store.plan import Chunk
from simulacra.workflows.generate import Source, loaded

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.store import Executor
    from simulacra.trained import TrainedGenerator

#: events of a task that draws; a multiple of the blocks of 64 in which noise is drawn
DRAWN: Final = 2048


@dataclass(frozen=True)
class Judged:
    """A generated sample.

    Attributes
    ----------
    events:
        the events to judge.
    members:
        events of further members of an ensemble.
    generator:
        the generator, if available.
    run:
        the folder of its training, if known.
    """

    events: xr.Dataset
    members: tuple[xr.Dataset, ...] = ()
    generator: TrainedGenerator | None = None
    run: Path | None = None

    def changed(self, change: Callable[[xr.Dataset], xr.Dataset]) -> Judged:
        """Return the sample with a change of its events and of its members' events."""
        return replace(self, events=change(self.events), members=tuple(map(change, self.members)))

    def options(self) -> dict[str, Any]:
        """Return the options of the judges for this sample."""
        from simulacra.judges.learning_curves import learning_curves

        curves = None if self.run is None else learning_curves(self.run)
        return {"members": self.members, "generator": self.generator, "learning_curves": curves}


def judged_of(
    truth: xr.Dataset,
    generated: str,
    read: Callable[[str], xr.Dataset],
    *,
    generator: str | None,
    hold_out: str | None,
    most: int,
    seed: int,
    scheduler: str | os.PathLike[str] | None = None,
) -> Judged:
    """Return a generated sample from a store, a file or a generator.

    Parameters
    ----------
    truth:
        the true events, at whose conditions a generator draws.
    generated:
        a store, a file, or a generator.
    read:
        function that reads a store or a file.
    generator:
        the generator that made the events of a store.
    hold_out:
        a band that must not have been in its training.
    most, seed:
        the largest number of events to draw, and their seed.
    scheduler:
        a Dask cluster that draws them (:func:`simulacra.campaigns.executor_for`).
    """
    from simulacra.trained import load_members

    trained = None
    if is_generator(generated):
        events = drawn_for(truth, generated, most=most, seed=seed, scheduler=scheduler)
        generator = generated
    else:
        events = [_measured(one, truth, seed) for one in members_in(read(generated))]
    if generator is not None:
        trained = load_members(generator)[0]
        if hold_out is not None:
            check_hold_out(trained, hold_out, list(trained.trained_range))
    run = trained.path.parent if trained is not None and (trained.path.parent / "metrics.jsonl").is_file() else None
    return Judged(events[0], tuple(events[1:]), trained, run)


def _measured(events: xr.Dataset, truth: xr.Dataset, seed: int) -> xr.Dataset:
    """Return events; generated stars as the survey of true ones would measure them."""
    from simulacra.observables.light_curves import is_cycle, is_light_curve, measured_in_survey

    if is_cycle(events) and is_light_curve(truth) and not is_cycle(truth):
        return measured_in_survey(events, truth, seed + 2_000)
    return events


def is_generator(name: str) -> bool:
    """Return whether ``name`` is a shipped generator, a model file or the folder of a run or an ensemble."""
    from simulacra.trained import shipped

    path = Path(name)
    if path.is_dir():
        return (path / "model.safetensors").is_file() or any(path.glob("member-*"))
    return path.suffix == ".safetensors" or (not path.exists() and name in shipped())


def drawn_for(
    truth: xr.Dataset, name: str, *, most: int, seed: int, scheduler: str | os.PathLike[str] | None = None
) -> list[xr.Dataset]:
    """Return events at the truth's conditions, as many as it has, from a generator or each member of an ensemble.

    Generated stars are measured at the times and with the errors of the true ones.

    Raises
    ------
    ValueError
        if the truth lacks a condition that the generator needs.
    simulacra.store.StoreError
        if the ``scheduler`` cannot be used, or a worker cannot draw.
    """
    from simulacra.campaigns import executor_for
    from simulacra.judges.samples import some_rows
    from simulacra.judges.unpacking import events_that_fit
    from simulacra.observables.light_curves import is_cycle, is_light_curve, measured_like
    from simulacra.trained import load_members

    members = load_members(name)
    rng = np.random.default_rng(seed)
    n = truth.sizes["event"]
    rows = some_rows(n, min(most, events_that_fit(truth)), rng)
    conditions: dict[str, Any] = {}
    for condition in members[0].trained_range:
        if condition not in truth:
            hint = "; --particle names the class of the jets in a JetNet file" if condition == "jet_class" else ""
            raise ValueError(f"the truth has no condition '{condition}', which '{name}' needs to draw events{hint}")
        conditions[condition] = truth[condition].values[rows]
    with executor_for(scheduler) as executor:
        made = [
            _quietly(member, len(rows), seed=seed + 1_000 + number, **conditions)
            if isinstance(executor, int)
            else _drawn_by(executor, member, len(rows), seed + 1_000 + number, conditions)
            for number, member in enumerate(members)
        ]
    if not is_cycle(made[0]) or not is_light_curve(truth) or is_cycle(truth):
        return made
    stars = truth.isel(event=rows)
    return [measured_like(events, stars, seed + 2_000 + number) for number, events in enumerate(made)]


@dataclass(frozen=True)
class _Draw:
    """Draws a chunk of events (picklable, for other processes)."""

    source: Source
    seed: int
    conditions: Mapping[str, np.ndarray]

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        place = {name: values[chunk.start : chunk.stop] for name, values in self.conditions.items()}
        drawn = _quietly(
            loaded(self.source), chunk.stop - chunk.start, seed=self.seed, first_event=chunk.start, **place
        )
        return drawn.load()


def _drawn_by(
    executor: Executor, member: TrainedGenerator, n: int, seed: int, conditions: Mapping[str, np.ndarray]
) -> xr.Dataset:
    """Return the same events as :func:`_quietly`, drawn in chunks by the workers of a cluster."""
    import xarray as xr

    from simulacra.store import ExecutorError, StoreError
    from simulacra.store.workers import ChunkError

    source = Source(str(member.path.resolve()), member.last_layer_draw, member.weights_sha256, None)
    chunks = [Chunk(i, start, min(start + DRAWN, n)) for i, start in enumerate(range(0, n, DRAWN))]
    try:
        with contextlib.closing(executor.run(_Draw(source, seed, conditions), chunks)) as done:
            pieces = {chunk.index: events for chunk, events in done}
    except ChunkError as failure:
        error = StoreError(f"{failure.chunk} of the generated events cannot be drawn: {failure}")
        error.unexpected = failure.unexpected
        if failure.trace:
            error.add_note(failure.trace)
        raise error from failure
    except ExecutorError as error:
        raise StoreError(f"the events of '{member.name}' cannot be drawn: {error}") from error
    drawn = xr.concat([pieces[i] for i in range(len(chunks))], "event", combine_attrs="override")
    # the origin of all events, as if they had been drawn at once
    return drawn.assign_attrs(_quietly(member, 1, seed=seed, **{k: v[:1] for k, v in conditions.items()}).attrs)


def _quietly(member: TrainedGenerator, n: int, **options: Any) -> xr.Dataset:
    with warnings.catch_warnings():
        # The truth's conditions may end a little beyond the trained range; the report says what was trained.
        warnings.simplefilter("ignore", UserWarning)
        return member.sample(n, exact=True, **options)


def members_in(events: xr.Dataset) -> list[xr.Dataset]:
    """Return the events of each member of an ensemble in one store, or the events themselves."""
    if "member" not in events.data_vars:
        return [events]
    of = events["member"].values
    without = events.drop_vars("member")
    return [without.isel(event=np.flatnonzero(of == member)) for member in np.unique(of)]


def name_of(generated: str) -> str:
    """Return the name of a generated sample in tables: the name of its file or folder."""
    return Path(generated).name.removesuffix(".zarr").removesuffix(".safetensors").removesuffix(".h5") or generated


def named(generated: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the samples with unique names.

    Raises
    ------
    ValueError
        if one is given twice.
    """
    if twice := [one for one in generated if generated.count(one) > 1]:
        raise ValueError(f"'{twice[0]}' is given twice")
    short = [name_of(one) for one in generated]
    for one, name in zip(generated, short, strict=True):
        yield (name if short.count(name) == 1 else one), one


def check_hold_out(generator: TrainedGenerator, hold_out: str, conditions: list[str]) -> None:
    """Refuse a generator that was trained on events inside the band.

    Raises
    ------
    ValueError
        with its trained range, and how to train a generator without the band.
    """
    from simulacra.conditions import band_of

    band = band_of(hold_out, conditions)
    for held in generator.hold_out:
        if held.condition == band.condition and held.low <= band.low and band.high <= held.high:
            return
    low, high = generator.trained_range.get(band.condition, (-np.inf, np.inf))
    if band.low >= high or band.high <= low:
        return
    told = ", ".join(map(str, generator.hold_out)) or "nothing"
    raise ValueError(
        f"'{generator.name}' was trained on {band.condition} from {low:g} to {high:g} with {told} held out: "
        f"this includes the band {band}; train one without it"
        f" (simulacra train EXPERIMENT --hold-out {band}) and judge that"
    )
