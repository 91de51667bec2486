"""What a verdict says, and what any record of it must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from simulacra.judges import Verdict
from simulacra.reports import record_of

#: events of each sample in the tests that look at records
N = 210


def outcomes(verdict: Verdict) -> dict[str, str]:
    return {judgement.criterion.judge: judgement.outcome for judgement in verdict.stated.judgements}


def observables_of(verdict: Verdict, judge_name: str) -> set[str]:
    return {finding.observable for finding in verdict.plain_findings if finding.judge == judge_name}


def lists_of(value: Any, place: str = "report") -> Iterator[tuple[str, int]]:
    """Give every list in a record with its length."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from lists_of(inner, f"{place}.{name}")
    elif isinstance(value, list):
        yield place, len(value)
        for inner in value[:3]:
            yield from lists_of(inner, f"{place}[]")


def check_record(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict's record, once it is seen to be strict JSON without a number for each event."""
    record: dict[str, Any] = json.loads(json.dumps(record_of(verdict), allow_nan=False))
    # No binning, curve or matrix of these small samples has as many entries as there are events; findings may be many.
    assert [place for place, length in lists_of(record) if length >= N and place != "report.findings"] == []
    return record
