"""The verdict on each planted failure for a full stand-in, by number of events, over several draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.judges import planted
from benchmarks.judges.planted_showers import KINDS, draw_showers

from simulacra.judges.judging import judge

SIZES: Final = (1_000, 4_000)
DRAWS: Final = 4
#: events of each sample: all shipped showers
SHOWERS: Final = 1_250


def verdict(_folder: Path, failure: str, n: int, seed: int) -> dict[str, Any]:
    """Return the verdict on one draw of a failure of the toy, n events of each sample."""
    truth, generated, train = planted.draw(failure, n, seed)
    return {"failure": failure, "n": n, "seed": seed, **_said(truth, generated, seed, train=train)}


def verdict_on_showers(_folder: Path, kind: str, n: int, seed: int) -> dict[str, Any]:
    """Return the verdict on one draw of a failure of Geant4 showers, n of each sample."""
    return {"failure": f"showers, {kind}", "n": n, "seed": seed, **_said(*draw_showers(kind, seed, n), seed)}


def _said(truth: Any, generated: Any, seed: int, **others: Any) -> dict[str, Any]:
    found = judge(truth, generated, seed=seed, **others)
    aucs = [finding for finding in found.plain_findings if finding.judge == "classifier_auc"]
    best = max(aucs, key=lambda finding: finding.value)
    judgements = found.stated.judgements
    return {
        "outcome": found.stated.outcome,
        "failed": [one.criterion.title for one in judgements if one.outcome == "fail"],
        "undecided": [one.criterion.title for one in judgements if one.outcome == "undecided"],
        "events_to_decide": found.stated.events_needed,
        "doubts": list(found.stated.doubts),
        "auc": best.value,
        "auc_uncertainty": best.uncertainty,
        "auc_on": best.observable,
    }


def stages(sizes: Mapping[int, int], showers: int, draws: int) -> dict[str, tuple[Any, ...]]:
    """Return the stages: each failure of the toy by size and number of draws, and each failure of showers."""
    toys = {
        f"verdict-{failure}-{n}-{seed}": (verdict, failure, n, seed)
        for n, most in sizes.items()
        for seed in range(1, most + 1)
        for failure in planted.FAILURES
    }
    return toys | {
        f"verdict-showers-{kind}-{showers}-{seed}": (verdict_on_showers, kind, showers, seed)
        for seed in range(1, draws + 1)
        for kind in KINDS
    }


def summary(found: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each failure and size: how often each verdict was given, the reason, and the AUC."""
    rows = []
    stages = [stage for name, stage in found.items() if name.startswith("verdict-")]
    for failure, n in dict.fromkeys((stage["failure"], stage["n"]) for stage in stages):
        draws = [stage for stage in stages if (stage["failure"], stage["n"]) == (failure, n)]
        aucs = sorted(stage["auc"] for stage in draws)
        rows.append(
            {
                "failure": failure,
                "n": n,
                "draws": len(draws),
                "outcomes": dict(Counter(stage["outcome"] for stage in draws)),
                "failed": dict(Counter(title for stage in draws for title in stage["failed"])),
                "undecided": dict(Counter(title for stage in draws for title in stage["undecided"])),
                "auc": [aucs[0], aucs[-1]],
            }
        )
    return rows
