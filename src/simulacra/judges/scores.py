"""Judge a score of events: the improvement of a signal's significance, and the effect on the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.stats import norm

from simulacra.judges.finding import Finding
from simulacra.judges.samples import JudgeError
from simulacra.judges.scored_samples import ScoredSample, Scores
from simulacra.judges.unpacking import FEWEST_EFFECTIVE, FEWEST_EVENTS
from simulacra.progress import Progress, silent
from simulacra.settings import whole_number
from simulacra.statistics.binned_efficiency import (
    Cut,
    Uniformity,
    cuts_at,
    uniformity_of_other,
    uniformity_of_own,
)
from simulacra.statistics.classifiers.ranks import Area, area_of, standard_score
from simulacra.statistics.distances.divisions import REPLICATES, Replicates, p_value
from simulacra.statistics.distances.histograms import Binning, Histogram, binning_of, histogram
from simulacra.statistics.distances.two_sample import KOLMOGOROV_SMIRNOV, Lines, effective_size
from simulacra.statistics.significance_improvement import (
    MOST_RELATIVE_ERROR,
    Chance,
    EfficiencyCurve,
    HeldOut,
    at_cut,
    background_against_background,
    efficiency_curve,
    held_out_improvement,
    redrawn,
)
from simulacra.wording import with_error

Outcome = Literal["pass", "fail", "undecided"]

LABELS: Final = ("background", "signal", "second background")
#: background efficiencies of the tested cuts, and those at which the improvement is quoted
CUTS: Final = (0.1, 0.01, 0.001)
QUOTED: Final = (0.01, 0.001)
SIGNAL_EFFICIENCY: Final = 0.5
IMPROVEMENT: Final = "significance_improvement"
#: signal efficiencies at which chance is estimated
GRID: Final = np.linspace(0.01, 1.0, 100)
#: cuts of a curve in figures and in the record
POINTS: Final = 300
#: p-values below which the background efficiency is called uneven, and a signal is found
UNEVEN_P_VALUE: Final = 0.01
FOUND_P_VALUE: Final = 0.05
#: relative difference of an efficiency that is accepted even if significant
MOST_UNEVEN: Final = 0.1
#: smallest required improvement
LEAST_IMPROVEMENT: Final = 1.1
SIGMAS: Final = 2.0
#: upper limit on a number of events of which none was seen, at 95 % confidence
NONE_SEEN: Final = 3.0
#: fewer replicates have no p-value of 5 %
FEWEST_REPLICATES: Final = 19


@dataclass(frozen=True)
class ScoreVerdict:
    """The judgement on a score.

    Attributes
    ----------
    outcome, headline, summary, warnings, notes:
        the verdict in words, reasons for doubt, and what could not be tested.
    findings:
        all numbers, with their errors and the values for background against background.
    curve:
        efficiencies of cuts, as far as known.
    held_out:
        the best cut, chosen and judged on different events.
    chance:
        background against background.
    binning, histograms:
        of the scores, by sample.
    own, other:
        the background efficiency in bins of the conditions, and that of the second background; None if there is none.
    sizes:
        events of the samples: background, signal, and second background if there is one.
    units:
        of the conditions.
    name, score_units, seed:
        of the score, and of the random numbers.
    """

    outcome: Outcome
    headline: str
    summary: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    curve: EfficiencyCurve
    held_out: HeldOut | None
    chance: Chance
    binning: Binning
    histograms: Mapping[str, Histogram]
    own: Uniformity | None
    other: Uniformity | None
    sizes: Mapping[str, int]
    units: Mapping[str, str]
    name: str
    score_units: str
    seed: int

    @property
    def passed(self) -> bool:
        """Whether a cut on the score improves the significance, and no uneven background efficiency is seen."""
        return self.outcome == "pass"


def judge_score(
    background: Scores,
    signal: Scores,
    null: Scores | None = None,
    *,
    seed: int = 0,
    max_events: int = 200_000,
    replicates: int = REPLICATES,
    progress: Progress | None = None,
) -> ScoreVerdict:
    r"""Judge a score with events of known kind: the separation by cuts, and the effect of cuts on the background.

    Parameters
    ----------
    background, signal:
        output of :meth:`simulacra.TrainedScore.scored` or :func:`simulacra.score` for events not used in the score's
        training; or scores, (N,); or arrays (N,) by name: ``score``, ``weight`` if there are weights, and conditions. A
        higher score means less like the background.
    null:
        the same for a second background, such as a simulated one in addition to a side band. The distribution of the
        scores and the efficiencies of cuts, set on the first background, must agree.
    seed:
        the same seed gives the same numbers.
    max_events:
        of each sample; of more, this number is chosen at random.
    replicates:
        number, for errors, chance and p-values; at least 19.
    progress:
        called with each step and the completed share.

    Raises
    ------
    JudgeError
        if a sample has too few events, a value that is not finite, or the events of another one.

    Notes
    -----
    The verdict is "pass" if the best cut, chosen on other events, improves the significance by more than two errors
    beyond 1 and beyond chance (p <= 0.05), and no background efficiency is uneven. Uneven means a difference of more
    than 10 % in a bin of a condition or in the second background, with p < 0.01 for all bins together. It is "fail" if
    an efficiency is uneven, or no cut improves the significance by 10 %, within two errors. The latter is "undecided"
    if a cut that keeps too few background events to be judged improves the significance by more than 10 %, at the
    limits (two errors) of both efficiencies.

    References
    ----------
    Gallicchio et al., arXiv:1010.3698 (significance improvement); Nachman and Shih, arXiv:2001.04990 (ANODE); Hallin
    et al., arXiv:2109.00546 (CATHODE) and arXiv:2210.14924 (sculpting); Shih et al., arXiv:2104.12789 (Via Machinae).
    """
    tell = progress or silent
    max_events = whole_number(max_events, "the largest number of events", 1)
    replicates = whole_number(replicates, "the number of replicates", 1)
    if replicates < FEWEST_REPLICATES:
        raise JudgeError(f"{replicates} replicates give no errors: at least {FEWEST_REPLICATES} are needed")
    tell("scores", 0.0)
    rngs = np.random.default_rng(whole_number(seed, "the seed")).spawn(6)
    given = [
        (background, FEWEST_EVENTS),
        (signal, FEWEST_EFFECTIVE),
        *([(null, FEWEST_EVENTS)] if null is not None else []),
    ]
    samples = [
        ScoredSample.of(one, label, rngs[0], least=least, most=max_events)
        for (one, least), label in zip(given, LABELS, strict=False)
    ]
    _refuse_the_same(samples)
    first, second = samples[:2]

    curve = efficiency_curve(first.events, second.events)
    tell("errors", 0.1)
    drawn = [_points(one) for one in redrawn(first.events, second.events, rngs[1], replicates)]
    tell("background against background", 0.4)
    chance = background_against_background(first.events, second.events, GRID, rngs[2], replicates)
    held_out = held_out_improvement(first.events, second.events, rngs[3])
    findings, notes = _separation(first, second, curve, drawn, chance, held_out)

    tell("efficiency of the background", 0.7)
    cuts = cuts_at(first.events, CUTS)
    own = uniformity_of_own(first.events, first.conditions, cuts, rngs[4], replicates)
    findings += _uneven("background_efficiency_in_bins", first, first, own)
    other = None
    if len(samples) > 2:
        third = samples[2]
        shared = {name: values for name, values in third.conditions.items() if name in first.conditions}
        other = uniformity_of_other(third.events, shared, cuts, rngs[5], replicates)
        findings += [*_same_distribution(first, third, rngs[5], replicates), *_false_alarms(first, third, cuts)]
        findings += _uneven("false_alarm_rate_in_bins", first, third, other)
    if own is None:
        notes.append("No condition of the background varies: sculpting was not tested.")
    outcome, headline, warnings = _verdict(findings, held_out, _unjudged(first, second, curve))
    pooled = np.concatenate([first.events.scores, second.events.scores])
    binning = binning_of(pooled)
    tell("scores", 1.0)
    return ScoreVerdict(
        outcome,
        headline,
        _summary(findings, held_out),
        tuple(warnings),
        tuple(notes),
        tuple(findings),
        curve.known.thinned(POINTS),
        held_out,
        chance,
        binning,
        {one.label: histogram(*one.events, binning) for one in samples},
        own,
        other,
        {one.label: len(one) for one in samples},
        first.units,
        first.name,
        first.score_units,
        seed,
    )


def _refuse_the_same(samples: Sequence[ScoredSample]) -> None:
    for i, one in enumerate(samples):
        for other in samples[:i]:
            if np.array_equal(one.events.scores, other.events.scores) and np.ptp(one.events.scores):
                raise JudgeError(f"the {one.label} and the {other.label} are the same events: give different ones")


def _points(curve: EfficiencyCurve) -> dict[str, float]:
    """Return the numbers of a curve that are quoted if enough events are left; otherwise they have no meaning."""
    rejected = max(curve.background_at(SIGNAL_EFFICIENCY), 1e-12)
    return {
        "largest": float(curve.known.improvement.max()),
        **{f"at {eps:g}": curve.signal_at(eps) / eps**0.5 for eps in QUOTED},
        "at signal": SIGNAL_EFFICIENCY / rejected**0.5,
        "rejection": 1 / rejected,
    }


def _finding(
    judge: str,
    first: ScoredSample,
    second: ScoredSample,
    value: float,
    error: float,
    sentence: str,
    *,
    chance: tuple[float, float] | None = None,
    p: float | None = None,
    observable: str = "score",
    region: str = "",
) -> Finding:
    """Return a finding on the second sample; ``chance`` is the value for background against background, with spread."""
    return Finding(
        judge=judge,
        observable=observable,
        region=region,
        value=float(value),
        uncertainty=float(error),
        truth_value=None if chance is None else float(chance[0]),
        truth_uncertainty=None if chance is None else float(chance[1]),
        p_value=p,
        n_truth=len(first),
        n_generated=len(second),
        sentence=sentence,
    )


def _spread(drawn: Sequence[float]) -> float:
    """Return the standard deviation of replicates, NaN where half of them or more have no value."""
    known = [value for value in drawn if np.isfinite(value)]
    return float(np.std(known, ddof=1)) if len(known) > max(1, len(drawn) // 2) else float("nan")


def _separation(
    background: ScoredSample,
    signal: ScoredSample,
    curve: EfficiencyCurve,
    drawn: Sequence[Mapping[str, float]],
    chance: Chance,
    held_out: HeldOut | None,
) -> tuple[list[Finding], list[str]]:
    """Return the findings on the score, and notes on what could not be tested."""
    both = background, signal
    area = _area(*both)
    values, known = _points(curve), curve.known
    errors = {name: _spread([one[name] for one in drawn]) for name in values}
    # Where few values of the score differ, a point of the curve is in too few replicates to have an error.
    values = {name: value for name, value in values.items() if np.isfinite([value, errors[name]]).all()}
    if "largest" not in values or not np.isfinite(chance.maxima).all():
        raise JudgeError(
            "the score has too few different values: no cut leaves a share of the background that is known to 20 %; "
            "give a score that orders events more finely, or more events"
        )
    told = {name: with_error(value, errors[name]) for name, value in values.items()}
    by_chance = [(float(found.mean()), float(found.std(ddof=1))) for found in (chance.areas, chance.maxima)]
    findings = [
        _finding(
            "score_auc",
            *both,
            area.auc,
            area.uncertainty,
            f"A signal event scores above a background event in {with_error(area.auc, area.uncertainty, '%')} of all "
            f"pairs (AUC), a background event in {with_error(*by_chance[0], '%')}.",
            chance=by_chance[0],
            p=p_value(area.auc, chance.areas),
        ),
        _finding(
            "largest_significance_improvement",
            *both,
            values["largest"],
            errors["largest"],
            f"The largest significance improvement of all cuts is {told['largest']}: too large on average, because "
            "its cut is chosen on the same events.",
            chance=by_chance[1],
            p=p_value(values["largest"], chance.maxima),
        ),
    ]
    if held_out is not None:
        sentence = (
            "The best cut, chosen on one half of the events and judged on the other, improves the significance by a "
            f"factor of {with_error(held_out.value, held_out.error)} and keeps {100 * held_out.signal:.3g} % of the "
            f"signal and {100 * held_out.background:.3g} % of the background."
        )
        findings.append(_finding("held_out_significance_improvement", *both, held_out.value, held_out.error, sentence))
    notes = []
    for eps in QUOTED:
        name, percent = f"at {eps:g}", f"{100 * eps:g} %"
        if name not in values and eps >= known.background[0]:
            notes.append(f"A background efficiency of {percent} is between the values of the score.")
            continue
        if eps < known.background[0]:
            events = (1 - eps) / eps / MOST_RELATIVE_ERROR**2
            notes.append(f"A background efficiency of {percent} needs about {events:,.0f} background events.")
            continue
        sentence = (
            f"A cut that keeps {percent} of the background improves the significance by a factor of {told[name]}."
        )
        where = f"background efficiency {percent}"
        findings.append(
            _finding(IMPROVEMENT, *both, values[name], errors[name], sentence, chance=(eps**0.5, 0.0), region=where)
        )
    eps, percent = SIGNAL_EFFICIENCY, f"{100 * SIGNAL_EFFICIENCY:g} %"
    if known.signal[0] > eps or not {"at signal", "rejection"} <= set(values):
        return findings, [*notes, f"A cut that keeps {percent} of the signal keeps too few background events."]
    for name, judge, expected, words in (
        ("at signal", IMPROVEMENT, eps**0.5, "improves the significance by a factor of"),
        ("rejection", "background_rejection", 1 / eps, "keeps one background event in"),
    ):
        sentence = f"A cut that keeps {percent} of the signal {words} {told[name]}."
        where = f"signal efficiency {percent}"
        findings.append(
            _finding(judge, *both, values[name], errors[name], sentence, chance=(expected, 0.0), region=where)
        )
    return findings, notes


def _area(first: ScoredSample, second: ScoredSample) -> Area:
    """Return the area under the ROC curve of the second sample against the first."""
    scores, weights = (np.concatenate(pair) for pair in zip(first.events, second.events, strict=True))
    return area_of(scores, np.repeat([0, 1], [len(first), len(second)]), weights)


def _uneven(judge: str, first: ScoredSample, sample: ScoredSample, found: Uniformity | None) -> list[Finding]:
    """Return the worst bin of the background efficiency, as its ratio to the efficiency of the cut."""
    if found is None:
        return []
    table, b = found.worst
    cut, unit = table.cut, "" if sample.units[table.condition] == "1" else f" {sample.units[table.condition]}"
    region = f"{table.condition} {table.edges[b]:.3g} to {table.edges[b + 1]:.3g}{unit}"
    sentence = (
        f"The cut set for {100 * cut.efficiency:.3g} % of the {first.label} keeps "
        f"{with_error(float(table.value[b]), float(table.error[b]), '%')} of the {sample.label} at {region}, the worst "
        f"of all bins (p = {found.p_value:.2g} for all of them together)."
    )
    ratio, error = (values[b] / cut.efficiency for values in (table.value, table.error))
    where = {"observable": f"cut at {100 * cut.wanted:g} %", "region": region}
    return [_finding(judge, first, sample, ratio, error, sentence, chance=(1.0, 0.0), p=found.p_value, **where)]


def _same_distribution(
    first: ScoredSample, second: ScoredSample, rng: np.random.Generator, replicates: int
) -> list[Finding]:
    """Return whether the scores of two backgrounds have one distribution."""
    both = first, second
    divided = Replicates.draw(first.events.weights, second.events.weights, rng, replicates=replicates)
    ks = Lines(divided).scores(first.events.scores, second.events.scores)[KOLMOGOROV_SMIRNOV].distance
    area = _area(*both)
    # By ranks among all events: no p-value of the replicates' resolution.
    scores, weights = (np.concatenate(pair) for pair in zip(first.events, second.events, strict=True))
    pull = standard_score(scores, np.repeat([0, 1], [len(first), len(second)]), weights)
    distance = (
        f"The Kolmogorov-Smirnov distance of the scores of {first.label} and {second.label} is "
        f"{with_error(ks.value, ks.uncertainty)}."
    )
    sentence = f"The AUC of {second.label} against {first.label} is {with_error(area.auc, area.uncertainty)}."
    by_chance, two_sided = (ks.truth_value, ks.truth_uncertainty), float(2 * norm.sf(abs(pull)))
    return [
        _finding("null_distance", *both, ks.value, ks.uncertainty, distance, chance=by_chance, p=ks.p_value),
        _finding("null_auc", *both, area.auc, area.uncertainty, sentence, chance=(0.5, 0.0), p=two_sided),
    ]


def _false_alarms(first: ScoredSample, second: ScoredSample, cuts: Sequence[Cut]) -> list[Finding]:
    """Return the efficiencies of cuts, set on one background, for the other, relative to the nominal ones."""
    findings = []
    for cut in cuts:
        left = at_cut(first.events, second.events, cut.value)
        rate = float(left.signal[0])
        # The error that the rate has if it is the cut's efficiency: one of 0 is not certain.
        expected = (cut.efficiency * (1 - cut.efficiency) / effective_size(second.events.weights)) ** 0.5
        error = float(np.hypot(max(expected, float(left.signal_error[0])), cut.error))
        sentence = (
            f"The cut set for {100 * cut.efficiency:.3g} % of the {first.label} keeps "
            f"{with_error(rate, error, '%')} of the {second.label}."
        )
        findings.append(
            _finding(
                "false_alarm_rate",
                first,
                second,
                rate / cut.efficiency,
                error / cut.efficiency,
                sentence,
                chance=(1.0, 0.0),
                p=float(2 * norm.sf(abs(rate - cut.efficiency) / error)),
                observable=f"cut at {100 * cut.wanted:g} %",
            )
        )
    return findings


def _unjudged(background: ScoredSample, signal: ScoredSample, curve: EfficiencyCurve) -> str:
    """Return a sentence on the cut that most surely improves the significance by more than 10 %; "" if none does.

    Both efficiencies are taken at their limits, two errors and the events of which none was seen.
    """
    sizes = [effective_size(one.events.weights) for one in (background, signal)]
    most_kept = curve.background + SIGMAS * curve.background_error + NONE_SEEN / sizes[0]
    least_signal = curve.signal - SIGMAS * curve.signal_error - NONE_SEEN / sizes[1]
    improvement = least_signal / np.sqrt(np.maximum(most_kept, NONE_SEEN / sizes[0]))
    best = int(np.argmax(improvement))
    if improvement[best] <= LEAST_IMPROVEMENT:
        return ""
    kept = float(curve.background[best])
    # Thrice those of which half make the efficiency known: a cut is chosen on one half and judged on the other.
    wanted = 3 / MOST_RELATIVE_ERROR**2
    needed = wanted / kept if kept > 0 else wanted * sizes[0] / NONE_SEEN
    passing = f"only {100 * kept:.2g} % of the {len(background):,}" if kept > 0 else f"none of the {len(background):,}"
    return (
        f"the cut at {curve.cuts[best]:.4g} keeps {100 * curve.signal[best]:.3g} % of the signal and {passing} "
        f"background events, too few to judge it; {'about' if kept > 0 else 'at least'} {float(f'{needed:.1e}'):,.0f} "
        "background events are needed"
    )


def _verdict(findings: Sequence[Finding], held_out: HeldOut | None, unjudged: str) -> tuple[Outcome, str, list[str]]:
    """Return outcome and headline, and warnings of accepted differences."""
    by_judge = {finding.judge: finding for finding in findings}
    alarms = [finding for finding in findings if finding.judge == "false_alarm_rate"]
    own, other = (
        [by_judge[name]] if name in by_judge else []
        for name in ("background_efficiency_in_bins", "false_alarm_rate_in_bins")
    )
    tests = [*((one, 1) for one in own), *((one, len(alarms)) for one in alarms), *((one, 1) for one in other)]
    seen = [one for one, times in tests if times * (one.p_value or 0.0) < UNEVEN_P_VALUE]
    uneven = [one for one in seen if abs(one.value - 1) > MOST_UNEVEN]
    warnings = [
        f"{one.sentence} It is accepted: less than {100 * MOST_UNEVEN:g} %." for one in seen if one not in uneven
    ]
    warnings += [
        f"The scores of the two backgrounds differ: {by_judge[name].sentence}"
        for name in ("null_distance", "null_auc")
        if name in by_judge and (by_judge[name].p_value or 0.0) < UNEVEN_P_VALUE
    ]
    if findings[0].value < 0.5 - max(3 * findings[0].uncertainty, 1e-3):
        warnings.append("The signal has lower scores than the background: does the score have the wrong sign?")
    if uneven:
        what = {
            "background_efficiency_in_bins": "the score sculpts the background",
            "false_alarm_rate_in_bins": "a cut keeps a different share of the second background in some bins",
            "false_alarm_rate": "a cut keeps a different share of the second background",
        }[uneven[0].judge]
        return "fail", f"FAIL: {what}. {uneven[0].sentence}", warnings
    if held_out is None:
        return "undecided", "UNDECIDED: too few background events are above the best cut to judge it.", warnings
    factor = f"by a factor of {with_error(held_out.value, held_out.error)}"
    beyond_chance = (by_judge["largest_significance_improvement"].p_value or 0.0) <= FOUND_P_VALUE
    if held_out.value - SIGMAS * held_out.error > 1 and beyond_chance:
        alike = "; no sculpting of the background is seen" if own or other else ""
        return "pass", f"PASS: a cut on the score improves the significance {factor}{alike}.", warnings
    if held_out.value + SIGMAS * held_out.error < LEAST_IMPROVEMENT and unjudged:
        return "undecided", f"UNDECIDED: {unjudged}.", warnings
    if held_out.value + SIGMAS * held_out.error < LEAST_IMPROVEMENT:
        return (
            "fail",
            f"FAIL: no cut on the score improves the significance by 10 %: the best one does {factor}.",
            warnings,
        )
    return (
        "undecided",
        f"UNDECIDED: the best cut improves the significance {factor}; more events would decide.",
        warnings,
    )


def _summary(findings: Sequence[Finding], held_out: HeldOut | None) -> str:
    area = findings[0]
    beside = with_error(area.truth_value or 0.5, area.truth_uncertainty or 0.0)
    told = [f"AUC {with_error(area.value, area.uncertainty)}, background against background {beside}."]
    if held_out is not None:
        kept = f"{100 * held_out.signal:.3g} % of the signal and {100 * held_out.background:.3g} % of the background"
        told.append(f"The best cut keeps {kept}.")
    return " ".join(told)
