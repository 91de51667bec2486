"""Verdicts with planted numbers, for tests of what compares them: no judge runs for these."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulacra.judges.finding import Finding


@dataclass(frozen=True)
class StatedUse:
    title: str = "a full stand-in, cell by cell"


@dataclass(frozen=True)
class Stated:
    use: StatedUse = field(default_factory=StatedUse)
    outcome: str = "fail"


@dataclass(frozen=True)
class PlantedVerdict:
    """What a comparison reads of a verdict."""

    findings: tuple[Finding, ...]
    truth_label: str = "Geant4"
    n_truth: int = 10_000
    n_generated: int = 10_000
    seed: int = 3
    use: str = "cells"
    warnings: tuple[str, ...] = ()
    headline: str = "FAIL: not good enough for a full stand-in, cell by cell."
    stated: Stated = field(default_factory=Stated)


def write_planted(_: PlantedVerdict, folder: Path) -> Path:
    """Write a page in the place of a verdict's report."""
    folder.mkdir(parents=True)
    page = folder / "report.html"
    page.write_text("<title>its own report</title>", encoding="utf-8")
    return page


def finding(judge: str, observable: str, value: float, uncertainty: float, truth: float | None, **more: Any) -> Finding:
    return Finding(
        judge=judge,
        observable=observable,
        value=value,
        uncertainty=uncertainty,
        truth_value=truth,
        truth_uncertainty=None if truth is None else uncertainty,
        n_truth=10_000,
        n_generated=10_000,
        sentence="planted",
        **more,
    )


def planted(
    cells: float,
    observables: float | None = None,
    *,
    error: float = 0.004,
    distance: float = 0.05,
    more: tuple[Finding, ...] = (),
    **fields: Any,
) -> Any:
    """Return a verdict with an AUC on cells, perhaps one on observables, and Wasserstein distances."""
    findings = [
        finding("classifier_auc", "cells (perceptron)", cells, error, 0.5),
        finding("classifier_auc", "cells (trees)", 0.9 * cells, error, 0.5),
        finding("wasserstein_distance", "total_energy", distance, 0.01, 0.012),
        finding("wasserstein_distance", "eta_width_1", distance / 3, 0.01, 0.012),
    ]
    if observables is not None:
        findings.append(finding("classifier_auc", "observables (trees)", observables, error, 0.5))
    return PlantedVerdict(findings=(*findings, *more), **fields)
