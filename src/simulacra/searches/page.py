"""The page of a search for streams: the verdict, the chance of each region, the line on the sky, the candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from simulacra.observables.stars import POSITIONS, PROPER_MOTIONS
from simulacra.pages.page import Card, Chapter, Page
from simulacra.pages.style import GENERATED, GRID, SERIES, TRUTH, new_figure, svg_of
from simulacra.pages.write import picture
from simulacra.searches.streams import RegionResult, StreamSearch, positions_of, window_of

#: candidates in the table of the page; the store holds all
SHOWN: Final = 40
SMALLEST: Final = 1e-12
NAMES: Final = {"proper_motion_phi1": "proper motion in φ₁", "proper_motion_phi2": "proper motion in φ₂"}


def search_page(
    stars: xr.Dataset, found: StreamSearch, *, title: str, provenance: Sequence[tuple[str, str]] = ()
) -> Page:
    """Return the page of a search.

    Parameters
    ----------
    stars:
        the searched stars.
    title:
        of the page.
    provenance:
        rows of (name, value).
    """
    best, line = found.best, found.best.line
    limit = found.settings.significant
    headline = (
        f"A stream of {len(found.candidates)} candidates: p = {found.p_value:.2g}."
        if found.found
        else f"No stream: the most significant line has p = {found.p_value:.2g}."
    )
    where = "no line" if line is None else f"{line.stars} stars where {line.expected:.1f} are expected"
    summary = (
        f"{len(found.results)} signal regions were searched among {stars.sizes['event']:,} stars. The best line is in "
        f"{_named(best)}: {where}. p is the probability of as significant a line by chance in any of the regions; a "
        f"stream counts as found below {limit:g}."
    )
    return Page(
        title=title,
        overline="Search for streams",
        headline=headline,
        summary=summary,
        warnings=found.doubts
        if found.found
        else (
            *found.doubts,
            "The candidates below are those of a line that chance explains: do not use them as members.",
        ),
        cards=(
            Card("chance in any region", f"{found.p_value:.2g}", (f"found below {limit:g}",)),
            Card(
                "agreeing regions",
                str(len(found.agreeing)),
                (f"together {found.combined:.1f} standard deviations, not corrected for the scan",),
            ),
            Card("candidates", str(len(found.candidates)), ("in the line, with most votes",)),
        ),
        chapters=(_regions(found), _sky(stars, found), _candidates(stars, found)),
        provenance=tuple(provenance),
        provenance_columns=("value",),
        record={
            "format": "simulacra-streams-1",
            "p_value": found.p_value,
            "found": found.found,
            "combined": found.combined,
            "agreeing": [str(found.results[k].region) for k in found.agreeing],
            "regions": [
                {
                    "searched": one.region.searched,
                    "low": one.region.low,
                    "high": one.region.high,
                    "stars": len(one.rows),
                    "line": None if one.line is None else vars(one.line),
                }
                for one in found.results
            ],
            "candidates": [
                {"event": int(stars["event"].values[row]), "score": float(score)}
                for row, score in zip(found.candidates, found.candidate_scores, strict=True)
            ],
            "settings": found.settings.model_dump(mode="json"),
            "provenance": dict(provenance),
        },
        footnote="ln R is the logarithm of a star's density over that which the side bands promise.",
    )


def _named(result: RegionResult) -> str:
    """Return a region's name, such as "proper motion in φ₁ from -9 to -7 mas/yr"."""
    region = result.region
    return f"{NAMES.get(region.searched, region.searched)} from {region.low:g} to {region.high:g} mas/yr"


def _regions(found: StreamSearch) -> Chapter:
    with new_figure(4.6, 3.3) as figure:
        axes = figure.subplots()
        for motion, colour in zip(PROPER_MOTIONS, SERIES, strict=False):
            of = [one for one in found.results if one.region.searched == motion]
            if of:
                middle = [(one.region.low + one.region.high) / 2 for one in of]
                axes.plot(middle, [max(one.p_value, SMALLEST) for one in of], "o-", color=colour, markersize=3.5,
                          linewidth=0.8, label=NAMES[motion])  # fmt: skip
        limit = found.settings.significant / len(found.results)
        axes.axhline(limit, color=TRUTH, linestyle=(0, (3, 2)), linewidth=0.9)
        axes.set_yscale("log")
        axes.set_xlabel("Middle of the signal region [mas/yr]")
        axes.set_ylabel("Chance of its best line")
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(loc="best")
        drawn = svg_of(figure)
    ordered = sorted(found.results, key=lambda one: one.p_value)[:10]
    rows = tuple(
        (
            _named(one),
            f"{one.p_value:.2g}",
            f"{len(one.rows):,}",
            "–" if one.line is None else str(one.line.stars),
            "–" if one.line is None else f"{one.line.expected:.1f}",
            "–" if one.line is None else f"{one.line.significance:.1f}",
        )
        for one in ordered
    )
    text = (
        "Each region is a band of one proper motion. Its selected stars are those with the highest ln R without "
        "positions, from models that were trained on other stars. The line is the strip with the largest excess over "
        "the region's other stars, and its chance that of any strip when stars are selected at random."
    )
    return Chapter(
        "regions",
        "Signal regions",
        (
            text,
            "A stream is found below the dashed line. Chances below 1 in 1,000 are extrapolated by a Gumbel law.",
            "The table lists the ten best regions.",
        ),
        pictures=(picture(drawn, "the chance of the best line of each signal region"),),
        columns=("region", "chance", "stars", "in line", "expected", "significance"),
        rows=rows,
    )


def _sky(stars: xr.Dataset, found: StreamSearch) -> Chapter:
    places, best = positions_of(stars), found.best
    window = window_of(places)
    selected, chosen = best.rows[best.selected], found.candidates
    with new_figure(7.4, 3.2) as figure:
        axes = figure.subplots()
        axes.plot(*places[selected].T, ".", color="0.6", markersize=3, label="selected in the best region")
        axes.plot(*places[chosen].T, ".", color=GENERATED, markersize=4, label="candidates")
        for line in (found.results[k].line for k in found.agreeing):
            if line is None:
                continue
            across = np.array([np.cos(line.angle), np.sin(line.angle)])
            along = np.array([-across[1], across[0]])
            reach = float(np.hypot(*(window[1] - window[0])))
            for side in (-1, 1):
                point = window.mean(axis=0) + (line.distance + side * line.half_width) * across
                ends = np.stack([point - reach * along, point + reach * along])
                axes.plot(*ends.T, color=TRUTH, linewidth=1.2 if line is best.line else 0.5)
        axes.set_xlim(*window[:, 0])
        axes.set_ylim(*window[:, 1])
        axes.set_xlabel("φ₁ [deg]")
        axes.set_ylabel("φ₂ [deg]")
        axes.legend(loc="upper right", fontsize=7.5)
        sky = svg_of(figure)
    with new_figure(4.6, 3.3) as figure:
        axes = figure.subplots()
        motion = [stars[name].values for name in PROPER_MOTIONS]
        axes.plot(motion[0][::5], motion[1][::5], ",", color="0.7")
        axes.plot(motion[0][chosen], motion[1][chosen], ".", color=GENERATED, markersize=4)
        axes.set_xlim(*np.quantile(motion[0], [0.005, 0.995]))
        axes.set_ylim(*np.quantile(motion[1], [0.005, 0.995]))
        axes.set_xlabel("Proper motion in φ₁ [mas/yr]")
        axes.set_ylabel("Proper motion in φ₂ [mas/yr]")
        moving = svg_of(figure)
    return Chapter(
        "sky",
        "On the sky",
        ("The lines of all regions that agree (the best one bold), the stars selected in its region, and candidates.",),
        pictures=(picture(moving, "proper motions of the candidates among all stars"),),
        large_pictures=(picture(sky, "positions of the selected stars and of the candidates, with the line"),),
    )


def _candidates(stars: xr.Dataset, found: StreamSearch) -> Chapter:
    names = (*POSITIONS, *PROPER_MOTIONS)
    rows = tuple(
        (
            str(int(stars["event"].values[row])),
            *(f"{float(stars[name].values[row]):.3f}" for name in names),
            f"{score:.2f}",
        )
        for row, score in list(zip(found.candidates, found.candidate_scores, strict=True))[:SHOWN]
    )
    text = (
        "Stars in the line that are ranked highest by ln R with positions: as many in each agreeing region as the line "
        "has more stars than its side bands promise, and those that most retrainings select."
    )
    return Chapter(
        "candidates",
        "Candidates",
        (text, f"The table lists the first {SHOWN}.") if len(found.candidates) > SHOWN else (text,),
        columns=("star", "φ₁ [deg]", "φ₂ [deg]", "μ φ₁ [mas/yr]", "μ φ₂ [mas/yr]", "ln R"),
        rows=rows,
    )
