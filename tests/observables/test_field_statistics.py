"""Peaks, bispectra and Minkowski functionals of fields where they are known."""

import numpy as np
import pytest

from simulacra.observables.field_statistics import TRIANGLES, bispectra, minkowski_functionals, peak_counts


def test_peaks_are_counted_by_their_height() -> None:
    field = np.zeros((2, 9, 9))
    field[0, 2, 2], field[0, 6, 6], field[0, 6, 2] = 1.0, 3.0, 3.5
    field[0, 0, 4] = 9.0  # at the edge
    field[1, 4, 4] = field[1, 4, 5] = 2.0  # a plateau
    assert peak_counts(field, np.array([0.5, 2.0, 4.0, 10.0])).tolist() == [[1, 2, 0], [0, 0, 0]]


def test_shapes_have_their_area_boundary_and_holes() -> None:
    square, ring, two = (np.zeros((10, 10)) for _ in range(3))
    square[2:5, 3:7] = 1
    ring[1:6, 1:6] = 1
    ring[3, 3] = 0
    two[0, 0] = two[5:7, 5:7] = 1
    found = minkowski_functionals(np.stack([square, ring, two, two * 0]), np.array([0.5])) * 100
    assert found[:, 0].tolist() == [
        pytest.approx([12, 14, 1]),
        pytest.approx([24, 24, 0]),
        pytest.approx([5, 12, 2]),
        pytest.approx([0, 0, 0]),
    ]


def test_euler_characteristics_of_white_noise_are_as_expected() -> None:
    field = np.random.default_rng(1).normal(size=(200, 64, 64))
    found = minkowski_functionals(field, np.array([0.0]))[:, 0]
    p = 0.5
    # Per pixel: vertices 1 - (1-p)^4, edges 2 (1 - (1-p)^2), squares p; the edge of the field adds a few per cent.
    expected = (1 - (1 - p) ** 4) - 2 * (1 - (1 - p) ** 2) + p
    assert found[:, 2].mean() == pytest.approx(expected, abs=0.02)
    assert found[:, 0].mean() == pytest.approx(0.5, abs=0.005)


def test_a_gaussian_field_has_no_bispectrum_and_its_square_has() -> None:
    rng = np.random.default_rng(2)
    waves = np.fft.fft2(rng.normal(size=(400, 48, 48)))
    k = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(48, 1 / 48)], indexing="ij"))
    field = np.fft.ifft2(waves * np.exp(-((k / 8) ** 2))).real
    field /= field.std()
    found = bispectra(field)
    assert found.shape == (400, len(TRIANGLES))
    error = found.std(axis=0) / np.sqrt(400)
    assert (np.abs(found.mean(axis=0)) < 4.5 * error).all()
    skewed = bispectra(field + 0.3 * (field**2 - 1))
    assert (skewed.mean(axis=0)[:3] > 6 * skewed.std(axis=0)[:3] / np.sqrt(400)).all()
    np.testing.assert_allclose(bispectra(-field), -found)
    np.testing.assert_allclose(bispectra(field + 7), found, rtol=1e-6, atol=1e-8)
