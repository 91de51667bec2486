"""The folder ``<path>.partial`` of a store that is being written: its plan, its lock, its chunks and their markers.

It holds ``plan.json``, ``lock`` (held with ``flock`` by the process that writes), ``data`` (the arrays) and ``done``
(one marker per finished chunk, made after the chunk's files were closed). ``data`` is moved to ``<path>`` only when it
is complete, so ``<path>`` never holds an incomplete store.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from simulacra.store.arrays import chunk_file, event_arrays
from simulacra.store.errors import StoreError
from simulacra.store.metadata import MARKER, PLAN, Marker, read_file
from simulacra.store.objects import address_of
from simulacra.store.plan import Chunk, Plan
from simulacra.whole_files import locked, write_whole


def partial_path(path: Path) -> Path:
    """Return where the store at ``path`` is written before it is complete."""
    return path.with_name(f"{path.name}.partial")


def refuse_source(source: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
    """Refuse to write over a source of what is written, or into it.

    Raises
    ------
    ValueError
        if the output is the source, or lies in it.
    """
    here, there = address_of(source), address_of(output)
    if here is not None or there is not None:
        if here is not None and there is not None and f"{there}/".startswith(f"{here}/"):
            raise ValueError(f"'{there}' would overwrite its own source '{here}', or lie in it: choose another path")
        return
    if Path(output).resolve().is_relative_to(Path(source).resolve()):
        raise ValueError(f"'{output}' would overwrite its own source '{source}', or lie in it: choose another path")


class Partial:
    """A store that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = partial_path(path)
        self.data = self.folder / "data"
        self.done = self.folder / "done"

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Lock the store against other processes; the system releases the lock when this process dies.

        Raises
        ------
        StoreError
            with the number of the process that holds the lock.
        """
        return locked(
            self.folder / "lock",
            lambda holder: StoreError(
                f"'{self.path}' is being written by the process {holder}; wait for it, stop it, or choose another path"
            ),
        )

    def plan(self) -> Plan | None:
        """Return the plan in the folder, or None if there is none."""
        try:
            record = read_file(self.folder / "plan.json", PLAN, remedy=f"remove '{self.folder}' to start again")
        except FileNotFoundError:
            return None
        return Plan.of_record(record)

    def begin(self, plan: Plan) -> None:
        """Start or continue a plan.

        Raises
        ------
        StoreError
            if the folder holds chunks of another plan.
        """
        earlier = self.plan()
        if earlier is None or (earlier != plan and not self.markers(earlier)):
            self.clear()
            self.done.mkdir()
            write_whole(self.folder / "plan.json", plan.to_json(), alone=True)
        elif earlier != plan:
            lines = "; ".join(plan.differences(earlier))
            raise StoreError(
                f"'{self.folder}' holds a part of a store with other settings ({lines}); give the same settings to "
                "continue it, remove it, or choose another path"
            )

    def clear(self) -> None:
        """Remove all but the lock, the plan first."""
        (self.folder / "plan.json").unlink(missing_ok=True)
        for place in self.folder.iterdir():
            if place.is_dir():
                shutil.rmtree(place)
            elif place.name != "lock":
                place.unlink()

    def remove(self) -> None:
        """Remove the folder, the lock last, so that no other process takes it meanwhile."""
        self.clear()
        (self.folder / "lock").unlink()
        # someone may have come for the lock again, and has the folder now
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def mark(self, chunk: Chunk, *, seconds: float, seconds_per_event: float, sizes: dict[str, int]) -> None:
        """Record that a chunk is finished."""
        marker = {"seconds": seconds, "seconds_per_event": seconds_per_event, "bytes": sizes}
        # not alone: a worker that was taken for dead may still make the same chunk
        write_whole(self.done / f"{chunk.index:08d}.json", json.dumps(marker))

    def markers(self, plan: Plan) -> dict[int, Marker]:
        """Return the marker of each finished chunk; a chunk whose files have changed is not finished."""
        if not self.data.exists():
            return {}
        arrays = event_arrays(self.data, plan)
        found = {}
        for file in sorted(self.done.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, StoreError):
                index, marker = int(file.stem), read_file(file, MARKER)
                if not 0 <= index < plan.n_chunks:
                    continue
                written = {chunk_file(name, n, plan.chunk(index)) for name, n in arrays.items()} == set(marker.bytes)
                if written and all((self.data / f).stat().st_size == n for f, n in marker.bytes.items()):
                    found[index] = marker
        return found


def summed(markers: Mapping[int, Marker], plan: Plan) -> tuple[dict[str, int], float]:
    """Return the size of each variable's files [bytes], and the mean seconds per event, of all chunks' markers."""
    sizes: dict[str, int] = {}
    total = 0.0
    for index, marker in markers.items():
        chunk = plan.chunk(index)
        total += marker.seconds_per_event * (chunk.stop - chunk.start)
        for file, n_bytes in marker.bytes.items():
            name = file.split("/")[0]
            sizes[name] = sizes.get(name, 0) + n_bytes
    return sizes, total / plan.n_events
