"""Refinement of generators of fields, clouds and tables: known weights, acceptance, bits, the report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from shifted_events import (
    GENERATED_MEAN,
    TRUE_MEAN,
    Shifted,
    ShiftedEvents,
    conditions_of,
    exact_log_weights,
    quick_refiner,
    true_events,
)
from simulacra.pages import write_page
from simulacra.reweighting.kinds.find import views_of
from simulacra.reweighting.refined import RefinedGenerator
from simulacra.reweighting.refinement import drawn_beside, fit_refiner, refiner_settings
from simulacra.reweighting.refinement_report import judge_refiner
from simulacra.reweighting.refiner import Refiner
from simulacra.reweighting.represented import SampleError
from simulacra.reweighting.settings import ConvolutionalSettings, FeaturesSettings, ParticleFlowSettings

N = 4000
KINDS: tuple[Shifted, ...] = ("field", "cloud", "table")


@pytest.fixture(scope="module", params=KINDS)
def refined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RefinedGenerator:
    kind: Shifted = request.param
    run = tmp_path_factory.mktemp(kind) / "run"
    generator = ShiftedEvents(kind)
    truth = true_events(kind, N)
    settings = quick_refiner(truth, tuple(generator.trained_range))
    fit_refiner(generator, truth, run, settings=settings, times=1, seed=5, progress=False)
    return RefinedGenerator(generator, Refiner.load(run))


def kind_of(refined: RefinedGenerator) -> Shifted:
    generator = refined.generator
    assert isinstance(generator, ShiftedEvents)
    return generator.kind


def test_weights_are_the_known_ratio(refined: RefinedGenerator) -> None:
    """All is seeded; six other seeds gave correlations of 0.985 or more and slopes from 0.87 to 1.14."""
    kind = kind_of(refined)
    drawn = refined.sample(2000, seed=99, **conditions_of(kind, 2000, 8))
    exact, found = exact_log_weights(kind, drawn), np.log(drawn["weight"].values)
    assert exact.std() > 0.3
    assert np.corrcoef(exact, found)[0, 1] > 0.97
    assert np.polyfit(exact, found, 1)[0] == pytest.approx(1.0, abs=0.25)
    assert drawn["weight"].values.mean() == pytest.approx(1.0, abs=0.1)


def test_weighted_and_accepted_events_have_the_truths_mean(refined: RefinedGenerator) -> None:
    """Within half of the shift, which is more than ten standard errors, and four of an accepted sample's."""
    kind = kind_of(refined)
    name = {"field": "field", "cloud": "pt", "table": "first"}[kind]

    def mean(events: xr.Dataset, weights: np.ndarray | None = None) -> float:
        values = events[name].values.reshape(events.sizes["event"], -1)
        per_event = values.sum(axis=1) / (events["present"].values.sum(axis=1) if kind == "cloud" else values.shape[1])
        return float(np.average(per_event, weights=weights))

    weighted = refined.sample(4000, seed=21, **conditions_of(kind, 4000, 9))
    accepted = refined.sample(1500, seed=22, unweighted=True, **conditions_of(kind, 1500, 10))
    assert "weight" not in accepted
    shift = TRUE_MEAN[kind] - GENERATED_MEAN[kind]
    for found in (mean(weighted, weighted["weight"].values), mean(accepted)):
        assert found == pytest.approx(TRUE_MEAN[kind], abs=abs(shift) / 2)
    assert mean(weighted) == pytest.approx(GENERATED_MEAN[kind], abs=abs(shift) / 4)
    assert accepted.attrs["refiner"] == refined.refiner.sha256


@pytest.mark.parametrize("unweighted", [False, True])
def test_a_refined_event_does_not_depend_on_the_others_by_a_bit(refined: RefinedGenerator, unweighted: bool) -> None:
    kind = kind_of(refined)
    conditions = conditions_of(kind, 150, 11)
    options: dict[str, Any] = {"seed": 3, "unweighted": unweighted}
    every = refined.sample(150, **options, **conditions)
    some = refined.sample(23, first_event=100, **options, **{name: v[100:123] for name, v in conditions.items()})
    for name in some.data_vars:
        np.testing.assert_array_equal(some[name].values, every[name].values[100:123], err_msg=str(name))


def test_the_file_knows_what_it_is_for(refined: RefinedGenerator) -> None:
    kind, refiner = kind_of(refined), refined.refiner
    assert refiner.sees == {"field": "values", "cloud": "particles", "table": "features"}[kind]
    assert refiner.condition_ranges == ({"number": (2.0, 8.0)} if kind == "cloud" else {})
    assert (
        refiner.variables
        == {
            "field": ("field",),
            "cloud": ("pt", "present", "number"),
            "table": ("first", "second"),
        }[kind]
    )


def test_the_report_judges_again_by_the_kind_of_events(refined: RefinedGenerator, tmp_path: Path) -> None:
    """Fail by chance in 1 of 30,000 cases a classifier (four standard deviations)."""
    kind = kind_of(refined)
    truth = true_events(kind, 1500, seed=2)
    generated = drawn_beside(refined.generator, truth, times=1, seed=6)
    report = judge_refiner(refined.generator, refined.refiner, truth, generated, seed=1)
    names = [one.name for one in report.judgement.second]
    observables = ["trees on observables", "perceptron on observables"]
    more = {"field": ["perceptron on values", "trees on values"], "cloud": ["deep_sets on particles"], "table": []}
    assert names == observables + more[kind]
    before = []
    for one in report.judgement.second:
        assert one.auc_before is not None
        assert one.uncertainty_before is not None
        before.append((one.auc_before - 0.5) / one.uncertainty_before)
        assert one.auc - 0.5 < 4 * one.uncertainty + 0.02
    assert max(before) > 3
    assert {one.condition for one in report.mean_weights} == ({"number"} if kind == "cloud" else set())
    assert "An event takes" in report.cost.sentence
    text = write_page(tmp_path, report.page()).read_text(encoding="utf-8")
    assert ("Weights at the conditions" in text) == (kind == "cloud")


def test_networks_and_observables_are_chosen_by_the_kind_of_events() -> None:
    conditions = {"cloud": ("number",)}
    expected = {"field": ConvolutionalSettings, "cloud": ParticleFlowSettings, "table": FeaturesSettings}
    for kind in KINDS:
        views = views_of(true_events(kind, 50), conditions.get(kind, ()))
        first, *others = views.values()
        assert type(first.network) is expected[kind]
        assert list(views)[1:] == ([] if kind == "table" else ["observables"])
        assert all(isinstance(view.network, FeaturesSettings) for view in others)
    clouds = true_events("cloud", 50)
    seen = refiner_settings("observables", clouds, ["number"]).network
    assert isinstance(seen, FeaturesSettings)
    assert "number" in seen.variables
    with pytest.raises(ValueError, match="sees 'particles' or 'observables', not 'cells'"):
        refiner_settings("cells", clouds, ["number"])


def test_weights_of_observables_alone_are_made_from_events(tmp_path: Path) -> None:
    """The mean of a field is all that the two differ in, so its observables are enough."""
    generator, truth = ShiftedEvents("field"), true_events("field", 1500)
    settings = quick_refiner(truth, ()).model_copy(
        update={"network": refiner_settings("observables", truth, ()).network}
    )
    refiner = fit_refiner(generator, truth, tmp_path, settings=settings, times=1, seed=6, progress=False)
    assert refiner.sees == "observables"
    drawn = generator.sample(500, seed=7)
    found = np.log(refiner.weights(drawn).weights)
    assert np.corrcoef(exact_log_weights("field", drawn), found)[0, 1] > 0.9


def test_a_truth_without_what_the_generator_makes_is_refused(tmp_path: Path) -> None:
    truth = true_events("table", 300).rename(first="third", second="fourth")
    with pytest.raises(ValueError, match=r"the feature .* is missing in the truth and a number"):
        fit_refiner(ShiftedEvents("table"), truth, tmp_path, times=1, progress=False)
    # What else the truth holds does not matter.
    more = true_events("table", 300).assign(third=true_events("table", 300)["first"])
    settings = quick_refiner(true_events("table", 300), (), steps=3)
    refiner = fit_refiner(ShiftedEvents("table"), more, tmp_path / "run", settings=settings, times=1, progress=False)
    assert refiner.variables == ("first", "second")
    with pytest.raises(SampleError, match="no condition number"):
        drawn_beside(ShiftedEvents("cloud"), truth, times=1, seed=1)
