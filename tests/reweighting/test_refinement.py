"""Refinement of a generator: known weights, equal samples, files that are refused, showers that were accepted."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from shifted_showers import GENERATED_MEAN, TRUE_MEAN, WIDTH, ShiftedShowers, exact_weights, small_refiner, true_showers
from simulacra.events import part_of
from simulacra.judges.samples import JudgeError
from simulacra.reweighting.blocks import places_in_blocks
from simulacra.reweighting.refined import RefinedGenerator
from simulacra.reweighting.refinement import drawn_beside, fit_refiner, refiner_settings
from simulacra.reweighting.refinement_cost import effective_share
from simulacra.reweighting.refiner import Refiner
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.reweighter import OutsideBoxWarning
from simulacra.reweighting.settings import ShowersSettings
from simulacra.trained import ExtrapolationWarning, TrainedGenerator, load
from simulacra.training.checkpoint import CheckpointError, read_model, save_tensors

N = 10_000


@pytest.fixture(scope="module")
def generator() -> ShiftedShowers:
    return ShiftedShowers()


@pytest.fixture(scope="module")
def refiner(generator: ShiftedShowers, tmp_path_factory: pytest.TempPathFactory) -> Refiner:
    run = tmp_path_factory.mktemp("refined ü") / "run"
    fit_refiner(generator, true_showers(N), run, settings=small_refiner(), times=2, seed=5, progress=False)
    return Refiner.load(run)


@pytest.fixture(scope="module")
def drawn(generator: ShiftedShowers) -> xr.Dataset:
    """Return showers that no training has seen."""
    energy = np.exp(np.random.default_rng(9).uniform(0, np.log(100), N))
    return generator.sample(N, seed=99, incident_energy=energy)


def test_weights_are_the_ratio_of_the_two_gaussians(refiner: Refiner, drawn: xr.Dataset) -> None:
    exact, found = exact_weights(drawn), refiner.weights(drawn).weights
    slope, offset = np.polyfit(np.log(exact), np.log(found), 1)
    # Four standard deviations of a slope that 1,000 true showers of the validation part calibrate.
    assert slope == pytest.approx(1.0, abs=0.25)
    assert offset == pytest.approx(0.0, abs=0.2)
    assert np.corrcoef(np.log(exact), np.log(found))[0, 1] > 0.99
    # of Gaussians that lie d widths apart: exp(-d^2)
    share = effective_share(found, np.random.default_rng(1))
    assert share.value == pytest.approx(np.exp(-(((TRUE_MEAN - GENERATED_MEAN) / WIDTH) ** 2)), abs=0.12)
    assert 0.002 < share.uncertainty < 0.03
    # The bound is five standard errors of the mean of these weights.
    assert found.mean() == pytest.approx(1.0, abs=5 * exact.std() / N**0.5)


def test_the_maximum_and_what_it_cuts_off_are_stated(refiner: Refiner, drawn: xr.Dataset) -> None:
    refined = refiner.weights(drawn)
    assert refined.weights.max() == pytest.approx(refiner.maximum)
    embedded = refiner.reweighter.embed(drawn)
    ratio = refiner.reweighter.weights_of(embedded, normalise=False)
    clipped = np.minimum(ratio, refiner.largest_ratio)
    np.testing.assert_allclose(refined.weights, clipped * (refiner.maximum / refiner.largest_ratio), rtol=1e-5)
    removed = 1 - clipped.sum() / ratio.sum()
    assert refined.clipped_share == pytest.approx(removed, abs=1e-6)
    assert 0 < refined.clipped_share < 0.01


def test_equal_samples_get_weights_of_about_1(tmp_path: Path) -> None:
    equal = ShiftedShowers(TRUE_MEAN, "equal")
    settings = small_refiner(
        "energy_response", "energy_0", "energy_fraction_1", "eta_width_0", "sparsity_2", steps=60, members=2
    )
    refiner = fit_refiner(equal, true_showers(N), tmp_path, settings=settings, times=2, seed=6, progress=False)
    weights = refiner.weights(equal.sample(N, seed=7, incident_energy=np.geomspace(1, 100, N))).weights
    assert effective_share(weights, np.random.default_rng(1)).value > 0.98
    assert np.abs(weights - 1).mean() < 0.1


def test_generated_showers_stand_at_the_truths_conditions_part_by_part(generator: ShiftedShowers) -> None:
    truth = true_showers(500)
    beside = drawn_beside(generator, truth, times=3, seed=4)
    assert beside.sizes["event"] == 1500
    for part in ("train", "validation", "test"):
        ours, theirs = (
            events["incident_energy"].values[part_of(events["event"].values) == part] for events in (beside, truth)
        )
        counts = [np.count_nonzero(ours == value) for value in theirs]
        assert sum(counts) == len(ours)
        assert max(counts) - min(counts) <= 1
    lacking = truth.drop_vars("incident_energy")
    with pytest.raises(SampleError, match="the truth has no condition incident_energy"):
        drawn_beside(generator, lacking, times=3, seed=4)


def test_another_generator_is_refused(refiner: Refiner) -> None:
    with pytest.raises(ValueError, match=r"refines 'shifted' \(weights .*\), not 'other' \(weights .*simulacra refine"):
        RefinedGenerator(ShiftedShowers(name="other"), refiner)


def test_damaged_and_foreign_files_are_refused(refiner: Refiner, tmp_path: Path) -> None:
    whole = refiner.path.read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(whole[:-8] + bytes(8))
    with pytest.raises(CheckpointError, match="damaged"):
        Refiner.load(damaged)
    damaged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        Refiner.load(damaged)
    with pytest.raises(CheckpointError, match="there is no refiner"):
        Refiner.load(tmp_path)
    metadata, tensors = read_model(refiner.path)
    details = metadata["description"].pop("refinement")
    plain = tmp_path / "plain.safetensors"
    save_tensors(plain, tensors, metadata)
    with pytest.raises(CheckpointError, match="not a refiner"):
        Refiner.load(plain)
    for wrong in ({"normalisation": 0.0}, {"normalisation": None}, {"geometry": "{}"}):
        metadata["description"]["refinement"] = details | wrong
        save_tensors(plain, tensors, metadata)
        with pytest.raises(CheckpointError, match="damaged"):
            Refiner.load(plain)


def test_other_events_and_other_detectors_are_refused(generator: ShiftedShowers, tmp_path: Path) -> None:
    truth = true_showers(200)
    with pytest.raises(JudgeError, match="the truth's events are tables and the generated ones showers"):
        fit_refiner(generator, truth.drop_vars("shower"), tmp_path, times=1)
    from simulacra import reference

    with pytest.raises(JudgeError, match="different detectors"):
        fit_refiner(generator, reference.load("calogan-eplus"), tmp_path, sees="shapes", times=1)
    with pytest.raises(ValueError, match="sees 'cells' or 'shapes', not 'all'"):
        refiner_settings("all", truth, ["incident_energy"])
    network = refiner_settings("cells", truth, ["incident_energy"]).network
    assert isinstance(network, ShowersSettings)
    assert network.variables[0] == "shower"
    assert "eta_width_1" in network.variables


def test_rows_hang_on_the_index_alone() -> None:
    index = np.array([3, 64, 0, 67, 5, 131])
    place = places_in_blocks(index, 64)
    np.testing.assert_array_equal(place % 64, index % 64)
    assert len(set(place.tolist())) == len(index)
    assert place.max() // 64 == 2


# ---- sampling


def test_accepted_showers_are_distributed_as_the_weighted_ones(refiner: Refiner, generator: ShiftedShowers) -> None:
    """Fail by chance in 1 of 1,000 cases for the chi-square, and in 1 of 15,000 for the number of candidates."""
    from scipy.stats import chi2

    n, energy = 1500, 50.0
    refined = RefinedGenerator(generator, refiner)
    accepted = refined.sample(n, seed=21, unweighted=True, incident_energy=energy)
    assert "weight" not in accepted
    weighted = refined.sample(8000, seed=22, incident_energy=energy)
    weights = weighted["weight"].values
    response = [e["shower"].values.sum(axis=1) / (1000 * energy) for e in (accepted, weighted)]
    edges = np.quantile(response[0], np.linspace(0, 1, 11)[1:-1])
    places = [np.searchsorted(edges, values) for values in response]
    ours = np.bincount(places[0], minlength=10) / n
    theirs = np.bincount(places[1], weights, 10) / weights.sum()
    squares = np.bincount(places[1], weights**2, 10) / weights.sum() ** 2
    variance = theirs / n + squares
    assert chi2.sf(float(np.sum((ours - theirs) ** 2 / variance)), 9) > 1e-3
    # Without acceptance the same number of showers is told from it for certain.
    plain = generator.sample(n, seed=23, incident_energy=energy)["shower"].values.sum(axis=1) / (1000 * energy)
    off = np.bincount(np.searchsorted(edges, plain), minlength=10) / n
    assert chi2.sf(float(np.sum((off - theirs) ** 2 / variance)), 9) < 1e-12
    # An event needs largest over mean weight candidates, geometrically distributed.
    expected = refiner.maximum / weights.mean()
    assert accepted.attrs["candidates_per_event"] == pytest.approx(
        expected, abs=4 * expected / n**0.5 + 0.03 * expected
    )
    assert accepted.attrs["largest_weight"] == refiner.maximum
    assert accepted.attrs["clipped_share"] == pytest.approx(weighted.attrs["clipped_share"], abs=0.005)
    assert accepted.attrs["refiner"] == refiner.sha256


@pytest.fixture(scope="module")
def refined_run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folders of a tiny generator and of a refiner for it."""
    run = tmp_path_factory.mktemp("of a network") / "run"
    generator = load(trained_run)
    # Its own showers stand for the truth, and uncalibrated noise for weights: this is about sampling.
    low, high = generator.trained_range["incident_energy"]
    truth = generator.sample(400, seed=17, incident_energy=np.geomspace(low, high, 400))
    settings = small_refiner("shower", "energy_response", "energy_fraction_1", steps=9, calibration="none")
    fit_refiner(generator, truth, run, settings=settings, times=2, seed=8, progress=False)
    return trained_run, run


@pytest.mark.parametrize("unweighted", [False, True])
def test_a_refined_shower_is_a_function_of_seed_index_and_condition(
    refined_run: tuple[Path, Path], unweighted: bool
) -> None:
    refined = load(refined_run[0]).refined_by(refined_run[1])
    energy = np.geomspace(2, 90, 150)
    options: dict[str, Any] = {"seed": 3, "unweighted": unweighted}
    every = refined.sample(150, **options, incident_energy=energy)
    np.testing.assert_array_equal(every["incident_energy"].values, energy.astype("f4"))
    some = refined.sample(23, first_event=100, **options, incident_energy=energy[100:123])
    for name in some.data_vars:
        np.testing.assert_array_equal(some[name].values, every[name].values[100:123], err_msg=str(name))
    np.testing.assert_array_equal(some["event"].values, np.arange(100, 123))
    other = refined.sample(23, first_event=100, seed=4, unweighted=unweighted, incident_energy=energy[100:123])
    assert not np.array_equal(other["shower"].values, some["shower"].values)
    if not unweighted:
        assert every["weight"].attrs["role"] == "weight"
        plain = refined.generator.sample(150, seed=3, exact=True, incident_energy=energy)
        np.testing.assert_array_equal(plain["shower"].values, every["shower"].values)


@pytest.mark.parametrize("unweighted", [False, True])
def test_a_distribution_that_reaches_too_far_is_told_whatever_is_drawn(
    refined_run: tuple[Path, Path], unweighted: bool
) -> None:
    refined = load(refined_run[0]).refined_by(refined_run[1])
    low, high = refined.generator.trained_range["incident_energy"]
    wide = f"uniform:{low}:{1.5 * high}"
    draw = refined.generator.columns_of
    seed = next(
        seed for seed in range(9) if draw(1, seed, 0, {"incident_energy": wide})["incident_energy"] < 0.9 * high
    )
    with pytest.warns(OutsideBoxWarning, match="reaches outside the range of"), pytest.warns(ExtrapolationWarning):
        refined.sample(1, seed=seed, unweighted=unweighted, incident_energy=wide)
    # that of the training is not: the sample's extremes are a little inside
    refined.sample(1, seed=seed, unweighted=unweighted, incident_energy=f"uniform:{low}:{high}")


def test_conditions_beyond_the_refiners_range_are_told(refined_run: tuple[Path, Path], tmp_path: Path) -> None:
    refined = load(refined_run[0]).refined_by(refined_run[1])
    low, high = refined.refiner.condition_ranges["incident_energy"]
    with pytest.warns(OutsideBoxWarning, match="reaches outside the range of"):
        refined.refiner.warn_outside({"incident_energy": (low, 2 * high)})
    for wrong, message in (
        ({"n": 0}, "the number of events must be at least 1, not 0"),
        ({"n": True}, "the number of events must be a whole number, not True"),
        ({"seed": "a"}, "the seed must be a whole number, not 'a'"),
        ({"first_event": -1}, "the first event's index must not be negative, not -1"),
    ):
        for unweighted in (True, False):
            with pytest.raises(ValueError, match=message):
                refined.sample(**{"n": 2, "seed": 1, "unweighted": unweighted, "incident_energy": 50.0, **wrong})
    copy = tmp_path / "copy.safetensors"
    shutil.copy(refined_run[1] / "reweighter.safetensors", copy)
    assert isinstance(TrainedGenerator(refined_run[0] / "model.safetensors").refined_by(copy), RefinedGenerator)


def test_weights_that_vanish_end_with_an_error(refined_run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from simulacra.reweighting import refined as of_refined

    refined = load(refined_run[0]).refined_by(refined_run[1])
    monkeypatch.setattr(of_refined, "PATIENCE", 2.0)
    monkeypatch.setattr(of_refined, "_uniform", lambda *_: 1.0 - 1e-12)
    monkeypatch.setattr(Refiner, "_log_ratio", lambda self, arrays, like: np.full(64, -30.0))
    with pytest.raises(RuntimeError, match="candidates of event 7 was accepted"):
        refined.sample(3, seed=1, first_event=7, unweighted=True, incident_energy=50.0)


def test_a_weight_that_is_no_number_is_an_error(refined_run: tuple[Path, Path]) -> None:
    refined = load(refined_run[0]).refined_by(refined_run[1])
    with torch.no_grad():
        for parameter in refined.refiner.reweighter.member(0).parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="weight of event 5 is not a number"):
        refined.sample(3, seed=1, first_event=5, incident_energy=50.0)
