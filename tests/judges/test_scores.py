"""The verdict on a score: Gaussians of known improvement, planted sculpting, a second background, and bad input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from simulacra.events import make_events, variable
from simulacra.judges import Finding, JudgeError
from simulacra.judges.scores import ScoreVerdict, judge_score


def scored(seed: int, n: int, shift: float = 0.0, **conditions: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"score": rng.normal(shift, 1, n), "mass": rng.normal(size=n), **conditions}


def found(verdict: ScoreVerdict, judge: str, region: str = "") -> Finding:
    (one,) = (f for f in verdict.findings if f.judge == judge and f.region.startswith(region))
    return one


@pytest.fixture(scope="module")
def verdict() -> ScoreVerdict:
    return judge_score(scored(1, 10_000), scored(2, 3000, 1.5), scored(3, 8000), seed=1, replicates=100)


def test_a_good_score_passes_with_the_numbers_of_the_closed_form(verdict: ScoreVerdict) -> None:
    assert verdict.passed
    assert verdict.headline.startswith("PASS: a cut on the score improves the significance by a factor of ")
    assert verdict.headline.endswith("; no sculpting of the background is seen.")
    assert verdict.warnings == ()
    # Within four of their errors: a false alarm in 16,000 for each.
    expected = {
        ("score_auc", ""): norm.cdf(1.5 / np.sqrt(2)),
        ("significance_improvement", "background efficiency 1 %"): norm.sf(norm.isf(0.01) - 1.5) / 0.1,
        ("significance_improvement", "signal efficiency 50 %"): 0.5 / np.sqrt(norm.sf(1.5)),
        ("background_rejection", "signal efficiency 50 %"): 1 / norm.sf(1.5),
        ("null_auc", ""): 0.5,
    }
    for (judge, region), value in expected.items():
        one = found(verdict, judge, region)
        assert abs(one.value - value) < 4 * one.uncertainty
        assert one.uncertainty < 0.2 * one.value
    area = found(verdict, "score_auc")
    assert area.truth_value == pytest.approx(0.5, abs=0.01)
    assert area.p_value == pytest.approx(1 / 101)
    # 10,000 events do not tell about 0.1 %.
    assert verdict.notes == ("A background efficiency of 0.1 % needs about 24,975 background events.",)
    assert {f.observable for f in verdict.findings if f.judge == "false_alarm_rate"} == {"cut at 10 %", "cut at 1 %"}
    assert verdict.sizes == {"background": 10_000, "signal": 3000, "second background": 8000}


def test_the_seed_decides_the_numbers(verdict: ScoreVerdict) -> None:
    samples = scored(1, 10_000), scored(2, 3000, 1.5), scored(3, 8000)
    assert judge_score(*samples, seed=1, replicates=100).findings == verdict.findings
    assert judge_score(*samples, seed=2, replicates=100).findings != verdict.findings


def test_a_score_that_is_the_condition_is_called_sculpting() -> None:
    background = scored(1, 4000)
    verdict = judge_score(background | {"mass": background["score"]}, scored(2, 1000, 2.0), replicates=100)
    assert verdict.outcome == "fail"
    assert "sculpts the background" in verdict.headline
    worst = found(verdict, "background_efficiency_in_bins")
    assert worst.p_value == pytest.approx(1 / 101)
    assert worst.region.startswith("mass")
    # Without the condition nothing is known of it.
    blind = judge_score({"score": background["score"]}, scored(2, 1000, 2.0), replicates=100)
    assert blind.outcome == "pass"
    assert "sculpting" not in blind.headline
    assert blind.notes[-1] == "No condition of the background varies: sculpting was not tested."


def test_a_second_background_that_scores_higher_is_called_so() -> None:
    verdict = judge_score(scored(1, 4000), scored(2, 1000, 2.0), scored(3, 4000, 0.4), replicates=100)
    assert verdict.outcome == "fail"
    assert "a cut keeps a different share of the second background." in verdict.headline
    assert any("scores of the two backgrounds differ" in warning for warning in verdict.warnings)
    rate = next(f for f in verdict.findings if f.judge == "false_alarm_rate")
    expected = norm.sf(norm.isf(0.1) - 0.4) / 0.1
    assert abs(rate.value - expected) < 4 * rate.uncertainty


def test_one_second_background_in_twenty_raises_a_false_alarm() -> None:
    from simulacra.judges.scored_samples import ScoredSample
    from simulacra.judges.scores import CUTS, _false_alarms
    from simulacra.statistics.binned_efficiency import cuts_at

    alarms = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        first, second = (
            ScoredSample.of(rng.normal(size=n), "background", rng, least=1, most=10_000) for n in (4000, 3000)
        )
        alarms.append([f.p_value for f in _false_alarms(first, second, cuts_at(first.events, CUTS))])
    # 5 % with the binomial error of 1.5 %: beyond three once in 370 draws.
    assert (np.array(alarms) < 0.05).mean(axis=0) == pytest.approx([0.05, 0.05], abs=3 * 0.0154)


def test_a_score_that_knows_nothing_fails_and_few_events_decide_nothing() -> None:
    useless = judge_score(scored(1, 20_000), scored(2, 20_000), replicates=100)
    assert useless.outcome == "fail"
    assert useless.headline.startswith("FAIL: no cut on the score improves the significance by 10 %")
    few = judge_score(scored(1, 250), scored(2, 25, 0.7), replicates=100)
    assert few.outcome == "undecided"
    wrong = judge_score(scored(1, 2000), scored(2, 500, -1.0), replicates=100)
    assert wrong.outcome == "fail"
    assert wrong.warnings == ("The signal has lower scores than the background: does the score have the wrong sign?",)


def test_a_constant_score_fails() -> None:
    verdict = judge_score(np.ones(300), np.ones(50), replicates=50)
    assert verdict.outcome == "fail"
    assert verdict.warnings == ()
    assert found(verdict, "score_auc").value == pytest.approx(0.5)
    assert found(verdict, "largest_significance_improvement").value == 1


def test_weights_stand_for_events() -> None:
    background = scored(1, 20_000)
    weights = np.exp(background["score"] / 2 - 1 / 8)
    # Signal: background that its weights turn into N(1 / 2, 1).
    signal = {"score": scored(5, 20_000)["score"], "weight": weights * 0 + 1}
    signal["weight"] = np.exp(signal["score"] / 2 - 1 / 8)
    verdict = judge_score(background, signal, replicates=100)
    for judge, region, value in (
        ("score_auc", "", norm.cdf(0.5 / np.sqrt(2))),
        ("significance_improvement", "signal", 0.5 / np.sqrt(norm.sf(0.5))),
    ):
        one = found(verdict, judge, region)
        assert abs(one.value - value) < 4 * one.uncertainty
    # A background with weights against one of other events and none.
    rng = np.random.default_rng(1)
    heavy = background | {"weight": rng.exponential(size=20_000)}
    null = judge_score(heavy, scored(6, 3000, 1.0), scored(7, 5000), replicates=100)
    assert found(null, "null_auc").p_value > 1e-3  # type: ignore[operator]
    assert found(null, "background_efficiency_in_bins").p_value > 1e-3  # type: ignore[operator]


def test_negative_weights_are_taken() -> None:
    rng = np.random.default_rng(1)
    background = scored(1, 5000) | {"weight": np.where(rng.random(5000) < 0.1, -1.0, 1.0)}
    verdict = judge_score(background, scored(2, 1000, 2.0), replicates=50)
    area = found(verdict, "score_auc")
    assert abs(area.value - norm.cdf(2 / np.sqrt(2))) < 5 * area.uncertainty
    assert verdict.outcome == "pass"


def events(values: np.ndarray, **attributes: Any) -> xr.Dataset:
    variables = {
        "score": variable(values, units="nat", long_name="minus the log density", role="feature"),
        "mass": variable(np.arange(len(values), dtype=float), units="GeV", long_name="mass", role="condition"),
        "weight": variable(np.full(len(values), 2.0), units="1", long_name="weight", role="weight"),
        "variation_a": variable(np.full(len(values), 0.0), units="1", long_name="other setting", role="weight"),
    }
    return make_events(
        variables, simulator="x", simulator_version="1", seed=1, settings={}, seconds_per_event=0.0, **attributes
    )


def test_scored_events_bring_conditions_weights_and_units() -> None:
    rng = np.random.default_rng(1)
    verdict = judge_score(events(rng.normal(size=500)), events(rng.normal(3, 1, 100)), replicates=50)
    assert (verdict.name, verdict.score_units, verdict.units) == ("minus the log density", "nat", {"mass": "GeV"})
    assert found(verdict, "background_efficiency_in_bins").region.endswith(" GeV")


def test_of_many_events_some_are_taken_at_random() -> None:
    verdict = judge_score(scored(1, 5000), scored(2, 5000, 1.0), max_events=1000, replicates=50)
    assert verdict.sizes == {"background": 1000, "signal": 1000}


BAD: list[tuple[Mapping[str, Any], str]] = [
    ({"score": np.zeros(100)}, "the background has 100 events: at least 200 are needed"),
    ({"score": np.append(np.zeros(300), np.nan)}, "'score' of the background is nan in row 300"),
    ({"score": np.zeros((300, 2))}, r"'score' of the background must be 300 numbers, \(N,\), not float64 \(300, 2\)"),
    ({"score": np.zeros(300), "mass": np.zeros(299)}, "'mass' of the background must be 300 numbers"),
    ({"scores": np.zeros(300)}, "the background holds scores and no 'score'"),
    ({"score": np.zeros(300), "weight": np.append(np.zeros(299), 1)}, "events are worth 1: at least 200 are needed"),
    ({"score": np.zeros(300), "weight": np.tile([1.0, -1.0], 150)}, "add up to 0, which is not positive"),
    ({"score": np.array(["a"] * 300)}, "'score' of the background must be 300 numbers"),
]


@pytest.mark.parametrize(("background", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_what_cannot_be_judged_is_refused(background: Mapping[str, np.ndarray], message: str) -> None:
    with pytest.raises(JudgeError, match=message):
        judge_score(background, scored(2, 100))


def test_one_sample_twice_is_refused() -> None:
    background = scored(1, 500)
    with pytest.raises(JudgeError, match="the second background and the background are the same events"):
        judge_score(background, scored(2, 100), background)


def steps(passing: int, n: int = 2000) -> np.ndarray:
    """Return scores of background events, 1 for some and 0 for the others."""
    return (np.arange(n) < passing).astype(float)


@pytest.mark.parametrize(
    ("passing", "sentence"),
    [
        (0, "none of the 2,000 background events, too few to judge it; at least 50,000 background events are needed"),
        (2, "only 0.1 % of the 2,000 background events, too few to judge it; about 75,000 background events"),
        (24, "only 1.2 % of the 2,000 background events, too few to judge it; about 6,200 background events"),
    ],
)
def test_a_cut_that_keeps_too_few_background_events_is_undecided(passing: int, sentence: str) -> None:
    verdict = judge_score(steps(passing), np.ones(500), seed=1, replicates=50)
    assert verdict.outcome == "undecided"
    assert f"the cut at 1 keeps 100 % of the signal and {sentence}" in verdict.headline


def test_the_number_of_background_events_that_are_needed_decides() -> None:
    verdict = judge_score(steps(74, 6200), np.ones(500), seed=1, replicates=50)
    assert verdict.outcome == "pass"
    assert verdict.held_out is not None
    assert verdict.held_out.value == pytest.approx((24 / 2000) ** -0.5, rel=0.1)


def test_a_dataset_of_bare_scores_is_taken() -> None:
    given = xr.Dataset({"score": ("event", scored(1, 500)["score"])})
    assert judge_score(given, scored(2, 100, 2.0), replicates=50).name == "score"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_events": 2.5}, "largest number of events must be a whole number, not 2.5"),
        ({"max_events": 0}, "largest number of events must be at least 1, not 0"),
        ({"replicates": "a"}, "number of replicates must be a whole number, not 'a'"),
        ({"replicates": -1}, "number of replicates must be at least 1, not -1"),
        ({"replicates": 1}, "1 replicates give no errors: at least 19 are needed"),
        ({"seed": "a"}, "the seed must be a whole number, not 'a'"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge_score(scored(1, 500), scored(2, 100), **wrong)


@pytest.mark.parametrize("given", [1.0, None])
def test_what_is_no_array_is_refused(given: Any) -> None:
    with pytest.raises(JudgeError, match=r"the background must be the scores of its events, \(N,\), not"):
        judge_score(given, scored(2, 100))
