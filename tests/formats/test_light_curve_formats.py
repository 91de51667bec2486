"""Light curves of OGLE's and ASAS's files: what becomes an event, and which damage is named."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from light_curve_files import rewrite, sine, write_asas, write_ogle
from simulacra.events import validate
from simulacra.formats import FormatError, format_of, read
from simulacra.observables import observe
from simulacra.observables.light_curves import CLASSES

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CEPHEIDS = DATA / "cepheids" / "ogle4_lmc_cepheids.h5"
needs_data = pytest.mark.skipif(not CEPHEIDS.is_file(), reason=f"there are no Cepheids in {CEPHEIDS}")


def test_stars_of_the_catalogue_become_events(tmp_path: Path) -> None:
    columns = write_ogle(tmp_path / "stars.h5")
    assert format_of(tmp_path / "stars.h5") == "ogle"
    with pytest.warns(UserWarning, match=r"1 of 4 stars .* 1 with fewer than 18 observations \(such as .*CEP-0016\)"):
        events = read(tmp_path / "stars.h5")
    validate(events)
    assert events["event"].values.tolist() == [2, 5, 12]
    np.testing.assert_array_equal(events["observed"].sum("observation"), [25, 30, 20])
    second = slice(65, 95)
    np.testing.assert_array_equal(events["time"][1].values[:30], columns["light_curves/hjd_minus_2450000"][second])
    np.testing.assert_array_equal(events["magnitude"][1].values[:30], columns["light_curves/i_mag"][second])
    np.testing.assert_allclose(events["colour"], 0.7, rtol=1e-5)
    assert set(events["stellar_class"].values) == {CLASSES.index("Classical_Cepheid")}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "light_curves/i_mag",
            lambda v: put(v, 70, np.nan),
            r"the magnitude of OGLE-LMC-CEP-0005 is nan in its row 5 ",
        ),
        (
            "light_curves/i_mag",
            lambda v: put(v, 70, 1e20),
            r"the magnitude of OGLE-LMC-CEP-0005 is 1e\+20 in its row 5",
        ),
        ("light_curves/i_mag_error", lambda v: put(v, 70, 0), r"error of OGLE-LMC-CEP-0005 is 0 .* must be above 0"),
        ("light_curves/i_mag_error", lambda v: put(v, 70, -1), r"error of OGLE-LMC-CEP-0005 is -1 in its row 5"),
        ("light_curves/hjd_minus_2450000", lambda v: put(v, 70, np.inf), r"the time of OGLE-LMC-CEP-0005 is inf"),
        ("light_curves/hjd_minus_2450000", lambda v: v[:-1], r"offset' goes from 0 to 125: .* the number of rows, 124"),
        ("light_curves/offset", lambda v: put(v, 2, 30), r"'light_curves/offset' falls after star 1"),
        ("light_curves/id", lambda v: put(v, 0, v[1]), r"'light_curves/id' holds OGLE-LMC-CEP-0002 twice"),
        ("fundamental_mode/id", lambda v: put(v, 0, v[1]), r"'fundamental_mode/id' holds OGLE-LMC-CEP-0005 twice"),
        ("fundamental_mode/period_days", lambda v: put(v, 1, 0), r"'period_days' of OGLE-LMC-CEP-0005 is 0.0: it must"),
        ("fundamental_mode/mean_v_mag", lambda v: None, r"expected the dataset 'fundamental_mode/mean_v_mag'"),
        ("fundamental_mode/mean_v_mag", lambda v: v[:-1], r"expected 'fundamental_mode/mean_v_mag' of the shape \(4\)"),
        ("fundamental_mode/mean_v_mag", lambda v: v * np.nan, r"no star .* can be used: 4 with mean_v_mag of no value"),
    ],
)
def test_damage_is_named(
    tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray | None], message: str
) -> None:
    path = tmp_path / "stars.h5"
    columns = write_ogle(path)
    changed = change(columns.pop(name))
    rewrite(path, columns if changed is None else columns | {name: changed})
    with pytest.raises(FormatError, match=message):
        read(path)


def put(values: np.ndarray, place: int, value: object) -> np.ndarray:
    values = values.copy()
    values[place] = value
    return values


def test_a_star_whose_catalogue_says_1e20_is_left_out(tmp_path: Path) -> None:
    columns = write_ogle(tmp_path / "stars.h5")
    columns["fundamental_mode/mean_v_mag"][1] = 1e20
    rewrite(tmp_path / "stars.h5", columns)
    with pytest.warns(
        UserWarning, match=r"2 of 4 stars .* 1 with mean_v_mag of no value \(such as OGLE-LMC-CEP-0005\)"
    ):
        assert read(tmp_path / "stars.h5")["event"].values.tolist() == [2, 12]


def test_an_archive_is_read_in_memory_with_periods_and_classes(tmp_path: Path) -> None:
    pytest.importorskip("astropy", reason="periods need astropy: pip install 'simulacra[sky]'")
    stars = {"set/22.dat": sine(7.3), "set/7.dat": "# ASAS\n" + sine(1.21, seed=2), "set/README": "none"}
    path = write_asas(tmp_path / "stars.tar.gz", stars, {"22": "Mira", "set/7.dat": "RR_Lyrae_FM"})
    assert format_of(path) == "asas"
    events = read(path)
    validate(events)
    assert events["event"].values.tolist() == [7, 22]
    # An error of a tenth of a cycle over the 800 days.
    np.testing.assert_allclose(events["period"], [1.21, 7.3], rtol=2e-4)
    np.testing.assert_allclose(events["mean_magnitude"], 11, atol=0.02)
    np.testing.assert_allclose(events["amplitude"], 0.6, atol=0.05)
    assert [CLASSES[k] for k in events["stellar_class"].values] == ["RR_Lyrae_FM", "Mira"]
    assert {one.name for one in tmp_path.iterdir()} == {"stars.tar.gz", "toy_classes.dat"}


def test_an_archive_cannot_reach_beyond_itself(tmp_path: Path) -> None:
    path = tmp_path / "inside" / "stars.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        text = b"1,2,nan\n" * 20
        outside = tarfile.TarInfo("../../5.dat")
        outside.size = len(text)
        archive.addfile(outside, io.BytesIO(text))
        link = tarfile.TarInfo("6.dat")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(FormatError, match="the magnitude error of 5 is nan in its row 0"):
        read(path)
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["stars.tar.gz"]


@pytest.mark.parametrize(
    ("stars", "classes", "message"),
    [
        ({"1.dat": sine(3) + "5,11\n"}, None, r"line 151 of star 1 is '5,11': expected time, magnitude and error"),
        ({"1.dat": sine(3).replace("0.020", "0.000", 1)}, None, r"the magnitude error of 1 is 0 in its row 0"),
        ({"1.dat": sine(3, observations=17)}, None, r"star 1 has 17 observations, fewer than 18"),
        ({"star.dat": sine(3)}, None, r"the file 'star.dat' is not called NUMBER.dat"),
        ({"a/1.dat": sine(3), "b/1.dat": sine(3)}, None, r"holds 1.dat twice"),
        ({"readme.txt": "none"}, None, r"holds no files NUMBER.dat"),
        ({"1.dat": sine(3)}, {"1": "Blazar"}, r"the class of star 1 is 'Blazar', none of Beta_Cephei, Beta_Lyrae"),
        ({"1.dat": sine(3)}, {"2": "Mira"}, r"has no class of star 1: add it, or leave the star out"),
    ],
)
def test_a_wrong_archive_is_refused(
    tmp_path: Path, stars: dict[str, str], classes: dict[str, str] | None, message: str
) -> None:
    path = write_asas(tmp_path / "stars.tar.gz", stars, classes)
    with pytest.raises(FormatError, match=message):
        read(path)


def test_a_truncated_archive_is_told(tmp_path: Path) -> None:
    path = write_asas(tmp_path / "stars.tar.gz", {f"{k}.dat": sine(3, seed=k) for k in range(1, 5)})
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(FormatError, match="is truncated"):
        read(path)


@needs_data
def test_fourier_parameters_of_real_cepheids_are_those_of_the_catalogue() -> None:
    import h5py

    from simulacra.formats.ogle import catalogue

    with pytest.warns(UserWarning, match="173 of 2476 stars"):
        events = read(CEPHEIDS)
    with h5py.File(CEPHEIDS) as file:
        known = catalogue(file, ("r21", "phi21"))
    row = {int(name[-4:]): k for k, name in enumerate(known["id"])}
    some = events.isel(event=slice(0, 200))
    rows = [row[k] for k in some["event"].values.tolist()]
    found = observe(some)
    for name, error in (("r21", 0.01), ("phi21", 0.05)):
        difference = found[f"magnitude_{name}"].values - known[name][rows]
        if name == "phi21":
            difference = (difference + np.pi) % (2 * np.pi) - np.pi
        # OGLE fits more harmonics, and leaves outliers out.
        assert np.nanmedian(np.abs(difference)) < error
