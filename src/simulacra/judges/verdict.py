"""The verdict on generated events: all findings, the uses that the events are good enough for, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulacra.judges.criteria import SIGMAS, WITH_WEIGHTS, UseJudgement, advice_on
from simulacra.judges.finding import Finding
from simulacra.wording import with_error


@dataclass(frozen=True)
class Verdict:
    """The result of the judges.

    Attributes
    ----------
    use:
        name of the stated use, one of those in ``uses``.
    uses:
        the outcome for each use.
    findings:
        all findings; those on the generated events with a classifier's weights have the region "with weights".
    warnings:
        problems of the comparison itself.
    truth_label, generated_label:
        names of the samples.
    provenance:
        of "truth" and "generated".
    evidence:
        the judges' evidence for the report, by name: "histograms", "rocs", "modes" and so on; missing if it could not
        be judged.
    """

    use: str
    uses: tuple[UseJudgement, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    truth_label: str
    generated_label: str
    n_truth: int
    n_generated: int
    n_pool: int
    seed: int
    provenance: Mapping[str, Mapping[str, Any]]
    evidence: Mapping[str, Any]

    @property
    def stated(self) -> UseJudgement:
        """The judgement on the stated use."""
        return next(judged for judged in self.uses if judged.use.name == self.use)

    @property
    def passed(self) -> bool:
        """Whether the events are good enough for the stated use without weights."""
        return self.stated.outcome == "pass"

    @property
    def plain_findings(self) -> tuple[Finding, ...]:
        """The findings on unweighted generated events."""
        return tuple(finding for finding in self.findings if finding.region != WITH_WEIGHTS)

    def said_by(self, *judges: str) -> tuple[str, ...]:
        """Return sentences of judges on the unweighted generated events."""
        return tuple(finding.sentence for finding in self.plain_findings if finding.judge in judges)

    @property
    def labels(self) -> tuple[str, str]:
        """The names of truth and generated events."""
        return self.truth_label, self.generated_label

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        stated = self.stated
        beginning = {
            "pass": "PASS: good enough for",
            "pass with weights": "PASS WITH WEIGHTS: good enough, once weighted, for",
            "fail": "FAIL: not good enough for",
            "undecided": "UNDECIDED for",
        }
        return f"{beginning[stated.outcome]} {stated.use.title}{self._what_would_decide}."

    @property
    def _what_would_decide(self) -> str:
        if self.stated.outcome != "undecided":
            return ""
        if self.stated.doubts:
            return ": the comparison itself is in doubt"
        if (needed := self.stated.events_needed) is None:
            return ""
        least, most = needed
        many = f"{least:,} or more" if most is None else f"{most:,}" if most <= least else f"{least:,} to {most:,}"
        return f": about {many} events of each sample would decide"

    @property
    def summary(self) -> str:
        """Whether the samples can be told apart, in one sentence."""
        aucs = [finding for finding in self.plain_findings if finding.judge == "classifier_auc"]
        best = max(aucs, key=lambda finding: finding.value)
        failed = [judged.criterion for judged in self.stated.judgements if judged.outcome == "fail"]
        if self.stated.doubts:
            # samples that depend on each other are more alike than they look
            seen = (
                "In doubt, but what fails still fails" if failed else "Of no meaning while the comparison is in doubt"
            )
        elif (best.significance or 0.0) > SIGMAS or any(one.judge == best.judge for one in failed):
            seen = "Distinguishable"
        elif failed:
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            seen = f"Distinguishable by '{failed[0].title}'{more}, not by classifiers at these sample sizes"
        else:
            seen = "Not distinguishable at these sample sizes"
        what, _, kind = best.observable.rstrip(")").replace("_", " ").partition(" (")
        return (
            f"{seen}: a classifier ({kind}) on the {what} reaches AUC = "
            f"{with_error(best.value, best.uncertainty)}, truth against truth "
            f"{with_error(best.truth_value or 0.5, best.truth_uncertainty or 0.0)}."
        )

    @property
    def advice(self) -> list[str]:
        """What to do, point by point."""
        return advice_on(self.stated, self.uses)
