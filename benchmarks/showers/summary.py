"""The record of the front: one entry per model, from the results of the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.showers.models import Entry, located
from benchmarks.showers.speed import BATCHES

from simulacra.trained.card import info

#: largest AUC, and largest milliseconds per shower by batch, on one CPU thread
GOALS: Final[dict[str, Any]] = {"low_level": 0.56, "shapes": 0.54, "milliseconds": {"1": 1.0, "100": 0.3}}
#: processor's time over the clock's, below which a machine counts as busy
FEWEST_CORES: Final = 0.9
NOT_TRAINED: Final = "not trained"
JUDGED: Final = "judged"


def model_record(
    entry: Entry,
    status: str,
    cost: Mapping[str, Any] | None,
    stages: Mapping[str, Mapping[str, Any]],
    goals: Mapping[str, Any] = GOALS,
) -> dict[str, Any]:
    """Return the record of a model; only its name if it is not trained.

    Parameters
    ----------
    status:
        "judged", "not trained", or why it cannot be judged.
    stages:
        the results, by "low_level", "shapes", "distances" and "speed".
    goals:
        as ``GOALS``.
    """
    record: dict[str, Any] = {
        "name": entry.name,
        "label": entry.label,
        "family": entry.family,
        "weights": entry.weights,
        "refiner": entry.refiner,
        "status": status,
    }
    if status != JUDGED:
        return record
    if entry.weights is not None and (file := located(entry.weights)) is not None:
        record["weights_sha256"] = info(file).weights[0]
    distances = dict(stages.get("distances", {}))
    record |= {
        "auc": {which: dict(stages[which]) for which in ("low_level", "shapes") if which in stages},
        **distances,
        **({} if cost is None else dict(cost)),
    }
    if "speed" in stages:
        record["speed"] = dict(stages["speed"])
        record["milliseconds"] = stages["speed"]["fastest"]
        share = distances.get("effective_share", 1.0)
        record["milliseconds_per_effective_shower"] = {
            str(batch): stages["speed"]["fastest"][str(batch)]["median"] / share for batch in BATCHES
        }
        record["goals"] = reached(record, goals)
    return record


def busy(record: Mapping[str, Any]) -> bool:
    """Return whether other programs used the core while a model was timed."""
    return any(told.get("cores", 1.0) < FEWEST_CORES for told in record.get("milliseconds", {}).values())


def reached(record: Mapping[str, Any], goals: Mapping[str, Any] = GOALS) -> dict[str, bool]:
    """Return which goals a model reaches: its AUCs, and its milliseconds per effective shower."""
    found = {which: area["auc"] <= goals[which] for which, area in record["auc"].items()}
    for batch, most in goals["milliseconds"].items():
        found[f"batch_{batch}"] = record["milliseconds_per_effective_shower"][batch] <= most
    return found
