"""The logic of outcomes: limits, errors, chance, and weights that mend what fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simulacra.judges.criteria import (
    WITH_WEIGHTS,
    Criterion,
    Judgement,
    Outcome,
    Use,
    UseJudgement,
    advice_on,
    events_to_decide,
    judge_uses,
    outcome_of,
)
from simulacra.judges.finding import Finding
from simulacra.judges.kinds.find import USES
from simulacra.judges.verdict import Verdict

LIMIT = 0.1
DISTANCE = Criterion("distance", (), "Distance", LIMIT, "1", "Mend the distance.")
AREA = Criterion("area", ("cells",), "Area", 0.6, "1", "Mend the area.")
USE = Use("all", "everything", (DISTANCE, AREA))


def finding(value: float, error: float = 0.001, **changes: Any) -> Finding:
    given = {
        "judge": "distance",
        "observable": "x",
        "truth_value": 0.0,
        "truth_uncertainty": 0.0,
        "n_truth": 1000,
        "n_generated": 1000,
        "sentence": "",
    }
    return Finding(value=value, uncertainty=error, **{**given, **changes})


def weighted(value: float, error: float = 0.001, **changes: Any) -> Finding:
    return finding(value, error, region=WITH_WEIGHTS, **changes)


def share(value: float) -> Finding:
    return weighted(value, 0.0, judge="effective_share", observable="weights")


def judged(*findings: Finding) -> UseJudgement:
    (result,) = judge_uses(findings, [USE])
    return result


@pytest.mark.parametrize(
    ("value", "error", "chance", "outcome"),
    [
        (0.05, 0.01, 0.0, "pass"),
        # Within the limit, but with the error not.
        (0.10, 0.01, 0.0, "undecided"),
        (0.091, 0.01, 0.0, "undecided"),
        (0.089, 0.01, 0.0, "pass"),
        # Two samples of the truth score 0.05 themselves: the generator's own share is smaller.
        (0.07, 0.02, 0.05, "pass"),
        # An error above the limit says nothing about values below it.
        (0.05, 0.11, 0.0, "undecided"),
        # A share of what is missing may be far below 0.
        (-0.79, 0.15, 0.0, "pass"),
        (-0.04, 0.15, 0.0, "undecided"),
        (0.12, 0.01, 0.0, "undecided"),
        (0.121, 0.01, 0.0, "fail"),
        # Truth against truth scores as much: the events are too few, not the generator too bad.
        (0.2, 0.01, 0.19, "undecided"),
    ],
)
def test_a_value_against_its_limit(value: float, error: float, chance: float, outcome: Outcome) -> None:
    assert outcome_of(finding(value, error, truth_value=chance), LIMIT) == outcome


@pytest.mark.parametrize(("value", "outcome"), [(0.58, "pass"), (0.581, "undecided"), (0.6, "undecided")])
def test_a_value_without_bias_passes_with_two_errors_on_top(value: float, outcome: Outcome) -> None:
    # Truth against truth scores 0.5 of an AUC, which is no fault that could be taken off.
    assert outcome_of(finding(value, 0.0099, truth_value=0.5), 0.6, biased=False) == outcome


def test_a_finding_without_truth_against_truth_is_taken_as_it_is() -> None:
    assert outcome_of(finding(0.2, 0.01, truth_value=None, truth_uncertainty=None), LIMIT) == "fail"


def test_the_worst_finding_of_its_observables_decides() -> None:
    result = judged(
        finding(0.05, observable="good"),
        finding(0.5, observable="bad"),
        finding(0.9, judge="area", observable="elsewhere"),
        finding(0.5, judge="area", observable="cells"),
    )
    assert [(one.finding.observable, one.outcome) for one in result.judgements] == [("bad", "fail"), ("cells", "pass")]
    assert result.outcome == "fail"
    assert result.weighted == ()


def test_one_that_is_not_decided_leaves_all_undecided() -> None:
    assert judged(finding(0.11, 0.01), finding(0.5, judge="area", observable="cells")).outcome == "undecided"
    assert judged(finding(0.05), finding(0.5, judge="area", observable="cells")).outcome == "pass"


def test_a_use_without_findings_is_left_out() -> None:
    assert judge_uses([finding(0.5, judge="another")], [USE]) == ()


AREA_PASSES = finding(0.5, judge="area", observable="cells")


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [
        ((weighted(0.02), share(0.8)), "pass with weights"),
        # The weights leave too few events, or nobody knows how many.
        ((weighted(0.02), share(0.09)), "fail"),
        ((weighted(0.02),), "fail"),
        # Mended not far enough, not surely, or not looked at.
        ((weighted(0.5), share(0.8)), "fail"),
        ((weighted(0.11, 0.01), share(0.8)), "fail"),
        ((share(0.8),), "fail"),
        # Mended, but the weights break what was right, or leave it open.
        ((weighted(0.02), share(0.8), weighted(0.9, judge="area", observable="cells")), "fail"),
        ((weighted(0.02), share(0.8), weighted(0.61, 0.05, judge="area", observable="cells")), "pass with weights"),
        ((weighted(0.02), share(0.8), weighted(0.5, judge="area", observable="cells")), "pass with weights"),
    ],
)
def test_what_fails_may_pass_with_weights(findings: tuple[Finding, ...], outcome: Outcome) -> None:
    result = judged(finding(0.5), AREA_PASSES, *findings)
    assert result.outcome == outcome
    # What was found with weights never counts as found without.
    assert [one.finding.value for one in result.judgements] == [0.5, 0.5]


def test_weights_do_not_pass_while_another_criterion_is_open() -> None:
    open_area = finding(0.61, 0.05, judge="area", observable="cells")
    findings = finding(0.5), open_area, weighted(0.02), share(0.8)
    assert judged(*findings).outcome == "fail"
    closed = weighted(0.5, judge="area", observable="cells")
    assert judged(*findings, closed).outcome == "pass with weights"


def test_weights_are_not_asked_for_where_none_are_needed() -> None:
    assert judged(finding(0.05), weighted(0.5), share(0.01)).outcome == "pass"
    assert judged(finding(0.11, 0.01), weighted(0.02), share(0.8)).outcome == "undecided"


def test_advice_says_what_to_do() -> None:
    other = UseJudgement(Use("less", "less of it", ()), "pass", ())
    failed = judged(finding(0.5), AREA_PASSES)
    assert advice_on(failed, [failed, other]) == ["Mend the distance.", "It is good enough for: less of it."]
    assert advice_on(failed, [failed])[-1] == "It passes for none of the uses below."
    mended = judged(finding(0.5), AREA_PASSES, weighted(0.02), share(0.8))
    assert advice_on(mended, [mended])[0].startswith("Give each generated event the weight of a calibrated classifier")
    assert "none of the uses" not in " ".join(advice_on(mended, [mended]))
    passed = judged(finding(0.05))
    assert advice_on(passed, [passed]) == [
        "Use it within the judged conditions; judge again for any other use or range."
    ]


def test_more_events_are_asked_for_the_nearer_the_limit() -> None:
    # Four standard deviations of 0.03 between value and limit: their squared ratio times as many events.
    near, far = (Judgement(DISTANCE, finding(value, 0.03), "undecided") for value in (0.13, 0.16))
    assert events_to_decide(near) == 16_000
    assert events_to_decide(far) == 4_000
    advice = advice_on(UseJudgement(USE, "undecided", (near,)), [])
    assert "judge again with about 16,000 of each sample" in advice[0]


def test_every_kind_has_uses_of_its_own() -> None:
    names = {kind: [use.name for use in USES[kind]] for kind in USES}
    assert names.pop("showers") == ["energy", "shapes", "cells"]
    assert set(map(tuple, names.values())) == {("shapes", "cells")}
    for kind, uses in USES.items():
        shower = {"response_linearity", "energy_resolution"} & {c.judge for use in uses for c in use.criteria}
        assert bool(shower) == (kind == "showers")


def measured(true: float, n: int, rng: np.random.Generator) -> Finding:
    """Return an unbiased measurement with n events, of which 1,000 know the value to 0.03."""
    error = 0.03 * (1_000 / n) ** 0.5
    return finding(rng.normal(true, error), error, n_truth=n, n_generated=n)


def size_of(shift: float, n: int, rng: np.random.Generator) -> Finding:
    """Return the size of a shift, which chance makes large, with what truth against truth scores of it."""
    error = 0.03 * (1_000 / n) ** 0.5
    chance = error * (2 / np.pi) ** 0.5
    value = float(abs(rng.normal(shift, error)))
    return finding(value, error, truth_value=chance, truth_uncertainty=0.6 * error, n_truth=n, n_generated=n)


@pytest.mark.parametrize(("biased", "measure"), [(False, measured), (True, size_of)])
@pytest.mark.parametrize("true", [0.02, 0.06, 0.09, 0.099, 0.101, 0.12, 0.2])
def test_so_many_events_do_decide(true: float, biased: bool, measure: Callable[..., Finding]) -> None:
    # How far an undecided value lies from the limit is known to its error only, so that one that seems far asks for too
    # few. Where it is asked for as many events as the true distance needs, or more, nineteen of twenty are decided.
    criterion = Criterion("distance", (), "Distance", LIMIT, "1", "", biased=biased)
    exact = {"truth_value": 0.0, "truth_uncertainty": 0.0}
    expected = measure(true, 1_000, np.random.default_rng(1)).model_copy(update={"value": true, **exact})
    needed = events_to_decide(Judgement(criterion, expected, "undecided"))
    assert needed is not None
    rng = np.random.default_rng(2)
    outcomes = [outcome_of(measure(true, needed, rng), LIMIT, biased=biased) for _ in range(400)]
    right: Outcome = "pass" if true < LIMIT else "fail"
    assert outcomes.count(right) >= 0.95 * len(outcomes)
    assert outcomes.count("fail" if right == "pass" else "pass") == 0


def test_the_nearer_the_limit_the_more_without_end() -> None:
    needed = [events_to_decide(Judgement(DISTANCE, finding(LIMIT + gap, 0.03), "undecided")) for gap in (1e-2, 1e-3)]
    # Four errors of 0.03 between value and limit.
    assert needed == [150_000, 15_000_000]
    at_the_limit = Judgement(DISTANCE, finding(LIMIT, 0.03), "undecided")
    assert events_to_decide(at_the_limit) is None
    judged_there = UseJudgement(USE, "undecided", (at_the_limit,))
    assert judged_there.events_needed == (9_000, None)
    advice = advice_on(judged_there, [])[0]
    # Three errors lie between a value one error off and what decides: (3 sigma / sigma)^2 times as many events.
    assert "if the value stays at the limit, or 9,000 if it turns out to be one error farther" in advice


def test_a_use_asks_for_the_most_that_a_criterion_needs() -> None:
    result = judged(finding(0.13, 0.03), finding(0.59, 0.03, judge="area", observable="cells"))
    each = [[events_to_decide(j, moved=moved) or 0 for j in result.judgements] for moved in (1.0, 0.0)]
    assert result.outcome == "undecided"
    assert result.events_needed == (max(each[0]), max(each[1]))
    assert max(each[0]) < max(each[1])
    assert judged(finding(0.05)).events_needed is None


def test_in_doubt_nothing_passes_and_what_fails_fails() -> None:
    (good,) = judge_uses([finding(0.05)], [USE], ["events are shared"])
    (bad,) = judge_uses([finding(0.5)], [USE], ["events are shared"])
    assert (good.outcome, bad.outcome) == ("undecided", "fail")
    assert good.events_needed is None
    assert advice_on(good, [good])[0].startswith("Generate other events")


def verdict_on(*findings: Finding, doubts: tuple[str, ...] = ()) -> Verdict:
    uses = judge_uses(findings, [USE], doubts)
    return Verdict(
        use=USE.name,
        uses=uses,
        findings=findings,
        warnings=doubts,
        truth_label="truth",
        generated_label="generated",
        n_truth=1000,
        n_generated=1000,
        n_pool=1000,
        seed=0,
        provenance={},
        evidence={},
    )


def test_the_summary_does_not_contradict_the_headline() -> None:
    def auc(value: float) -> Finding:
        return finding(value, 0.02, judge="classifier_auc", observable="cells (trees)", truth_value=0.5, units="1")

    alike = "reaches AUC = 0.51 ± 0.02"
    near, far = finding(0.05, observable="near"), finding(0.2, observable="far")
    passed = verdict_on(near, auc(0.51))
    assert passed.headline.startswith("PASS")
    assert passed.summary.startswith("Not distinguishable at these sample sizes: a classifier (trees) on the cells")
    failed = verdict_on(near, far, auc(0.51))
    assert failed.headline.startswith("FAIL")
    assert failed.summary.startswith(
        "Distinguishable by 'Distance', not by classifiers at these sample sizes: a classif"
    )
    assert alike in failed.summary
    two = verdict_on(far, finding(0.7, judge="area", observable="cells"), auc(0.51))
    assert two.summary.startswith("Distinguishable by 'Distance' and 1 more, not by classifiers")
    assert verdict_on(far, auc(0.9)).summary.startswith("Distinguishable: a classifier")
    doubted = verdict_on(near, auc(0.51), doubts=("shared",))
    assert doubted.headline.startswith("UNDECIDED")
    assert doubted.summary.startswith("Of no meaning while the comparison is in doubt: ")
    worse = verdict_on(far, auc(0.51), doubts=("shared",))
    assert worse.headline.startswith("FAIL")
    assert worse.summary.startswith("In doubt, but what fails still fails: ")
