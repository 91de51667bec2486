"""The page of a fit: every number that decides is on it, and the record is plain JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from analytic_ratios import correlated_gaussian, gaussian, sample

from simulacra.fits import calibrate, calibration_curve, fit, fit_page, pseudo_experiments
from simulacra.fits.coverage import ParameterCoverage
from simulacra.fits.fit import Precision
from simulacra.fits.page import Limits, outcome_of
from simulacra.pages import html_of, write_page

COVARIANCE = np.array([[1.0, 0.4], [0.4, 1.0]])


def summary(**changed: float) -> ParameterCoverage:
    values = {
        "experiments": 100,
        "failed": 0,
        "bias": 0.0,
        "bias_error": 0.001,
        "bias_percent": 0.0,
        "bias_percent_error": 0.1,
        "scatter": 0.01,
        "mean_error": 0.01,
        "pull_mean": 0.0,
        "pull_mean_error": 0.1,
        "pull_width": 1.0,
        "pull_width_error": 0.07,
        "coverage": 0.68,
        "coverage_low": 0.63,
        "coverage_high": 0.73,
    }
    return ParameterCoverage(name="mean", **{**values, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "pass"),
        ({"bias_percent": -0.9}, "pass"),
        ({"bias_percent": -1.1}, "undecided"),
        ({"bias_percent": 1.3}, "fail"),
        ({"bias_percent": math.nan}, "pass"),
        ({"coverage": 0.58, "coverage_high": 0.63}, "undecided"),
        ({"coverage": 0.40, "coverage_high": 0.45}, "fail"),
        ({"coverage": 0.78, "coverage_low": 0.73}, "undecided"),
        ({"coverage": 0.95, "coverage_low": 0.92}, "fail"),
    ],
)
def test_outcomes(changed: dict[str, float], expected: str) -> None:
    assert outcome_of(summary(**changed), Limits()) == expected


def test_page_of_an_ensemble_with_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ratio = correlated_gaussian(COVARIANCE)
    truth = {"first": 0.3, "second": -0.2}
    reference = sample(rng.multivariate_normal([0, 0], COVARIANCE, 3000))

    def draw(centre: np.ndarray | list[float]):
        return sample(rng.multivariate_normal(centre, COVARIANCE, 300))

    data = draw([0.3, -0.2])
    truths = rng.uniform(-0.5, 0.5, (12, 2))
    curve = calibration_curve(
        ["first", "second"], truths, np.array([fit([ratio], draw(t), reference).estimates for t in truths])
    )
    one = fit([ratio, ratio], data, reference, precision=Precision(scan_points=7, profile=True))
    loss = fit([ratio, ratio], data, reference, method="classifier_loss")
    covered = pseudo_experiments(
        lambda events: fit([ratio], events, reference), [draw([0.3, -0.2]) for _ in range(8)], truth
    )
    page = fit_page(
        {"likelihood": one, "loss": loss, "calibrated": calibrate(one, curve)},
        title="toy",
        truth=truth,
        coverage={"two parameters": covered},
        curve=curve,
        labels={"first": "First mean"},
        units={"first": "GeV"},
        provenance=[("seed", "1")],
    )
    assert page.headline.startswith("First mean = ")
    assert "GeV" in page.headline
    assert page.outcome in ("pass", "undecided", "fail")
    assert [chapter.anchor for chapter in page.chapters] == [
        "estimates",
        "shape",
        "members",
        "coverage-1",
        "calibration",
    ]
    assert len(page.chapters[1].pictures) == 3
    assert len(page.chapters[0].rows) == 6
    html = html_of(page)
    assert "Pseudo-experiments: two parameters" in html
    assert "nan" not in page.headline
    path = write_page(tmp_path, page)
    told = json.loads((path.parent / "report.json").read_text())
    assert told["fits"]["likelihood"]["values"] == one.values
    assert told["coverage"]["two parameters"]["parameters"] == ["first", "second"]


def test_page_of_one_fit_alone_has_no_outcome() -> None:
    rng = np.random.default_rng(2)
    one = fit([gaussian()], sample(rng.normal(0, 1, 300)), sample(rng.normal(0, 1, 3000)))
    page = fit_page({"fit": one}, title="toy")
    assert page.outcome == ""
    assert [chapter.anchor for chapter in page.chapters] == ["estimates"]
    assert html_of(page)
    with pytest.raises(ValueError, match="no fit to show"):
        fit_page({}, title="toy")


def test_warnings_stand_on_the_page() -> None:
    rng = np.random.default_rng(3)
    with pytest.warns(UserWarning, match="edge"):
        one = fit([gaussian(-0.2, 0.2)], sample(rng.normal(1, 1, 300)), sample(rng.normal(0, 1, 3000)))
    page = fit_page({"fit": one}, title="toy")
    assert "fit: mean = 0.2 is at the upper edge" in page.warnings[0]
