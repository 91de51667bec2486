"""Time, memory and disk against the number of showers, and what a campaign costs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from benchmarks.tables import table

from simulacra.wording import with_error

#: showers of the campaign that is worked out
CAMPAIGN: Final = 1e10
#: price of an hour of one core and of a month of a terabyte [EUR], to be replaced by one's own
CORE_HOUR: Final = 0.01
TERABYTE_MONTH: Final = 5.0
#: cores that work at the same time, for the campaign's duration and network
CORES: Final = 10_000


def sizes(found: dict[str, Any]) -> str:
    """Return time and memory of training, generating and judging, by the number of showers."""
    rows = []
    for name, one in found["scale"]["sizes"].items():
        n = int(name)
        train, generate, judge = (one.get(stage, {}) for stage in ("train", "generate", "judge"))
        rows.append(
            (
                f"{n:,}",
                f"{one['bytes'] / 1e9:.3g} GB ({one['store_bytes'] / 1e9:.2g})",
                _stage(train),
                _stage(generate) + (f", {n / generate['cpu_seconds']:.0f}/s" if generate else ""),
                _stage(judge),
            )
        )
    return table(("showers", "in memory (on disk)", "train", "generate", "judge"), rows)


def _stage(one: dict[str, Any]) -> str:
    return f"{one['cpu_seconds'] / 60:.1f} min, {one['peak_bytes'] / 2**30:.1f} GiB" if one else "–"


def campaign(found: dict[str, Any]) -> str:
    """Return core hours, disk, network and price of a campaign, by what makes the showers."""
    rows = []
    for name, one in found["scale"]["campaign"]["measured"].items():
        seconds = np.array(one["cpu_seconds"])
        mean, error = float(seconds.mean()), float(seconds.std(ddof=1) / np.sqrt(len(seconds)))
        hours, hours_error = CAMPAIGN * mean / 3600, CAMPAIGN * error / 3600
        disk = CAMPAIGN * one["store_bytes"] / 1e12
        days = hours / CORES / 24
        rows.append(
            (
                "Geant4" if name == "geant4" else f"`{name.split(',')[0]}`" + (" (ONNX)" if "onnx" in name else ""),
                f"{with_error(1e3 * mean, 1e3 * error)} ms",
                with_error(hours, hours_error),
                f"{days:.3g} days" if days >= 1 else f"{24 * days:.2g} h",
                f"{disk:.3g} TB",
                f"{float(f'{8e3 * disk / (3600 * hours / CORES):.2g}'):,g} Gbit/s",
                f"{hours * CORE_HOUR:,.0f} EUR",
            )
        )
    heads = ("", "core time of a shower", "core hours", f"on {CORES:,} cores", "disk", "network", "price of the cores")
    return table(heads, rows)
