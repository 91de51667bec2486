"""Open stores of events on object stores lazily, and refuse incomplete ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from simulacra.events import with_source
from simulacra.store.arrays import STORE_ATTRIBUTE, along_events, chunk_file
from simulacra.store.errors import StoreError
from simulacra.store.lazy import opened, refuse_later
from simulacra.store.metadata import GROUP, NODE, NUMBER, RECORD, TEXT, check, parse
from simulacra.store.objects import Objects
from simulacra.store.plan import Plan
from simulacra.store.remote_partial import RemotePartial
from simulacra.units import in_convention


def open_remote(address: str) -> xr.Dataset:
    """Open a store on an object store; see :func:`simulacra.store.open_events`."""
    record = _attributes(address).get(STORE_ATTRIBUTE)
    sizes: Mapping[str, int] = {}
    if record is not None:
        plan, sizes = _record(address, record)
        _check_objects(address, plan, sizes)
    events = with_source(opened(address), address)
    events.attrs.pop(STORE_ATTRIBUTE, None)
    refuse_later(events, address)
    if "event" not in events.dims:
        raise StoreError(f"'{address}' is a Zarr store without the dimension 'event': it holds no events")
    if ordered := [name for name in sizes if name in events.data_vars]:
        events = events[ordered]
    return in_convention(events, f"'{address}'")


def read_remote_plan(address: str) -> tuple[Plan | None, float]:
    """Return the plan of a complete store (None if it was written by another program) and its seconds per event."""
    attributes = _attributes(address)
    record = attributes.get(STORE_ATTRIBUTE)
    if record is None:
        return None, float("nan")
    where = f"the attribute 'seconds_per_event' of '{address}'"
    return _record(address, record)[0], check(attributes.get("seconds_per_event"), NUMBER, where)


def _attributes(address: str) -> dict[str, Any]:
    try:
        return parse(Objects.at(address).read("zarr.json"), GROUP, f"'{address}/zarr.json'").attributes
    except FileNotFoundError:
        _refuse(address)
        raise


def _refuse(address: str) -> None:
    """Raise with what there is in the place of a store."""
    partial = RemotePartial(address)
    if (plan := partial.plan()) is not None:
        raise StoreError(
            f"'{address}' is not finished: '{address}.partial' holds {len(partial.markers(plan))} of {plan.n_chunks} "
            "chunks; run the command that makes it again to continue"
        )
    raise StoreError(f"there is no store '{address}'")


def _record(address: str, record: Any) -> tuple[Plan, dict[str, int]]:
    where = f"the attribute '{STORE_ATTRIBUTE}' of '{address}/zarr.json'"
    found = parse(check(record, TEXT, where), RECORD, where)
    return Plan.of_record(found.plan), found.bytes


def _check_objects(address: str, plan: Plan, sizes: Mapping[str, int]) -> None:
    """Check the size of each object: a missing chunk would silently be read as zeros."""
    store = Objects.at(address)
    there = store.sizes()
    found = {}
    for file in sorted(there):
        if file.count("/") == 1 and file.endswith("/zarr.json"):
            where = f"'{address}/{file}'"
            n_dimensions = along_events(parse(store.read(file), NODE, where), plan, where)
            if n_dimensions is not None:
                found[file.split("/")[0]] = n_dimensions
    if set(found) != set(sizes):
        lost = sorted(set(found) ^ set(sizes))
        raise StoreError(f"'{address}' is damaged: the variables {lost} were lost or added; make the store again")
    for name, n_dimensions in found.items():
        total = 0
        for chunk in plan.chunks():
            if (n_bytes := there.get(chunk_file(name, n_dimensions, chunk))) is None:
                raise StoreError(f"'{address}' is damaged: {chunk} of '{name}' is missing; make the store again")
            total += n_bytes
        if total != sizes[name]:
            raise StoreError(
                f"'{address}' is damaged: the objects of '{name}' hold {total} bytes, but {sizes[name]} were written; "
                "make the store again"
            )
