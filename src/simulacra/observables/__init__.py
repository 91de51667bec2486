"""Observables: numbers that physicists look at, one or more per event."""

from simulacra.observables.observe import observe
from simulacra.observables.showers import shower_shapes, shower_shapes_of

__all__ = ["observe", "shower_shapes", "shower_shapes_of"]
