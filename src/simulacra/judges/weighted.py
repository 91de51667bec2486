"""The judges with limits in a use, applied to generated events with a classifier's weights."""

from __future__ import annotations

import numpy as np

from simulacra.judges.criteria import WITH_WEIGHTS
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.mode_coverage import judge_modes
from simulacra.judges.kinds.find import KINDS
from simulacra.judges.samples import Sample


def judge_weighted(truth: Sample, weighted: Sample, rng: np.random.Generator) -> list[Finding]:
    """Return the findings of the judges of conditions and modes, and of this kind of events, on weighted events.

    Distributions and classifiers are already judged in :func:`~simulacra.judges.classifiers.corrected.judge_corrected`.
    Copies of training events remain copies with any weight and are not judged again.

    Parameters
    ----------
    truth, weighted:
        events not used to train the classifier, the generated ones with its weights.
    rng:
        for replicates and clusters.

    Returns
    -------
    list
        findings with the names of the plain judges. Their region is ``WITH_WEIGHTS``; the range of the conditions is in
        the details.
    """
    findings = [*judge_conditional(truth, weighted, rng)[0], *judge_modes(truth, weighted, rng)[0]]
    findings += KINDS[truth.kind].judged_again(truth, weighted, rng)
    return [
        finding.model_copy(update={"region": WITH_WEIGHTS, "details": {**finding.details, "region": finding.region}})
        for finding in findings
    ]
