"""The band of model uncertainty in each bin of an observable, and the share of bins whose truth it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.histograms import Binning, Histogram, binning_of, histogram, joined

LEVELS: Final = (0.6827, 0.9545)
BLOCKS: Final = 200
MOST_BINS: Final = 40


@dataclass(frozen=True)
class Coverage:
    """The share of bins with the truth inside the band of one level.

    Attributes
    ----------
    level:
        the nominal share.
    value, error:
        the observed share, and its standard deviation over new members and new events.
    honest, honest_error:
        mean and standard deviation for members that scatter around the truth, at the same sizes.
    p_value:
        probability that these are at least as far from their mean.
    """

    level: float
    value: float
    error: float
    honest: float
    honest_error: float
    p_value: float

    @property
    def excess(self) -> float:
        """Difference of the coverage from that of an honest band, in standard deviations of the latter."""
        return (self.value - self.honest) / self.honest_error if self.honest_error > 0 else 0.0


@dataclass(frozen=True)
class EnsembleHistogram:
    """One observable in the truth and in the ensemble.

    Attributes
    ----------
    observable, units, long_name, binning:
        its names, and its bins.
    truth:
        its shares and their statistical errors, (bins,).
    mean, statistical:
        the members' mean share and its statistical error, (bins,).
    spread:
        the members' standard deviation, including their statistical errors, (bins,).
    model:
        half the width of the 68 % band of the mean, ``t s / sqrt(M)``, (bins,).
    coverage:
        at each of the levels.
    stretch:
        the factor on the band that would have covered 68 % of the bins (including the truth's error).
    """

    observable: str
    units: str
    long_name: str
    binning: Binning
    truth: Histogram
    mean: np.ndarray
    statistical: np.ndarray
    spread: np.ndarray
    model: np.ndarray
    coverage: tuple[Coverage, ...]
    stretch: float


@dataclass(frozen=True)
class Draws:
    """The counts of each block of events of each sample, and the members' deviations, in each replicate."""

    blocks: list[np.ndarray]
    times: list[np.ndarray]
    normal: np.ndarray

    @classmethod
    def of(cls, sizes: list[int], replicates: int, rng: np.random.Generator) -> Draws:
        """Draw for samples of these sizes, the truth first."""
        blocks = [rng.permutation(np.arange(n) % min(BLOCKS, n)) for n in sizes]
        times = []
        for n in sizes:
            k = min(BLOCKS, n)
            times.append(rng.multinomial(k, np.full(k, 1 / k), replicates))
        members = len(sizes) - 1
        return cls(blocks, times, rng.standard_normal((replicates, members, members)))

    def shares(self, sample: int, index: np.ndarray, weights: np.ndarray, bins: int) -> np.ndarray:
        """Return the shares of the bins in each replicate, (R, bins), with the sample's own in row 0."""
        blocks, times = self.blocks[sample], self.times[sample]
        n = times.shape[1]
        table = np.bincount(blocks * bins + index, weights, n * bins).reshape(n, bins)
        drawn = np.concatenate([np.ones((1, n)), times]) @ table
        return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Inside:
    """The distance of each bin's truth from the mean, in errors times the quantile of each level.

    For the observed values, (levels, bins), and for replicates about them and about the mean, (levels, R, bins).
    """

    found: np.ndarray
    about_found: np.ndarray
    about_mean: np.ndarray

    @classmethod
    def of(cls, pieces: Sequence[Inside]) -> Inside:
        """Return the bins of all observables together."""
        return cls(
            np.concatenate([piece.found for piece in pieces], axis=-1),
            np.concatenate([piece.about_found for piece in pieces], axis=-1),
            np.concatenate([piece.about_mean for piece in pieces], axis=-1),
        )

    def coverage(self) -> tuple[Coverage, ...]:
        """Return the coverage at each level."""
        found = []
        for k, level in enumerate(LEVELS):
            value = float((self.found[k] <= 1).mean())
            around = (self.about_found[k] <= 1).mean(axis=1)
            honest = (self.about_mean[k] <= 1).mean(axis=1)
            far = np.abs(honest - honest.mean()) >= abs(value - honest.mean()) - 1e-9
            p_value = (1 + int(far.sum())) / (1 + len(honest))
            found.append(
                Coverage(
                    level,
                    value,
                    float(around.std(ddof=1)),
                    float(honest.mean()),
                    float(honest.std(ddof=1)),
                    float(p_value),
                )
            )
        return tuple(found)

    def stretch(self) -> float:
        """Return the factor on the bands that would have covered the first level's nominal share of bins."""
        return float(np.quantile(self.found[0], LEVELS[0]))


@dataclass(frozen=True)
class Observed:
    """An observable's band, and the positions of its bins in it."""

    histogram: EnsembleHistogram
    inside: Inside


def observed(names: tuple[str, str, str], samples: Sequence[tuple[np.ndarray, np.ndarray]], draws: Draws) -> Observed:
    """Return the band of one observable.

    Parameters
    ----------
    names:
        its name, units and long name.
    samples:
        values and weights of the truth and of each member, (N,) each.
    draws:
        of these samples.
    """
    binning = joined(binning_of(samples[0][0], bins=MOST_BINS), samples[0][0])
    found = [histogram(values, weights, binning) for values, weights in samples]
    drawn = [
        draws.shares(k, binning.index(values), weights, len(binning)) for k, (values, weights) in enumerate(samples)
    ]
    shares = np.stack([rows[0] for rows in drawn[1:]])
    errors = np.stack([side.error for side in found[1:]])
    m, mean, spread = len(shares), shares.mean(axis=0), shares.std(axis=0, ddof=1)
    # The part of the spread beyond the members' statistics is drawn again, with its correlations between the bins.
    own = np.sqrt(np.maximum(spread**2 - (errors**2).mean(axis=0), 0.0))
    scale = np.divide(own, spread, out=np.zeros_like(own), where=spread > 0)
    deviations = (shares - mean) * scale / np.sqrt(m - 1)
    fluctuations = np.stack([rows[1:] - rows[0] for rows in drawn[1:]], axis=1)
    new = mean + np.einsum("rkj,jb->rkb", draws.normal, deviations) + fluctuations
    new_mean, new_spread = new.mean(axis=1), new.std(axis=1, ddof=1)
    error = found[0].error
    moved = drawn[0][1:] - drawn[0][0]
    apart = found[0].share - mean
    pulls = _pulls(apart, spread, error, m)
    # The observed values fluctuate too: only the part beyond an honest band's fluctuations is kept as a fault.
    fault = apart * np.sqrt(max(1 - 1 / max(float(np.quantile(pulls[0], LEVELS[0])), 1e-9) ** 2, 0.0))
    inside = Inside(
        pulls,
        _pulls(mean + fault + moved - new_mean, new_spread, error, m),
        _pulls(mean + moved - new_mean, new_spread, error, m),
    )
    histogram_ = EnsembleHistogram(
        *names,
        binning,
        found[0],
        mean,
        np.sqrt((errors**2).sum(axis=0)) / m,
        spread,
        _student(LEVELS[0], np.array(m - 1.0)) * spread / np.sqrt(m),
        inside.coverage(),
        inside.stretch(),
    )
    return Observed(histogram_, inside)


def _pulls(difference: np.ndarray, spread: np.ndarray, error: np.ndarray, members: int) -> np.ndarray:
    """Return the distance of the truth from the mean, over half the width of each level's band, (levels, ...)."""
    model = spread**2 / members
    variance = model + error**2
    freedom = np.divide(
        variance**2 * (members - 1), model**2, out=np.full(np.shape(variance), np.inf), where=model**2 > 0
    )
    width = np.stack([_student(level, freedom) for level in LEVELS]) * np.sqrt(variance)
    apart = np.broadcast_to(np.abs(difference), width.shape)
    # If neither side has events, they do not differ.
    return np.asarray(np.divide(apart, width, out=np.where(apart > 0, np.inf, 0.0), where=width > 0))


def _student(level: float, freedom: np.ndarray) -> np.ndarray:
    """Return the quantile of Student's t with ``level`` between minus and plus this value."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.minimum(freedom, 1e6), 0.5 * (1 + level)))
