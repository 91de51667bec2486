"""The benchmark of the service: what it times and counts, on a service whose delays are known."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from served_models import listening

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.documents.service import latency, most

from benchmarks import service

DELAY = 0.03


class Slow:
    """An application that answers each request after a while, and some of them with a refusal."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.under_way, self.most_under_way = 0, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.asked.append(json.loads((await receive())["body"]))
        status = 200 if len(self.asked) % 10 else 503
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(DELAY)
        self.under_way -= 1
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"12345"})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "WARM_UP", 1)
    monkeypatch.setattr(service, "CONNECTIONS", 8)


@pytest.mark.usefixtures("few")
def test_requests_begin_whatever_became_of_others_and_are_timed_to_the_last_byte() -> None:
    app = Slow()
    with listening(app) as url:
        run = asyncio.run(service.open_loop(url, "model", "npz", rate=200.0, number=39, seed=1))
    # The first one warms up; every tenth is refused, which counts as failed and as slower than all others.
    assert (run["answered"], run["failed"], run["bytes"]) == (35, 4, 5)
    assert 1000 * DELAY < run["quantiles"]["0.5"] < 1000 * service.DEADLINE
    assert run["quantiles"]["0.99"] == 1000 * service.DEADLINE
    assert app.most_under_way > 1
    assert len({one["seed"] for one in app.asked}) == 39
    assert all(1 <= one["conditions"]["incident_energy"] <= 100 for one in app.asked)


@pytest.mark.usefixtures("few")
def test_the_most_a_second_is_that_of_requests_always_under_way() -> None:
    with listening(Slow()) as url:
        found = asyncio.run(service.closed_loop(url, "model", "arrow", number=24, at_once=8))
    assert found["rate"] == pytest.approx(24 / found["seconds"])
    assert found["rate"] < 8 / DELAY


def test_tables_give_the_median_and_the_range_of_runs() -> None:
    runs = [
        {
            "mode": "together",
            "format": "npz",
            "asked": 200.0,
            "quantiles": {"0.5": x, "0.9": 2 * x, "0.99": 3 * x},
            "requests_per_evaluation": 1.5,
            "failed": 1,
            "load": 2.0,
            "service_ms": x / 4,
            "asking_ms": 0.5,
        }
        for x in (4.0, 5.0, 9.0)
    ]
    record = {
        "runs": runs,
        "number": 100,
        "at_once": 32,
        "most": [{"mode": "together", "format": "npz", "rate": float(rate)} for rate in np.array([300, 500, 400])],
    }
    assert latency({"service": record}).splitlines()[2] == (
        "| together | npz | 200 | 5.0 (4.0 to 9.0) | 10.0 (8.0 to 18.0) | 15.0 (12.0 to 27.0) | 1.50 | 3 of 300 "
        "| 1.2 (1.0 to 2.2) | 0.5 (0.5 to 0.5) | 2.0 |"
    )
    assert most({"service": record}).splitlines()[2] == "| together | npz | 400 (300 to 500) |"
