"""A verdict as plain JSON values: the same numbers that the page shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from simulacra import __version__
from simulacra.judges.classifier import FALSE_POSITIVE_GRID
from simulacra.judges.criteria import UseJudgement

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

DIGITS = 7


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
        "roc": {"truth_called_generated": FALSE_POSITIVE_GRID, "curves": verdict.rocs},
        "showers": verdict.showers,
        "neighbours": verdict.neighbours,
        "scans": verdict.scans,
        "extrapolation": verdict.extrapolation,
    }
    plain: dict[str, Any] = _plain(record, "report")
    return plain


def _use(judged: UseJudgement) -> dict[str, Any]:
    return {
        "name": judged.use.name,
        "title": judged.use.title,
        "outcome": judged.outcome,
        "criteria": [
            {
                "title": judgement.criterion.title,
                "judge": judgement.criterion.judge,
                "observable": judgement.finding.observable,
                "limit": judgement.criterion.limit,
                "value": judgement.finding.value,
                "uncertainty": judgement.finding.uncertainty,
                "truth_value": judgement.finding.truth_value,
                "truth_uncertainty": judgement.finding.truth_uncertainty,
                "outcome": judgement.outcome,
            }
            for judgement in judged.judgements
        ],
    }


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(inner, f"{place}.{name}") for name, inner in fields.items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, f"{place}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{place}[{number}]") for number, inner in enumerate(value)]
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            if not np.isfinite(value).all():
                raise ValueError(f"{place} holds a number that is not finite")
            rounded = [float(f"{number:.{DIGITS}g}") for number in value.ravel().tolist()]
            return np.array(rounded).reshape(value.shape).tolist()
        return value.tolist()
    if isinstance(value, np.generic):
        return _plain(value.item(), place)
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"{place} is {value}, not a finite number")
    return value
