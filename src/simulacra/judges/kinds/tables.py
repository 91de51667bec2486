"""Tables: events that are rows of numbers."""

from __future__ import annotations

from typing import Final

from simulacra.judges.kinds.kind import Kind, compare_shapes
from simulacra.judges.limits import uses_of

KIND: Final = Kind(
    # Whatever the events are, their numbers can be judged.
    holds=lambda _events: True,
    generality=3,
    uses=uses_of("all features together"),
    compared=compare_shapes,
)
