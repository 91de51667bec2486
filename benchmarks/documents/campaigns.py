"""The table of docs/campaigns.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.tables import table


def overhead(found: dict[str, Any]) -> str:
    """Return the chunks a second by each kind of executor: the median of the repeats, and their range."""
    rows = []
    for row in found["campaigns"]["rows"]:
        rate, first = np.median(row["rates"]), np.median(row["firsts"])
        low, high = min(row["rates"]), max(row["rates"])
        times = f"{1000 / rate:.1f} ({1000 / high:.1f} to {1000 / low:.1f})"
        rows.append(
            (
                row["name"],
                str(row["workers"]),
                f"{rate:.0f} ({low:.0f} to {high:.0f})",
                times,
                f"{first:.1f}",
                f"{row['load']:.1f}",
            )
        )
    heads = ("tasks run in", "workers", "chunks/s", "ms per chunk", "to the first chunk [s]", "load average")
    return table(heads, rows)
