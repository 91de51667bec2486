"""Write events chunk by chunk, in one process or several, so that a killed job can continue."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import validate
from simulacra.progress import event_progress
from simulacra.settings import path_of
from simulacra.store.arrays import create, finish, write_chunk
from simulacra.store.errors import FULL_DISK, StoreError, StoreExistsError, full_disk, memory, size
from simulacra.store.executors import Executor, ExecutorError, ThisProcess, executor_of
from simulacra.store.objects import address_of
from simulacra.store.partial import Partial, summed
from simulacra.store.plan import Chunk, Plan
from simulacra.store.read import open_events, read_plan
from simulacra.store.remote_write import MakeRemote, write_remote
from simulacra.store.workers import ChunkError

Task = Callable[[Chunk], xr.Dataset]

#: intended size of a chunk of write_events in memory [bytes]
CHUNK_BYTES: Final = 32e6
#: size of an event's index, which every store holds [bytes]
INDEX_BYTES: Final = 8
#: the best that the compression of a store is given credit for before anything is written. Measured: 2.7 for showers of
#: calo-eplus, 3.4 for Geant4's, 5.7 for Z -> hadrons and 11 for minimum bias, whose particles are padded to 1,600
MOST_COMPRESSION: Final = 50.0
#: endings of files that hold events but are no stores
FILE_ENDINGS: Final = (".h5", ".hdf5", ".hepmc")
#: events of at most so many bytes are checked before a store is begun
CHECKED_FIRST: Final = 2**30
#: how long files that other machines wrote may be missing here: network file systems keep listings for a minute [s]
SETTLING: Final = 75.0


@dataclass(frozen=True)
class WriteSummary:
    """Summary of writing a store.

    ``path`` is an address, as text, on an object store. ``seconds_per_event`` is the mean over all events of the time
    given by the tasks, or measured if they give none.
    """

    path: Path | str
    n_events: int
    n_resumed_events: int
    seconds: float
    seconds_per_event: float


def write_store(
    path: str | os.PathLike[str],
    task: Task,
    *,
    n_events: int,
    chunk_size: int,
    fingerprint: Mapping[str, Any],
    workers: int | Executor = 1,
    in_process: bool = True,
    progress: bool = True,
    label: str = "events",
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    bytes_per_event: float = INDEX_BYTES,
    contiguous: bool = True,
) -> WriteSummary:
    """Make events with ``task(chunk)`` and write them to a Zarr store, continuing after existing chunks.

    The store is made in ``<path>.partial`` and is moved to ``path`` when it is complete. Its events do not depend on
    ``workers``.

    Parameters
    ----------
    path:
        path of the store, or its address on an object store (``s3://bucket/name.zarr``).
    task:
        a pure function of the chunk: returns events with the indices ``start`` to ``stop - 1``, or as many with any
        indices unless ``contiguous``; picklable to run in other processes.
    n_events, chunk_size:
        number of events in all and in each chunk.
    fingerprint:
        the settings that determine the events, as JSON; a store is continued only if they are equal.
    workers:
        number of processes, or what runs the tasks, such as a cluster (:mod:`simulacra.campaigns`).
    in_process:
        whether a single worker runs in this process; otherwise in a separate one.
    attributes:
        more attributes for the whole store.
    overwrite:
        whether a complete store at ``path`` is replaced when the new one is complete (on an object store, where nothing
        can be renamed, it is removed first), and an unfinished one with other settings at once.
    bytes_per_event:
        smallest size of an event before compression [bytes]: a store that cannot fit is refused before any event is
        made.
    contiguous:
        whether an event's index is its place in the store.

    Raises
    ------
    StoreError
        if another process writes there, the settings differ, a task fails or its process dies (with the chunk), the
        disk is full, or the events do not fit on the disk or a chunk not into the memory. Finished chunks are kept.
    StoreExistsError
        if there is a complete store with other settings.
    ValueError
        if there is no worker, or the path ends like that of a file, such as .h5.
    KeyboardInterrupt
        with the number of events that are kept.
    """
    path = _refuse_file(path_of(path, "the store"))
    executor = executor_of(workers, in_process=in_process)
    plan = Plan.make(n_events, chunk_size, fingerprint)
    if (address := address_of(path)) is not None:
        begun = time.perf_counter()
        n_resumed, seconds_per_event = write_remote(
            MakeRemote(address, plan, Checked(task, contiguous)),
            executor=executor,
            progress=progress,
            label=label,
            attributes=dict(attributes or {}),
            overwrite=overwrite,
        )
        return WriteSummary(address, plan.n_events, n_resumed, time.perf_counter() - begun, seconds_per_event)
    if executor.elsewhere:
        path = path.absolute()
    make = _Make(path, plan, Checked(task, contiguous))
    return _write(
        make,
        executor=executor,
        progress=progress,
        label=label,
        attributes=dict(attributes or {}),
        overwrite=overwrite,
        bytes_per_event=bytes_per_event,
    )


def write_events(
    events: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    fingerprint: Mapping[str, Any] | None = None,
    chunk_size: int | None = None,
    progress: bool = False,
    overwrite: bool = False,
) -> WriteSummary:
    """Write existing events, in memory or lazily opened, to a Zarr store.

    Parameters
    ----------
    events:
        the events, with any indices.
    fingerprint:
        the settings that determine the events; without them an unfinished store is started again and not continued.
    chunk_size:
        events per chunk; by default about 32 MB in memory.
    """
    n_events = events.sizes.get("event", 0)
    if not n_events:
        raise ValueError("there are no events to write")
    path = _refuse_file(Path(path))
    # Wrong events are refused before anything is written; large ones chunk by chunk.
    validate(events if events.nbytes <= CHECKED_FIRST else events.drop_vars(list(events.data_vars)))
    bytes_per_event = sum(a.dtype.itemsize * a.size // n_events for a in events.variables.values() if "event" in a.dims)
    several = chunk_size or int(max(1, min(n_events, CHUNK_BYTES // max(1, bytes_per_event))))
    plan = Plan.make(n_events, several, {"written": uuid.uuid4().hex} if fingerprint is None else fingerprint)
    checked = Checked(lambda chunk: events.isel(event=slice(chunk.start, chunk.stop)), contiguous=False)
    if (address := address_of(path)) is not None:
        begun = time.perf_counter()
        n_resumed, seconds_per_event = write_remote(
            MakeRemote(address, plan, checked),
            executor=ThisProcess(),
            progress=progress,
            label="events",
            attributes={},
            overwrite=overwrite,
            start_over=fingerprint is None,
        )
        return WriteSummary(address, plan.n_events, n_resumed, time.perf_counter() - begun, seconds_per_event)
    make = _Make(path, plan, checked)
    return _write(
        make,
        executor=ThisProcess(),
        progress=progress,
        label="events",
        attributes={},
        overwrite=overwrite,
        start_over=fingerprint is None,
    )


def _refuse_file(path: Path) -> Path:
    """Return the path of a store; refuse one that ends like a file (ValueError)."""
    if path.suffix in FILE_ENDINGS:
        store = path.with_suffix(".zarr")
        raise ValueError(
            f"'{path}' would be a Zarr store, which is a folder: name it '{store}'. Then "
            f"simulacra.write(simulacra.open_events('{store}'), '{path}') writes the events into such a file"
        )
    return path


@dataclass(frozen=True)
class Checked:
    """Makes a chunk and checks it."""

    task: Task
    contiguous: bool

    def __call__(self, chunk: Chunk) -> xr.Dataset:
        """Return the events of a chunk."""
        start = time.perf_counter()
        events = self.task(chunk)
        seconds = time.perf_counter() - start
        n = chunk.stop - chunk.start
        validate(events)
        index = events["event"].values
        if len(index) != n or (self.contiguous and not np.array_equal(index, np.arange(chunk.start, chunk.stop))):
            raise StoreError(
                f"the task made {len(index)} events ({index[:1]} …), not {chunk.start} to {chunk.stop - 1}"
            )
        return events.assign_attrs({"seconds_per_event": seconds / n} | events.attrs)


@dataclass(frozen=True)
class _Make:
    """Makes, checks and writes a chunk, and marks it as finished."""

    path: Path
    plan: Plan
    checked: Checked

    def __call__(self, chunk: Chunk) -> None:
        start = time.perf_counter()
        events = self.checked(chunk)
        seconds = time.perf_counter() - start
        partial = Partial(self.path)
        if partial.plan() != self.plan:
            # this process was taken for dead: others have finished the store, or begun another one
            raise StoreError(f"'{self.path}' was finished, removed or begun with other settings meanwhile")
        create(partial.data, events, self.plan)
        sizes = write_chunk(partial.data, events, chunk)
        stated = float(events.attrs["seconds_per_event"])
        partial.mark(chunk, seconds=seconds, seconds_per_event=stated, sizes=sizes)


def _write(
    make: _Make,
    *,
    executor: Executor,
    progress: bool,
    label: str,
    attributes: dict[str, Any],
    overwrite: bool,
    start_over: bool = False,
    bytes_per_event: float = INDEX_BYTES,
) -> WriteSummary:
    path, plan, partial = make.path, make.plan, Partial(make.path)
    begun = time.perf_counter()
    try:
        with partial.locked():
            if path.exists() and not overwrite:
                seconds_per_event = _already_there(path, plan, partial)
                return WriteSummary(path, plan.n_events, plan.n_events, time.perf_counter() - begun, seconds_per_event)
            if path.exists() and not (path / "zarr.json").exists():
                raise StoreExistsError(f"'{path}' is not a store of events and is not overwritten; choose another path")
            if start_over:
                partial.clear()
            try:
                _refuse_what_cannot_fit(partial, plan, bytes_per_event, executor.tasks_here)
            except StoreError:
                if not (partial.folder / "plan.json").exists():
                    partial.remove()
                raise
            if overwrite and partial.plan() != plan:
                partial.clear()
            partial.begin(plan)
            done = partial.markers(plan)
            n_resumed = sum(plan.chunk(i).stop - plan.chunk(i).start for i in done)
            missing = (chunk for chunk in plan.chunks() if chunk.index not in done)
            try:
                # closed at once when anything is raised in here, so that no process is left behind
                with (
                    event_progress(label, plan.n_events, n_resumed, show=progress) as advance,
                    contextlib.closing(executor.run(make, missing, shared=str(partial.folder))) as made,
                ):
                    for i, (chunk, _) in enumerate(made):
                        advance(chunk.stop - chunk.start)
                        if i == 0:
                            _check_space(partial, plan)
            except ExecutorError:
                if not partial.markers(plan):
                    # nothing was made, so nothing is left
                    partial.remove()
                raise
            seconds_per_event = _finish(partial, plan, attributes, SETTLING if executor.elsewhere else 0.0)
            return WriteSummary(path, plan.n_events, n_resumed, time.perf_counter() - begun, seconds_per_event)
    except ChunkError as failure:
        if failure.error_number is not None:
            raise full_disk(path, failure.error_number) from failure
        where = "a chunk" if failure.chunk is None else str(failure.chunk)
        error = StoreError(f"{where} of '{path}' failed: {failure.message}. {_kept(partial, plan)}")
        error.unexpected = failure.unexpected
        if failure.trace:
            error.add_note(failure.trace)
        raise error from failure
    except ExecutorError as error:
        kept = f". {_kept(partial, plan)}" if any(partial.done.glob("*.json")) else ""
        raise StoreError(f"'{path}' is not finished: {error}{kept}") from error
    except OSError as error:
        if error.errno in FULL_DISK:
            raise full_disk(path, error.errno) from error
        raise StoreError(f"cannot write '{path}': {error}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped. {_kept(partial, plan)}") from None


def _already_there(path: Path, plan: Plan, partial: Partial) -> float:
    """Return the seconds per event of the complete store at ``path`` if it is the requested one."""
    remedy = "choose another path, remove it, or overwrite it (--overwrite; overwrite=True in Python)"
    begun_with = partial.plan()
    if begun_with is None or begun_with == plan:
        # nothing in here, or what was left when a finished store had been moved into place
        partial.remove()
    if not (path / "zarr.json").exists():
        raise StoreExistsError(f"'{path}' exists and is not a store of events; choose another path")
    there, seconds_per_event = read_plan(path)
    if there is None:
        raise StoreExistsError(f"'{path}' is a Zarr store that was not written here; {remedy}")
    if there != plan:
        raise StoreExistsError(
            f"'{path}' is a complete store with other settings ({'; '.join(plan.differences(there))}); {remedy}"
        )
    # A damaged store is refused here and not only by whoever reads it.
    open_events(path).close()
    return seconds_per_event


def _refuse_what_cannot_fit(partial: Partial, plan: Plan, bytes_per_event: float, at_once: int) -> None:
    """Raise before anything is made if the rest cannot fit, even with the best compression."""
    markers = {} if partial.plan() != plan else partial.markers(plan)
    n_left = plan.n_events - sum(plan.chunk(i).stop - plan.chunk(i).start for i in markers)
    plain = n_left * bytes_per_event
    free = shutil.disk_usage(partial.folder).free
    if plain / MOST_COMPRESSION > free:
        raise StoreError(
            f"'{partial.path}' cannot fit on the disk: {n_left:,} events take {size(plain)} before compression and "
            f"at least {size(plain / MOST_COMPRESSION)} after, but only {size(free)} are free; ask for fewer events, "
            "or choose another path"
        )
    chunk, there = min(plan.chunk_size, n_left) * bytes_per_event * min(at_once, plan.n_chunks), memory()
    if chunk > there:
        each = f" in {at_once} processes" if at_once > 1 else ""
        raise StoreError(
            f"'{partial.path}' cannot be made in chunks of {plan.chunk_size:,} events: at least {size(chunk)} would be "
            f"in memory at once{each}, and the machine has {size(there)}; ask for smaller chunks"
        )


def _check_space(partial: Partial, plan: Plan) -> None:
    """Raise early if the rest of the store will not fit on the disk, estimated from the existing chunks."""
    markers = partial.markers(plan)
    n_bytes = sum(n for marker in markers.values() for n in marker.bytes.values())
    n_done = sum(plan.chunk(i).stop - plan.chunk(i).start for i in markers)
    n_left = plan.n_events - n_done
    if n_done and n_bytes / n_done * n_left > shutil.disk_usage(partial.folder).free:
        raise full_disk(partial.path, None, n_bytes / n_done * n_left)


def _finish(partial: Partial, plan: Plan, attributes: dict[str, Any], patience: float) -> float:
    """Complete the store, move it into place and return its seconds per event."""
    markers, until = partial.markers(plan), time.monotonic() + patience
    while len(markers) < plan.n_chunks and time.monotonic() < until:
        time.sleep(1)
        markers = partial.markers(plan)
    damaged = [str(chunk) for chunk in plan.chunks() if chunk.index not in markers]
    if damaged:
        raise StoreError(
            f"files of '{partial.data}' disappeared or changed while it was written: {', '.join(damaged[:5])}; "
            "run the same command again"
        )
    sizes, seconds_per_event = summed(markers, plan)
    finish(partial.data, plan, sizes, attributes | {"seconds_per_event": seconds_per_event})
    replaced = partial.folder / "replaced"
    if partial.path.exists():
        if replaced.exists():
            shutil.rmtree(replaced)
        partial.path.rename(replaced)
    partial.data.rename(partial.path)
    partial.remove()
    return seconds_per_event


def _kept(partial: Partial, plan: Plan) -> str:
    try:
        n_done = len(partial.markers(plan))
    except StoreError as error:
        return str(error)
    return f"{n_done} of {plan.n_chunks} chunks are kept in '{partial.folder}': run the same command again to continue"
