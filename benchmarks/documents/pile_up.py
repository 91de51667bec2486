"""The tables of docs/pile_up.md."""

from __future__ import annotations

import math
from typing import Any, Final

from benchmarks.jets.pile_up import JUDGED
from benchmarks.tables import table

from simulacra.wording import with_error

#: rows of the table of jets, by their names in the results
SAMPLES: Final = {"model": "`pile-up-minimum-bias`", "reference": "Pythia", "truth": "Pythia, other collisions"}
JETS: Final = {
    "shift": "shift [GeV]",
    "width": "resolution [GeV]",
    "corrected_shift": "shift, rho times area subtracted [GeV]",
    "corrected_width": "resolution, rho times area subtracted [GeV]",
}


def events(found: dict[str, Any]) -> str:
    """Return the distances of observables of events, each beside that of Pythia against Pythia, and correlations."""
    here = found["jets"]["pile-up"]["events"]
    rows = []
    for mean, one in here.items():
        for name, told in JUDGED.items():
            model, truth = (with_error(*one["w1"][name][key]) for key in ("model", "truth"))
            rows.append((mean, f"{one['n']:,}", f"W1 of {told}", model, truth))
        for name, value in one["correlations"]["model"].items():
            truth = with_error(*one["correlations"]["truth"][name])
            rows.append((mean, f"{one['n']:,}", f"correlation of {name.replace('_', ' ')}", with_error(*value), truth))
    return table(("collisions on average", "events", "", "`pile-up-minimum-bias`", "Pythia"), rows)


def jets(found: dict[str, Any]) -> str:
    """Return the shift and the resolution of hard jets."""
    here = found["jets"]["pile-up"]["jets"]
    rows = [
        (label, f"{here[name]['jets']:,}", *(with_error(*here[name][what]) for what in JETS))
        for name, label in SAMPLES.items()
    ]
    return table(("pile-up by", "jets", *JETS.values()), rows)


def libraries(found: dict[str, Any]) -> str:
    """Return how often events from libraries are told from fresh ones."""
    rows = [
        (f"{row['collisions']:,}", with_error(100 * row["told"], 100 * row["error"]))
        for row in found["jets"]["pile-up"]["libraries"]
    ]
    return table(("collisions in the library", "told from fresh events [%]"), rows)


def cost(found: dict[str, Any]) -> str:
    """Return bytes and times of one collision from each source."""
    here = found["jets"]["pile-up"]
    (row,) = here["rows"]
    disk, reading = here["disk"], here["reading"]
    per_collision = disk["per_collision"]
    rows = [
        ("`pile-up-minimum-bias`", with_error(row["microseconds"], row["microseconds_error"]), _size(disk["model"])),
        (
            "reading a library",
            with_error(reading["microseconds"], reading["error"]),
            f"{_size(per_collision)} a collision, {_size(1e6 * per_collision)} for a million",
        ),
        ("Pythia", f"{here['pythia_microseconds']:.0f}", "–"),
    ]
    return table(("", "µs a collision, one core", "on disk"), rows)


def _size(many: float) -> str:
    """Return a number of bytes in words."""
    units = ("B", "kB", "MB", "GB")
    power = min(int(math.log10(max(many, 1.0))) // 3, len(units) - 1)
    return f"{many / 1000**power:.3g} {units[power]}"
