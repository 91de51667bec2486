"""The tables of docs/fields.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

from simulacra.wording import with_error

RANDOM = ("gaussian-fields", "lognormal-fields")
MULTISCALE = ("multiscale gaussian fields", "multiscale lognormal fields")
ABSENT = "The N-body planes were not there."


def known(found: dict[str, Any]) -> str:
    """Return likelihoods and fits of random fields beside the exact ones."""
    return _beside_the_exact([row for row in found["sky"]["fields"]["rows"] if row["model"] in RANDOM])


def multiscale(found: dict[str, Any]) -> str:
    """Return likelihoods of random fields from coarse to fine beside the exact ones."""
    return _beside_the_exact([row for row in found["sky"]["multiscale"]["rows"] if row["model"] in MULTISCALE])


def masks(found: dict[str, Any]) -> str:
    """Return likelihoods and fits of masked random fields beside the exact ones."""
    return _beside_the_exact(found["sky"]["masks"]["rows"])


def annealing(found: dict[str, Any]) -> str:
    """Return log-likelihoods of masked N-body patches by the work that is spent on them."""
    nbody = found["sky"]["masks"].get("nbody")
    if nbody is None:
        return ABSENT
    lines = [
        (
            name,
            f"{nbody['n']}",
            with_error(*one["mean"]),
            with_error(*one["risen"]) if one["risen"] else "",
            f"{one['seconds']:.2g}",
        )
        for name, one in nbody["estimates"].items()
    ]
    return table(("", "patches", "log-likelihood a pixel", "above the line before", "s a patch"), lines)


def _beside_the_exact(rows: list[dict[str, Any]]) -> str:
    lines = [
        (row["model"], one["name"], f"{one['events']:,}", _with_error(one, ""), _with_error(one, "truth"))
        for row in rows
        for one in row["judged"]
    ]
    return table(("", "", "fields", "learned", "exact"), lines)


def planes(found: dict[str, Any]) -> str:
    """Return distances of the statistics of N-body patches."""
    both = [found["sky"][stage].get("nbody") for stage in ("fields", "multiscale")]
    if None in both:
        return ABSENT
    lines = [
        (
            f"{name} [%]",
            *(with_error(*one["statistics"][name]["model"]) for one in both),
            with_error(*both[0]["statistics"][name]["truth"]),
        )
        for name in both[0]["statistics"]
    ]
    pixels = [one["pixels"] for one in both]
    lines.append(("W1 of pixels [σ]", *(with_error(*one["model"]) for one in pixels), with_error(*pixels[0]["truth"])))
    return table(("", "`nbody-density`", "`nbody-density-multiscale`", "other places"), lines)


def densities(found: dict[str, Any]) -> str:
    """Return log-likelihoods of N-body patches and how well they find systematics."""
    both = [found["sky"][stage].get("nbody") for stage in ("fields", "multiscale")]
    if None in both:
        return ABSENT
    areas, likelihoods = ({k: v for one in both for k, v in one[key].items()} for key in ("anomalies", "likelihoods"))
    kinds = list(next(iter(areas.values())))
    lines = [
        (name, with_error(*density), *(_area(*areas[name][kind]) for kind in kinds))
        for name, density in likelihoods.items()
    ]
    return table(("", "log-likelihood a pixel", *(f"AUC, {kind}" for kind in kinds)), lines)


def parts(found: dict[str, Any]) -> str:
    """Return log-likelihoods of N-body patches by scale and how well each finds systematics."""
    nbody = found["sky"]["multiscale"].get("nbody")
    if nbody is None:
        return ABSENT
    kinds = list(next(iter(nbody["anomalies"].values())))
    lines = [
        (name, with_error(*density), *(_area(*nbody["anomalies"][name][kind]) for kind in kinds))
        for name, density in nbody["parts"].items()
    ]
    together = nbody["anomalies"]["all parts"]
    lines.append(("all, squares added", "", *(_area(*together[kind]) for kind in kinds)))
    return table(("", "log-likelihood a pixel", *(f"AUC, {kind}" for kind in kinds)), lines)


def _area(value: float, error: float) -> str:
    # The estimated error of a perfect separation is 0.
    return with_error(value, error) if error else "1 (all patches)"


def _with_error(one: Mapping[str, Any], prefix: str) -> str:
    value, error = (one["truth"], one["truth_error"]) if prefix else (one["value"], one["error"])
    return f"{value:g}" if error == 0 else with_error(value, error)
