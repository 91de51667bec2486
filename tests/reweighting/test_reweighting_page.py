"""The page of a reweighting of Gaussians by exact and by wrong weights."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest

from gaussian_shift import exact_weights, log_ratio, samples
from simulacra.pages import Page, html_of, write_page
from simulacra.reweighting.calibration import judge_reliability
from simulacra.reweighting.clipping import MaximumClipping, clip_weights
from simulacra.reweighting.closure import Closure, Observable, judge_closure
from simulacra.reweighting.exact import check_exact
from simulacra.reweighting.page import SecondClassifier, reweighting_page
from simulacra.reweighting.support import find_empty_regions
from simulacra.reweighting.weights_summary import summarise_weights

GOOD = SecondClassifier("all particles", 0.503, 0.004, 0.500, 0.004, 0.64)


@functools.cache
def judged(shift: float) -> tuple[Closure, ...]:
    """Return the closure of six observables of a shift of 0.5, reweighted by one of ``shift``."""
    source, target = samples(4000, 4000, 1)
    rng = np.random.default_rng(2)
    observables = []
    for number in range(5):
        ours, theirs = (np.exp(0.2 * (x + rng.normal(size=4000))) for x in (source, target))
        observables.append(Observable(f"mass {number}", "GeV", ours, theirs))
    counts = (rng.poisson(np.outer(np.exp(0.2 * x), np.geomspace(3, 0.3, 8))).astype(float) for x in (source, target))
    observables.append(Observable("kaon momentum", "GeV", *counts, edges=np.linspace(0, 40, 9)))
    return judge_closure(observables, exact_weights(source, shift))


@pytest.fixture(scope="module")
def page() -> Page:
    source, target = samples(4000, 4000, 1)
    weights, closures = exact_weights(source), judged(0.5)
    log_odds, labels = log_ratio(np.concatenate([source, target])), np.repeat([0, 1], 4000)
    exact = weights * exact_weights(np.random.default_rng(3).normal(size=4000), 0.3)
    return reweighting_page(
        "default Pythia",
        "Vincia",
        summarise_weights(weights),
        closures,
        weights={"networks": weights, "boosted trees": weights**1.1},
        second=[GOOD],
        reliability={name: judge_reliability(a * log_odds, labels) for name, a in (("raw", 1.5), ("calibrated", 1))},
        support=find_empty_regions({"x": source}, {"x": target}),
        clipping=clip_weights(weights, MaximumClipping(maximum=20)),
        exact=check_exact(weights, exact),
        baseline={"boosted trees": judged(0.45)},
        provenance=(("events", "4000", "4000"), ("shower", "simple", "Vincia")),
        provenance_columns=("default Pythia", "Vincia"),
        record={"seed": 1},
    )


def test_headline_says_what_was_found(page: Page) -> None:
    assert page.outcome == "pass"
    closing = sum(closure["after"]["p_value"] > 0.01 for closure in written_closures(page))
    assert page.headline == (
        f"Weights turn default Pythia into Vincia: {closing} of 6 observables close (p > 0.01), effective sample size "
        "77 %, second classifier AUC 0.503 ± 0.004 (truth against truth 0.500 ± 0.004)"
    )
    anchors = ["weights", "closure", "observables", "second", "reliability", "exact", "support"]
    assert [chapter.anchor for chapter in page.chapters] == anchors
    assert len(page.chapters[2].pictures) == 6
    assert page.chapters[1].columns[-2:] == ("boosted trees: χ²/ndf", "p")


def written_closures(page: Page) -> list[dict[str, dict[str, float]]]:
    from simulacra.pages.plain import plain

    found: list[dict[str, dict[str, float]]] = plain(page.record["closure"], "closure")
    return found


def test_wrong_weights_fail() -> None:
    source, _ = samples(4000, 4000, 1)
    weights = exact_weights(source, -0.5)
    found = reweighting_page("a", "b", summarise_weights(weights), judged(-0.5), weights={"w": weights})
    assert found.outcome == "fail"
    assert found.headline.startswith("Weights do not turn a into b: 0 of 6 observables close")
    assert [chapter.anchor for chapter in found.chapters] == ["weights", "closure", "observables"]
    assert html_of(found)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "pass"),
        ({"auc": 0.512}, "undecided"),
        ({"auc": 0.512, "uncertainty": 0.02}, "pass"),
        ({"auc": 0.55}, "fail"),
        ({"auc": 0.509, "uncertainty": 1e-4, "truth_uncertainty": 1e-4}, "pass"),
        ({"auc": 0.45}, "pass"),
    ],
)
def test_a_second_classifier_decides(changes: dict[str, float], outcome: str) -> None:
    one = dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]
    assert one.outcome == outcome
    source, _ = samples(4000, 4000, 1)
    weights = exact_weights(source)
    found = reweighting_page("a", "b", summarise_weights(weights), judged(0.5), weights={"w": weights}, second=[one])
    assert found.outcome == outcome


def test_missing_support_is_warned_about_and_no_pass() -> None:
    source, target = samples(4000, 4000, 1)
    support = find_empty_regions({"x": source[source < 1.5]}, {"x": target})
    weights = exact_weights(source)
    found = reweighting_page("a", "b", summarise_weights(weights), judged(0.5), weights={"w": weights}, support=support)
    assert found.outcome == "undecided"
    assert found.warnings[0].startswith("The source has no events where the target has: x above 1.")
    assert found.chapters[-1].rows[0][0].startswith("x above 1.")


def test_what_makes_no_page_is_refused() -> None:
    summary = summarise_weights(np.ones(3))
    with pytest.raises(ValueError, match="at least one observable"):
        reweighting_page("a", "b", summary, (), weights={"w": np.ones(3)})
    closures = judged(0.5)
    with pytest.raises(ValueError, match="'trees' was judged by"):
        reweighting_page("a", "b", summary, closures, weights={"w": np.ones(3)}, baseline={"trees": closures[:2]})


def test_record_is_json(page: Page, tmp_path: Path) -> None:
    record = json.loads((write_page(tmp_path, page).parent / "report.json").read_text(encoding="utf-8"))
    assert record["format"] == "simulacra-reweighting-1"
    assert record["second_classifiers"][0]["auc"] == 0.503
    assert record["seed"] == 1
    assert record["weights"]["events"] == 4000
    assert record["support"]["regions"] == []


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_page_of_a_reweighting_in_a_browser(page: Page, chromium: str, tmp_path: Path, width: int, height: int) -> None:
    from browsing import complaints

    assert complaints(write_page(tmp_path / "Seite γ", page), chromium, width, height) == []
