r"""Divisions of events into two groups: permutation tests, truth against truth, and bootstrap errors, for any distance.

Events are divided at random into blocks, and whole blocks change sides. An expensive distance (a Gram matrix, moments)
is then summed once per block, and every division is cheap.

*Exchange.* Truth and generated events have equal numbers of blocks, and in a permutation a random half of all blocks
plays the truth. For samples of equal size without weights this is an exact permutation test. For samples of different
sizes and with weights, it is right asymptotically: with equal numbers of blocks on both sides, the sum of the two
groups' variances is that of the samples (a balanced permutation test keeps its level for different variances: Janssen,
Statistics & Probability Letters 36 (1997) 9).

*Halves.* The truth alone is divided in two: truth against truth, without the wider spread of a mixture. The halves have
fewer events than the samples, so the difference of their distributions is larger than that of two samples of the given
sizes, by the square root of 1 / ``shrink``,

.. math:: \mathrm{shrink} = \frac{1/n + 1/m}{1/h + 1/h'},

with effective numbers of events n, m of the samples and h, h' of the halves. A distance that is a homogeneous function
of that difference, of degree one (W1, Kolmogorov-Smirnov) or two (energy distance, MMD, separation power), is scaled
accordingly.

*Bootstrap.* Blocks are drawn with replacement within each sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

REPLICATES: Final = 200
BLOCKS: Final = 200
FEWEST_BLOCKS: Final = 20


@dataclass(frozen=True)
class Divisions:
    """Replicates of the events' coefficients in a difference of two distributions.

    Attributes
    ----------
    weights:
        share of each event in its sample, (K,); they sum to 1 for each sample.
    blocks:
        number of the block of each event, (K,).
    first, second:
        counts of each block in the first and in the second group, (R, B) each.
    shrink:
        factor for a squared distance of a replicate.
    """

    weights: np.ndarray
    blocks: np.ndarray
    first: np.ndarray
    second: np.ndarray
    shrink: float = 1.0

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return int(self.first.shape[1])

    def __len__(self) -> int:
        return len(self.first)

    def block_sums(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted sum of values, (K,) or (K, F), over each block, (B,) or (B, F)."""
        if values.ndim == 1:
            return np.bincount(self.blocks, self.weights * values, self.n_blocks)
        order = np.argsort(self.blocks, kind="stable")
        starts = np.searchsorted(self.blocks[order], np.arange(self.n_blocks))
        return np.asarray(np.add.reduceat(self.weights[order, None] * values[order], starts, axis=0))

    def coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the factors on the blocks' sums in the groups' means, (R, B) each: multiplicity over weight."""
        total = np.bincount(self.blocks, self.weights, self.n_blocks)
        first = self.first / (self.first @ total)[:, None]
        second = self.second / (self.second @ total)[:, None]
        return first, second

    def signed(self) -> np.ndarray:
        """Return the factor on each block's sums in the difference of the groups' means, first minus second, (R, B)."""
        first, second = self.coefficients()
        return np.asarray(first - second)


@dataclass(frozen=True)
class Replicates:
    """The replicates for a distance's error, null distribution and p-value.

    Attributes
    ----------
    exchange, bootstrap:
        of truth and generated events, joined, (N + M,).
    halves:
        of the truth only, (N,).
    """

    exchange: Divisions
    bootstrap: Divisions
    halves: Divisions

    @classmethod
    def draw(
        cls,
        truth_weights: np.ndarray,
        generated_weights: np.ndarray,
        rng: np.random.Generator,
        *,
        replicates: int = REPLICATES,
        blocks: int = BLOCKS,
    ) -> Replicates:
        """Draw replicates for samples with these weights, (N,) and (M,).

        Raises
        ------
        ValueError
            if a sample has too few events for the blocks.
        """
        n, m = len(truth_weights), len(generated_weights)
        per_sample = min(blocks, n // 2, m // 2)
        if per_sample < FEWEST_BLOCKS:
            raise ValueError(f"{n} and {m} events are too few to divide: {2 * FEWEST_BLOCKS} of each are needed")
        first, second = truth_weights / truth_weights.sum(), generated_weights / generated_weights.sum()
        weights = np.concatenate([first, second])
        own = _blocks(n, per_sample, rng)
        both = np.concatenate([own, per_sample + _blocks(m, per_sample, rng)])
        is_truth = np.zeros((replicates, 2 * per_sample), dtype=np.int16)
        is_truth[:, :per_sample] = 1
        exchanged = rng.permuted(is_truth, axis=1)
        drawn = [rng.multinomial(per_sample, np.full(per_sample, 1 / per_sample), replicates) for _ in range(2)]
        nothing = np.zeros((replicates, per_sample), dtype=np.int16)
        half = np.zeros((replicates, per_sample), dtype=np.int16)
        half[:, : per_sample // 2] = 1
        half = rng.permuted(half, axis=1)
        size_n, size_m = 1 / np.sum(first**2), 1 / np.sum(second**2)
        share = (per_sample // 2) / per_sample
        apart = 1 / (size_n * share) + 1 / (size_n * (1 - share))
        shrink = (1 / size_n + 1 / size_m) / apart
        return cls(
            Divisions(weights, both, exchanged, 1 - exchanged),
            Divisions(
                weights,
                both,
                np.concatenate([drawn[0], nothing], axis=1),
                np.concatenate([nothing, drawn[1]], axis=1),
            ),
            Divisions(first, own, half, 1 - half, float(shrink)),
        )


def p_value(value: float, null: np.ndarray) -> float:
    """Return the share of divisions at least as far apart, including the observed one."""
    # Rounding must not make equal distances differ.
    least = value - 1e-9 * abs(value)
    return float((1 + int(np.count_nonzero(null >= least))) / (1 + len(null)))


def _blocks(n: int, blocks: int, rng: np.random.Generator) -> np.ndarray:
    """Return a block for each of n events, (n,), at random and of equal sizes up to one event."""
    return np.asarray(rng.permutation(np.arange(n) % blocks))
