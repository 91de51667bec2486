"""Modes, effective modes and diversity of generated events, as findings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.statistics.modes.mode_alarm import ModeAlarm
from simulacra.statistics.modes.mode_report import ModeReport
from simulacra.statistics.modes.strata import condition_table
from simulacra.wording import with_error


@dataclass(frozen=True)
class ModeEvidence:
    """The data for the chapter on modes.

    Attributes
    ----------
    report:
        the check.
    observables, long_names:
        of the tested features, (F,).
    conditions:
        the fixed conditions.
    """

    report: ModeReport
    observables: tuple[str, ...]
    long_names: tuple[str, ...]
    conditions: tuple[str, ...]


def judge_modes(
    truth: Sample, generated: Sample, rng: np.random.Generator, *, alarm: ModeAlarm | None = None
) -> tuple[list[Finding], ModeEvidence]:
    """Search for modes of the truth's observables that the generator has lost, and for lost diversity.

    Parameters
    ----------
    truth, generated:
        the samples.
    rng:
        of the clusters and the pairs.
    alarm:
        an alarm fitted on ``truth`` by :func:`mode_alarm`; fitted here if None.
    """
    observables, conditions = list(truth.observables), truth.moving
    alarm = alarm or mode_alarm(truth, seed=int(rng.integers(2**31)))
    report = alarm.check(
        generated.columns(observables),
        condition_table(generated.conditions, conditions),
        generated.weights,
    )
    spread = report.diversity
    missing = 1 - report.effective_modes / report.truth_effective_modes
    of_truth = report.truth_effective_modes_error * report.effective_modes / report.truth_effective_modes
    missing_error = float(np.hypot(report.effective_modes_error, of_truth) / report.truth_effective_modes)
    where = "at fixed condition" if conditions else "among themselves"
    sizes = report.n_truth, report.n_generated
    findings = [
        Finding.of(
            "lost_modes",
            "observables",
            (1 - report.coverage, report.coverage_error, *report.chance_lost, report.p_value),
            sizes,
            report.sentence,
            details={
                "alarm": report.alarm,
                "clusters": len(report.partitions[1].truth),
                "lost": {part.kind: int(part.lost.sum()) for part in report.partitions[:2]},
                "p_value_of": "chi-square of the clusters' shares",
            },
        ),
        Finding.of(
            "missing_modes",
            "observables",
            (
                missing,
                missing_error,
                0.0,
                report.truth_effective_modes_error / report.truth_effective_modes,
                report.modes_p_value,
            ),
            sizes,
            f"{generated.label} has {with_error(report.effective_modes, report.effective_modes_error)} effective "
            f"modes, {truth.label} {with_error(report.truth_effective_modes, report.truth_effective_modes_error)}.",
            details={"effective_modes": report.effective_modes, "truth_effective_modes": report.truth_effective_modes},
        ),
        Finding.of(
            "missing_diversity",
            "observables",
            (1 - spread.value, spread.uncertainty, 0.0, spread.chance, spread.p_value),
            sizes,
            f"The spread of {generated.label} events {where} is {with_error(spread.value, spread.uncertainty, '%')} of "
            f"that of {truth.label} events.",
            details={
                "by_observable": dict(zip(observables, spread.features.tolist(), strict=True)),
                "p_value_with_each_observable": spread.p_least,
            },
        ),
    ]
    return findings, ModeEvidence(
        report, tuple(observables), tuple(truth.long_names[name] for name in observables), tuple(conditions)
    )


def mode_alarm(truth: Sample, *, seed: int) -> ModeAlarm:
    """Return an alarm for generated events of this kind; its columns are the sample's observables and conditions."""
    observables, conditions = list(truth.observables), truth.moving
    return ModeAlarm(
        truth.columns(observables),
        condition_table(truth.conditions, conditions),
        truth.weights,
        seed,
        names=observables,
        units=[truth.units[name] for name in observables],
    )
