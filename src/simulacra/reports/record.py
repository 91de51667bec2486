"""A verdict as plain JSON values: the same numbers as on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.judges.classifiers.separability import Roc
from simulacra.judges.criteria import Judgement, UseJudgement
from simulacra.pages.plain import plain
from simulacra.statistics.classifiers.classifier import FALSE_POSITIVE_GRID
from simulacra.version import __version__

if TYPE_CHECKING:
    from simulacra.judges.learning_curves import LearningCurves
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
        **_evidence(verdict.evidence),
    }
    values: dict[str, Any] = plain(record, "report")
    return values


def _evidence(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence without data of single events, and null for missing entries that every record has."""
    left = {name: value for name, value in found.items() if name != "band"}  # Its findings are among the others.
    scanned, multivariate = left.pop("scanned", None), left.pop("multivariate")
    correction, memorisation = left.pop("correction", None), left.pop("memorisation", None)
    named = {
        "histograms": left.pop("histograms"),
        "roc": {
            "truth_called_generated": FALSE_POSITIVE_GRID,
            "curves": [_curves(roc) for roc in left.pop("rocs")],
        },
        "showers": left.pop("showers", None),
        "neighbours": left.pop("neighbours", None),
        "scans": () if scanned is None else scanned.scans,
        "extrapolation": None if scanned is None else scanned.extrapolation,
        "correlations": multivariate.correlations,
        "failures": left.pop("failures", None),
        "weights": _fields(correction, "sentence", "effective_size", "effective_share", "clipped_share", "largest"),
        "conditional": left.pop("conditional", None),
        "modes": left.pop("modes", None),
        "memorisation": _fields(memorisation, "memorised", "metric", "searched", "closest_distances"),
        "statistical_power": left.pop("power", None),
        "ensemble": left.pop("ensemble", None),
        "learning_curves": _course(left.pop("learning_curves", None)),
    }
    if correction is not None:
        named["weights"]["roc"] = [_curves(roc) for roc in correction.rocs]
    return {**named, **left}


def _fields(found: Any, *names: str) -> dict[str, Any] | None:
    return None if found is None else {name: getattr(found, name) for name in names}


def _course(curves: LearningCurves | None) -> dict[str, Any] | None:
    """Return learning curves with null where a validation did not say something, such as the error of its score."""
    if curves is None:
        return None

    def known(values: Any) -> Any:
        if isinstance(values, Mapping):
            return {name: known(one) for name, one in values.items()}
        if not isinstance(values, np.ndarray) or np.isfinite(values).all():
            return values
        return [value if np.isfinite(value) else None for value in values.tolist()]

    return {name: known(values) for name, values in vars(curves).items()}


def _curves(roc: Roc) -> dict[str, Any]:
    """Return a classifier's results for both pairs of samples, without single events."""
    sides = {}
    for name, side in (("judged", roc.judged), ("truth", roc.truth)):
        told = vars(side.without_events()).copy()
        sides[name] = {"kind": told.pop("method"), **told}
    return {"observable": roc.observable, **sides}


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
