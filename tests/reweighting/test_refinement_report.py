"""The report on a refiner: what is judged again, by whom, and what an effective event costs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shifted_showers import ShiftedShowers, small_refiner, true_showers
from simulacra.pages import write_page
from simulacra.reweighting.refined import RefinedGenerator
from simulacra.reweighting.refinement import drawn_beside, fit_refiner
from simulacra.reweighting.refinement_cost import effective_share, measure_cost
from simulacra.reweighting.refinement_report import RefinementReport, judge_refiner

N = 1500


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> RefinementReport:
    run = tmp_path_factory.mktemp("report")
    generator, truth = ShiftedShowers(), true_showers(N)
    generated = drawn_beside(generator, truth, times=2, seed=5)
    refiner = fit_refiner(generator, truth, run, settings=small_refiner(), generated=generated, seed=5, progress=False)
    return judge_refiner(generator, refiner, truth, generated, seed=1)


def test_other_classifiers_no_longer_see_what_the_weights_mend(report: RefinementReport) -> None:
    """Fail by chance in 1 of 30,000 cases a classifier, of which there are four (four standard deviations)."""
    names = [one.name for one in report.judgement.second]
    unseen = ", which the weights do not see"
    assert names == [
        "trees on shapes",
        "perceptron on shapes",
        f"perceptron on cells{unseen}",
        f"trees on cells{unseen}",
    ]
    for one in report.judgement.second:
        assert one.auc_before is not None
        assert one.uncertainty_before is not None
        # Gaussians 2/3 widths apart: an area of 0.68 at best.
        assert one.auc_before - 0.5 > 4 * one.uncertainty_before
        assert one.auc - 0.5 < 4 * one.uncertainty + 0.01
        assert one.baseline == (unseen in one.name)


def test_closure_and_mean_weights_are_of_the_test_part_alone(report: RefinementReport) -> None:
    response = next(one for one in report.judgement.closures if one.observable == "energy response")
    assert response.before.p_value < 1e-6
    # In showers of one profile all cells are hit.
    assert any("not compared" in warning and "sparsity 0" in warning for warning in report.judgement.warnings)
    # A false alarm in 1 of 1,000 cases, were the weights exact.
    assert response.after.p_value > 1e-3
    assert 0.15 * 2 * N < len(report.judgement.weights) < 0.25 * 2 * N
    for one in report.mean_weights:
        assert one.condition == "incident_energy"
        assert one.mean == pytest.approx(1.0, abs=5 * one.uncertainty)
    assert len(report.mean_weights) == 5


def test_an_effective_shower_costs_the_time_over_the_effective_share(report: RefinementReport) -> None:
    cost = report.cost
    both = cost.generation.value + cost.weighting.value
    assert cost.effective.value == pytest.approx(both / cost.effective_share.value)
    assert cost.effective_share.value == pytest.approx(report.judgement.summary.effective_share)
    assert cost.effective.uncertainty > 0
    assert cost.accepted is not None
    assert "an effective event, at" in cost.sentence


def test_where_showers_are_hardly_accepted_that_is_not_timed(report: RefinementReport, tmp_path: Path) -> None:
    generator, truth = ShiftedShowers(), true_showers(400)
    refiner = fit_refiner(generator, truth, tmp_path, settings=small_refiner(steps=9), times=1, seed=2, progress=False)
    refiner.maximum = 1e4
    energy = {"incident_energy": np.full(64, 50.0)}
    cost = measure_cost(RefinedGenerator(generator, refiner), 64, energy, np.ones(10), 0.0, seed=1)
    assert cost.accepted is None
    assert "about 1e+04 candidates" in cost.sentence


def test_the_page_and_its_numbers(report: RefinementReport, tmp_path: Path) -> None:
    # Three observables, for drawing takes a while.
    few = replace(report, judgement=replace(report.judgement, closures=report.judgement.closures[:3]))
    page = write_page(tmp_path, few.page())
    text = page.read_text(encoding="utf-8")
    assert "Time of an effective event" in text
    assert "Can they still be told apart?" in text
    numbers = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert numbers["cost"]["effective"]["value"] == pytest.approx(report.cost.effective.value)
    assert len(numbers["mean_weights"]) == 5
    assert len(numbers["second_classifiers"]) == 4


def test_the_effective_share_of_weights_and_its_error() -> None:
    rng = np.random.default_rng(3)
    # of an exponential distribution: (E w)^2 / E w^2 = 1/2; by the delta method its error is about 1 / sqrt(N)
    n = 4000
    shares = [effective_share(rng.exponential(size=n), rng) for _ in range(40)]
    values = np.array([one.value for one in shares])
    assert values.mean() == pytest.approx(0.5, abs=5 * values.std() / 40**0.5)
    # The spread of 40 is known to 11 %: four of its standard deviations.
    assert np.mean([one.uncertainty for one in shares]) == pytest.approx(values.std(ddof=1), rel=0.45)
    assert effective_share(np.ones(100), rng).value == 1.0
