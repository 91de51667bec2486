"""Nearest neighbours of showers: whether a generator memorised showers, and which showers its showers resemble.

The distance is Hellinger's (:mod:`simulacra.statistics.distances.nearest`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample, some_rows
from simulacra.statistics.distances.nearest import nearest_by_shares
from simulacra.wording import with_error

MOST_QUERIES: Final = 1000
MOST_REFERENCES: Final = 20_000
SHOWN: Final = 3
SHOWN_NEIGHBOURS: Final = 2


@dataclass(frozen=True)
class Neighbourhood:
    """A generated shower and its nearest showers.

    Attributes
    ----------
    cells, incident_energy:
        of the generated shower, (n_cells,) [MeV] and [GeV].
    neighbour_cells, neighbour_energies, distances:
        of the nearest ones, (K, n_cells), (K,), (K,).
    """

    cells: np.ndarray
    incident_energy: float
    neighbour_cells: np.ndarray
    neighbour_energies: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Neighbours:
    """Distances to the nearest reference shower, of generated and of unseen truth showers, and a few of the pairs."""

    generated: np.ndarray
    truth: np.ndarray
    reference: str
    shown: tuple[Neighbourhood, ...]


def nearest_showers(events: Sample, references: Sample, *, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of showers to the ``k`` nearest references, rising, and their numbers, (Q, k) each."""
    if events.cells is None or references.cells is None:
        raise ValueError("nearest neighbours need the cells of showers")
    energies = [sample.conditions.get("incident_energy") for sample in (events, references)]
    return nearest_by_shares(
        events.cells, references.cells, k=k, query_energy=energies[0], reference_energy=energies[1]
    )


def judge_neighbours(
    truth: Sample, generated: Sample, train: Sample | None, rng: np.random.Generator
) -> tuple[list[Finding], Neighbours]:
    """Compare the distances of generated and of unseen truth showers to the nearest training (or else truth) shower."""
    reference = truth if train is None else train
    references = some_rows(len(reference), MOST_REFERENCES, rng)
    queries = some_rows(len(truth), MOST_QUERIES, rng)
    chosen = generated.take(some_rows(len(generated), MOST_QUERIES, rng))
    if train is None:
        # A shower is its own nearest neighbour among the truth: one half looks for its neighbours in the other.
        mixed = rng.permutation(len(truth))
        references, queries = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :][:MOST_QUERIES]
    pool = reference.take(references)
    distances, numbers = nearest_showers(chosen, pool, k=SHOWN_NEIGHBOURS)
    a, b = distances[:, 0], nearest_showers(truth.take(queries), pool)[0][:, 0]
    name = "truth" if train is None else "training"
    by_energy = np.argsort(chosen.conditions["incident_energy"])
    shown = [int(by_energy[int(share * (len(by_energy) - 1))]) for share in np.linspace(0.15, 0.85, SHOWN)]
    value, error = _median(a, rng)
    truth_value, truth_error = _median(b, rng)
    finding = Finding.of(
        "nearest_neighbour_distance",
        "cells",
        (value, error, truth_value, truth_error),
        (len(b), len(a)),
        f"Half of the generated showers are closer than {with_error(value, error)} (Hellinger distance) to a "
        f"{name} shower, half of unseen {truth.label} showers closer than {with_error(truth_value, truth_error)}. "
        "Much smaller distances would mean that showers were memorised, larger ones that generated showers are where "
        "there are none.",
        details={"references": len(pool), "reference": name, "share_of_copies": float(np.mean(a < 1e-4))},
    )
    near = tuple(_neighbourhood(chosen, pool, row, distances, numbers) for row in shown)
    return [finding], Neighbours(a, b, name, near)


def _neighbourhood(chosen: Sample, pool: Sample, row: int, distances: np.ndarray, numbers: np.ndarray) -> Neighbourhood:
    found = numbers[row]
    return Neighbourhood(
        np.asarray(chosen.cells)[row],
        float(chosen.conditions["incident_energy"][row]),
        np.asarray(pool.cells)[found],
        pool.conditions["incident_energy"][found],
        distances[row],
    )


def _median(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    medians = np.median(values[rng.integers(0, len(values), (200, len(values)))], axis=1)
    return float(np.median(values)), float(medians.std(ddof=1))
