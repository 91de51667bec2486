"""The page of a reweighting: whether the weights turn one sample into another, and the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulacra.pages import Card, Chapter, Outcome, Page, picture
from simulacra.pages.figures import (
    Binned,
    calibration_figure,
    histograms_figure,
    reliability_figure,
    weights_figure,
)
from simulacra.reweighting.calibration import Reliability
from simulacra.reweighting.clipping import ClippedWeights
from simulacra.reweighting.closure import LEAST_P_VALUE, Closure
from simulacra.reweighting.exact import ExactCheck
from simulacra.reweighting.support import LEAST_SHARE, Support
from simulacra.reweighting.weights_summary import WeightsSummary
from simulacra.statistics.distances.histograms import Histogram
from simulacra.wording import shorten, with_error

FORMAT: Final = "simulacra-reweighting-1"
FAR_IN_AUC: Final = 0.02
NEAR_IN_AUC: Final = 0.01

CLOSURE_TEXT: Final = (
    "χ² per degree of freedom of the difference of source and target, before and after weights, with the "
    "statistical errors of both samples. Only shapes are compared. p: the probability of a χ² at least as large; "
    f"an observable closes above {LEAST_P_VALUE:g}. Truth against truth: mean and standard deviation "
    "over pairs of samples drawn from the target, of the same effective sizes."
)
PICTURES_TEXT: Final = (
    "The observable that closes worst comes first. Grey: the target. Bands and bars: one (statistical) standard "
    "deviation."
)
SECOND_TEXT: Final = (
    "New classifiers are trained to tell the reweighted source from the target, and judged on other events. An AUC "
    "of 0.5 means that they cannot. The AUC of truth against truth is for the same effective sizes."
)
RELIABILITY_TEXT: Final = (
    "Share of target events among events of one predicted probability. On the diagonal f/(1-f) is the ratio of the "
    "densities. Both samples have equal total weight."
)
EXACT_TEXT: Final = (
    "The simulator knows the exact weight of each event, which depends on the event's history. The network sees only "
    "the final state and can learn only the mean, so single events scatter and the means are on the diagonal."
)
FOOTNOTE: Final = (
    "Pass: at most one in ten observables (of fewer than five: none) does not close, no second classifier's AUC is "
    f"above truth against truth by more than two standard deviations, or {NEAR_IN_AUC:g}, and the source has events "
    "wherever the target has. Fail: at least half of the observables do not close, or an AUC is above truth against "
    f"truth by more than four standard deviations and {FAR_IN_AUC:g}. Otherwise undecided. ± is one standard "
    "deviation. The effective sample size is (Σw)² / Σw² over that before weights."
)


@dataclass(frozen=True)
class SecondClassifier:
    """A classifier of the reweighted source against the target, and of truth against truth.

    Attributes
    ----------
    name:
        its input, such as "all particles".
    auc, uncertainty, truth_auc, truth_uncertainty:
        the areas under the ROC curves.
    auc_before, uncertainty_before:
        that without weights, and its error, if known.
    baseline:
        whether it is shown but does not count for the verdict: its weights are from another reweighter, or it has
        inputs that the weights do not depend on.
    """

    name: str
    auc: float
    uncertainty: float
    truth_auc: float
    truth_uncertainty: float
    auc_before: float | None = None
    baseline: bool = False
    uncertainty_before: float | None = None

    @property
    def before(self) -> str:
        """The area without weights, in words."""
        if self.auc_before is None:
            return "–"
        if self.uncertainty_before is None:
            return f"{self.auc_before:.3f}"
        return with_error(self.auc_before, self.uncertainty_before)

    @property
    def excess(self) -> float:
        """The difference of the AUC and that of truth against truth."""
        return self.auc - self.truth_auc

    @property
    def error(self) -> float:
        """The standard deviation of the excess."""
        return float(np.hypot(self.uncertainty, self.truth_uncertainty))

    @property
    def outcome(self) -> Outcome:
        """Whether it can separate the samples."""
        if self.excess > 4 * self.error and self.excess > FAR_IN_AUC:
            return "fail"
        return "pass" if self.excess <= max(2 * self.error, NEAR_IN_AUC) else "undecided"


def reweighting_page(
    source: str,
    target: str,
    summary: WeightsSummary,
    closures: Sequence[Closure],
    *,
    weights: Mapping[str, np.ndarray],
    second: Sequence[SecondClassifier] = (),
    reliability: Mapping[str, Reliability] | None = None,
    support: Support | None = None,
    clipping: ClippedWeights | None = None,
    exact: ExactCheck | None = None,
    baseline: Mapping[str, Sequence[Closure]] | None = None,
    provenance: Sequence[tuple[str, ...]] = (),
    provenance_columns: Sequence[str] = (),
    warnings: Sequence[str] = (),
    record: Mapping[str, Any] | None = None,
) -> Page:
    """Return the page of a reweighting, for ``pages.write_page``.

    Parameters
    ----------
    source, target:
        names of the samples.
    summary, closures:
        of the weights, on events not used in training.
    weights:
        the weights to draw, by their names in the legend.
    second:
        classifiers of the reweighted source against the target.
    reliability:
        of the predicted probabilities, such as before and after calibration.
    support, clipping, exact:
        results of these tests, if made.
    baseline:
        closures of other reweighters by name, for the same observables in the same order.
    provenance, provenance_columns:
        rows of (name, value, ...), and the headings of the values.
    warnings:
        further warnings.
    record:
        further entries of ``report.json``.

    Raises
    ------
    ValueError
        if there is no closure, or a baseline has other observables.
    """
    if not closures:
        raise ValueError("a page of a reweighting needs the closure of at least one observable")
    others = dict(baseline or {})
    names = [closure.observable for closure in closures]
    for label, found in others.items():
        if [closure.observable for closure in found] != names:
            raise ValueError(f"'{label}' was judged by {[c.observable for c in found]}, not by {names}: give the same")
    closing = sum(closure.closes for closure in closures)
    judged = [one for one in second if not one.baseline]
    outcome = _outcome(closures, judged, support)
    share = f"{100 * summary.effective_share:.0f} %"
    headline = (
        f"{_verb(outcome)} {source} into {target}: {closing} of {len(closures)} observables close "
        f"(p > {LEAST_P_VALUE:g}), effective sample size {share}"
    )
    if judged:
        worst = max(judged, key=lambda one: one.excess)
        headline += (
            f", second classifier AUC {with_error(worst.auc, worst.uncertainty)} (truth against truth "
            f"{with_error(worst.truth_auc, worst.truth_uncertainty)})"
        )
    told = [*summary.warnings, *warnings]
    if support is not None and support.regions:
        told.insert(0, support.sentence)
    chapters = [
        _weights_chapter(summary, weights, clipping),
        _closure_chapter(closures, others),
        _pictures_chapter(closures, others, (source, target)),
    ]
    if second:
        chapters.append(_second_chapter(second))
    if reliability:
        chapters.append(_reliability_chapter(reliability))
    if exact is not None:
        chapters.append(_exact_chapter(exact))
    if support is not None:
        chapters.append(_support_chapter(support))
    return Page(
        title=f"{source} → {target}",
        overline="reweighting",
        headline=headline,
        outcome=outcome,
        summary=" ".join(summary.sentences[:2]),
        warnings=tuple(told),
        cards=_cards(closures, summary, judged, support, exact),
        chapters=tuple(chapters),
        provenance=tuple(provenance),
        provenance_columns=tuple(provenance_columns),
        footnote=FOOTNOTE,
        record={
            "format": FORMAT,
            "source": source,
            "target": target,
            "weights": summary,
            "closure": list(closures),
            "baseline": others,
            "second_classifiers": list(second),
            "reliability": dict(reliability or {}),
            "support": support,
            "clipping": None if clipping is None else clipping.sentence,
            "exact": exact,
            **(record or {}),
        },
    )


def _outcome(closures: Sequence[Closure], second: Sequence[SecondClassifier], support: Support | None) -> Outcome:
    n = len(closures)
    open_ones = sum(not closure.closes for closure in closures)
    if 2 * open_ones >= n or any(one.outcome == "fail" for one in second):
        return "fail"
    # One in a hundred fails by chance: of many observables one may.
    allowed = max(1, n // 10) if n >= 5 else 0
    missing = support is not None and any(region.target_share >= LEAST_SHARE for region in support.regions)
    fine = open_ones <= allowed and all(one.outcome == "pass" for one in second) and not missing
    return "pass" if fine else "undecided"


def _verb(outcome: Outcome) -> str:
    return {"pass": "Weights turn", "fail": "Weights do not turn"}.get(outcome, "Weights do not quite turn")


def _cards(
    closures: Sequence[Closure],
    summary: WeightsSummary,
    second: Sequence[SecondClassifier],
    support: Support | None,
    exact: ExactCheck | None,
) -> tuple[Card, ...]:
    worst = min(closures, key=lambda closure: closure.after.p_value)
    closing = sum(closure.closes for closure in closures)
    cards = [
        Card(
            "Closure",
            f"{closing} of {len(closures)} close",
            (f"worst: {worst.observable}\nχ²/ndf {worst.after.reduced:.2f}, p = {_probability(worst.after.p_value)}",),
            _outcome(closures, (), None),
        ),
        Card(
            "Effective sample size",
            f"{100 * summary.effective_share:.0f} %",
            (f"{summary.effective_size:,.0f} of {summary.events:,} events", f"largest weight {summary.largest:.3g}"),
        ),
        Card(
            "Normalisation", f"{summary.normalisation:.3f}", ("sum of the weights over that of the source; ideally 1",)
        ),
    ]
    cards += [
        Card(
            f"AUC of a second classifier: {one.name}",
            with_error(one.auc, one.uncertainty),
            (f"truth against truth {with_error(one.truth_auc, one.truth_uncertainty)}",),
            one.outcome,
        )
        for one in second
    ]
    if support is not None:
        empty = sum(region.target_share for region in support.regions[:1])
        found = f"{len(support.regions)} empty regions" if support.regions else "no empty region"
        missing = any(region.target_share >= LEAST_SHARE for region in support.regions)
        beside = f"the largest holds {100 * empty:.2g} % of the target" if support.regions else "everywhere covered"
        cards.append(Card("Support", found, (beside,), "undecided" if missing else "pass"))
    if exact is not None:
        slope = with_error(exact.slope, exact.slope_error)
        chi_square = f"χ² {exact.chi_square:.1f} / {exact.degrees_of_freedom}, p = {_probability(exact.p_value)}"
        beside = f"1 if the learned weights are exact on average\n{chi_square}"
        cards.append(Card("Slope of exact over learned weights", slope, (beside,)))
    return tuple(cards)


def _weights_chapter(
    summary: WeightsSummary, weights: Mapping[str, np.ndarray], clipping: ClippedWeights | None
) -> Chapter:
    text = list(summary.sentences)
    if clipping is not None:
        text.append(clipping.sentence)
    shown = picture(weights_figure(list(weights.items())), "Distribution of the weights", "Weights of source events")
    return Chapter("weights", "Weights", tuple(text), (shown,))


def _closure_chapter(closures: Sequence[Closure], others: Mapping[str, Sequence[Closure]]) -> Chapter:
    columns = ["observable", "χ²/ndf before", "after", "p", "truth–truth", "bins"]
    for label in others:
        columns += [f"{label}: χ²/ndf", "p"]
    rows = []
    for number, closure in enumerate(closures):
        row = [
            closure.observable,
            f"{closure.before.reduced:.4g}",
            f"{closure.after.reduced:.3f}",
            _probability(closure.after.p_value),
            with_error(closure.truth, closure.truth_spread),
            f"{closure.bins}",
        ]
        for found in others.values():
            row += [f"{found[number].after.reduced:.3f}", _probability(found[number].after.p_value)]
        rows.append(tuple(row))
    return Chapter("closure", "Closure", (CLOSURE_TEXT,), columns=tuple(columns), rows=tuple(rows))


def _pictures_chapter(
    closures: Sequence[Closure], others: Mapping[str, Sequence[Closure]], names: tuple[str, str]
) -> Chapter:
    order = np.argsort([closure.after.p_value for closure in closures], kind="stable")
    pictures = []
    for number in order:
        closure = closures[number]
        samples = [_binned(names[0], closure.shown_before, step=True), _binned("reweighted", closure.shown_after)]
        samples += [_binned(label, found[number].shown_after) for label, found in list(others.items())[:2]]
        image = histograms_figure(
            closure.edges,
            _binned(names[1], closure.shown_target),
            samples,
            name=closure.observable,
            units=closure.units,
            logarithmic=closure.logarithmic,
            value_label="Mean per event" if closure.per_event else "Share of events per bin",
        )
        caption = (
            f"χ²/ndf {closure.before.reduced:.3g} before, {closure.after.reduced:.2f} after weights "
            f"(p = {_probability(closure.after.p_value)})"
        )
        pictures.append(picture(image, f"{closure.observable} before and after weights", caption))
    return Chapter("observables", "Observables", (PICTURES_TEXT,), tuple(pictures))


def _second_chapter(second: Sequence[SecondClassifier]) -> Chapter:
    rows = tuple(
        (
            one.name,
            one.before,
            with_error(one.auc, one.uncertainty),
            with_error(one.truth_auc, one.truth_uncertainty),
        )
        for one in second
    )
    columns = ("classifier on", "AUC before weights", "after", "truth–truth")
    return Chapter("second", "Can they still be told apart?", (SECOND_TEXT,), columns=columns, rows=rows)


def _reliability_chapter(reliability: Mapping[str, Reliability]) -> Chapter:
    curves = [(label, found.predicted, found.observed, found.error) for label, found in reliability.items()]
    sentences = [f"{label[:1].upper()}{label[1:]}: {found.sentence}" for label, found in reliability.items()]
    shown = picture(
        reliability_figure(curves), "Reliability curves", "Share of target events, and its difference below"
    )
    return Chapter("reliability", "Reliability", (RELIABILITY_TEXT, *sentences), (shown,))


def _exact_chapter(exact: ExactCheck) -> Chapter:
    image = calibration_figure(exact.learned, exact.exact, exact.error, logarithmic=bool(exact.learned.min() > 0))
    shown = picture(image, "Mean exact weight against learned weight", "Each point is a bin of the learned weight")
    return Chapter("exact", "Comparison with exact weights", (EXACT_TEXT, exact.sentence), (shown,))


def _support_chapter(support: Support) -> Chapter:
    rows = tuple(
        (region.sentence.split(":")[0], f"{region.target_events:,}", f"{100 * region.target_share:.2g} %", "0")
        for region in support.regions
    )
    columns = ("where", "target events", "of the target", "source events") if rows else ()
    return Chapter("support", "Support", (support.sentence,), columns=columns, rows=rows)


def _binned(label: str, found: Histogram, *, step: bool = False) -> Binned:
    return Binned(shorten(label), found.share, found.error, step)


def _probability(p: float) -> str:
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 1e-3 else "<0.001"
