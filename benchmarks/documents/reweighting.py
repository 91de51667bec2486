"""Closures, exact weights and fits of Pythia's reweighters."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.tables import table

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
CLOSED: Final = 0.01


def closures(found: dict[str, Any]) -> str:
    """Return how default Pythia closes with others once it is weighted."""
    rows = []
    for name, record in found["reweighting"]["stages"].items():
        kind, _, target = name.partition("-")
        if kind not in ("reweight", "continuous"):
            continue
        closure = record["closure"]
        worst = max(closure, key=lambda observable: closure[observable]["before"])
        second = {one["name"]: one for one in record["second"]}
        ours, trees = second["all particles"], second.get("all particles, reweighted by boosted trees")
        p_values = [one["trees_p_value"] for one in closure.values() if "trees_p_value" in one]
        closing = f"{sum(one['closes'] for one in closure.values())} of {len(closure)}"
        rows.append(
            (
                TARGETS[target],
                "trained on it" if kind == "reweight" else f"`{found['reweighting']['models']['particle']}`",
                f"{closure[worst]['before']:.3g} → {closure[worst]['after']:.2f} ({worst})",
                f"{closing} ({sum(p > CLOSED for p in p_values)})" if p_values else closing,
                f"{100 * record['effective_share']:.0f} %",
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
    return table(heads, rows)


def exact(found: dict[str, Any]) -> str:
    """Return how the learned weights compare with those that Pythia itself gives."""
    stages = found["reweighting"]["stages"]
    rows = []
    for name, row in stages["exact-continuous"].items():
        if isinstance(row, dict):
            rows.append((*EXACT.get(name, (name, "`dctr-z`")), row))
            if name == "alphaS_up" and "reweight-exact" in stages:
                said = "a reweighter trained on 42,000 events with these weights"
                rows.append(("shower scale x 0.7", said, stages["reweight-exact"]["exact"]))
    heads = ("variation", "learned by", "slope of exact over learned weights", "χ² / bins of the curve to the diagonal")
    return table(
        heads,
        [
            (
                variation,
                learned,
                with_error(row["slope"], row["slope_error"]),
                f"{row['chi_square']:.1f} / {row['degrees_of_freedom']}",
            )
            for variation, learned, row in rows
        ],
    )


def fits(found: dict[str, Any]) -> str:
    """Return bias, scatter and coverage of the fits of pseudo-experiments."""
    rows = []
    for name, stage in found["reweighting"]["stages"].items():
        if not name.startswith("fit-"):
            continue
        for key, title in ESTIMATORS.items():
            record = stage.get(key)
            if not isinstance(record, dict) or "calibrated" not in record:
                continue
            truths = record["as_fitted"]["truths"]
            several = ", 3-D" if len(truths) > 1 else ""
            for parameter, truth in truths.items():
                raw, done = record["as_fitted"][parameter], record["calibrated"][parameter]
                shares = [100 * done[share] for share in ("coverage", "coverage_low", "coverage_high")]
                rows.append(
                    (
                        f"{title}{several}",
                        f"{parameter} ({truth:g})",
                        f"{100 * done['scatter'] / truth:.2f} %",
                        f"{raw['bias_percent']:+.2f} ± {raw['bias_percent_error']:.2f} %",
                        f"{done['bias_percent']:+.2f} ± {done['bias_percent_error']:.2f} %",
                        f"{shares[0]:.0f} % ({shares[1]:.0f} to {shares[2]:.0f})",
                        f"{done['pull_width']:.2f} ± {done['pull_width_error']:.2f}",
                        f"{done['experiments']}",
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
    return table(heads, rows)


def default_fits(found: dict[str, Any]) -> str:
    """Return the coverage of fits with nothing but defaults, at points of the box."""
    return _default_fits(found["default-fits"])


def detector_fits(found: dict[str, Any]) -> str:
    """Return the same behind the detector, by the one-classifier form."""
    return _default_fits(found["default-fits-detector"])


def calibrated_fit(found: dict[str, Any]) -> str:
    """Return how long a fit takes that is calibrated by runs at known parameters."""
    one = found["calibrated-fit"]
    seconds, cores = (" and ".join(f"{value:.0f} s" for value in one[key]) for key in ("seconds", "core_seconds"))
    heads = ("calibration events", "runs", "the command took, each time", "of all cores together", "cores")
    return table(heads, [(f"{one['calibration_events']:,}", f"{one['runs']}", seconds, cores, f"{one['cores']}")])


def _default_fits(record: dict[str, Any]) -> str:
    rows = []
    for one in record["rows"]:
        low, high = (f"{100 * one[end]:.0f}" for end in ("coverage_low", "coverage_high"))
        rows.append(
            (
                ", ".join(f"{value:g}" for value in one["at"].values()),
                f"{one['parameter']}" + (" with the others" if one["fitted"] > 1 else " alone"),
                f"{one['experiments'] + one['failed']}",
                f"{one['bias_percent']:+.2f} ± {one['bias_percent_error']:.2f} %",
                f"{100 * one['coverage']:.0f} % ({low} to {high})",
                f"{one['pull_mean']:+.2f} ± {one['pull_mean_error']:.2f}",
                f"{one['pull_width']:.2f} ± {one['pull_width_error']:.2f}",
            )
        )
    titles = (
        "alphaS, aLund, probStoUD",
        "fitted",
        "fits",
        "bias",
        "68 % intervals that contain the truth",
        "mean pull",
        "pull width",
    )
    return table(titles, rows)
