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
