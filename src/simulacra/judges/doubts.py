"""What puts a comparison itself in doubt, so that nothing passes: shared events, AUCs below one half, constants."""

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

#: below one half by so many standard deviations; of independent samples four classifiers do so once in 190 verdicts
BELOW: Final = 3.0
#: what observables of equal arrays may differ by, relative to the largest: rounding
ROUNDING: Final = 1e-9


def only_constants(truth: Sample, generated: Sample) -> str:
    """Return the doubt about samples in which nothing that came out varies, or "" if something does.

    Two constants that differ are told apart by the judges. Conditions are not looked at: they were asked for.
    """
    theirs, ours = (KINDS[truth.kind].outcome(sample) for sample in (truth, generated))
    # Observables of equal arrays or particles may differ by the order of a sum; a column of a table is what it is.
    rounding = 0.0 if truth.cells is None and truth.cloud is None else ROUNDING
    constant = theirs.keys() == ours.keys() and all(
        _is_constant(values, ours[name], rounding) for name, values in theirs.items()
    )
    return ONLY_CONSTANTS if constant else ""


def doubts_about(findings: Sequence[Finding], shared: str, constants: str = "") -> tuple[str, ...]:
    """Return what puts a comparison in doubt, in words.

    A classifier that is judged on events which it has not seen can do no worse than guess, unless the samples depend on
    each other: of an event that stands in both, the copy that it learned from carries the other label.

    Parameters
    ----------
    findings:
        of the generated events as they are.
    shared:
        the warning about events in both samples, "" if there are none.
    constants:
        that of :func:`only_constants`.
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
            f"An AUC lies below one half beyond its error ({least.observable.replace('_', ' ')}: "
            f"{with_error(least.value, least.uncertainty)}): the samples depend on each other, as where events of the "
            "one, or small changes of them, stand in the other. Nothing can pass."
        )
    return tuple(doubts)


def _is_constant(truth: np.ndarray, generated: np.ndarray, rounding: float) -> bool:
    if truth.shape[1:] != generated.shape[1:]:
        return False
    first = truth[0].astype(np.float64)
    # Two events tell where things vary, which is nearly always.
    parts = (truth[:2], truth, generated)
    return all(bool((np.abs(values - first) <= rounding * np.abs(first)).all()) for values in parts)
