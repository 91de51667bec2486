"""Numbers of a finding, written for a table."""

from __future__ import annotations

from simulacra.judges.finding import Finding
from simulacra.wording import with_error


def value_of(finding: Finding, units: str = "1") -> str:
    """Return a finding's value, written for a table."""
    return with_error(finding.value, finding.uncertainty, units)


def truth_beside(finding: Finding, units: str = "1") -> str:
    """Return the value for truth against truth, written for a table."""
    if finding.truth_value is None:
        return "–"
    return with_error(finding.truth_value, finding.truth_uncertainty or 0.0, units)


def probability(finding: Finding) -> str:
    """Return a finding's p-value, written for a table."""
    return "–" if finding.p_value is None else f"{finding.p_value:.2g}"


def decimal_probability(p_value: float | None) -> str:
    """Return a p-value with two decimals, or three if it is small."""
    if p_value is None:
        return "–"
    return f"{p_value:.2f}" if p_value >= 0.01 else f"{p_value:.3f}"
