"""N-body planes: what is read, damage, and the patches that are cut from them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import simulacra
from simulacra.cli import main
from simulacra.events import part_of, take_part, variable
from simulacra.formats import FormatError, format_of, read

SHARED = Path(__file__).parents[3] / "shared" / "data" / "lensing" / "surface_density.h5"


def planes(path: Path, n: int = 8, side: int = 20, **changed: object) -> Path:
    rng = np.random.default_rng(1)
    content = {
        "density": rng.normal(size=(n, side, side)).astype("f2"),
        "redshift": np.linspace(2, 0.01, n).astype("f4"),
    } | changed
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            if name == "angle_deg":
                continue
            if values is not None:
                file[name] = values
        if content.get("angle_deg", 2.0) is not None:
            file.attrs["angle_deg"] = content.get("angle_deg", 2.0)
        file.attrs["omega_m"] = 0.26
    return path


def test_planes_are_fields_at_a_redshift(tmp_path: Path) -> None:
    path = planes(tmp_path / "planes.h5")
    assert format_of(path) == "surface_density"
    events = read(path)
    assert events["density"].dims == ("event", "x", "y")
    assert events["density"].dtype == np.float32
    assert float(events["x"][1] - events["x"][0]) == pytest.approx(0.1)
    np.testing.assert_allclose(events["redshift"], np.linspace(2, 0.01, 8), rtol=1e-6)
    assert '"omega_m": 0.26' in events.attrs["settings"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"density": np.zeros((3, 5, 6), "f4")}, r"'density' must be square planes \(planes, n, n\), not \(3, 5, 6\)"),
        ({"redshift": np.zeros(7, "f4")}, "'redshift'"),
        ({"redshift": np.full(8, -1, "f4")}, "'redshift' is -1 in plane 0"),
        ({"density": np.full((8, 20, 20), np.nan, "f4")}, r"'density' is nan in plane 0 at \(0, 0\), one of 3,200"),
        ({"density": np.full((8, 20, 20), 1e20, "f4")}, r"'density' is 1e\+20 in plane 0"),
        ({"angle_deg": None}, "the attribute 'angle_deg' is nan, not the width"),
        ({"angle_deg": -1.0}, "the attribute 'angle_deg' is -1.0, not the width"),
    ],
)
def test_damage_is_named(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read(planes(tmp_path / "planes.h5", **changed))


def test_patches_of_one_field_are_in_one_part(tmp_path: Path) -> None:
    planes(tmp_path / "planes.h5", n=40)
    arguments = ["patches", str(tmp_path / "planes.h5"), str(tmp_path / "p.zarr"), "--size", "6"]
    result = CliRunner().invoke(main.app, arguments)
    assert result.exit_code == 0, result.output
    found, whole = simulacra.open_events(tmp_path / "p.zarr").load(), read(tmp_path / "planes.h5")
    assert found.sizes == {"event": 40 * 9, "x": 6, "y": 6}
    np.testing.assert_array_equal(found["density"][10], whole["density"][1, :6, 6:12])
    assert found["group"].values.tolist() == np.repeat(np.arange(40), 9).tolist()
    assert float(found["redshift"][27]) == pytest.approx(float(whole["redshift"][3]))
    parts = {part: take_part(found, part) for part in ("train", "validation", "test")}
    assert sum(part.sizes["event"] for part in parts.values()) == 360
    for name, part in parts.items():
        assert set(part_of(np.unique(part["group"].values))) <= {name}
    coarse = simulacra.patches(whole, 4, coarsen=2, border=1)
    assert coarse.sizes == {"event": 40 * 4, "x": 4, "y": 4}
    expected = whole["density"].values[0, 1:9, 1:9].reshape(4, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(coarse["density"][0], expected, rtol=1e-5)
    assert float(coarse["x"][1] - coarse["x"][0]) == pytest.approx(0.2)
    for wrong, said in (
        ({"size": 21}, "a patch of 21 pixels is larger"),
        ({"size": 10, "by": "place"}, "of 2 x 2 places none is left for training"),
        ({"size": 6, "by": "colour"}, "by field or by place"),
        ({"size": 3}, "the size of a patch"),
    ):
        with pytest.raises(ValueError, match=said):
            simulacra.patches(whole, **wrong)
    with pytest.raises(ValueError, match="patches are cut from one array"):
        simulacra.patches(whole.drop_vars("density"), 6)


def test_patches_of_one_place_are_in_one_part_with_a_margin(tmp_path: Path) -> None:
    whole = read(planes(tmp_path / "planes.h5", n=5, side=40))
    found = simulacra.patches(whole, 5, by="place")
    places = np.unique(found["group"].values)
    of = dict(zip(places.tolist(), part_of(places).tolist(), strict=True))
    assert set(of.values()) == {"train", "validation", "test"}
    assert 8 < len(places) < 64
    for one in places:
        for other in places:
            touch = max(abs(one // 8 - other // 8), abs(one % 8 - other % 8)) == 1
            assert not touch or of[one] == of[other]
    place = int(places[-1])
    row, column = 5 * (place // 8), 5 * (place % 8)
    np.testing.assert_array_equal(
        found["density"].values[found["group"].values == place],
        whole["density"].values[:, row : row + 5, column : column + 5],
    )


@pytest.mark.skipif(not SHARED.is_file(), reason=f"the N-body planes are not at {SHARED}")
def test_the_real_planes_are_read() -> None:
    events = read(SHARED)
    assert events["density"].shape == (48, 510, 510)
    assert events["density"].values.std(axis=(1, 2)) == pytest.approx(np.ones(48), abs=1e-3)
    assert float(events["redshift"].max()) == pytest.approx(2.04, abs=0.01)


def test_patches_keep_the_groups_of_their_fields_and_refuse_masks(tmp_path: Path) -> None:
    fields = read(planes(tmp_path / "planes.h5", n=6))
    grouped = fields.assign(group=variable(np.arange(6) // 3, units="1", long_name="place", role="mask"))
    cut = simulacra.patches(grouped, 10)
    np.testing.assert_array_equal(np.unique(cut["group"].values), [0, 1])
    np.testing.assert_array_equal(cut["group"].values, np.repeat(np.arange(6) // 3, 4))
    with pytest.raises(ValueError, match="the fields have groups already, which places would replace"):
        simulacra.patches(grouped, 5, by="place")
    seen = variable(np.ones((6, 20, 20), bool), "x", "y", units="1", long_name="observed", role="mask")
    with pytest.raises(ValueError, match="'density' has the mask seen, which patches do not keep"):
        simulacra.patches(fields.assign(seen=seen), 10)
