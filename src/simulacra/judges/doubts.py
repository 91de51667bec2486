"""What puts a comparison itself in doubt, so that nothing passes: shared events, AUCs below one half, constants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample
from simulacra.wording import with_error

#: below one half by so many standard deviations; of independent samples four classifiers do so once in 190 verdicts
BELOW: Final = 3.0
#: what observables of equal arrays may differ by, relative to the largest: rounding
ROUNDING: Final = 1e-9
ONLY_CONSTANTS: Final = (
    "All variables (conditions aside) are constant: each has one value in all events of both samples. So nothing can "
    "be told of how the generated events vary, and nothing can pass."
)


def only_constants(truth: Sample, generated: Sample) -> str:
    """Return the doubt about samples in which nothing that came out varies, or "" if something does.

    Two constants that differ are told apart by the judges. Conditions are not looked at: they were asked for.
    """
    theirs, ours = _contents(truth), _contents(generated)
    # Observables of equal arrays or particles may differ by the order of a sum; a column of a table is what it is.
    rounding = 0.0 if truth.kind == "table" else ROUNDING
    constant = theirs.keys() == ours.keys() and all(
        _is_constant(values, ours[name], rounding) for name, values in theirs.items()
    )
    return ONLY_CONSTANTS if constant else ""


def remedy(doubts: Sequence[str]) -> str:
    """Return what to do about doubts, in one sentence."""
    if ONLY_CONSTANTS in doubts:
        return "Judge variables that vary; if these should, look at how the samples were made and read."
    return "Generate other events, and judge them against truth events that they were not made from."


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


def _contents(sample: Sample) -> dict[str, np.ndarray]:
    """Return what came out by name, an array of (N, ...) each."""
    found = {} if sample.cells is None else {"cells": sample.cells}
    if sample.cloud is not None:
        found |= {"present": sample.cloud.present, "particles": sample.cloud.features}
    # Some observables of showers are of cells and conditions together.
    return found if sample.kind == "showers" else found | dict(sample.observables)


def _is_constant(truth: np.ndarray, generated: np.ndarray, rounding: float) -> bool:
    if truth.shape[1:] != generated.shape[1:]:
        return False
    first = truth[0].astype(np.float64)
    # Two events tell where things vary, which is nearly always.
    parts = (truth[:2], truth, generated)
    return all(bool((np.abs(values - first) <= rounding * np.abs(first)).all()) for values in parts)
