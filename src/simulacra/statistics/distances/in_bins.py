"""Comparisons of the events in one bin of a condition, with replicates: distances, moments, areas, slopes."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.statistics.distances.cumulative import Grid
from simulacra.statistics.distances.divisions import Divisions, Replicates
from simulacra.statistics.distances.two_sample import WASSERSTEIN, Lines

POINTS_IN_BIN: Final = 256
# A mean that moves by fewer errors than this over the condition cannot tell whether the generator follows.
CLEAR_MOVE: Final = 10.0


def wasserstein_in_bin(truth: np.ndarray, generated: np.ndarray, replicates: Replicates) -> tuple[np.ndarray, ...]:
    """Return value, score and scores of exchange, values of bootstrap and scores of halves; (O,) and (R, O)."""
    lines = Lines(replicates, points=POINTS_IN_BIN)
    scores = [lines.scores(a, g)[WASSERSTEIN] for a, g in zip(truth.T, generated.T, strict=True)]
    arrays = (np.column_stack([getattr(s, kind) for s in scores]) for kind in ("exchange", "bootstrap", "halves"))
    return np.array([s.value for s in scores]), np.array([s.compared for s in scores]), *arrays


def moments_in_bin(
    truth: np.ndarray, generated: np.ndarray, replicates: Replicates
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return the same for the mean's shift and the ratio of widths, whose score is the size of its logarithm."""
    both = np.concatenate([truth, generated])
    exchange, bootstrap, halves = replicates.exchange, replicates.bootstrap, replicates.halves
    shares, own = _power_sums(exchange, both), _power_sums(halves, truth)
    middle = exchange.n_blocks // 2
    in_hand = _shift_and_width(shares[:middle].sum(axis=0)[None], shares[middle:].sum(axis=0)[None])
    exchanged, drawn, halved = (
        _shift_and_width(*(factors @ sums for factors in divisions.coefficients()))
        for divisions, sums in ((exchange, shares), (bootstrap, shares), (halves, own))
    )
    smaller = np.sqrt(halves.shrink)
    shift = in_hand[0][0], np.abs(in_hand[0][0]), np.abs(exchanged[0]), drawn[0], smaller * np.abs(halved[0])
    logs = [np.abs(np.log(ratio)) for ratio in (in_hand[1][0], exchanged[1], halved[1])]
    return shift, (in_hand[1][0], logs[0], logs[1], drawn[1], smaller * logs[2])


def _power_sums(divisions: Divisions, values: np.ndarray) -> np.ndarray:
    return np.asarray(divisions.block_sums(np.concatenate([values, values**2], axis=1)))


def _shift_and_width(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the second minus the first group's mean, and the ratio of widths, from mean powers, (R, 2 O) each."""
    (mean, square), (other, other_square) = (np.split(powers, 2, axis=1) for powers in (first, second))
    # Features are in standard deviations: a width below a millionth is that of a constant.
    variance, other_variance = (np.maximum(s - m**2, 1e-12) for m, s in ((mean, square), (other, other_square)))
    return other - mean, np.sqrt(other_variance / variance)


def area_in_bin(truth: np.ndarray, generated: np.ndarray, replicates: Replicates) -> tuple[np.ndarray, ...]:
    """Return the same for the area under the ROC curve; the score is its excess over 1/2."""

    def below(divisions: Divisions, scores: np.ndarray) -> np.ndarray:
        """Return the weight of pairs with the first block's event below the second's, (B, B)."""
        shares = np.diff(
            Grid.of(scores).block_shares(divisions.weights, divisions.blocks, divisions.n_blocks),
            prepend=0.0,
            append=np.bincount(divisions.blocks, divisions.weights, divisions.n_blocks)[:, None],
        )
        return np.asarray((np.cumsum(shares, axis=1) - 0.5 * shares) @ shares.T)

    def areas(divisions: Divisions, pairs: np.ndarray) -> np.ndarray:
        first, second = divisions.coefficients()
        return np.asarray(((first @ pairs) * second).sum(axis=1)[:, None])

    exchange, bootstrap, halves = replicates.exchange, replicates.bootstrap, replicates.halves
    pairs = below(exchange, np.concatenate([truth, generated]))
    middle = exchange.n_blocks // 2
    value = np.array([pairs[:middle, middle:].sum()])
    by_chance = np.sqrt(halves.shrink) * (areas(halves, below(halves, truth)) - 0.5)
    return value, value - 0.5, areas(exchange, pairs) - 0.5, areas(bootstrap, pairs), by_chance


def slopes_of(means: np.ndarray) -> np.ndarray:
    """Return the slope of generated on true means over the bins, from (bins, O, 3): truth, generated and error."""
    truth, generated, error = np.moveaxis(means, 2, 0)
    clear = np.ptp(truth, axis=0) > CLEAR_MOVE * error.max(axis=0)
    moved = truth - truth.mean(axis=0)
    slope = np.ones(len(clear))
    return np.asarray(np.divide((moved * generated).sum(axis=0), (moved**2).sum(axis=0), out=slope, where=clear))
