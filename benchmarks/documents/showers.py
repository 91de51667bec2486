"""CaloGAN's generators as judged, and its widths."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.tables import table

from simulacra.wording import with_error

NOTHING: Final = "–"
#: the name of each row, the judge, its observable, and the factor to the units in the row's name
ROWS: Final = (
    ("AUC, boosted trees on the shower shapes", "classifier_auc", "observables (trees)", 1),
    ("AUC, perceptron on the shower shapes", "classifier_auc", "observables (perceptron)", 1),
    ("AUC, perceptron on the cells", "classifier_auc", "cells (perceptron)", 1),
    ("AUC, boosted trees on the cells", "classifier_auc", "cells (trees)", 1),
    ("information of the trees on the cells [bit]", "classifier_information", "cells (trees)", 1),
    ("Frechet physics distance [10⁻³ σ²]", "frechet_physics_distance", "observables", 1000),
    ("kernel physics distance [10⁻³]", "kernel_physics_distance", "observables", 1000),
    ("coverage [%]", "coverage", "observables", 100),
    ("truth in lost modes [%]", "lost_modes", "observables", 100),
    ("diversity missing at fixed energy [%]", "missing_diversity", "observables", 100),
    ("copies of training showers [%]", "copies_of_training", "", 100),
    ("mean response, worst bin of energy [%]", "response_linearity", "", 100),
    ("resolution, worst bin of energy [%]", "energy_resolution", "", 100),
    ("energy in other cells than Geant4's [%]", "misplaced_energy", "mean_image", 100),
    ("W1, response [σ]", "wasserstein_distance", "energy_response", 1),
    *((f"W1, energy fraction, section {i} [σ]", "wasserstein_distance", f"energy_fraction_{i}", 1) for i in range(3)),
    *((f"W1, sparsity, section {i} [σ]", "wasserstein_distance", f"sparsity_{i}", 1) for i in range(3)),
    *((f"W1, width along eta, section {i} [σ]", "wasserstein_distance", f"eta_width_{i}", 1) for i in range(3)),
    *((f"W1, width along phi, section {i} [σ]", "wasserstein_distance", f"phi_width_{i}", 1) for i in range(3)),
    ("W1, shower depth [σ]", "wasserstein_distance", "shower_depth", 1),
)


def finding(record: dict[str, Any], judge: str, observable: str = "") -> dict[str, Any] | None:
    """Return a judge's finding on the unweighted events, for one observable or the worst one; None without any."""
    found = [
        one
        for one in record["findings"]
        if one["judge"] == judge and one["region"] != "with weights" and observable in ("", one["observable"])
    ]
    if observable:
        found = [one for one in found if not one["region"]]
    return max(found, key=lambda one: one["value"]) if found else None


def beside_truth(one: dict[str, Any] | None, scale: float = 1) -> str:
    """Return "0.682 ± 0.007 (0.502 ± 0.012)": a finding, and in brackets truth against truth."""
    if one is None:
        return NOTHING
    text = with_error(scale * one["value"], scale * one["uncertainty"])
    if one["truth_value"] is None:
        return text
    return f"{text} ({with_error(scale * one['truth_value'], scale * (one['truth_uncertainty'] or 0.0))})"


def judged(found: dict[str, Any]) -> str:
    """Return the judges' findings on the shipped CaloGANs."""
    names = ("calogan-eplus", "calogan-gamma", "calogan-eplus-angle")
    records = [found["calogan"][name] for name in names]
    return table(
        ("", *(f"`{name}`" for name in names)),
        [
            (title, *(beside_truth(finding(record, judge, observable), scale) for record in records))
            for title, judge, observable, scale in ROWS
        ],
    )


def widths(found: dict[str, Any]) -> str:
    """Return the results of CaloGANs of several widths."""
    rows = []
    for row in found["width"]["rows"]:
        trained = "latent" in row
        rows.append(
            (
                row["name"],
                f"{row['latent']}; {', '.join(map(str, row['channels']))}" if trained else "",
                f"{row['weights']:,}" if trained else "",
                with_error(row["distance"], row["distance_error"]),
                with_error(row["auc"], row["auc_error"]),
                f"{row['minutes']:.0f}" if trained else "",
            )
        )
    heads = ("width", "shared noise; channels", "weights", "mean W1 of the shapes [σ]", "AUC of the shapes", "minutes")
    return table(heads, rows)
