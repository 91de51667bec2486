"""Streams of dissolving clusters by gala."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.simulators.stellar_streams import StreamSettings, simulate_stream

pytest.importorskip("gala", reason="streams need gala: pip install 'simulacra[sky]'")


def test_a_stream_runs_through_its_window() -> None:
    settings = StreamSettings(age=1500)
    stars = simulate_stream(settings, seed=1, n_events=150)
    again = simulate_stream(settings, seed=1, n_events=150)
    np.testing.assert_array_equal(stars["phi1"].values, again["phi1"].values)
    assert (np.abs(stars["phi1"]) <= 5).all()
    # Much longer than wide, about the cluster.
    slope = np.polyfit(stars["phi1"], stars["phi2"], 1)
    across = stars["phi2"].values - np.polyval(slope, stars["phi1"].values)
    assert across.std() < 0.3 * stars["phi1"].values.std()
    # Faint stars are more, and measured worse.
    bright = stars["magnitude"].values < 18.5
    assert bright.sum() < 0.5 * len(bright)
    spread = [np.abs(stars["proper_motion_phi1"].values[rows] + 12).mean() for rows in (bright, ~bright)]
    assert spread[0] < spread[1] + 0.3
    assert stars.attrs["simulator"] == "gala"


def test_the_suns_motion_can_be_taken_out_and_too_few_stars_are_refused() -> None:
    seen, own = (
        simulate_stream(StreamSettings(age=500, reflex=reflex), seed=2, n_events=20) for reflex in (False, True)
    )
    shift = float(own["proper_motion_phi1"].mean() - seen["proper_motion_phi1"].mean())
    # The Sun moves at some 250 km/s: 6 mas/yr at 8 kpc.
    assert 3 < shift < 8
    with pytest.raises(ValueError, match="stars of the stream are in the window, fewer than 100000"):
        simulate_stream(StreamSettings(age=500), seed=2, n_events=100_000)
