"""The judges whose limits a use sets, once more on generated events that carry a classifier's weights."""

from __future__ import annotations

import numpy as np

from simulacra.judges.criteria import WITH_WEIGHTS
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.mode_coverage import judge_modes
from simulacra.judges.kinds.find import KINDS
from simulacra.judges.samples import Sample


def judge_weighted(truth: Sample, weighted: Sample, rng: np.random.Generator) -> list[Finding]:
    """Return what the judges of conditions and modes, and those of this kind of events, find on weighted events.

    The distributions and the classifiers have judged them already, in
    :func:`~simulacra.judges.classifiers.corrected.judge_corrected`. Copies of training events stay copies whatever they
    weigh: they are not judged again.

    Parameters
    ----------
    truth, weighted:
        events that the classifier has not learned from, the generated ones with its weights.
    rng:
        for replicates and clusters.

    Returns
    -------
    list
        findings called as those of the plain judges. Their region is ``WITH_WEIGHTS``; the part of the conditions that
        they are about stands in the details.
    """
    findings = [*judge_conditional(truth, weighted, rng)[0], *judge_modes(truth, weighted, rng)[0]]
    findings += KINDS[truth.kind].judged_again(truth, weighted, rng)
    return [
        finding.model_copy(update={"region": WITH_WEIGHTS, "details": {**finding.details, "region": finding.region}})
        for finding in findings
    ]
