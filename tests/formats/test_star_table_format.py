"""Tables of stars of other programs: names, units, missing values, frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import simulacra
from simulacra.formats import star_table
from simulacra.formats.errors import FormatError

N = 12


def columns(**more: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    found = {name: rng.normal(size=N) for name in ("phi1", "phi2", "pm_phi1", "pm_phi2")}
    return found | {"source_id": 10**17 + np.arange(N)} | more


def write_pandas(path: Path, tables: dict[str, dict[str, np.ndarray]]) -> Path:
    """Write tables as pandas does, in blocks of one type."""
    with h5py.File(path, "w") as file:
        for name, found in tables.items():
            group = file.create_group(name)
            for block, kind in enumerate("fi"):
                of = {key: values for key, values in found.items() if values.dtype.kind == kind}
                if of:
                    group[f"block{block}_items"] = np.array([key.encode() for key in of])
                    group[f"block{block}_values"] = np.stack(list(of.values()), axis=1)
    return path


def test_a_table_of_pandas_is_read(tmp_path: Path) -> None:
    magnitudes = {"g_mean_psf_mag": np.linspace(17, 20, N), "i_mean_psf_mag": np.linspace(16, 19.5, N)}
    path = write_pandas(tmp_path / "stars.hdf", {"merged": columns(**magnitudes)})
    stars = simulacra.read(path)
    np.testing.assert_array_equal(stars["event"].values, 10**17 + np.arange(N))
    np.testing.assert_array_equal(stars["proper_motion_phi1"].values, columns()["pm_phi1"])
    np.testing.assert_allclose(stars["colour"].values, np.linspace(1, 0.5, N))
    assert stars["proper_motion_phi2"].attrs["units"] == "mas/yr"
    assert "parallax" not in stars
    assert set(star_table.read(path, features=[]).data_vars) == set(star_table.POSITIONS + star_table.PROPER_MOTIONS)


def test_several_tables_must_be_named(tmp_path: Path) -> None:
    path = write_pandas(tmp_path / "stars.hdf", {"all": columns(), "few": columns()})
    with pytest.raises(FormatError, match=r"holds all, few tables: name one \(table; `simulacra stars"):
        star_table.read(path)
    with pytest.raises(FormatError, match="holds no table 'none'; there are all, few"):
        star_table.read(path, table="none")
    assert star_table.read(path, table="few").sizes["event"] == N


@pytest.mark.parametrize("value", [np.nan, 1e20])
def test_a_missing_value_is_refused_or_left_out(tmp_path: Path, value: float) -> None:
    magnitude = np.linspace(17, 20, N)
    magnitude[[3, 7]] = value
    path = write_pandas(tmp_path / "stars.hdf", {"stars": columns(phot_g_mean_mag=magnitude)})
    with pytest.raises(FormatError, match=r"'magnitude' of 2 of 12 stars is missing, first of star 100000000000000003"):
        star_table.read(path)
    assert star_table.read(path, complete=True).sizes["event"] == N - 2
    assert star_table.read(path, features=[]).sizes["event"] == N


def test_a_colour_of_two_missing_magnitudes_is_none(tmp_path: Path) -> None:
    magnitudes = {"g_mean_psf_mag": np.full(N, 18.0), "i_mean_psf_mag": np.full(N, 17.0)}
    for values in magnitudes.values():
        values[2] = 1e20
    path = write_pandas(tmp_path / "stars.hdf", {"stars": columns(**magnitudes)})
    with pytest.raises(FormatError, match="'colour' of 1 of 12 stars"):
        star_table.read(path, features=["colour"])
    for values in magnitudes.values():
        values[:] = np.nan
    path = write_pandas(tmp_path / "none.hdf", {"stars": columns(**magnitudes)})
    with pytest.raises(FormatError, match="no star has all of"):
        star_table.read(path, complete=True)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    there = columns()
    del there["pm_phi2"]
    path = write_pandas(tmp_path / "stars.hdf", {"stars": there})
    with pytest.raises(FormatError, match=r"expected the column 'proper_motion_phi2' or 'pm_phi2'; it holds phi1"):
        star_table.read(path)
    path = write_pandas(tmp_path / "whole.hdf", {"stars": columns()})
    with pytest.raises(FormatError, match="expected the column 'colour' or 'bp_rp' or 'color'"):
        star_table.read(path, features=["colour"])
    with pytest.raises(ValueError, match="stars have no feature 'age'; there are parallax, magnitude, colour"):
        star_table.read(path, features=["age"])
    sky = dict.fromkeys(("ra", "dec", "pmra", "pmdec"), there["phi1"])
    path = write_pandas(tmp_path / "sky.hdf", {"stars": sky})
    with pytest.raises(FormatError, match=r"say where the window is \(centre, angle; --centre, --angle\)"):
        star_table.read(path)
    path = write_pandas(tmp_path / "galactic.hdf", {"stars": {"l": there["phi1"], "b": there["phi2"]}})
    with pytest.raises(FormatError, match="'l' and 'b' are Galactic: convert them"):
        star_table.read(path)
    with pytest.raises(FormatError, match="a window needs the columns ra, dec, pmra, pmdec; 'ra' is not in"):
        star_table.read(path, centre=(10.0, 20.0))


def test_a_star_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    index = 10**17 + np.arange(N)
    index[5] = index[2]
    path = write_pandas(tmp_path / "stars.hdf", {"stars": columns(source_id=index)})
    with pytest.raises(FormatError, match="the star 100000000000000002 is there 2 times"):
        star_table.read(path)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "odd.hdf", "w") as file:
        file["stars/block0_items"] = np.array([b"phi1"])
        file["stars/block0_values"] = np.zeros((3, 2))
        # An object of pandas is pickled: it is not looked at.
        file["stars/block1_items"] = np.array([b"name"])
        file["stars/block1_values"] = np.frombuffer(b"cos\nsystem\n", np.uint8)
    with pytest.raises(FormatError, match="'stars/block0_items' names 1 columns of 2"):
        star_table.read(tmp_path / "odd.hdf")
    with h5py.File(tmp_path / "empty.hdf", "w") as file:
        file["stars/block0_items"] = np.array([b"name"])
    with pytest.raises(FormatError, match="the table 'stars' holds no numbers"):
        star_table.read(tmp_path / "empty.hdf")
    with pytest.raises(FormatError, match="there is no file"):
        star_table.read(tmp_path / "absent.fits")
    (tmp_path / "stars.pkl").write_bytes(b"x")
    with pytest.raises(FormatError, match="is no table of stars: expected HDF5 of pandas"):
        star_table.read(tmp_path / "stars.pkl")


def gaia(path: Path, **masked: Any) -> Path:
    table = pytest.importorskip("astropy.table", reason="FITS needs astropy: pip install 'simulacra[sky]'")
    rng = np.random.default_rng(2)
    values = {
        "source_id": np.arange(N),
        "ra": 140 + rng.uniform(-1, 1, N),
        "dec": 30 + rng.uniform(-1, 1, N),
        "pmra": rng.normal(size=N),
        "pmdec": rng.normal(size=N),
        "bp_rp": rng.uniform(0, 1, N),
    }
    found = table.Table(values, masked=True)
    for name, row in masked.items():
        found[name].mask[row] = True
    found.write(path)
    return path


@pytest.mark.parametrize("ending", ["fits", "ecsv", "csv"])
def test_gaias_table_is_rotated_into_a_window(tmp_path: Path, ending: str) -> None:
    path = gaia(tmp_path / f"gaia.{ending}")
    stars = star_table.read(path, centre=(140.0, 30.0), angle=90.0)
    # Eastwards at the centre: phi1 is the distance in right ascension times cos dec, nearly.
    from astropy.table import Table

    there = Table.read(path)
    np.testing.assert_allclose(stars["phi1"], (there["ra"] - 140) * np.cos(np.radians(there["dec"])), atol=0.01)
    np.testing.assert_allclose(stars["proper_motion_phi1"], there["pmra"], atol=0.05)
    speed = np.hypot(stars["proper_motion_phi1"], stars["proper_motion_phi2"])
    np.testing.assert_allclose(speed, np.hypot(there["pmra"], there["pmdec"]), rtol=1e-6)


def test_masked_entries_are_missing(tmp_path: Path) -> None:
    path = gaia(tmp_path / "gaia.fits", bp_rp=4)
    with pytest.raises(FormatError, match="'colour' of 1 of 12 stars is missing, first of star 4"):
        star_table.read(path, centre=(140.0, 30.0))


def test_a_truncated_table_is_refused(tmp_path: Path) -> None:
    path = gaia(tmp_path / "gaia.fits")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FormatError, match="truncated, or no table"):
        star_table.read(path, centre=(140.0, 30.0))


def test_units_of_the_file_are_converted_or_refused(tmp_path: Path) -> None:
    from astropy import units as u
    from astropy.table import QTable

    path = gaia(tmp_path / "gaia.fits")
    plain = star_table.read(path, centre=(140.0, 30.0))
    table = QTable.read(path)
    for name, unit in (("ra", u.deg), ("dec", u.deg), ("pmra", u.mas / u.yr), ("pmdec", u.mas / u.yr)):
        table[name] = (np.asarray(table[name]) * unit).to({u.deg: u.rad}.get(unit, u.arcsec / u.yr))
    table.write(tmp_path / "units.ecsv")
    converted = star_table.read(tmp_path / "units.ecsv", centre=(140.0, 30.0))
    for name in ("phi1", "phi2", "proper_motion_phi1", "proper_motion_phi2"):
        np.testing.assert_allclose(converted[name], plain[name], atol=1e-9)
    table["pmra"] = np.asarray(table["pmra"]) * u.m
    table.write(tmp_path / "wrong.ecsv")
    with pytest.raises(FormatError, match="the column 'pmra' is in m, which is no mas/yr"):
        star_table.read(tmp_path / "wrong.ecsv", centre=(140.0, 30.0))


def test_text_and_identifiers_with_gaps_are_refused(tmp_path: Path) -> None:
    from astropy.table import Table

    table = Table.read(gaia(tmp_path / "gaia.fits"))
    table["bp_rp"] = np.array(["null"] + ["0.5"] * (N - 1))
    table.write(tmp_path / "text.csv")
    with pytest.raises(FormatError, match=r"the column 'bp_rp' is not of numbers .* its first value is 'null'"):
        star_table.read(tmp_path / "text.csv", centre=(140.0, 30.0))
    table.remove_column("bp_rp")
    table["source_id"] = np.array([f"Gaia DR3 {k}" for k in range(N)])
    table.write(tmp_path / "names.csv")
    with pytest.raises(FormatError, match=r"the stars' identifiers are <U.* not whole numbers"):
        star_table.read(tmp_path / "names.csv", centre=(140.0, 30.0))
    path = gaia(tmp_path / "masked.fits", source_id=3)
    with pytest.raises(FormatError, match="the stars' identifiers are float64, not whole numbers"):
        star_table.read(path, centre=(140.0, 30.0))
    with pytest.raises(FormatError, match="holds one table, without a name: leave out 'all'"):
        star_table.read(tmp_path / "names.csv", table="all")


def test_placeholders_are_missing_and_angles_are_checked(tmp_path: Path) -> None:
    for value in (-999.0, 99.99):
        path = write_pandas(tmp_path / "stars.hdf", {"stars": columns(bp_rp=np.append(np.ones(N - 1), value))})
        with pytest.raises(FormatError, match="'colour' of 1 of 12 stars is missing"):
            star_table.read(path)
    sky = {name: np.linspace(1, 80, N) for name in ("ra", "dec", "pmra", "pmdec")}
    path = write_pandas(tmp_path / "sky.hdf", {"stars": sky | {"dec": np.linspace(1, 95, N)}})
    with pytest.raises(FormatError, match="'dec' has values beyond 90: it is read in degrees"):
        star_table.read(path, centre=(10.0, 20.0))
