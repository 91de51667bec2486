"""Doubts about the comparison itself, for which nothing passes: shared events, AUCs below one half, constants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from simulacra.judges.criteria import ONLY_CONSTANTS
from simulacra.judges.finding import Finding
from simulacra.judges.kinds.find import KINDS
from simulacra.judges.samples import Sample
from simulacra.wording import with_error

#: standard deviations below one half; four classifiers on independent samples reach this once in 190 verdicts
BELOW: Final = 3.0
#: rounding differences of observables of equal arrays, relative to the largest
ROUNDING: Final = 1e-9


def only_constants(truth: Sample, generated: Sample) -> str:
    """Return the doubt about samples in which no result varies, or "" if one does.

    The judges tell different constants apart. Conditions are not checked, because they are inputs.
    """
    theirs, ours = (KINDS[truth.kind].outcome(sample) for sample in (truth, generated))
    # Observables of equal arrays or particles may differ by the order of a sum; columns of a table are exact.
    rounding = 0.0 if truth.cells is None and truth.cloud is None else ROUNDING
    constant = theirs.keys() == ours.keys() and all(
        _is_constant(values, ours[name], rounding) for name, values in theirs.items()
    )
    return ONLY_CONSTANTS if constant else ""


def doubts_about(findings: Sequence[Finding], shared: str, constants: str = "") -> tuple[str, ...]:
    """Return the doubts about a comparison, in words.

    On events not used in training a classifier cannot be worse than guessing, unless the samples depend on each other:
    if an event is in both, the copy in the training has the other label.

    Parameters
    ----------
    findings:
        of the unweighted generated events.
    shared:
        the warning about events in both samples, "" if there are none.
    constants:
        from :func:`only_constants`.
    """
    below = [
        finding
        for finding in findings
        if finding.judge == "classifier_auc"
        and finding.value + BELOW * math.hypot(finding.uncertainty, finding.truth_uncertainty or 0.0) < 0.5
    ]
    doubts = [doubt for doubt in (constants, shared) if doubt]
    if below:
        least = min(below, key=lambda finding: finding.value)
        doubts.append(
            f"An AUC is below one half beyond its error ({least.observable.replace('_', ' ')}: "
            f"{with_error(least.value, least.uncertainty)}): the samples depend on each other, for example because "
            "events of one, or small changes of them, are in the other. Nothing can pass."
        )
    return tuple(doubts)


def _is_constant(truth: np.ndarray, generated: np.ndarray, rounding: float) -> bool:
    if truth.shape[1:] != generated.shape[1:]:
        return False
    first = truth[0].astype(np.float64)
    # Two events tell where things vary, which is nearly always.
    parts = (truth[:2], truth, generated)
    return all(bool((np.abs(values - first) <= rounding * np.abs(first)).all()) for values in parts)
