"""The tables of docs/variable_stars.md."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.tables import table

from simulacra.wording import with_error

NAMES: Final = {"r21": "R₂₁", "phi21": "φ₂₁ [rad]", "r31": "R₃₁", "phi31": "φ₃₁ [rad]"}


def judged(found: dict[str, Any]) -> str:
    """Return the judged numbers of the shipped model beside those of truth against truth."""
    (row,) = found["sky"]["stars"]["rows"]
    lines = [
        (
            one["name"],
            f"{one['events']:,}",
            with_error(one["value"], one["error"]),
            with_error(one["truth"], one["truth_error"]),
        )
        for one in row["judged"]
    ]
    return table(("", "stars", f"`{row['model']}`", "OGLE against itself"), lines)


def recurrent(found: dict[str, Any]) -> str:
    """Return distances of the recurrent model beside those of the convolutional one and of real stars."""
    (here,), (shipped,) = (found["sky"][stage]["rows"] for stage in ("recurrent", "stars"))
    of_shipped = {one["name"]: one for one in shipped["judged"]}
    lines = [
        (
            one["name"],
            with_error(one["value"], one["error"]),
            with_error(of_shipped[one["name"]]["value"], of_shipped[one["name"]]["error"]),
            with_error(one["truth"], one["truth_error"]),
        )
        for one in here["judged"]
    ]
    return table(("", "recurrent", "convolutional", "OGLE against itself"), lines)


def codes(found: dict[str, Any]) -> str:
    """Return distances and spreads of stars whose codes are of the flow, or normal."""
    here = found["sky"]["stars"]
    lines = [
        (
            label,
            with_error(*here["distances"][name]["model"]),
            with_error(*here["normal_codes"][name]["model"]),
            *(f"{here['spread'][which][name]:.3f}" for which in ("truth", "model", "normal_codes")),
        )
        for name, label in NAMES.items()
    ]
    heads = (
        "",
        "W1, codes of the flow",
        "W1, normal codes",
        "spread of OGLE's stars",
        "of the flow's",
        "of normal codes'",
    )
    return table(heads, lines)


def bins(found: dict[str, Any]) -> str:
    """Return medians of two parameters, and distances, in bins of the period."""
    lines = []
    for row in found["sky"]["stars"]["bins"]:
        cells = [f"{row['low']:g} to {row['high']:g}", str(row["stars"])]
        for name in ("phi21", "r21"):
            one = row[name]
            cells += [f"{one['truth'][1]:.2f}", f"{one['model'][1]:.2f}", f"{one['distance']:.3f} / {one['null']:.3f}"]
        lines.append(tuple(cells))
    heads = (
        "period [d]",
        "stars",
        "φ₂₁ of OGLE",
        "generated",
        "W1 / OGLE against itself",
        "R₂₁ of OGLE",
        "generated",
        "W1 / OGLE against itself",
    )
    return table(heads, lines)


def interpolation(found: dict[str, Any]) -> str:
    """Return distances in the band of periods for each model and for real stars of other periods."""
    distances = found["sky"]["stars"]["interpolation"]["distances"]
    heads = {
        "without": "model that saw none of them",
        "shown": "`cepheids-vae`",
        "outside": "real stars of the nearest other periods",
        "halves": "their halves against each other",
    }
    lines = [(label, *(with_error(*distances[which][name]) for which in heads)) for name, label in NAMES.items()]
    return table(("W1", *heads.values()), lines)
