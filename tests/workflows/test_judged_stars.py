"""Generated stars are judged as the true ones' survey would have measured them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import simulacra
from simulacra.observables.light_curves import is_cycle, phases
from simulacra.systems.variable_star import example, toy_stars
from simulacra.workflows.judged_events import drawn_for, judged_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stars")
    simulacra.train(example(folder), folder / "run", progress=False)
    return folder / "run"


def test_stars_drawn_from_a_generator_have_the_times_errors_and_phases_of_the_true_ones(run: Path) -> None:
    truth = toy_stars(40, seed=7, observations=50)
    (made,) = drawn_for(truth, str(run), most=40, seed=1)
    for name in ("time", "magnitude_error", "observed", "period"):
        np.testing.assert_allclose(made[name].values, truth[name].values, rtol=1e-6)
    assert not is_cycle(made)
    there = truth["observed"].values
    apart = (phases(made) - phases(truth))[there]
    # An untrained curve's own first harmonic is anywhere, but the same for all observations of a star.
    assert np.isfinite(apart).all()


def test_stars_in_a_store_are_measured_as_true_ones_of_their_brightness(run: Path, tmp_path: Path) -> None:
    truth = toy_stars(40, seed=7, observations=50)
    simulacra.generate(run, tmp_path / "made.zarr", 30, seed=2, progress=False)
    assert is_cycle(simulacra.read(tmp_path / "made.zarr").load())
    options = {"generator": None, "hold_out": None, "most": 100, "seed": 3}
    made = judged_of(truth, str(tmp_path / "made.zarr"), simulacra.read, **options).events
    assert not is_cycle(made)
    assert made.sizes["event"] == 30
    for k in range(30):
        row = int(np.argmin(np.abs(truth["mean_magnitude"].values - float(made["mean_magnitude"][k]))))
        np.testing.assert_array_equal(made["time"][k], truth["time"][row])
        np.testing.assert_array_equal(made["magnitude_error"][k], truth["magnitude_error"][row])
    # Cycles are not measured like other cycles, which have no errors of a survey.
    assert is_cycle(judged_of(simulacra.read(tmp_path / "made.zarr"), str(tmp_path / "made.zarr"), simulacra.read,
                              **options).events)  # fmt: skip


def test_a_period_decides_the_other_conditions(run: Path) -> None:
    generator = simulacra.load(run)
    kept = generator.conditions.empirical
    for period in (2.0, 9.0):
        made = generator.sample(200, seed=4, period=period)
        nearest = np.argsort(np.abs(np.log(kept["period"] / period)))[:16]
        for name in ("mean_magnitude", "amplitude", "colour"):
            assert set(made[name].values) <= set(kept[name][nearest])
            assert len(set(made[name].values)) > 4
    # An event depends on its index alone, whichever others are drawn with it.
    whole = generator.sample(100, seed=5, period="log:2:9", exact=True)
    part = generator.sample(20, seed=5, first_event=70, period="log:2:9", exact=True)
    for name in ("mean_magnitude", "magnitude"):
        np.testing.assert_array_equal(whole[name].values[70:90], part[name].values)
    # None of the kept stars is one of the sample.
    numbers = ("period", "mean_magnitude", "amplitude", "colour")
    sample = simulacra.read(run.parent / "stars.zarr")
    rows = [set(zip(*(one[name].astype("f4").tolist() for name in numbers), strict=True))
            for one in (kept, {name: sample[name].values for name in numbers})]  # fmt: skip
    assert not rows[0] & rows[1]
