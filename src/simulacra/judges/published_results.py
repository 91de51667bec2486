"""Published results of others, to be drawn with ours: the CaloChallenge's table as JSON (arXiv:2410.21611).

The file holds ``{data set: {model: {quantity: number}}}`` with the quantities "binary cls low" and "binary cls high"
(AUC on voxels and on high-level features), "time CPU 100" (milliseconds per shower in batches of 100) and others, each
with its error under "... std"; NaN if there is none.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: the quantity for the AUC on each of our classifiers' inputs
QUANTITIES: Final = {"cells": "binary cls low", "observables": "binary cls high"}
TIME: Final = "time CPU 100"
CAVEAT: Final = (
    "Grey: published results of others ({name}, {time}, milliseconds per shower). Their detector, showers, classifiers "
    "and computers differ from those here: compare the shapes of the fronts, not single points."
)


@dataclass(frozen=True)
class PublishedResult:
    """A published generator: AUC and its error by the classifier's input, and its time per event [ms]."""

    name: str
    aucs: Mapping[str, tuple[float, float]]
    milliseconds: float


@dataclass(frozen=True)
class Published:
    """Published results on one data set, and the name of the time."""

    dataset: str
    time: str
    results: tuple[PublishedResult, ...]

    @property
    def caveat(self) -> str:
        """What a reader should know about them."""
        return CAVEAT.format(name=self.dataset, time=self.time)


def read_published(path: str | os.PathLike[str], dataset: str | None = None, *, time: str = TIME) -> Published:
    """Read published results; models without a time or an AUC are left out.

    Parameters
    ----------
    dataset:
        the data set, such as "ds1_photons"; needed if the file holds several.
    time:
        the quantity used as cost, such as "time CPU 1" or "time GPU 100".

    Raises
    ------
    ValueError
        if the file cannot be read, has another layout, or lacks the data set or time.
    """
    path = Path(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot read published results from '{path}': {error}") from error
    if not isinstance(table, dict) or not table:
        raise ValueError(f"'{path}' holds no table of {{data set: {{model: {{quantity: number}}}}}}")
    if dataset is None and len(table) > 1:
        raise ValueError(f"'{path}' holds the data sets {sorted(table)}: choose one")
    dataset = next(iter(table)) if dataset is None else dataset
    if dataset not in table:
        raise ValueError(f"'{path}' holds no data set '{dataset}'; it holds {sorted(table)}")
    results = []
    for name, entry in _mapping(table[dataset], path, dataset).items():
        row = _mapping(entry, path, f"{dataset}, {name}")
        aucs = {}
        for what, quantity in QUANTITIES.items():
            value = _number(row, quantity, path, name)
            if value is not None:
                aucs[what] = (value, _number(row, f"{quantity} std", path, name) or 0.0)
        cost = _number(row, time, path, name)
        if aucs and cost is not None and cost > 0:
            results.append(PublishedResult(str(name), aucs, cost))
    if not results:
        raise ValueError(f"'{path}' holds no model of '{dataset}' with an AUC and '{time}'")
    return Published(dataset, time, tuple(results))


def _mapping(value: Any, path: Path, place: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"'{path}' holds {type(value).__name__} for {place}: expected names and numbers")


def _number(row: Mapping[str, Any], quantity: str, path: Path, name: str) -> float | None:
    value = row.get(quantity)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            # a whole number of hundreds of digits
            return None
    raise ValueError(f"'{path}' holds {value!r:.80} for '{quantity}' of {name}: expected a number")
