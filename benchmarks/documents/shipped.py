"""The shipped generators with their judged numbers, for the README."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.documents.showers import NOTHING, finding
from benchmarks.tables import table

from simulacra.wording import with_error

#: the particle and conditions of each generator
ALONG_THE_AXIS: Final = "1 to 100 GeV"
AT_AN_ANGLE: Final = "1 to 100 GeV, impact point, direction"
SHIPPED: Final = {
    "calo-eplus": ("e⁺", ALONG_THE_AXIS),
    "calo-gamma": ("γ", ALONG_THE_AXIS),
    "calo-eplus-angle": ("e⁺", AT_AN_ANGLE),
    "calo-gamma-angle": ("γ", AT_AN_ANGLE),
    "calogan-eplus": ("e⁺", ALONG_THE_AXIS),
    "calogan-gamma": ("γ", ALONG_THE_AXIS),
    "calogan-eplus-angle": ("e⁺", AT_AN_ANGLE),
}
BATCH: Final = "100"
INPUTS: Final = {"low_level": "cells", "shapes": "observables"}


def shipped(found: dict[str, Any]) -> str:
    """Return a row for each shipped generator, and for Geant4 against Geant4."""
    fronts = (found["showers"], found["showers-any-direction"])
    models = [model for front in fronts for there in front["particles"].values() for model in there["models"]]
    rows = []
    for there, spelled in zip(found["showers"]["particles"].values(), ("e⁺", "γ"), strict=True):
        itself = next(model for model in there["models"] if model["family"] == "Geant4")
        rows.append(("Geant4 against Geant4", spelled, *_areas(itself), f"{there['geant4_milliseconds']:.3g}", NOTHING))
    for name, (particle, conditions) in SHIPPED.items():
        model = next((m for m in models if m["weights"] == name and m["refiner"] is None and "auc" in m), None)
        cells = [NOTHING] * 4
        if model is not None:
            milliseconds = model["milliseconds"][BATCH]["median"]
            cells = [*_areas(model), f"{milliseconds:.3g}", f"{model['training_events']:,}"]
        elif name in found["calogan"]:
            cells = [*(_larger(found["calogan"][name], what) for what in INPUTS.values()), NOTHING, NOTHING]
        rows.append((f"`{name}`", f"{particle}, {conditions}", *cells))
    heads = ("", "showers of", "AUC on cells", "AUC on shapes", f"ms per shower, batch {BATCH}", "trained on showers")
    return table(heads, rows)


def _areas(model: dict[str, Any]) -> list[str]:
    return [with_error(model["auc"][what]["auc"], model["auc"][what]["error"]) for what in INPUTS]


def _larger(record: dict[str, Any], what: str) -> str:
    both = [finding(record, "classifier_auc", f"{what} ({kind})") for kind in ("trees", "perceptron")]
    worst = max((one for one in both if one), key=lambda one: one["value"])
    return with_error(worst["value"], worst["uncertainty"])
