"""Whether a generator is worse inside a band of a condition, held out of its training, than next to it.

Inside the band, and in a slice on each side of it (with as many truth events, if possible), each observable's
1-Wasserstein distance is computed in standard deviations of the truth there. The value for truth against truth at the
sizes of each part is subtracted. The excess next to the band (the mean of the sides) is subtracted from the excess
inside: above 0, the generator is worse inside.

The p-value is the larger of two: the probability of a difference at least as large if the two parts are equally bad
(bootstrap, about its own mean), and if both are perfect (halves of the truth). With truth on both sides of the band
this tests interpolation, otherwise extrapolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.conditions import Band
from simulacra.judges.distances.distributions import scale_of
from simulacra.judges.finding import Finding
from simulacra.judges.samples import JudgeError, Sample
from simulacra.statistics.distances.divisions import REPLICATES, Replicates, p_value
from simulacra.statistics.distances.two_sample import WASSERSTEIN, Lines, Scores, mean_scores
from simulacra.wording import with_error

FEWEST_EVENTS: Final = 100
POINTS: Final = 512
LEVEL: Final = 0.05
UNITS: Final = "truth standard deviations"


def judge_band(
    truth: Sample, generated: Sample, band: Band, rng: np.random.Generator, *, replicates: int = REPLICATES
) -> list[Finding]:
    """Return whether the generated events are worse inside the band than next to it: all observables, then each.

    Raises
    ------
    JudgeError
        if a sample has no such condition, or too few events inside the band or on all of its sides.
    """
    for sample in (truth, generated):
        if band.condition not in sample.conditions:
            raise JudgeError(f"{sample.label} has no condition '{band.condition}' for the band")
    names = [name for name in truth.observables if name in generated.observables]
    if not names:
        raise JudgeError("a band needs observables that both samples have")
    parts = _parts(truth, generated, band)
    scores = [_scores(truth, generated, rows, names, rng, replicates) for rows in parts]
    inside, beside = scores[0], [mean_scores(side) for side in zip(*scores[1:], strict=True)]
    each = [_Contrast.of(*pair) for pair in zip(inside, beside, strict=True)]
    p_values = _simultaneous_p_values(each)
    mean = _Contrast.of(mean_scores(inside), mean_scores(beside))
    about = _About(truth, band, len(parts) == 3, (len(parts[0][0]), len(parts[0][1])))
    findings = [_finding("all observables", "Mean of all observables", mean, mean.p_value, about)]
    judged = zip(names, each, p_values, strict=True)
    return findings + [_finding(name, truth.long_names[name], one, p, about) for name, one, p in judged]


@dataclass(frozen=True)
class _Contrast:
    """The excess inside minus that outside, its bootstrap values, and the fluctuations of perfect parts about 0."""

    inside: Scores
    beside: Scores
    value: float
    drawn: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, inside: Scores, beside: Scores) -> _Contrast:
        value = (inside.value - inside.halves.mean()) - (beside.value - beside.halves.mean())
        drawn, chance = inside.bootstrap - beside.bootstrap, inside.halves - beside.halves
        return cls(inside, beside, float(value), drawn - drawn.mean(), chance - chance.mean())

    @property
    def p_value(self) -> float:
        return max(p_value(self.value, self.drawn), p_value(self.value, self.chance))


@dataclass(frozen=True)
class _About:
    truth: Sample
    band: Band
    both_sides: bool
    sizes: tuple[int, int]


def _parts(truth: Sample, generated: Sample, band: Band) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows of both samples inside the band, and in a slice on each side with enough events."""
    conditions = [sample.conditions[band.condition] for sample in (truth, generated)]
    inside = tuple(np.flatnonzero(band.inside(values)) for values in conditions)
    if min(map(len, inside)) < FEWEST_EVENTS:
        raise JudgeError(
            f"{len(inside[0])} truth and {len(inside[1])} generated events are inside {band}: "
            f"{FEWEST_EVENTS} of each are needed"
        )
    size = len(inside[0])
    parts = [(inside[0], inside[1])]
    for sign, end in ((-1, band.low), (1, band.high)):
        away = np.sort(sign * (conditions[0] - end))
        away = away[away > 0]
        if len(away) < FEWEST_EVENTS:
            continue
        reach = away[min(size, len(away)) - 1]
        rows = [np.flatnonzero((sign * (values - end) > 0) & (sign * (values - end) <= reach)) for values in conditions]
        if min(map(len, rows)) >= FEWEST_EVENTS:
            parts.append((rows[0], rows[1]))
    if len(parts) == 1:
        raise JudgeError(f"no side of {band} has {FEWEST_EVENTS} events of each sample for the comparison")
    return parts


def _scores(
    truth: Sample,
    generated: Sample,
    rows: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
    rng: np.random.Generator,
    replicates: int,
) -> list[Scores]:
    """Return the distances of each observable in a part, in the truth's standard deviations there."""
    weights = truth.weights[rows[0]], generated.weights[rows[1]]
    if min(w.sum() for w in weights) <= 0:
        raise JudgeError("all events inside or next to the band have the weight 0")
    lines = Lines(Replicates.draw(weights[0], weights[1], rng, replicates=replicates), points=POINTS)
    found = []
    for name in names:
        one, two = truth.observables[name][rows[0]], generated.observables[name][rows[1]]
        scale = scale_of(one, two, weights[0])
        found.append(lines.scores(one / scale, two / scale)[WASSERSTEIN])
    return found


def _simultaneous_p_values(each: Sequence[_Contrast]) -> list[float]:
    """Return for each observable the probability that the worst of all is as bad by chance, each on its own scale."""
    p_values = np.zeros(len(each))
    for kind in ("drawn", "chance"):
        replicates = np.column_stack([getattr(one, kind) for one in each])
        scale = np.maximum(replicates.std(axis=0, ddof=1), 1e-12)
        largest = (replicates / scale).max(axis=1)
        own = [p_value(one.value / spread, largest) for one, spread in zip(each, scale, strict=True)]
        p_values = np.maximum(p_values, own)
    return [float(p) for p in p_values]


def _finding(observable: str, title: str, found: _Contrast, probability: float, about: _About) -> Finding:
    inside, beside = found.inside.distance, found.beside.distance
    error, label = float(found.drawn.std(ddof=1)), about.truth.label
    units = about.truth.units[about.band.condition]
    where = f"{about.band.condition} {about.band.low:g} to {about.band.high:g}{'' if units == '1' else f' {units}'}"
    verdict = "worse inside the band" if probability <= LEVEL else "not seen to be worse inside the band"
    kind = "Interpolation" if about.both_sides else "Extrapolation"
    here, there = (with_error(one.value, one.uncertainty) for one in (inside, beside))
    own, own_beside = (with_error(one.truth_value, one.truth_uncertainty) for one in (inside, beside))
    return Finding.of(
        "held_out_band",
        observable,
        (found.value, error, 0.0, float(found.chance.std(ddof=1)), probability),
        about.sizes,
        f"{kind}, {where}: {title[:1].lower()}{title[1:]} {verdict} (by {with_error(found.value, error)} standard "
        f"deviations, p = {probability:.2g}). W1 inside {here}, {label} against itself {own}; next to it {there}, "
        f"{label} against itself {own_beside}.",
        units=UNITS,
        region=where,
        extrapolated=not about.both_sides,
        details={
            "band": [about.band.low, about.band.high],
            "kind": kind.lower(),
            "inside": inside.value,
            "inside_uncertainty": inside.uncertainty,
            "inside_truth": inside.truth_value,
            "beside": beside.value,
            "beside_uncertainty": beside.uncertainty,
            "beside_truth": beside.truth_value,
        },
    )
