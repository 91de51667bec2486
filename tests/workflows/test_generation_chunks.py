"""Generated events are made in chunks that fit into the memory."""

from pathlib import Path

import simulacra
from simulacra.workflows.generate import events_at_a_time


def test_large_events_are_made_a_few_at_a_time() -> None:
    assert events_at_a_time(504 * 4) == 8192
    assert events_at_a_time(40_500 * 4) == 2**27 // (40_500 * 4)
    assert events_at_a_time(2**40) == 1


def test_the_number_can_be_chosen(tmp_path: Path) -> None:
    from simulacra.store.read import read_plan

    for given, expected in (({}, 20), ({"batch_size": 7}, 7)):
        out = tmp_path / f"{expected}.zarr"
        simulacra.generate("calogan-eplus", out, 20, progress=False, **given)  # type: ignore[arg-type]
        plan, _ = read_plan(out)
        assert plan is not None
        assert plan.chunk_size == expected
