"""Observables of images against sums over their pixels, and images of jets that are known."""

import numpy as np
import pytest

from simulacra.observables import observe
from simulacra.observables.jet_images import image_observables_of, positions, pt_and_mass
from toy_images import toy_images


def test_mass_and_transverse_momentum_are_those_of_massless_pixels() -> None:
    images = np.zeros((1, 5, 5))
    images[0, 2, 2], images[0, 4, 3] = 60.0, 40.0
    phi, eta = 0.2, 0.1
    pt, mass = pt_and_mass(images, 0.1)
    np.testing.assert_allclose(pt, np.hypot(60 + 40 * np.cos(phi), 40 * np.sin(phi)))
    np.testing.assert_allclose(mass, np.sqrt(2 * 60 * 40 * (np.cosh(eta) - np.cos(phi))))


def test_an_image_without_energy_has_zeros() -> None:
    assert all(values.tolist() == [0] for values in image_observables_of(np.zeros((1, 7, 7)), 0.1).values())


def test_shapes_of_a_single_pixel() -> None:
    images = np.zeros((1, 5, 5))
    images[0, 0, 3] = 2.0
    found = {name: values[0] for name, values in image_observables_of(images, 0.1).items()}
    assert found["image_pixels"] == 1
    assert found["image_centre_row"] == pytest.approx(-0.2)
    assert found["image_centre_column"] == pytest.approx(0.1)
    assert (found["image_pixel_1"], found["image_pixel_2"]) == (2, 0)
    assert found["image_dispersion"] == pytest.approx(1)
    assert found["image_width"] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(positions(5, 0.1), [-0.2, -0.1, 0, 0.1, 0.2])


def test_cones_around_muons_hold_what_is_nearer() -> None:
    images = np.zeros((1, 33, 33))
    # 0, 0.15 and 0.25 from the centre, and 0.53 in a corner.
    images[0, 16, 16], images[0, 16, 22], images[0, 6, 16], images[0, 1, 1] = 1, 2, 4, 8
    found = image_observables_of(images, 0.025, muons=True)
    assert [found[f"image_cone_{tenths}"][0] for tenths in (1, 2, 3, 4)] == [1, 3, 7, 7]
    assert "image_tau21" not in found
    events = toy_images(20, size=9)
    assert "image_cone_1" not in observe(events)
    observed = observe(events.assign_attrs(image_of="muons"))
    assert observed["image_cone_4"].attrs["units"] == "GeV"
    assert "image_tau21" not in observed


def test_images_are_observed_by_these_and_others_as_arrays() -> None:
    events = toy_images(40, size=9)
    found = observe(events)
    assert {"image_mass", "image_pt", "image_tau21", "image_pixels"} <= set(found.data_vars)
    assert found["image_mass"].attrs["units"] == "GeV"
    assert "image_share_of_zeros" not in found
    del events.attrs["pixel_size"]
    assert "image_share_of_zeros" in observe(events)
