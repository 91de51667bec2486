"""Whether a sample was trained on, by the seeds that a reweighter's file and the sample tell of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gaussian_events import continuous_settings, drawn_in_mu, gaussian_events
from simulacra.fits.from_events import embed_reference
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.reweighter import Reweighter
from simulacra.reweighting.unseen import unseen_part


@pytest.fixture(scope="module")
def reweighter(tmp_path_factory: pytest.TempPathFactory) -> Reweighter:
    """Return one that was trained on the seeds 1 and 2."""
    run: Path = tmp_path_factory.mktemp("run")
    source = gaussian_events(np.random.default_rng(1).normal(size=1000))
    return fit_reweighter(source, drawn_in_mu(1000, 2), continuous_settings(steps=5), run, name="toy", progress=False)


@pytest.mark.parametrize(
    ("told", "part", "why"),
    [
        ({"seed": 3}, None, "whole, because its seed is 3 and 'toy' was trained on 1 and 2"),
        ({"seed": "3"}, None, "whole"),
        ({"seed": 1}, "test", "its seed is 1, that of the source"),
        ({"seed": 2}, "test", "its seed is 2, that of the target"),
        # Other settings with the same seed: the same random numbers.
        ({"seed": 1, "settings": '{"more": 1}'}, "test", "its seed is 1"),
        ({"seed": 1, "simulator": "another"}, None, "whole"),
        ({"seed": None}, "test", "do not say with which simulator and seed"),
        # A detector's own seed says nothing of the particles.
        ({"simulator": "detector", "seed": 91}, "test", "do not say with which simulator and seed"),
        (
            {"simulator": "detector", "seed": 91, "particle_level_simulator": "toy", "particle_level_seed": 1},
            "test",
            "its seed is 1",
        ),
        (
            {"simulator": "detector", "seed": 1, "particle_level_simulator": "toy", "particle_level_seed": 7},
            None,
            "whole, because its seed is 7",
        ),
    ],
)
def test_seeds_say_what_was_trained_on(
    reweighter: Reweighter, told: dict[str, Any], part: str | None, why: str
) -> None:
    events = gaussian_events(np.zeros(10))
    events.attrs |= told
    if told["seed"] is None:
        del events.attrs["seed"]
    found, said = unseen_part(reweighter, events)
    assert found == part
    assert why in said


def test_a_reference_of_another_seed_is_embedded_whole(reweighter: Reweighter) -> None:
    x = np.random.default_rng(3).normal(size=300)
    assert len(embed_reference(reweighter, gaussian_events(x, seed=3))) == 300
    assert len(embed_reference(reweighter, gaussian_events(x, seed=3), most=50)) == 50
    assert len(embed_reference(reweighter, gaussian_events(x, seed=1))) < 100


def test_a_reweighter_that_does_not_tell_of_its_samples_takes_the_test_part(reweighter: Reweighter) -> None:
    silent = Reweighter(
        "silent",
        reweighter.settings,
        reweighter.description | {"source": {"events": 1000}},
        [reweighter.member(0)],
        None,
        reweighter.training,
    )
    part, why = unseen_part(silent, gaussian_events(np.zeros(10), seed=3))
    assert part == "test"
    assert "'silent' does not say how its source was made" in why
