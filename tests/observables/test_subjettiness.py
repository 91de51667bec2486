"""N-subjettiness against cases computed by hand, rotations, other axes, and fastjet's clustering."""

import numpy as np
import pytest

from simulacra.observables.subjettiness import minimised, pixels, subjettiness, tau21, winner_axes


def image_of(*hits: tuple[int, int, float], size: int = 9) -> np.ndarray:
    """Return one image of pixels (row, column, pT)."""
    image = np.zeros((1, size, size))
    for row, column, pt in hits:
        image[0, row, column] = pt
    return image


def test_one_pixel_and_none_have_no_subjettiness() -> None:
    images = np.concatenate([image_of((4, 4, 50.0)), image_of()])
    assert subjettiness(images, 0.1, 1).tolist() == [0, 0]
    assert tau21(images, 0.1).tolist() == [0, 0]


def test_two_pixels() -> None:
    """The axis of least tau_1 lies on the harder pixel: tau_1 is the softer share times the distance 0.3."""
    image = image_of((4, 4, 60.0), (4, 7, 40.0))
    np.testing.assert_allclose(subjettiness(image, 0.1, 1), 0.4 * 0.3, rtol=1e-9)
    np.testing.assert_allclose(subjettiness(image, 0.1, 2), 0, atol=1e-12)


def test_three_pixels() -> None:
    """A close pair of 50 and 20 GeV, 0.1 apart, and 30 GeV at 0.4: the soft pixel merges into its neighbour."""
    image = image_of((4, 2, 50.0), (4, 3, 20.0), (4, 6, 30.0))
    np.testing.assert_allclose(subjettiness(image, 0.1, 2), 0.2 * 0.1, rtol=1e-9)
    # On a line, the axis of least tau_1 is the weighted median, the pixel of 50 GeV (or its end of a flat stretch).
    np.testing.assert_allclose(subjettiness(image, 0.1, 1), 0.2 * 0.1 + 0.3 * 0.4, rtol=1e-3)
    np.testing.assert_allclose(tau21(image, 0.1), 0.02 / 0.14, rtol=1e-3)


def test_the_axis_moves_off_the_pixels_where_that_is_better() -> None:
    """Of three equal pixels in an equilateral triangle, the best axis is the centre: side / sqrt(3) from each."""
    pt = np.ones((1, 3))
    place = np.array([[[0.0, 0.0], [0.0, 0.6], [0.6 * np.sqrt(3) / 2, 0.3]]])
    _, after = minimised(pt, place, winner_axes(pt, place, 1))
    np.testing.assert_allclose(after[0, 0], place[0].mean(axis=0), atol=2e-3)


def toy(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.exponential(1.0, (n, 9, 9)) ** 3 * (rng.random((n, 9, 9)) < 0.3)


def test_it_does_not_change_with_quarter_turns_mirrors_and_the_scale() -> None:
    images = toy(60, 1)
    expected = tau21(images, 0.1)
    assert 0.2 < np.median(expected) < 1
    for other in (np.rot90(images, axes=(1, 2)), images[:, ::-1], images[:, :, ::-1], 7 * images):
        # Equal distances are the rule on a grid; ties between them may fall otherwise.
        assert np.mean(np.abs(tau21(other, 0.1) - expected) < 0.02) > 0.8
        np.testing.assert_allclose(tau21(other, 0.1).mean(), expected.mean(), atol=0.01)
    np.testing.assert_allclose(tau21(images, 0.2), expected, atol=1e-3)


def test_more_axes_are_never_worse_by_much_and_blocks_do_not_matter() -> None:
    images = toy(150, 2)
    taus = [subjettiness(images, 0.1, n) for n in (1, 2, 3)]
    assert (taus[0] > taus[1]).mean() > 0.99
    assert (taus[1] > taus[2]).mean() > 0.99
    # Sums over other numbers of empty places differ in the last digits.
    np.testing.assert_allclose(subjettiness(images[100:130], 0.1, 2), taus[1][100:130], rtol=1e-6)


def test_the_axes_are_those_of_fastjet() -> None:
    """Exclusive kT with winner-takes-all recombination, pixel by pixel at places without equal distances."""
    fastjet = pytest.importorskip("fastjet", reason="fastjet is not installed: pip install 'simulacra[jets]'")
    from fastjet._swig import ClusterSequence

    ClusterSequence.set_fastjet_banner_stream(None)
    rng = np.random.default_rng(3)
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 100.0, fastjet.WTA_pt_scheme)
    for image in toy(30, 4):
        number = np.count_nonzero(image)
        pt, place = pixels(image[None], 0.1, number)
        place = place + rng.uniform(-0.04, 0.04, place.shape)
        particles = []
        for one, (phi, eta) in zip(pt[0], place[0], strict=True):
            particle = fastjet.PseudoJet()
            particle.reset_PtYPhiM(float(one), float(eta), float(phi), 0.0)
            particles.append(particle)
        theirs = sorted((j.phi_std(), j.rap()) for j in ClusterSequence(particles, definition).exclusive_jets(2))
        ours = sorted(map(tuple, winner_axes(pt, place, 2)[0].tolist()))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
