"""The plan of a store: the settings that determine its events, and its chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulacra.settings import whole_number
from simulacra.store.metadata import PlanRecord


@dataclass(frozen=True)
class Chunk:
    """The events ``start`` to ``stop - 1``: the result of one task, in one file per variable."""

    index: int
    start: int
    stop: int

    def __str__(self) -> str:
        return f"chunk {self.index} (events {self.start} to {self.stop - 1})"


@dataclass(frozen=True)
class Plan:
    """Everything that determines the bytes of a store; equal plans give equal stores."""

    n_events: int
    chunk_size: int
    fingerprint: str

    @classmethod
    def make(cls, n_events: int, chunk_size: int, fingerprint: Mapping[str, Any]) -> Plan:
        """Return a plan with settings that can be written as JSON.

        Raises
        ------
        ValueError
            if there are no events, no chunk, or the settings cannot be written as JSON.
        """
        n_events = whole_number(n_events, "the number of events")
        chunk_size = whole_number(chunk_size, "the number of events per chunk")
        if n_events < 1 or chunk_size < 1:
            raise ValueError(
                f"a store needs at least one event and chunks of at least one, not {n_events}, {chunk_size}"
            )
        try:
            text = json.dumps(dict(fingerprint), sort_keys=True)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the fingerprint of a store must be JSON: {error}") from None
        return cls(int(n_events), min(int(chunk_size), int(n_events)), text)

    @classmethod
    def of_record(cls, record: PlanRecord) -> Plan:
        """Return the plan from the output of :meth:`to_json`."""
        return cls(record.n_events, record.chunk_size, json.dumps(record.fingerprint, sort_keys=True))

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(self._fields(), sort_keys=True)

    @property
    def n_chunks(self) -> int:
        """The number of chunks."""
        return -(-self.n_events // self.chunk_size)

    def chunk(self, index: int) -> Chunk:
        """Return one chunk."""
        start = index * self.chunk_size
        return Chunk(index, start, min(start + self.chunk_size, self.n_events))

    def chunks(self) -> Iterator[Chunk]:
        """Iterate over the chunks in order."""
        return (self.chunk(index) for index in range(self.n_chunks))

    def differences(self, other: Plan) -> list[str]:
        """Return one line per setting that differs in ``other``: ``seed: 1 there, 2 now``."""
        there, now = _flat(other._fields()), _flat(self._fields())
        absent = "absent"
        return [
            f"{name.removeprefix('fingerprint.')}: {there.get(name, absent)} there, {now.get(name, absent)} now"
            for name in sorted({*there, *now})
            if there.get(name, absent) != now.get(name, absent)
        ]

    def _fields(self) -> dict[str, Any]:
        return {
            "n_events": self.n_events,
            "chunk_size": self.chunk_size,
            "fingerprint": json.loads(self.fingerprint),
        }


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {
            key: text
            for part, inner in value.items()
            for key, text in _flat(inner, f"{name}.{part}" if name else str(part)).items()
        }
    text = json.dumps(value)
    return {name: text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"}
