"""Samples that are tables of numbers, made without events."""

from __future__ import annotations

import numpy as np

from simulacra.judges.samples import Sample


def toy_table(
    columns: dict[str, np.ndarray],
    conditions: dict[str, np.ndarray] | None = None,
    weights: np.ndarray | None = None,
    *,
    unit: str = "1",
    title: str = "{}",
    label: str = "Toy",
) -> Sample:
    """Return observables and conditions by name, (N,) each, as a sample; conditions are energies [GeV]."""
    held = conditions or {}
    names = [*columns, *held]
    return Sample(
        label=label,
        kind="tables",
        cells=None,
        cloud=None,
        conditions=held,
        observables=columns,
        weights=np.ones(len(next(iter(columns.values())))) if weights is None else weights,
        units={name: "GeV" if name in held else unit for name in names},
        long_names={name: name if name in held else title.format(name) for name in names},
        provenance={},
    )


def numbered(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return columns (N, F) as x_0, x_1 and so on."""
    return {f"x_{i}": column for i, column in enumerate(values.T)}
