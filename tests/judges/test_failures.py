"""Where it fails: planted failures are found and named, their ratios are right, and equal samples name nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulacra.judges.classifiers.failures import FailureMap, judge_failures
from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.reports.failures_chapter import failures_chapter
from simulacra.statistics.classifiers.classifier import Classification, classify
from simulacra.statistics.classifiers.importance import importances
from simulacra.statistics.classifiers.regions import Events, find_regions, measured

NAMES = ("width_0", "width_1", "width_2")


def sample(features: np.ndarray, energy: np.ndarray, weights: np.ndarray | None = None) -> Sample:
    """Return a table of three widths at incident energies [GeV]."""
    names = [*NAMES, "incident_energy"]
    return Sample(
        label="toy",
        kind="tables",
        cells=None,
        cloud=None,
        conditions={"incident_energy": energy},
        observables=dict(zip(NAMES, features.T, strict=True)),
        weights=np.ones(len(features)) if weights is None else weights,
        units={name: "GeV" if name == "incident_energy" else "1" for name in names},
        long_names={name: name.replace("_", " ") for name in names},
        provenance={},
    )


def uniform(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 3)), 100.0 ** rng.random(n)


def planted(n: int, seed: int, kept: float) -> tuple[np.ndarray, np.ndarray]:
    """Return events of which too few have a small width at a high energy."""
    features, energy = uniform(2 * n, seed)
    box = (features[:, 0] < 0.25) & (energy > 20)
    rows = np.flatnonzero(~box | (np.random.default_rng(seed + 1).random(2 * n) < kept))[:n]
    return features[rows], energy[rows]


def classified(truth: Sample, generated: Sample) -> Classification:
    tables = [np.column_stack([*s.observables.values(), s.conditions["incident_energy"]]) for s in (truth, generated)]
    weights = {"truth_weights": truth.weights, "generated_weights": generated.weights}
    return classify(*tables, "trees", folds=3, repetitions=1, seed=1, **weights)


def judged(truth: Sample, generated: Sample, seed: int = 2) -> tuple[list[Finding], FailureMap]:
    return judge_failures(truth, generated, classified(truth, generated), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def deficit() -> tuple[list[Finding], FailureMap]:
    return judged(sample(*uniform(5000, 1)), sample(*planted(5000, 3, 0.2)))


def test_a_planted_deficit_is_named_with_its_bounds(deficit: tuple[list[Finding], FailureMap]) -> None:
    findings, failures = deficit
    worst = failures.regions[0]
    bounds = {bound.feature: bound for bound in worst.bounds}
    assert set(bounds) == {"width_0", "incident_energy"}
    assert bounds["width_0"].low is None
    assert bounds["width_0"].high == pytest.approx(0.25, abs=0.03)
    assert bounds["incident_energy"].high is None
    assert bounds["incident_energy"].low == pytest.approx(20, rel=0.15)
    # The box holds 0.25 (1 - log 20 / log 100) of the truth; a fifth of it is generated, and the rest grows to fill up.
    share = 0.25 * (1 - np.log(20) / np.log(100))
    assert worst.truth_share == pytest.approx(share, abs=4 * worst.truth_error + 0.01)
    assert worst.ratio == pytest.approx(0.2 / (1 - 0.8 * share), abs=4 * worst.ratio_error)
    region = next(f for f in findings if f.judge == "worst_region")
    assert region.p_value is not None
    assert region.p_value < 1e-6
    assert "width 0 < 0.2" in region.sentence
    assert "GeV" in region.sentence
    assert "too rare" in region.sentence
    assert failures.stands_out


def test_the_features_of_the_box_matter_most(deficit: tuple[list[Finding], FailureMap]) -> None:
    _, failures = deficit
    assert {failures.importances[0].feature, failures.importances[1].feature} == {"width_0", "incident_energy"}
    best = failures.importances[0]
    assert best.drop > 3 * best.drop_error
    assert failures.plane is not None
    assert set(failures.plane.names) == {"width_0", "incident_energy"}


def test_maps_show_the_deficit_by_count_and_by_odds(deficit: tuple[list[Finding], FailureMap]) -> None:
    _, failures = deficit
    (curve,) = failures.curves
    assert curve.condition == "incident_energy"
    assert curve.ratio[-1] < 0.9 < curve.ratio[0]
    assert curve.auc[-1] > 0.5 + 3 * curve.auc_error[-1]
    # Calibrated odds average to what is counted: here to 5 standard deviations or 10 %, whichever is more.
    assert (np.abs(curve.odds - curve.ratio) < np.maximum(5 * curve.ratio_error, 0.1)).all()
    plane = failures.plane
    assert plane is not None
    low = plane.ratio[plane.seen].min()
    assert low < 0.4
    assert plane.odds[plane.seen].min() < 0.6


def test_the_chapter_shows_figures_and_regions(deficit: tuple[list[Finding], FailureMap]) -> None:
    findings, failures = deficit
    chapter = failures_chapter(failures, findings)
    assert len(chapter.pictures) == 1
    assert len(chapter.large_pictures) == 2
    assert all(picture.source.startswith("data:image/svg+xml") for picture in chapter.pictures)
    assert len(chapter.rows) == len(failures.regions)
    assert chapter.rows[0][0].startswith("width 0 < ")
    assert findings[1].sentence in chapter.text


def test_equal_samples_name_nothing() -> None:
    # Regions and features have p < 0.05 in 5 % (features: at most); more than 8 of 50 with a probability of 0.3 %.
    regions, features = 0, 0
    for draw in range(50):
        halves = [
            Events.of(*(uniform(300, 1000 + 4 * draw + k)[0] for k in pair), *np.ones((2, 300)))
            for pair in ((0, 1), (2, 3))
        ]
        found = find_regions(*halves, NAMES, draw)
        assert found
        regions += found[0].p_value < 0.05
        important, _ = importances(*halves, NAMES, np.random.default_rng(draw))
        features += min(one.p_value for one in important) * len(NAMES) < 0.05
    assert 0 < regions <= 8
    assert features <= 8
    findings, failures = judged(sample(*uniform(600, 50)), sample(*uniform(600, 51)))
    assert not failures.stands_out
    assert all("significant" in finding.sentence for finding in findings)


def test_broken_correlations_are_found_by_shuffling_alone() -> None:
    # Right marginals, opposite correlations: no feature alone tells the samples apart, two together do.
    rng = np.random.default_rng(5)

    def correlated(sign: float, seed: int) -> np.ndarray:
        x = np.random.default_rng(seed).normal(size=(3000, 3))
        x[:, 1] = sign * 0.7 * x[:, 0] + np.sqrt(1 - 0.49) * x[:, 1]
        return x

    halves = [Events.of(correlated(0.7, s), correlated(-0.7, s + 1), *np.ones((2, 3000))) for s in (1, 3)]
    found, area = importances(*halves, NAMES, rng)
    assert area > 0.6
    assert {found[0].feature, found[1].feature} == {"width_0", "width_1"}
    assert found[0].drop > 5 * found[0].drop_error
    # Four standard deviations: 1 in 15,000.
    assert abs(found[0].alone - 0.5) < 4 * found[0].alone_error
    assert found[0].p_value < 1e-6


def test_weights_fill_the_deficit() -> None:
    features, energy = planted(5000, 3, 0.2)
    box = (features[:, 0] < 0.25) & (energy > 20)
    filled = sample(features, energy, np.where(box, 5.0, 1.0))
    events = Events.of(
        np.column_stack(uniform(5000, 1)), np.column_stack([features, energy]), np.ones(5000), filled.weights
    )
    region = measured(events, {0: (None, 0.25), 3: (20.0, None)}, (*NAMES, "incident_energy"))
    # Four standard deviations: 1 in 15,000.
    assert region.ratio == pytest.approx(1.0, abs=4 * region.ratio_error)
    assert region.p_value > 1e-4


def test_an_event_of_weight_two_is_two_events() -> None:
    rng = np.random.default_rng(6)
    truth, generated = rng.random((400, 1)), rng.random((100, 1)) ** 2
    box = {0: (None, 0.3)}
    doubled = measured(Events.of(truth, np.repeat(generated, 2, axis=0), np.ones(400), np.ones(200)), box, ("x",))
    weighted = measured(Events.of(truth, generated, np.ones(400), np.full(100, 2.0)), box, ("x",))
    assert weighted.ratio == pytest.approx(doubled.ratio)
    # They fluctuate together: the error is that of 100 events.
    assert weighted.ratio_error > doubled.ratio_error


def test_an_empty_region_has_a_finite_ratio() -> None:
    truth, generated = np.linspace(0, 1, 200)[:, None], np.linspace(0.5, 1, 200)[:, None]
    region = measured(Events.of(truth, generated, *np.ones((2, 200))), {0: (None, 0.4)}, ("x",))
    assert region.n_generated == 0
    assert 0 < region.ratio < 0.02
    assert region.p_value < 1e-6


def test_the_same_seed_finds_the_same() -> None:
    truth, generated = sample(*uniform(500, 7)), sample(*planted(500, 8, 0.0))
    first, again = (judged(truth, generated)[0] for _ in range(2))
    assert first == again


def test_a_classification_without_events_is_refused() -> None:
    truth, generated = sample(*uniform(300, 9)), sample(*uniform(300, 10))
    bare = classified(truth, generated).without_events()
    with pytest.raises(ValueError, match="lacks its events' log-odds"):
        judge_failures(truth, generated, bare, np.random.default_rng(1))


def test_rows_that_were_not_judged_are_left_out() -> None:
    truth, generated = sample(*uniform(400, 11)), sample(*uniform(400, 12))
    some = classified(truth.take(np.arange(300)), generated.take(np.arange(300)))
    some = replace(some, truth_rows=np.arange(300), generated_rows=np.arange(300))
    findings, _ = judge_failures(truth, generated, some, np.random.default_rng(1))
    assert {(f.n_truth, f.n_generated) for f in findings} == {(300, 300)}


def test_a_feature_of_one_value_is_of_no_importance() -> None:
    rng = np.random.default_rng(1)
    features = np.column_stack([rng.normal(size=400), np.zeros(400)])
    features[200:, 0] += 1.0
    labels = np.repeat([0, 1], 200)
    both = [Events(features[half::2], labels[half::2], np.full(200, 1 / 100)) for half in (0, 1)]
    found, _ = importances(*both, ("moved", "constant"), rng)
    (constant,) = [one for one in found if one.feature == "constant"]
    assert (constant.drop, constant.alone, constant.p_value) == (0.0, 0.5, 1.0)
