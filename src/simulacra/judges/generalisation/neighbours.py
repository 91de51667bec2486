r"""Nearest neighbours of showers: whether a generator learned showers by heart, and what its showers resemble.

The distance between two showers is Hellinger's, between the shares :math:`p_c` of their energy in the cells,

.. math:: d(p, q) = \sqrt{\tfrac{1}{2} \sum_c (\sqrt{p_c} - \sqrt{q_c})^2}, \qquad 0 \le d \le 1.

Neighbours are looked for among showers of nearly the same incident energy, within a factor of 1.25: showers of high
energy are smooth, and would else be the nearest ones of every shower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Sample, some_rows
from simulacra.wording import with_error

MOST_QUERIES: Final = 1000
MOST_REFERENCES: Final = 20_000
SHOWN: Final = 3
SHOWN_NEIGHBOURS: Final = 2
ENERGY_FACTOR: Final = 1.25
BLOCK: Final = 256


@dataclass(frozen=True)
class Neighbourhood:
    """A generated shower and the showers nearest to it.

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


def nearest(
    queries: np.ndarray,
    references: np.ndarray,
    *,
    k: int = 1,
    query_energy: np.ndarray | None = None,
    reference_energy: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances to the ``k`` nearest references, rising, and their numbers, (Q, k) each.

    Parameters
    ----------
    queries, references:
        energies of the cells, (Q, n_cells) and (R, n_cells); their scale does not matter.
    k:
        number of neighbours, at most R.
    query_energy, reference_energy:
        incident energies, (Q,) and (R,); with them, references of nearly the same energy come first.
    """
    first, second = _roots(queries), _roots(references)
    distances = np.empty((len(first), k))
    numbers = np.empty((len(first), k), dtype=np.int64)
    for start in range(0, len(first), BLOCK):
        rows = slice(start, start + BLOCK)
        overlap = first[rows] @ second.T
        if query_energy is not None and reference_energy is not None:
            apart = np.abs(np.log(query_energy[rows, None] / reference_energy[None, :])) > np.log(ENERGY_FACTOR)
            overlap -= 2 * apart.astype(np.float32)
        found = np.argpartition(-overlap, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(found, np.argsort(-np.take_along_axis(overlap, found, 1), axis=1), 1)
        numbers[rows] = found
        for column in range(k):
            # Not the square root of 1 - overlap, which loses all digits for pairs that are nearly equal.
            difference = first[rows] - second[found[:, column]]
            distances[rows, column] = np.sqrt(0.5 * (difference**2).sum(axis=1))
    return distances, numbers


def judge_neighbours(
    truth: Sample, generated: Sample, train: Sample | None, rng: np.random.Generator
) -> tuple[Finding, Neighbours]:
    """Compare the distances of generated and of unseen truth showers to the nearest training (or else truth) shower."""
    if truth.cells is None or generated.cells is None:
        raise ValueError("nearest neighbours need the cells of showers")
    reference = train if train is not None and train.cells is not None else truth
    references = some_rows(len(reference), MOST_REFERENCES, rng)
    queries = some_rows(len(truth), MOST_QUERIES, rng)
    chosen = some_rows(len(generated), MOST_QUERIES, rng)
    if reference is truth:
        # A shower is its own nearest neighbour among the truth: one half looks for its neighbours in the other.
        mixed = rng.permutation(len(truth))
        references, queries = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :][:MOST_QUERIES]
    pool = reference.cells[references]  # type: ignore[index]
    pool_energy = reference.conditions["incident_energy"][references]
    energies = generated.conditions["incident_energy"][chosen]
    generated_distances, numbers = nearest(
        generated.cells[chosen], pool, k=SHOWN_NEIGHBOURS, query_energy=energies, reference_energy=pool_energy
    )
    truth_distances, _ = nearest(
        truth.cells[queries],
        pool,
        query_energy=truth.conditions["incident_energy"][queries],
        reference_energy=pool_energy,
    )
    a, b = generated_distances[:, 0], truth_distances[:, 0]
    name = "training" if reference is not truth else "truth"

    by_energy = np.argsort(energies)
    shown = []
    for share in np.linspace(0.15, 0.85, SHOWN):
        row = int(by_energy[int(share * (len(by_energy) - 1))])
        found = references[numbers[row]]
        shown.append(
            Neighbourhood(
                generated.cells[chosen[row]],
                float(energies[row]),
                reference.cells[found],  # type: ignore[index]
                reference.conditions["incident_energy"][found],
                generated_distances[row],
            )
        )
    value, error = _median(a, rng)
    truth_value, truth_error = _median(b, rng)
    finding = Finding(
        judge="nearest_neighbour_distance",
        observable="cells",
        value=value,
        uncertainty=error,
        truth_value=truth_value,
        truth_uncertainty=truth_error,
        n_truth=len(b),
        n_generated=len(a),
        sentence=(
            f"Half of the generated showers lie closer than {with_error(value, error)} (Hellinger distance) to a "
            f"{name} shower, of unseen {truth.label} showers half closer than {with_error(truth_value, truth_error)}. "
            "Much smaller distances than these would mean that showers were learned by heart, larger ones that "
            "generated showers lie where there are none."
        ),
        details={"references": len(pool), "reference": name, "share_of_copies": float(np.mean(a < 1e-4))},
    )
    return finding, Neighbours(a, b, name, tuple(shown))


def _roots(cells: np.ndarray) -> np.ndarray:
    total = cells.sum(axis=1, dtype=np.float64)
    shares = np.divide(cells, total[:, None], out=np.zeros(cells.shape), where=total[:, None] > 0)
    return np.asarray(np.sqrt(shares), dtype=np.float32)


def _median(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    medians = np.median(values[rng.integers(0, len(values), (200, len(values)))], axis=1)
    return float(np.median(values)), float(medians.std(ddof=1))
