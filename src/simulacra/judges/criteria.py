"""Criteria on generated events for a stated use, and the comparison of findings with their limits.

A criterion passes if both the value and the value plus its error are within the limit. The error is two standard
deviations for values without bias, such as an AUC. It is one standard deviation for distances and for the worst of
several bins; chance makes these large, so the value for truth against truth is first subtracted in quadrature. A
criterion fails if the value exceeds both the limit and truth against truth by more than two standard deviations.
Otherwise there are too few events to decide. A generator at the limit therefore passes in one of fifty draws, or in one
of six if chance makes the value large.

If events fail, the same limits are applied to the events with a classifier's weights. They pass with weights if every
failed criterion then passes, no other one fails, and a tenth of the events' statistical power is left. If the
comparison itself is in doubt (events in both samples, nothing that varies), nothing passes. The limits and their
reasons: :mod:`simulacra.judges.limits`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from simulacra.judges.finding import Finding

Outcome = Literal["pass", "pass with weights", "fail", "undecided"]
SIGMAS: Final = 2.0
#: the region of findings on generated events with a classifier's weights
WITH_WEIGHTS: Final = "with weights"
LEAST_EFFECTIVE_SHARE: Final = 0.1
#: factor on the number of events beyond which a decision is called out of reach
MOST_TIMES: Final = 1e6
#: the doubt about samples in which no result varies
ONLY_CONSTANTS: Final = (
    "All variables (conditions aside) are constant: each has one value in all events of both samples. The "
    "variation of generated events cannot be judged, and nothing can pass."
)


@dataclass(frozen=True)
class Criterion:
    """A limit on the largest value that a judge finds.

    Attributes
    ----------
    judge, observables:
        its findings; all observables if empty.
    title:
        the quantity in words.
    limit:
        the largest value that passes.
    units:
        "%" to show it in percent, else "1".
    advice:
        what to do when it fails.
    reason:
        reason for this limit.
    biased:
        whether chance makes the value large, as for a distance or the worst of several; the value for truth against
        truth is then not an error of the generator.
    """

    judge: str
    observables: tuple[str, ...]
    title: str
    limit: float
    units: str
    advice: str
    reason: str = ""
    biased: bool = True


@dataclass(frozen=True)
class Use:
    """A use of generated events and its criteria."""

    name: str
    title: str
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class Judgement:
    """A criterion, its finding, and the outcome."""

    criterion: Criterion
    finding: Finding
    outcome: Outcome


@dataclass(frozen=True)
class UseJudgement:
    """The outcome for one use and for each of its criteria.

    Attributes
    ----------
    weighted:
        the criteria for the weighted events; empty if not tried.
    doubts:
        reasons why the comparison cannot give a pass; empty if it can.
    """

    use: Use
    outcome: Outcome
    judgements: tuple[Judgement, ...]
    weighted: tuple[Judgement, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def events_needed(self) -> tuple[int, int | None] | None:
        """About how many events of each sample would decide; None if it is decided or in doubt.

        The first number is enough if each undecided value turns out to be one error farther from its limit; the second,
        None if out of reach, if the values stay where they are.
        """
        if self.outcome != "undecided" or self.doubts:
            return None
        left = [judgement for judgement in self.judgements if judgement.outcome == "undecided"]
        farther = [events_to_decide(judgement, moved=1.0) or 0 for judgement in left]
        staying = [events_to_decide(judgement) for judgement in left]
        known = [n for n in staying if n is not None]
        return max(farther), max(known) if len(known) == len(staying) else None


def judge_uses(
    findings: Sequence[Finding], uses: Sequence[Use], doubts: Sequence[str] = ()
) -> tuple[UseJudgement, ...]:
    """Compare findings with the criteria of each use; criteria without findings are left out.

    Parameters
    ----------
    doubts:
        reasons why the comparison cannot give a pass. What fails still fails: samples that share events are more alike
        than independent ones.
    """
    plain = [finding for finding in findings if finding.region != WITH_WEIGHTS]
    weighted = [finding for finding in findings if finding.region == WITH_WEIGHTS]
    judged = []
    for use in uses:
        judgements, corrected = _held(use, plain), _held(use, weighted)
        outcomes = [judgement.outcome for judgement in judgements]
        outcome: Outcome = "fail" if "fail" in outcomes else "undecided" if "undecided" in outcomes else "pass"
        if outcome == "fail" and _passes_with_weights(judgements, corrected, weighted):
            outcome = "pass with weights"
        if doubts and outcome != "fail":
            outcome = "undecided"
        if judgements:
            judged.append(UseJudgement(use, outcome, judgements, corrected, tuple(doubts)))
    return tuple(judged)


def _held(use: Use, findings: Sequence[Finding]) -> tuple[Judgement, ...]:
    return tuple(judgement for criterion in use.criteria if (judgement := _hold(criterion, findings)) is not None)


def _passes_with_weights(
    plain: Sequence[Judgement], weighted: Sequence[Judgement], findings: Sequence[Finding]
) -> bool:
    outcomes = {judgement.criterion.title: judgement.outcome for judgement in weighted}
    left = [finding.value for finding in findings if finding.judge == "effective_share"]
    return (
        all(outcomes.get(one.criterion.title) == "pass" for one in plain if one.outcome == "fail")
        and "fail" not in outcomes.values()
        and all(one.outcome != "undecided" or outcomes.get(one.criterion.title) == "pass" for one in plain)
        and bool(left)
        and min(left) >= LEAST_EFFECTIVE_SHARE
    )


def _hold(criterion: Criterion, findings: Sequence[Finding]) -> Judgement | None:
    about = [
        finding
        for finding in findings
        if finding.judge == criterion.judge
        and (not criterion.observables or finding.observable in criterion.observables)
    ]
    if not about:
        return None
    worst = max(about, key=lambda finding: finding.value)
    return Judgement(criterion, worst, outcome_of(worst, criterion.limit, biased=criterion.biased))


def outcome_of(finding: Finding, limit: float, *, biased: bool = True) -> Outcome:
    """Return the outcome of a finding for an upper limit; ``biased`` as in :class:`Criterion`."""
    if finding.value <= limit:
        # The worst of several has been chosen for what fluctuates upwards already.
        margin = (1.0 if biased else SIGMAS) * finding.uncertainty
        return "pass" if without_chance(finding, biased) + margin <= limit else "undecided"
    significance = finding.significance
    beyond_chance = significance is None or significance > SIGMAS
    return "fail" if finding.value - SIGMAS * finding.uncertainty > limit and beyond_chance else "undecided"


def without_chance(finding: Finding, biased: bool) -> float:
    """Return a value without the contribution of chance, subtracted in quadrature as for the size of a shift."""
    chance = finding.truth_value or 0.0
    if not biased or chance <= 0 or finding.value <= 0:
        return finding.value
    return math.sqrt(max(finding.value**2 - chance**2, 0.0))


def events_to_decide(judgement: Judgement, *, moved: float = 0.0) -> int | None:
    """Return about how many events of each sample an undecided criterion needs; None if that is out of reach.

    Errors, and the truth-against-truth value of a biased value, decrease with the root of the number of events. The
    number is the smallest at which any value within two of its errors then decides, if the expected value is the
    present one, or the present one moved by ``moved`` of its errors away from the limit.
    """
    finding, limit, biased = judgement.finding, judgement.criterion.limit, judgement.criterion.biased
    if moved:
        side = 1 if without_chance(finding, biased) > limit else -1
        finding = finding.model_copy(update={"value": finding.value + side * moved * finding.uncertainty})
    n = min(finding.n_truth, finding.n_generated)
    too_few, enough = 1.0, 2.0
    while not _decides(finding, limit, biased, enough):
        too_few, enough = enough, 2 * enough
        if enough > MOST_TIMES:
            return None
    while enough > 2 and enough / too_few > 1.001:
        middle = math.sqrt(too_few * enough)
        too_few, enough = (too_few, middle) if _decides(finding, limit, biased, middle) else (middle, enough)
    return _rounded_up(n * enough)


def _decides(finding: Finding, limit: float, biased: bool, factor: float) -> bool:
    """Return whether this factor on the events decides, for values two errors below and above the expected one."""
    shrink = factor**-0.5
    chance = finding.truth_value or 0.0
    by_chance = max(0.0, chance) if biased else 0.0
    error = finding.uncertainty * shrink
    found = without_chance(finding, biased)
    expected = math.copysign(math.hypot(found, by_chance * shrink), found)
    smaller = {"truth_value": by_chance * shrink if biased else chance} if finding.truth_value is not None else {}
    if finding.truth_uncertainty is not None:
        smaller["truth_uncertainty"] = finding.truth_uncertainty * shrink
    outcomes = {
        outcome_of(
            finding.model_copy(update={"value": expected + sign * SIGMAS * error, "uncertainty": error, **smaller}),
            limit,
            biased=biased,
        )
        for sign in (-1, 1)
    }
    return len(outcomes) == 1 and "undecided" not in outcomes


def _rounded_up(n: float) -> int:
    """Return a number rounded up to two digits, at least to hundreds, with a tolerance of a part in a thousand."""
    step = max(100, 10 ** (math.floor(math.log10(n)) - 1))
    return int(math.ceil(0.999 * n / step) * step)


def advice_on(judged: UseJudgement, all_uses: Sequence[UseJudgement]) -> list[str]:
    """Return what to do about a verdict, one or two sentences per point."""
    advice = []
    if judged.doubts and judged.outcome == "undecided":
        advice.append(_remedy(judged.doubts))
    if judged.outcome == "pass with weights":
        advice.append(
            "Give each generated event the weight of a calibrated classifier (simulacra reweight) and use it within "
            "the judged conditions; without weights it fails."
        )
    advice += [j.criterion.advice for j in judged.judgements if j.outcome == "fail"]
    if not judged.doubts:
        advice += [f"{j.criterion.title}: {_more_events(j)}" for j in judged.judgements if j.outcome == "undecided"]
    if judged.outcome == "pass":
        advice.append("Use it within the judged conditions; judge again for any other use or range.")
    elif judged.outcome != "pass with weights":
        others = [other.use.title for other in all_uses if other.outcome == "pass" and other is not judged]
        advice.append(
            f"It is good enough for: {', '.join(others)}." if others else "It passes for none of the uses below."
        )
    return list(dict.fromkeys(advice))


def _remedy(doubts: Sequence[str]) -> str:
    if ONLY_CONSTANTS in doubts:
        return "Judge variables that vary; if these should vary, check how the samples were made and read."
    return "Generate other events, and judge them against truth events that were not used to make them."


def _more_events(judgement: Judgement) -> str:
    needed, moved = events_to_decide(judgement), events_to_decide(judgement, moved=1.0)
    enough = f", or {moved:,} if it turns out to be one error farther from the limit" if moved else ""
    if needed is None:
        return (
            f"too few events to decide; even {MOST_TIMES:,.0f} times as many would not if the value stays at the limit"
            f"{enough}."
        )
    fewer = enough if moved != needed else ""
    return f"too few events to decide; judge again with about {needed:,} of each sample{fewer}."
