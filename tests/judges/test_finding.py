"""Findings hold finite numbers, and survive JSON."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from simulacra.judges.criteria import Criterion, Use, judge_uses, outcome_of
from simulacra.judges.finding import Finding
from simulacra.wording import with_error


def finding(**changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "judge": "wasserstein_distance",
        "observable": "total_energy",
        "value": 0.3,
        "uncertainty": 0.03,
        "truth_value": 0.04,
        "truth_uncertainty": 0.04,
        "n_truth": 100,
        "n_generated": 100,
        "sentence": "It is so.",
    }
    return Finding(**{**fields, **changes})


def test_significance_counts_both_errors() -> None:
    assert finding().significance == pytest.approx(0.26 / 0.05)
    assert finding(truth_value=None).significance is None


def test_json_round_trip() -> None:
    one = finding(details={"edges": [1.0, 2.0], "bins": 3})
    assert Finding.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": math.nan},
        {"uncertainty": -1.0},
        {"truth_value": math.inf},
        {"details": {"edges": [1.0, math.nan]}},
        {"details": {"inner": {"value": math.inf}}},
        {"p_value": 1.5},
        {"unknown": 1},
    ],
)
def test_nan_and_nonsense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        finding(**wrong)


def test_findings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        finding().value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "uncertainty", "truth_value", "outcome"),
    [
        (0.05, 0.01, 0.04, "pass"),
        (0.30, 0.03, 0.04, "fail"),
        (0.12, 0.03, 0.04, "undecided"),  # above the limit by less than its error allows
        (0.30, 0.03, 0.29, "undecided"),  # truth against truth does no better: the samples are too small
        (0.05, 0.20, 0.04, "undecided"),  # below the limit, but the limit cannot be resolved
    ],
)
def test_outcomes(value: float, uncertainty: float, truth_value: float, outcome: str) -> None:
    assert outcome_of(finding(value=value, uncertainty=uncertainty, truth_value=truth_value), 0.1) == outcome


def test_a_use_fails_with_its_worst_criterion() -> None:
    shapes = Criterion("wasserstein_distance", (), "worst", 0.1, "1", "advice")
    missing = Criterion("classifier_auc", (), "AUC", 0.6, "1", "advice")
    good, bad = finding(value=0.02, uncertainty=0.01), finding(observable="energy_0", value=0.5)
    use, none = Use("shapes", "shapes", (shapes, missing)), Use("cells", "cells", (missing,))
    (judged,) = judge_uses([good, bad], (use, none))
    assert judged.outcome == "fail"
    assert [j.finding.observable for j in judged.judgements] == ["energy_0"]
    assert judge_uses([good], (use,))[0].outcome == "pass"


@pytest.mark.parametrize(
    ("value", "error", "units", "text"),
    [
        (0.12345, 0.0042, "1", "0.123 ± 0.004"),
        (0.12345, 0.0142, "1", "0.123 ± 0.014"),
        (1176.3, 105.6, "MeV", "1,176 ± 106 MeV"),
        (0.00052, 0.00017, "%", "0.052 ± 0.017 %"),
        (1.0, 0.0, "%", "100 ± 0 %"),
        (-0.5, 0.1, "mm", "−0.50 ± 0.10 mm"),
    ],
)
def test_numbers_with_errors(value: float, error: float, units: str, text: str) -> None:
    assert with_error(value, error, units) == text
