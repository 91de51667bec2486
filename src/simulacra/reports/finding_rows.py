"""Numbers of a finding as a table shows them."""

from __future__ import annotations

from simulacra.judges.finding import Finding
from simulacra.wording import with_error


def value_of(finding: Finding, units: str = "1") -> str:
    """Return what a judge found, as a table shows it."""
    return with_error(finding.value, finding.uncertainty, units)


def truth_beside(finding: Finding, units: str = "1") -> str:
    """Return what truth against truth scores, as a table shows it."""
    if finding.truth_value is None:
        return "–"
    return with_error(finding.truth_value, finding.truth_uncertainty or 0.0, units)


def probability(finding: Finding) -> str:
    """Return a finding's p-value, as a table shows it."""
    return "–" if finding.p_value is None else f"{finding.p_value:.2g}"


def decimal_probability(p_value: float | None) -> str:
    """Return a p-value with two decimals, or three where it is small."""
    if p_value is None:
        return "–"
    return f"{p_value:.2f}" if p_value >= 0.01 else f"{p_value:.3f}"
