"""Images of jets from particles whose towers, subjets and orientation are known."""

import numpy as np
import pytest

pytest.importorskip("fastjet", reason="fastjet is not installed: pip install 'simulacra[jets]'")

from simulacra.observables.image_preparation import (
    AROUND,
    leading_jet_images,
    massless,
    mirrored,
    principal_direction,
    towers,
    turned,
    wrapped,
)
from simulacra.observables.jet_images import pt_and_mass

#: towers have their centres at multiples of this in azimuth
STEP = 2 * np.pi / AROUND


def particles(*each: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one event of massless particles (pT, eta, phi)."""
    pt, eta, phi = np.array(each).T
    vectors = massless(eta, phi, pt * np.cosh(eta))
    return vectors[None, :, :3], vectors[None, :, 3], np.ones((1, len(each)), dtype=bool)


def test_towers_add_energies_and_are_massless_in_their_centres() -> None:
    event, eta, phi, energy = towers(*particles((10, 0.51, 0.01), (5, 0.59, -0.01), (3, -4.95, 3.1), (2, 5.2, 0)))
    assert event.tolist() == [0, 0]
    np.testing.assert_allclose(eta, [-4.95, 0.55])
    np.testing.assert_allclose(phi, [31 * STEP, 0], atol=1e-12)
    np.testing.assert_allclose(energy, [3 * np.cosh(4.95), 10 * np.cosh(0.51) + 5 * np.cosh(0.59)])
    vectors = massless(eta, phi, energy)
    np.testing.assert_allclose((vectors[:, :3] ** 2).sum(axis=1), energy**2)


def test_two_subjets_lie_in_the_centre_and_where_they_are() -> None:
    """170 GeV and 100 GeV at (0.4, 6 towers): without rotation, 4 columns to the right and 6 rows up."""
    # Towers' centres, about an azimuth of pi, where it jumps.
    event = particles((170, 0.05, 31 * STEP), (100, 0.45, wrapped(np.array(37 * STEP)).item()), (1, 0.05, 0))
    made = leading_jet_images(*event, rotation="none")
    assert made.place.tolist() == [0]
    image = made.image[0]
    assert image[12, 12] == pytest.approx(170, rel=1e-6)
    assert image[18, 16] == pytest.approx(100, rel=1e-6)
    assert np.count_nonzero(image) == 2
    assert made.distance[0] == pytest.approx(np.hypot(0.4, 6 * STEP), rel=1e-5)
    pt, mass = pt_and_mass(made.image, 0.1)
    np.testing.assert_allclose([pt[0], mass[0]], [made.pt[0], made.mass[0]], rtol=0.01)
    turned_down = leading_jet_images(*event).image[0]
    row, column = np.unravel_index(np.argsort(turned_down, axis=None)[-2:], turned_down.shape)
    assert row.tolist() in ([5, 12], [4, 12])
    assert column.tolist() == [12, 12]
    assert (turned_down >= 0).all()


def test_soft_subjets_are_trimmed_and_jets_out_of_range_left_out() -> None:
    # The subjet of 8 GeV, 0.6 away, has 3 % of the jet's transverse momentum.
    event = particles((270, 0.05, 0), (8, 0.65, 0))
    made = leading_jet_images(*event, rotation="none")
    assert np.count_nonzero(made.image) == 1
    assert made.pt[0] == pytest.approx(270, rel=1e-5)
    assert made.distance[0] == 0
    assert np.count_nonzero(leading_jet_images(*event, rotation="none", subjet_share=0.02).image) == 2
    for other in (particles((240, 0.05, 0)), particles((310, 0.05, 0)), particles((270, 2.35, 0))):
        found = leading_jet_images(*other)
        assert len(found.place) == 0
        assert found.image.shape == (0, 25, 25)


def test_events_keep_their_places() -> None:
    one, two = particles((260, 0.05, 0), (5, 0.15, 0)), particles((100, 0.05, 0), (5, 0.15, 0))
    events = [np.concatenate(arrays) for arrays in zip(two, one, two, one, strict=True)]
    assert leading_jet_images(*events).place.tolist() == [1, 3]


def test_a_spline_turns_by_right_angles_exactly_and_leaves_no_negative_pixel() -> None:
    rng = np.random.default_rng(1)
    images = 0.01 + rng.exponential(1.0, (4, 7, 7)) ** 3
    down, right = (np.tile(np.array(direction), (4, 1)) for direction in ((0.0, -1.0), (1.0, 0.0)))
    np.testing.assert_allclose(turned(images, down), images, atol=1e-6)
    # What was to the right, at high columns, is then below, at low rows.
    np.testing.assert_allclose(turned(images, right), np.rot90(images, axes=(1, 2)), atol=1e-6)
    skew = turned(images, np.tile([0.6, 0.8], (4, 1)))
    assert ((skew == 0) | (skew >= 1e-3)).all()


def test_the_right_half_holds_more_and_the_principal_direction_points_to_more() -> None:
    images = np.zeros((2, 5, 5))
    images[0, 2, 0], images[1, 2, 4], images[:, 2, 3] = 5, 5, 1
    found = mirrored(images)
    assert found[:, 2, 4].tolist() == [5, 5]
    np.testing.assert_allclose(principal_direction(images, 0.1)[:, 0], [-1, 1], atol=1e-9)
