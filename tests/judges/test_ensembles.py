"""Bands of ensembles: coverage in closed form, a common fault that no spread tells of, errors and false alarms."""

import json

import numpy as np
import pytest

from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.ensembles import EnsembleEvidence, judge_ensemble
from simulacra.judges.samples import Sample
from simulacra.reports.ensembles_chapter import band_figure, ensembles_chapter
from toy_tables import toy_table


def sample_of(observables: dict[str, np.ndarray], weights: np.ndarray | None = None) -> Sample:
    return toy_table(observables, weights=weights)


def judged(
    seed: int, *, members: int = 5, spread: float = 0.1, bias: float = 0.0, shrink: float = 1.0, n: int = 1500
) -> tuple[list[Finding], EnsembleEvidence]:
    """Members whose mean and logarithmic width scatter about the truth's by ``spread``, and by ``shrink`` of it."""
    rng = np.random.default_rng(seed)
    truth = sample_of({"a": rng.normal(0, 1, n), "b": rng.gamma(2, 1, n)})
    common = bias * np.sqrt(1 - shrink**2) if shrink < 1 else bias
    made = []
    for _ in range(members):
        shift, scale = spread * shrink * rng.normal(size=2)
        made.append(
            sample_of({"a": rng.normal(shift + common, np.exp(scale), n), "b": rng.gamma(2, np.exp(scale), n) + common})
        )
    return judge_ensemble(truth, made, np.random.default_rng(seed), replicates=200)


@pytest.mark.parametrize("members", [2, 5])
def test_members_that_scatter_about_the_truth_cover_it(members: int) -> None:
    """68 and 95 % of the bins, over 30 ensembles; the error of each, its scatter; false alarms at 5 %.

    The mean of 30 ensembles lies within three of its errors but for one seed in four hundred; of 30 ensembles with an
    alarm's probability of 5 %, more than 5 have one for one seed in three hundred.
    """
    found = [judged(seed, members=members)[1].coverage for seed in range(30)]
    for k in range(2):
        values = np.array([coverage[k].value for coverage in found])
        errors = np.array([coverage[k].error for coverage in found])
        assert values.mean() == pytest.approx(found[0][k].level, abs=3 * values.std() / np.sqrt(30) + 0.01)
        assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.45)
        assert np.mean([c[k].honest for c in found]) == pytest.approx(found[0][k].level, abs=0.03)
    assert sum(coverage[0].p_value < 0.05 for coverage in found) <= 5


def test_a_common_fault_is_not_covered_and_is_said_so() -> None:
    findings, evidence = judged(1, bias=0.3, spread=0.03)
    overall = evidence.coverage[0]
    assert overall.value + 3 * overall.error < 0.6827
    assert overall.p_value < 0.01
    assert evidence.stretch > 1.5
    first = findings[0]
    assert first.observable == "all observables"
    assert "is too narrow: it covers" in first.sentence
    assert "nominally 68 %" in first.sentence
    assert "share an error that their spread does not show" in first.sentence
    assert (first.value, first.uncertainty, first.p_value) == (overall.value, overall.error, overall.p_value)
    far = [(f.value - float(f.truth_value or 0)) / float(f.truth_uncertainty or 1) for f in findings[1:]]
    assert far == sorted(far), "the worst first"


def test_members_of_another_spread_than_they_show_are_seen() -> None:
    """Members that know nothing of the truth's place but agree with each other: one fault, drawn once for all."""
    seen = 0
    for seed in range(10):
        shift = float(np.random.default_rng(seed).choice([-0.3, 0.3]))
        seen += judged(seed, bias=shift, spread=0.02)[0][0].p_value < 0.01  # type: ignore[operator]
    assert seen == 10


def test_the_band_is_students() -> None:
    """Half the width of the mean's 68 % band is t s / sqrt(M); t of one degree of freedom is a Cauchy's quantile."""
    _, evidence = judged(3, members=2)
    one = evidence.histograms[0]
    np.testing.assert_allclose(one.model, np.tan(np.pi * 0.6827 / 2) * one.spread / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(one.mean.sum(), 1, rtol=1e-9)
    assert (one.statistical > 0).any()


def test_a_truth_that_lies_too_well_in_its_band_is_told() -> None:
    """A truth that is the members' own events lies at their mean in every bin."""
    rng = np.random.default_rng(4)
    values = [rng.normal(0, 1, 1000) for _ in range(4)]
    truth = sample_of({"a": np.concatenate(values)})
    findings, evidence = judge_ensemble(truth, [sample_of({"a": x}) for x in values], rng)
    assert evidence.coverage[0].value == 1
    assert "is too wide: it covers" in findings[0].sentence


def test_weights_of_truth_and_members_count() -> None:
    """Uniform numbers, weighted to the truth's density, are covered; without their weights they are not."""
    rng = np.random.default_rng(5)
    truth = sample_of({"a": rng.normal(0, 1, 3000)})
    flat = [rng.uniform(-4, 4, 6000) for _ in range(4)]
    weighted = [sample_of({"a": x}, np.exp(-0.5 * x**2)) for x in flat]
    plain = [sample_of({"a": x}) for x in flat]
    right, wrong = (judge_ensemble(truth, made, np.random.default_rng(1))[1].coverage[0] for made in (weighted, plain))
    assert right.p_value > 0.01
    assert wrong.p_value < 0.01
    assert wrong.value < 0.3
    doubled = sample_of({"a": truth.observables["a"]}, np.full(3000, 2.0))
    same = judge_ensemble(doubled, weighted, np.random.default_rng(1))[1].coverage[0]
    assert same.value == right.value


def test_the_same_seed_gives_the_same_numbers_and_they_are_json() -> None:
    first, second = judged(6), judged(6)
    assert first[0] == second[0]
    assert json.loads(first[0][0].model_dump_json())["details"]["members"] == 5


def test_bad_ensembles_are_refused() -> None:
    one = sample_of({"a": np.arange(300.0)})
    with pytest.raises(ValueError, match="1 members have no spread: train at least 2"):
        judge_ensemble(one, [one], np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"member 1 lacks the observables \['a'\]"):
        judge_ensemble(one, [one, sample_of({"b": np.arange(300.0)})], np.random.default_rng(1))


def test_the_chapter_shows_bands_and_coverage() -> None:
    findings, evidence = judged(1, bias=0.3, spread=0.03)
    chapter = ensembles_chapter(evidence, findings, "truth")
    assert len(chapter.pictures) == 2
    assert findings[0].sentence in chapter.text
    assert chapter.rows[0][0] == "all"
    assert all(len(row) == len(chapter.columns) for row in chapter.rows)
    assert band_figure(evidence.histograms[0], "truth").startswith(b"<?xml")
