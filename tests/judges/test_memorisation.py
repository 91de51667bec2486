"""Memorised training events: copies are seen; truth is called memorised at a nominal rate of 1 % at most."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from judged_showers import toy_events
from simulacra.judges.generalisation.memorisation import judge_memorisation
from simulacra.judges.samples import Cloud, Sample
from simulacra.judges.unpacking import sample_of
from simulacra.pages import Page, write_page
from simulacra.reports.memorisation_chapter import memorisation_chapter
from simulacra.statistics.modes.nearness import compare_nearness
from toy_tables import numbered, toy_table

FEATURES = 6


def table(features: np.ndarray, conditions: np.ndarray, weights: np.ndarray | None = None) -> Sample:
    return toy_table(numbered(features), {"energy": conditions}, weights)


def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 6) whose mean and width follow the condition (n,)."""
    energy = 10 ** rng.uniform(0, 2, n)
    return (0.3 + np.log10(energy))[:, None] * rng.normal(0, 1, (n, FEATURES)) + np.log(energy)[:, None], energy


def with_copies(
    n: int, share: float, train: tuple[np.ndarray, np.ndarray], rng: np.random.Generator, *, noise: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """Return events of which a share are training events with noise of 2 % of a standard deviation."""
    features, energy = draw(n, rng)
    copied = rng.permutation(len(energy))[: round(share * n)]
    chosen = rng.permutation(len(train[1]))[: len(copied)]
    spread = train[0].std(axis=0)
    features[copied] = train[0][chosen] + noise * spread * rng.normal(0, 1, (len(copied), FEATURES))
    energy[copied] = train[1][chosen]
    return features, energy


def judged(truth, generated, train, seed=0, weights=None):
    findings, found = judge_memorisation(
        table(*truth), table(*generated, weights), table(*train), np.random.default_rng(seed)
    )
    assert found is not None
    return findings, found


@pytest.mark.parametrize("share", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("n", [300, 1500])
def test_copies_with_small_noise_are_seen(share: float, n: int) -> None:
    rng = np.random.default_rng(1)
    train = draw(2000, rng)
    findings, found = judged(draw(n, rng), with_copies(n, share, train, rng), train)
    near, copies, far = findings
    assert found.memorised
    assert found.nearness.p_value < 1e-3
    assert copies.value == pytest.approx(share, abs=4 * copies.uncertainty + 0.01)
    assert near.value > 0.5
    assert far.p_value > 0.5
    assert "were memorised" in near.sentence
    # The closest pairs are copies: their conditions are equal.
    assert found.closest_generated.conditions["energy"] == pytest.approx(found.closest_training.conditions["energy"])
    assert (found.closest_distances < 0.1).all()


def test_truth_is_rarely_called_memorised() -> None:
    # 200 comparisons, at a nominal rate of 1 %: more than 7 have a probability of 0.1 %. Of p-values below 5 %, more
    # than 21 have one of 0.05 %; the exact test of copies stays below that. One training set for ten of them.
    called, nearer, copies = 0, [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        train = draw(400, rng)
        for _ in range(10):
            _, found = judged(draw(150, rng), draw(200, rng), train, seed)
            called += found.memorised
            nearer.append(found.nearness.nearer_p)
            copies.append(found.nearness.copies_p)
    assert called <= 7
    assert np.mean(np.array(nearer) < 0.05) < 0.11
    assert np.mean(np.array(copies) < 0.05) < 0.11
    assert np.mean(nearer) == pytest.approx(0.5, abs=0.1)


def test_weights_count() -> None:
    # Half of the generated events are copies; without weight they are not there.
    rng = np.random.default_rng(2)
    train, truth = draw(1000, rng), draw(600, rng)
    generated = with_copies(300, 1.0, train, rng)
    more = draw(300, rng)
    both = tuple(np.concatenate(pair) for pair in zip(generated, more, strict=True))
    assert judged(truth, both, train)[1].memorised
    weights = np.repeat([0.0, 1.0], 300)
    findings, found = judged(truth, both, train, weights=weights)
    assert not found.memorised
    assert findings[0].value == pytest.approx(0.5, abs=4 * findings[0].uncertainty)
    # Reweighted to the truth, a sample of other widths is no further from the training events than truth.
    wide = rng.normal(0, 1.3, (2000, 3))
    ratio = np.exp(-0.5 * (wide**2).sum(axis=1) * (1 - 1 / 1.3**2))
    one = np.full(2000, 1.0)
    others = [(rng.normal(0, 1, (2000, 3)), one) for _ in range(2)]
    plain, weighted = (judged(others[0], (wide, one), others[1], weights=w)[0] for w in (None, ratio))
    assert plain[2].p_value < 1e-6
    assert "no truth" in plain[2].sentence
    assert weighted[2].value == pytest.approx(0.5, abs=4 * weighted[2].uncertainty)


def test_other_conditions_are_no_memorisation() -> None:
    # Events of low energy lie closer together: generated events with more of them are compared at like energy.
    rng = np.random.default_rng(3)
    train, truth, generated = draw(2000, rng), draw(800, rng), draw(2400, rng)
    low = (generated[1] < 10) | (rng.random(2400) < 0.2)
    _, found = judged(truth, (generated[0][low], generated[1][low]), train)
    assert not found.memorised
    assert np.median(found.generated) < 0.8 * np.median(found.truth)


def test_share_of_pairs_is_mann_whitneys() -> None:
    rng = np.random.default_rng(4)
    a, b = np.round(rng.normal(0, 1, 80), 1), np.round(rng.normal(0.3, 2, 120), 1)
    found = compare_nearness(a + 10, b + 10, np.ones(80), np.ones(120), np.zeros(80, int), np.zeros(120, int))
    test = mannwhitneyu(a, b, alternative="less")
    assert found.nearer == pytest.approx(1 - test.statistic / (80 * 120))
    drawn = [
        compare_nearness(
            rng.gamma(2, 1, 80), rng.gamma(3, 1, 120), np.ones(80), np.ones(120), np.zeros(80, int), np.zeros(120, int)
        )
        for _ in range(200)
    ]
    spread = np.std([one.nearer for one in drawn])
    assert np.mean([one.nearer_error for one in drawn]) == pytest.approx(spread, rel=0.2)


def test_equal_distances_are_no_copies() -> None:
    # Events on a lattice meet training events by chance: most distances are 0 in both samples.
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 2, 300).astype(float), rng.integers(0, 2, 300).astype(float)
    found = compare_nearness(a, b, np.ones(300), np.ones(300), np.zeros(300, int), np.zeros(300, int))
    assert found.copies_p > 0.05
    assert found.nearer == pytest.approx(0.5, abs=0.1)


def showers(seed: int, n: int = 220) -> Sample:
    return sample_of(toy_events(n, seed), "Toy", most_events=10_000, rng=np.random.default_rng(0))


def test_showers_with_pictures_of_the_closest_pairs(tmp_path) -> None:
    train = showers(41, 300)
    copied = train.take(np.arange(20)).joined(showers(43))
    findings, found = judge_memorisation(showers(42), copied, train, np.random.default_rng(1))
    assert found is not None
    assert found.memorised
    assert findings[0].observable == "cells"
    assert found.closest_distances == pytest.approx(np.zeros(6), abs=1e-6)
    chapter = memorisation_chapter(found, findings, "Toy", "Copier")
    assert len(chapter.large_pictures) == 6
    assert len(chapter.rows) == 12
    write_page(tmp_path, Page("t", "o", "h", chapters=(chapter,), record={"memorisation": found}))


@pytest.mark.parametrize("shape", [(16,), (4, 4), (2, 3, 3)])
def test_arrays_are_drawn(shape: tuple[int, ...], tmp_path) -> None:
    rng = np.random.default_rng(7)

    def arrays(values: np.ndarray) -> Sample:
        return Sample("Toy", "arrays", values, None, {}, {"sum": values.sum(axis=1)}, np.ones(len(values)),
                      {"sum": "1"}, {"sum": "Sum"}, {}, {"field": shape})  # fmt: skip

    size = int(np.prod(shape))
    train, truth, fresh = (rng.normal(0, 1, (n, size)).astype(np.float32) for n in (500, 300, 300))
    fresh[:30] = train[:30] + np.float32(0.02) * rng.normal(0, 1, (30, size)).astype(np.float32)
    findings, found = judge_memorisation(arrays(truth), arrays(fresh), arrays(train), rng)
    assert found is not None
    assert found.memorised
    assert findings[0].observable == "values"
    chapter = memorisation_chapter(found, findings, "Toy", "Copier")
    assert len(chapter.pictures) == 7
    write_page(tmp_path, Page("t", "o", "h", chapters=(chapter,), record={"memorisation": found}))


def test_clouds_are_drawn(tmp_path) -> None:
    rng = np.random.default_rng(8)

    def clouds(values: np.ndarray) -> Sample:
        cloud = Cloud(values.astype(np.float32), np.ones(values.shape[:2], bool), ("eta", "phi"))
        observables = {f"o{i}": values[:, i].sum(axis=1) for i in range(4)}
        names = dict.fromkeys(observables, "1")
        return Sample("Toy", "clouds", None, cloud, {}, observables, np.ones(len(values)), names, names, {})

    train, truth, fresh = (rng.normal(0, 1, (n, 5, 2)) for n in (400, 200, 200))
    fresh[:50] = train[:50]
    findings, found = judge_memorisation(clouds(truth), clouds(fresh), clouds(train), rng)
    assert found is not None
    assert found.memorised
    chapter = memorisation_chapter(found, findings, "Toy", "Copier")
    assert len(chapter.pictures) == 7
    write_page(tmp_path, Page("t", "o", "h", chapters=(chapter,), record={"memorisation": found}))


def test_without_training_events_nothing_is_judged() -> None:
    rng = np.random.default_rng(9)
    findings, found = judge_memorisation(table(*draw(300, rng)), table(*draw(300, rng)), None, rng)
    assert (findings, found) == ([], None)
    assert "Not judged" in memorisation_chapter(None, [], "Toy", "Other").text[0]


def test_the_same_seed_gives_the_same_findings_and_nan_is_refused() -> None:
    rng = np.random.default_rng(10)
    train, truth, generated = draw(500, rng), draw(300, rng), draw(300, rng)
    assert judged(truth, generated, train, 3)[0] == judged(truth, generated, train, 3)[0]
    generated[0][5, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        judged(truth, generated, train)
