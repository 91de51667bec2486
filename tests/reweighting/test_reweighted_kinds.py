"""Constants and fields go through a reweighting to its page; their closure is judged by what can be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import array, events_of, number
from simulacra.pages import write_page
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.judgement import Judgement, judge_reweighter
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.settings import FeaturesSettings, ReweighterSettings
from simulacra.training.settings import TrainingSettings

N = 1_500


def reweighted(source: xr.Dataset, target: xr.Dataset, variables: tuple[str, ...], folder: Path) -> Judgement:
    training = TrainingSettings(steps=40, batch_size=128, learning_rate=2e-3, validate_every=20, accelerator="cpu")
    settings = ReweighterSettings(network=FeaturesSettings(variables=variables), training=training)
    reweighter = fit_reweighter(source, target, settings, folder, name="toy", seed=1, progress=False)
    return judge_reweighter(reweighter, source, target, labels=("a", "b"), second=False, seed=1)


def drawn(seed: int, **more: np.ndarray) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    return events_of({"x": number(rng.normal(size=N))} | {name: number(v) for name, v in more.items()}, seed)


def test_a_constant_is_left_out_and_told(tmp_path: Path) -> None:
    three = np.full(N, 3.0)
    found = reweighted(drawn(1, c=three), drawn(2, c=three), ("x", "c"), tmp_path / "run")
    assert [closure.observable for closure in found.closures] == ["x"]
    assert any("the same in all events of both samples: c" in warning for warning in found.warnings)
    assert write_page(tmp_path / "page", found.page()).exists()


def test_constants_alone_are_refused(tmp_path: Path) -> None:
    three = np.full(N, 3.0)
    with pytest.raises(SampleError, match="there is nothing to reweight"):
        reweighted(drawn(1, c=three), drawn(2, c=three), ("c",), tmp_path / "run")


@pytest.mark.parametrize("shape", [(4, 4), (3, 3, 3)])
def test_a_field_closes_by_its_observables(shape: tuple[int, ...], tmp_path: Path) -> None:
    axes = ("x", "y", "z")[: len(shape)]
    source, target = (
        events_of({"field": array(np.random.default_rng(seed).normal(size=(N, *shape)), *axes)}, seed)
        for seed in (1, 2)
    )
    found = reweighted(source, target, ("field",), tmp_path / "run")
    names = {closure.observable for closure in found.closures}
    assert {"field mean", "field standard deviation", "field maximum"} <= names
    assert "field" not in names
    assert write_page(tmp_path / "page", found.page()).exists()
