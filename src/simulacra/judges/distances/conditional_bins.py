"""Distances, shifts, widths and areas under ROC curves in bins of one condition, with their replicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.distances.distributions import scale_of
from simulacra.judges.samples import Sample
from simulacra.statistics.distances.divisions import BLOCKS, Replicates
from simulacra.statistics.distances.in_bins import area_in_bin, moments_in_bin, slopes_of, wasserstein_in_bin
from simulacra.statistics.distances.simultaneous import Simultaneous, simultaneous
from simulacra.statistics.distances.two_sample import effective_size
from simulacra.wording import MINUS

BINS: Final = 6
FEWEST_IN_BIN: Final = 100
BLOCKS_IN_BIN: Final = BLOCKS // 2


@dataclass(frozen=True)
class ConditionEvidence:
    """One condition: the comparisons in its bins.

    Attributes
    ----------
    condition, units:
        its name and unit.
    edges, position:
        of the bins, (bins + 1,), and the truth's mean condition in them, (bins,).
    n_truth, n_generated:
        events in each bin, (bins,).
    observables:
        names, (O,).
    wasserstein, shift, width:
        of each bin and observable, cells in the order (bins, O); ``width`` is the ratio.
    auc:
        of each bin; None without a classifier.
    follows:
        dependence of each observable's mean on the condition, relative to that of the truth, (O,); 1 if the truth does
        not clearly depend on it.
    """

    condition: str
    units: str
    edges: np.ndarray
    position: np.ndarray
    n_truth: np.ndarray
    n_generated: np.ndarray
    observables: tuple[str, ...]
    wasserstein: Simultaneous
    shift: Simultaneous
    width: Simultaneous
    auc: Simultaneous | None
    follows: np.ndarray

    def table(self, cells: np.ndarray) -> np.ndarray:
        """Return numbers of cells as (bins, O)."""
        return cells.reshape(len(self.position), -1)

    def place(self, first: int, last: int | None = None) -> str:
        """Return "above 80 GeV", "below 5 GeV" or "from 20 to 40 GeV" for bins ``first`` to ``last``."""
        last = first if last is None else last
        low, high = (_number(self.edges[edge]) for edge in (first, last + 1))
        unit = "" if self.units == "1" else f" {self.units}"
        if first == 0 and last == len(self.position) - 1:
            return f"everywhere in {self.condition}"
        if last == len(self.position) - 1:
            return f"above {self.condition} {low}{unit}"
        return f"below {self.condition} {high}{unit}" if first == 0 else f"at {self.condition} {low} to {high}{unit}"

    def region(self, number: int) -> str:
        """Return the bin's name in findings: "incident_energy 80 to 100 GeV"."""
        unit = "" if self.units == "1" else f" {self.units}"
        return f"{self.condition} {_number(self.edges[number])} to {_number(self.edges[number + 1])}{unit}"


def condition_edges(truth: Sample, generated: Sample, name: str) -> np.ndarray | None:
    """Return edges of bins of a condition, (bins + 1,), with enough events of both samples in each; None without two.

    Events beyond the truth's range are in the outermost bins.
    """
    values = truth.conditions[name]
    different = np.unique(values)
    if len(different) < 2:
        return None
    attempts = [np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]) for bins in range(BINS, 1, -1)]
    if len(different) <= BINS:
        attempts.insert(0, (different[1:] + different[:-1]) / 2)
    for attempt in attempts:
        inner = np.unique(attempt)
        sizes = [
            min(effective_size(w) if (w := sample.weights[number == b]).any() else 0.0 for b in range(len(inner) + 1))
            for sample in (truth, generated)
            for number in [np.searchsorted(inner, sample.conditions[name], side="right")]
        ]
        if min(sizes) >= FEWEST_IN_BIN:
            return np.concatenate([different[:1], inner, different[-1:]])
    return None


def judged_in_bins(
    name: str,
    edges: np.ndarray,
    truth: Sample,
    generated: Sample,
    rng: np.random.Generator,
    log_odds: tuple[np.ndarray, np.ndarray] | None,
    replicates: int,
) -> ConditionEvidence:
    """Return the comparisons in bins of a condition with these edges; ``log_odds`` are (N,) and (M,)."""
    numbers = [np.searchsorted(edges[1:-1], sample.conditions[name], side="right") for sample in (truth, generated)]
    observables = tuple(n for n in truth.observables if n in generated.observables)
    cells: dict[str, list[tuple[np.ndarray, ...]]] = {"wasserstein": [], "shift": [], "width": [], "auc": []}
    bins = range(len(edges) - 1)
    means = np.empty((len(edges) - 1, len(observables), 3))
    for b in bins:
        rows = [np.flatnonzero(number == b) for number in numbers]
        weights = [sample.weights[row] for sample, row in zip((truth, generated), rows, strict=True)]
        drawn = Replicates.draw(weights[0], weights[1], rng, replicates=replicates, blocks=BLOCKS_IN_BIN)
        values = [
            np.column_stack([sample.observables[o][row] for o in observables]).astype(np.float64)
            for sample, row in zip((truth, generated), rows, strict=True)
        ]
        centre = np.average(values[0], axis=0, weights=weights[0])
        scale = np.array([scale_of(a, g, weights[0]) for a, g in zip(values[0].T, values[1].T, strict=True)])
        scaled = (values[0] - centre) / scale, (values[1] - centre) / scale
        cells["wasserstein"].append(wasserstein_in_bin(*scaled, drawn))
        shift, width = moments_in_bin(*scaled, drawn)
        cells["shift"].append(shift)
        cells["width"].append(width)
        if log_odds is not None:
            cells["auc"].append(area_in_bin(log_odds[0][rows[0]], log_odds[1][rows[1]], drawn))
        means[b, :, 0], means[b, :, 1] = centre, centre + scale * shift[0]
        means[b, :, 2] = scale / np.sqrt(effective_size(weights[0]))
    judged = {
        kind: simultaneous(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))
        for kind, parts in cells.items()
        if parts
    }
    counts = [np.bincount(number, minlength=len(edges) - 1) for number in numbers]
    position = np.bincount(numbers[0], truth.conditions[name]) / counts[0]
    return ConditionEvidence(
        name,
        truth.units[name],
        edges,
        position,
        counts[0],
        counts[1],
        observables,
        judged["wasserstein"],
        judged["shift"],
        judged["width"],
        judged.get("auc"),
        slopes_of(means),
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)
