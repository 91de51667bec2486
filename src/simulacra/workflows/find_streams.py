"""Streams of stars in a field, from a scan over proper motions to candidates."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulacra.settings import faults_of, whole_number
from simulacra.version import __version__

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.progress import Progress
    from simulacra.searches.streams import RegionResult, SearchSettings, StreamSearch

#: share of the work that ranks candidates, beside that of the scan
RANKING: Final = 0.15


def find_streams(
    stars: xr.Dataset,
    *,
    settings: SearchSettings | Mapping[str, Any] | None = None,
    searched: Sequence[str] = ("proper_motion_phi1", "proper_motion_phi2"),
    width: float = 2.0,
    step: float = 1.0,
    side: float = 4.0,
    features: Sequence[str] | None = None,
    cuts: Mapping[str, tuple[float, float]] | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | bool = True,
) -> StreamSearch:
    """Search a field of stars for a stream (Via Machinae, arXiv:2104.12789).

    The signal regions are bands of the proper motions. In each, stars are selected by the ratio of their density to
    what the side bands promise; a line among them is a candidate stream, and its chance is stated for all regions.

    Parameters
    ----------
    stars:
        events with ``phi1``, ``phi2`` [deg] and the proper motions [mas/yr], such as
        :func:`simulacra.formats.star_table.read` returns; ``colour`` and ``magnitude`` [mag] are used if they are
        there.
    settings:
        of the search, as fields of :class:`~simulacra.searches.streams.SearchSettings`.
    searched, width, step, side:
        the proper motions to scan, and the width, distance and side bands of regions [mas/yr].
    features:
        inputs of the densities; by default the other proper motion, and colour and magnitude.
    cuts:
        fiducial cuts, lowest and highest value by name, which select stars after the training.
    seed:
        of folds, networks and permutations.
    folder:
        where the result of each region is kept, so that a killed search continues.
    progress:
        whether to show a progress bar, or a function that is called with each step and the completed share.

    Raises
    ------
    simulacra.events.EventsError
        if the stars lack a variable or break the conventions.
    ValueError
        if no region holds enough stars, or a setting makes no sense.

    Examples
    --------
    >>> import simulacra
    >>> from simulacra.systems.via_machinae import toy_field
    >>> found = simulacra.find_streams(
    ...     toy_field(3000, seed=1, stream=150), settings={"ratio": {"method": "cwola"}}, progress=False
    ... )
    >>> found.found, str(found.best.region)
    (True, 'proper_motion_phi1 -9 to -7 mas/yr')
    """
    from pydantic import ValidationError

    from simulacra.events import validate
    from simulacra.observables.stars import require_stars
    from simulacra.progress import step_progress
    from simulacra.searches.regions import scan
    from simulacra.searches.streams import SearchSettings, combined, ranked, search_region, with_candidates

    seed = whole_number(seed, "the seed")
    if not isinstance(settings, SearchSettings):
        try:
            settings = SearchSettings.model_validate(dict(settings or {}))
        except ValidationError as error:
            raise ValueError(faults_of(error)) from None
    validate(stars)
    require_stars(stars)
    _check_places(stars)
    # In the order of their indices: what is found does not depend on the order of a file's rows.
    order = np.argsort(stars["event"].values, kind="stable")
    stars = stars.isel(event=order)
    regions = scan(stars, searched=searched, width=width, step=step, side=side)
    said = {
        "version": __version__,
        "settings": settings.model_dump(mode="json"),
        "features": None if features is None else list(features),
        "cuts": {name: list(cut) for name, cut in (cuts or {}).items()},
        "seed": seed,
        "stars": _digest(stars),
    }
    with contextlib.ExitStack() as stack:
        shown = progress if callable(progress) else stack.enter_context(step_progress("scan", show=progress))
        results = []
        for number, region in enumerate(regions):

            def tell(part: float, number: int = number) -> None:
                shown(f"region {number + 1} of {len(regions)}", (1 - RANKING) * (number + part) / len(regions))

            tell(0.0)
            own = seed + 2 * number
            search = partial(search_region, stars, region, settings, seed=own, features=features, cuts=cuts, tell=tell)
            # With the seed: what was kept of a scan with another step has another one.
            kept = said | {"region": [region.searched, region.low, region.high, region.side, own]}
            results.append(_kept(None if folder is None else Path(folder), kept, region, search))
        search_result = combined(results, stars, settings)
        best = []
        lines = [k for k in search_result.agreeing if results[k].line is not None]
        for number, k in enumerate(lines):
            shown("ranking candidates", 1 - RANKING + RANKING * number / len(lines))
            best.append(ranked(stars, results[k], settings, seed=seed + 2 * k + 1, features=features))
        shown("done", 1.0)
    found = with_candidates(search_result, best)
    return replace(
        found,
        results=tuple(replace(one, rows=order[one.rows]) for one in found.results),
        candidates=order[found.candidates],
    )


def candidates_of(stars: xr.Dataset, found: StreamSearch) -> xr.Dataset:
    """Return the candidate members as events, by falling ``score``, their ln R with positions."""
    from simulacra.events import variable

    some = stars.isel(event=found.candidates)
    score = variable(
        found.candidate_scores.astype(np.float32),
        units="1",
        long_name="ln R, the density of stars over that of the side bands",
        role="feature",
    )
    return some.assign(score=score)


def _check_places(stars: xr.Dataset) -> None:
    """Refuse positions that are no window of the sky, and stars that are there twice.

    Raises
    ------
    ValueError
        with the place or the stars.
    """
    phi1, phi2 = stars["phi1"].values, stars["phi2"].values
    if np.abs(phi2).max() > 90 or np.abs(phi1).max() > 360:
        raise ValueError("positions are beyond 90 degrees in phi2 or 360 in phi1: they are read in degrees")
    if np.ptp(phi1) >= 180:
        raise ValueError(
            f"the stars reach from phi1 = {phi1.min():g} to {phi1.max():g} degrees: a window is narrower than 180; if "
            "it crosses 0, subtract 360 from those above 180"
        )
    names = ("phi1", "phi2", "proper_motion_phi1", "proper_motion_phi2")
    _, first, number = np.unique(
        np.stack([stars[name].values for name in names], axis=1), axis=0, return_index=True, return_counts=True
    )
    if (twice := number > 1).any():
        event = int(stars["event"].values[first[np.argmax(twice)]])
        raise ValueError(
            f"{int(twice.sum()):,} stars are there more than once, such as event {event}: keep one of each, or they "
            "make lines"
        )


def _digest(stars: xr.Dataset) -> str:
    """Return a hash of the stars' values."""
    found = hashlib.sha256()
    for name in sorted(map(str, stars.data_vars)):
        found.update(name.encode() + np.ascontiguousarray(stars[name].values).tobytes())
    return found.hexdigest()


def _kept(
    folder: Path | None, said: Mapping[str, Any], region: Any, search: Callable[[], RegionResult]
) -> RegionResult:
    """Return the result of a region, from the folder if it is there."""
    from simulacra.errors import printable
    from simulacra.searches.lines import Line
    from simulacra.searches.streams import RegionResult
    from simulacra.whole_files import whole_file

    if folder is None:
        return search()
    folder = folder / "regions"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:20]
    path = folder / f"{name}.npz"
    arrays = ("rows", "scores", "selected", "in_line", "votes")
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as file:
                line = None if not file["line"].size else Line(**json.loads(str(file["line"][0])))
                depends = float(file["dependence"])
                return RegionResult(region=region, line=line, dependence=depends, **{one: file[one] for one in arrays})
        except Exception as error:
            # numpy, zipfile and zlib fail in a dozen ways on a damaged file.
            what = printable(f"{type(error).__name__}: {error}", 200)
            raise ValueError(f"'{path}' is damaged ({what}): remove it to search this region again") from error
    found = search()
    line_text = [] if found.line is None else [json.dumps(vars(found.line))]
    with whole_file(path) as fresh, fresh.open("wb") as out:
        np.savez(
            out,
            line=np.array(line_text, dtype=str),
            dependence=found.dependence,
            **{one: getattr(found, one) for one in arrays},
        )
    return found
