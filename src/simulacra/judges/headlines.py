"""The few numbers of a verdict for comparing generators, and their findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from simulacra.judges.finding import Finding

AUC: Final = "classifier_auc"


@dataclass(frozen=True)
class Headline:
    """A number for comparing generators.

    Attributes
    ----------
    key, title:
        its name in records and in tables.
    judge, observable:
        its findings, of which the worst is used; ``observable`` is the part before " (", "" for any.
    best:
        whether "low" or "high" values are good.
    shows:
        the finding's "value", or its "p_value", which is not used for ranking.
    scale:
        factor on the shown value.
    """

    key: str
    title: str
    judge: str
    observable: str = ""
    best: Literal["low", "high"] = "low"
    shows: Literal["value", "p_value"] = "value"
    scale: float = 1.0

    def of(self, findings: Sequence[Finding]) -> Number | None:
        """Return the worst of these findings, over all conditions; None if there is none."""
        about = [
            finding
            for finding in findings
            if finding.judge == self.judge
            and not finding.region
            and not finding.extrapolated
            and self.observable in ("", what_of(finding))
            and (self.shows == "value" or finding.p_value is not None)
        ]
        if not about:
            return None
        if self.shows == "p_value":
            least = min(about, key=lambda finding: finding.p_value or 0.0)
            return Number(float(least.p_value or 0.0), 0.0, None, None, least.observable)
        worst = max(about, key=lambda finding: finding.value if self.best == "low" else -finding.value)
        return Number(worst.value, worst.uncertainty, worst.truth_value, worst.truth_uncertainty, worst.observable)


#: besides the AUC of the classifiers
HEADLINES: Final = (
    Headline("wasserstein_distance", "worst W₁ [σ]", "wasserstein_distance"),
    Headline("frechet_physics_distance", "FPD × 10³", "frechet_physics_distance", scale=1e3),
    Headline("kernel_physics_distance", "KPD × 10³", "kernel_physics_distance", scale=1e3),
    Headline("coverage", "coverage", "coverage", best="high"),
    Headline("memorisation", "memorised p", "memorisation", shows="p_value"),
)


@dataclass(frozen=True)
class Number:
    """A headline number with its error, the value for truth against truth, and its observable."""

    value: float
    uncertainty: float
    truth_value: float | None
    truth_uncertainty: float | None
    observable: str


def what_of(finding: Finding) -> str:
    """Return the inputs of a finding, such as "cells" for "cells (perceptron)"."""
    return finding.observable.partition(" (")[0]
