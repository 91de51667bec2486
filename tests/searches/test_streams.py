"""Searches for streams: found where planted, not where there is none, and the same when continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra.events import EventsError
from simulacra.pages import write_page
from simulacra.searches import streams
from simulacra.searches.lines import Line
from simulacra.searches.page import search_page
from simulacra.searches.regions import Region, scan
from simulacra.searches.streams import SearchSettings, combined, inputs_of, search_region, with_candidates
from simulacra.systems.via_machinae import toy_field
from simulacra.workflows.find_streams import candidates_of

CWOLA: dict[str, Any] = {"ratio": {"method": "cwola", "retrainings": 1}}


@pytest.fixture(scope="module")
def field() -> xr.Dataset:
    return toy_field(3000, seed=1, stream=150)


@pytest.fixture(scope="module")
def found(field: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[streams.StreamSearch, Path]:
    folder = tmp_path_factory.mktemp("search")
    return simulacra.find_streams(field, settings=CWOLA, folder=folder, progress=False), folder


def of_stream(field: xr.Dataset) -> np.ndarray:
    """Return which stars are of the toy's stream, by where it was planted; a few of the field are there too."""
    near = np.hypot(field["proper_motion_phi1"].values + 8, field["proper_motion_phi2"].values - 4) < 1.5
    return near & (np.abs(field["phi2"].values - 0.2 * field["phi1"].values) < 0.5)


def test_a_planted_stream_is_found(found: tuple[streams.StreamSearch, Path], field: xr.Dataset) -> None:
    search, _ = found
    assert search.found
    assert search.p_value < 0.01
    line = search.best.line
    assert line is not None
    # phi2 = 0.2 phi1: across the line is 101 degrees from phi1.
    assert abs(line.angle - (np.pi / 2 + np.arctan(0.2))) < np.pi / 12
    planted = of_stream(field)
    assert planted[search.candidates].mean() > 0.7
    assert planted[search.candidates].sum() > 0.4 * planted.sum()
    assert (np.diff(search.candidate_scores) <= 0).all()
    assert len(search.agreeing) >= 2
    some = candidates_of(field, search)
    np.testing.assert_array_equal(some["event"].values, field["event"].values[search.candidates])
    assert some["score"].attrs["role"] == "feature"


def test_a_killed_search_continues(
    found: tuple[streams.StreamSearch, Path], field: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, folder = found
    kept = sorted((folder / "regions").iterdir())
    kept[0].unlink()
    begun = []
    monkeypatch.setattr(
        streams, "search_region", lambda *a, **k: begun.append(1) or search_region(*a, **k)
    )  # counts what is done again
    again = simulacra.find_streams(field, settings=CWOLA, folder=folder, progress=False)
    assert len(begun) == 1
    assert again.p_value == search.p_value
    np.testing.assert_array_equal(again.candidates, search.candidates)
    # Other stars are another search.
    begun.clear()
    one = scan(field)[:1]
    monkeypatch.setattr("simulacra.searches.regions.scan", lambda *a, **k: one)
    simulacra.find_streams(field.isel(event=slice(1, None)), settings=CWOLA, folder=folder, progress=False)
    assert len(begun) == 1


def test_the_order_of_rows_changes_nothing(found: tuple[streams.StreamSearch, Path], field: xr.Dataset) -> None:
    search, folder = found
    order = np.random.default_rng(1).permutation(field.sizes["event"])
    again = simulacra.find_streams(field.isel(event=order), settings=CWOLA, folder=folder, progress=False)
    assert again.p_value == search.p_value
    np.testing.assert_array_equal(order[again.candidates], search.candidates)
    np.testing.assert_array_equal(order[again.best.rows], search.best.rows)


def test_without_a_stream_there_is_none() -> None:
    p_values = [
        simulacra.find_streams(toy_field(1500, seed=seed), settings=CWOLA, step=4.0, progress=False).p_value
        for seed in range(4)
    ]
    # Of four searches, chance gives two alarms of 5 % once in 70 times.
    assert np.sort(p_values)[1] > 0.05


@pytest.mark.parametrize("method", ["flows", "cathode"])
def test_each_method_finds_the_stream_in_its_region(field: xr.Dataset, method: str) -> None:
    settings = SearchSettings.model_validate({"ratio": {"method": method, "retrainings": 1, "folds": 2, "steps": 80}})
    told: list[float] = []
    result = search_region(field, Region("proper_motion_phi1", -9.0, -7.0, 4.0), settings, seed=2, tell=told.append)
    assert result.line is not None
    assert result.line.p_value < 0.01
    assert told[-1] == 1.0
    assert set(np.unique(result.votes)) <= {0.0, 1.0}
    # Fiducial cuts select after the training: the scores stay, and no star beyond is selected.
    cut = search_region(field, result.region, settings, seed=2, cuts={"proper_motion_phi2": (3.0, 5.0)})
    np.testing.assert_array_equal(cut.scores, result.scores)
    inside = field["proper_motion_phi2"].values[cut.rows[cut.selected]]
    assert ((inside >= 3) & (inside <= 5)).all()


def test_what_makes_no_sense_is_refused(field: xr.Dataset) -> None:
    with pytest.raises(EventsError, match="stars need 'phi2', one number each"):
        inputs_of(field.drop_vars("phi2"), "proper_motion_phi1")
    with pytest.raises(ValueError, match="'phi1' is a position, where the line is looked for"):
        inputs_of(field, "proper_motion_phi1", ("phi1",))
    with pytest.raises(ValueError, match="'proper_motion_phi1' is what is searched"):
        inputs_of(field, "proper_motion_phi1", ("proper_motion_phi1",))
    with pytest.raises(ValueError, match="there is no feature"):
        inputs_of(field, "proper_motion_phi1", ())
    with pytest.raises(ValueError, match="the width of signal regions is 0"):
        scan(field, width=0)
    with pytest.raises(ValueError, match=r"no signal region of 0\.1 mas/yr holds 200 of the 3,150 stars"):
        scan(field, width=0.1)
    region, settings = Region("proper_motion_phi1", -9.0, -7.0, 4.0), SearchSettings.model_validate(CWOLA)
    with pytest.raises(ValueError, match="the cut on 'phi1' keeps nothing: 2 to 1"):
        search_region(field, region, settings, seed=1, cuts={"phi1": (2.0, 1.0)})
    with pytest.raises(ValueError, match="no star passes the fiducial cuts"):
        search_region(field, region, settings, seed=1, cuts={"phi1": (50.0, 60.0)})


def test_places_that_are_none_and_stars_that_are_there_twice_are_refused(field: xr.Dataset) -> None:
    def moved(name: str, values: np.ndarray) -> xr.Dataset:
        return field.assign({name: field[name].copy(data=values)})

    with pytest.raises(ValueError, match="positions are beyond 90 degrees in phi2"):
        simulacra.find_streams(moved("phi2", field["phi2"].values * 100), progress=False)
    with pytest.raises(ValueError, match="a window is narrower than 180; if it crosses 0, subtract 360"):
        simulacra.find_streams(moved("phi1", field["phi1"].values % 360), progress=False)
    with pytest.raises(ValueError, match="all stars have the same 'proper_motion_phi2'"):
        inputs_of(moved("proper_motion_phi2", np.zeros(field.sizes["event"])), "proper_motion_phi1")
    twice = xr.concat([field, field.assign_coords(event=field["event"] + 10**6)], "event", combine_attrs="override")
    with pytest.raises(ValueError, match="3,150 stars are there more than once, such as event"):
        simulacra.find_streams(twice, progress=False)
    with pytest.raises(ValueError, match="half_width: Input should be greater than 0"):
        simulacra.find_streams(field, settings={"half_width": 0}, progress=False)
    with pytest.raises(ValueError, match="a scan is over proper_motion_phi1 or proper_motion_phi2, not"):
        simulacra.find_streams(field, searched=["phi1"], progress=False)


def test_a_cluster_is_no_stream() -> None:
    rng = np.random.default_rng(3)
    cluster = toy_field(0, seed=2, stream=80)
    places = {"phi1": rng.normal(1, 0.1, 80), "phi2": rng.normal(-1, 0.1, 80)}
    cluster = cluster.assign({name: cluster[name].copy(data=values) for name, values in places.items()})
    field = xr.concat(
        [toy_field(2000, seed=4), cluster.assign_coords(event=5000 + np.arange(80))], "event", combine_attrs="override"
    )
    result = search_region(
        field, Region("proper_motion_phi1", -9.0, -7.0, 4.0), SearchSettings.model_validate(CWOLA), seed=1
    )
    assert result.clustered
    assert result.line is not None
    assert result.line.p_value < 0.01
    assert result.p_value == 1.0
    search = combined([result], field, SearchSettings())
    assert not search.found
    assert any("as of a cluster" in doubt for doubt in search.doubts)


def test_a_score_that_depends_on_the_place_is_told() -> None:
    field = toy_field(4000, seed=4)
    rng = np.random.default_rng(5)
    colour = 1 + rng.normal(0, 0.2, 4000) + 0.1 * field["phi2"].values + 0.05 * (field["proper_motion_phi1"].values + 8)
    field = field.assign(colour=field["phi1"].copy(data=colour).assign_attrs(units="mag", long_name="colour"))
    region, settings = Region("proper_motion_phi1", -5.0, -3.5, 6.0), SearchSettings.model_validate(CWOLA)
    result = search_region(field, region, settings, seed=1, features=("colour",))
    assert abs(result.dependence) > 0.1
    assert any("depends on the place in 1 of 1 regions" in one for one in combined([result], field, settings).doubts)
    even = search_region(field, region, settings, seed=1, features=("proper_motion_phi2",))
    assert abs(even.dependence) < 0.1


def test_lines_agree_also_across_the_ends_of_the_angles(field: xr.Dataset) -> None:
    def result(angle: float, distance: float, p_value: float) -> streams.RegionResult:
        line = Line(angle, distance, 0.3, 30, 10.0, 5.0, p_value)
        rows = np.arange(10)
        flags = np.ones(10, bool)
        region = Region("proper_motion_phi1", -9.0, -7.0, 4.0)
        return streams.RegionResult(region, rows, np.arange(10.0), flags, flags, np.ones(10), line)

    nothing = streams.RegionResult(
        Region("proper_motion_phi1", -9.0, -7.0, 4.0), np.arange(3), np.zeros(3), np.zeros(3, bool),
        np.zeros(3, bool), np.zeros(3), None,
    )  # fmt: skip
    rows = [
        result(0.05, 1.0, 1e-6),
        result(np.pi - 0.05, -1.1, 0.01),  # nearly the same line, from the other side
        result(np.pi - 0.05, 1.1, 0.01),
        result(0.05, 1.2, 0.2),  # not significant itself
        result(1.0, 1.0, 0.01),
        nothing,
    ]
    search = combined(rows, field, SearchSettings())
    assert search.agreeing == (0, 1)
    # Both share all of their stars: no more significant than their mean.
    assert search.combined == pytest.approx((4.7534 + 2.3263) / 2, abs=1e-3)
    assert search.p_value == pytest.approx(6e-6, rel=1e-3)
    voted = with_candidates(search, [rows[0]])
    assert voted.candidates.tolist() == list(range(9, -1, -1))


def test_the_page_shows_the_search(found: tuple[streams.StreamSearch, Path], field: xr.Dataset, tmp_path: Path) -> None:
    search, _ = found
    text = write_page(tmp_path, search_page(field, search, title="Toy")).read_text(encoding="utf-8")
    assert f"A stream of {len(search.candidates)} candidates" in text
    quiet = streams.combined([one for one in search.results if one.p_value > 0.05], field, search.settings)
    text = write_page(tmp_path, search_page(field, quiet, title="Toy")).read_text(encoding="utf-8")
    assert "No stream: the most significant line has p" in text
    assert "do not use them as members" in text
