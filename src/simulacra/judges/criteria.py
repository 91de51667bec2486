"""What generated events must satisfy for a stated use: limits on findings, and how a finding is held against its limit.

A criterion is passed if the value lies within the limit; failed if it exceeds the limit by more than two standard
deviations and what truth against truth scores by as much; else the events do not suffice to decide. Where events fail,
the same limits are held against what was found with a classifier's weights: they pass with weights if every criterion
that failed is passed then, no other one is failed, and a tenth of the events' statistical power is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Kind

Outcome = Literal["pass", "pass with weights", "fail", "undecided"]
SIGMAS: Final = 2.0
#: the region of findings on generated events that carry a classifier's weights
WITH_WEIGHTS: Final = "with weights"
LEAST_EFFECTIVE_SHARE: Final = 0.1


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
    """The outcome for one use and that of each of its criteria.

    Attributes
    ----------
    weighted:
        the criteria held against what was found with weights; empty if that was not tried.
    """

    use: Use
    outcome: Outcome
    judgements: tuple[Judgement, ...]
    weighted: tuple[Judgement, ...] = ()


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
    ("observables (trees)", "observables (perceptron)"),
    "AUC on observables, better classifier",
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
_AUC_VALUES: Final = Criterion(
    "classifier_auc",
    ("values (perceptron)", "values (trees)"),
    "AUC on single values, better classifier",
    0.60,
    "1",
    "Do not use single values of generated events (networks on images or series): keep to the observables that agree.",
)
_AUC_PARTICLES: Final = Criterion(
    "classifier_auc",
    ("particles (deep_sets)",),
    "AUC on particles",
    0.60,
    "1",
    "Do not use single particles of generated events (reconstruction, networks on clouds): keep to the observables "
    "that agree.",
)
_CONDITIONS: Final = Criterion(
    "conditional_wasserstein_distance",
    (),
    "Worst bin of a condition, W₁ in σ",
    0.20,
    "1",
    "Keep out of the bins of the condition that stand out below, or train on with more events there: the distributions "
    "over all conditions hide what happens in a part of them.",
)
_MODES: Final = Criterion(
    "lost_modes",
    (),
    "Truth in lost modes",
    0.02,
    "%",
    "Some of what the truth does is not generated at all, and no weights bring it back: train on with a family that "
    "does not lose modes, or with more noise and a larger batch; choose the checkpoint by the alarm of the modes.",
)
_DIVERSITY: Final = Criterion(
    "missing_diversity",
    (),
    "Diversity missing at fixed condition",
    0.10,
    "%",
    "Generated events of one condition are too much alike: their number stands for more than they tell. Train on with "
    "minibatch discrimination or a family with a likelihood.",
)
_COPIES: Final = Criterion(
    "copies_of_training",
    (),
    "Copies of training events",
    0.01,
    "%",
    "Events were learned by heart: the generated sample is worth no more than the training sample. Stop earlier, make "
    "the networks smaller, or train on more events.",
)

_COMMON: Final = (_SHAPES, _CONDITIONS, _MODES, _COPIES)
_ALL_OF_AN_EVENT: Final = (_AUC_OBSERVABLES, _DIVERSITY)
_SELECTIONS: Final = "selections on single observables"

USES: Final[Mapping[Kind, tuple[Use, ...]]] = MappingProxyType(
    {
        "showers": (
            Use("energy", "energy measurement", (_RESPONSE, _RESOLUTION)),
            Use("shapes", _SELECTIONS, (_RESPONSE, *_COMMON)),
            Use(
                "cells",
                "a full stand-in, cell by cell",
                (_RESPONSE, _RESOLUTION, *_COMMON, *_ALL_OF_AN_EVENT, _AUC_CELLS),
            ),
        ),
        "clouds": (
            Use("shapes", _SELECTIONS, _COMMON),
            Use("cells", "a full stand-in, particle by particle", (*_COMMON, *_ALL_OF_AN_EVENT, _AUC_PARTICLES)),
        ),
        "arrays": (
            Use("shapes", _SELECTIONS, _COMMON),
            Use("cells", "a full stand-in, value by value", (*_COMMON, *_ALL_OF_AN_EVENT, _AUC_VALUES)),
        ),
        "table": (
            Use("shapes", _SELECTIONS, _COMMON),
            Use("cells", "a full stand-in, all features together", (*_COMMON, *_ALL_OF_AN_EVENT)),
        ),
    }
)


def judge_uses(findings: Sequence[Finding], uses: Sequence[Use]) -> tuple[UseJudgement, ...]:
    """Hold findings against the criteria of each use; criteria without findings are left out."""
    plain = [finding for finding in findings if finding.region != WITH_WEIGHTS]
    weighted = [finding for finding in findings if finding.region == WITH_WEIGHTS]
    judged = []
    for use in uses:
        judgements, corrected = _held(use, plain), _held(use, weighted)
        outcomes = [judgement.outcome for judgement in judgements]
        outcome: Outcome = "fail" if "fail" in outcomes else "undecided" if "undecided" in outcomes else "pass"
        if outcome == "fail" and _passes_with_weights(judgements, corrected, weighted):
            outcome = "pass with weights"
        if judgements:
            judged.append(UseJudgement(use, outcome, judgements, corrected))
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
    return Judgement(criterion, worst, outcome_of(worst, criterion.limit))


def outcome_of(finding: Finding, limit: float) -> Outcome:
    """Return what a finding says of a limit from above."""
    if finding.value <= limit:
        within = finding.uncertainty <= limit or finding.value + SIGMAS * finding.uncertainty <= limit
        return "pass" if within else "undecided"
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
    advice = []
    if judged.outcome == "pass with weights":
        advice.append(
            "Give each generated event the weight of a calibrated classifier (simulacra reweight) and use it within "
            "the conditions that were judged here; without weights it fails."
        )
    advice += [j.criterion.advice for j in judged.judgements if j.outcome == "fail"]
    advice += [
        f"{j.criterion.title}: too few events to decide; judge again with about {events_to_decide(j):,} of each sample."
        for j in judged.judgements
        if j.outcome == "undecided"
    ]
    if judged.outcome == "pass":
        advice.append("Use it within the conditions that were judged here; judge again for any other use or range.")
    elif judged.outcome != "pass with weights":
        others = [other.use.title for other in all_uses if other.outcome == "pass" and other is not judged]
        advice.append(
            f"What it is good enough for: {', '.join(others)}." if others else "It passes for none of the uses below."
        )
    return list(dict.fromkeys(advice))
