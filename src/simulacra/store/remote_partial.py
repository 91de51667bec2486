"""The objects below ``ADDRESS.partial`` of a store that is being written to an object store."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulacra.store.errors import StoreError
from simulacra.store.metadata import MARKER, PLAN, Marker, parse
from simulacra.store.objects import Objects
from simulacra.store.plan import Plan

PLAN_FILE: Final = "plan.json"


@dataclass(frozen=True)
class RemotePartial:
    """The control objects of a store that is being written."""

    address: str

    @property
    def objects(self) -> Objects:
        """Those below ``ADDRESS.partial``."""
        return Objects.at(f"{self.address}.partial")

    def plan(self) -> Plan | None:
        """Return the plan, or None if there is none."""
        try:
            text = self.objects.read(PLAN_FILE)
        except FileNotFoundError:
            return None
        where = f"'{self.address}.partial/{PLAN_FILE}'"
        return Plan.of_record(parse(text, PLAN, where, remedy=f"remove '{self.address}.partial' to start again"))

    def markers(self, plan: Plan) -> dict[int, Marker]:
        """Return the marker of each finished chunk; a chunk whose objects have changed is not finished."""
        control, there = self.objects, Objects.at(self.address).sizes()
        found = {}
        for name in sorted(control.sizes("done")):
            with contextlib.suppress(FileNotFoundError, ValueError, StoreError):
                index = int(Path(name).stem)
                marker = parse(control.read(name), MARKER, f"'{name}'")
                if 0 <= index < plan.n_chunks and all(there.get(f) == n for f, n in marker.bytes.items()):
                    found[index] = marker
        return found

    def kept(self, plan: Plan) -> str:
        """Return how many chunks are finished, in words."""
        try:
            n_done = len(self.markers(plan))
        except StoreError as error:
            return str(error)
        kept = f"{n_done} of {plan.n_chunks} chunks are kept below '{self.address}'"
        return f"{kept}: run the same command again to continue"
