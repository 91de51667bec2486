"""Tasks, items and results as bytes, between a command and the processes that run its tasks.

The only place that reads pickles: they come over connections from the command itself, never from a file. Functions of a
script (``__main__``) travel with their code. Who can reach a scheduler of Dask can run code on its workers in any case.
"""

from __future__ import annotations

from typing import Any


def packed(content: object) -> bytes:
    """Return an object as bytes."""
    import cloudpickle

    made: bytes = cloudpickle.dumps(content)
    return made


def unpacked(content: bytes) -> Any:
    """Return the object of :func:`packed`."""
    import cloudpickle

    return cloudpickle.loads(content)
