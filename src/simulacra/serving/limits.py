"""What one request, one client and all of them together may ask for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulacra.settings import CheckedSettings

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Limits(CheckedSettings):
    """The limits of a service.

    Attributes
    ----------
    most_events:
        of one request.
    most_answer_bytes:
        of one request's events, as numbers in memory: a model with large events has fewer of them.
    most_body_bytes:
        of a request.
    most_requests:
        a second of one client, an address; as many may come at once. None: any number.
    most_waiting:
        requests that wait for their events.
    most_waiting_bytes:
        of the events that they wait for.
    timeout:
        of a request, from its last byte to the first byte of its answer [s].
    patience:
        with a client that sends a request's head, then its body, or takes its answer: for each of them [s].
    most_connections:
        at one time.
    threads:
        that make events, each by one thread of the processor.
    together:
        whether requests that wait are evaluated together.
    """

    most_events: Count = 10_000
    most_answer_bytes: Count = 64 * 2**20
    most_body_bytes: Count = 2**20
    most_requests: Annotated[float, Field(gt=0)] | None = 500.0
    most_waiting: Count = 256
    most_waiting_bytes: Count = 512 * 2**20
    timeout: Seconds = 30.0
    patience: Seconds = 10.0
    most_connections: Count = 512
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    together: bool = True
