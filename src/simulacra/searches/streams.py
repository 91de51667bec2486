"""A search for streams of stars: signal regions of a scan, cuts on the ratio of densities, lines, one significance.

Via Machinae (arXiv:2104.12789) in its steps: the anomaly score R in each signal region, fiducial cuts, the stars with
the highest R, the most significant line among them, and lines of several regions that agree. Different here:

* regions come from a scan, and never from known members;
* stars are scored by models that have not seen them;
* positions are no inputs of the score by which lines are looked for. Without a stream, which stars are selected has
  then nothing to do with where they are, so that a line's probability by chance is known by permutation. A second
  score, with positions, ranks the stars of a line that was found, as in the paper;
* the chance of the best of all regions is stated;
* a candidate needs the votes of most retrainings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Final

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.observables.stars import POSITIONS, PROPER_MOTIONS, refuse_constants, require_stars, table_of
from simulacra.searches.lines import Line, find_line
from simulacra.searches.ratios import RatioSettings, cross_fitted
from simulacra.searches.regions import Region
from simulacra.settings import CheckedSettings

#: variables that are inputs if the stars have them
OPTIONAL: Final = ("colour", "magnitude")
#: regions agree if their lines differ by no more than this angle [rad], and by two half-widths
AGREEING_ANGLE: Final = np.pi / 12
#: largest p-value of a region that is counted with a better one
COUNTED: Final = 0.05
LEAST_SELECTED: Final = 20
#: fewest stars of which a correlation is looked at, and its probability by chance
FEW: Final = 20
BY_CHANCE: Final = 1e-3
#: a line with more of its stars than this in one short piece is a cluster, and no stream
CLUSTERED: Final = 0.5
#: correlation of R with a position, beyond chance, from which on the chance of a line is in doubt
DEPENDENT: Final = 0.1


class SearchSettings(CheckedSettings):
    """Settings of a search.

    ``selected`` is the share of a region's stars with the highest R that are looked at, ``half_width`` half of the
    width of a line [deg], ``majority`` the share of retrainings that must select a candidate, and ``significant`` the
    probability by chance, in any region, below which a stream counts as found.
    """

    ratio: RatioSettings = Field(default_factory=RatioSettings)
    selected: Annotated[float, Field(gt=0, lt=1)] = 0.1
    half_width: Annotated[float, Field(gt=0)] = 0.3
    majority: Annotated[float, Field(ge=0, le=1)] = 0.5
    significant: Annotated[float, Field(gt=0, lt=1)] = 0.05


@dataclass(frozen=True)
class RegionResult:
    """What was found in a signal region.

    Attributes
    ----------
    region:
        the signal region.
    rows:
        places of its stars in the table, (N,).
    scores:
        their ln R, (N,).
    selected, in_line, votes:
        whether each is among the highest; of these, whether it is in the line; and the share of retrainings that select
        it, (N,).
    line:
        the most significant line of the selected stars; None if they are too few.
    dependence:
        rank correlation of R with phi1 or phi2 of the stars that are not in the line, the larger one, 0 within chance.
    """

    region: Region
    rows: np.ndarray
    scores: np.ndarray
    selected: np.ndarray
    in_line: np.ndarray
    votes: np.ndarray
    line: Line | None
    dependence: float = 0.0

    @property
    def clustered(self) -> bool:
        """Whether most stars of the line are in one short piece of it, as of a cluster."""
        return self.line is not None and self.line.densest > CLUSTERED

    @property
    def p_value(self) -> float:
        """The probability of as significant a line by chance in this region; 1 without a line, or for a cluster."""
        return 1.0 if self.line is None or self.clustered else self.line.p_value


@dataclass(frozen=True)
class StreamSearch:
    """The result of a search.

    Attributes
    ----------
    results:
        one for each signal region, in the order of the scan.
    p_value:
        probability of as significant a line by chance in any of the regions. Regions that overlap are counted as
        independent, so that it is rather too large.
    agreeing:
        places in ``results`` of the best region and of those whose lines agree with its line.
    combined:
        their combined significance, in standard deviations, with the correlation of regions that share stars. The
        best region was chosen for its significance: ``p_value`` is what counts for a discovery.
    candidates:
        rows of the table: stars in the line of an agreeing region that most retrainings select, by falling score;
        none before they are ranked.
    candidate_scores:
        their largest ln R, with positions.
    settings:
        of the search.
    """

    results: tuple[RegionResult, ...]
    p_value: float
    agreeing: tuple[int, ...]
    combined: float
    candidates: np.ndarray
    candidate_scores: np.ndarray
    settings: SearchSettings = field(default_factory=SearchSettings)

    @property
    def best(self) -> RegionResult:
        """The region with the smallest p-value."""
        return min(self.results, key=lambda one: one.p_value)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons to doubt the result, in words."""
        told = []
        depend = [one for one in self.results if abs(one.dependence) > DEPENDENT]
        if depend:
            largest = max(depend, key=lambda one: abs(one.dependence))
            told.append(
                f"The score depends on the place in {len(depend)} of {len(self.results)} regions (correlation "
                f"{largest.dependence:+.2f} in {largest.region}): the chance of a line does not hold there. Search a "
                "smaller window, or leave out the feature that changes over it, such as a colour reddened by dust."
            )
        if clusters := [one for one in self.results if one.clustered and one.line and one.line.p_value < COUNTED]:
            told.append(
                f"The line in {clusters[0].region} has most of its stars in one short piece, as of a cluster: it does "
                "not count as a stream."
            )
        return tuple(told)

    @property
    def found(self) -> bool:
        """Whether the best line is significant after the scan."""
        return self.p_value < self.settings.significant


def inputs_of(
    stars: xr.Dataset, searched: str, features: Sequence[str] | None = None, *, positions: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the inputs of the densities, (N, F) float32, and their names.

    Parameters
    ----------
    searched:
        the proper motion of the signal regions, which is no input.
    features:
        names of the inputs; by default the other proper motion, and colour and magnitude if the stars have them.
    positions:
        whether the positions come before them.

    Raises
    ------
    simulacra.events.EventsError
        if the stars lack one.
    ValueError
        if there is none, or one is the searched proper motion or a position.
    """
    require_stars(stars)
    if features is None:
        features = [one for one in PROPER_MOTIONS if one != searched]
        features += [name for name in OPTIONAL if name in stars.data_vars]
    if not features:
        raise ValueError("there is no feature: stars are scored by at least one, such as the other proper motion")
    if wrong := [name for name in features if name in (searched, *POSITIONS)]:
        reason = "a position, where the line is looked for" if wrong[0] in POSITIONS else "what is searched"
        raise ValueError(f"'{wrong[0]}' is {reason}: it cannot be a feature too")
    names = (*(POSITIONS if positions else ()), *features)
    inputs = table_of(stars, names)
    refuse_constants(stars, names)
    return inputs, names


def search_region(
    stars: xr.Dataset,
    region: Region,
    settings: SearchSettings,
    *,
    seed: int,
    features: Sequence[str] | None = None,
    cuts: Mapping[str, tuple[float, float]] | None = None,
    tell: Callable[[float], None] | None = None,
) -> RegionResult:
    """Look for a line in one signal region.

    Parameters
    ----------
    features:
        as of :func:`inputs_of`.
    cuts:
        fiducial cuts, lowest and highest value by the name of the variable, applied after training: no edge of a cut is
        an edge of a density.
    tell:
        called with the completed share.
    """
    inputs, _ = inputs_of(stars, region.searched, features)
    scored = cross_fitted(inputs, 0, stars[region.searched].values, region, settings.ratio, seed, tell)
    kept = _fiducial(stars, cuts)[scored.rows]
    number = min(max(LEAST_SELECTED, round(settings.selected * int(kept.sum()))), int(kept.sum()))
    selected = _highest(scored.scores, kept, number)
    votes = np.mean([_highest(one, kept, number) for one in scored.by_retraining], axis=0)
    places = positions_of(stars)
    window = window_of(places)
    at = places[scored.rows]
    rng = np.random.default_rng(seed + 1)
    line = find_line(at[selected], at[kept & ~selected], window, settings.half_width, rng)
    outside = kept if line is None else kept & ~line.holds(at, window.mean(axis=0))
    return RegionResult(
        region=region,
        rows=scored.rows,
        scores=scored.scores,
        selected=selected,
        in_line=np.zeros(len(selected), bool) if line is None else kept & line.holds(at, window.mean(axis=0)),
        votes=votes,
        line=line,
        dependence=_dependence(scored.scores[outside], at[outside]),
    )


def _dependence(scores: np.ndarray, places: np.ndarray) -> float:
    """Return the larger rank correlation of scores (N,) with the coordinates of places (N, 2); 0 within chance."""
    from scipy.stats import spearmanr

    found = [spearmanr(scores, places[:, k]) for k in range(2)] if len(scores) > FEW else []
    beyond = [float(one.statistic) for one in found if one.pvalue < BY_CHANCE]
    return max(beyond, key=abs, default=0.0)


def ranked(
    stars: xr.Dataset,
    result: RegionResult,
    settings: SearchSettings,
    *,
    seed: int,
    features: Sequence[str] | None = None,
    tell: Callable[[float], None] | None = None,
) -> RegionResult:
    """Return the result of a region with a line, its stars selected anew by a score with positions, within the line.

    As many are selected as the line has more of the region's stars than its side bands promise: the estimated number of
    members in the region.
    """
    if result.line is None:
        raise ValueError(f"there is no line in {result.region}")
    inputs, _ = inputs_of(stars, result.region.searched, features, positions=True)
    scored = cross_fitted(
        inputs, len(POSITIONS), stars[result.region.searched].values, result.region, settings.ratio, seed, tell
    )
    place = np.empty(stars.sizes["event"], np.int64)
    place[result.rows] = np.arange(len(result.rows))
    in_line = result.in_line[place[scored.rows]]
    places = positions_of(stars)
    beside = result.region.beside(stars[result.region.searched].values)
    promised = float(result.line.holds(places[beside], window_of(places).mean(axis=0)).mean()) * len(in_line)
    number = min(max(1, round(float(in_line.sum()) - promised)), int(in_line.sum()))
    return replace(
        result,
        rows=scored.rows,
        scores=scored.scores,
        in_line=in_line,
        selected=_highest(scored.scores, in_line, number),
        votes=np.mean([_highest(one, in_line, number) for one in scored.by_retraining], axis=0),
    )


def positions_of(stars: xr.Dataset) -> np.ndarray:
    """Return positions (N, 2) [deg]."""
    return np.stack([stars[name].values.astype(np.float64) for name in POSITIONS], axis=1)


def window_of(positions: np.ndarray) -> np.ndarray:
    """Return the lowest and the highest of positions (N, 2), (2, 2) [deg]."""
    return np.stack([positions.min(axis=0), positions.max(axis=0)])


def _fiducial(stars: xr.Dataset, cuts: Mapping[str, tuple[float, float]] | None) -> np.ndarray:
    """Return which stars pass the cuts, (N,)."""
    kept = np.ones(stars.sizes["event"], bool)
    for name, (low, high) in (cuts or {}).items():
        require_stars(stars, (name,))
        if not low < high:
            raise ValueError(f"the cut on '{name}' keeps nothing: {low:g} to {high:g}")
        kept &= (stars[name].values >= low) & (stars[name].values <= high)
    if not kept.any():
        raise ValueError("no star passes the fiducial cuts")
    return kept


def combined(results: Sequence[RegionResult], stars: xr.Dataset, settings: SearchSettings) -> StreamSearch:
    """Return the result of a search from the results of its regions (at least one)."""
    from scipy.stats import norm

    p_values = np.array([one.p_value for one in results])
    best = int(np.argmin(p_values))
    agreeing = [
        k
        for k, one in enumerate(results)
        if k == best or (one.p_value < COUNTED and _agree(one.line, results[best].line))
    ]
    scores = norm.isf(np.clip(p_values[agreeing], 1e-300, 1 - 1e-9))
    shared = np.array([[results[i].region.share(results[j].region, stars) for j in agreeing] for i in agreeing])
    return StreamSearch(
        results=tuple(results),
        p_value=float(-np.expm1(len(results) * np.log1p(-min(p_values[best], 1 - 1e-12)))),
        agreeing=tuple(agreeing),
        combined=float(scores.sum() / np.sqrt(shared.sum())),
        candidates=np.empty(0, np.int64),
        candidate_scores=np.empty(0),
        settings=settings,
    )


def with_candidates(search: StreamSearch, ranked_results: Sequence[RegionResult]) -> StreamSearch:
    """Return a search with the candidates of its agreeing regions, each ranked by a score with positions."""
    found: dict[int, float] = {}
    for one in ranked_results:
        for star in np.flatnonzero(one.selected & (one.votes >= search.settings.majority)):
            row = int(one.rows[star])
            found[row] = max(found.get(row, -np.inf), float(one.scores[star]))
    rows = sorted(found, key=lambda row: -found[row])
    return replace(
        search,
        candidates=np.array(rows, dtype=np.int64),
        candidate_scores=np.array([found[row] for row in rows]),
    )


def _highest(scores: np.ndarray, among: np.ndarray, number: int) -> np.ndarray:
    """Return which are the ``number`` highest of some, (N,)."""
    chosen = np.zeros(len(scores), bool)
    some = np.flatnonzero(among)
    chosen[some[np.argsort(-scores[some], kind="stable")[:number]]] = True
    return chosen


def _agree(first: Line | None, second: Line | None) -> bool:
    """Return whether two lines have nearly the same angle and distance; an angle of pi is one of 0, mirrored."""
    if first is None or second is None:
        return False
    apart = second.angle - first.angle
    mirrored = abs(apart) > np.pi / 2
    distance = -second.distance if mirrored else second.distance
    angle = np.pi - abs(apart) if mirrored else abs(apart)
    return angle <= AGREEING_ANGLE + 1e-9 and abs(distance - first.distance) <= 2 * first.half_width
