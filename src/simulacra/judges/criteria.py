"""What generated events must satisfy for a stated use: limits on findings, and how a finding is held against its limit.

A criterion is passed if the value lies within the limit; failed if it exceeds the limit by more than two standard
deviations and what truth against truth scores by as much; else the events do not suffice to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from simulacra.judges.finding import Finding

Outcome = Literal["pass", "fail", "undecided"]
SIGMAS: Final = 2.0


@dataclass(frozen=True)
class Criterion:
    """A limit on the largest value that a judge finds.

    Attributes
    ----------
    judge, observables:
        which findings it is about; all observables if empty.
    title:
        the quantity in words.
    limit:
        the largest value that passes.
    units:
        "%" to show it in percent, else "1".
    advice:
        what to do when it fails.
    """

    judge: str
    observables: tuple[str, ...]
    title: str
    limit: float
    units: str
    advice: str


@dataclass(frozen=True)
class Use:
    """A use of generated events and what it asks of them."""

    name: str
    title: str
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class Judgement:
    """A criterion, the finding that it was held against, and the outcome."""

    criterion: Criterion
    finding: Finding
    outcome: Outcome


@dataclass(frozen=True)
class UseJudgement:
    """The outcome for one use and that of each of its criteria."""

    use: Use
    outcome: Outcome
    judgements: tuple[Judgement, ...]


_RESPONSE: Final = Criterion(
    "response_linearity",
    (),
    "Energy response, worst bin",
    0.02,
    "%",
    "Calibrate the generated total energy to the truth's in bins of the incident energy, or train on with more weight "
    "on the total energy.",
)
_RESOLUTION: Final = Criterion(
    "energy_resolution",
    (),
    "Energy resolution, worst bin",
    0.20,
    "%",
    "Do not use it where the resolution of the total energy matters: learn the total energy as a variable of its own "
    "and scale the cells to it.",
)
_SHAPES: Final = Criterion(
    "wasserstein_distance",
    (),
    "Worst observable, W₁ in σ",
    0.10,
    "1",
    "Look at the histograms of the worst observables: cuts on them have other efficiencies on generated events. Train "
    "longer, or correct them with weights from a classifier.",
)
_AUC_OBSERVABLES: Final = Criterion(
    "classifier_auc",
    ("observables (trees)",),
    "AUC on observables",
    0.75,
    "1",
    "Do not feed generated events to multivariate methods that are trained on the truth: single distributions may "
    "agree where their correlations do not.",
)
_AUC_CELLS: Final = Criterion(
    "classifier_auc",
    ("cells (perceptron)", "cells (trees)"),
    "AUC on cells, better classifier",
    0.60,
    "1",
    "Do not use single cells of generated events (cell-level reconstruction, networks on images): keep to the "
    "observables that agree. Submissions to the CaloChallenge reached 0.53 to 0.63 at best.",
)

USES: Final = (
    Use("energy", "energy measurement", (_RESPONSE, _RESOLUTION)),
    Use("shapes", "selections on single observables", (_RESPONSE, _SHAPES)),
    Use("cells", "a full stand-in, cell by cell", (_RESPONSE, _RESOLUTION, _SHAPES, _AUC_OBSERVABLES, _AUC_CELLS)),
)


def judge_uses(findings: Sequence[Finding], uses: Sequence[Use] = USES) -> tuple[UseJudgement, ...]:
    """Hold findings against the criteria of each use; criteria without findings are left out."""
    judged = []
    for use in uses:
        judgements = tuple(
            judgement for criterion in use.criteria if (judgement := _hold(criterion, findings)) is not None
        )
        outcomes = [judgement.outcome for judgement in judgements]
        outcome: Outcome = "fail" if "fail" in outcomes else "undecided" if "undecided" in outcomes else "pass"
        if judgements:
            judged.append(UseJudgement(use, outcome, judgements))
    return tuple(judged)


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
    return Judgement(criterion, worst, outcome_of(worst, criterion.limit))


def outcome_of(finding: Finding, limit: float) -> Outcome:
    """Return what a finding says of a limit from above."""
    if finding.value <= limit:
        return "pass" if finding.uncertainty <= limit else "undecided"
    significance = finding.significance
    beyond_chance = significance is None or significance > SIGMAS
    return "fail" if finding.value - SIGMAS * finding.uncertainty > limit and beyond_chance else "undecided"


def events_to_decide(judgement: Judgement) -> int:
    """Return about how many events of each sample an undecided criterion needs."""
    finding, limit = judgement.finding, judgement.criterion.limit
    distance = max(abs(finding.value - limit), 0.1 * limit)
    # Errors fall with the root of the number of events.
    factor = max(2.0, (2 * SIGMAS * finding.uncertainty / distance) ** 2)
    return int(round(min(finding.n_truth, finding.n_generated) * factor, -2))


def advice_on(judged: UseJudgement, all_uses: Sequence[UseJudgement]) -> list[str]:
    """Return what to do about a verdict, one sentence or two a point."""
    advice = [j.criterion.advice for j in judged.judgements if j.outcome == "fail"]
    advice += [
        f"{j.criterion.title}: too few events to decide; judge again with about {events_to_decide(j):,} of each sample."
        for j in judged.judgements
        if j.outcome == "undecided"
    ]
    if judged.outcome == "pass":
        advice.append("Use it within the conditions that were judged here; judge again for any other use or range.")
    else:
        others = [other.use.title for other in all_uses if other.outcome == "pass" and other is not judged]
        advice.append(
            f"What it is good enough for: {', '.join(others)}." if others else "It passes for none of the uses below."
        )
    return list(dict.fromkeys(advice))
