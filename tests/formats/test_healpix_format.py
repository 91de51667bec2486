"""Maps of the whole sky: both layouts, what headers do not say, and damage."""

from pathlib import Path

import numpy as np
import pytest

import simulacra
from simulacra.formats import FormatError, healpix

pytest.importorskip("astropy_healpix", reason="maps of the sky need pip install 'simulacra[sky]'")
fits = pytest.importorskip("astropy.io.fits")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "dust" / "planck_ebv_nside256_ring.fits.gz"
HEADER = {"NSIDE": 4, "ORDERING": "RING", "COORDSYS": "G"}


def image(path: Path, values: np.ndarray | None = None, **header: object) -> Path:
    part = fits.PrimaryHDU(np.arange(192.0) if values is None else values)
    for name, value in (HEADER | header).items():
        if value is not None:
            part.header[name] = value
    part.writeto(path)
    return path


def table(path: Path, **header: object) -> Path:
    columns = [
        fits.Column(name="I_STOKES", format="48E", array=np.arange(192, dtype="f4").reshape(4, 48), unit="K_CMB"),
        fits.Column(name="HITS", format="48J", array=np.ones((4, 48), "i4")),
    ]
    part = fits.BinTableHDU.from_columns(columns)
    part.header.update(HEADER | {"ORDERING": "NESTED"} | header)
    part.writeto(path)
    return path


def test_images_and_tables_are_read(tmp_path: Path) -> None:
    found = healpix.read(image(tmp_path / "a.fits.gz", QUANT="E(B-V)", BUNIT="mag"))
    assert (found.nside, found.order, found.frame, found.name, found.units) == (4, "ring", "galactic", "E(B-V)", "mag")
    np.testing.assert_array_equal(found.values, np.arange(192))
    found = healpix.read(table(tmp_path / "b.fits"))
    assert (found.order, found.name, found.units) == ("nested", "I_STOKES", "K_CMB")
    np.testing.assert_array_equal(found.values, np.arange(192))
    assert healpix.read(tmp_path / "b.fits", column="HITS").values.sum() == 192
    flat = image(tmp_path / "c.fits", np.ones((12, 16)), ORDERING=None, NESTED=False, COORDSYS=None, FRAME="icrs")
    found = healpix.read(flat, frame="ICRS", order="ring")
    assert (found.order, found.frame, found.values.shape) == ("ring", "icrs", (192,))
    bare = image(tmp_path / "d.fits", ORDERING=None, COORDSYS=None)
    found = healpix.read(bare, frame="ecliptic", order="nested")
    assert (found.order, found.frame) == ("nested", "barycentricmeanecliptic")


HOLES = np.arange(192.0)
HOLES[[7, 9]] = np.nan
UNSEEN = np.arange(192.0)
UNSEEN[3] = -1.6375e30


@pytest.mark.parametrize(
    ("values", "header", "asked", "said"),
    [
        (None, {"NSIDE": None}, {}, "the header gives no NSIDE"),
        (None, {"NSIDE": 8}, {}, r"192 pixels are not the whole sky, which has 12 x 8\^2 = 768"),
        (HOLES, {}, {}, r"the map has no value in 2 of 192 pixels, the first one 7 \(nan\)"),
        (UNSEEN, {"QUANT": "dust"}, {}, r"dust has no value in 1 of 192 pixels, the first one 3 \(-1.6375e\+30\)"),
        (None, {"COORDSYS": None}, {}, "does not say the frame of the map: give it, one of galactic, icrs, ecliptic"),
        (None, {"ORDERING": None}, {}, "does not say the order of the map: give it, one of ring, nested"),
        (None, {"COORDSYS": "FK4"}, {}, "says the frame 'FK4', which is not one of"),
        (None, {"COORDSYS": None, "FRAME": "icrs"}, {"frame": "galactic"}, "the frame is icrs, not galactic"),
        (None, {}, {"frame": "lunar"}, "'lunar' is no frame of a map"),
        (None, {}, {"order": "nested"}, "the order is ring, not nested"),
        (np.ones(108), {"NSIDE": 3, "ORDERING": "NESTED"}, {}, "a power of 2, not 3"),
        (None, {}, {"column": "I"}, "holds an image, which has no columns such as 'I'"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, values: np.ndarray | None, header: dict[str, object], asked: dict[str, str], said: str
) -> None:
    path = image(tmp_path / "map.fits", values, **header)
    with pytest.raises(FormatError, match=said) as refused:
        healpix.read(path, **asked)
    assert str(path) in str(refused.value) or "lunar" in said


def test_tables_and_files_that_are_no_maps_are_named(tmp_path: Path) -> None:
    path = table(tmp_path / "map.fits")
    with pytest.raises(FormatError, match="has no column 'Q': there are I_STOKES, HITS"):
        healpix.read(path, column="Q")
    with pytest.raises(FormatError, match="lists some pixels of the sky by their numbers"):
        healpix.read(table(tmp_path / "some.fits", INDXSCHM="EXPLICIT"))
    with pytest.raises(FormatError, match=r"cut a map into patches .simulacra sky-patches"):
        simulacra.read(path)
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(FormatError, match="no image and no table"):
        healpix.read(tmp_path / "empty.fits")
    with pytest.raises(FormatError, match="there is no file"):
        healpix.read(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("no map")
    with pytest.raises(FormatError, match="is no FITS file that can be read"):
        healpix.read(tmp_path / "text.fits")
    whole = image(tmp_path / "whole.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[:3000])
    with pytest.raises(FormatError, match=r"cut.fits'"):
        healpix.read(tmp_path / "cut.fits")


def test_without_astropy_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "astropy_healpix", None)
    with pytest.raises(ImportError, match=r"pip install 'simulacra\[sky\]'"):
        healpix.read(tmp_path / "map.fits")


@pytest.mark.skipif(not SHARED.is_file(), reason=f"the dust map is not at {SHARED}")
def test_the_real_map_is_read() -> None:
    found = healpix.read(SHARED)
    assert (found.nside, found.order, found.frame, found.name) == (256, "ring", "icrs", "E(B-V)")
    with pytest.raises(FormatError, match="the frame is icrs, not galactic"):
        healpix.read(SHARED, frame="galactic")
