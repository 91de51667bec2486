"""The shipped score of GD-1's stars: high at the stream's proper motion, and low elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra.events import make_events
from simulacra.observables.stars import star_column
from simulacra.systems.via_machinae import Settings
from simulacra.trained import ExtrapolationWarning, TrainedScore


def stars(phi2: float, motion: float, n: int = 200) -> xr.Dataset:
    rng = np.random.default_rng(1)
    columns = {
        "phi1": rng.uniform(-54, -46, n),
        "phi2": phi2 + rng.normal(0, 0.1, n),
        "proper_motion_phi1": motion + rng.normal(0, 0.5, n),
        "proper_motion_phi2": rng.uniform(-1.5, -0.2, n),
    }
    return make_events(
        {name: star_column(values, name) for name, values in columns.items()},
        simulator="",
        simulator_version="",
        seed=None,
        settings={},
        seconds_per_event=0.0,
    )


@pytest.mark.filterwarnings("ignore:.*beyond its signal region:simulacra.trained.ExtrapolationWarning")
def test_it_is_highest_where_the_stream_is() -> None:
    model = simulacra.load("gd1-via-machinae")
    assert isinstance(model, TrainedScore)
    assert model.path.stat().st_size < 500_000
    on, elsewhere = (np.median(model.score(stars(*place))) for place in ((0.0, -7.8), (0.0, 3.0)))
    assert on > 0.5
    assert on > elsewhere + 0.5


def test_stars_beyond_the_signal_region_are_counted() -> None:
    model = simulacra.load("gd1-via-machinae")
    assert isinstance(model, TrainedScore)
    region = Settings.model_validate(model.metadata["experiment"]["system"]).region
    middle = (region.low + region.high) / 2
    some = stars(0.0, -7.8).isel(event=slice(3))
    motion = some[region.searched].copy(data=np.array([middle, region.high, region.low - 0.1], dtype=np.float32))
    with pytest.warns(ExtrapolationWarning, match="2 of 3 stars are beyond its signal region, proper_motion_phi2"):
        model.score(some.assign({region.searched: motion}))
    model.score(some.assign({region.searched: motion}).isel(event=[0]))
