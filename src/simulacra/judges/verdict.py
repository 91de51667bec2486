"""The verdict on generated events: every judge's findings, what they are good enough for, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.geometry import CalorimeterGeometry
from simulacra.judges.calorimeter.scans import (
    Extrapolation,
    Generator,
    Scan,
    judge_energy_scan,
    judge_extrapolation,
    judge_position_scan,
)
from simulacra.judges.calorimeter.showers import ShowerEvidence, judge_showers
from simulacra.judges.classifiers.classifier import CELL_THRESHOLD
from simulacra.judges.classifiers.separability import Roc, judge_separability
from simulacra.judges.criteria import SIGMAS, USES, UseJudgement, advice_on, judge_uses
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.distances.divisions import Replicates
from simulacra.judges.distances.histograms import Comparison
from simulacra.judges.distances.two_sample import of_pool
from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.neighbours import Neighbours, judge_neighbours
from simulacra.judges.progress import Progress, silent
from simulacra.judges.samples import JudgeError, Sample, check_comparable, compare_conditions, sample_of
from simulacra.judges.wording import shorten, with_error

MOST_EVENTS: Final = 50_000
_SPELLED: Final = {"geant4": "Geant4", "pythia": "Pythia", "pythia8": "Pythia 8"}


@dataclass(frozen=True)
class Verdict:
    """What the judges found.

    Attributes
    ----------
    use:
        name of the stated use, one of those in ``uses``.
    uses:
        the outcome for each use.
    findings:
        all findings.
    warnings:
        what is wrong with the comparison itself.
    truth_label, generated_label:
        what the samples are called.
    provenance:
        of "truth" and "generated".
    comparisons, rocs, showers, neighbours, scans, extrapolation:
        what the figures are drawn from.
    """

    use: str
    uses: tuple[UseJudgement, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    truth_label: str
    generated_label: str
    n_truth: int
    n_generated: int
    n_pool: int
    seed: int
    provenance: Mapping[str, Mapping[str, Any]]
    comparisons: tuple[Comparison, ...]
    rocs: tuple[Roc, ...]
    showers: ShowerEvidence | None = None
    neighbours: Neighbours | None = None
    scans: tuple[Scan, ...] = ()
    extrapolation: Extrapolation | None = None

    @property
    def stated(self) -> UseJudgement:
        """The judgement on the stated use."""
        return next(judged for judged in self.uses if judged.use.name == self.use)

    @property
    def passed(self) -> bool:
        """Whether the events are good enough for the stated use."""
        return self.stated.outcome == "pass"

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        stated = self.stated
        beginning = {"pass": "PASS: good enough for", "fail": "FAIL: not good enough for", "undecided": "UNDECIDED for"}
        return f"{beginning[stated.outcome]} {stated.use.title}."

    @property
    def summary(self) -> str:
        """Whether the samples can be told apart, which every reader asks first, in one sentence."""
        aucs = [finding for finding in self.findings if finding.judge == "classifier_auc"]
        best = max(aucs, key=lambda finding: finding.value)
        seen = "Distinguishable" if (best.significance or 0.0) > SIGMAS else "Not distinguishable at these sample sizes"
        what, _, kind = best.observable.rstrip(")").partition(" (")
        return (
            f"{seen}: a classifier ({kind}) on the {what} reaches AUC = "
            f"{with_error(best.value, best.uncertainty)}, truth against truth "
            f"{with_error(best.truth_value or 0.5, best.truth_uncertainty or 0.0)}."
        )

    @property
    def advice(self) -> list[str]:
        """What to do, point by point."""
        return advice_on(self.stated, self.uses)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; no number is NaN."""
        from simulacra.judges.record import record_of

        return record_of(self)

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``report.html`` and ``report.json`` into a folder and return the page's path."""
        from simulacra.judges.report import write_report

        return write_report(self, Path(folder))


def judge(
    truth: xr.Dataset,
    generated: xr.Dataset,
    *,
    train: xr.Dataset | None = None,
    generator: Generator | None = None,
    use: str = "cells",
    seed: int = 0,
    max_events: int = MOST_EVENTS,
    cell_threshold: float = CELL_THRESHOLD,
    progress: Progress | None = None,
) -> Verdict:
    """Compare generated events with truth and return the verdict.

    Parameters
    ----------
    truth, generated:
        events of the same kind, with the same distribution of the conditions.
    train:
        the truth events that the generator was trained on. Nearest neighbours are looked for among them, and as further
        truth they sharpen what truth against truth scores.
    generator:
        the generator, for scans at fixed noise and extrapolation.
    use:
        the stated use: "energy", "shapes" or "cells".
    seed:
        of everything random in the judges.
    max_events:
        the most events of each sample that are looked at, chosen at random.
    cell_threshold:
        energy up to which a cell counts as empty for the classifiers [MeV].
    progress:
        called with the name of each step and the share of the work that is done.

    Raises
    ------
    JudgeError
        if the samples cannot be compared, or there are too few events.
    simulacra.events.EventsError
        if a sample breaks the conventions (NaN, negative energies).
    """
    if use not in (names := [u.name for u in USES]):
        raise JudgeError(f"no use '{use}'; the uses are {', '.join(names)}")
    tell = progress or silent
    rng = np.random.default_rng(seed)
    tell("reading events", 0.0)
    warnings = check_comparable(truth, generated)
    labels = _labels(truth, generated)
    a = sample_of(truth, labels[0], most_events=max_events, rng=rng)
    b = sample_of(generated, labels[1], most_events=max_events, rng=rng)
    c = None if train is None else sample_of(train, f"{labels[0]}, training part", most_events=max_events, rng=rng)
    warnings += compare_conditions(a, b)
    further = c
    if c is not None and compare_conditions(a, c):
        further = None
        warnings.append(
            "The training events' conditions differ from the truth's: truth against truth goes without them."
        )

    pool = a if further is None else a.joined(further)
    replicates = Replicates.draw(a.weights, b.weights, rng)
    pooled = replicates if pool is a else of_pool(replicates, pool.weights, rng)
    tell("distances of observables", 0.05)
    findings, comparisons = judge_distributions(a, b, pool, pooled)
    more, rocs = judge_separability(
        a,
        b,
        further,
        cell_threshold=cell_threshold,
        seed=seed,
        progress=lambda step, share: tell(step, 0.1 + 0.75 * share),
    )
    findings += more

    showers = neighbours = extrapolation = None
    scans: tuple[Scan, ...] = ()
    if a.cells is not None:
        tell("physics of showers", 0.85)
        more, showers = judge_showers(a, b, pool, CalorimeterGeometry.from_events(truth), pooled)
        findings += more
        tell("nearest neighbours", 0.9)
        finding, neighbours = judge_neighbours(a, b, c, rng)
        findings.append(finding)
    if generator is not None and a.cells is not None:
        tell("scans of the generator", 0.93)
        more, scans, extrapolation = _judge_generator(generator, a, seed)
        findings += more
    tell("done", 1.0)
    return Verdict(
        use=use,
        uses=judge_uses(findings),
        findings=tuple(findings),
        warnings=tuple(warnings),
        truth_label=a.label,
        generated_label=b.label,
        n_truth=len(a),
        n_generated=len(b),
        n_pool=len(pool),
        seed=seed,
        provenance={"truth": a.provenance, "generated": b.provenance},
        comparisons=comparisons,
        rocs=rocs,
        showers=showers,
        neighbours=neighbours,
        scans=scans,
        extrapolation=extrapolation,
    )


def _judge_generator(
    generator: Generator, truth: Sample, seed: int
) -> tuple[list[Finding], tuple[Scan, ...], Extrapolation | None]:
    """Return what scans of the generator's trained conditions find; a condition with one value is not scanned."""
    findings: list[Finding] = []
    scans: list[Scan] = []
    extrapolation = None
    moving = {name for name, (low, high) in generator.trained_range.items() if high > low}
    if "incident_energy" in moving:
        finding, scan = judge_energy_scan(generator, seed=seed)
        findings.append(finding)
        scans.append(scan)
        finding, extrapolation = judge_extrapolation(generator, seed=seed)
        findings.append(finding)
    for condition in ("impact_x", "impact_y"):
        if condition in moving:
            finding, scan = judge_position_scan(generator, truth, condition, seed=seed)
            findings.append(finding)
            scans.append(scan)
    return findings, tuple(scans), extrapolation


def _labels(truth: xr.Dataset, generated: xr.Dataset) -> tuple[str, str]:
    """Return what the samples are called: their simulators, told apart if they are the same."""
    first, second = (
        _SPELLED.get(simulator := str(events.attrs.get("simulator", "")), simulator).removeprefix("simulacra ") or name
        for events, name in ((truth, "truth"), (generated, "generated"))
    )
    if first == second:
        particles = [str(events.attrs.get("particle", "")) for events in (truth, generated)]
        if particles[0] == particles[1]:
            particles = ["(truth)", "(judged)"]
        first, second = f"{first} {particles[0]}".strip(), f"{second} {particles[1]}".strip()
    return shorten(first), shorten(second)
