"""What the stages found, as tables."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import Table
from rich.console import Console

ESTIMATORS = {
    "likelihood ratio": "likelihood ratio",
    "classifier loss": "classifier loss (DCTR)",
    "nested": "detector: SRGN, nested",
    "one classifier": "detector: SRGN, one classifier",
    "naive": "detector ignored (naive)",
}


def print_tables(found: dict[str, dict[str, Any]]) -> str:
    """Print all tables for which there are numbers, and return them for a page."""
    console = Console(width=170)
    tables = [t for t in (_reweighters(found), _closures(found), _exact(found), _fits(found)) if t.rows]
    for table in tables:
        console.print(table.printed())
    return "\n\n".join(table.markdown() for table in tables) + "\n"


def _reweighters(found: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        "default Pythia into another simulation",
        (
            "reweighter",
            "closing",
            "trees closing",
            "ESS",
            "AUC before",
            "AUC after",
            "AUC, trees",
            "truth",
            "verdict",
            "min",
        ),
    )
    for name, record in found.items():
        if not name.startswith(("reweight-", "continuous-")):
            continue
        closure = record["closure"].values()
        second = {one["name"]: one for one in record["second"]}
        ours = second["all particles"]
        trees = second.get("all particles, reweighted by boosted trees")
        p_values = [c["trees_p_value"] for c in closure if "trees_p_value" in c]
        table.add_row(
            name,
            f"{sum(c['closes'] for c in closure)} of {len(closure)}",
            f"{sum(p > 0.01 for p in p_values)}" if p_values else "",
            f"{100 * record['effective_share']:.0f} %",
            f"{ours['auc_before']:.3f}",
            f"{ours['auc']:.3f} ± {ours['uncertainty']:.3f}",
            f"{trees['auc']:.3f} ± {trees['uncertainty']:.3f}" if trees else "",
            f"{ours['truth_auc']:.3f} ± {ours['truth_uncertainty']:.3f}",
            record["outcome"],
            f"{record['seconds'] / 60:.1f}",
        )
    return table


def _closures(found: dict[str, dict[str, Any]]) -> Table:
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


def _exact(found: dict[str, dict[str, Any]]) -> Table:
    table = Table("exact weights against learned ones", ("variation", "slope", "chi2 / ndf", "p"))
    rows = dict(found.get("exact-continuous", {}))
    if "reweight-exact" in found:
        rows["alphaS_up, trained on exact weights"] = found["reweight-exact"]["exact"]
    for name, row in rows.items():
        if isinstance(row, dict):
            table.add_row(
                name,
                f"{row['slope']:.3f} ± {row['slope_error']:.3f}",
                f"{row['chi_square']:.1f} / {row['degrees_of_freedom']}",
                f"{row['p_value']:.2g}",
            )
    return table


def _fits(found: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        "fits of pseudo-experiments",
        (
            "estimator",
            "parameter",
            "truth",
            "scatter",
            "bias as fitted [%]",
            "coverage",
            "bias calibrated [%]",
            "coverage",
            "pull width",
            "fits",
        ),
    )
    rows = [(key, record) for name, stage in found.items() if name.startswith("fit-") for key, record in stage.items()]
    for key, record in rows:
        if key not in ESTIMATORS:
            continue
        several = ", 3 parameters" if record["target"] == "three" else ""
        for parameter in [p for p in record["as_fitted"] if p not in ("pulls", "estimates", "truths", "warned")]:
            raw = record["as_fitted"][parameter]
            done = record.get("calibrated", {}).get(parameter)
            best = done or raw
            table.add_row(
                ESTIMATORS[key] + several,
                parameter,
                f"{record['as_fitted']['truths'][parameter]:g}",
                f"{best['scatter']:.2g}",
                f"{raw['bias_percent']:+.2f} ± {raw['bias_percent_error']:.2f}",
                _coverage(raw),
                f"{done['bias_percent']:+.2f} ± {done['bias_percent_error']:.2f}" if done else "",
                _coverage(done) if done else "",
                f"{best['pull_width']:.2f} ± {best['pull_width_error']:.2f}",
                f"{best['experiments']}",
            )
    return table


def _coverage(one: dict[str, Any]) -> str:
    return f"{100 * one['coverage']:.0f} % ({100 * one['coverage_low']:.0f} to {100 * one['coverage_high']:.0f})"
