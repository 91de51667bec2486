"""Pythia's showers of gluons: hemispheres along the x axis, their energies, and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import simulacra
from simulacra.observables.lund import light_cone
from simulacra.simulators.pythia_partons import PythiaPartonSettings
from simulacra.store import open_events
from simulacra.store.errors import StoreError

pytest.importorskip("pythia8mc")


def test_a_hemisphere_is_massless_partons_whose_total_is_along_x(tmp_path: Path) -> None:
    options = {"seed": 1, "gluon_energy": "log:50:200", "progress": False, "chunk_size": 40}
    simulacra.simulate("hemispheres", tmp_path / "x.zarr", 80, **options)
    events = open_events(tmp_path / "x.zarr").load()
    momentum, energy = (events[name].values.astype(np.float64) for name in ("momentum", "energy"))
    np.testing.assert_allclose(np.sqrt((momentum**2).sum(axis=2)), energy, rtol=1e-5)
    np.testing.assert_allclose(momentum.sum(axis=1)[:, 1:], 0, atol=1e-3)
    coupled, _ = light_cone(momentum, energy, events["present"].values)
    np.testing.assert_allclose(coupled.sum(axis=1), events["parton_energy"].values, rtol=1e-5)
    # The other gluon takes the recoil: a hemisphere has nearly the energy of its gluon.
    assert events["parton_energy"].values.min() > 40
    assert events["parton_energy"].values.max() < 210
    simulacra.simulate("hemispheres", tmp_path / "again.zarr", 80, **options, workers=2)
    np.testing.assert_array_equal(open_events(tmp_path / "again.zarr")["momentum"].values, events["momentum"].values)


def test_too_many_partons_and_impossible_settings_are_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"event \d+ has \d+ partons, more than 3: allow more"):
        simulacra.simulate(
            "hemispheres", tmp_path / "x.zarr", 5, seed=1, gluon_energy=500, max_partons=3, progress=False
        )
    for wrong in ({"gluon_energy": "0"}, {"gluon_energy": "1e6"}, {"gluon_energy": "50", "cutoff": 0.1}):
        with pytest.raises(ValidationError):
            PythiaPartonSettings.model_validate(wrong)
