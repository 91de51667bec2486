"""Judge generated events: prepare the samples once, run the panel of judges, and return the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import xarray as xr

from simulacra.conditions import band_of
from simulacra.judges.case import SamplesEvents
from simulacra.judges.criteria import WITH_WEIGHTS, judge_uses
from simulacra.judges.doubts import doubts_about, only_constants
from simulacra.judges.finding import Finding
from simulacra.judges.kinds.find import KINDS
from simulacra.judges.learning_curves import LearningCurves
from simulacra.judges.panel import PANEL
from simulacra.judges.plain_arrays import Plain, as_events
from simulacra.judges.preparation import prepared
from simulacra.judges.samples import JudgeError
from simulacra.judges.verdict import Verdict
from simulacra.progress import Progress, silent
from simulacra.statistics.classifiers.classifier import CELL_THRESHOLD, TrainingProtocol

MOST_EVENTS: Final = 50_000
#: share of the work for reading the events
READING: Final = 0.02


def judge(
    truth: xr.Dataset | Plain,
    generated: xr.Dataset | Plain,
    *,
    train: xr.Dataset | None = None,
    members: Sequence[xr.Dataset] = (),
    generator: SamplesEvents | None = None,
    use: str = "cells",
    hold_out: str | None = None,
    n_train: int | None = None,
    learning_curves: LearningCurves | None = None,
    protocol: TrainingProtocol = "cross-validation",
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
        the truth events that the generator was trained on, needed to judge memorisation; also used as further truth for
        truth against truth.
    members:
        events of further members of an ensemble, trained with other seeds, to judge the model's uncertainty.
    generator:
        the generator, for scans at fixed noise and extrapolation.
    use:
        the stated use: "energy", "shapes" or "cells".
    hold_out:
        a band of a condition left out of the generator's training, such as "incident_energy:30:50".
    n_train:
        number of truth events that the generator was trained on, if it differs from that of ``train``.
    learning_curves:
        of the training, for the report.
    protocol:
        of the perceptrons: "cross-validation" or "calochallenge".
    seed:
        of all random numbers of the judges.
    max_events:
        largest number of events of each sample, chosen at random.
    cell_threshold:
        energy up to which a cell counts as empty for the classifiers [MeV].
    progress:
        called with the name of each step and the completed share of the work.

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
    a, b, kind = case.truth, case.generated, KINDS[case.truth.kind]
    known = [one.name for one in kind.uses]
    if use not in known:
        raise JudgeError(f"no use '{use}' for {a.kind}; the uses are {', '.join(known)}")
    case = replace(
        case,
        n_train=case.n_train if n_train is None else n_train,
        generator=generator,
        held_out=None if hold_out is None else band_of(hold_out, tuple(a.conditions)),
        cell_threshold=cell_threshold,
        protocol=protocol,
        evidence={} if learning_curves is None else {"learning_curves": learning_curves},
    )
    findings: list[Finding] = []
    done = READING
    for member in (*PANEL, *kind.judges):
        if member.applies(case):
            tell(member.step, done)
            found, case = member.heard(replace(case, tell=partial(_within, tell, done, member.share)))
            findings += found
        done += member.share
    plain = [finding for finding in findings if finding.region != WITH_WEIGHTS]
    doubts = doubts_about(plain, case.shared, only_constants(a, b))
    tell("done", 1.0)
    return Verdict(
        use=use,
        uses=judge_uses(findings, kind.uses, doubts),
        findings=tuple(findings),
        warnings=(*doubts, *case.warnings),
        truth_label=a.label,
        generated_label=b.label,
        n_truth=len(a),
        n_generated=len(b),
        n_pool=len(case.pool),
        seed=seed,
        provenance={"truth": a.provenance, "generated": b.provenance},
        evidence=case.evidence,
    )


def _within(tell: Progress, start: float, share: float, step: str, part: float) -> None:
    """Show a step of a judge, whose work is a share of the whole."""
    tell(step, start + share * part)
