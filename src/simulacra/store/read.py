"""Open stores of events lazily, and refuse incomplete ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import xarray as xr

from simulacra.errors import printable
from simulacra.events import EventsError, validate, with_source
from simulacra.store.arrays import STORE_ATTRIBUTE, chunk_file, event_arrays
from simulacra.store.errors import StoreError
from simulacra.store.lazy import opened, refuse_later
from simulacra.store.metadata import GROUP, NUMBER, RECORD, TEXT, check, parse, read_file
from simulacra.store.objects import address_of
from simulacra.store.partial import Partial
from simulacra.store.plan import Chunk, Plan
from simulacra.store.remote_read import open_remote, read_remote_plan
from simulacra.units import in_convention

#: events per block of the full check of a store without a plan
BLOCK: Final = 1000


def open_events(path: str | os.PathLike[str], *, check: bool = False) -> xr.Dataset:
    """Open a store of events in the conventional units; values are read and converted when needed.

    The existence and size of all files are always checked; the checksum of a file is checked when it is read.

    Parameters
    ----------
    path:
        the store, or its address on an object store (``s3://bucket/name.zarr``).
    check:
        whether to read all values once, block by block, and validate them.

    Raises
    ------
    StoreError
        if there is no store, or it is unfinished or damaged.
    simulacra.events.EventsError
        if ``check`` finds values that break the conventions, or a unit cannot be converted to the conventional one.
    """
    if (address := address_of(path)) is not None:
        events = open_remote(address)
        if check:
            check_values(address, events, read_remote_plan(address)[0])
        return events
    path = Path(path)
    _refuse_what_is_no_store(path)
    record = _attributes(path).get(STORE_ATTRIBUTE)
    plan, sizes = _record(path, record) if record is not None else (None, {})
    if plan is not None:
        _check_files(path, plan, sizes)
    events = with_source(opened(path), path)
    # xarray passes over an array whose metadata zarr cannot read
    if lost := [name for name in sizes if name not in events.variables]:
        raise StoreError(
            f"'{path / lost[0] / 'zarr.json'}' is damaged: it does not describe an array; make the store again"
        )
    events.attrs.pop(STORE_ATTRIBUTE, None)
    refuse_later(events, path)
    if "event" not in events.dims:
        raise StoreError(f"'{path}' is a Zarr store without the dimension 'event': it holds no events")
    # the order in which they were given, which a folder does not keep
    if ordered := [name for name in sizes if name in events.data_vars]:
        events = events[ordered]
    events = in_convention(events, f"'{path}'")
    if check:
        check_values(path, events, plan)
    return events


def read_plan(path: Path) -> tuple[Plan | None, float]:
    """Return the plan of a complete store (None if it was written by another program) and its seconds per event."""
    if (address := address_of(path)) is not None:
        return read_remote_plan(address)
    attributes = _attributes(path)
    record = attributes.get(STORE_ATTRIBUTE)
    if record is None:
        return None, float("nan")
    plan, _ = _record(path, record)
    where = f"the attribute 'seconds_per_event' of '{path}'"
    return plan, check(attributes.get("seconds_per_event"), NUMBER, where)


def check_values(path: Path | str, events: xr.Dataset, plan: Plan | None) -> None:
    """Read and validate all values block by block."""
    # the indices of all events at once: a block does not show that another one has the same
    validate(events.drop_vars(list(events.data_vars)))
    n = events.sizes["event"]
    step = plan.chunk_size if plan else BLOCK
    for start in range(0, n, step):
        try:
            validate(events.isel(event=slice(start, start + step)))
        except (EventsError, StoreError, MemoryError):
            raise
        except Exception as error:
            what = printable(str(error), 200)
            raise StoreError(
                f"'{path}' is damaged: the events {start} to {min(start + step, n) - 1} cannot be read ({what}); "
                "make the store again"
            ) from error


def _attributes(path: Path) -> dict[str, Any]:
    try:
        return read_file(path / "zarr.json", GROUP).attributes
    except FileNotFoundError:
        # of format 2: by others, and without a plan of ours
        return {}


def _record(path: Path, record: Any) -> tuple[Plan, dict[str, int]]:
    where = f"the attribute '{STORE_ATTRIBUTE}' of '{path / 'zarr.json'}'"
    found = parse(check(record, TEXT, where), RECORD, where)
    return Plan.of_record(found.plan), found.bytes


def _refuse_what_is_no_store(path: Path) -> None:
    if (path / "zarr.json").exists() or (path / ".zgroup").exists():
        return
    if path.exists():
        raise StoreError(f"'{path}' is not a Zarr store: it is not a folder with 'zarr.json'")
    partial = Partial(path)
    plan = partial.plan() if partial.folder.exists() else None
    if plan is not None:
        raise StoreError(
            f"'{path}' is not finished: '{partial.folder}' holds {len(partial.markers(plan))} of {plan.n_chunks} "
            "chunks; run the command that makes it again to continue"
        )
    if path.name.endswith(".partial") and (path / "plan.json").exists():
        raise StoreError(f"'{path}' is an unfinished store")
    raise StoreError(f"there is no store '{path}'")


def _check_files(path: Path, plan: Plan, sizes: Mapping[str, int]) -> None:
    """Check the size of each file: a missing chunk would silently be read as zeros."""
    arrays = event_arrays(path, plan)
    if set(arrays) != set(sizes):
        lost = sorted(set(arrays) ^ set(sizes))
        raise StoreError(f"'{path}' is damaged: the variables {lost} were lost or added; make the store again")
    for name, n_dimensions in arrays.items():
        total = 0
        for chunk in plan.chunks():
            total += _file_size(path, name, n_dimensions, chunk)
        if total != sizes[name]:
            raise StoreError(
                f"'{path}' is damaged: the files of '{name}' hold {total} bytes, but {sizes[name]} were written; "
                "make the store again"
            )


def _file_size(path: Path, name: str, n_dimensions: int, chunk: Chunk) -> int:
    try:
        return (path / chunk_file(name, n_dimensions, chunk)).stat().st_size
    except OSError as error:
        raise StoreError(f"'{path}' is damaged: {chunk} of '{name}' is missing; make the store again") from error
