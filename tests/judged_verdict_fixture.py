"""A verdict with all its chapters on toy showers, made once."""

from __future__ import annotations

import pytest

from judged_showers import ToyGenerator, toy_events
from simulacra.judges import Verdict, judge


@pytest.fixture(scope="session")
def verdict() -> Verdict:
    """Return the verdict on a generator whose showers are 40 % too wide."""
    return judge(
        toy_events(220, 1),
        toy_events(220, 2, width=1.4, simulator="toy generator"),
        train=toy_events(400, 3, first_event=1000),
        generator=ToyGenerator(positions=True, width=1.4),
        seed=1,
    )
