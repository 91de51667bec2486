"""Findings and chapter of the distances of all features at once."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.judges.distances.multivariate import DISTANCES, Multivariate, compare_all
from simulacra.reports.multivariate_chapter import multivariate_chapter
from simulacra.statistics.features import standardised


def found_for(generated_width: float, seed: int) -> Multivariate:
    rng = np.random.default_rng(seed)
    truth, generated = rng.normal(5, 2, size=(500, 3)), rng.normal(5, 2 * generated_width, size=(400, 3))
    features = standardised(truth, generated, names=("total_energy", "depth", "width"))
    return compare_all(features, rng, labels=("Geant4", "CaloGAN"))


@pytest.fixture(scope="module")
def bad() -> Multivariate:
    return found_for(1.5, 1)


@pytest.fixture(scope="module")
def good() -> Multivariate:
    return found_for(1.0, 2)


def test_every_distance_makes_a_finding(bad: Multivariate) -> None:
    assert [finding.judge for finding in bad.findings] == list(DISTANCES)
    for finding in bad.findings:
        assert finding.p_value is not None
        assert finding.truth_value is not None
        assert "Geant4" in finding.sentence
    sizes = {finding.judge: (finding.n_truth, finding.n_generated) for finding in bad.findings}
    assert sizes["frechet_physics_distance"] == (500, 400)
    assert sizes["coverage"] == (250, 250)


def test_what_is_half_as_wide_again_is_seen_by_all_but_those_for_dependence(bad: Multivariate) -> None:
    p_values = {finding.judge: finding.p_value for finding in bad.findings}
    seeing = set(DISTANCES) - {"recall", "correlations", "rank_correlations"}
    assert {name for name in seeing if p_values[name] < 0.01} == seeing
    by_name = {finding.judge: finding for finding in bad.findings}
    assert "beyond chance" in by_name["kernel_physics_distance"].sentence
    assert by_name["frechet_physics_distance"].value == pytest.approx(3 * 0.5**2, rel=0.3)


def test_truth_is_found_to_be_truth(good: Multivariate) -> None:
    # Any of 15 p-values is at its least, 1 / 201, in at most 7 % of all seeds.
    assert min(finding.p_value or 0.0 for finding in good.findings) > 0.005
    by_name = {finding.judge: finding for finding in good.findings}
    assert "within chance" in by_name["maximum_mean_discrepancy"].sentence


def test_the_chapter_holds_one_row_a_distance(bad: Multivariate) -> None:
    chapter = multivariate_chapter(bad, ("Geant4", "CaloGAN"))
    assert len(chapter.rows) == len(DISTANCES)
    assert all(len(row) == len(chapter.columns) for row in chapter.rows)
    rows = {row[0]: row for row in chapter.rows}
    assert rows["coverage"][1].endswith("%")
    assert rows["Frechet physics distance [σ²]"][1].endswith("× 10⁻³")
    assert len(chapter.large_pictures) == 1
    assert any("250 events" in text for text in chapter.text)


def test_a_single_feature_has_no_correlations() -> None:
    rng = np.random.default_rng(3)
    features = standardised(*rng.normal(size=(2, 300, 1)))
    steps: list[tuple[str, float]] = []
    findings = compare_all(features, rng, progress=lambda step, share: steps.append((step, share))).findings
    assert [finding.judge for finding in findings] == [name for name in DISTANCES if "correlations" not in name]
    assert [share for _, share in steps] == sorted(share for _, share in steps)
    chapter = multivariate_chapter(Multivariate(findings, None))
    assert not chapter.large_pictures


def test_the_same_seed_gives_the_same_findings(bad: Multivariate) -> None:
    assert found_for(1.5, 1).findings == bad.findings
