"""The table of docs/calochallenge.md: electrons in the mesh of set 2, judged as the challenge does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from benchmarks.documents.showers import NOTHING
from benchmarks.tables import table

from simulacra.trained.judged_file import JudgedNumber, JudgedRecord
from simulacra.wording import with_error

COMMAND: Final = "make bench-calochallenge"
INPUTS: Final = {
    "low": "AUC of the challenge's classifier on voxels",
    "high": "AUC of the challenge's classifier on shapes",
}
GEANT4: Final = "Geant4 against Geant4"
#: name, AUC on voxels, on high-level features, and ms on a processor at batch 1 and 100, arXiv:2410.21611
PUBLISHED: Final = (
    ("CaloDREAM", 0.531, 0.521, 16_940, 5_052),
    ("convolutional L2LFlows", 0.708, 0.737, 1_969, 121),
    ("CaloINN", 0.743, 0.865, 388, 59.7),
)


def judged(found: dict[str, Any]) -> str:
    """Return a row for Geant4, the ideal sampler and each generator, and published rows of another sample."""
    rows = []
    for label, one in found["calochallenge"]["rows"].items():
        name = f"`{one['weights']}`" if "weights" in one else label
        areas = [with_error(one[which]["auc"], one[which]["error"]) for which in INPUTS]
        rows.append((name, *areas, *(_milliseconds(one, batch) for batch in ("1", "100"))))
    rows += [
        (f"{name}, as published", f"{low}", f"{high}", f"{alone:,}", f"{together:,}")
        for name, low, high, alone, together in PUBLISHED
    ]
    heads = ("", "AUC on voxels", "AUC on shapes", "ms per shower, batch 1", "batch 100")
    return table(heads, rows)


def _milliseconds(one: dict[str, Any], batch: str) -> str:
    if "time" not in one:
        return NOTHING
    return f"{min(float(one['time'][runtime][batch]['median']) for runtime in ('torch', 'onnx')):.3g}"


def short(found: Any) -> str:
    """Return the AUC on voxels and the time of the shipped generator, for the table of systems."""
    one = next(row for row in found["calochallenge"]["rows"].values() if "weights" in row)
    return (
        f"AUC on voxels {with_error(one['low']['auc'], one['low']['error'])}, on shapes "
        f"{with_error(one['high']['auc'], one['high']['error'])}, {_milliseconds(one, '100')} ms"
    )


def cards(found: dict[str, Any]) -> Iterator[tuple[str, JudgedRecord]]:
    """Return the judged numbers of each generator, by its name."""
    rows = found["calochallenge"]["rows"]
    for one in rows.values():
        if "weights" in one:
            numbers = tuple(
                JudgedNumber(
                    name=title,
                    value=one[which]["auc"],
                    error=one[which]["error"],
                    truth=rows[GEANT4][which]["auc"],
                    truth_error=rows[GEANT4][which]["error"],
                )
                for which, title in INPUTS.items()
            )
            yield (
                one["weights"],
                JudgedRecord(
                    command=COMMAND,
                    weights=(one["weights_sha256"],),
                    truth="unseen showers of Geant4",
                    events=one["low"]["showers"],
                    version=found["calochallenge"]["versions"]["simulacra"],
                    numbers=numbers,
                ),
            )
