"""What puts a comparison itself in doubt, so that nothing passes: events in both samples, and AUCs below one half."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from simulacra.judges.finding import Finding
from simulacra.judges.wording import with_error

#: below one half by so many standard deviations; of independent samples four classifiers do so once in 190 verdicts
BELOW: Final = 3.0


def doubts_about(findings: Sequence[Finding], shared: str) -> tuple[str, ...]:
    """Return what puts a comparison in doubt, in words.

    A classifier that is judged on events which it has not seen can do no worse than guess, unless the samples depend on
    each other: of an event that stands in both, the copy that it learned from carries the other label.

    Parameters
    ----------
    findings:
        of the generated events as they are.
    shared:
        the warning about events in both samples, "" if there are none.
    """
    below = [
        finding
        for finding in findings
        if finding.judge == "classifier_auc"
        and finding.value + BELOW * math.hypot(finding.uncertainty, finding.truth_uncertainty or 0.0) < 0.5
    ]
    doubts = [shared] if shared else []
    if below:
        least = min(below, key=lambda finding: finding.value)
        doubts.append(
            f"An AUC lies below one half beyond its error ({least.observable.replace('_', ' ')}: "
            f"{with_error(least.value, least.uncertainty)}): the samples depend on each other, as where events of the "
            "one, or small changes of them, stand in the other. Nothing can pass."
        )
    return tuple(doubts)
