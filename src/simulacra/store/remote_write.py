"""Stores of events on object stores, which cannot rename.

A chunk's objects are written below the address itself, and everything about an unfinished store below
``ADDRESS.partial``: the plan, the lock, the skeleton (the metadata of the arrays) and a marker for each finished chunk.
The root ``zarr.json`` is written last. Without it there is no store. Each chunk is made in a temporary folder by the
same code as on a disk, so the objects have the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xarray as xr

from simulacra.progress import event_progress
from simulacra.store.arrays import STRUCTURE_FILE, create, finish, write_chunk
from simulacra.store.errors import StoreError, StoreExistsError
from simulacra.store.executors import Executor, ExecutorError
from simulacra.store.object_lock import object_locked
from simulacra.store.objects import Objects
from simulacra.store.partial import summed
from simulacra.store.plan import Chunk, Plan
from simulacra.store.remote_partial import PLAN_FILE, RemotePartial
from simulacra.store.remote_read import open_remote, read_remote_plan
from simulacra.store.workers import ChunkError

ROOT: Final = "zarr.json"
LOCK: Final = "lock.json"
SKELETON: Final = "skeleton"


@dataclass(frozen=True)
class MakeRemote:
    """Makes, checks and uploads a chunk, and marks it as finished (picklable)."""

    address: str
    plan: Plan
    made: Any

    def __call__(self, chunk: Chunk) -> None:
        """Make one chunk."""
        start = time.perf_counter()
        events: xr.Dataset = self.made(chunk)
        seconds = time.perf_counter() - start
        partial, store = RemotePartial(self.address), Objects.at(self.address)
        control = partial.objects
        if partial.plan() != self.plan:
            raise StoreError(f"'{self.address}' was finished, removed or begun with other settings meanwhile")
        with tempfile.TemporaryDirectory(prefix="simulacra-") as folder:
            data = Path(folder) / "data"
            create(data, events, self.plan)
            skeleton = {p.relative_to(data).as_posix(): p.read_bytes() for p in sorted(data.rglob("*")) if p.is_file()}
            first = self._first_structure(control, skeleton)
            (data / STRUCTURE_FILE).write_bytes(first)
            create(data, events, self.plan)
            sizes = write_chunk(data, events, chunk)
            for file in sizes:
                store.write(file, (data / file).read_bytes())
        stated = float(events.attrs["seconds_per_event"])
        marker = {
            "seconds": seconds,
            "seconds_per_event": stated,
            "bytes": sizes,
            "structure": hashlib.sha256(skeleton[STRUCTURE_FILE]).hexdigest(),
        }
        control.write(f"done/{chunk.index:08d}.json", json.dumps(marker).encode())

    def _first_structure(self, control: Objects, skeleton: Mapping[str, bytes]) -> bytes:
        """Return the structure of the first chunk, which is written here if this one is it."""
        name = f"{SKELETON}/{STRUCTURE_FILE}"
        try:
            return control.read(name)
        except FileNotFoundError:
            for file, content in skeleton.items():
                if file != STRUCTURE_FILE:
                    control.write(f"{SKELETON}/{file}", content)
            # last, because it says that all others are there
            control.write(name, skeleton[STRUCTURE_FILE])
            return skeleton[STRUCTURE_FILE]


def write_remote(
    make: MakeRemote,
    *,
    executor: Executor,
    progress: bool,
    label: str,
    attributes: dict[str, Any],
    overwrite: bool,
    start_over: bool = False,
) -> tuple[int, float]:
    """Write a store to an object store; return the number of events that were there, and seconds per event.

    Raises
    ------
    StoreError, KeyboardInterrupt
        as :func:`simulacra.store.write_store`.
    """
    address, plan, partial = make.address, make.plan, RemotePartial(make.address)
    store, control = Objects.at(address), partial.objects
    try:
        with object_locked(control, LOCK) as still_locked:
            if store.exists(ROOT):
                if not overwrite:
                    seconds_per_event = _already_there(address, plan)
                    # what was left when a finished store had got its root
                    _clear(control, first=PLAN_FILE, last=LOCK)
                    return plan.n_events, seconds_per_event
                _clear(store, first=ROOT)
            _begin(partial, plan, start_over=start_over or overwrite)
            done = partial.markers(plan)
            n_resumed = sum(plan.chunk(i).stop - plan.chunk(i).start for i in done)
            missing = (chunk for chunk in plan.chunks() if chunk.index not in done)
            try:
                with (
                    event_progress(label, plan.n_events, n_resumed, show=progress) as advance,
                    contextlib.closing(executor.run(make, missing, shared=control.address)) as made,
                ):
                    for chunk, _ in made:
                        still_locked()
                        advance(chunk.stop - chunk.start)
            except ExecutorError:
                if not partial.markers(plan):
                    # nothing was made, so nothing is left
                    _clear(control, first=PLAN_FILE, last=LOCK)
                raise
            still_locked()
            seconds_per_event = _finish(partial, plan, attributes)
            _clear(control, first=PLAN_FILE, last=LOCK)
            return n_resumed, seconds_per_event
    except ChunkError as failure:
        where = "a chunk" if failure.chunk is None else str(failure.chunk)
        error = StoreError(f"{where} of '{address}' failed: {failure.message}. {partial.kept(plan)}")
        error.unexpected = failure.unexpected
        if failure.trace:
            error.add_note(failure.trace)
        raise error from failure
    except ExecutorError as error:
        kept = f". {partial.kept(plan)}" if partial.plan() is not None else ""
        raise StoreError(f"'{address}' is not finished: {error}{kept}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped. {partial.kept(plan)}") from None


def _begin(partial: RemotePartial, plan: Plan, *, start_over: bool) -> None:
    store, control, earlier = Objects.at(partial.address), partial.objects, partial.plan()
    if earlier == plan:
        return
    if earlier is not None and not start_over and partial.markers(earlier):
        lines = "; ".join(plan.differences(earlier))
        raise StoreError(
            f"'{control.address}' holds a part of a store with other settings ({lines}); give the same settings to "
            "continue it, remove it, or choose another path"
        )
    if earlier is None and not start_over and store.sizes():
        raise StoreExistsError(f"there are objects below '{partial.address}' that are no store; choose another path")
    _clear(control, first=PLAN_FILE, last=LOCK)
    control.remove(*(name for name in control.sizes() if name != LOCK))
    _clear(store)
    control.write(PLAN_FILE, plan.to_json().encode())


def _clear(place: Objects, *, first: str | None = None, last: str | None = None) -> None:
    """Remove all objects, one of them first; the ``last`` one is left to its owner."""
    if first is not None:
        place.remove(first)
    place.remove(*(name for name in place.sizes() if name != last))


def _already_there(address: str, plan: Plan) -> float:
    there, seconds_per_event = read_remote_plan(address)
    remedy = "choose another path, remove it, or overwrite it (--overwrite; overwrite=True in Python)"
    if there is None:
        raise StoreExistsError(f"'{address}' is a Zarr store that was not written here; {remedy}")
    if there != plan:
        raise StoreExistsError(
            f"'{address}' is a complete store with other settings ({'; '.join(plan.differences(there))}); {remedy}"
        )
    open_remote(address).close()
    return seconds_per_event


def _finish(partial: RemotePartial, plan: Plan, attributes: dict[str, Any]) -> float:
    """Write the metadata, the root last; return the seconds per event."""
    store, control, markers = Objects.at(partial.address), partial.objects, partial.markers(plan)
    damaged = [str(chunk) for chunk in plan.chunks() if chunk.index not in markers]
    if damaged:
        raise StoreError(
            f"objects below '{partial.address}' disappeared or changed while it was written: {', '.join(damaged[:5])}; "
            "run the same command again"
        )
    if len({marker.structure for marker in markers.values()}) > 1:
        raise StoreError(f"the chunks of '{partial.address}' differ in their structure; remove it and start again")
    sizes, seconds_per_event = summed(markers, plan)
    with tempfile.TemporaryDirectory(prefix="simulacra-") as folder:
        data = Path(folder)
        for name in control.sizes(SKELETON):
            place = data / name.removeprefix(f"{SKELETON}/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(control.read(name))
        finish(data, plan, sizes, attributes | {"seconds_per_event": seconds_per_event})
        for place in sorted(data.rglob("*")):
            if place.is_file() and place != data / ROOT:
                store.write(place.relative_to(data).as_posix(), place.read_bytes())
        store.write(ROOT, (data / ROOT).read_bytes())
    return seconds_per_event
