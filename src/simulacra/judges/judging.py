"""Judge generated events: the samples are prepared once, every judge looks at them, and a verdict says what they found.

Each judge draws its random numbers from a stream of its own, so that what one finds does not hang on which others look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from simulacra.conditions import band_of
from simulacra.judges.bands import judge_band
from simulacra.judges.calorimeter.scans import (
    Extrapolation,
    Generator,
    Scan,
    judge_energy_scan,
    judge_extrapolation,
    judge_position_scan,
)
from simulacra.judges.calorimeter.showers import judge_showers
from simulacra.judges.case import prepared
from simulacra.judges.classifiers.corrected import judge_corrected
from simulacra.judges.classifiers.failures import judge_failures
from simulacra.judges.classifiers.separability import Roc, judge_separability
from simulacra.judges.criteria import WITH_WEIGHTS, judge_uses
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.distances.multivariate import compare_all
from simulacra.judges.doubts import doubts_about, only_constants
from simulacra.judges.evidence import Evidence
from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.ensembles import judge_ensemble
from simulacra.judges.generalisation.memorisation import judge_memorisation
from simulacra.judges.generalisation.mode_coverage import judge_modes
from simulacra.judges.generalisation.neighbours import judge_neighbours
from simulacra.judges.generalisation.statistical_power import judge_statistical_power
from simulacra.judges.learning_curves import LearningCurves
from simulacra.judges.limits import USES
from simulacra.judges.plain_arrays import Plain, as_events
from simulacra.judges.samples import JudgeError, Sample
from simulacra.judges.verdict import Verdict
from simulacra.judges.weighted import judge_weighted
from simulacra.progress import Progress, silent
from simulacra.statistics.classifiers.classifier import CELL_THRESHOLD, Protocol
from simulacra.statistics.model_floor import FEWEST_MEMBERS

MOST_EVENTS: Final = 50_000


def judge(
    truth: xr.Dataset | Plain,
    generated: xr.Dataset | Plain,
    *,
    train: xr.Dataset | None = None,
    members: Sequence[xr.Dataset] = (),
    generator: Generator | None = None,
    use: str = "cells",
    hold_out: str | None = None,
    n_train: int | None = None,
    learning_curves: LearningCurves | None = None,
    protocol: Protocol = "cross-validation",
    seed: int = 0,
    max_events: int = MOST_EVENTS,
    cell_threshold: float = CELL_THRESHOLD,
    progress: Progress | None = None,
) -> Verdict:
    """Compare generated events with truth and return the verdict.

    Parameters
    ----------
    truth, generated:
        events of the same kind (showers, particle clouds, arrays of fixed shape, tables), with the same distribution of
        the conditions; or plain arrays, (N, features) or (N, ...), or arrays by name
        (:func:`~simulacra.judges.plain_arrays.as_events`).
    train:
        the truth events that the generator was trained on: needed to judge memorisation; as further truth they sharpen
        what truth against truth scores.
    members:
        events of further generators, trained alike from other seeds: with them the model's uncertainty is judged.
    generator:
        the generator, for scans at fixed noise and extrapolation.
    use:
        the stated use: "energy", "shapes" or "cells".
    hold_out:
        a band of a condition, such as "incident_energy:30:50", that the generator was not trained on.
    n_train:
        number of truth events that the generator was trained on, where it is not that of ``train``.
    learning_curves:
        of the training, for the report.
    protocol:
        of the perceptrons: "cross-validation" or "calochallenge".
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
    tell = progress or silent
    tell("reading events", 0.0)
    truth, generated = as_events(truth, "truth"), as_events(generated, "generated")
    case = prepared(truth, generated, train, members, seed=seed, max_events=max_events)
    known = [one.name for one in USES[case.truth.kind]]
    if use not in known:
        raise JudgeError(f"no use '{use}' of {case.truth.kind}; the uses are {', '.join(known)}")
    findings: list[Finding] = []
    a, b = case.truth, case.generated
    # Negative weights: only what has an estimator for them looks.
    signed = case.signed
    if hold_out is not None:
        # First, for it refuses a band with too few events.
        findings += judge_band(a, b, band_of(hold_out, tuple(a.conditions)), case.rng("band"))

    tell("distances of observables", 0.02)
    found, comparisons = judge_distributions(a, b, case.pool, case.replicates)
    findings += found
    multivariate = compare_all(
        case.features,
        case.rng("distances"),
        signed=signed,
        progress=lambda step, share: tell(step, 0.04 + 0.11 * share),
    )
    findings += multivariate.findings
    found, rocs = judge_separability(
        a,
        b,
        case.further,
        cell_threshold=cell_threshold,
        protocol=protocol,
        seed=seed,
        progress=lambda step, share: tell(step, 0.15 + 0.5 * share),
    )
    findings += found
    best = max(rocs, key=lambda roc: roc.judged.ensemble_auc)
    failures = correction = modes = memorisation = power = None
    if not signed:
        tell("where it fails", 0.65)
        found, failures = judge_failures(a, b, best.judged, case.rng("failures"))
        findings += found
        tell("with weights", 0.68)
        found, correction = judge_corrected(a, b, case.rng("weights"), cell_threshold=cell_threshold)
        findings += found
    if correction is not None:
        tell("with weights, by the other judges", 0.74)
        findings += judge_weighted(*correction.of(a, b), case.geometry, case.rng("weighted"))
    tell("in bins of the conditions", 0.76)
    found, conditional = judge_conditional(a, b, case.rng("conditions"), _log_odds(best, a, b))
    findings += found
    alike = (b, *case.members)
    if not signed:
        tell("modes", 0.81)
        found, modes = judge_modes(a, b, case.rng("modes"))
        findings += found
        tell("memorisation", 0.84)
        found, memorisation = judge_memorisation(a, b, case.train, case.rng("memorisation"))
        findings += found
        tell("statistical power", 0.88)
        trained = n_train if n_train is not None or case.train is None else case.n_train
        # Two generators trained alike are enough for a band, but not for the floor that none of them reaches.
        many = alike if len(alike) >= FEWEST_MEMBERS else ()
        found, power = judge_statistical_power(a, b, trained, members=many, rng=case.rng("power"))
        findings += found
    ensemble = None
    if case.members and not signed:
        tell("model uncertainty", 0.9)
        found, ensemble = judge_ensemble(a, alike, case.rng("ensemble"))
        findings += found
    showers = neighbours = extrapolation = None
    scans: tuple[Scan, ...] = ()
    if case.geometry is not None:
        tell("physics of showers", 0.92)
        found, showers = judge_showers(a, b, case.pool, case.geometry, case.replicates)
        findings += found
        if not signed:
            finding, neighbours = judge_neighbours(a, b, case.train, case.rng("neighbours"))
            findings.append(finding)
    if generator is not None and a.kind == "showers":
        tell("scans of the generator", 0.95)
        found, scans, extrapolation = _judge_generator(generator, a, seed)
        findings += found
    plain = [finding for finding in findings if finding.region != WITH_WEIGHTS]
    doubts = doubts_about(plain, case.shared, only_constants(a, b))
    tell("done", 1.0)
    return Verdict(
        use=use,
        uses=judge_uses(findings, USES[a.kind], doubts),
        findings=tuple(findings),
        warnings=(*doubts, *case.warnings),
        truth_label=a.label,
        generated_label=b.label,
        n_truth=len(a),
        n_generated=len(b),
        n_pool=len(case.pool),
        seed=seed,
        provenance={"truth": a.provenance, "generated": b.provenance},
        comparisons=comparisons,
        rocs=rocs,
        showers=showers,
        neighbours=neighbours,
        scans=scans,
        extrapolation=extrapolation,
        evidence=Evidence(
            multivariate=multivariate,
            failures=failures,
            correction=correction,
            conditional=conditional,
            modes=modes,
            memorisation=memorisation,
            power=power,
            ensemble=ensemble,
            learning_curves=learning_curves,
        ),
    )


def _log_odds(roc: Roc, truth: Sample, generated: Sample) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a classifier's log-odds of all events; None if it looked at some of them only."""
    judged = roc.judged
    if len(judged.truth_rows) < len(truth) or len(judged.generated_rows) < len(generated):
        return None
    first, second = np.empty(len(truth)), np.empty(len(generated))
    first[judged.truth_rows], second[judged.generated_rows] = judged.truth_log_odds, judged.generated_log_odds
    return first, second


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
