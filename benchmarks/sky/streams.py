"""Streams of stars: GD-1 found by a scan, no stream where there is none, and planted streams of known size.

* ``gd1``: two windows of Gaia stars. In "photometry" (selected by proper motion, colours for half of them) stars are
  selected by colour and magnitude; in "kinematics" (all proper motions, no colours) by the other proper motion. The 454
  likely members of Price-Whelan and Bonaca (arXiv:1805.00425) are the check, and are not used by the search, except
  where the table says that the signal region was taken from them, as published scores have it.
* ``false_alarms``: the same search on fields without a stream: the real stars with their positions shuffled, and stars
  drawn from a mixture of Gaussians that was fitted to the real ones, spread evenly over the window.
* ``planted``: streams by gala, with Gaia's errors, among the real stars of the kinematic window, whose positions are
  exchanged at random.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from benchmarks.rows import Judged, LeftOutError, Row
from benchmarks.sky.streams_figure import draw
from benchmarks.stages import run_stage

import simulacra
from simulacra.events import take_part
from simulacra.formats import star_table
from simulacra.observables.stars import star_column
from simulacra.searches.lines import Line
from simulacra.searches.regions import Region, scan
from simulacra.searches.streams import SearchSettings, StreamSearch, positions_of, search_region, window_of
from simulacra.simulators.stellar_streams import StreamSettings, simulate_stream

__all__ = ["draw", "measure"]

DATA: Final = Path(__file__).parents[2].parent / "shared" / "data" / "gd1"
#: of each window: its file and table, the optional variables, and the settings of the search
WINDOWS: Final[Mapping[str, dict[str, Any]]] = {
    "photometry": {
        "file": "gd1_merged.hdf5",
        "table": "merged",
        "read": {"features": ["magnitude", "colour"], "complete": True},
        "scan": {"width": 1.5, "step": 0.75},
        "features": ("colour", "magnitude"),
        "half_width": 0.5,
    },
    "kinematics": {
        "file": "gd1_data.hdf",
        "table": "centerline_df",
        "read": {"features": []},
        "scan": {"width": 2.0, "step": 1.0},
        "features": None,
        "half_width": 0.3,
    },
}
#: method and number of retrainings of the searches of each window
SEARCHES: Final = (
    ("photometry", "flows", 3),
    ("photometry", "cwola", 3),
    ("photometry", "cathode", 3),
    ("kinematics", "cwola", 3),
    ("kinematics", "flows", 1),
)
#: published purity and efficiency of GD-1 [%]: CWoLa (arXiv:2305.03761), SkyCURTAINs (arXiv:2405.12131)
PUBLISHED: Final = {"CWoLa": (56.0, 51.0), "SkyCURTAINs": (75.4, 37.9)}
MOCKS: Final = 60
SIZES: Final = (25, 50, 100, 200)
PLANTED: Final = 16
SCORE: Final = "gd1-via-machinae"
#: the centre of the kinematic window, phi1 = -50 deg, phi2 = 0 in the frame of GD-1, and the direction of phi1 there
CENTRE: Final = (142.22178, 27.92682)
ANGLE: Final = 34.14777


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything.

    Raises
    ------
    LeftOutError
        if the stars are absent.
    """
    if not all((DATA / one["file"]).is_file() for one in WINDOWS.values()):
        raise LeftOutError(f"there are no stars in {DATA}")
    gd1 = {
        f"{window}, {method}": run_stage(folder, f"streams-{window}-{method}", _search, window, method, again, scale)
        for window, method, again in SEARCHES
    }
    helped = run_stage(folder, "streams-helped", _helped)
    kept = run_stage(folder, "streams-score", _score)
    mocks = max(4, round(scale * MOCKS))
    alarms = {kind: run_stage(folder, f"streams-{kind}", _alarms, kind, mocks) for kind in ("shuffled", "smooth")}
    planted = run_stage(folder, "streams-planted", _planted, max(2, round(scale * PLANTED)))
    return {
        "rows": [_row(name, one).as_record() for name, one in gd1.items()],
        "gd1": gd1,
        "helped": helped,
        "score": kept,
        "false_alarms": alarms,
        "planted": planted,
        "published": {name: list(one) for name, one in PUBLISHED.items()},
    }


def stars_of(window: str) -> xr.Dataset:
    """Return the stars of a window."""
    one = WINDOWS[window]
    return star_table.read(DATA / one["file"], table=one["table"], **one["read"])


def settings_of(window: str, method: str, retrainings: int) -> SearchSettings:
    """Return the settings of a search."""
    return SearchSettings.model_validate(
        {"ratio": {"method": method, "retrainings": retrainings}, "half_width": WINDOWS[window]["half_width"]}
    )


def members(stars: xr.Dataset) -> np.ndarray:
    """Return which stars are likely members of GD-1, (N,)."""
    likely = star_table.read(DATA / "gd1_data.hdf", table="winner_df", features=[])
    return np.isin(stars["event"].values, likely["event"].values)


def judgeable(stars: xr.Dataset) -> np.ndarray:
    """Return of which stars it is known whether they are likely members, (N,).

    Membership needs photometry: a star within the selection by proper motion that has none may be a member or not.
    """
    selected = star_table.read(DATA / "gd1_merged.hdf5", table="merged", features=[])
    measured = star_table.read(DATA / "gd1_merged.hdf5", table="merged", features=["colour"], complete=True)
    index = stars["event"].values
    return np.asarray(~np.isin(index, selected["event"].values) | np.isin(index, measured["event"].values))


def share_of(number: int, of: int) -> tuple[float, float]:
    """Return a share and its binomial error [%]; one event more or less is the least error."""
    share = number / max(of, 1)
    return 100 * share, 100 * max(np.sqrt(share * (1 - share) / max(of, 1)), 1 / max(of, 1))


def _search(folder: Path, window: str, method: str, retrainings: int, scale: float) -> dict[str, Any]:
    stars, one = stars_of(window), WINDOWS[window]
    began = time.process_time()
    found = simulacra.find_streams(
        stars,
        settings=settings_of(window, method, retrainings if scale == 1.0 else 1),
        features=one["features"],
        seed=1,
        folder=folder / f"streams-{window}-{method}",
        **one["scan"],
    )
    return _judged(stars, found) | {"process_seconds": time.process_time() - began}


def _judged(stars: xr.Dataset, found: StreamSearch) -> dict[str, Any]:
    """Return the purity and efficiency of a search's candidates, and what is drawn of it."""
    likely, known, rows = members(stars), judgeable(stars), found.candidates
    sure = rows[known[rows]]
    ranks = np.unique(np.geomspace(5, max(len(sure), 6), 25).astype(int))
    best = found.best
    return {
        "stars": stars.sizes["event"],
        "members": int(likely.sum()),
        "regions": len(found.results),
        "p_value": found.p_value,
        "combined": found.combined,
        "agreeing": [str(found.results[k].region) for k in found.agreeing],
        "line": None if best.line is None else vars(best.line),
        "region": str(best.region),
        "candidates": len(rows),
        "known": len(sure),
        "purity": share_of(int(likely[sure].sum()), len(sure)),
        "purity_of_all": share_of(int(likely[rows].sum()), len(rows)),
        "efficiency": share_of(int(likely[rows].sum()), int(likely.sum())),
        # A selection at random: the share of members among the stars of the agreeing regions.
        "members_share": share_of(int(likely[near := _near(found)].sum()), max(int(known[near].sum()), 1)),
        "curve": [[int(n), *share_of(int(likely[sure[:n]].sum()), int(n))] for n in ranks if n <= len(sure)],
        "p_values": [[one.region.searched, one.region.low, one.region.high, one.p_value] for one in found.results],
        "positions": [[float(stars[name].values[row]) for name in ("phi1", "phi2")] for row in rows],
        "is_member": likely[rows].tolist(),
    }


def _near(found: StreamSearch) -> np.ndarray:
    return np.unique(np.concatenate([found.results[k].rows for k in found.agreeing]))


def _helped(_folder: Path) -> dict[str, Any]:
    """Return the result in the photometric window with the signal region of the known members, as published ones."""
    from simulacra.searches.streams import combined, ranked, with_candidates

    stars, settings = stars_of("photometry"), settings_of("photometry", "cwola", 3)
    found = {}
    for motion in ("proper_motion_phi1", "proper_motion_phi2"):
        of = stars[motion].values[members(stars)]
        low, middle, high = np.quantile(of, [0.16, 0.5, 0.84])
        region = Region(motion, float(low), float(high), 2 * float(high - low))
        features = WINDOWS["photometry"]["features"]
        one = search_region(stars, region, settings, seed=3, features=features)
        if one.line is None:
            continue
        search = combined([one], stars, settings)
        found[motion] = _judged(
            stars, with_candidates(search, [ranked(stars, one, settings, seed=4, features=features)])
        )
        found[motion]["middle"] = float(middle)
    return found


def _score(_folder: Path) -> dict[str, Any]:
    """Return how the shipped score tells likely members from others, on stars of the test part of its region."""
    stars, model = stars_of("kinematics"), simulacra.load(SCORE)
    low, high = (float(model.metadata["experiment"]["system"][name]) for name in ("low", "high"))
    test = np.isin(stars["event"].values, take_part(stars, "test")["event"].values)
    motion = stars["proper_motion_phi2"].values
    likely, known = members(stars), judgeable(stars)
    near = test & (motion >= low) & (motion < high)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", simulacra.ExtrapolationWarning)
        background, signal = (
            model.score(stars.isel(event=np.flatnonzero(rows))) for rows in (near & known & ~likely, near & likely)
        )
    verdict = simulacra.judge_score(background, signal, seed=1)
    return {
        "background": len(background),
        "signal": len(signal),
        "headline": verdict.headline,
        "summary": verdict.summary,
    }


def _alarms(_folder: Path, kind: str, number: int) -> dict[str, Any]:
    """Return how many fields without a stream give a false alarm, and the p-values of all."""
    stars = stars_of("photometry")
    p_values = []
    for k in range(number):
        rng = np.random.default_rng([7, k])
        field = _shuffled(stars, rng) if kind == "shuffled" else _smooth(stars, rng)
        found = simulacra.find_streams(
            field,
            settings=settings_of("photometry", "cwola", 1),
            features=WINDOWS["photometry"]["features"],
            seed=100 + k,
            progress=False,
            **WINDOWS["photometry"]["scan"],
        )
        p_values.append(found.p_value)
    alarms = int(np.sum(np.array(p_values) < 0.05))
    return {"fields": number, "alarms": alarms, "share": share_of(alarms, number), "p_values": p_values}


def _shuffled(stars: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Return the stars with their positions exchanged at random: all of their properties stay, and no line."""
    order = rng.permutation(stars.sizes["event"])
    return stars.assign({name: stars[name].copy(data=stars[name].values[order]) for name in ("phi1", "phi2")})


def _smooth(stars: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Return as many stars from a smooth model of the real ones' motions, colours and magnitudes, evenly spread."""
    from sklearn.mixture import GaussianMixture

    names = ("proper_motion_phi1", "proper_motion_phi2", "colour", "magnitude")
    table = np.stack([stars[name].values for name in names], axis=1)
    mixture = GaussianMixture(6, random_state=0).fit(table)
    mixture.random_state = int(rng.integers(2**31))
    n = stars.sizes["event"]
    columns = dict(zip(names, rng.permutation(mixture.sample(n)[0]).T, strict=True))
    for name in ("phi1", "phi2"):
        columns[name] = rng.uniform(float(stars[name].min()), float(stars[name].max()), n)
    return stars.assign({name: star_column(values, name) for name, values in columns.items()})


def _planted(_folder: Path, number: int) -> dict[str, Any]:
    """Return the share of planted streams that are found, by their number of stars."""
    # With their positions exchanged: GD-1 itself would be found.
    stars = _shuffled(stars_of("kinematics"), np.random.default_rng(5))
    settings = settings_of("kinematics", "cwola", 1)
    regions = scan(stars, **WINDOWS["kinematics"]["scan"])
    found: dict[str, Any] = {"regions": len(regions), "streams": []}
    made = 0
    for k in range(10 * number):
        if made == number:
            break
        rng = np.random.default_rng([11, k])
        stream = _stream(rng, k)
        if stream is None:
            continue
        made += 1
        here: dict[str, Any] = {"motion": [], "found": {}, "p_value": {}}
        for motion in ("proper_motion_phi1", "proper_motion_phi2"):
            here["motion"].append(float(np.median(stream[motion].values)))
        for size in SIZES:
            some = stream.isel(event=slice(0, size))
            field = xr.concat([stars, some[list(stars.data_vars)]], "event", combine_attrs="override")
            p_value, on_it = 1.0, False
            for motion, at in zip(("proper_motion_phi1", "proper_motion_phi2"), here["motion"], strict=True):
                # Regions without the stream cannot find it; they count in the chance of all.
                for region in (one for one in regions if one.searched == motion and one.low <= at < one.high):
                    result = search_region(field, region, settings, seed=k)
                    if result.line is not None and result.line.p_value < p_value:
                        p_value, on_it = result.line.p_value, _is_it(result.line, some, stars)
            whole = float(-np.expm1(len(regions) * np.log1p(-min(p_value, 1 - 1e-12))))
            here["p_value"][str(size)], here["found"][str(size)] = whole, bool(whole < 0.05 and on_it)
        found["streams"].append(here)
    found["efficiency"] = {
        str(size): share_of(sum(one["found"][str(size)] for one in found["streams"]), len(found["streams"]))
        for size in SIZES
    }
    return found


def _stream(rng: np.random.Generator, number: int) -> xr.Dataset | None:
    """Return a stream of enough stars in the window, None if this orbit gives none."""
    along, across = rng.uniform(-16, -2), rng.uniform(-10, 6)
    settings = StreamSettings(
        centre=CENTRE,
        angle=ANGLE,
        distance=float(rng.uniform(6, 12)),
        proper_motion=(float(along), float(across)),
        radial_velocity=float(rng.uniform(-200, 200)),
        mass=1e4,
        reflex=True,
    )
    try:
        stream = simulate_stream(settings, seed=number, n_events=max(SIZES))
    except ValueError:
        return None
    # In the frame of GD-1, whose longitude is -50 degrees at the window's centre; indices that no star has.
    index = -1 - np.arange(max(SIZES))
    return stream.assign(phi1=stream["phi1"].copy(data=stream["phi1"].values - 50.0)).assign_coords(event=index)


def _is_it(line: Line, stream: xr.Dataset, field: xr.Dataset) -> bool:
    """Return whether a line holds a third of a stream's stars, and twice as large a share as of the field's."""
    places = positions_of(field)
    middle = window_of(places).mean(axis=0)
    of_stream, of_field = (float(line.holds(one, middle).mean()) for one in (positions_of(stream), places))
    return of_stream > max(1 / 3, 2 * of_field)


def _row(name: str, one: Mapping[str, Any]) -> Row:
    by_chance = tuple(one["members_share"])
    judged = (
        Judged("chance of the best line in any region", one["p_value"], 0.0, 0.5, 0.3, one["stars"], "below 0.05"),
        Judged("purity of candidates [%]", *one["purity"], *by_chance, one["known"], "56 (CWoLa), 75 (SkyCURTAINs)"),
        Judged("efficiency for members [%]", *one["efficiency"], 0.0, 0.0, one["members"], "51, 38"),
    )
    per_star = 1e6 * one["process_seconds"] / one["stars"]
    return Row("via_machinae", f"GD-1, {name}", one["stars"], one["seconds"] / 60, judged, per_star, 0.1 * per_star)
