"""Efficiencies in bins: sculpting is seen in the worst bin, and independent scores are called even."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.statistics.binned_efficiency import cuts_at, uniformity_of_other, uniformity_of_own
from simulacra.statistics.significance_improvement import Weighted

EFFICIENCIES = (0.1, 0.01, 0.001)


def sample(seed: int, n: int, weights: str = "") -> tuple[Weighted, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=n)
    values = np.exp(0.3 * scores) * rng.uniform(0.5, 1.5, n) if weights else np.ones(n)
    conditions = {"mass": rng.normal(size=n), "run": rng.integers(3, size=n).astype(float), "fixed": np.zeros(n)}
    return Weighted(scores, values), conditions


def test_cuts_leave_what_they_are_set_for() -> None:
    events, _ = sample(1, 30_000)
    found = cuts_at(events, EFFICIENCIES)
    assert [cut.wanted for cut in found] == list(EFFICIENCIES)
    for cut in found:
        assert np.mean(events.scores >= cut.value) == pytest.approx(cut.wanted)
        assert cut.error == pytest.approx(np.sqrt(cut.wanted * (1 - cut.wanted) / 30_000))
    # 25 events above a cut at 0.1 % take 25,000 of them.
    assert [cut.wanted for cut in cuts_at(events.take(np.arange(20_000)), EFFICIENCIES)] == [0.1, 0.01]
    tied = Weighted(np.round(events.scores), events.weights)
    assert [cut.efficiency > cut.wanted for cut in cuts_at(tied, EFFICIENCIES)] == [True] * 3
    assert cuts_at(Weighted(np.ones(1000), np.ones(1000)), EFFICIENCIES) == []


@pytest.mark.parametrize("weights", ["", "tail"])
def test_one_draw_in_twenty_is_called_uneven(weights: str) -> None:
    own, other = [], []
    for seed in range(200):
        first, conditions = sample(2 * seed, 1000, weights)
        second, others = sample(2 * seed + 1, 700, weights)
        cuts = cuts_at(first, EFFICIENCIES)
        rng = np.random.default_rng(seed)
        for found, judged in (
            (own, uniformity_of_own(first, conditions, cuts, rng, 100)),
            (other, uniformity_of_other(second, others, cuts, rng, 40)),
        ):
            assert judged is not None
            assert {one.condition for one in judged.tables} == {"mass", "run"}
            found.append(judged.p_value)
    # 5 % of 200 with the binomial error of 1.5 %. Counts are whole numbers, whose ties make p a little large.
    for found in (own, other):
        assert np.mean(np.array(found) < 0.05) < 0.05 + 3 * 0.0154
        assert np.mean(np.array(found) < 0.05) > 0.005
        assert np.mean(found) == pytest.approx(0.52, abs=0.08)


def test_a_score_that_is_the_condition_is_seen_in_its_bins() -> None:
    events, conditions = sample(5, 3000)
    conditions["mass"] = events.scores
    rng = np.random.default_rng(1)
    cuts = cuts_at(events, EFFICIENCIES)
    found = uniformity_of_own(events, conditions, cuts, rng, 200)
    assert found is not None
    assert found.p_value == pytest.approx(1 / 201)
    table, worst = found.worst
    assert (table.condition, worst) == ("mass", len(table.value) - 1)
    assert table.edges[0] == events.scores.min()
    assert table.value[0] == 0
    assert np.average(table.value) == pytest.approx(0.1, abs=0.01)


def test_a_second_background_with_a_bump_is_seen_where_it_is() -> None:
    first, _ = sample(6, 20_000)
    second, conditions = sample(7, 20_000)
    bump = np.abs(conditions["mass"] - 1) < 0.1
    second = Weighted(second.scores + 1.0 * bump, second.weights)
    cuts = cuts_at(first, EFFICIENCIES)
    found = uniformity_of_other(second, conditions, cuts, np.random.default_rng(1), 200)
    assert found is not None
    assert found.p_value == pytest.approx(1 / 201)
    table, worst = found.worst
    assert table.condition == "mass"
    assert table.edges[worst] < 1.1
    assert table.edges[worst + 1] > 0.9


def test_without_a_condition_that_varies_there_is_nothing_to_look_at() -> None:
    events, conditions = sample(8, 1000)
    cuts = cuts_at(events, EFFICIENCIES)
    fixed = {"fixed": conditions["fixed"]}
    assert uniformity_of_own(events, fixed, cuts, np.random.default_rng(1), 10) is None
    assert uniformity_of_own(events, conditions, [], np.random.default_rng(1), 10) is None
