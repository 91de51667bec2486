"""Milliseconds per shower, and how many times as long Geant4 takes."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.tables import table

from simulacra.wording import with_error

#: from arXiv:1705.02355: only the ratio, to its own Geant4 on its own processor
PUBLISHED: Final = ("CaloGAN as published, its own Geant4 and processor", "29 million", "(135)", "", "", "(870)")
RUNTIMES: Final = {
    "torch": "torch, as trained",
    "ONNX Runtime, float32": "ONNX Runtime",
    "ONNX Runtime, int8": "ONNX Runtime, large layers in 8 bits",
}


def timing(found: dict[str, Any]) -> str:
    """Return the times of ``make bench-timing``."""
    record = found["timing"]
    geant4 = record["geant4"]
    batches = list(record["generators"][0]["milliseconds"])
    rows = [
        (
            row["name"],
            f"{row['weights']:,}",
            *(f"{row['milliseconds'][b]['median']:.3f} ({row['ratio'][b]:,.0f})" for b in batches),
        )
        for row in record["generators"]
    ]
    first = (f"Geant4 {geant4['version']}", "", with_error(geant4["milliseconds"], geant4["error"]), "", "", "")
    return table(("", "weights", *(f"batch {batch}" for batch in batches)), [first, *rows, PUBLISHED])


def inference(found: dict[str, Any]) -> str:
    """Return the times of ``make bench-inference``."""
    record = found["inference"]
    geant4, batches = record["geant4"], list(record["milliseconds"])
    rows = [
        (
            RUNTIMES.get(name, name),
            *(
                f"{one['median']:.3f} ({geant4['milliseconds'] / one['median']:,.0f})"
                for one in (record["milliseconds"][batch][name] for batch in batches)
            ),
        )
        for name in record["milliseconds"][batches[0]]
    ]
    first = (f"Geant4 {geant4['version']}", with_error(geant4["milliseconds"], geant4["error"]), "", "")
    return table((f"`{record['generator']}`", *(f"batch {batch}" for batch in batches)), [first, *rows])
