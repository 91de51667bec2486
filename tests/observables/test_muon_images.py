"""Images around muons from particles that are known, and pile-up from a library that is known."""

import numpy as np

from simulacra.observables.muon_images import Muons, calorimeter_images, hardest_muons, pile_up_images

Particle = tuple[int, float, float, float]
SIZE = {"pixels": 33, "pixel_size": 0.025}


def particles(*events: list[Particle]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return momenta, identities and the mask of events of particles (identity, pT, eta, phi)."""
    momentum = np.zeros((len(events), 6, 3), dtype=np.float32)
    identity = np.zeros((len(events), 6), dtype=np.int32)
    for i, event in enumerate(events):
        for j, (kind, pt, eta, phi) in enumerate(event):
            momentum[i, j] = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
            identity[i, j] = kind
    return momentum, identity, identity != 0


def muons_of(*events: list[Particle]) -> Muons:
    return hardest_muons(*particles(*events), pt_range=(10.0, 40.0), max_abs_eta=2.1)


def test_the_hardest_muon_within_the_acceptance_must_be_in_range() -> None:
    soft, both, hard = [(13, 8.0, 0.0, 0.0)], [(13, 12.0, 1.0, 0.5), (-13, 15.0, -1.0, 3.0)], [(-13, 50.0, 0.0, 0.0)]
    forward, pion = [(13, 30.0, 2.5, 0.0), (13, 11.0, 2.0, 1.0)], [(211, 20.0, 0.0, 0.0)]
    found = muons_of(soft, both, hard, forward, pion, [])
    assert found.place.tolist() == [1, 3]
    np.testing.assert_allclose([found.pt, found.eta, found.phi], [[15, 11], [-1, 2], [3, 1]], rtol=1e-5)


def test_an_image_holds_what_is_near_but_no_muons_and_nothing_soft() -> None:
    # Azimuths on both sides of pi, where they jump.
    event: list[Particle] = [
        (13, 20.0, 0.5, 3.1),
        (-13, 5.0, 0.5, 3.1),
        (211, 4.0, 0.5, 3.1),
        (22, 2.0, 0.4, 3.3 - 2 * np.pi),
        (22, 0.1, 0.5, 3.1),
        (130, 7.0, 1.0, 3.1),
    ]
    momentum, identity, present = particles([], event)
    muons = hardest_muons(momentum, identity, present, pt_range=(10.0, 40.0), max_abs_eta=2.1)
    image = calorimeter_images(momentum, identity, present, muons, min_particle=0.2, **SIZE)
    assert image.shape == (1, 33, 33)
    assert np.argwhere(image[0]).tolist() == [[16, 16], [24, 12]]
    np.testing.assert_allclose([image[0, 16, 16], image[0, 24, 12]], [4, 2], rtol=1e-5)
    present[1, 2] = False
    assert (calorimeter_images(momentum, identity, present, muons, min_particle=0.2, **SIZE)[0] > 0).sum() == 1


def test_pile_up_is_a_poisson_number_of_collisions_spread_in_azimuth() -> None:
    # Each collision has one particle of 1 GeV within reach of muons at 1, and one that is beyond.
    library = {
        "particle_pt": np.ones((5, 3)),
        "particle_eta": np.tile([1.2, -1.0, 0.0], (5, 1)),
        "particle_phi": np.full((5, 3), 0.7),
        "present": np.tile([True, True, False], (5, 1)),
    }
    image = pile_up_images(library, np.full(4000, 1.0), np.random.default_rng(1), mean=20, **SIZE)
    column = 16 + round(0.2 / 0.025)
    assert (image.sum(axis=(0, 1)) > 0).nonzero()[0].tolist() == [column]
    per_image = image.sum(axis=(1, 2))
    expected = 20 * 33 * 0.025 / (2 * np.pi)
    assert abs(per_image.mean() - expected) < 5 * np.sqrt(expected / 4000)
    assert abs(per_image.var() - expected) < 5 * np.sqrt(2 * expected**2 / 4000 + expected / 4000)
    rows = image.sum(axis=(0, 2))
    assert abs(rows - rows.mean()).max() < 5 * np.sqrt(rows.mean())
    assert not pile_up_images(library, np.full(3, 1.0), np.random.default_rng(1), mean=0, **SIZE).any()
