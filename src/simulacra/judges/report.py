"""The page of a verdict: one self-contained HTML file, and the same numbers as JSON beside it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulacra import __version__
from simulacra.judges.chapters import chapters_of
from simulacra.judges.criteria import Judgement, UseJudgement
from simulacra.judges.finding import Finding
from simulacra.judges.wording import with_error

if TYPE_CHECKING:
    from simulacra.judges.verdict import Verdict

ORDER: Final = ("classifier_auc", "wasserstein_distance", "response_linearity", "energy_resolution")


def write_report(verdict: Verdict, folder: Path) -> Path:
    """Write ``report.json`` and ``report.html``, each whole or not at all, and return the page's path.

    Raises
    ------
    OSError
        if the folder cannot be written to.
    """
    record = json.dumps(verdict.to_json(), allow_nan=False, indent=1, ensure_ascii=False)
    page = page_of(verdict)
    folder.mkdir(parents=True, exist_ok=True)
    _write_whole(folder / "report.json", record)
    _write_whole(folder / "report.html", page)
    return folder / "report.html"


def page_of(verdict: Verdict) -> str:
    """Return the page as HTML, with its styles and figures in it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("simulacra.judges", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    return environment.get_template("report.html").render(
        version=__version__,
        verdict=verdict,
        outcome=verdict.stated.outcome,
        criteria=criterion_rows(verdict),
        uses=[_use(judged) for judged in verdict.uses],
        summary=verdict.summary,
        chapters=chapters_of(verdict),
        worst=_worst(verdict),
        findings=_findings(verdict),
        provenance=_provenance(verdict),
    )


def _unbroken(value: Any) -> Any:
    """Return text in which no line breaks within a number and its uncertainty or unit."""
    if not isinstance(value, str) or value.startswith("data:"):
        return value
    return re.sub(r"(?<=\d) (?=(±|%|mm\b|MeV\b|GeV\b))|(?<=±) ", "\u00a0", value)


def criterion_rows(verdict: Verdict) -> list[dict[str, str]]:
    """Return each criterion of all uses once, the most demanding first, with what was found, in words."""
    found = {j.criterion.title: j for use in verdict.uses for j in use.judgements}
    ordered = sorted(found.values(), key=lambda j: ORDER.index(j.criterion.judge))
    return [_criterion(judgement, verdict) for judgement in ordered]


def _criterion(judgement: Judgement, verdict: Verdict) -> dict[str, str]:
    names = {comparison.observable: comparison.long_name for comparison in verdict.comparisons}
    criterion, finding = judgement.criterion, judgement.finding
    limit = f"{100 * criterion.limit:g} %" if criterion.units == "%" else f"{criterion.limit:g}"
    return {
        "title": criterion.title,
        "about": (finding.region or names.get(finding.observable, finding.observable)).replace("_", " "),
        "value": with_error(finding.value, finding.uncertainty, criterion.units),
        "truth": _truth(finding, criterion.units),
        "limit": limit,
        "outcome": judgement.outcome,
    }


def _use(judged: UseJudgement) -> dict[str, Any]:
    failed = [j.criterion.title.split(":")[0] for j in judged.judgements if j.outcome != "pass"]
    return {"title": judged.use.title, "name": judged.use.name, "outcome": judged.outcome, "because": failed}


def _truth(finding: Finding, units: str) -> str:
    if finding.truth_value is None:
        return "–"
    return with_error(finding.truth_value, finding.truth_uncertainty or 0.0, units)


def _worst(verdict: Verdict) -> list[str]:
    """Return the sentences on the three observables that lie furthest from the truth, if they stand out from chance."""
    distances = [finding for finding in verdict.findings if finding.judge == "wasserstein_distance"]
    standing_out = [finding for finding in distances if (finding.significance or 0) > 3]
    return [finding.sentence for finding in sorted(standing_out, key=lambda f: -f.value)[:3]]


def _findings(verdict: Verdict) -> list[dict[str, str]]:
    """Return a row for each finding that is no distance of an observable, for the table at the end."""
    return [
        {
            "judge": finding.judge.replace("_", " "),
            "observable": finding.observable.replace("_", " "),
            "value": with_error(finding.value, finding.uncertainty),
            "truth": _truth(finding, "1"),
            "sentence": finding.sentence,
            "mark": "extrapolation" if finding.extrapolated else "",
        }
        for finding in verdict.findings
        if finding.judge not in ("wasserstein_distance", "separation_power")
    ]


def _provenance(verdict: Verdict) -> list[tuple[str, str, str]]:
    """Return rows of (what, truth, generated)."""
    sides = verdict.provenance["truth"], verdict.provenance["generated"]
    rows = [("events", f"{verdict.n_truth:,}", f"{verdict.n_generated:,}")]
    names = dict.fromkeys([*sides[0], *sides[1]])
    rows += [(name.replace("_", " "), str(sides[0].get(name, "–")), str(sides[1].get(name, "–"))) for name in names]
    return rows


def _write_whole(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
