"""Light curves of stars for the judges: folded curves do not depend on when a star was observed."""

from __future__ import annotations

import numpy as np

from simulacra.judges.kinds.find import kind_of
from simulacra.judges.kinds.light_curves import BINS, folded
from simulacra.systems.variable_star import toy_stars


def test_folded_curves_are_the_same_wherever_observations_begin_and_are_circular() -> None:
    stars = toy_stars(30, seed=3)
    assert kind_of(stars) == "light_curves"
    curves = folded(stars)
    assert curves.shape == (30, BINS)
    later = stars.assign(time=stars["time"] + 12.34)
    np.testing.assert_allclose(folded(later), curves, atol=1e-6)
    # The toys are brightest where their magnitude's first harmonic is least, near phase 0.
    first = np.fft.rfft(curves, axis=1)[:, 1]
    phase = (np.angle(first) - np.pi) % (2 * np.pi)
    assert np.minimum(phase, 2 * np.pi - phase).max() < 0.5


def test_an_empty_bin_lies_between_its_neighbours() -> None:
    stars = toy_stars(3, seed=4, observations=40)
    curves = folded(stars)
    assert np.isfinite(curves).all()
    there = stars["observed"].values
    low = np.where(there, stars["magnitude"].values, np.inf).min(axis=1)
    high = np.where(there, stars["magnitude"].values, -np.inf).max(axis=1)
    assert (curves >= low[:, None] - 1e-6).all()
    assert (curves <= high[:, None] + 1e-6).all()
