"""The tables of docs/qcd_templates.md."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import table

from simulacra.wording import with_error


def closure(found: dict[str, Any]) -> str:
    """Return the distances of the shipped template, beside those of Pythia against Pythia."""
    (row,) = found["jets"]["templates"]["rows"]
    lines = [
        (
            one["name"],
            f"{one['events']:,}",
            with_error(one["value"], one["error"]),
            with_error(one["truth"], one["truth_error"]) if one["truth_error"] else f"{one['truth']:g}",
        )
        for one in row["judged"]
    ]
    return table(("", "n", f"`{row['model']}`", "Pythia against itself"), lines)


def sizes(found: dict[str, Any]) -> str:
    """Return distances of ensembles and histograms of equally many jets, and how often the bands hold."""
    lines = [
        (
            f"{study['jets']:,}",
            str(study["experiments"]),
            *(
                with_error(*study[what][name])
                for what in ("distances", "summed_distances")
                for name in ("model", "histogram")
            ),
            *(with_error(100 * mean, 100 * error) for mean, error in study["coverage"].values()),
        )
        for study in found["jets"]["templates"]["studies"]
    ]
    heads = (
        "training jets",
        "experiments",
        "W1 of the mass [GeV], flows",
        "histogram",
        "W1 of the summed mass [GeV], flows",
        "histogram",
        "bins within the band, two jets [%]",
        "three jets or more [%]",
    )
    return table(heads, lines)


def beyond(found: dict[str, Any]) -> str:
    """Return mean masses over Pythia's in bins of pT, for templates that learned from softer jets only."""
    here = found["jets"]["templates"]["extrapolation"]
    lines = [
        (
            f"{row['low']:g} to {row['high']:g}",
            f"{row['jets']:,}",
            "yes" if row["high"] <= here["below"] else "no",
            *(with_error(*row[name]) for name in ("model", "histogram")),
        )
        for row in here["rows"]
    ]
    return table(("pT [GeV]", "jets", "in the training", "flow", "histogram"), lines)
