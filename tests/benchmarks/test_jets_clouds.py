"""The distances of jets as clouds against closed forms, the division of samples, and the tables of docs/jets.md."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.documents import jets as pages
from benchmarks.jets import distances, truth
from benchmarks.jets.distances import JetSample

from simulacra.observables.relative_jets import JET_CLASS
from simulacra.statistics.distances.frechet import frechet_distance
from toy_jets import toy_jets


@pytest.fixture(scope="module")
def jets() -> JetSample:
    return JetSample.of(toy_jets(600, particles=6))


def test_there_are_as_many_polynomials_as_multigraphs() -> None:
    # Loopless multigraphs without isolated vertices of 1, 2, 3 and 4 edges: OEIS A050535.
    edges = {name: len(graph) for name, (graph, _) in distances.GRAPHS.items()}
    numbers = [sum(edges[name] for name in chosen) for chosen in distances.PRODUCTS]
    assert [numbers.count(many) for many in (1, 2, 3, 4)] == [1, 3, 8, 23]
    assert len(distances.FOUR_BY_FOUR) == 5


def test_polynomials_of_two_particles() -> None:
    cloud = np.array([[[0.3, 0.0, 0.6], [0.0, 0.4, 0.2], [0, 0, 0]]])
    flow = dict(zip(((), *distances.PRODUCTS), distances.energy_flow(cloud)[0], strict=True))
    line = 2 * 0.6 * 0.2 * 0.5
    assert flow[()] == pytest.approx(0.8)
    assert flow["line",] == pytest.approx(line)
    assert flow["line", "line"] == pytest.approx(line**2)
    # Of four vertices in a ring, neighbours differ: they are one particle and the other in turn.
    assert flow["square",] == pytest.approx(2 * (0.6 * 0.2) ** 2 * 0.5**4)


def test_a_shift_is_its_own_distance(jets: JetSample) -> None:
    assert distances.w1_mass(jets, replace(jets, mass=jets.mass + 0.01)) == pytest.approx(0.01)
    moved = jets.cloud.copy()
    moved[..., 0] += 0.03 * (moved[..., 2] > 0)
    # One of three features is shifted.
    assert distances.w1_particles(jets, replace(jets, cloud=moved)) == pytest.approx(0.01, rel=1e-4)
    flow = jets.flow + 0.02
    assert distances.w1_energy_flow(jets, replace(jets, flow=flow)) == pytest.approx(0.02)


def test_the_frechet_distance_of_whole_samples_is_recovered(jets: JetSample) -> None:
    other = replace(jets, flow=jets.flow * 1.3)
    largest = jets.flow.max(axis=0)
    moments = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in (jets.flow / largest, other.flow / largest)]
    whole = float(frechet_distance(*moments[0], *moments[1]))
    assert distances.frechet(jets, other) == pytest.approx(whole, rel=0.15)
    assert 0 <= distances.frechet(jets, jets) < 0.05 * whole


def test_the_kernel_distance_is_the_unbiased_sum_over_pairs(jets: JetSample) -> None:
    other = replace(jets, flow=jets.flow**1.1)
    found = distances.kernel(jets, other)
    x, y = (one.flow / jets.flow.max(axis=0) for one in (jets, other))
    rng = np.random.default_rng(42)
    a, b = x[rng.integers(600, size=600)], y[rng.integers(600, size=600)]
    among = [(p @ q.T / x.shape[1] + 1) ** 4 for p, q in ((a, a), (b, b), (a, b))]
    within = [(one.sum() - np.trace(one)) / (600 * 599) for one in among[:2]]
    assert len(found) == distances.KERNEL_BATCHES
    assert found[0] == pytest.approx(sum(within) - 2 * among[2].mean(), rel=1e-3)


def test_the_energy_movers_distance() -> None:
    one = np.array([[0.1, 0.0, 0.5], [0.0, 0.2, 0.3], [0, 0, 0]], dtype=np.float32)
    other = np.array([[0.4, 0.4, 0.5], [0.0, 0.2, 0.1], [0, 0, 0]], dtype=np.float32)
    # 0.1 stays, 0.2 of the particle that is nearer to the far one moves there with 0.3 of the other, and 0.2 is left.
    least = 0.2 * np.hypot(0.4, 0.2) + 0.3 * 0.5 + 0.2
    assert distances.energy_movers_distance(one, other) == pytest.approx(least)
    assert distances.energy_movers_distance(other, one) == pytest.approx(least)
    assert distances.energy_movers_distance(one, one) == pytest.approx(0)


def test_the_nearest_jet_is_found_without_all_distances(jets: JetSample) -> None:
    first, second = jets.cloud[:12], jets.cloud[12:24]
    all_pairs = np.array([[distances.energy_movers_distance(a, b) for b in second] for a in first])
    transports = distances.Transports.between(first, second)
    assert (transports.bound <= all_pairs).all()
    assert (transports.bound > 0.5 * all_pairs).mean() > 0.8
    for i in range(12):
        place, nearest = transports.nearest(transports.row(i))
        assert (place, nearest) == (all_pairs[i].argmin(), pytest.approx(all_pairs[i].min()))
        assert transports.nearest(transports.column(i))[1] == pytest.approx(all_pairs[:, i].min())
    assert len(transports.known) < 144


def test_halves_are_disjoint_and_of_equal_classes() -> None:
    kind = np.arange(900) % len(JET_CLASS.choices)
    for halves in truth.divided(kind, 0.006):
        assert all(len(half[name]) == 60 for half in halves for name in JET_CLASS.choices)
        assert all(set(kind[half[name]]) == {place} for half in halves for place, name in enumerate(JET_CLASS.choices))
        assert len(halves[0]["all"]) == 300
        assert not set(halves[0]["all"]) & set(halves[1]["all"])
    first, second = (truth.divided(kind, 0.006)[i][0]["all"] for i in (0, 1))
    assert set(first) != set(second)
    with pytest.raises(ValueError, match="60 jets of the class gluon, fewer than 120"):
        truth.divided(kind[:300], 0.006)


def test_the_tables_set_each_number_beside_the_truth() -> None:
    def one(sample: str, name: str, n: int) -> dict[str, object]:
        return {
            "sample": sample,
            "name": name,
            "value": 2.0,
            "error": 0.3,
            "truth": 1.0,
            "truth_error": 0.2,
            "events": n,
        }

    time = {"sample": {"median": 90.0, "error": 2.0}, "torch": {"median": 80.0, "error": 2.0}}
    model = {
        "judged": [one("gluon", "FPD", 10), one("all", "FPD", 50), one("all", "AUC", 20)],
        "microseconds": time | {"onnx": {"median": 70.0, "error": 2.0}, "batch": 1024},
    }
    found = {"jets": {"clouds": {"models": {"jets-toy": model}}}}
    lines = pages.clouds(found).splitlines()
    assert "| gluon | 10 | 2.0 ± 0.3 / 1.0 ± 0.2 |  |" in lines
    assert "| all classes | 50 | 2.0 ± 0.3 / 1.0 ± 0.2 | 2.0 ± 0.3 / 1.0 ± 0.2 (n = 20) |" in lines
    assert "| `jets-toy` | 90 ± 2 | 80 ± 2 | 70 ± 2 |" in pages.times(found)
    for written in (pages.clouds, pages.times):
        assert written({"jets": {"images": {}}}) == written({}) == pages.MISSING
    tagged = {"jets": {"tagger": {"truth": {"AUC": [0.9, 0.01]}, "models": {"jets-toy": {"AUC": [0.8, 0.02]}}}}}
    assert "| AUC | 0.900 ± 0.010 | 0.80 ± 0.02 |" in pages.tagger(tagged)
