"""The page of a judged score: the verdict, ROC and significance improvement, scores, efficiencies in bins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simulacra.judges.finding import Finding
from simulacra.judges.scores import LABELS
from simulacra.pages import Card, Chapter, Page, picture, write_page
from simulacra.pages.figures import Binned
from simulacra.reports.finding_rows import probability, truth_beside
from simulacra.reports.score_figures import (
    efficiency_figure,
    improvement_figure,
    roc_figure,
    scores_figure,
)
from simulacra.wording import with_error

if TYPE_CHECKING:
    from simulacra.judges.scores import ScoreVerdict

FORMAT: Final = "simulacra-score-1"
ROC_TEXT: Final = (
    "A cut keeps the events above some score. Bands: one standard deviation of each efficiency. Curves end where the "
    "error of the background efficiency reaches 20 %, at about 25 background events."
)
IMPROVEMENT_TEXT: Final = (
    "The significance improvement, signal efficiency / √(background efficiency), is the factor by which a cut "
    "multiplies the significance S / √B of a small signal. Without a cut it is 1. The largest of many values is too "
    "large by chance: the best cut is therefore chosen on one half of the events and judged on the other. Grey: random "
    "scores, both samples drawn from the background with the same numbers of events."
)
SCORES_TEXT: Final = (
    "Grey: the background. Bars: one standard deviation. A hollow point at an end contains all events beyond it."
)
CONDITIONS_TEXT: Final = (
    "Cuts are set on the whole background. A cut that keeps more of it at some values of a condition sculpts the "
    "condition's distribution, like a signal. Grey: if the score is independent of the conditions, all bins of all "
    "conditions and cuts are inside in 95 % of samples."
)
NULL_TEXT: Final = (
    "A second background without signal must have the same scores: a cut set on the first must keep the same share "
    "of the second. Errors include the statistics of both. Rates are divided by the cut's efficiency."
)
FOOTNOTE: Final = (
    "Pass: the best cut, judged on other events, improves the significance by more than two standard deviations "
    "beyond 1 and beyond chance (p ≤ 0.05), and no background efficiency is uneven: by more than 10 % of itself with "
    "p < 0.01 for all bins together. Fail: an efficiency is uneven, or no cut improves the significance by 10 %. "
    "Otherwise undecided. ± is one standard deviation. p: probability of a value at least as extreme by chance."
)
COLUMNS: Final = ("finding", "where", "value", "by chance", "p")
TITLES: Final = {
    "score_auc": "AUC",
    "largest_significance_improvement": "Largest significance improvement, same events",
    "held_out_significance_improvement": "Significance improvement of the best cut, other events",
    "significance_improvement": "Significance improvement",
    "background_rejection": "Background rejection, 1 / background efficiency",
    "background_efficiency_in_bins": "Efficiency over that of the cut, worst bin",
    "null_distance": "Kolmogorov-Smirnov distance",
    "null_auc": "AUC of the second background",
    "false_alarm_rate": "False alarms over the cut's efficiency",
    "false_alarm_rate_in_bins": "False alarms over the cut's efficiency, worst bin",
}
#: findings in the page's header
CARDS: Final = (
    "score_auc",
    "held_out_significance_improvement",
    "significance_improvement",
    "background_efficiency_in_bins",
    "false_alarm_rate_in_bins",
)


def write_score(
    verdict: ScoreVerdict,
    folder: str | os.PathLike[str],
    *,
    title: str = "score",
    provenance: Sequence[tuple[str, ...]] = (),
) -> Path:
    """Write the verdict as ``report.html`` and ``report.json`` into a folder and return the HTML file's path.

    Parameters
    ----------
    title:
        title of the page, such as the model's name.
    provenance:
        rows of (name, value) at the end of the page.

    Raises
    ------
    OSError
        if the folder is not writable.
    """
    return write_page(folder, score_page(verdict, title=title, provenance=provenance))


def score_page(verdict: ScoreVerdict, *, title: str = "score", provenance: Sequence[tuple[str, ...]] = ()) -> Page:
    """Return the page; the parameters are those of :func:`write_score`."""
    sizes = tuple((f"events, {label}", f"{size:,}") for label, size in verdict.sizes.items())
    return Page(
        title=title,
        overline="score",
        headline=verdict.headline,
        outcome=verdict.outcome,
        summary=verdict.summary,
        warnings=verdict.warnings,
        cards=_cards(verdict),
        chapters=tuple(_chapters(verdict)),
        provenance=(*provenance, *sizes, ("seed", f"{verdict.seed}")),
        provenance_columns=("",),
        footnote=FOOTNOTE,
        record={
            "format": FORMAT,
            "seed": verdict.seed,
            "events": dict(verdict.sizes),
            "notes": verdict.notes,
            "findings": verdict.findings,
            "curve": verdict.curve,
            "significance_improvement": {
                "value": verdict.curve.improvement,
                "error": verdict.curve.improvement_error,
            },
            "best_cut": verdict.held_out,
            "histograms": {"edges": verdict.binning.edges, **verdict.histograms},
            "background_efficiency_in_bins": verdict.own,
            "false_alarm_rate_in_bins": verdict.other,
        },
    )


def _cards(verdict: ScoreVerdict) -> tuple[Card, ...]:
    cards = []
    for finding in verdict.findings:
        if finding.judge not in CARDS or finding.region.startswith("signal"):
            continue
        beside = [_where(finding)] if _where(finding) else []
        beside += [] if finding.truth_value is None else [f"by chance {_by_chance(finding)}"]
        beside += [] if finding.p_value is None else [f"p = {probability(finding)}"]
        cards.append(Card(TITLES[finding.judge], with_error(finding.value, finding.uncertainty), ("\n".join(beside),)))
    return tuple(cards)


def _by_chance(finding: Finding) -> str:
    exact = finding.truth_value is not None and not finding.truth_uncertainty
    return f"{finding.truth_value:.3g} (exact)" if exact else truth_beside(finding)


def _where(finding: Finding) -> str:
    return ", ".join(part for part in (finding.observable, finding.region) if part and part != "score")


def _chapters(verdict: ScoreVerdict) -> list[Chapter]:
    curve = verdict.curve
    separation = ("score_auc", "largest_", "held_out_", "significance_", "background_rejection")
    distribution = picture(_scores(verdict), "Distribution of the scores")
    found = [
        Chapter(
            "separation",
            "Signal and background",
            (ROC_TEXT, IMPROVEMENT_TEXT, *verdict.notes),
            large_pictures=(
                picture(roc_figure(curve), "ROC curve", "Signal efficiency against background efficiency"),
                picture(
                    improvement_figure(curve, verdict.chance, verdict.held_out),
                    "Significance improvement",
                    "Significance improvement against signal efficiency",
                ),
            ),
            columns=COLUMNS,
            rows=_rows(verdict, separation),
        ),
        Chapter("scores", "Scores", (SCORES_TEXT,), large_pictures=(distribution,)),
    ]
    if verdict.own is not None or verdict.other is not None:
        own, other = (() if one is None else one.tables for one in (verdict.own, verdict.other))
        pictures = [
            picture(
                efficiency_figure(
                    [one for one in own if one.condition == name],
                    [one for one in other if one.condition == name],
                    name.replace("_", " "),
                    verdict.units[name],
                ),
                f"Background efficiency against {name}",
            )
            for name in dict.fromkeys(one.condition for one in (*own, *other))
        ]
        rows = _rows(verdict, ("background_efficiency", "false_alarm_rate_in_bins"))
        found.append(
            Chapter(
                "conditions",
                "Background in bins of the conditions",
                (CONDITIONS_TEXT,),
                large_pictures=tuple(pictures),
                columns=COLUMNS,
                rows=rows,
            )
        )
    if LABELS[2] in verdict.sizes:
        rows = _rows(verdict, ("null_", "false_alarm_rate"))
        found.append(Chapter("null", "Second background", (NULL_TEXT,), columns=COLUMNS, rows=rows))
    return found


def _rows(verdict: ScoreVerdict, judges: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            TITLES[finding.judge],
            _where(finding),
            with_error(finding.value, finding.uncertainty),
            _by_chance(finding),
            probability(finding),
        )
        for finding in verdict.findings
        if finding.judge.startswith(judges)
    )


def _scores(verdict: ScoreVerdict) -> bytes:
    samples = [
        Binned(label, found.share, found.error, beyond=(found.below > 0, found.above > 0))
        for label, found in verdict.histograms.items()
    ]
    return scores_figure(verdict.binning, samples, verdict.name, verdict.score_units)
