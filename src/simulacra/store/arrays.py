"""The arrays of a store: one file per variable and chunk, each with a checksum, none ever left out."""

from __future__ import annotations

import json
import shutil
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from simulacra.errors import printable
from simulacra.store.errors import StoreError
from simulacra.store.metadata import NODE, STRUCTURE, Array, Group, read_file
from simulacra.store.plan import Chunk, Plan

#: attribute of the whole store that holds its plan and the size of each variable
STORE_ATTRIBUTE: Final = "store"
#: file with the structure of the arrays while chunks are still missing
STRUCTURE_FILE: Final = "structure.json"
#: attributes of a chunk that may differ from chunk to chunk; the store has their mean
MEASURED_ATTRIBUTES: Final = ("seconds_per_event", STORE_ATTRIBUTE)


def structure(events: xr.Dataset) -> dict[str, Any]:
    """Return what must be the same in all chunks: names, types, shapes per event, attributes."""
    found: dict[str, Any] = {
        f"attribute '{name}'": plain(value) for name, value in events.attrs.items() if name not in MEASURED_ATTRIBUTES
    }
    for name, array in events.variables.items():
        if array.dtype.kind not in "biuf":
            raise StoreError(f"variable '{name}' holds {array.dtype}: a store accepts only numbers")
        found[f"variable '{name}'"] = {
            "dtype": array.dtype.str,
            "sizes": {str(d): n for d, n in array.sizes.items() if d != "event"},
            "attributes": {str(key): plain(value) for key, value in array.attrs.items()},
            "values": None if "event" in array.dims else array.values.tolist(),
        }
    return found


def create(folder: Path, events: xr.Dataset, plan: Plan) -> None:
    """Make the empty arrays for events like ``events`` in ``folder``, or check existing ones.

    Raises
    ------
    StoreError
        if ``events`` do not have the structure of the arrays.
    """
    if folder.exists():
        return _check(folder, events)
    fresh = folder.with_name(f"{folder.name}-{uuid.uuid4().hex}")
    indexed = [str(name) for name in events.coords if name not in events.dims]
    attributes = {str(key): plain(value) for key, value in events.attrs.items() if key not in MEASURED_ATTRIBUTES}
    group = zarr.open_group(fresh, mode="w", zarr_format=3)
    group.attrs.update(attributes | ({"coordinates": " ".join(indexed)} if indexed else {}))
    for name, array in events.variables.items():
        along = bool(array.dims) and array.dims[0] == "event"
        values = group.create_array(
            str(name),
            shape=(plan.n_events, *array.shape[1:]) if along else array.shape,
            chunks=(plan.chunk_size, *(max(1, n) for n in array.shape[1:])) if along else array.shape or (),
            dtype=array.dtype,
            compressors=(ZstdCodec(level=3), Crc32cCodec()),
            fill_value=False if array.dtype.kind == "b" else 0,
            attributes={str(key): plain(value) for key, value in array.attrs.items()},
            dimension_names=[str(d) for d in array.dims],
        )
        if not along:
            with zarr.config.set({"array.write_empty_chunks": True}):
                values[...] = array.values
    (fresh / STRUCTURE_FILE).write_text(json.dumps(structure(events)), encoding="utf-8")
    try:
        fresh.rename(folder)
    except OSError:
        # another worker was first
        if not folder.exists():
            raise
        shutil.rmtree(fresh)
    return _check(folder, events)


def _check(folder: Path, events: xr.Dataset) -> None:
    there = read_file(folder / STRUCTURE_FILE, STRUCTURE, remedy=f"remove '{folder.parent}' to start again")
    now = json.loads(json.dumps(structure(events)))
    for name in [*there, *now]:
        if there.get(name) != now.get(name):
            raise StoreError(
                f"the {name} is not the same in each chunk: {str(now.get(name, 'absent'))[:200]} in this one, "
                f"{str(there.get(name, 'absent'))[:200]} in the first; each chunk must have the same structure"
            )


def write_chunk(folder: Path, events: xr.Dataset, chunk: Chunk) -> dict[str, int]:
    """Write the events of one chunk; return the size of each of its files [bytes]."""
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name, array in events.variables.items():
            if "event" in array.dims:
                zarr.open_array(folder / str(name), mode="r+")[chunk.start : chunk.stop] = array.values
    return {
        file: (folder / file).stat().st_size
        for file in (chunk_file(str(n), a.ndim, chunk) for n, a in events.variables.items() if "event" in a.dims)
    }


def chunk_file(name: str, n_dimensions: int, chunk: Chunk) -> str:
    """Return the path in the store of the file that holds one chunk of one variable."""
    return "/".join((name, "c", str(chunk.index), *["0"] * (n_dimensions - 1)))


def _told(number: object) -> str:
    """Return numbers as text, shortened if a damaged one has hundreds of digits."""
    return printable(str(number), 40)


def event_arrays(folder: Path, plan: Plan) -> dict[str, int]:
    """Return the number of dimensions of each array of the store along ``event``, read from its metadata.

    Raises
    ------
    StoreError
        if the metadata of one are damaged, or its chunks differ from the plan.
    """
    found = {}
    for file in sorted(folder.glob("*/zarr.json")):
        n_dimensions = along_events(read_file(file, NODE), plan, f"'{file}'")
        if n_dimensions is not None:
            found[file.parent.name] = n_dimensions
    return found


def along_events(array: Group | Array, plan: Plan, where: str) -> int | None:
    """Return the number of dimensions of an array along ``event``, None for others (StoreError as above)."""
    if not isinstance(array, Array) or "event" not in (array.dimension_names or ()):
        return None
    # create() cuts along the events alone
    chunks = (plan.chunk_size, *(max(1, n) for n in array.shape[1:]))
    if array.shape[:1] != (plan.n_events,) or array.chunks != chunks:
        raise StoreError(
            f"{where} is damaged: it has the shape {_told(array.shape)} in chunks of {_told(array.chunks)}, "
            f"not {_told(plan.n_events)} events in chunks of {_told(chunks)}; make the store again"
        )
    return len(array.shape)


def finish(folder: Path, plan: Plan, sizes: Mapping[str, int], attributes: Mapping[str, Any]) -> None:
    """Write the record that marks the store as complete; remove leftovers of killed writers."""
    for place in folder.rglob("*.partial"):
        place.unlink(missing_ok=True)
    group = zarr.open_group(folder, mode="r+", zarr_format=3)
    record = {"plan": json.loads(plan.to_json()), "bytes": dict(sizes)}
    group.attrs.update({key: plain(value) for key, value in attributes.items()} | {STORE_ATTRIBUTE: json.dumps(record)})
    (folder / STRUCTURE_FILE).unlink(missing_ok=True)
    with warnings.catch_warnings():
        # an addition to the format that zarr warns about, and without which xarray warns whoever opens the store
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(folder)


def plain(value: Any) -> Any:
    """Return an attribute as a JSON value."""
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value
