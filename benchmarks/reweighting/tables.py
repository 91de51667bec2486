"""The results of the stages as tables: for a terminal, the record's page and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.tables import Table
from rich.console import Console

from simulacra.wording import with_error

TARGETS: Final = {
    "vincia": "Vincia",
    "alphaS": "alphaS 0.160",
    "aLund": "aLund 0.800",
    "probStoUD": "probStoUD 0.275",
    "three": "all three: 0.12, 0.6, 0.12",
    "everywhere": "small everywhere: sigmaPT 0.345",
    "corner": "in a corner: no matrix-element corrections",
    "exact": "exact weights of µR x 0.7",
}
EXACT: Final = {
    "alphaS_up": ("shower scale x 0.7 (alphaS 0.1451)", "`dctr-z`, which never saw it"),
    "aLund_up": ("aLund 0.8", "`dctr-z`"),
    "strange_up": ("probStoUD 0.275", "`dctr-z`"),
}
ESTIMATORS: Final = {
    "likelihood ratio": "likelihood ratio",
    "classifier loss": "classifier loss",
    "nested": "detector: SRGN nested",
    "one classifier": "detector: SRGN, one classifier",
}
NAIVE: Final = {"naive": "detector ignored (naive)"}
CLOSED: Final = 0.01


def print_tables(record: dict[str, Any]) -> str:
    """Print all tables for which there are numbers, and return them for a page."""
    console = Console(width=170)
    found = closures(record), _observables(record["stages"]), exact(record), fits(record, ESTIMATORS | NAIVE)
    tables = [table for table in found if table.rows]
    for table in tables:
        console.print(table.printed())
    return "\n\n".join(table.markdown() for table in tables) + "\n"


def closures(record: dict[str, Any]) -> Table:
    """Return the closure of weighted default Pythia with other settings."""
    rows = []
    for name, stage in record["stages"].items():
        kind, _, target = name.partition("-")
        if kind not in ("reweight", "continuous"):
            continue
        closure = stage["closure"]
        worst = max(closure, key=lambda observable: closure[observable]["before"])
        second = {one["name"]: one for one in stage["second"]}
        ours, trees = second["all particles"], second.get("all particles, reweighted by boosted trees")
        p_values = [one["trees_p_value"] for one in closure.values() if "trees_p_value" in one]
        closing = f"{sum(one['closes'] for one in closure.values())} of {len(closure)}"
        rows.append(
            (
                TARGETS[target],
                "trained on it" if kind == "reweight" else f"`{record['models']['particle']}`",
                f"{closure[worst]['before']:.3g} → {closure[worst]['after']:.2f} ({worst})",
                f"{closing} ({sum(p > CLOSED for p in p_values)})" if p_values else closing,
                f"{100 * stage['effective_share']:.0f} %",
                f"{ours['auc_before']:.3f} → {ours['auc']:.3f} ± {ours['uncertainty']:.3f}",
                f"{trees['auc']:.3f} ± {trees['uncertainty']:.3f}" if trees else "",
                f"{ours['truth_auc']:.3f} ± {ours['truth_uncertainty']:.3f}",
            )
        )
    heads = (
        "default Pythia to",
        "reweighter",
        "largest χ²/ndf, before → after",
        "observables that close (trees)",
        "ESS",
        "AUC before → after",
        "AUC after, trees",
        "AUC, truth against truth",
    )
    return Table("default Pythia into another simulation", heads, rows)


def _observables(found: dict[str, dict[str, Any]]) -> Table:
    """Return the closure of each observable."""
    names = [name for name in found if name.startswith(("reweight-", "continuous-"))]
    table = Table("chi2/ndf before -> after weights (boosted trees)", ("observable", *names))
    if not names:
        return table
    for observable in found[names[0]]["closure"]:
        row = []
        for name in names:
            c = found[name]["closure"][observable]
            trees = f" ({c['trees']:.2f})" if "trees" in c else ""
            row.append(f"{c['before']:.3g} -> {c['after']:.2f}{trees}")
        table.add_row(observable, *row)
    return table


def exact(record: dict[str, Any]) -> Table:
    """Return the comparison of the learned weights with those of Pythia."""
    stages = record["stages"]
    rows = []
    for name, row in stages.get("exact-continuous", {}).items():
        if isinstance(row, dict):
            rows.append((*EXACT.get(name, (name, "`dctr-z`")), row))
            if name == "alphaS_up" and "reweight-exact" in stages:
                said = "a reweighter trained on 42,000 events with these weights"
                rows.append(("shower scale x 0.7", said, stages["reweight-exact"]["exact"]))
    heads = ("variation", "learned by", "slope of exact over learned weights", "χ² / bins of the curve to the diagonal")
    cells = [
        (
            variation,
            learned,
            with_error(row["slope"], row["slope_error"]),
            f"{row['chi_square']:.1f} / {row['degrees_of_freedom']}",
        )
        for variation, learned, row in rows
    ]
    return Table("exact weights against learned ones", heads, cells)


def fits(record: dict[str, Any], estimators: Mapping[str, str]) -> Table:
    """Return bias, scatter and coverage of the fits of pseudo-experiments, with calibration if there is one."""
    rows = []
    for name, stage in record["stages"].items():
        for key, title in estimators.items() if name.startswith("fit-") else ():
            if not isinstance(stage.get(key), dict):
                continue
            as_fitted, calibrated = stage[key]["as_fitted"], stage[key].get("calibrated", {})
            several = ", 3-D" if len(as_fitted["truths"]) > 1 else ""
            for parameter, truth in as_fitted["truths"].items():
                raw, done = as_fitted[parameter], calibrated.get(parameter)
                best = done or raw
                shares = [100 * best[share] for share in ("coverage", "coverage_low", "coverage_high")]
                rows.append(
                    (
                        f"{title}{several}",
                        f"{parameter} ({truth:g})",
                        f"{100 * best['scatter'] / truth:.2f} %",
                        _bias(raw),
                        _bias(done) if done else "",
                        f"{shares[0]:.0f} % ({shares[1]:.0f} to {shares[2]:.0f})",
                        f"{best['pull_width']:.2f} ± {best['pull_width_error']:.2f}",
                        f"{best['experiments']}",
                    )
                )
    heads = (
        "estimator",
        "parameter (truth)",
        "scatter of one fit",
        "bias as fitted",
        "bias calibrated",
        "68 % intervals that contain the truth",
        "pull width",
        "fits",
    )
    return Table("fits of pseudo-experiments", heads, rows)


def _bias(one: dict[str, Any]) -> str:
    return f"{one['bias_percent']:+.2f} ± {one['bias_percent_error']:.2f} %"
