"""Observables of jets in relative coordinates against loops over particles and jets worked out by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import xarray as xr

from simulacra.observables.energy_flow import GRAPHS, energy_flow_polynomials
from simulacra.observables.jet_clouds import jet_observables, jet_observables_of


def jets(n: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    eta, phi = rng.normal(0, 0.2, (2, n, width))
    present = rng.random((n, width)) < 0.7
    present[:, :3] = True
    return eta, phi, rng.exponential(0.1, (n, width)), present


@pytest.mark.parametrize("name", GRAPHS)
def test_each_polynomial_is_its_sum_over_all_particles(name: str) -> None:
    rng = np.random.default_rng(8)
    share = rng.dirichlet(np.ones(4), size=2)
    place = rng.normal(size=(2, 4, 2))
    distance = np.linalg.norm(place[:, :, None] - place[:, None, :], axis=-1)
    found = energy_flow_polynomials(share, distance, degree=4)[name]
    edges, _ = GRAPHS[name]
    vertices = 1 + max(itertools.chain(*edges))
    for row in range(2):
        expected = sum(
            math.prod(share[row, i] for i in chosen) * math.prod(distance[row, chosen[k], chosen[m]] for k, m in edges)
            for chosen in itertools.product(range(4), repeat=vertices)
        )
        assert found[row] == pytest.approx(expected, rel=1e-12)


def test_there_are_as_many_prime_polynomials_as_connected_multigraphs() -> None:
    # the numbers of connected loopless multigraphs with 1 to 4 edges (arXiv:1712.07124, table 2)
    share, distance = np.full((1, 3), 1 / 3), 1 - np.eye(3)[None]
    assert [len(energy_flow_polynomials(share, distance, degree=d)) for d in (1, 2, 3, 4)] == [1, 3, 8, 20]

    def form(edges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        n = 1 + max(itertools.chain(*edges))
        relabelled = (sorted(tuple(sorted((p[i], p[j]))) for i, j in edges) for p in itertools.permutations(range(n)))
        return tuple(min(relabelled))  # type: ignore[type-var]

    assert len({form(edges) for edges, _ in GRAPHS.values()}) == len(GRAPHS)
    for degree in (0, 5):
        with pytest.raises(ValueError, match=f"degrees 1 to 4, not {degree}"):
            energy_flow_polynomials(share, distance, degree=degree)


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_they_are_the_loops_over_particles(beta: float) -> None:
    eta, phi, pt, present = jets(4, 7, seed=2)
    found = jet_observables_of(eta, phi, pt, present, beta=beta)
    for row in range(4):
        there = np.flatnonzero(present[row])
        e, f, p = eta[row, there], phi[row, there], pt[row, there]
        z = p / p.sum()

        def r(i: int, j: int, e: np.ndarray = e, f: np.ndarray = f) -> float:
            return math.hypot(e[i] - e[j], f[i] - f[j]) ** beta

        n = len(there)
        e2 = sum(z[i] * z[j] * r(i, j) for i, j in itertools.combinations(range(n), 2))
        e3 = sum(z[i] * z[j] * z[k] * r(i, j) * r(i, k) * r(j, k) for i, j, k in itertools.combinations(range(n), 3))
        # the mass from pairs: m^2 = 2 sum p_i p_j (cosh(eta_i - eta_j) - cos(phi_i - phi_j))
        squared = 2 * sum(
            p[i] * p[j] * (math.cosh(e[i] - e[j]) - math.cos(f[i] - f[j]))
            for i, j in itertools.combinations(range(n), 2)
        )
        expected = {
            "multiplicity": n,
            "unphysical_particles": 0,
            "summed_pt": p.sum(),
            "relative_mass": math.sqrt(squared),
            "leading_pt_1": sorted(p)[-1],
            "leading_pt_3": sorted(p)[-3],
            "centre_eta": (z * e).sum(),
            "centre_phi": (z * f).sum(),
            "width": (z * np.hypot(e, f)).sum(),
            "pt_dispersion": math.sqrt((z**2).sum()),
            "energy_correlation_2": e2,
            "energy_correlation_3": e3,
            "c2": e3 / e2**2,
            "d2": e3 / e2**3,
        }
        for name, value in expected.items():
            assert found[name][row] == pytest.approx(value, rel=1e-10), name


def test_two_prongs_by_hand() -> None:
    eta, phi = np.array([[0.3, -0.3, 9.0]]), np.array([[0.4, -0.4, 9.0]])
    found = jet_observables_of(eta, phi, np.array([[0.5, 0.5, 7.0]]), np.array([[True, True, False]]))
    assert found["energy_correlation_2"] == pytest.approx([0.25])
    assert found["energy_flow_double_line"] == pytest.approx([0.5])
    assert found["width"] == pytest.approx([0.5])
    assert found["relative_mass"] == pytest.approx([math.sqrt(0.5 * (math.cosh(0.6) - math.cos(0.8)))])
    assert [found[name][0] for name in ("energy_correlation_3", "c2", "d2", "leading_pt_3")] == [0, 0, 0, 0]


def test_order_padding_and_other_jets_change_nothing() -> None:
    eta, phi, pt, present = jets(50, 9, seed=4)
    found = jet_observables_of(eta, phi, pt, present)
    order = np.random.default_rng(0).permutation(9)
    wider = [np.pad(a[:, order], ((0, 0), (0, 6))) for a in (eta, phi, pt, present)]
    wider[0][:, -1] = 1e6
    again = jet_observables_of(*wider)
    alone = jet_observables_of(*(a[17:18] for a in (eta, phi, pt, present)))
    for name, values in found.items():
        assert again[name] == pytest.approx(values, rel=1e-10, abs=1e-14), name
        assert alone[name] == pytest.approx(values[17:18], rel=1e-10, abs=1e-14), name


def test_a_collinear_splitting_changes_only_what_counts_particles() -> None:
    eta, phi, pt, present = jets(5, 6, seed=5)
    split = [np.concatenate([a, a[:, :1]], axis=1) for a in (eta, phi, pt, present)]
    split[2][:, 0] *= 0.25
    split[2][:, -1] *= 0.75
    before, after = jet_observables_of(eta, phi, pt, present), jet_observables_of(*split)
    counting = {"multiplicity", "pt_dispersion", "leading_pt_1", "leading_pt_2", "leading_pt_3"}
    for name in set(before) - counting:
        assert after[name] == pytest.approx(before[name], rel=1e-9, abs=1e-12), name
    assert (after["multiplicity"] == before["multiplicity"] + 1).all()


def test_jets_that_no_simulator_makes_give_numbers() -> None:
    eta = np.array([[0.0, 0.1, 0.2], [5000.0, 0.1, -5000.0], [0.1, 0.1, 0.1]])
    pt = np.array([[-0.2, 0.5, 0.0], [0.3, 0.3, 0.3], [0.1, 0.2, 0.3]])
    present = np.array([[True, True, True], [True, True, True], [False, False, False]])
    found = jet_observables_of(eta, np.zeros((3, 3)), pt, present)
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["unphysical_particles"].tolist() == [2, 0, 0]
    assert found["summed_pt"].tolist() == pytest.approx([0.5, 0.9, 0.0])
    assert all(values[2] == 0 for values in found.values())
    empty = jet_observables_of(*(np.zeros((0, 3)),) * 3, np.zeros((0, 3), dtype=bool))
    assert empty["d2"].shape == (0,)


def test_bad_input_is_refused_with_its_place() -> None:
    eta, phi, pt, present = jets(3, 4, seed=6)
    with pytest.raises(ValueError, match=r"'pt_rel' is \(3, 3\): expected \(3, 4\)"):
        jet_observables_of(eta, phi, pt[:, :3], present)
    with pytest.raises(ValueError, match="'present' is a mask"):
        jet_observables_of(eta, phi, pt, present.astype(float))
    phi[2, 1] = np.inf
    with pytest.raises(ValueError, match="'phi_rel' is inf for particle 1 of event 2"):
        jet_observables_of(eta, phi, pt, present)
    with pytest.raises(ValueError, match="beta must be above 0, not 0"):
        jet_observables_of(eta, phi, pt, present, beta=0)
    with pytest.raises(ValueError, match=r"observables of jets need \['present'\]"):
        jet_observables(xr.Dataset({name: ("event", np.ones(2)) for name in ("eta_rel", "phi_rel", "pt_rel")}))
