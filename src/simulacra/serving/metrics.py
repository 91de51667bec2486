"""The numbers of a service for Prometheus, in a registry of its own."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SIZES: Final = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counts of requests, events and evaluations.

    Attributes
    ----------
    waiting:
        requests that wait for their events.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "simulacra_requests", "Requests, by the status of their answers.", ["status"], registry=registry
        )
        self._seconds = Histogram(
            "simulacra_request_seconds",
            "Time from a request's head to the end of its answer.",
            registry=registry,
            buckets=SECONDS,
        )
        self._events = Counter("simulacra_events", "Events made, by model.", ["model"], registry=registry)
        self.waiting = Gauge("simulacra_waiting_requests", "Requests that wait for their events.", registry=registry)
        self._shared = Histogram(
            "simulacra_evaluation_requests", "Requests in one evaluation.", registry=registry, buckets=SIZES
        )
        self._rows = Histogram(
            "simulacra_evaluation_events", "Events of one evaluation.", registry=registry, buckets=SIZES
        )

    def answered(self, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def evaluated(self, requests: int, events: int) -> None:
        """Count an evaluation of the network."""
        self._shared.observe(requests)
        self._rows.observe(events)

    def made(self, model: str, events: int) -> None:
        """Count the events of an answer."""
        self._events.labels(model).inc(events)

    def text(self) -> bytes:
        """Return all numbers in Prometheus' text format."""
        return generate_latest(self._registry)
