"""Jets against fastjet's own objects, against jets that can be seen by eye, and bad input."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

fastjet = pytest.importorskip("fastjet", reason="fastjet is not installed: pip install 'simulacra[jets]'")

from simulacra.observables.jets import cluster_jets  # noqa: E402


def cloud(*events: list[tuple[float, float, float, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return momenta, energies and mask of events whose particles are (px, py, pz, E)."""
    width = max(1, *(len(event) for event in events))
    table = np.zeros((len(events), width, 4), dtype=np.float32)
    present = np.zeros((len(events), width), dtype=bool)
    for row, particles in enumerate(events):
        present[row, : len(particles)] = True
        table[row, : len(particles)] = np.reshape(particles, (-1, 4))
    return table[..., :3], table[..., 3], present


def random_cloud(seed: int, n_events: int = 60, most: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    events = []
    for size in rng.integers(0, most, n_events):
        momentum = rng.exponential(2.0, (size, 1)) * rng.normal(size=(size, 3))
        energy = np.sqrt((momentum**2).sum(axis=1) + 0.14**2)
        order = np.argsort(-energy)
        events.append([(*momentum[i], energy[i]) for i in order])
    return cloud(*events)


@pytest.mark.parametrize(("radius", "min_pt"), [(0.8, 0.0), (0.4, 1.5)])
def test_jets_are_those_of_fastjets_own_objects(radius: float, min_pt: float) -> None:
    momentum, energy, present = random_cloud(3)
    jets = cluster_jets(momentum, energy, present, radius=radius, n_jets=3, min_pt=min_pt)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    n_padded = 0
    for row in range(len(momentum)):
        particles = []
        for i in np.flatnonzero(present[row]):
            particle = fastjet.PseudoJet(*momentum[row, i].tolist(), float(energy[row, i]))
            particle.set_user_index(int(i))
            particles.append(particle)
        sequence = fastjet._swig.ClusterSequence(particles, definition)
        found = list(fastjet.sorted_by_pt(sequence.inclusive_jets(min_pt)))[:3]
        index = np.full(present.shape[1], -1)
        for number, jet in enumerate(found):
            index[[particle.user_index() for particle in jet.constituents()]] = number
            assert jets["jet_pt"].values[row, number] == pytest.approx(jet.pt(), rel=1e-5)
            assert jets["jet_eta"].values[row, number] == pytest.approx(jet.eta(), abs=1e-5)
            assert jets["jet_phi"].values[row, number] == pytest.approx(jet.phi_std(), abs=1e-5)
            assert jets["jet_mass"].values[row, number] == pytest.approx(max(jet.m(), 0.0), abs=1e-4)
            assert jets["jet_constituents"].values[row, number] == len(jet.constituents())
        assert np.array_equal(jets["jet_index"].values[row], index)
        n_padded += 3 - len(found)
        for name in ("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_constituents"):
            assert not jets[name].values[row, len(found) :].any()
    assert n_padded > 0


def test_two_back_to_back_pairs_by_hand() -> None:
    # Two particles an angle of 0.2 apart on either side, all across the beam, and one soft particle at right angles.
    a, b = math.cos(0.1), math.sin(0.1)
    right = [(10 * a, 10 * b, 0.0, 10.0), (10 * a, -10 * b, 0.0, 10.0)]
    left = [(-9 * a, 9 * b, 0.0, 9.0), (-9 * a, -9 * b, 0.0, 9.0)]
    jets = cluster_jets(*cloud([*right, *left, (0.0, 0.5, 0.0, 0.5)]))
    assert jets["jet_pt"].values[0] == pytest.approx([20 * a, 18 * a])
    assert jets["jet_mass"].values[0] == pytest.approx([20 * b, 18 * b], rel=1e-5)
    assert jets["jet_eta"].values[0] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert np.abs(jets["jet_phi"].values[0]) == pytest.approx([0.0, math.pi], abs=1e-6)
    assert jets["jet_index"].values[0].tolist() == [0, 0, 1, 1, -1]
    assert jets["jet_constituents"].values[0].tolist() == [2, 2]


def test_dtypes_units_and_dimensions_are_the_conventions() -> None:
    jets = cluster_jets(*random_cloud(1, n_events=4), n_jets=2)
    assert {name: str(array.dtype) for name, array in jets.items()} == {
        "jet_pt": "float32",
        "jet_eta": "float32",
        "jet_phi": "float32",
        "jet_mass": "float32",
        "jet_constituents": "int16",
        "jet_index": "int8",
    }
    assert jets["jet_pt"].dims == ("event", "jet")
    assert jets["jet_index"].dims == ("event", "particle")
    assert jets["jet_mass"].attrs["units"] == "GeV"
    assert jets["jet_pt"].attrs["radius"] == 0.8


def test_events_without_particles_and_particles_along_the_beam_are_finite() -> None:
    jets = cluster_jets(*cloud([], [(0.0, 0.0, -40.0, 40.0), (1.0, 0.0, 0.0, 1.0)], [(0.0, 0.0, 0.0, 0.0)]))
    assert all(np.isfinite(array.values).all() for array in jets.values())
    assert jets["jet_constituents"].values.tolist() == [[0, 0], [1, 1], [1, 0]]
    assert jets["jet_eta"].values[1].tolist() == [0.0, -1e5]
    none = cluster_jets(*(array[:0] for array in random_cloud(1, n_events=4)))
    assert none["jet_pt"].shape == (0, 2)


def test_what_stands_in_absent_places_does_not_matter() -> None:
    momentum, energy, present = random_cloud(8, n_events=5)
    filled = np.where(present, energy, np.nan)
    first, second = cluster_jets(momentum, energy, present), cluster_jets(momentum, filled, present)
    assert all(np.array_equal(first[name].values, second[name].values) for name in first)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 0.0}, "radius must be above 0, not 0.0"),
        ({"radius": math.nan}, "radius must be above 0, not nan"),
        ({"n_jets": 0}, "from 1 to 127, not 0"),
        ({"n_jets": 200}, "from 1 to 127, not 200"),
        ({"min_pt": -1.0}, "0 GeV or more, not -1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_jets(*random_cloud(1, n_events=2), **options)


def test_bad_clouds_are_refused_with_their_place() -> None:
    momentum, energy, present = random_cloud(5, n_events=6)
    row = int(np.flatnonzero(present[:, 1])[0])
    broken = momentum.copy()
    broken[row, 1, 2] = np.nan
    with pytest.raises(ValueError, match=rf"particle 1 of event {row} has the momentum \[.*nan\]"):
        cluster_jets(broken, energy, present)
    broken = energy.copy()
    broken[row, 1] = -1
    with pytest.raises(ValueError, match=rf"particle 1 of event {row} .* energy -1.0 GeV"):
        cluster_jets(momentum, broken, present)
    with pytest.raises(ValueError, match=r"need 'energy' \(6, \d+\), not \(5, \d+\)"):
        cluster_jets(momentum, energy[:5], present)
    with pytest.raises(ValueError, match=r"are \(N, P, 3\), not"):
        cluster_jets(momentum[..., :2], energy, present)
    with pytest.raises(ValueError, match="mask of bool, not float64"):
        cluster_jets(momentum, energy, present.astype(float))


def test_fastjets_banner_is_silent() -> None:
    program = """
import numpy as np
from simulacra.observables.jets import cluster_jets
print(cluster_jets(np.ones((1, 1, 3)), np.full((1, 1), 2.0), np.ones((1, 1), dtype=bool))["jet_mass"].values[0, 0])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1.0"]
    assert done.stderr == ""
