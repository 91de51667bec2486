"""A verdict as plain JSON values: the same numbers that the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulacra.judges.criteria import Judgement, UseJudgement
from simulacra.judges.evidence import Evidence
from simulacra.pages.plain import plain
from simulacra.statistics.classifiers.classifier import FALSE_POSITIVE_GRID
from simulacra.version import __version__

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict


def record_of(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as JSON values.

    Raises
    ------
    ValueError
        if a number in it is NaN or infinite.
    """
    record = {
        "format": "simulacra-report-1",
        "simulacra_version": __version__,
        "seed": verdict.seed,
        "verdict": {
            "headline": verdict.headline,
            "summary": verdict.summary,
            "use": verdict.use,
            "outcome": verdict.stated.outcome,
            "advice": verdict.advice,
            "uses": [_use(use) for use in verdict.uses],
        },
        "warnings": verdict.warnings,
        "samples": {
            "truth": {"label": verdict.truth_label, "events": verdict.n_truth, **verdict.provenance["truth"]},
            "generated": {
                "label": verdict.generated_label,
                "events": verdict.n_generated,
                **verdict.provenance["generated"],
            },
            "truth_pool_events": verdict.n_pool,
        },
        "findings": verdict.findings,
        "histograms": verdict.comparisons,
        "roc": {
            "truth_called_generated": FALSE_POSITIVE_GRID,
            "curves": [roc.without_events() for roc in verdict.rocs],
        },
        "showers": verdict.showers,
        "neighbours": verdict.neighbours,
        "scans": verdict.scans,
        "extrapolation": verdict.extrapolation,
        **_evidence(verdict.evidence),
    }
    values: dict[str, Any] = plain(record, "report")
    return values


def _evidence(found: Evidence) -> dict[str, Any]:
    """Return the evidence without what belongs to single events."""
    correction, memorisation, multivariate = found.correction, found.memorisation, found.multivariate
    return {
        "correlations": None if multivariate is None else multivariate.correlations,
        "failures": found.failures,
        "weights": None
        if correction is None
        else {
            "sentence": correction.sentence,
            "effective_size": correction.effective_size,
            "effective_share": correction.effective_share,
            "clipped_share": correction.clipped_share,
            "largest": correction.largest,
            "roc": [roc.without_events() for roc in correction.rocs],
        },
        "conditional": found.conditional,
        "modes": found.modes,
        "memorisation": None
        if memorisation is None
        else {
            "memorised": memorisation.memorised,
            "metric": memorisation.metric,
            "searched": memorisation.searched,
            "closest_distances": memorisation.closest_distances,
        },
        "statistical_power": found.power,
        "ensemble": found.ensemble,
        "learning_curves": found.learning_curves,
    }


def _use(judged: UseJudgement) -> dict[str, Any]:
    return {
        "name": judged.use.name,
        "title": judged.use.title,
        "outcome": judged.outcome,
        "doubts": judged.doubts,
        "events_to_decide": judged.events_needed,
        "criteria": [_criterion(judgement) for judgement in judged.judgements],
        "criteria_with_weights": [_criterion(judgement) for judgement in judged.weighted],
    }


def _criterion(judgement: Judgement) -> dict[str, Any]:
    return {
        "title": judgement.criterion.title,
        "judge": judgement.criterion.judge,
        "observable": judgement.finding.observable,
        "limit": judgement.criterion.limit,
        "why_this_limit": judgement.criterion.reason,
        "value": judgement.finding.value,
        "uncertainty": judgement.finding.uncertainty,
        "truth_value": judgement.finding.truth_value,
        "truth_uncertainty": judgement.finding.truth_uncertainty,
        "outcome": judgement.outcome,
    }
