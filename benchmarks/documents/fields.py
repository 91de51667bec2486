"""The tables of docs/fields.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

from simulacra.wording import with_error

RANDOM = ("gaussian-fields", "lognormal-fields")


def known(found: dict[str, Any]) -> str:
    """Return likelihoods and fits of random fields beside the exact ones."""
    rows = [row for row in found["sky"]["fields"]["rows"] if row["model"] in RANDOM]
    lines = [
        (row["model"], one["name"], f"{one['events']:,}", _with_error(one, ""), _with_error(one, "truth"))
        for row in rows
        for one in row["judged"]
    ]
    return table(("", "", "fields", "learned", "exact"), lines)


def planes(found: dict[str, Any]) -> str:
    """Return distances of the statistics of N-body patches."""
    nbody = found["sky"]["fields"].get("nbody")
    if nbody is None:
        return "The N-body planes were not there."
    lines = [
        (f"{name} [%]", with_error(*one["model"]), with_error(*one["truth"]))
        for name, one in nbody["statistics"].items()
    ]
    pixels = nbody["pixels"]
    lines.append(("W1 of pixels [σ]", with_error(*pixels["model"]), with_error(*pixels["truth"])))
    return table(("", "`nbody-density`", "other places"), lines)


def densities(found: dict[str, Any]) -> str:
    """Return log-likelihoods of N-body patches and how well they find systematics."""
    nbody = found["sky"]["fields"].get("nbody")
    if nbody is None:
        return "The N-body planes were not there."
    kinds = list(next(iter(nbody["anomalies"].values())))
    lines = [
        (name, with_error(*density), *(_area(*nbody["anomalies"][name][kind]) for kind in kinds))
        for name, density in nbody["likelihoods"].items()
    ]
    return table(("", "log-likelihood a pixel", *(f"AUC, {kind}" for kind in kinds)), lines)


def _area(value: float, error: float) -> str:
    # The estimated error of a perfect separation is 0.
    return with_error(value, error) if error else "1 (all patches)"


def _with_error(one: Mapping[str, Any], prefix: str) -> str:
    value, error = (one["truth"], one["truth_error"]) if prefix else (one["value"], one["error"])
    return f"{value:g}" if error == 0 else with_error(value, error)
