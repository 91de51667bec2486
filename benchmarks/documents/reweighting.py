"""Closures, exact weights and fits of Pythia's reweighters."""

from __future__ import annotations

from typing import Any

from benchmarks.reweighting import tables
from benchmarks.tables import table


def closures(found: dict[str, Any]) -> str:
    """Return how default Pythia closes with others once it is weighted."""
    return tables.closures(found["reweighting"]).untitled()


def exact(found: dict[str, Any]) -> str:
    """Return how the learned weights compare with those that Pythia itself gives."""
    return tables.exact(found["reweighting"]).untitled()


def fits(found: dict[str, Any]) -> str:
    """Return bias, scatter and coverage of the fits of pseudo-experiments."""
    return tables.fits(found["reweighting"], tables.ESTIMATORS).untitled()


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


ARRAYS = {"field": "fields, slope of the spectrum", "series": "series, memory"}


def arrays_closing(found: dict[str, Any]) -> str:
    """Return how fields and series close, and how far their learned log ratios are from the exact ones."""
    rows = []
    for name, one in found["reweighted-arrays"]["closures"].items():
        worst, second = one["worst"], one["second"]
        rows.append(
            (
                f"{ARRAYS[name]} {one['source']:g} to {one['target']:g}",
                f"{one['exact_width']:.2f}",
                f"{one['rms']:.2f} ({one['correlation']:.3f})",
                f"{worst['before']:.2f} → {worst['after']:.2f} ({worst['observable']})",
                f"{one['closing']} of {one['observables']}",
                f"{100 * one['effective_share']:.0f} % ({100 * one['exact_effective_share']:.0f} %)",
                f"{second['auc_before']:.3f} → {second['auc']:.3f} ± {second['uncertainty']:.3f}",
                f"{second['truth_auc']:.3f} ± {second['truth_uncertainty']:.3f}",
                f"{one['training_core_seconds']:.0f} s",
            )
        )
    heads = (
        "source to target",
        "width of the exact log ratio",
        "learned less exact, rms (correlation)",
        "largest χ²/ndf, before → after",
        "observables that close",
        "ESS (exact weights)",
        "AUC before → after",
        "AUC, truth against truth",
        "training, one core",
    )
    return table(heads, rows)


def arrays_continuous(found: dict[str, Any]) -> str:
    """Return how log ratios that are continuous in a series' memory compare with the exact ones, and fits of it."""
    rows = []
    for value, one in found["reweighted-arrays"]["continuous"]["rows"].items():
        plain, done = one["as fitted"], one["calibrated"]
        low, high = (f"{100 * done[end]:.0f}" for end in ("coverage_low", "coverage_high"))
        rows.append(
            (
                value,
                f"{one['exact_width']:.2f}",
                f"{one['rms']:.2f} ({one['correlation']:.3f})",
                f"{plain['bias']:+.4f} ± {plain['bias_error']:.4f}",
                f"{done['bias']:+.4f} ± {done['bias_error']:.4f}",
                f"{done['scatter']:.4f} ({one['least_error']:.4f})",
                f"{100 * done['coverage']:.0f} % ({low} to {high})",
            )
        )
    heads = (
        "memory",
        "width of the exact log ratio",
        "learned less exact, rms (correlation)",
        "bias of fits, as fitted",
        "bias, calibrated over the box",
        "scatter of one fit (least possible)",
        "68 % intervals that hold the truth",
    )
    return table(heads, rows)


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
