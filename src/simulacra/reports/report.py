"""The page of a verdict: one self-contained HTML file, and a JSON file with the same numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulacra.judges.classifiers.failures import LEVEL
from simulacra.judges.criteria import WITH_WEIGHTS, Criterion, Judgement, UseJudgement
from simulacra.judges.finding import Finding
from simulacra.pages import Card
from simulacra.pages.write import environment, write_files
from simulacra.reports.chapters import chapters_of
from simulacra.reports.finding_rows import probability, truth_beside
from simulacra.reports.record import record_of
from simulacra.version import __version__
from simulacra.wording import with_error

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

ORDER: Final = (
    "classifier_auc",
    "wasserstein_distance",
    "conditional_wasserstein_distance",
    "response_linearity",
    "energy_resolution",
    "lost_modes",
    "missing_diversity",
    "copies_of_training",
)
#: outcomes of criteria
WORST_FIRST: Final = ("fail", "undecided", "pass", "pass with weights")
#: judges whose findings are in the tables of the observables
EACH_OBSERVABLE: Final = ("wasserstein_distance", "kolmogorov_smirnov", "separation_power")


def write_report(verdict: Verdict, folder: str | os.PathLike[str]) -> Path:
    """Write ``report.json`` and ``report.html``, each whole or not at all, and return the page's path.

    Raises
    ------
    OSError
        if the folder is not writable.
    """
    return write_files(Path(folder), page_of(verdict), record_of(verdict))


def page_of(verdict: Verdict) -> str:
    """Return the page as HTML, with its styles and figures."""
    return (
        environment("simulacra.reports")
        .get_template("report.html")
        .render(
            version=__version__,
            verdict=verdict,
            outcome=verdict.stated.outcome,
            cards=[_card(judgement, verdict) for judgement in _ordered(verdict)],
            uses=[_use(judged) for judged in verdict.uses],
            limits=[_limit(judgement) for judgement in _ordered(verdict)],
            summary=verdict.summary,
            chapters=chapters_of(verdict),
            worst=_worst(verdict),
            findings=_findings(verdict),
            provenance_columns=(verdict.truth_label, verdict.generated_label),
            provenance=_provenance(verdict),
        )
    )


def criterion_rows(verdict: Verdict) -> list[dict[str, str]]:
    """Return each criterion of all uses once, the failed ones first, with the finding in words."""
    return [_criterion(judgement, verdict) for judgement in _ordered(verdict)]


def _ordered(verdict: Verdict) -> list[Judgement]:
    """Return each criterion of all uses once: the failed ones first, then the undecided, then the passed."""
    found = {j.criterion.title: j for use in verdict.uses for j in use.judgements}
    return sorted(found.values(), key=lambda j: (WORST_FIRST.index(j.outcome), ORDER.index(j.criterion.judge)))


def _criterion(judgement: Judgement, verdict: Verdict) -> dict[str, str]:
    names = {comparison.observable: comparison.long_name for comparison in verdict.evidence["histograms"]}
    criterion, finding = judgement.criterion, judgement.finding
    return {
        "title": criterion.title,
        "about": (finding.region or names.get(finding.observable, finding.observable)).replace("_", " "),
        "value": with_error(finding.value, finding.uncertainty, criterion.units),
        "truth": truth_beside(finding, criterion.units),
        "limit": _shown(criterion),
        "outcome": judgement.outcome,
    }


def _limit(judgement: Judgement) -> dict[str, str]:
    criterion = judgement.criterion
    return {"title": criterion.title, "limit": _shown(criterion), "reason": criterion.reason}


def _shown(criterion: Criterion) -> str:
    return f"{100 * criterion.limit:g} %" if criterion.units == "%" else f"{criterion.limit:g}"


def _card(judgement: Judgement, verdict: Verdict) -> Card:
    row = _criterion(judgement, verdict)
    beside = [row["about"], f"truth against truth {row['truth']}\nlimit {row['limit']}"]
    if judgement.outcome == "fail" and verdict.stated.outcome == "pass with weights":
        weighted = {j.criterion.title: j.finding for j in verdict.stated.weighted}
        if (found := weighted.get(judgement.criterion.title)) is not None:
            beside.append(f"with weights {with_error(found.value, found.uncertainty, judgement.criterion.units)}")
    return Card(row["title"], row["value"], tuple(beside), judgement.outcome)


def _use(judged: UseJudgement) -> dict[str, Any]:
    failed = [j.criterion.title.split(":")[0] for j in judged.judgements if j.outcome != "pass"]
    return {"title": judged.use.title, "name": judged.use.name, "outcome": judged.outcome, "because": failed}


def _worst(verdict: Verdict) -> list[str]:
    """Return sentences on the worst region, the worst feature and the two worst observables, if beyond chance."""
    region = [
        finding.sentence
        for finding in verdict.plain_findings
        if finding.judge in ("worst_region", "important_feature")
        and finding.p_value is not None
        and finding.p_value < LEVEL
    ]
    distances = [finding for finding in verdict.plain_findings if finding.judge == "wasserstein_distance"]
    standing_out = [finding for finding in distances if (finding.significance or 0) > 3]
    return region + [finding.sentence for finding in sorted(standing_out, key=lambda f: -f.value)[:2]]


def _findings(verdict: Verdict) -> list[dict[str, str]]:
    """Return a row of the last table for each finding that is not a distance of an observable."""
    return [
        {
            "judge": finding.judge.replace("_", " "),
            "observable": finding.observable.replace("_", " "),
            "value": with_error(finding.value, finding.uncertainty),
            "truth": truth_beside(finding),
            "sentence": finding.sentence,
            "p": probability(finding),
            "mark": _mark(finding),
        }
        for finding in verdict.findings
        if finding.judge not in EACH_OBSERVABLE
    ]


def _mark(finding: Finding) -> str:
    if finding.extrapolated:
        return "extrapolation"
    return WITH_WEIGHTS if finding.region == WITH_WEIGHTS else ""


def _provenance(verdict: Verdict) -> list[tuple[str, str, str]]:
    """Return rows of (what, truth, generated)."""
    sides = verdict.provenance["truth"], verdict.provenance["generated"]
    rows = [("events", f"{verdict.n_truth:,}", f"{verdict.n_generated:,}")]
    names = dict.fromkeys([*sides[0], *sides[1]])
    rows += [(name.replace("_", " "), str(sides[0].get(name, "–")), str(sides[1].get(name, "–"))) for name in names]
    return rows
