"""Patches of the whole sky: where they are, what is never in two parts, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from typer.testing import CliRunner

import simulacra
from simulacra.cli import main
from simulacra.events import part_of
from simulacra.formats import FormatError

pytest.importorskip("astropy_healpix", reason="maps of the sky need pip install 'simulacra[sky]'")
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy_healpix import HEALPix

NSIDE = 32


def disc(path: Path, frame: str = "galactic", *, header: str | None = None) -> Path:
    """Write a map in a frame whose logarithm is -5 |sin b| + 0.3 sin l, of Galactic l and b."""
    grid = HEALPix(NSIDE, order="ring")
    there = SkyCoord(*grid.healpix_to_lonlat(np.arange(grid.npix)), frame=frame).galactic
    part = fits.PrimaryHDU(np.exp(logarithm(there.l.rad, there.b.rad)))
    part.header.update(NSIDE=NSIDE, ORDERING="RING", COORDSYS={"galactic": "G", "icrs": "C"}[header or frame])
    part.writeto(path)
    return path


def logarithm(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    return -5 * np.abs(np.sin(latitude)) + 0.3 * np.sin(longitude) * np.cos(latitude)


def place(events: object, dx: float, dy: float) -> SkyCoord:
    """Return the pixels of offsets [deg] of each patch, by astropy's own geometry of the sky."""
    centre = SkyCoord(
        events["galactic_longitude"].values * u.deg, events["galactic_latitude"].values * u.deg, frame="galactic"
    )
    tangent = np.tan(np.radians([dx, dy]))
    return centre.directional_offset_by(np.arctan2(*tangent) * u.rad, np.arctan(np.hypot(*tangent)) * u.rad)


@pytest.mark.parametrize("frame", ["galactic", "icrs"])
def test_pixels_show_the_sky_where_they_are(tmp_path: Path, frame: str) -> None:
    found = simulacra.sky_patches(disc(tmp_path / "map.fits", frame), 6, pixel=1.5, centres=8, min_latitude=12)
    assert found["log_intensity"].dims == ("event", "y", "x")
    assert np.diff(found["x"]).tolist() == pytest.approx([1.5] * 5)
    for row, column in ((0, 0), (5, 2), (2, 5)):
        there = place(found, float(found["x"][column]), float(found["y"][row]))
        expected = logarithm(there.l.rad, there.b.rad)
        np.testing.assert_allclose(found["log_intensity"].values[:, row, column], expected, atol=0.02)
    assert np.abs(found["galactic_latitude"].values).min() > 12 + 6 * 1.5 / 2


def test_patches_of_different_parts_are_apart(tmp_path: Path) -> None:
    path, out = disc(tmp_path / "map.fits"), tmp_path / "patches.zarr"
    arguments = [
        "sky-patches",
        str(path),
        str(out),
        "--size",
        "4",
        "--pixel",
        "1.5",
        "--margin",
        "2",
        "--centres",
        "16",
    ]
    result = CliRunner().invoke(main.app, arguments)
    assert result.exit_code == 0, result.output
    found = simulacra.open_events(out).load()
    assert f"{found.sizes['event']:,} patches of 4 x 4 pixels" in result.output
    edge = (-3.0, -1.5, 0.0, 1.5, 3.0)
    outline = [place(found, x, y) for x in edge for y in edge if 3.0 in (abs(x), abs(y))]
    vectors = np.stack([one.cartesian.xyz.value for one in outline], axis=-1).transpose(1, 2, 0)
    part = part_of(found["group"].values)
    assert set(part) == {"train", "validation", "test"}
    train, other = vectors[part == "train"], vectors[part != "train"].reshape(-1, 3)
    chord = cKDTree(other).query(train.reshape(-1, 3))[0].min()
    assert 1.9 < np.degrees(2 * np.arcsin(chord / 2)) < 5
    wider = simulacra.sky_patches(path, 4, pixel=1.5, margin=6, centres=16)
    assert wider.sizes["event"] < found.sizes["event"]


def test_what_cannot_be_cut_is_named(tmp_path: Path) -> None:
    wrong = disc(tmp_path / "wrong.fits", "icrs", header="galactic")
    with pytest.raises(FormatError, match=r"not brighter within 5 degrees of the Galactic plane .* its frame galactic"):
        simulacra.sky_patches(wrong, 6, pixel=1.5, centres=8)
    assert simulacra.sky_patches(wrong, 6, pixel=1.5, centres=8, min_latitude=0).sizes["event"] > 10
    path = disc(tmp_path / "map.fits")
    for asked, said in (
        ({"pixel": 0.0}, "'pixel' is 0 degrees: it must be above 0"),
        ({"margin": -1.0}, "'margin' is -1 degrees: it must be from 0, below 60"),
        ({"size": 64, "pixel": 1.5}, "97 degrees wide"),
        ({"size": 2}, "the size of a patch"),
        ({"size": 16, "pixel": 2, "min_latitude": 70}, "no patch of the training part is left"),
    ):
        with pytest.raises(ValueError, match=said):
            simulacra.sky_patches(path, **asked)
    with fits.open(path, mode="update") as file:
        file[0].data[5] = 0
    with pytest.raises(FormatError, match="the map is 0 in pixel 5, one of 1 pixels that are not above 0"):
        simulacra.sky_patches(path, 6)
